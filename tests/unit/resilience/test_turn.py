"""Waiting for one's turn under a rate limit: in order, never in vain, never longer than there is time."""

from __future__ import annotations

import asyncio

import pytest

from esb.errors import Throttled
from esb.resilience.throttle import RateLimit


class SteppedClock:
    """A monotonic clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def test_who_finds_a_token_does_not_wait() -> None:
    limit = RateLimit(name="mkr", rate_per_s=2, monotonic=SteppedClock())
    for _ in range(2):
        await limit.turn(within_s=0)
    with pytest.raises(Throttled) as refused:
        await limit.turn(within_s=0)
    assert refused.value.retry_after_s == pytest.approx(0.5)


async def test_turns_come_in_the_order_of_asking() -> None:
    limit = RateLimit(name="mkr", rate_per_s=200, burst=1)
    order: list[int] = []

    async def wait(number: int) -> None:
        await limit.turn(within_s=60)
        order.append(number)

    await asyncio.gather(*(wait(number) for number in range(10)))
    assert order == list(range(10))


async def test_who_would_wait_too_long_is_refused_at_once_and_takes_nothing() -> None:
    clock = SteppedClock()
    limit = RateLimit(name="mkr", rate_per_s=1, monotonic=clock)
    limit.take()
    for _ in range(5):
        with pytest.raises(Throttled):
            await limit.turn(within_s=0.5)
    clock.now_s = 1.0
    await limit.turn(within_s=0)


async def test_a_place_in_the_line_that_is_given_up_is_free_again() -> None:
    clock = SteppedClock()
    limit = RateLimit(name="mkr", rate_per_s=1, monotonic=clock)
    limit.take()
    waiting = asyncio.ensure_future(limit.turn(within_s=60))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    clock.now_s = 1.0
    await limit.turn(within_s=0)
