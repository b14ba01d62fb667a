"""How long to wait before trying the broker or the journal again: growing, jittered, without end."""

from __future__ import annotations

import random
from collections.abc import Iterator


def pauses_s(*, first_s: float = 0.1, longest_s: float = 10.0) -> Iterator[float]:
    """Doubling pauses with jitter on their upper half; never ends, never exceeds `longest_s`.

    Jitter keeps the workers of a restarted broker from all coming back in the same millisecond.
    """
    pause_s = first_s
    while True:
        yield pause_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
        pause_s = min(pause_s * 2, longest_s)
