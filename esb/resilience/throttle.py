"""Limits of speed: a token bucket for rates, a bounded room for what runs at the same time."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable

from esb.errors import Throttled


class RateLimit:
    """A token bucket. For use from one event loop."""

    def __init__(
        self,
        *,
        name: str,
        rate_per_s: float,
        burst: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`burst` defaults to one second's worth, at least one."""
        self._name = name
        self.rate_per_s = rate_per_s
        self._burst = max(1.0, rate_per_s if burst is None else burst)
        self._monotonic = monotonic
        self._tokens = self._burst
        self._at_s = monotonic()

    def take(self) -> None:
        """Use up one token that is there.

        Raises:
            Throttled: none is left; `retry_after_s` says when the next one is.
        """
        self._refill()
        if self._tokens < 1.0:
            raise Throttled(f"rate limit of {self._name}", retry_after_s=(1.0 - self._tokens) / self.rate_per_s)
        self._tokens -= 1.0

    async def turn(self, *, within_s: float) -> None:
        """Use up one token, after waiting for it where there is none now; first come, first served.

        Raises:
            Throttled: at once, when none would come `within_s`.
        """
        self._refill()
        wait_s = (1.0 - self._tokens) / self.rate_per_s
        if wait_s > within_s:
            raise Throttled(f"rate limit of {self._name}", retry_after_s=wait_s)
        # Below zero are tokens that are promised and not there yet.
        self._tokens -= 1.0
        if wait_s <= 0:
            return
        try:
            await asyncio.sleep(wait_s)
        except asyncio.CancelledError:
            self._tokens += 1.0
            raise

    def _refill(self) -> None:
        now_s = self._monotonic()
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self.rate_per_s)
        self._at_s = now_s


class Room:
    """At most `places` at a time, first come first served, and a bounded queue before the door.

    For use from one event loop. Unlike a plain semaphore it refuses at once when the queue is full, so that waiting
    callers of a slow agency cannot pile up without bound.
    """

    def __init__(self, *, name: str, places: int, queue: int) -> None:
        """`queue`: how many may wait beyond those inside."""
        self._name = name
        self._free = places
        self._queue = queue
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, *, timeout_s: float) -> None:
        """Take a place; give it back with `leave`.

        Raises:
            Throttled: the queue is full, or no place was free within `timeout_s`.
        """
        if self._free > 0 and not self._waiting:
            self._free -= 1
            return
        if len(self._waiting) >= self._queue:
            raise Throttled(f"{self._name} is full", agency=self._name)
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await asyncio.wait_for(place, timeout_s)
        except (TimeoutError, asyncio.CancelledError) as error:
            self._forget(place)
            if isinstance(error, asyncio.CancelledError):
                raise
            raise Throttled(f"no place at {self._name} in time", agency=self._name) from error

    def leave(self) -> None:
        """Give the place back, to the one who waits longest."""
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                return
        self._free += 1

    def _forget(self, place: asyncio.Future[None]) -> None:
        # A place may have been handed over in the same instant that the wait ended: it must not be lost.
        if place.done() and not place.cancelled():
            self.leave()
        elif place in self._waiting:
            self._waiting.remove(place)
