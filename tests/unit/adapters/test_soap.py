from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.manifest import Authentication, FaultPatterns, Lifecycle
from esb.errors import (
    AgencyFault,
    AgencyNotYet,
    AgencyPaused,
    AgencyRejected,
    ReplyInvalid,
    ReplyUnproven,
    RequestUnencodable,
)
from esb.faults import fault_of
from security.errors import KeyUnavailable
from tests.support.soap_agency import NOW, SoapAgency, raw, soap_agency, wsdl_of

PIN = "7TESTX1"
CREDIT = {
    "ContractNo": "AZ-2024-17",
    "Lender": "Bank Nümunə",
    "OpenedOn": "2024-02-29",
    "Currency": "AZN",
    "Principal": Decimal("12000.50"),
    "Outstanding": Decimal("100.00"),
    "MonthlyPayment": Decimal("0.05"),
    "OverdueDays": 0,
    "Role": "joint",
}


@pytest.fixture
def register() -> SoapAgency:
    return soap_agency("din-reg", "GetPersonByPin")


@pytest.fixture
def mkr() -> SoapAgency:
    return soap_agency("mkr", "GetCredits")


def person() -> dict[str, Any]:
    operation = wsdl_of("din-reg").operations["GetPersonByPin"]
    sample: dict[str, Any] = wsdl_of("din-reg").contract.sample(operation.output)
    return {**sample, "ResultCode": "000", "AsOf": "2026-11-21T10:00:00+04:00"}


def proven(there: SoapAgency, content: bytes, **how: Any) -> Any:
    call = there.called({"Pin": PIN})
    return there.operation.verify(there.signed(content, call, **how), call, now=NOW)


# --- request ---------------------------------------------------------------------------------------------


def test_agency_reads_the_values_that_the_route_gave(register: SoapAgency, mkr: SoapAgency) -> None:
    assert register.read(register.called({"Pin": PIN})) == {"Pin": PIN}
    asked = {"Pin": PIN, "ConsentRef": "R-1", "AsOf": "2026-10-31"}
    assert mkr.read(mkr.called(asked)) == asked


def test_soap_11_call_has_its_action_in_a_header_of_its_own(register: SoapAgency) -> None:
    call = register.called({"Pin": PIN})
    assert call.method == "POST"
    assert call.headers == {
        "Content-Type": "text/xml; charset=utf-8",
        "SOAPAction": '"urn:az:gov:din:population-register:v1/GetPersonByPin"',
    }


def test_soap_12_call_has_its_action_in_the_content_type(mkr: SoapAgency) -> None:
    headers = mkr.called({"Pin": PIN}).headers
    assert list(headers) == ["Content-Type"]
    assert headers["Content-Type"].startswith('application/soap+xml; charset=utf-8; action="urn:')


def test_trace_goes_along_and_does_not_stay_for_the_next_call(register: SoapAgency) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert register.called({"Pin": PIN}, traceparent=parent).headers["traceparent"] == parent
    assert "traceparent" not in register.called({"Pin": PIN}).headers


@pytest.mark.parametrize(
    ("values", "path"),
    [({"Pin": "7testx1"}, "Pin"), ({"Pin": PIN, "Pim": "x"}, "Pim"), ({}, "Pin"), ({"Pin": 7}, "Pin")],
)
def test_values_outside_the_contract_are_refused_with_the_field(
    register: SoapAgency, values: dict[str, Any], path: str
) -> None:
    with pytest.raises(RequestUnencodable) as caught:
        register.operation.encode(values)
    assert caught.value.path == path
    assert "7testx1" not in str(caught.value)


def test_nothing_is_sent_unsigned_when_the_bus_has_no_key() -> None:
    there = soap_agency("din-reg", "GetPersonByPin", keys_there=False)
    with pytest.raises(KeyUnavailable, match="esb keys new"):
        there.called({"Pin": PIN})


@pytest.mark.parametrize("lifecycle", [Lifecycle.SUSPENDED, Lifecycle.RETIRED])
def test_agency_out_of_use_is_not_called(lifecycle: Lifecycle) -> None:
    there = soap_agency("din-reg", "GetPersonByPin", lifecycle=lifecycle)
    with pytest.raises(AgencyPaused, match=lifecycle):
        there.called({"Pin": PIN})


