"""What a journal record says, and its one canonical form: JSON with sorted keys, UTF-8, absent facts left out.

The bytes made here are what the hash chain covers; the row of an exchange keeps the same bytes, so that a changed
row shows against the chain. Payloads are never in a record, only their SHA-256.
"""

from __future__ import annotations

import enum
import hashlib
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from esb.errors import JournalTampered, RequestMalformed
from esb.model import CallerName, MessageId, RouteId, Status
from esb.ports import Channel, Completion, Evidence, LateAnswer, ReceivedExchange, Refusal, Waiting


class Kind(enum.StrEnum):
    """What happened."""

    RECEIVED = "RECEIVED"
    CALLING = "CALLING"
    COMPLETED = "COMPLETED"
    PARKED = "PARKED"
    POSTPONED = "POSTPONED"
    REFUSED = "REFUSED"
    REPLAYED = "REPLAYED"
    DROPPED = "DROPPED"
    RECLAIMED = "RECLAIMED"
    REGISTRATION = "REGISTRATION"
    AWAITING = "AWAITING"
    ANSWERED = "ANSWERED"
    ANSWERED_LATE = "ANSWERED_LATE"
    EVIDENCE = "EVIDENCE"
    DISCLOSED = "DISCLOSED"


class Content(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The facts of one record. `owner`: who held the lease that was taken away (RECLAIMED).

    `answer_key`: the ticket or correlation id under which an agency answers later.
    """

    kind: Kind
    at: datetime
    caller: str | None
    message_id: str
    route: str
    act: str | None = None
    agency: str | None = None
    answer_key: str | None = None
    answer_sha256: str | None = None
    asynchronous: bool | None = None
    attempts: int | None = None
    body_sha256: str | None = None
    bundle_sha256: str | None = None
    channel: Channel | None = None
    code: str | None = None
    completed_at: datetime | None = None
    correlation_id: str | None = None
    document_sha256: str | None = None
    expires_at: datetime | None = None
    issue: str | None = None
    legal_basis: str | None = None
    operation: str | None = None
    operator: str | None = None
    owner: str | None = None
    purpose: str | None = None
    reason: str | None = None
    received_at: datetime | None = None
    reply_sha256: str | None = None
    reply_signature: str | None = None
    reply_to: str | None = None
    signer: str | None = None
    sources: tuple[dict[str, Any], ...] | None = None
    status: Status | None = None
    traceparent: str | None = None
    until: datetime | None = None
    user: str | None = None
    version: str | None = None
    what: str | None = None


class Evident(NamedTuple):
    """A record of EVIDENCE and the document that is stored under its digest."""

    record: bytes
    sha256: str
    document: bytes


_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Content)


def encode(content: Content) -> bytes:
    """The canonical bytes.

    Raises:
        RequestMalformed: a text cannot be stored everywhere: a NUL in an identifier, or not Unicode at all.
    """
    # PostgreSQL's text columns cannot hold NUL. Found here, it fails this one call and not a shared commit.
    named = (content.message_id, content.route, content.caller, content.answer_key)
    if any(name is not None and "\x00" in name for name in named):
        raise RequestMalformed("an identifier holds a NUL character")
    try:
        return _ENCODER.encode(content)
    except UnicodeEncodeError as error:
        raise RequestMalformed("a text is not Unicode") from error


def decode(content: bytes) -> Content:
    """The facts of a record.

    Raises:
        JournalTampered: the bytes are not a record's content; the bus never wrote them.
    """
    # SQLite holds a value of any type in any column, and the decoder would read text as well.
    if not isinstance(content, bytes):
        raise JournalTampered("a stored record is not bytes")
    try:
        return _DECODER.decode(content)
    except msgspec.MsgspecError as error:
        raise JournalTampered("a stored record cannot be read") from error


def of_request(exchange: ReceivedExchange, *, kind: Kind, at: datetime, reason: str | None = None) -> bytes:
    """RECEIVED, or PARKED for what could not be read: every fact of the request but its payload."""
    return encode(
        Content(
            kind=kind,
            at=at,
            caller=exchange.caller,
            message_id=exchange.message_id,
            route=exchange.route,
            asynchronous=exchange.asynchronous,
            body_sha256=exchange.body_sha256.hex(),
            channel=exchange.channel,
            correlation_id=exchange.correlation_id,
            expires_at=exchange.expires_at,
            issue=exchange.issue,
            legal_basis=exchange.legal_basis,
            purpose=exchange.purpose,
            reason=reason,
            received_at=exchange.received_at,
            reply_to=exchange.reply_to,
            traceparent=exchange.traceparent,
            user=exchange.user,
        )
    )


def of_completion(completion: Completion, *, route: str, at: datetime) -> bytes:
    """COMPLETED: the status, the digest and signature of the reply, and the agency calls it is made from."""
    return encode(
        Content(
            kind=Kind.COMPLETED,
            at=at,
            caller=completion.caller,
            message_id=completion.message_id,
            route=route,
            completed_at=completion.completed_at,
            reply_sha256=hashlib.sha256(completion.reply_body).hexdigest(),
            reply_signature=completion.reply_signature,
            sources=completion.sources or None,
            status=completion.status,
        )
    )


def of_evidence(evidence: Evidence, completion: Completion, *, route: str, at: datetime) -> Evident:
    """EVIDENCE: where in the reply a document stood, its digest, and whose certificate it was signed under."""
    sha256 = hashlib.sha256(evidence.content).hexdigest()
    record = encode(
        Content(
            kind=Kind.EVIDENCE,
            at=at,
            caller=completion.caller,
            message_id=completion.message_id,
            route=route,
            document_sha256=sha256,
            signer=evidence.signer,
            what=evidence.name,
        )
    )
    return Evident(record=record, sha256=sha256, document=evidence.content)


def of_waiting(waiting: Waiting, *, exchange: tuple[str, str], route: str) -> bytes:
    """AWAITING: which answer is owed, and until when."""
    caller, message_id = exchange
    return encode(
        Content(
            kind=Kind.AWAITING,
            at=waiting.since,
            caller=caller,
            message_id=message_id,
            route=route,
            agency=waiting.agency,
            answer_key=waiting.key,
            operation=waiting.operation,
            until=waiting.until,
            version=waiting.version,
        )
    )


def of_answer(answer: LateAnswer, *, exchange: tuple[str, str], route: str) -> tuple[bytes, bytes]:
    """ANSWERED and ANSWERED_LATE: the digest of the very bytes that the agency brought."""
    caller, message_id = exchange
    in_time = Content(
        kind=Kind.ANSWERED,
        at=answer.received_at,
        caller=caller,
        message_id=message_id,
        route=route,
        agency=answer.agency,
        answer_key=answer.key,
        answer_sha256=hashlib.sha256(answer.raw).hexdigest(),
    )
    return encode(in_time), encode(msgspec.structs.replace(in_time, kind=Kind.ANSWERED_LATE))


def of_refusal(refusal: Refusal) -> bytes:
    """REFUSED, at the moment the refusal was made."""
    return encode(
        Content(
            kind=Kind.REFUSED,
            at=refusal.at,
            caller=refusal.caller,
            message_id=refusal.message_id,
            route=refusal.route,
            body_sha256=refusal.body_sha256.hex(),
            channel=refusal.channel,
            code=refusal.code,
        )
    )


def request_of(content: Content, body: bytes) -> ReceivedExchange:
    """The request that `of_request` was made from."""
    return ReceivedExchange(
        caller=CallerName(content.caller or ""),
        message_id=MessageId(content.message_id),
        route=RouteId(content.route),
        body=body,
        body_sha256=bytes.fromhex(content.body_sha256 or ""),
        channel=content.channel or Channel.HTTP,
        asynchronous=bool(content.asynchronous),
        received_at=content.received_at or content.at,
        correlation_id=content.correlation_id,
        reply_to=content.reply_to,
        traceparent=content.traceparent,
        expires_at=content.expires_at,
        purpose=content.purpose,
        legal_basis=content.legal_basis,
        user=content.user,
        issue=content.issue,
    )
