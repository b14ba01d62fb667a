"""A call that the deadline cuts says nothing about the agency; one that uses up its own time does."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from esb.errors import AgencyError, AgencyTimeout, AgencyUnreachable, DeadlineExceeded, Expired
from esb.ports import RawAnswer
from esb.resilience.breaker import BreakerState
from esb.resilience.deadline import Deadline
from esb.resilience.guard import Guard, Limits
from esb.stages.call import call
from esb.stages.sign import Signed

LONG_S, SHORT_S = 30.0, 0.05


class Silent:
    """An agency's operation that never answers; it fails as the transport does, after this share of its time."""

    def __init__(self, kind: type[AgencyError], share: float) -> None:
        self._kind = kind
        self._share = share

    async def send(self, _: object, *, timeout_s: float) -> RawAnswer:
        await asyncio.sleep(timeout_s * self._share)
        raise self._kind("no answer", agency="mkr", operation="GetCredits")


IN_TIME, TOO_LATE, UNCONNECTED = Silent(AgencyTimeout, 0.0), Silent(AgencyTimeout, 1.0), Silent(AgencyUnreachable, 0.9)


def guard() -> Guard:
    return Guard("mkr", Limits(concurrency=1, rate_per_s=100, failures=1, open_s=60))


def signed(operation: Silent, *, timeout_s: float, idempotent: bool = True) -> Signed:
    route = SimpleNamespace(timeout_s=timeout_s, idempotent=idempotent)
    return cast("Signed", SimpleNamespace(translated=SimpleNamespace(route=route, operation=operation), call=None))


@pytest.mark.parametrize("operation", [TOO_LATE, UNCONNECTED])
@pytest.mark.parametrize(("by_caller", "told"), [(True, Expired), (False, DeadlineExceeded)])
async def test_a_call_that_the_deadline_cuts_is_not_the_agencys_failure(
    operation: Silent, *, by_caller: bool, told: type[Exception]
) -> None:
    mkr = guard()
    with pytest.raises(told):
        await call(
            signed(operation, timeout_s=LONG_S), guard=mkr, deadline=Deadline(after_s=SHORT_S, by_caller=by_caller)
        )
    assert mkr.breaker.state is BreakerState.CLOSED


async def test_a_cut_call_that_must_not_be_repeated_keeps_its_unknown_effect() -> None:
    mkr = guard()
    with pytest.raises(AgencyTimeout):
        await call(
            signed(TOO_LATE, timeout_s=LONG_S, idempotent=False),
            guard=mkr,
            deadline=Deadline(after_s=SHORT_S, by_caller=True),
        )
    assert mkr.breaker.state is BreakerState.CLOSED


@pytest.mark.parametrize("operation", [TOO_LATE, UNCONNECTED])
async def test_a_call_that_used_up_its_own_time_is_the_agencys_failure(operation: Silent) -> None:
    mkr = guard()
    with pytest.raises((AgencyTimeout, AgencyUnreachable)):
        await call(signed(operation, timeout_s=SHORT_S), guard=mkr, deadline=Deadline(after_s=LONG_S, by_caller=True))
    assert mkr.breaker.state is BreakerState.OPEN


async def test_an_agency_that_breaks_off_before_a_short_deadline_has_failed() -> None:
    mkr = guard()
    with pytest.raises(AgencyTimeout):
        await call(signed(IN_TIME, timeout_s=LONG_S), guard=mkr, deadline=Deadline(after_s=SHORT_S, by_caller=True))
    assert mkr.breaker.state is BreakerState.OPEN


async def test_a_call_that_comes_too_late_for_its_caller_is_expired() -> None:
    mkr = guard()
    with pytest.raises(Expired):
        await call(signed(IN_TIME, timeout_s=LONG_S), guard=mkr, deadline=Deadline(after_s=0.0, by_caller=True))
    assert mkr.breaker.state is BreakerState.CLOSED
