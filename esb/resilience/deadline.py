"""The time that is left for one exchange. Made when the exchange is accepted, handed to every wait below."""

from __future__ import annotations

import time

from esb.errors import DeadlineExceeded, Expired


class Deadline:
    """A fixed point on the monotonic clock. Immutable; safe to share."""

    __slots__ = ("_by_caller", "_end_s")

    def __init__(self, *, after_s: float, by_caller: bool = False) -> None:
        """`after_s`: seconds from now. `by_caller`: the request's own `expires_at` set it, not the route."""
        self._end_s = time.monotonic() + after_s
        self._by_caller = by_caller

    def remaining_s(self) -> float:
        """Seconds left, negative once over."""
        return self._end_s - time.monotonic()

    def shortened(self, limit_s: float) -> float:
        """The smaller of `limit_s` and what is left.

        Raises:
            DeadlineExceeded: nothing is left.
            Expired: likewise, and it was the caller's own time.
        """
        left_s = self.remaining_s()
        if left_s <= 0:
            raise self.over("no time is left")
        return min(limit_s, left_s)

    def over(self, reason: str) -> DeadlineExceeded | Expired:
        """What the end of this time is called, by whose it was."""
        return Expired(reason) if self._by_caller else DeadlineExceeded(reason)
