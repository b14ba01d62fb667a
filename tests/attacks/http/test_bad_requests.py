"""Whatever a caller gets wrong in its question: the one reply body, a helpful fault, a record, no call to an agency."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import pytest

from tests.support.bus import PURPOSE, LiveBus
from tests.support.replies import check, check_form, recorded

SUBJECT = {"scheme": "FIN", "value": "7TESTX1"}
QUESTION: dict[str, Any] = {"subject": SUBJECT, **PURPOSE}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"parameters": }',
        b'{"subject": {"scheme": "FIN", "value": "7TESTX1"}} {}',
        b"{'subject': {}}",
        b'{"subject": {"scheme": "FIN", "value": "7TEST\xff1"}}',
        b'\xef\xbb\xbf{"subject": {"scheme": "FIN", "value": "7TESTX1"}}',
        b'{"parameters": {"a": NaN}}',
        b'{"parameters": {"a": ' + b"[" * 5000 + b"]" * 5000 + b"}}",
        b'{"subject": {"scheme": "FIN", "value": "7TESTX1"}, "subject": {"scheme": "FIN", "value": "7TESTX2"}}',
        b'{"subject": {"scheme": "FIN", "value": "7TESTX1", "value": "7TESTX2"}}',
        b'{"subject": {"scheme": "FIN", "value": "7TESTX1"}, "\\u0073ubject": {"scheme": "FIN", "value": "7TESTX2"}}',
    ],
    ids=[
        "empty", "cut", "no value", "two documents", "single quotes", "not UTF-8", "byte order mark", "NaN", "deep",
        "name twice", "nested name twice", "name twice in disguise",
    ],
)  # fmt: skip
def test_what_is_not_one_json_document_is_malformed(bus: LiveBus, body: bytes) -> None:
    got = bus.post("person.identity", body)
    check(bus, got, 400, "request.malformed", advice="FIX")
    assert got.reply["status"] == "INVALID_REQUEST"
    assert recorded(bus, got)[0]["code"] == "request.malformed"


@pytest.mark.parametrize(
    ("question", "path", "says"),
    [
        ([], "", "object"),
        ({}, "/subject", "required"),
        ({"subject": None}, "/subject", "required"),
        ({"subject": "7TESTX1"}, "/subject", "object"),
        ({"subject": {"scheme": "FIN"}}, "/subject/value", "required"),
        ({"subject": {"scheme": "FIN", "value": 7}}, "/subject/value", "string"),
        ({"subject": {"scheme": "fin", "value": "7TESTX1"}}, "/subject/scheme", "FIN"),
        ({"subject": {"scheme": "SSN", "value": "1234567890123"}}, "/subject/scheme", "FIN"),
        ({"subject": {**SUBJECT, "name": "x"}}, "/subject/name", "no such field"),
        ({**QUESTION, "Purpose": "x"}, "/Purpose", "no such field"),
        ({**QUESTION, "parameters": []}, "/parameters", "object"),
        ({**QUESTION, "parameters": {"consent_ref": "x"}}, "/parameters/consent_ref", "no such field"),
        ({**QUESTION, "purpose": ""}, "/purpose", "minimum length: 1"),
        ({**QUESTION, "purpose": "x" * 513}, "/purpose", "maximum length: 512"),
        ({**QUESTION, "purpose": "a\u0000b"}, "/purpose", "control characters"),
        ({**QUESTION, "expires_at": "tomorrow"}, "/expires_at", "RFC 3339"),
        ({**QUESTION, "expires_at": "2030-01-01T00:00:00"}, "/expires_at", "offset"),
        ({**QUESTION, "expires_at": 1900000000}, "/expires_at", "RFC 3339"),
        ({**QUESTION, "user": {**SUBJECT, "strength": "letter"}}, "/user/strength", "not one of"),
        ({**QUESTION, "user": {"scheme": "FIN", "value": "7TESTO"}}, "/user/value", "FIN"),
    ],
)
def test_what_does_not_fit_the_route_is_told_with_its_place_and_rule(
    bus: LiveBus, question: object, path: str, says: str
) -> None:
    got = bus.post("person.identity", json.dumps(question).encode())
    fault = check(bus, got, 400, "request.schema", path=path, advice="FIX")
    assert says in fault["message"]["en"]
    assert recorded(bus, got)[0]["code"] == "request.schema"


def test_a_wrong_parameter_of_another_route_is_told_with_its_place(bus: LiveBus) -> None:
    got = bus.ask("credit.obligations", parameters={"as_of": "yesterday"})
    fault = check(bus, got, 400, "request.schema", path="/parameters/as_of")
    assert "yesterday" not in got.body.decode()
    assert "required form" in fault["message"]["en"]


@pytest.mark.parametrize(
    "fin",
    [
        "7TESTO",
        "7TESTOX",
        "7TESTIX",
        "7testx1",
        "7TESTXА",
        "7TESTX",
        "7TESTX12",
        " 7TESTX1",
        "7TESTX1\n",
        "7TESTXİ",
        "",
    ],
)
async def test_a_fin_that_cannot_be_one_is_refused_before_any_agency_hears_of_it(
    bus: LiveBus, agencies: Any, fin: str
) -> None:
    for route in ("person.identity", "diploma.by-person", "credit.obligations", "person.overview"):
        got = bus.ask(route, fin)
        fault = check(bus, got, 400, "request.schema", path="/subject/value", advice="FIX")
        assert "FİN" in fault["message"]["az"]
        assert "7 characters" in fault["message"]["en"]
        assert not fin.strip() or fin.strip() not in got.body.decode()
    for agency in ("din-reg", "tn-tm", "mkr"):
        assert await agencies.calls(agency) == {}
        assert await agencies.refusals(agency) == {}


def test_a_body_over_the_limit_of_the_bus_is_refused(bus: LiveBus) -> None:
    got = bus.post("person.identity", b" " * (bus.settings.max_body_bytes + 1))
    check(bus, got, 413, "request.too-large", advice="FIX")
    assert recorded(bus, got)[0]["code"] == "request.too-large"


async def test_a_body_over_the_limit_of_its_route_is_refused(quick_bus: LiveBus, agencies: Any) -> None:
    question = json.dumps(QUESTION).encode()
    assert quick_bus.post("record.small", question.ljust(1024)).status == 200
    got = quick_bus.post("record.small", question.ljust(1025))
    check(quick_bus, got, 413, "request.too-large", advice="FIX")
    assert recorded(quick_bus, got)[0]["code"] == "request.too-large"
    assert await agencies.calls("din-reg") == {"GetAddress": {"7TESTX1": 1}}


@pytest.mark.parametrize(
    ("header", "value", "expected"),
    [
        ("Content-Type", "text/xml", (415, "request.content-type")),
        ("Content-Type", "application/x-www-form-urlencoded", (415, "request.content-type")),
        ("Content-Encoding", "gzip", (415, "request.content-type")),
        ("Accept", "text/html", (406, "reply.content-type")),
        ("Message-Id", "17", (400, "request.schema")),
        ("Correlation-Id", "a b", (400, "request.schema")),
        ("Prefer", "wait=soon", (400, "request.schema")),
    ],
)
def test_a_wrong_header_is_told_by_its_name(bus: LiveBus, header: str, value: str, expected: tuple[int, str]) -> None:
    got = bus.ask("person.identity", headers={header: value})
    check(bus, got, *expected, path=f"/headers/{header.lower()}", advice="FIX")
    assert recorded(bus, got)[0]["code"] == expected[1]


@pytest.mark.parametrize(
    "route", ["person.nothing", "PERSON.IDENTITY", "person.identity%00", "..", "a" * 300, "%C5%9F%C9%99xs"]
)
def test_an_unknown_route_is_not_found(bus: LiveBus, route: str) -> None:
    check(bus, bus.ask(route), 404, "route.unknown", advice="FIX")


def test_a_query_behind_a_route_is_refused(bus: LiveBus) -> None:
    got = bus.ask("person.identity?wait=5")
    check(bus, got, 400, "request.schema", path="/query")


def test_an_unknown_page_and_a_wrong_method_get_the_one_reply_body(bus: LiveBus) -> None:
    check(bus, bus.send("GET", "/v2/anything"), 404, "route.unknown")
    got = bus.send("DELETE", "/v1/routes/person.identity")
    check(bus, got, 405, "request.method")
    assert "POST" in got.headers["allow"]


def test_a_question_that_expired_is_not_asked(bus: LiveBus) -> None:
    got = bus.ask("person.identity", expires_at="2026-01-01T00:00:00+04:00")
    check(bus, got, 400, "request.expired", path="/expires_at", advice="RETRY_NEW_ID")
    assert got.reply["status"] == "EXPIRED"


def test_a_refused_id_may_be_used_for_the_corrected_question(bus: LiveBus) -> None:
    own_id = {"Message-Id": str(uuid.uuid4())}
    check(bus, bus.ask("person.identity", "7TESTO", headers=own_id), 400, "request.schema", path="/subject/value")
    got = bus.ask("person.identity", headers=own_id)
    check_form(bus, got)
    assert (got.status, got.reply["status"]) == (200, "OK")
    assert [record["kind"] for record in recorded(bus, got)] == ["REFUSED", "RECEIVED", "COMPLETED"]


def test_no_identifier_and_no_payload_is_ever_in_the_log(bus: LiveBus) -> None:
    bus.ask("person.identity", purpose="secret purpose")
    bus.ask("person.identity", "7TESTO1", user={"scheme": "FIN", "value": "7TESTX2"})
    bus.ask("person.overview", "7TESTX3")
    bus.post("person.identity", b'{"subject": {"scheme": "FIN", "value": "7TESTX4"}, "surname": "Familiya"')
    bus.send("GET", "/v1/messages/7TESTX1")
    bus.send("POST", "/v1/routes/7TESTX1", b"{}", {"Content-Type": "application/json"})
    log = bus.log.read_text(encoding="utf-8")
    assert re.findall(r"7TEST[0-9A-Z]{2}", log) == []
    assert not [word for word in ("secret purpose", "Familiya", "Əliyeva", "Bakı", "Bearer", "eyJ") if word in log]
