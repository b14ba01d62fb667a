from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from adapters.manifest import Authentication, FaultPatterns, Lifecycle
from adapters.rest_request import RequestForm
from esb.contracts.json_contract import JsonContract
from esb.errors import (
    AgencyFault,
    AgencyPaused,
    AgencyRejected,
    ContractUnsupported,
    ReplyInvalid,
    ReplyUnproven,
    RequestUnencodable,
)
from esb.ports import OutgoingCall, ProvenAnswer, RawAnswer
from security.errors import KeyUnavailable
from tests.support.rest_agency import BASE_URL, ORDERS, RestAgency, rest_agency
from tests.support.soap_agency import NOW

PIN = "7TESTX1"
STUDENT = {"pin": PIN, "asOf": "2026-11-21T10:00:00+04:00", "studying": False}
PROBLEM = {"type": "about:blank", "title": "no such record", "status": 404}


@pytest.fixture
def students() -> RestAgency:
    return rest_agency("GetStudentStatus")


@pytest.fixture
def orders() -> RestAgency:
    return rest_agency("OpenOrder", agency="orders")


def proven(there: RestAgency, document: Any, **how: Any) -> ProvenAnswer:
    call = there.called({"pin": PIN})
    return there.operation.verify(there.signed(document, call, **how), call, now=NOW)


# --- request ---------------------------------------------------------------------------------------------


def test_agency_proves_a_signed_request_without_body(students: RestAgency) -> None:
    call = students.called({"pin": PIN})
    assert (call.method, call.url, call.body) == ("GET", f"{BASE_URL}/students/{PIN}", b"")
    assert students.proven(call).signature_value == call.proof
    assert "content-type" not in call.headers


def test_each_value_goes_to_its_place(orders: RestAgency) -> None:
    values = {
        "iban": "AZ21/NABZ ə",
        "tag": ["a&b", "c"],
        "dry": True,
        "X-Branch": "Bakı 7".replace("ı", "i"),
        "body": {"amount": Decimal("10.10"), "note": "ə"},
    }
    call = orders.called(values)
    assert call.url == f"{BASE_URL}/accounts/AZ21%2FNABZ%20%C9%99/orders?tag=a%26b&tag=c&dry=true"
    assert call.headers["x-branch"] == "Baki 7"
    assert call.headers["content-type"] == "application/json"
    assert call.body == '{"amount":10.10,"note":"ə"}'.encode()
    assert orders.proven(call).body == call.body


def test_optional_values_may_be_left_out(orders: RestAgency) -> None:
    call = orders.called({"iban": "AZ21", "body": {"amount": 1}})
    assert call.url == f"{BASE_URL}/accounts/AZ21/orders"
    assert "x-branch" not in call.headers


def test_document_is_canonical_json_of_the_values(orders: RestAgency) -> None:
    document = orders.operation.encode({"body": {"note": "x", "amount": Decimal("0.10")}, "iban": "A"})
    assert document == b'{"body":{"amount":0.10,"note":"x"},"iban":"A"}'


def test_trace_goes_along(students: RestAgency) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert students.called({"pin": PIN}, traceparent=parent).headers["traceparent"] == parent


@pytest.mark.parametrize(("values", "path"), [({"pin": "7testx1"}, "pin"), ({}, "pin"), ({"pin": PIN, "x": 1}, "x")])
def test_values_outside_the_contract_are_refused_with_the_field(
    students: RestAgency, values: dict[str, Any], path: str
) -> None:
    with pytest.raises(RequestUnencodable) as caught:
        students.operation.encode(values)
    assert caught.value.path == path
    assert "7testx1" not in str(caught.value)


def test_violation_in_the_body_is_told_with_its_place(orders: RestAgency) -> None:
    with pytest.raises(RequestUnencodable) as caught:
        orders.operation.encode({"iban": "A", "body": {"amount": 0}})
    assert caught.value.path == "body/amount"


@pytest.mark.parametrize("value", ["..", ".", ""])
def test_value_that_would_change_the_path_is_refused(orders: RestAgency, value: str) -> None:
    with pytest.raises(RequestUnencodable) as caught:
        orders.operation.encode({"iban": value, "body": {"amount": 1}})
    assert caught.value.path == "iban"


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\n", "", " a", "ə"])
def test_value_that_would_break_out_of_a_header_is_refused(orders: RestAgency, value: str) -> None:
    with pytest.raises(RequestUnencodable) as caught:
        orders.operation.encode({"iban": "A", "X-Branch": value, "body": {"amount": 1}})
    assert caught.value.path == "X-Branch"


