"""What the bus needs from the outside, as small protocols; each docstring states the guarantees.

Implemented by `esb/journal`, `esb/amqp` and `adapters`; called by the pipeline, the bus and the doors. Every
implementation of a port passes that port's one conformance suite in `tests/contract`.
"""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol, runtime_checkable

import msgspec

from esb.model import AgencyCode, CallerName, JsonObject, MessageId, RouteId, Status, Text
from security.hashchain import Checkpoint, Sign

Clock = Callable[[], datetime]
"""Answers the present moment as an aware UTC datetime. Passed in, so that tests can stop it."""


def utc_now() -> datetime:
    """The clock of production."""
    return datetime.now(UTC)


# --- the door --------------------------------------------------------------------------------------------


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller showed of itself, unproven: exactly one is set, or none for a nobody.

    `certificate_der`: the client certificate of a completed TLS handshake. `broker_user`: the `user_id` property
    that RabbitMQ itself has checked.
    """

    bearer: str | None = None
    certificate_der: bytes | None = None
    broker_user: str | None = None


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One request as a door received it, nothing of it believed yet.

    `message_id` is None when the sender gave none. `asynchronous`: the sender does not wait. `wait_s`: how long it
    waits before a 202 is better than the reply; None means until the route's deadline. `signature`: the value of the
    sender's `ESB-Signature`, when it signed the body. `redelivered`: the broker has handed it out before.

    `on_behalf_of`: the bus itself put this claim check on a work queue, and this caller's stored exchange is what
    it stands for; set only when the broker has checked that the bus was the sender. `dead_letter`: why the broker
    took the message out of its queue (`expired`, `delivery_limit`, `rejected`, `maxlen`); None for a live one.
    """

    route: str
    body: bytes
    content_type: str
    channel: Channel
    credentials: Credentials
    received_at: datetime
    message_id: str | None = None
    correlation_id: str | None = None
    traceparent: str | None = None
    asynchronous: bool = False
    wait_s: float | None = None
    reply_to: str | None = None
    signature: str | None = None
    redelivered: bool = False
    on_behalf_of: str | None = None
    dead_letter: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the bus says back: `body` is the canonical JSON of one `Reply`, `signature` its detached JWS.

    `http_status` comes from the fault table. `location` is set when the reply is not there yet (202); `awaits` then
    says that the agency itself takes its time, and that nothing went wrong.
    """

    message_id: str
    status: Status
    http_status: int
    body: bytes
    signature: str
    replayed: bool = False
    location: str | None = None
    retry_after_s: int | None = None
    awaits: bool = False


class Door(Protocol):
    """The ONE door of the bus (`esb/bus.py`), as the inbound sides see it. Safe for concurrent use."""

    async def ask(self, arrival: Arrival) -> Answer:
        """Answer one request. Never raises for anything in the request; every outcome is an `Answer`.

        Cancelling the caller of this method does not cancel an exchange that was accepted.
        """
        ...

    async def deliver(self, arrival: Arrival) -> None:
        """Take one message from the broker to its end: COMPLETED, PARKED, POSTPONED or AWAITING, replies in the outbox.

        When it returns the message may be acknowledged.

        Raises:
            JournalUnavailable: nothing is known to be recorded; the message must stay with the broker.
        """
        ...

    async def identify(self, credentials: Credentials) -> CallerName:
        """Who this is, for calls that are not exchanges. Uses up a token. Raises NotIdentified."""
        ...

    async def message(self, caller: CallerName, message_id: str, *, wait_s: float) -> Answer:
        """State and, when there, the reply of a caller's own message; waits up to `wait_s` for it."""
        ...

    async def turn_away(self, arrival: Arrival, error: Exception) -> Answer:
        """As `refuse`, and on record: for a request that the door stopped before the bus saw it."""
        ...

    def refuse(self, arrival: Arrival, error: Exception) -> Answer:
        """The signed reply body for an error that a door itself found (too large, wrong type, no such page)."""
        ...


# --- journal ---------------------------------------------------------------------------------------------


class Channel(enum.StrEnum):
    """Through which door a request came."""

    HTTP = "http"
    AMQP = "amqp"


