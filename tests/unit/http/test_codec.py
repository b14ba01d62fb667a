"""The one codec: what is read has exactly one meaning, what is written is canonical."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esb import codec
from esb.errors import RequestInvalid, RequestMalformed, RequestTooLarge
from esb.model import Advice, Fault, Reply, Request, Source, Status, Subject, Text

LIMIT = 5 * 1024 * 1024
NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)

WHOLE = {
    "subject": {"scheme": "FIN", "value": "7TESTX1"},
    "parameters": {"year": 2025, "share": 0.10, "tags": ["a", None, True], "nested": {"ə": "İı"}},
    "purpose": "VEMTAS application",
    "legal_basis": "decree 477/2015",
    "issue": "VEM-2026-000017",
    "user": {"scheme": "FIN", "value": "7TESTX1", "strength": "asan-imza"},
    "expires_at": "2026-11-21T12:00:00+04:00",
}


def reply(**changes: Any) -> Reply:
    values: dict[str, Any] = {
        "message_id": "m",
        "correlation_id": None,
        "route": "person.identity",
        "version": 1,
        "status": Status.OK,
        "data": {},
        "received_at": NOW,
        "completed_at": NOW,
    }
    return Reply(**{**values, **changes})


def test_a_whole_request_is_read() -> None:
    request = codec.decode(json.dumps(WHOLE).encode(), LIMIT)
    assert request.subject == Subject(scheme="FIN", value="7TESTX1")
    assert request.user is not None
    assert request.user.strength == "asan-imza"
    assert request.expires_at == datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
    assert request.parameters["nested"] == {"ə": "İı"}


def test_fractions_become_decimals_that_keep_their_digits() -> None:
    request = codec.decode(b'{"parameters":{"amount":1200.50,"count":3}}', LIMIT)
    assert str(request.parameters["amount"]) == "1200.50"
    assert isinstance(request.parameters["count"], int)


def test_an_empty_object_is_a_request_without_anything() -> None:
    assert codec.decode(b"{}", LIMIT) == Request()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"{} {}",
        b"<a/>",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b'{"purpose":"\xff"}',
        b'{"purpose":"\\ud800"}',
        b'{"purpose":"a\nb"}',
        b'{"parameters":{"a":NaN}}',
        b'{"parameters":{"a":Infinity}}',
        b'{"parameters":{"a":01}}',
        b"{'purpose':'x'}",
        b'{"purpose":"x",}',
    ],
)
def test_what_is_not_json_in_utf_8_is_malformed(body: bytes) -> None:
    with pytest.raises(RequestMalformed):
        codec.decode(body, LIMIT)


@pytest.mark.parametrize(
    "body",
    [
        b'{"purpose":"a","purpose":"a"}',
        b'{"subject":{"scheme":"FIN","value":"1","value":"2"}}',
        b'{"parameters":{"deep":[{"a":1,"b":2,"a":3}]}}',
        b'{"purpose":"a","purp\\u006fse":"b"}',
        b'{"parameters":{"a\\\\":1,"a\\\\":2}}',
    ],
)
def test_a_name_that_stands_twice_in_one_object_is_malformed(body: bytes) -> None:
    with pytest.raises(RequestMalformed, match="twice"):
        codec.decode(body, LIMIT)


def test_one_name_in_different_objects_is_fine() -> None:
    codec.decode(b'{"subject":{"scheme":"FIN","value":"1"},"user":{"scheme":"FIN","value":"1"}}', LIMIT)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"[]", ""),
        (b"null", ""),
        (b'{"subject":5}', "/subject"),
        (b'{"subject":{"scheme":"FIN","value":7}}', "/subject/value"),
        (b'{"subject":{"scheme":"FIN"}}', "/subject/value"),
        (b'{"subject":{"scheme":"FIN","value":"x","note":"y"}}', "/subject/note"),
        (b'{"purpos":"x"}', "/purpos"),
        (b'{"a/b~c":1}', "/a~1b~0c"),
        (b'{"parameters":[]}', "/parameters"),
        (b'{"expires_at":"tomorrow"}', "/expires_at"),
        (b'{"expires_at":"2026-11-21T12:00:00"}', "/expires_at"),
        (b'{"expires_at":1795248000}', "/expires_at"),
        (b'{"purpose":"a\\u0000b"}', "/purpose"),
        (b'{"subject":{"scheme":"FIN","value":"7TEST\\u001bX"}}', "/subject/value"),
        (b'{"parameters":{"list":["ok","\\uffff"]}}', "/parameters/list/1"),
        (b'{"parameters":{"a\\u0007":1}}', "/parameters"),
    ],
)
def test_json_of_another_shape_is_invalid_and_the_place_is_named(body: bytes, path: str) -> None:
    with pytest.raises(RequestInvalid) as caught:
        codec.decode(body, LIMIT)
    assert caught.value.path == path


def test_no_error_quotes_what_was_sent() -> None:
    for body in (b'{"subject":{"scheme":"FIN","value":"x","7TESTX1":"y"}}', b'{"purpose":7123456789012}'):
        with pytest.raises(RequestInvalid) as caught:
            codec.decode(body, LIMIT)
        assert "7TESTX1" not in caught.value.reason
        assert "7123456789012" not in caught.value.reason


@pytest.mark.parametrize("number", ["1e999999999", "1e-999999999", "1." + "0" * 60, "9" * 5000, "1e41"])
def test_numbers_that_would_grow_without_bound_are_refused(number: str) -> None:
    with pytest.raises((RequestInvalid, RequestMalformed)):
        codec.decode(b'{"parameters":{"a":' + number.encode() + b"}}", LIMIT)


@pytest.mark.parametrize(
    "body",
    [
        b'{"parameters":{"a":' + b"[" * 40 + b"]" * 40 + b"}}",
        b'{"parameters":' + b'{"a":' * 40 + b"1" + b"}" * 41,
        b'{"parameters":{"a":' + b"[" * 100_000,
        b'{"parameters":' + b'{"a":' * 100_000,
    ],
)
def test_deep_nesting_is_refused(body: bytes) -> None:
    with pytest.raises(RequestMalformed):
        codec.decode(body, LIMIT)


def test_many_flat_objects_are_not_taken_for_depth() -> None:
    body = b'{"parameters":{' + b",".join(b'"p%d":{"a":1}' % n for n in range(100)) + b"}}"
    assert len(codec.decode(body, LIMIT).parameters) == 100


def test_the_limit_is_exact() -> None:
    body = b'{"purpose":"x"}'
    codec.decode(body, len(body))
    with pytest.raises(RequestTooLarge):
        codec.decode(body, len(body) - 1)


TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=20)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_and_nothing_else(body: bytes) -> None:
    with contextlib.suppress(RequestInvalid, RequestMalformed, RequestTooLarge):
        codec.decode(body, 150)


@given(st.dictionaries(TEXTS, JSON_VALUES, max_size=5))
def test_parameters_are_read_as_any_other_parser_reads_them(parameters: dict[str, Any]) -> None:
    assert codec.decode(json.dumps({"parameters": parameters}).encode(), LIMIT).parameters == parameters


def test_a_reply_is_compact_and_in_the_order_of_the_model() -> None:
    source = Source(
        agency="din-reg",
        operation="GetPersonByPin",
        status=Status.OK,
        as_of=NOW,
        elapsed_ms=12,
        attempts=1,
    )
    assert codec.encode(reply(data={"surname": "Əliyeva"}, sources=(source,))).decode() == (
        '{"message_id":"m","correlation_id":null,"route":"person.identity","version":1,"status":"OK",'
        '"data":{"surname":"Əliyeva"},"sources":[{"agency":"din-reg","operation":"GetPersonByPin","status":"OK",'
        '"as_of":"2026-11-21T08:00:00Z","elapsed_ms":12,"attempts":1}],"faults":[],'
        '"received_at":"2026-11-21T08:00:00Z","completed_at":"2026-11-21T08:00:00Z"}'
    )


def test_the_contract_version_is_told_where_there_are_several() -> None:
    source = Source(
        agency="mkr", operation="GetCredits", status=Status.OK, as_of=None, elapsed_ms=1, attempts=1, version="v2"
    )
    assert b'"attempts":1,"version":"v2"}]' in codec.encode(reply(sources=(source,)))


def test_values_of_agencies_have_one_written_form() -> None:
    data = {
        "amount": Decimal("1200.50"),
        "born": date(1990, 1, 2),
        "as_of": datetime(2026, 11, 21, 12, 0, tzinfo=timezone(timedelta(hours=4))),
        "photo": b"\x00\xff",
        "none": None,
    }
    assert json.loads(codec.encode(reply(data=data)))["data"] == {
        "amount": "1200.50",
        "born": "1990-01-02",
        "as_of": "2026-11-21T12:00:00+04:00",
        "photo": "AP8=",
        "none": None,
    }


def test_a_fault_is_written_with_both_languages_and_its_cause() -> None:
    cause = Fault(code="agency.timeout", message=Text(az="a", en="b"), advice=Advice.RETRY_BACKOFF, agency="mkr")
    fault = Fault(code="gather.partial", message=Text(az="c", en="d"), advice=Advice.WAIT, cause=cause)
    written = json.loads(codec.encode(reply(status=Status.PARTIAL, faults=(fault,))))["faults"][0]
    assert written["message"] == {"az": "c", "en": "d"}
    assert written["cause"]["agency"] == "mkr"


@given(JSON_VALUES)
def test_equal_replies_give_equal_bytes_that_any_parser_reads(data: Any) -> None:
    first, second = codec.encode(reply(data=data)), codec.encode(reply(data=data))
    assert first == second
    assert json.loads(first)["data"] == data


@pytest.mark.parametrize("text", ["0B9F7C52-6F0E-4C3A-9A3E-0D1F5A7C2B10", "0b9f7c52-6f0e-4c3a-9a3e-0d1f5a7c2b10"])
def test_one_message_id_is_never_taken_for_two(text: str) -> None:
    assert codec.read_message_id(text) == "0b9f7c52-6f0e-4c3a-9a3e-0d1f5a7c2b10"
    assert codec.known_message_id(text) == "0b9f7c52-6f0e-4c3a-9a3e-0d1f5a7c2b10"


@pytest.mark.parametrize(
    "text", ["", "17", "0b9f7c526f0e4c3a9a3e0d1f5a7c2b10", "0b9f7c52-6f0e-4c3a-9a3e-0d1f5a7c2b1٠", "g" * 36]
)
def test_what_is_not_a_uuid_is_no_message_id(text: str) -> None:
    with pytest.raises(RequestInvalid):
        codec.read_message_id(text)
    assert codec.known_message_id(text) == text
