"""The durable record as a port. Implemented by `esb/journal`, for SQLite and for PostgreSQL."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec

from esb.model import CallerName, MessageId, RouteId, Status
from esb.ports.agencies import Evidence, LateAnswer, Reception
from esb.ports.door import Channel, Claim
from security.hashchain import Checkpoint, Sign


class State(enum.StrEnum):
    """Where an exchange stands. RECEIVED covers queued and running: a lease says which.

    AWAITING: its agency accepted the question and answers later; what was sent is never sent again.
    """

    RECEIVED = "RECEIVED"
    AWAITING = "AWAITING"
    COMPLETED = "COMPLETED"
    PARKED = "PARKED"


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A message to publish on RabbitMQ after the transaction that carries it has committed.

    `exchange` "" is the default exchange. When the broker returns it as unroutable and `inbox_of` names a
    caller, the relay puts the reply into that caller's HTTP inbox instead: it is never lost.
    """

    exchange: str
    routing_key: str
    body: bytes
    message_id: str
    correlation_id: str | None = None
    content_type: str = "application/json"
    headers: dict[str, str] = {}
    inbox_of: str | None = None


class ReceivedExchange(msgspec.Struct, frozen=True, kw_only=True):
    """A request the bus has accepted, about to be journaled. `(caller, message_id)` is its identity."""

    caller: CallerName
    message_id: MessageId
    route: RouteId
    body: bytes
    body_sha256: bytes
    channel: Channel
    asynchronous: bool
    received_at: datetime
    correlation_id: str | None = None
    reply_to: str | None = None
    traceparent: str | None = None
    expires_at: datetime | None = None
    purpose: str | None = None
    legal_basis: str | None = None
    user: str | None = None
    issue: str | None = None


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """What an AWAITING exchange waits for: the answer that `agency` gives under `key`, its ticket or correlation id.

    `look_at`: when the exchange is taken up unasked, to ask for the answer or, at `until`, to give up on it. `version`:
    of the contract under which the agency was asked.
    """

    agency: str
    operation: str
    key: str
    version: str | None = None
    since: datetime
    until: datetime
    look_at: datetime


