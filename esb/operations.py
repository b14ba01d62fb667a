"""What operators can do with messages, keys and callers. The command line calls these; so will the console.

Each opens what it needs, does one thing and closes it. Bus processes may run meanwhile.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from pathlib import Path

from esb import journal as journals
from esb.answers import Answers
from esb.errors import EsbError, JournalTampered
from esb.faults import DROPPED
from esb.journal import GroupCommitJournal, verification
from esb.journal import content as contents
from esb.journal.content import Kind
from esb.journal.verification import VerificationReport
from esb.model import CallerName, Fault, MessageId
from esb.outcome import Outcome
from esb.outgoing import replies
from esb.ports import (
    Channel,
    Completion,
    ExchangeFilter,
    Journal,
    JournalRecord,
    State,
    StoredExchange,
    utc_now,
)
from esb.settings import Settings
from security import certificates, keys
from security.keys import Algorithm, SigningKey

KEY_VALID_DAYS = 730
ORGANISATION = "MHM"


class MessageChoice(EsbError):
    """No message, or several, fit what the operator named."""


class MessageUnrecorded(MessageChoice):
    """No exchange has this id."""


@contextlib.asynccontextmanager
async def open_journal(settings: Settings, *, must_exist: bool = False) -> AsyncIterator[GroupCommitJournal]:
    """The journal, for one command. What an operator does has a hash chain of its own.

    `must_exist`: for what looks into a journal; one that is made for it would be empty, and look whole.

    Raises:
        JournalUnavailable: it cannot be opened, or is not there and must be.
    """
    journal = await journals.connect(
        settings.database_url,
        Path(settings.home),
        owner=f"{settings.node}/operator",
        window_s=0.0,
        clock=utc_now,
        # The operator's chain is taken at the first write, so that two commands that only read never wait.
        reserve=False,
        must_exist=must_exist,
    )
    try:
        yield journal
    finally:
        await journal.close()


async def list_messages(settings: Settings, wanted: ExchangeFilter) -> Sequence[StoredExchange]:
    """Exchanges, newest first."""
    async with open_journal(settings, must_exist=True) as journal:
        return await journal.list(wanted)


async def trace_message(settings: Settings, message_id: str, caller: str | None) -> Sequence[JournalRecord]:
    """Everything the journal recorded under this id, in order: of an exchange, or of refusals that never became one.

    Raises:
        MessageChoice: nothing is recorded, or several callers used the id for an exchange.
    """
    return (await show_message(settings, message_id, caller))[1]


async def show_message(
    settings: Settings, message_id: str, caller: str | None
) -> tuple[StoredExchange | None, Sequence[JournalRecord]]:
    """The exchange and everything recorded under this id; no exchange where only refusals are.

    Raises:
        MessageChoice: nothing is recorded, or several callers used the id for an exchange.
    """
    async with open_journal(settings, must_exist=True) as journal:
        try:
            stored = await _find(journal, message_id, caller)
        except MessageUnrecorded:
            key = MessageId(message_id)
            records = await (
                journal.records_about(key) if caller is None else journal.records_of(CallerName(caller), key)
            )
            if not records:
                raise
            return None, records
        return stored, await journal.records_of(stored.request.caller, stored.request.message_id)


async def message_evidence(
    settings: Settings, message_id: str, caller: str | None, *, operator: str, reason: str
) -> Sequence[tuple[str, bytes]]:
    """Documents in the exchange's answers that agencies signed, exactly as they came, by the place where they stood.

    That they were taken out is recorded before they are.

    Raises:
        MessageChoice: no such exchange, or several callers used the id.
        JournalTampered: a document is not the one that was recorded.
    """
    async with open_journal(settings, must_exist=True) as journal:
        stored = await _find(journal, message_id, caller)
        identity = stored.request.caller, stored.request.message_id
        facts = [contents.decode(record.content) for record in await journal.records_of(*identity)]
        kept = [fact for fact in facts if fact.kind is Kind.EVIDENCE]
        if kept:
            await journal.disclose(*identity, operator=operator, reason=reason)
        return [(fact.what or "document", await _document(journal, fact.document_sha256 or "")) for fact in kept]


async def _document(journal: Journal, sha256: str) -> bytes:
    content = await journal.document(sha256)
    if content is None or hashlib.sha256(content).hexdigest() != sha256:
        raise JournalTampered(f"the document {sha256[:12]} is not the one that was recorded")
    return content


async def replay_message(
    settings: Settings, message_id: str, caller: str | None, *, operator: str, reason: str
) -> StoredExchange:
    """Let a parked exchange run again; a running bus takes it up within a second. Raises MessageChoice, EsbError."""
    async with open_journal(settings, must_exist=True) as journal:
        stored = await _find(journal, message_id, caller)
        request = stored.request
        await journal.replay(request.caller, request.message_id, operator=operator, reason=reason)
        return stored


async def drop_message(
    settings: Settings, message_id: str, caller: str | None, *, operator: str, reason: str
) -> StoredExchange:
    """End a parked exchange: its caller gets FAILED, signed, as its one reply. Raises MessageChoice, EsbError."""
    key = keys.active(Path(settings.home) / "keys" / "bus", passphrase=settings.key_passphrase)
    async with open_journal(settings, must_exist=True) as journal:
        stored = await _find(journal, message_id, caller)
        if stored.state is not State.PARKED:
            raise MessageChoice(f"message is {stored.state}, only a parked one can be dropped")
        fault = Fault(code=DROPPED.code, message=DROPPED.text, advice=DROPPED.advice)
        outcome = Outcome(status=DROPPED.status, http_status=DROPPED.http_status, faults=(fault,))
        answer = Answers(key=lambda: key, clock=utc_now).concluded(stored.request, outcome, version=1)
        completion = Completion(
            caller=stored.request.caller,
            message_id=stored.request.message_id,
            status=answer.status,
            reply_body=answer.body,
            reply_signature=answer.signature,
            completed_at=utc_now(),
            to_inbox=stored.request.channel is Channel.HTTP,
        )
        outgoing = replies(stored.request, answer) if settings.broker_url else ()
        await journal.drop(completion, operator=operator, reason=reason, outgoing=outgoing)
        return stored


async def verify_journal(settings: Settings, *, against: Path | None = None) -> VerificationReport:
    """Every record, chain and checkpoint, checked. `against`: a copy of the checkpoints that was kept elsewhere."""
    home = Path(settings.home)
    async with open_journal(settings, must_exist=True) as journal:
        return await verification.verify(
            journal, home, keys.load_verifying_keys(home / "keys" / "bus"), against=against
        )


def new_bus_key(settings: Settings, *, algorithm: Algorithm, now: datetime) -> SigningKey:
    """A further signing key of the bus with a self-signed certificate; it is in force after the next reload."""
    key = certificates.self_signed(
        keys.generate(algorithm, now),
        common_name=settings.audience,
        organisation=ORGANISATION,
        now=now,
        valid_days=KEY_VALID_DAYS,
    )
    keys.save(key, Path(settings.home) / "keys" / "bus", passphrase=settings.key_passphrase)
    return key


def new_encryption_key(settings: Settings, *, now: datetime) -> SigningKey:
    """A further key of the bus that agencies encrypt replies for; older ones go on opening what was on its way."""
    key = certificates.for_encryption(
        keys.generate(Algorithm.RS256, now),
        common_name=settings.audience,
        organisation=ORGANISATION,
        now=now,
        valid_days=KEY_VALID_DAYS,
    )
    folder = Path(settings.home) / "keys" / "bus" / keys.ENCRYPTION_FOLDER
    keys.save(key, folder, passphrase=settings.key_passphrase)
    return key


def new_caller_key(settings: Settings, caller: str, *, now: datetime) -> SigningKey:
    """A key pair and TLS client certificate for a caller whose private key may lie on this machine."""
    key = certificates.self_signed(
        keys.generate(Algorithm.ES256, now),
        common_name=caller,
        organisation=ORGANISATION,
        now=now,
        valid_days=KEY_VALID_DAYS,
    )
    keys.save(key, Path(settings.home) / "keys" / "callers" / caller, passphrase=settings.key_passphrase)
    return key


async def _find(journal: Journal, message_id: str, caller: str | None) -> StoredExchange:
    found = [
        stored
        for stored in await journal.find_any(MessageId(message_id))
        if caller is None or stored.request.caller == CallerName(caller)
    ]
    if not found:
        raise MessageUnrecorded(f"no message {message_id}; list them with: esb messages list")
    if len(found) > 1:
        callers = ", ".join(sorted(stored.request.caller for stored in found))
        raise MessageChoice(f"several callers used this id ({callers}); say which with --caller")
    return found[0]
