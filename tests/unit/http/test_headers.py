"""Headers and queries as values: what the RFCs allow is read, anything else is refused by name or ignored."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esb.errors import ContentTypeUnsupported, EsbError, ReplyTypeUnsupported, RequestInvalid
from esb.inbound import http_headers as headers_of
from security.errors import TokenInvalid

BOUNDS = {"wait": (0, 60), "max": (10, 100)}


@pytest.mark.parametrize("header", ["bearer abc", "Bearer abc", "BEARER  abc "])
def test_the_scheme_of_a_token_has_no_case(header: str) -> None:
    assert headers_of.read_bearer(header) == "abc"


def test_a_token_of_absurd_length_is_refused() -> None:
    with pytest.raises(TokenInvalid):
        headers_of.read_bearer("Bearer " + "x" * 5000)


def test_of_a_preference_said_twice_the_first_counts() -> None:
    for header in ("wait=3, wait=50", "wait=3, wait=soon", "respond-async, wait=3, wait=0"):
        assert headers_of.read_preferences(header).wait_s == 3
    assert headers_of.read_preferences("wait=0, wait=50").wait_s == 0


@pytest.mark.parametrize("digits", ["\u0663", "\uff13", "\u00b3", "\u096a"])
def test_only_ascii_digits_are_a_number_of_seconds(digits: str) -> None:
    with pytest.raises(RequestInvalid):
        headers_of.read_preferences(f"wait={digits}")


@pytest.mark.parametrize(
    "accept", [None, "*/*", "application/json", "text/html,application/*;q=0.8", "application/json;q=0.001"]
)
def test_whoever_takes_json_gets_json(accept: str | None) -> None:
    headers_of.require_json_accepted(accept)


@pytest.mark.parametrize(
    "accept", ["", "text/html", "application/xml", "application/json;q=0", "application/json; q=0.000", "*/*;q=0"]
)
def test_whoever_does_not_take_json_is_told(accept: str) -> None:
    with pytest.raises(ReplyTypeUnsupported):
        headers_of.require_json_accepted(accept)


@pytest.mark.parametrize(
    "content_type", [None, "", "application/jsonx", "application/json;charset=utf-16", "text/json"]
)
def test_other_bodies_than_json_are_refused(content_type: str | None) -> None:
    with pytest.raises(ContentTypeUnsupported):
        headers_of.require_json(content_type, None)


def test_larger_query_values_are_cut_to_the_largest() -> None:
    assert headers_of.read_query("wait=99999&max=1", bounds=BOUNDS) == {"wait": 60, "max": 1}
    assert headers_of.read_query("", bounds=BOUNDS) == {"wait": 0, "max": 10}


@pytest.mark.parametrize("query", ["&".join(f"a{n}=1" for n in range(500)), "wait=" + "9" * 5000, "%=1", "=1"])
def test_hostile_queries_are_refused_cheaply(query: str) -> None:
    with pytest.raises(RequestInvalid):
        headers_of.read_query(query, bounds=BOUNDS)


@given(st.text(max_size=60))
def test_no_header_or_query_breaks_the_door(text: str) -> None:
    for read in (
        headers_of.read_preferences,
        headers_of.read_bearer,
        headers_of.read_id,
        headers_of.read_correlation_id,
        headers_of.require_json_accepted,
        lambda value: headers_of.require_json(value, value),
        lambda value: headers_of.read_query(value, bounds=BOUNDS),
    ):
        with contextlib.suppress(EsbError, TokenInvalid):
            read(text)