class StoredExchange(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange as the journal has it. `reply_*` are set once COMPLETED, `waiting` while AWAITING."""

    request: ReceivedExchange
    state: State
    attempts: int
    call_begun: bool
    lease_owner: str | None
    lease_until: datetime | None
    status: Status | None = None
    reply_body: bytes | None = None
    reply_signature: str | None = None
    completed_at: datetime | None = None
    parked_reason: str | None = None
    waiting: Waiting | None = None


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """The one reply of an exchange. `to_inbox`: also lay it into the caller's HTTP reply inbox.

    `evidence`: documents that agencies signed themselves, kept byte for byte as records of the exchange name them.
    """

    caller: CallerName
    message_id: MessageId
    status: Status
    reply_body: bytes
    reply_signature: str
    completed_at: datetime
    to_inbox: bool
    sources: tuple[dict[str, Any], ...] = ()
    evidence: tuple[Evidence, ...] = ()


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was answered and never became an exchange. `caller` is None when nobody was identified."""

    caller: str | None
    message_id: str
    route: str
    channel: Channel
    code: str
    body_sha256: bytes
    at: datetime


class PendingOutgoing(msgspec.Struct, frozen=True, kw_only=True):
    """An outbox row that waits for its publisher confirm."""

    outbox_id: int
    message: Outgoing


class InboxReply(msgspec.Struct, frozen=True, kw_only=True):
    """A reply that waits in a caller's inbox until acknowledged."""

    message_id: MessageId
    body: bytes
    signature: str


class ExchangeFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What `esb messages list` may ask for; None means any. Newest first."""

    state: State | None = None
    status: Status | None = None
    route: str | None = None
    caller: str | None = None
    since: datetime | None = None
    limit: int = 50


class JournalRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One link of one chain, as stored: `content` are the exact bytes that `digest` covers together with `previous`."""

    chain: str
    seq: int
    previous: bytes
    digest: bytes
    kind: str
    content: bytes


class Journal(Protocol):
    """The durable, hash-chained record of every exchange, with the outbox in the same transaction.

    Safe for concurrent use from one event loop; several processes may use one database, each with a chain (and a
    lease owner name) of its own. Every method that writes returns only after its record is durable, and
    concurrent writers share a commit. Any method raises `JournalUnavailable` when the store cannot be used; whether
    that call took effect is then unknown, and repeating it is safe.
    """

    async def receive(
        self,
        exchange: ReceivedExchange,
        *,
        lease_s: float | None,
        not_before: datetime | None = None,
        claims: Sequence[Claim] = (),
        outgoing: Sequence[Outgoing] = (),
    ) -> StoredExchange | None:
        """Record RECEIVED and take the lease (`lease_s` None: leave it for whoever claims it first).

        `claim_work` does not hand it out before `not_before`; `take_over` does.

        Returns None when the exchange is new. When `(caller, message_id)` exists already the claims are used up all
        the same, nothing else is written and the stored exchange is returned; the caller of this method compares
        `body_sha256` and route.

        Raises:
            MessageReplayed: one of `claims` was used before; nothing is written.
        """
        ...

    async def claim(self, claims: Sequence[Claim]) -> None:
        """Use up claims for a call that is not an exchange. Raises MessageReplayed, and then none is used."""
        ...

    async def begin_call(self, caller: CallerName, message_id: MessageId) -> None:
        """Record CALLING before the first byte of a call that must not be repeated. Raises LeaseLost."""
        ...

    async def complete(
        self, completion: Completion, *, claims: Sequence[Claim] = (), outgoing: Sequence[Outgoing] = ()
    ) -> None:
        """Record COMPLETED with its outbox in one transaction; exactly one ever succeeds for an exchange.

        Raises:
            LeaseLost: another worker holds the lease, or the exchange is already completed. Nothing is written.
            MessageReplayed: one of `claims` was used before. Nothing is written.
        """
        ...

    async def park(
        self, caller: CallerName, message_id: MessageId, *, reason: str, outgoing: Sequence[Outgoing] = ()
    ) -> None:
        """Record PARKED and release the lease. Raises LeaseLost."""
        ...

    async def postpone(
        self,
        caller: CallerName,
        message_id: MessageId,
        *,
        until: datetime,
        reason: str,
        outgoing: Sequence[Outgoing] = (),
    ) -> None:
        """Record POSTPONED and release the lease; `claim_work` does not hand it out before `until`.

        Raises:
            LeaseLost: as `complete`.
        """
        ...

    async def await_answer(
        self, caller: CallerName, message_id: MessageId, waiting: Waiting, *, claims: Sequence[Claim] = ()
    ) -> None:
        """Record AWAITING and release the lease; `claim_work` does not hand it out before `waiting.look_at`.

        Raises:
            LeaseLost, MessageReplayed: as `complete`.
            ReplyInvalid: the agency gave this key to another exchange before. Nothing is written.
        """
        ...

    async def await_further(
        self, caller: CallerName, message_id: MessageId, *, look_at: datetime, claims: Sequence[Claim] = ()
    ) -> None:
        """The answer is not there yet: release the lease until `look_at`. Leaves no record. Raises as `complete`."""
        ...

    async def waiter(self, agency: str, key: str) -> StoredExchange | None:
        """The exchange that waits, or waited, for this answer."""
        ...

    async def bring(self, waiter: StoredExchange, answer: LateAnswer) -> Reception:
        """Record ANSWERED with the exact bytes and make the exchange due at once, or ANSWERED_LATE when it has ended.

        Nothing is written for any other reception. Bringing the same again answers KNOWN.

        Raises:
            MessageReplayed: one of `answer.proven.claims` was used before; nothing is written.
        """
        ...

    async def brought(self, caller: CallerName, message_id: MessageId, key: str) -> LateAnswer | None:
        """The answer that came for this exchange under `key`, in time or not."""
        ...

    async def refuse(self, refusal: Refusal, *, outgoing: Sequence[Outgoing] = ()) -> None:
        """Record REFUSED: a request that was answered without becoming an exchange."""
        ...

    async def park_unreadable(
        self, exchange: ReceivedExchange, *, reason: str, outgoing: Sequence[Outgoing] = ()
    ) -> bool:
        """Record a message that cannot even be read, directly as PARKED. False when it is there already."""
        ...

    async def claim_work(
        self, *, lease_s: float, limit: int, routes: Sequence[RouteId] | None = None
    ) -> Sequence[StoredExchange]:
        """Lease up to `limit` RECEIVED exchanges that nobody holds (or whose lease lapsed), oldest first.

        `routes` None means any route. Two claimers never get the same exchange while the lease lasts.
        """
        ...

    async def take_over(self, caller: CallerName, message_id: MessageId, *, lease_s: float) -> StoredExchange | None:
        """Lease this one exchange if it is RECEIVED and nobody holds it; None otherwise."""
        ...

    async def release_own_leases(self) -> int:
        """Free what a previous process with this owner name left behind; called once at start."""
        ...

    async def find(self, caller: CallerName, message_id: MessageId) -> StoredExchange | None:
        """The exchange, or None."""
        ...

    async def find_any(self, message_id: MessageId) -> Sequence[StoredExchange]:
        """All exchanges with this id, whoever sent them (for operators)."""
        ...

    async def list(self, wanted: ExchangeFilter) -> Sequence[StoredExchange]:
        """Exchanges that match, newest first, at most `wanted.limit`."""
        ...

    async def records_of(self, caller: CallerName, message_id: MessageId) -> Sequence[JournalRecord]:
        """All records of one exchange in the order they were written."""
        ...

    async def document(self, sha256: str) -> bytes | None:
        """What a record names by this digest; None when it is not there."""
        ...

    async def replay(self, caller: CallerName, message_id: MessageId, *, operator: str, reason: str) -> None:
        """Record REPLAYED: a PARKED exchange becomes RECEIVED again, unleased. Raises EsbError if not parked."""
        ...

    async def drop(
        self, completion: Completion, *, operator: str, reason: str, outgoing: Sequence[Outgoing] = ()
    ) -> None:
        """Record DROPPED and COMPLETED: a PARKED exchange ends with this reply. Raises EsbError if not parked."""
        ...

    async def disclose(self, caller: CallerName, message_id: MessageId, *, operator: str, reason: str) -> None:
        """Record DISCLOSED: an operator took documents of the exchange out of the journal."""
        ...

    async def inbox(self, caller: CallerName, *, limit: int, redeliver_after_s: float) -> Sequence[InboxReply]:
        """Replies that wait, oldest first; what is handed out comes again after `redeliver_after_s` unless acked."""
        ...

    async def acknowledge(self, caller: CallerName, message_id: MessageId) -> bool:
        """Take a reply out of the inbox. False when it was not there; idempotent."""
        ...

    async def pending_outgoing(self, *, limit: int, lease_s: float) -> Sequence[PendingOutgoing]:
        """Oldest outbox rows that no relay holds, leased to this one for `lease_s`."""
        ...

    async def outgoing_published(self, outbox_ids: Sequence[int]) -> None:
        """Mark as confirmed by the broker; they never come again."""
        ...

    async def outgoing_returned(self, outbox_id: int) -> None:
        """The broker could not route it: the reply goes to the inbox of `inbox_of`, or the row is only marked."""
        ...

    def records(self, *, chain: str | None = None) -> AsyncIterator[JournalRecord]:
        """Every record of one chain, or of all, chain by chain in `seq` order."""
        ...

    async def checkpoint(self, sign: Sign) -> Checkpoint:
        """Sign the heads of all chains and keep that here and outside the database.

        When nothing was recorded since the last checkpoint, that one is returned and nothing is written.
        """
        ...

    async def checkpoints(self) -> Sequence[Checkpoint]:
        """All checkpoints, oldest first. Raises JournalTampered when one cannot be read."""
        ...

    async def ping(self) -> None:
        """Return when a write would succeed now; raises JournalUnavailable."""
        ...

    async def close(self) -> None:
        """Finish what was accepted, then release connections and files; idempotent."""
        ...