@pytest.mark.parametrize("lifecycle", [Lifecycle.REGISTERED, Lifecycle.CHECKED])
def test_agency_that_has_not_come_to_its_test_says_so_and_speaks_of_no_maintenance(lifecycle: Lifecycle) -> None:
    there = soap_agency("din-reg", "GetPersonByPin", lifecycle=lifecycle)
    with pytest.raises(AgencyNotYet) as caught:
        there.called({"Pin": PIN})
    fault = fault_of(caught.value)
    assert fault.code == "agency.not-yet"
    assert "not connected yet" in fault.message.en
    assert "maintenance" not in fault.message.en


# --- good answers ----------------------------------------------------------------------------------------


def test_reply_comes_back_as_plain_values_with_the_moment_they_hold_for(register: SoapAgency) -> None:
    answer = register.operation.decode(proven(register, register.document(person())))
    assert answer.found
    assert answer.data == person()
    assert answer.as_of == datetime(2026, 11, 21, 6, tzinfo=UTC)


def test_amounts_are_exact_and_an_empty_list_is_an_answer(mkr: SoapAgency) -> None:
    full = {"AsOf": "2026-10-31", "Credits": {"Credit": [CREDIT, CREDIT]}}
    answer = mkr.operation.decode(proven(mkr, mkr.document(full)))
    assert answer.data["Credits"]["Credit"][0]["Principal"] == Decimal("12000.50")
    empty = mkr.operation.decode(proven(mkr, mkr.document({"AsOf": "2026-10-31", "Credits": {"Credit": []}})))
    assert empty.found
    assert empty.data["Credits"]["Credit"] == []


def test_proof_carries_the_time_and_a_claim_that_can_be_used_once(register: SoapAgency) -> None:
    call = register.called({"Pin": PIN})
    answer = register.signed(register.document(person()), call)
    first = register.operation.verify(answer, call, now=NOW)
    again = register.operation.verify(answer, call, now=NOW + timedelta(seconds=1))
    assert first.signed_at == NOW
    assert [claim.key for claim in first.claims] == [claim.key for claim in again.claims]
    assert first.claims[0].key.startswith("wsse:din-reg:")
    assert first.claims[0].expires_at == NOW + timedelta(seconds=330)
    other = register.operation.verify(register.signed(register.document(person()), call), call, now=NOW)
    assert other.claims[0].key != first.claims[0].key


# --- faults ----------------------------------------------------------------------------------------------

REGISTER_FAULT = (
    '<r:RegisterFault xmlns:r="urn:az:gov:din:population-register:v1"><r:Code>{}</r:Code><r:Reason>Bağlı iş</r:Reason>'
    "</r:RegisterFault>"
)


def test_business_fault_is_a_refusal_in_the_agencys_words(register: SoapAgency) -> None:
    fault = register.fault("Client.Business", "refused", REGISTER_FAULT.format("ClosedFile"))
    with pytest.raises(AgencyRejected) as caught:
        register.operation.decode(proven(register, fault, status=500))
    assert (caught.value.agency_code, caught.value.agency_message) == ("ClosedFile", "Bağlı iş")
    assert (caught.value.agency, caught.value.operation) == ("din-reg", "GetPersonByPin")


def test_other_fault_is_the_agencys_own_trouble(register: SoapAgency) -> None:
    with pytest.raises(AgencyFault) as caught:
        register.operation.decode(proven(register, register.fault("Server", "database is down"), status=500))
    assert caught.value.agency_code == "Server"
    assert "database" not in str(caught.value)


def test_fault_that_means_no_record_is_not_found(mkr: SoapAgency) -> None:
    detail = '<m:UnknownSubject xmlns:m="urn:az:gov:cbar:credit-registry:v1"><m:Code>X</m:Code></m:UnknownSubject>'
    answer = mkr.operation.decode(proven(mkr, mkr.fault("Sender", "yoxdur", detail), status=500))
    assert not answer.found
    assert answer.data == {}


def test_patterns_of_the_manifest_decide_what_a_fault_means() -> None:
    there = soap_agency("din-reg", "GetPersonByPin", faults=FaultPatterns(not_found=("Server",)))
    assert not there.operation.decode(proven(there, there.fault("Server", "x"))).found


# --- answers that are not believed -----------------------------------------------------------------------


def test_fault_without_signature_is_not_believed(register: SoapAgency) -> None:
    call = register.called({"Pin": PIN})
    fault = register.fault("Client.Business", "refused").decode()
    namespace = register.version.namespace
    envelope = f'<s:Envelope xmlns:s="{namespace}"><s:Body>{fault}</s:Body></s:Envelope>'
    with pytest.raises(ReplyUnproven):
        register.operation.verify(raw(envelope.encode(), status=500), call, now=NOW)


