"""What the bus asks of the adapters. Implemented by `adapters`; called by the pipeline and the doors."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

import msgspec

from esb.model import AgencyCode, JsonObject, Text
from esb.ports.door import Claim


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
