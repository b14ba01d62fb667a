"""The idempotent receiver: what a message id that is known already means."""

from __future__ import annotations

import hashlib

from esb.errors import Duplicate
from esb.ports import ReceivedExchange, StoredExchange


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
