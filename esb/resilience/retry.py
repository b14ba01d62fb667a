"""How often and after what pauses a call is tried again. Whether it may be is decided by `esb/faults.py`."""

from __future__ import annotations

import random
from collections.abc import Iterator

LONGEST_DELAY_S = 30.0


def delays_s(*, attempts: int, first_delay_s: float) -> Iterator[float]:
    """The pauses before the second, third … attempt: doubling, with full jitter on their upper half.

    Jitter keeps a thousand callers that failed together from coming back together.
    """
    delay_s = first_delay_s
    for _ in range(attempts - 1):
        yield delay_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
        delay_s = min(delay_s * 2, LONGEST_DELAY_S)
