"""The rows of the journal's tables as both stores read and write them, in the order of their columns.

Times are whole microseconds since 1970 (UTC) in both stores, so that no store has a representation of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from esb.journal import content as contents
from esb.model import MessageId
from esb.ports import (
    Claim,
    InboxReply,
    JournalRecord,
    LateAnswer,
    Outgoing,
    PendingOutgoing,
    ProvenAnswer,
    ReceivedExchange,
    State,
    StoredExchange,
    Waiting,
)

Key = tuple[str, str]
"""Caller and message id: the identity of an exchange."""

Value = str | int | bytes | None
"""What a column may hold."""

BODY_OWN, BODY_OF_REQUEST, BODY_OF_REPLY = 0, 1, 2
"""Where an outbox row's payload lies: with the row, or with the exchange (so that it is stored once)."""

SIGNATURE_HEADER = "esb-signature"

_OPEN = frozenset({State.RECEIVED.value, State.AWAITING.value})

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ExchangeRow(NamedTuple):
    """One exchange. `received`, `outcome`: the very bytes of its RECEIVED and COMPLETED (PARKED, AWAITING) records.

    `due_us`: while RECEIVED or AWAITING, when somebody may claim it: the end of the lease, or of the delay.
    """

    message_id: str
    caller: str
    route: str
    received_us: int
    received: bytes
    body: bytes | None
    state: str
    status: str | None
    outcome: bytes | None
    reply_body: bytes | None
    lease_owner: str | None
    due_us: int
    attempts: int
    call_begun: int

    @property
    def key(self) -> Key:
        """The identity."""
        return (self.caller, self.message_id)

    @property
    def open(self) -> bool:
        """There is something to do for it, now or later."""
        return self.state in _OPEN

    def claimable(self, now_us: int) -> bool:
        """Nobody holds it and it need not wait."""
        return self.state in _OPEN and self.due_us <= now_us

    def free(self, now_us: int) -> bool:
        """Nobody holds it, though it may have to wait; what awaits an agency's answer is left alone until it is due."""
        return self.claimable(now_us) or (self.state == State.RECEIVED and self.lease_owner is None)

    def held_by(self, owner: str) -> bool:
        """`owner` has the lease. A lapsed lease that nobody took is still held."""
        return self.state in _OPEN and self.lease_owner == owner


class ChangeRow(NamedTuple):
    """The new values of an exchange that is there, and what it must still be for the change to be made."""

    message_id: str
    caller: str
    was_state: str
    was_owner: str | None
    was_attempts: int
    state: str
    status: str | None
    outcome: bytes | None
    reply_body: bytes | None
    lease_owner: str | None
    due_us: int
    attempts: int
    call_begun: int


class RecordRow(NamedTuple):
    """One link of a chain. `caller` is "" when nobody was identified."""

    chain: str
    seq: int
    previous: bytes
    digest: bytes
    kind: str
    content: bytes
    caller: str
    message_id: str
    at_us: int


class OutboxRow(NamedTuple):
    """A message to publish; `message` is an `Outgoing` without its body."""

    message: bytes
    body: bytes | None
    body_of: int
    caller: str
    message_id: str
    due_us: int


class InboxRow(NamedTuple):
    """A reply to fetch; without a body it is the exchange's own reply."""

    caller: str
    message_id: str
    body: bytes | None
    signature: str
    due_us: int


class ClaimRow(NamedTuple):
    """A value that is used up until it expires. `used_by` names the exchange that used it."""

    key: str
    expires_us: int
    used_by: str


class AwaitedRow(NamedTuple):
    """An answer that an agency owes, or brought: the exact bytes, and a `ProvenAnswer` of what of them was proven."""

    agency: str
    answer_key: str
    caller: str
    message_id: str
    raw: bytes | None
    proven: bytes | None
    answered_us: int | None
    late: int

    @property
    def key(self) -> Key:
        """The exchange that waits for it."""
        return (self.caller, self.message_id)


class RegistrationRow(NamedTuple):
    """What stands of one agency's adapters. Every act on it makes the next revision."""

    agency: str
    revision: int
    document: bytes


class WaitingReply(NamedTuple):
    """An inbox row with its payload, as read."""

    inbox_id: int
    caller: str
    message_id: str
    body: bytes | None
    signature: str


class WaitingMessage(NamedTuple):
    """An outbox row with its payload, as read."""

    outbox_id: int
    message: bytes
    body: bytes | None


def microseconds(moment: datetime) -> int:
    """The moment as it is stored."""
    return round(moment.timestamp() * 1_000_000)


def span_us(seconds: float) -> int:
    """A length of time as it is stored."""
    return round(seconds * 1_000_000)


def moment_of(moment_us: int) -> datetime:
    """The stored moment, aware, UTC."""
    return _EPOCH + timedelta(microseconds=moment_us)


