"""W3C Trace Context: a valid header is continued, any other is as if it were absent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esb.telemetry import tracing

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{SPAN}-01"


def test_a_valid_header_is_read() -> None:
    context = tracing.parse(VALID)
    assert context == tracing.TraceContext(trace_id=TRACE, span_id=SPAN, sampled=True)
    assert context.header == VALID


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        VALID.upper(),
        VALID + "-more",
        VALID[:-1],
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE}-{SPAN}-0g",
        f" {VALID}",
        VALID + "\n",
    ],
)
def test_a_header_that_is_not_well_formed_is_as_if_absent(header: str | None) -> None:
    assert tracing.parse(header) is None
    assert tracing.enter(header).trace_id != TRACE


def test_a_later_version_with_more_parts_is_read_by_its_first_four() -> None:
    assert tracing.parse(f"cc-{TRACE}-{SPAN}-01-what-the-future-brings") == tracing.parse(VALID)


def test_the_bus_is_a_child_in_the_callers_trace_and_keeps_its_sampling() -> None:
    own = tracing.enter(f"00-{TRACE}-{SPAN}-00")
    assert (own.trace_id, own.sampled) == (TRACE, False)
    assert own.span_id != SPAN
    assert own.header.endswith("-00")


def test_each_child_has_a_span_of_its_own() -> None:
    root = tracing.start()
    children = {root.child().span_id for _ in range(50)}
    assert len(children) == 50
    assert root.span_id not in children


@given(st.text(max_size=80))
def test_whatever_comes_in_a_valid_header_goes_out(header: str) -> None:
    assert tracing.parse(tracing.enter(header).header) is not None