def test_contract_cannot_set_a_header_that_the_bus_sets() -> None:
    contract = JsonContract({"x": ORDERS.replace(b"X-Branch", b"Signature")}, "x")
    with pytest.raises(ContractUnsupported, match="Signature"):
        RequestForm(contract.operation("OpenOrder"), base_url=BASE_URL)


def test_nothing_is_sent_unsigned_when_the_bus_has_no_key() -> None:
    with pytest.raises(KeyUnavailable, match="esb keys new"):
        rest_agency("GetStudentStatus", keys_there=False).called({"pin": PIN})


def test_agency_out_of_use_is_not_called() -> None:
    with pytest.raises(AgencyPaused):
        rest_agency("GetStudentStatus", lifecycle=Lifecycle.SUSPENDED).called({"pin": PIN})


# --- good answers ----------------------------------------------------------------------------------------


def test_reply_comes_back_as_plain_values_with_the_moment_they_hold_for(students: RestAgency) -> None:
    answer = students.operation.decode(proven(students, STUDENT))
    assert (answer.found, answer.data) == (True, STUDENT)
    assert answer.as_of == datetime(2026, 11, 21, 6, tzinfo=UTC)


def test_signed_404_with_the_contracts_document_is_not_found(students: RestAgency) -> None:
    answer = students.operation.decode(proven(students, PROBLEM, status=404))
    assert (answer.found, answer.data) == (False, {})


def test_proof_carries_the_time_and_a_claim_that_can_be_used_once(students: RestAgency) -> None:
    call = students.called({"pin": PIN})
    answer = students.signed(STUDENT, call)
    first, again = (students.operation.verify(answer, call, now=NOW + timedelta(seconds=s)) for s in (0, 1))
    assert first.signed_at == NOW
    assert first.claims[0].key == again.claims[0].key
    assert first.claims[0].key.startswith("httpsig:tn-tm:")
    assert first.claims[0].expires_at == NOW + timedelta(seconds=330)


def test_amounts_are_exact(orders: RestAgency) -> None:
    content = b'{"orderId": "1", "fee": 0.1000000000000000055511151231257827}'
    answer = orders.operation.decode(ProvenAnswer(http_status=200, content=content, signed_at=None))
    assert answer.data["fee"] == Decimal("0.1000000000000000055511151231257827")


def test_success_without_document_is_an_empty_answer(orders: RestAgency) -> None:
    answer = orders.operation.decode(ProvenAnswer(http_status=204, content=b"", signed_at=None))
    assert (answer.found, answer.data) == (True, {})


# --- problems --------------------------------------------------------------------------------------------


def test_problem_that_the_manifest_calls_a_refusal_is_one() -> None:
    there = rest_agency("GetStudentStatus", faults=FaultPatterns(rejected=("CLOSED_*",)))
    problem = {**PROBLEM, "status": 422, "code": "CLOSED_FILE", "detail": "Bağlı iş"}
    with pytest.raises(AgencyRejected) as caught:
        there.operation.decode(proven(there, problem, status=422))
    assert (caught.value.agency_code, caught.value.agency_message) == ("CLOSED_FILE", "Bağlı iş")


@pytest.mark.parametrize("status", [400, 422, 500, 503])
def test_other_problem_is_the_agencys_own_trouble(students: RestAgency, status: int) -> None:
    with pytest.raises(AgencyFault) as caught:
        students.operation.decode(proven(students, {**PROBLEM, "status": status}, status=status))
    assert caught.value.agency_message == "no such record"
    assert str(caught.value) == f"HTTP {status}"


def test_status_itself_can_be_a_pattern_of_the_manifest() -> None:
    there = rest_agency("GetStudentStatus", faults=FaultPatterns(rejected=("HTTP 409",), not_found=("HTTP 410",)))
    with pytest.raises(AgencyRejected):
        there.operation.decode(proven(there, {}, status=409))
    assert not there.operation.decode(proven(there, {}, status=410)).found


# --- answers that are not believed -----------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 404, 422])
def test_answer_without_signature_is_not_believed(students: RestAgency, status: int) -> None:
    call = students.called({"pin": PIN})
    answer = RawAnswer(
        http_status=status, headers={"content-type": "application/json"}, body=msgspec.json.encode(STUDENT)
    )
    with pytest.raises(ReplyUnproven):
        students.operation.verify(answer, call, now=NOW)


