"""One guard per agency: its breaker, its rate, its room, and whether an operator paused it.

Every attempt of a call passes here. For use from one event loop; processes do not share guards, so the limits of a
manifest hold per worker.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec

from esb.errors import AgencyPaused
from esb.resilience.breaker import Breaker
from esb.resilience.deadline import Deadline
from esb.resilience.throttle import RateLimit, Room

QUEUE_PER_PLACE = 4
"""How many calls may wait for each place at an agency before new ones are refused at once."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What an adapter's manifest allows towards one agency."""

    concurrency: int
    rate_per_s: float
    failures: int
    open_s: float


class Outcome(enum.Enum):
    """What an attempt told about the agency's health."""

    ANSWERED = enum.auto()
    FAILED = enum.auto()
    UNTOLD = enum.auto()


class Guard:
    """Admits attempts to one agency."""

    def __init__(self, agency: str, limits: Limits) -> None:
        """Fresh: breaker closed, room empty, not paused."""
        self.agency = agency
        self.limits = limits
        self.breaker = Breaker(agency=agency, failures=limits.failures, open_s=limits.open_s)
        self.paused = False
        self._rate = RateLimit(name=agency, rate_per_s=limits.rate_per_s)
        self._room = Room(name=agency, places=limits.concurrency, queue=limits.concurrency * QUEUE_PER_PLACE)

    async def enter(self, deadline: Deadline) -> None:
        """Take leave for one attempt; `leave` must follow.

        Raises:
            Saturated, Expired: paused, breaker open, no place or no turn in time. Nothing was taken.
        """
        if self.paused:
            raise AgencyPaused("paused by an operator", agency=self.agency, retry_after_s=60.0)
        await self._room.enter(timeout_s=deadline.shortened(float("inf")))
        try:
            # The rate before the breaker: a refused token must not use up the breaker's single probe. Waiting for a
            # token happens inside the room, so that what waits is bounded and a backlog stays in its queue.
            await self._rate.turn(within_s=deadline.remaining_s())
            self.breaker.enter()
        except BaseException:
            self._room.leave()
            raise

    def leave(self, outcome: Outcome) -> None:
        """End the attempt and tell the breaker."""
        self._room.leave()
        if outcome is Outcome.ANSWERED:
            self.breaker.succeeded()
        elif outcome is Outcome.FAILED:
            self.breaker.failed()
        else:
            self.breaker.abandoned()


Guards = Mapping[str, Guard]