def test_reply_of_a_stranger_is_not_believed(register: SoapAgency) -> None:
    with pytest.raises(ReplyUnproven):
        proven(register, register.document(person()), key="stranger")


def test_reply_of_an_agency_without_trusted_certificate_is_not_believed() -> None:
    there = soap_agency("din-reg", "GetPersonByPin", trusted=False)
    with pytest.raises(ReplyUnproven):
        proven(there, there.document(person()))


@pytest.mark.parametrize("shift_s", [-600, 600])
def test_reply_of_another_time_is_not_believed(register: SoapAgency, shift_s: int) -> None:
    with pytest.raises(ReplyUnproven):
        proven(register, register.document(person()), now=NOW + timedelta(seconds=shift_s))


def test_reply_to_another_request_is_not_believed(register: SoapAgency) -> None:
    first, second = register.called({"Pin": PIN}), register.called({"Pin": "7TESTX2"})
    answer = register.signed(register.document(person()), first)
    with pytest.raises(ReplyUnproven, match="another request"):
        register.operation.verify(answer, second, now=NOW)


def test_reply_that_was_changed_on_the_way_is_not_believed(register: SoapAgency) -> None:
    call = register.called({"Pin": PIN})
    answer = register.signed(register.document(person()), call)
    changed = raw(answer.body.replace(b"<ResultCode>000", b"<ResultCode>404"))
    assert changed.body != answer.body
    with pytest.raises(ReplyUnproven):
        register.operation.verify(changed, call, now=NOW)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>Service temporarily unavailable</body></html>",
        b"<!DOCTYPE html><html/>",
        b'<!DOCTYPE e [<!ENTITY x "y">]><e>&x;</e>',
        b"<s:Envelope",
        b"\x00\x01\x02",
        b"\xff\xfe<\x00a\x00/\x00>\x00",
        b'{"status": "ok"}',
        b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body/></s:Envelope>',
    ],
    ids=["empty", "html", "html with doctype", "dtd", "cut", "binary", "utf-16", "json", "the other soap version"],
)
def test_what_is_not_soap_breaks_the_protocol_unless_a_server_failed(register: SoapAgency, body: bytes) -> None:
    call = register.called({"Pin": PIN})
    with pytest.raises(ReplyInvalid, match="HTTP 200 without SOAP"):
        register.operation.verify(raw(body), call, now=NOW)
    with pytest.raises(AgencyFault) as caught:
        register.operation.verify(raw(body, status=503), call, now=NOW)
    assert caught.value.agency_code == "HTTP 503"


# --- answers that are proven and wrong -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        (b"<ResultCode>000<", b"<ResultCode>0<", "ResultCode"),
        (b"<ResultCode>000</ResultCode>", b"", "ResultText"),
        (b"population-register:v1", b"population-register:v2", None),
        (b"GetPersonByPinResponse", b"GetAddressResponse", None),
    ],
)
def test_proven_reply_that_breaks_the_contract_is_invalid(
    register: SoapAgency, old: bytes, new: bytes, path: str | None
) -> None:
    content = register.document(person())
    assert old in content
    with pytest.raises(ReplyInvalid) as caught:
        register.operation.decode(proven(register, content.replace(old, new)))
    if path:
        assert caught.value.path == path


# --- an agency that does not sign ------------------------------------------------------------------------


@pytest.fixture
def unsigned() -> SoapAgency:
    return soap_agency("din-reg", "GetPersonByPin", keys_there=False, authentication=Authentication.NONE)


def envelope(there: SoapAgency, content: bytes) -> bytes:
    return b'<x:Envelope xmlns:x="%s"><x:Body> %s </x:Body></x:Envelope>' % (there.version.namespace.encode(), content)


def test_agency_that_does_not_sign_is_asked_and_believed_as_it_is(unsigned: SoapAgency) -> None:
    call = unsigned.called({"Pin": PIN})
    assert b"<Pin>7TESTX1</Pin>" in call.body
    assert b"Security" not in call.body
    answer = unsigned.operation.verify(raw(envelope(unsigned, unsigned.document(person()))), call, now=NOW)
    assert (answer.signed_at, answer.claims) == (None, ())
    assert unsigned.operation.decode(answer).data == person()


@pytest.mark.parametrize("content", [b"", b"<a/><b/>", b"text", b"<!-- only a comment -->"])
def test_unsigned_envelope_without_exactly_one_element_is_invalid(unsigned: SoapAgency, content: bytes) -> None:
    call = unsigned.called({"Pin": PIN})
    with pytest.raises(ReplyInvalid):
        unsigned.operation.verify(raw(envelope(unsigned, content)), call, now=NOW)
