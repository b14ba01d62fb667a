"""What the simulator's server and its two dialects (SOAP, REST) say to each other.

A dialect opens a request (proves it, validates it), drafts an answer in its contract's form and seals the draft.
Every method is pure but for the replay store; none touches a socket.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import msgspec

from adapters.simulator.behaviours import Kind

Chosen = Mapping[Kind, int]
"""What goes wrong in this call, with the amounts."""


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP request as it arrived. Header names are lower-case."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A proven and validated request about the record `key`. `proof` is its signature value, which binds the answer."""

    operation: str
    key: str
    values: Mapping[str, Any]
    proof: bytes


class Refusal(Exception):
    """The request is not answered: unsigned, stale, replayed, not of this contract. `code` goes into the fault."""

    def __init__(self, code: str, reason: str, *, http_status: int = 400, proof: bytes = b"") -> None:
        """`proof` is set when the request's signature held and the refusal can be bound to it."""
        super().__init__(reason)
        self.code = code
        self.reason = reason
        self.http_status = http_status
        self.proof = proof


def complain(text: str) -> None:
    """A line for whoever runs the simulator, on stderr."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """An answer before it is signed: the SOAP Body's child, or a document over plain HTTP with its type.

    `content` of an operation whose Body is not one element is the Body; of one that answers nothing it is empty.
    `blocks` and `attachments` go beside a Body.
    """

    http_status: int
    content: bytes
    content_type: str | None = None
    blocks: tuple[bytes, ...] = ()
    attachments: dict[str, str] = {}


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """A whole HTTP answer."""

    http_status: int
    headers: dict[str, str]
    body: bytes


class Dialect(Protocol):
    """How one agency speaks."""

    @property
    def unable(self) -> frozenset[Kind]:
        """Behaviours that make no sense in this dialect."""
        ...

    def open(self, incoming: Incoming, *, now: datetime) -> Question:
        """The proven, validated question. Raises Refusal."""
        ...

    def draft(self, question: Question) -> Draft:
        """The agency's answer, valid under its contract."""
        ...

    def draft_refusal(self, refusal: Refusal) -> Draft:
        """The refusal as a fault in the agency's style."""
        ...

    def seal(self, draft: Draft, *, proof: bytes, chosen: Chosen, now: datetime) -> Sealed:
        """The signed answer, or a badly signed one where `chosen` says so."""
        ...


class SeenOnce:
    """Replay keys of the last minutes: each is accepted once. Bounded by time, as every message goes stale."""

    def __init__(self, *, keep_s: int) -> None:
        """`keep_s`: how long a signed request is fresh."""
        self._keep = timedelta(seconds=keep_s)
        self._seen: dict[bytes, datetime] = {}

    def first_time(self, replay_key: bytes, *, now: datetime) -> bool:
        """True once for each value."""
        self._forget(now)
        if replay_key in self._seen:
            return False
        self._seen[replay_key] = now
        return True

    def _forget(self, now: datetime) -> None:
        # Insertion order is time order, so that only the front can be old.
        while self._seen:
            oldest = next(iter(self._seen))
            if now - self._seen[oldest] <= self._keep:
                return
            del self._seen[oldest]