def test_page_without_signature_breaks_the_protocol_unless_a_server_failed(students: RestAgency) -> None:
    call = students.called({"pin": PIN})
    for status, error in ((200, ReplyInvalid), (404, ReplyInvalid), (502, AgencyFault), (503, AgencyFault)):
        page = RawAnswer(http_status=status, headers={"content-type": "text/html"}, body=b"<html>")
        with pytest.raises(error, match=f"HTTP {status}"):
            students.operation.verify(page, call, now=NOW)


def test_reply_of_a_stranger_is_not_believed(students: RestAgency) -> None:
    with pytest.raises(ReplyUnproven):
        proven(students, STUDENT, key="stranger")


def test_reply_of_an_agency_without_trusted_key_is_not_believed() -> None:
    there = rest_agency("GetStudentStatus", trusted=False)
    with pytest.raises(ReplyUnproven):
        proven(there, STUDENT)


@pytest.mark.parametrize("shift_s", [-600, 600])
def test_reply_of_another_time_is_not_believed(students: RestAgency, shift_s: int) -> None:
    with pytest.raises(ReplyUnproven):
        proven(students, STUDENT, now=NOW + timedelta(seconds=shift_s))


def test_reply_to_another_request_is_not_believed(students: RestAgency) -> None:
    first, second = students.called({"pin": PIN}), students.called({"pin": PIN})
    with pytest.raises(ReplyUnproven):
        students.operation.verify(students.signed(STUDENT, first), second, now=NOW)


@pytest.mark.parametrize("part", ["body", "status", "content-type"])
def test_reply_that_was_changed_on_the_way_is_not_believed(students: RestAgency, part: str) -> None:
    call = students.called({"pin": PIN})
    answer = students.signed(STUDENT, call)
    changed = {
        "body": msgspec.structs.replace(answer, body=answer.body.replace(b"false", b"true ")),
        "status": msgspec.structs.replace(answer, http_status=404),
        "content-type": msgspec.structs.replace(answer, headers={**answer.headers, "content-type": "text/json"}),
    }[part]
    assert changed != answer
    with pytest.raises(ReplyUnproven):
        students.operation.verify(changed, call, now=NOW)


# --- answers that are proven and wrong -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({**STUDENT, "studying": "no"}, "/studying"),
        ({"pin": PIN, "studying": True}, "/asOf"),
        ({**STUDENT, "extra": 1}, "/extra"),
        ([STUDENT], None),
        (b"", None),
        (b"<html>", None),
        (b'{"pin": "7TESTX1"', None),
        (b"[" * 100_000, None),
        (b"\xff\xfe{\x00}\x00", None),
        (b'{"pin": NaN}', None),
    ],
    ids=["type", "missing", "unknown", "list", "empty", "html", "cut", "deep", "utf-16", "nan"],
)
def test_proven_reply_that_breaks_the_contract_is_invalid(
    students: RestAgency, document: Any, path: str | None
) -> None:
    with pytest.raises(ReplyInvalid) as caught:
        students.operation.decode(proven(students, document))
    assert caught.value.path == path
    assert PIN not in str(caught.value)


@pytest.mark.parametrize("document", [b"", b"<html>nginx</html>", {"anything": 1}])
def test_404_with_another_document_than_the_contracts_is_not_no_record(students: RestAgency, document: Any) -> None:
    with pytest.raises(ReplyInvalid):
        students.operation.decode(proven(students, document, status=404))


# --- an agency that does not sign ------------------------------------------------------------------------


def test_agency_that_does_not_sign_is_asked_and_believed_as_it_is() -> None:
    there = rest_agency("GetStudentStatus", keys_there=False, authentication=Authentication.NONE)
    call = there.called({"pin": PIN})
    assert call == OutgoingCall(
        method="GET",
        url=f"{BASE_URL}/students/{PIN}",
        headers={"accept": "application/json, application/problem+json"},
        body=b"",
    )
    answer = there.operation.verify(
        RawAnswer(http_status=200, headers={}, body=msgspec.json.encode(STUDENT)), call, now=NOW
    )
    assert (answer.signed_at, answer.claims) == (None, ())
    assert there.operation.decode(answer).data == STUDENT
