"""The idempotent receiver: what a message id that is known already means."""

from __future__ import annotations

import hashlib

from esb.errors import Duplicate
from esb.ports import StoredExchange


def fingerprint(route: str, body: bytes) -> bytes:
    """SHA-256 over route and exact body: two requests with one id are the same question only if this is equal."""
    digest = hashlib.sha256(route.encode())
    digest.update(b"\n")
    digest.update(body)
    return digest.digest()


def require_same(stored: StoredExchange, sha256: bytes) -> None:
    """Return when the stored exchange is the same question.

    Raises:
        Duplicate: the id was used for another one.
    """
    if stored.request.body_sha256 != sha256:
        raise Duplicate("message id was used with another body")
