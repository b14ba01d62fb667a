"""The register of adapters as the journal keeps it: one document per agency, and the bundles that documents name.

What a document says is the business of `adapters/registration`; here it is bytes with a revision. A document changes in
the transaction that records who changed it and why in the hash chain, together with its SHA-256.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from esb.errors import JournalMissing, RegistrationRefused
from esb.journal import content as contents
from esb.journal import queries
from esb.journal.content import Content, Kind
from esb.journal.draft import Draft, Needs
from esb.journal.operations import Known
from esb.journal.rows import Key, RegistrationRow, Value, journal_record, microseconds
from esb.ports import Clock, JournalRecord, utc_now

if TYPE_CHECKING:
    from esb.journal.journal import GroupCommitJournal

MAX_BUNDLE_BYTES = 64 * 1024 * 1024

Bundles = Mapping[str, bytes]
"""By the SHA-256 of their content, in hexadecimal digits."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One act on one agency's document. `was_revision`: of the document it was made from, 0 where there was none.

    `act` and `what` are for people who read the record; `bundle` is stored under its SHA-256.
    """

    agency: str
    was_revision: int
    document: bytes
    act: str
    operator: str
    what: str
    reason: str | None = None
    version: str | None = None
    bundle: bytes | None = None


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """The whole register at one moment. `generation` grows by one with every act."""

    generation: int = 0
    documents: Mapping[str, RegistrationRow] = {}
    bundles: Bundles = {}


class Source(Protocol):
    """What can be read from; `GroupCommitJournal` is one."""

    async def select(self, query: str, *values: Value) -> Sequence[Sequence[Any]]:
        """Rows of one statement of `queries`."""
        ...


class Register(msgspec.Struct, frozen=True, kw_only=True):
    """Write one document and the record of the act."""

    row: RegistrationRow
    content: bytes
    at_us: int
    bundle: tuple[str, bytes] | None

    @property
    def weight_bytes(self) -> int:
        """Payload bytes."""
        return len(self.row.document) + (len(self.bundle[1]) if self.bundle else 0)

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:  # noqa: ARG002 - the protocol's signature
        """Always read: an operator's verb."""
        needs.registrations.add(self.row.agency)

    def decide(self, draft: Draft) -> None:
        """Raises RegistrationRefused when somebody was faster. Repeating changes nothing."""
        row = self.row
        stored = draft.registration(row.agency)
        if stored == row:
            return
        if (stored.revision if stored else 0) != row.revision - 1:
            raise RegistrationRefused(f"somebody else changed {row.agency} meanwhile; look at it and try again")
        draft.register(row, self.bundle)
        draft.record(Kind.REGISTRATION, subject_of(row.agency), self.content, self.at_us)


def operation_of(change: Change, clock: Clock) -> Register:
    """The change as a write that shares a commit."""
    at = clock()
    sha256 = None if change.bundle is None else hashlib.sha256(change.bundle).hexdigest()
    content = contents.encode(
        Content(
            kind=Kind.REGISTRATION,
            at=at,
            caller=None,
            message_id=subject_of(change.agency)[1],
            route="",
            act=change.act,
            bundle_sha256=sha256,
            document_sha256=hashlib.sha256(change.document).hexdigest(),
            operator=change.operator,
            reason=change.reason,
            version=change.version,
            what=change.what,
        )
    )
    return Register(
        row=RegistrationRow(change.agency, change.was_revision + 1, change.document),
        content=content,
        at_us=microseconds(at),
        bundle=None if change.bundle is None or sha256 is None else (sha256, change.bundle),
    )


def subject_of(agency: str) -> Key:
    """Under which the records about an agency are filed; no message has an id like it."""
    return ("", f"adapter:{agency}")


# --- reading ---------------------------------------------------------------------------------------------


async def generation(journal: Source) -> int:
    """A number that grows with every act."""
    return int((await journal.select(queries.GENERATION))[0][0])


async def registered(journal: Source, wanted: Callable[[Mapping[str, RegistrationRow]], Iterable[str]]) -> Registered:
    """Every document, and the bundles that `wanted` asks for once it has seen them."""
    documents = {row[0]: RegistrationRow(*row) for row in await journal.select(queries.REGISTRATIONS)}
    bundles: dict[str, bytes] = {}
    for sha256 in wanted(documents):
        for row in await journal.select(queries.BUNDLE, sha256):
            bundles[sha256] = row[0]
    return Registered(generation=sum(row.revision for row in documents.values()), documents=documents, bundles=bundles)


async def acts_on(journal: Source, agency: str) -> Sequence[JournalRecord]:
    """Every recorded act on one agency, oldest first."""
    caller, message_id = subject_of(agency)
    rows = await journal.select(queries.RECORDS_OF, message_id, caller)
    return tuple(record for row in rows if (record := journal_record(row)).kind == Kind.REGISTRATION)


def load(
    database_url: str, home: Path, *, owner: str, wanted: Callable[[Mapping[str, RegistrationRow]], Iterable[str]]
) -> Registered:
    """What is registered now, for whoever compiles a configuration. Blocks; from any thread, also of an event loop.

    Where no journal has been made yet nothing is registered. Raises JournalUnavailable.
    """
    if not database_url and not (home / "journal.sqlite3").exists():
        return Registered()
    # A thread of its own, because the one that calls may be running an event loop.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, _load(database_url, home, owner, wanted)).result()


async def _load(
    database_url: str, home: Path, owner: str, wanted: Callable[[Mapping[str, RegistrationRow]], Iterable[str]]
) -> Registered:
    try:
        journal = await _connect(database_url, home, owner)
    except JournalMissing:
        return Registered()
    try:
        return await registered(journal, wanted)
    finally:
        await journal.close()


async def _connect(database_url: str, home: Path, owner: str) -> GroupCommitJournal:
    from esb.journal import connect  # noqa: PLC0415 - the journal itself writes what is defined here

    return await connect(database_url, home, owner=owner, window_s=0.0, clock=utc_now, reserve=False, must_exist=True)
