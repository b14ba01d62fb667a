"""An agency's nested error becomes a chain of faults."""

from __future__ import annotations

from esb.errors import AgencyRejected
from esb.faults import fault_of


def test_causes_follow_one_another_outermost_first() -> None:
    fault = fault_of(AgencyRejected("HTTP 422", agency="kr", agency_code="A.B", causes=("C.D", "E")))
    assert fault.agency_code == "A.B"
    assert fault.cause is not None
    assert (fault.cause.agency, fault.cause.agency_code) == ("kr", "C.D")
    assert fault.cause.cause is not None
    assert (fault.cause.cause.agency_code, fault.cause.cause.cause) == ("E", None)


def test_error_without_causes_has_none() -> None:
    assert fault_of(AgencyRejected("HTTP 422", agency="kr")).cause is None