class State(enum.StrEnum):
    """Where an exchange stands. RECEIVED covers queued and running: a lease says which.

    AWAITING: its agency accepted the question and answers later; what was sent is never sent again.
    """

    RECEIVED = "RECEIVED"
    AWAITING = "AWAITING"
    COMPLETED = "COMPLETED"
    PARKED = "PARKED"


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A value that may be used once: a token's `jti`, the digest of an agency reply's signature."""

    key: str
    expires_at: datetime


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


# --- agencies --------------------------------------------------------------------------------------------


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """For whom and under what law a call is made, in the caller's words: for envelopes that carry it, proof of nothing.

    `user` is the person who is logged in at the portal, as `FIN:7TESTX1`.
    """

    user: str | None = None
    issue: str | None = None
    purpose: str | None = None
    legal_basis: str | None = None


NO_ORIGIN = Origin()


class OutgoingCall(msgspec.Struct, frozen=True, kw_only=True):
    """A whole HTTP request to an agency, validated and signed: nothing may change it any more.

    `proof` is what the answer must be bound to (the request's signature value), opaque outside the adapter. So are
    `envelope` and `blocks`, with which the headers of an answer are compared: a message as it was before it was packed,
    and its header blocks.
    """

    method: str
    url: str
    headers: dict[str, str]
    body: bytes
    proof: bytes = b""
    envelope: bytes = b""
    blocks: tuple[bytes, ...] = ()


class RawAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, unproven: only `AgencyOperation.verify` may read it."""

    http_status: int
    headers: dict[str, str]
    body: bytes


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A document inside of an answer that the owning agency signed itself, byte for byte as it came.

    `name` says where it stood; `signer` is the SHA-256 of the signing certificate, in hex.
    """

    name: str
    content: bytes
    signer: str
    media_type: str = "application/xml"


class ProvenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The very bytes that the agency's signature covers (or, for an adapter without signatures, the body).

    `headers`: parts of the envelope that are proven as well; `attachments`: what came beside it, as `data:` URIs;
    `content_type`: of the content, where HTTP said so. `claims` must be journaled with the reply, so that the same
    answer is never accepted twice; `evidence`, so that it can be shown later.
    """

    http_status: int
    content: bytes
    signed_at: datetime | None
    claims: tuple[Claim, ...] = ()
    headers: tuple[bytes, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    attachments: dict[str, str] = {}
    content_type: str | None = None


class AgencyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The agency's validated answer as plain values. `found` False: the agency says that there is no such record.

    `findings`: where a lax adapter's answer strayed from its contract, each as `path: reason`, never with a value.
    `awaits`: this is no answer yet, and `data` holds nothing of use.
    """

    found: bool
    data: JsonObject
    as_of: datetime | None = None
    findings: tuple[str, ...] = ()
    awaits: Awaited | None = None


class Awaited(msgspec.Struct, frozen=True, kw_only=True):
    """The agency accepted the question and answers later, within `for_s` seconds.

    `key`: its ticket, or the correlation id it answers under; None: the exchange's own message id. `look_every_s`:
    how often it is asked for the answer; None: it brings the answer itself.
    """

    key: str | None
    for_s: float
    look_every_s: float | None = None


class LateAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that came after the call it belongs to: the exact bytes, and what of them the agency proved."""

    agency: str
    key: str
    raw: bytes
    proven: ProvenAnswer
    received_at: datetime


class Reception(enum.StrEnum):
    """What became of an answer that was brought."""

    TAKEN = "taken"
    KNOWN = "known"
    LATE = "late"
    OTHER = "other"
    """Another answer was brought under this key before."""

    BUSY = "busy"
    """A worker has the exchange in hand at this moment."""


class AgencyOperation(Protocol):
    """One operation of one adapter, compiled at load. All methods but `send` are pure and non-blocking.

    The order is the pipeline's: encode → sign → send → verify → decode. No method reads what the one before did
    not prove.
    """

    @property
    def agency(self) -> AgencyCode:
        """Owner of the system."""
        ...

    @property
    def name(self) -> str:
        """The operation's name in the contract."""
        ...

    def encode(self, values: JsonObject) -> bytes:
        """The contract's request document, validated. Raises RequestUnencodable (`path` = contract field)."""
        ...

    def sign(
        self,
        document: bytes,
        *,
        message_id: str,
        traceparent: str | None,
        now: datetime,
        origin: Origin = NO_ORIGIN,
    ) -> OutgoingCall:
        """Envelope, security headers and signature around the document."""
        ...

    async def send(self, call: OutgoingCall, *, timeout_s: float) -> RawAnswer:
        """One attempt, no retry.

        Raises:
            AgencyUnreachable: nothing was sent.
            AgencyTimeout: bytes were sent, no whole answer came; the effect is unknown.
            ReplyInvalid: the answer is over the size limit.
        """
        ...

    def verify(self, answer: RawAnswer, call: OutgoingCall, *, now: datetime) -> ProvenAnswer:
        """Raises ReplyUnproven; ReplyInvalid when it is not even this protocol (HTML, cut, DTD)."""
        ...

    def decode(self, answer: ProvenAnswer) -> AgencyAnswer:
        """Raises ReplyInvalid, AgencyFault, AgencyRejected. Not found, however the agency says it, is `found=False`."""
        ...


@runtime_checkable
class LaterOperation(AgencyOperation, Protocol):
    """An operation whose `decode` may say that the answer is awaited."""

    @property
    def look(self) -> AgencyOperation | None:
        """The operation that asks for the answer; its `encode` takes `{"key": …}`. None: the agency brings it."""
        ...

    @property
    def intake(self) -> AnswerIntake | None:
        """How the agency's answers are read at the bus's own address; None: it brings none there."""
        ...

    @property
    def courier(self) -> Courier | None:
        """What fetches the agency's answers from elsewhere; None: they come in another way."""
        ...

    def decode_answer(self, answer: ProvenAnswer) -> AgencyAnswer:
        """An answer that was brought, or fetched. Raises as `decode`."""
        ...


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody sent to the address where agencies bring answers, nothing of it believed.

    Header names are lower-case.
    """

    agency: str
    url: str
    headers: dict[str, str]
    body: bytes
    received_at: datetime
    certificate_der: bytes | None = None


class ProvenPush(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that an agency brought, with the key it is meant for.

    `receipt`: the document that acknowledges it; `proof`: what the acknowledgement is bound to. `key` None: the
    agency's own, and no answer of its contract; `problem` says why.
    """

    key: str | None
    answer: ProvenAnswer
    receipt: bytes = b""
    proof: bytes = b""
    problem: str = ""


class AnswerIntake(Protocol):
    """How one agency brings answers. Pure and non-blocking."""

    def verify(self, push: Push, *, now: datetime) -> ProvenPush:
        """What the agency proves to have sent.

        Raises:
            ReplyUnproven: nothing is known of the sender, and it is told nothing.
        """
        ...

    def acknowledge(self, push: ProvenPush, *, now: datetime) -> RawAnswer:
        """The agency may forget the answer: the journal has it."""
        ...

    def refuse(self, code: str, reason: str, *, http_status: int, proof: bytes, now: datetime) -> RawAnswer:
        """The answer is not taken, in the agency's own protocol."""
        ...


Bring = Callable[[str, bytes, ProvenPush], Awaitable[None]]
"""Takes an agency's answer, as exact bytes and proven; when it returns the journal has it.

Raises Refused when it will never be taken, Saturated or StorageError when it should be brought again.
"""


class Courier(Protocol):
    """Goes where an agency lays its answers down. Several workers may send the same round: each answer comes once."""

    @property
    def agency(self) -> str:
        """Whose answers."""
        ...

    @property
    def every_s(self) -> float:
        """How long between two rounds."""
        ...

    async def carry(self, bring: Bring) -> int:
        """One round; how many answers were brought. Raises OSError when the place cannot be reached, StorageError."""
        ...


class FieldShape(msgspec.Struct, frozen=True, kw_only=True):
    """What a contract says about one operation, for the route compiler and the documents."""

    request_schema: dict[str, Any]
    reply_schema: dict[str, Any]
    request_sample: dict[str, Any]
    reply_sample: dict[str, Any]


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """One contract version of an agency, and which questions may go to it.

    `catalogue` has this version alone. `callers` and `rayons`: of a pilot, either is enough; both empty: open to all.
    `weight`: its share among the versions that have one. `named`: callers that an operator sends here. `takes_rayon`:
    a question may say its rayon, which a pilot asks for or did.
    """

    version: str
    catalogue: AgencyCatalogue
    callers: frozenset[str] = frozenset()
    rayons: frozenset[str] = frozenset()
    weight: int = 0
    named: frozenset[str] = frozenset()
    takes_rayon: bool = False

    def admits(self, caller: str, rayon: object) -> bool:
        """Whether a question of this caller about this rayon may come here."""
        if not (self.callers or self.rayons) or caller in self.callers:
            return True
        # The question has not been validated yet: a rayon may be anything.
        return isinstance(rayon, str) and rayon in self.rayons

    def terms(self) -> tuple[object, ...]:
        """All of it but the catalogue, as plain values."""
        return (
            self.version,
            sorted(self.callers),
            sorted(self.rayons),
            self.weight,
            sorted(self.named),
            self.takes_rayon,
        )


class AgencyCatalogue(Protocol):
    """The adapters that are installed. Immutable: a reload makes a new one."""

    @property
    def generation(self) -> int:
        """Of the register of adapters as it was when this was made; 0 without one."""
        ...

    def agencies(self) -> Sequence[AgencyCode]:
        """All codes, sorted."""
        ...

    def operations(self, agency: AgencyCode) -> Sequence[str]:
        """Names of the agency's operations, sorted; empty for an unknown agency."""
        ...

    def operation(self, agency: AgencyCode, name: str) -> AgencyOperation:
        """The compiled operation. Raises KeyError."""
        ...

    def shape(self, agency: AgencyCode, name: str) -> FieldShape:
        """JSON Schemas (2020-12) and samples. Raises KeyError."""
        ...

    def title(self, agency: AgencyCode) -> Text:
        """The agency's name for people."""
        ...

    def version(self, agency: AgencyCode) -> str:
        """The contract version that `operation` and `shape` are of. Raises KeyError."""
        ...

    def reach(self, agency: AgencyCode) -> tuple[Reach, ...]:
        """The versions that questions may go to, preferred first; empty where nothing is to be chosen or restricted."""
        ...

    def retired(self, agency: AgencyCode) -> bool:
        """Whether the agency was taken out of use for good."""
        ...
