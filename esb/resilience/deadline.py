"""The time that is left for one exchange. Made when the exchange is accepted, handed to every wait below."""

from __future__ import annotations

import time

from esb.errors import DeadlineExceeded


class Deadline:
    """A fixed point on the monotonic clock. Immutable; safe to share."""

    __slots__ = ("_end_s",)

    def __init__(self, *, after_s: float) -> None:
        """`after_s`: seconds from now."""
        self._end_s = time.monotonic() + after_s

    def remaining_s(self) -> float:
        """Seconds left, negative once over."""
        return self._end_s - time.monotonic()

    def shortened(self, limit_s: float) -> float:
        """The smaller of `limit_s` and what is left.

        Raises:
            DeadlineExceeded: nothing is left.
        """
        left_s = self.remaining_s()
        if left_s <= 0:
            raise DeadlineExceeded("no time is left")
        return min(limit_s, left_s)