def stored_exchange(row: ExchangeRow) -> StoredExchange:
    """The row as the port shows it. A purged payload reads as empty."""
    outcome = contents.decode(row.outcome) if row.outcome else None
    held = row.open and row.lease_owner is not None
    return StoredExchange(
        request=contents.request_of(contents.decode(row.received), row.body or b""),
        state=State(row.state),
        attempts=row.attempts,
        call_begun=bool(row.call_begun),
        lease_owner=row.lease_owner,
        lease_until=moment_of(row.due_us) if held else None,
        status=outcome.status if outcome else None,
        reply_body=row.reply_body,
        reply_signature=outcome.reply_signature if outcome else None,
        completed_at=outcome.completed_at if outcome else None,
        parked_reason=outcome.reason if outcome else None,
        waiting=waiting_of(outcome, look_at=moment_of(row.due_us)) if outcome and row.state == State.AWAITING else None,
    )


def new_row(exchange: ReceivedExchange, received: bytes, *, due_us: int) -> ExchangeRow:
    """The exchange when nobody has worked on it."""
    return ExchangeRow(
        message_id=exchange.message_id,
        caller=exchange.caller,
        route=exchange.route,
        received_us=microseconds(exchange.received_at),
        received=received,
        body=exchange.body,
        state=State.RECEIVED.value,
        status=None,
        outcome=None,
        reply_body=None,
        lease_owner=None,
        due_us=due_us,
        attempts=0,
        call_begun=0,
    )


def waiting_of(outcome: contents.Content, *, look_at: datetime) -> Waiting:
    """What an AWAITING record says."""
    return Waiting(
        agency=outcome.agency or "",
        operation=outcome.operation or "",
        key=outcome.answer_key or "",
        version=outcome.version,
        since=outcome.at,
        until=outcome.until or outcome.at,
        look_at=look_at,
    )


def late_answer(row: AwaitedRow) -> LateAnswer | None:
    """What the agency brought; None when it has brought nothing."""
    if row.raw is None or row.proven is None or row.answered_us is None:
        return None
    return LateAnswer(
        agency=row.agency,
        key=row.answer_key,
        raw=row.raw,
        proven=msgspec.msgpack.decode(row.proven, type=ProvenAnswer),
        received_at=moment_of(row.answered_us),
    )


def claim_rows(claims: Sequence[Claim], *, used_by: Key) -> tuple[ClaimRow, ...]:
    """One row per key; the same key twice in one call is one claim."""
    if not claims:
        return ()
    user = user_name(used_by)
    return tuple({claim.key: ClaimRow(claim.key, microseconds(claim.expires_at), user) for claim in claims}.values())


def user_name(key: Key) -> str:
    """The exchange as `ClaimRow.used_by` names it."""
    return f"{key[0]} {key[1]}"


def outbox_rows(
    outgoing: Sequence[Outgoing], *, key: Key, due_us: int, request: bytes | None = None, reply: bytes | None = None
) -> tuple[OutboxRow, ...]:
    """One row each; a payload that the exchange stores anyway is pointed to."""
    if not outgoing:
        return ()
    return tuple(_outbox_row(one, key=key, due_us=due_us, request=request, reply=reply) for one in outgoing)


def outgoing_of(waiting: WaitingMessage) -> Outgoing:
    """The message as it was put into the outbox."""
    message = msgspec.msgpack.decode(waiting.message, type=Outgoing)
    return msgspec.structs.replace(message, body=waiting.body or b"")


def pending_outgoing(waiting: WaitingMessage) -> PendingOutgoing:
    """The row as the relay sees it."""
    return PendingOutgoing(outbox_id=waiting.outbox_id, message=outgoing_of(waiting))


def inbox_reply(waiting: WaitingReply) -> InboxReply:
    """The row as the caller sees it."""
    return InboxReply(message_id=MessageId(waiting.message_id), body=waiting.body or b"", signature=waiting.signature)


def journal_record(row: Sequence[Any]) -> JournalRecord:
    """The record as the port shows it, from the first six columns of its row."""
    chain, seq, previous, digest, kind, content = row[:6]
    return JournalRecord(chain=chain, seq=seq, previous=previous, digest=digest, kind=kind, content=content)


def _outbox_row(outgoing: Outgoing, *, key: Key, due_us: int, request: bytes | None, reply: bytes | None) -> OutboxRow:
    if reply is not None and outgoing.body == reply:
        body_of = BODY_OF_REPLY
    elif request is not None and outgoing.body == request:
        body_of = BODY_OF_REQUEST
    else:
        body_of = BODY_OWN
    message = msgspec.msgpack.encode(msgspec.structs.replace(outgoing, body=b""))
    return OutboxRow(message, outgoing.body if body_of == BODY_OWN else None, body_of, key[0], key[1], due_us)
