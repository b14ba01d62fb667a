"""The idempotent receiver: what a message id that is known already means."""

from __future__ import annotations

import hashlib

from esb.errors import Duplicate
from esb.ports import ReceivedExchange, State, StoredExchange

LONGEST_WAIT_S = 60.0
"""What `Prefer: wait=N` may ask for at most."""


def digest(body: bytes) -> bytes:
    """SHA-256 of the exact body."""
    return hashlib.sha256(body).digest()


def require_same(stored: StoredExchange, request: ReceivedExchange) -> None:
    """Return when the stored exchange is the same question: the same route and the same bytes.

    Raises:
        Duplicate: the id was used for another one.
    """
    known = stored.request
    if (known.route, known.body_sha256) != (request.route, request.body_sha256):
        raise Duplicate("message id was used with another body")


_NOT_SOON = frozenset({State.PARKED, State.AWAITING})


def bounded_s(wait_s: float) -> float:
    """A wait that was asked for, cut to what may be."""
    return min(LONGEST_WAIT_S, max(0.0, wait_s))


def patience_s(wished_s: float | None, request: ReceivedExchange, stored: StoredExchange, deadline_s: float) -> float:
    """How long a repeated question waits for its exchange: without a wish as long as that may run, `deadline_s`."""
    if wished_s is not None:
        return bounded_s(wished_s)
    return 0.0 if request.asynchronous or stored.state in _NOT_SOON else deadline_s
