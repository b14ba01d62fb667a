"""A circuit breaker per agency: after repeated failures calls are held back, then one is let through to look."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable

from esb.errors import BreakerOpen


class BreakerState(enum.StrEnum):
    """CLOSED lets all through, OPEN none, HALF_OPEN one at a time."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Counts failures in a row. For use from one event loop."""

    def __init__(
        self, *, agency: str, failures: int, open_s: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Opens after `failures` failures in a row, for `open_s` seconds."""
        self._agency = agency
        self._limit = failures
        self._open_s = open_s
        self._monotonic = monotonic
        self._failed = 0
        self._opened_at_s: float | None = None
        self._probing = False

    @property
    def state(self) -> BreakerState:
        """The state a call would meet now."""
        if self._opened_at_s is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if self._wait_s() > 0 else BreakerState.HALF_OPEN

    def enter(self) -> None:
        """Ask for leave to call; every leave is followed by `succeeded`, `failed` or `abandoned`.

        Raises:
            BreakerOpen: not now; `retry_after_s` says when.
        """
        if self._opened_at_s is None:
            return
        wait_s = self._wait_s()
        if wait_s > 0 or self._probing:
            raise BreakerOpen("breaker is open", agency=self._agency, retry_after_s=max(wait_s, 1.0))
        self._probing = True

    def succeeded(self) -> None:
        """The agency answered (a refusal or a fault in its words is an answer)."""
        self._failed = 0
        self._opened_at_s = None
        self._probing = False

    def failed(self) -> None:
        """The agency did not answer usably."""
        self._failed += 1
        self._probing = False
        if self._failed >= self._limit:
            self._opened_at_s = self._monotonic()

    def abandoned(self) -> None:
        """The call ended without telling anything about the agency (cancelled, not sent for our own reasons)."""
        self._probing = False

    def _wait_s(self) -> float:
        if self._opened_at_s is None:
            return 0.0
        return self._opened_at_s + self._open_s - self._monotonic()
