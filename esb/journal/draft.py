"""What one shared commit will write, drawn up operation by operation before anything is sent to the store.

An operation sees what the operations before it in the same commit have done. The draft holds what it read, or what
it assumes without having read; the store writes an assumed change only if the assumption still holds, and raises
`PlanStale` otherwise, upon which the whole draft is drawn again from rows that were read and locked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from esb.journal.rows import (
    AwaitedRow,
    ChangeRow,
    ClaimRow,
    ExchangeRow,
    InboxRow,
    Key,
    OutboxRow,
    RecordRow,
    RegistrationRow,
    WaitingMessage,
    WaitingReply,
)
from security.errors import MessageReplayed
from security.hashchain import Checkpoint, Head, link

AwaitedKey = tuple[str, str]
"""Agency, and the ticket or correlation id under which it answers."""

Routes = tuple[str, ...] | None
"""Which routes work is wanted from; None: any."""


class PlanStale(Exception):
    """Somebody else changed what the plan assumes; nothing was written."""


class Unstorable(Exception):
    """The plan holds a value that this database cannot; nothing was written, and the connection is in order."""


class Needs:
    """What must be read before a draft can be drawn; empty when everything can be assumed."""

    __slots__ = (
        "awaited",
        "claims",
        "inbox",
        "inbox_keys",
        "keys",
        "last_checkpoint",
        "now_us",
        "outbox_ids",
        "own_leases",
        "registrations",
        "work",
    )

    def __init__(self, now_us: int) -> None:
        self.now_us = now_us
        self.awaited: set[AwaitedKey] = set()
        self.keys: set[Key] = set()
        self.claims: set[str] = set()
        self.work: dict[Routes, int] = {}
        self.inbox: dict[str, int] = {}
        self.inbox_keys: set[Key] = set()
        self.outbox_ids: set[int] = set()
        self.last_checkpoint = False
        self.own_leases = False
        self.registrations: set[str] = set()

    def __bool__(self) -> bool:
        """Something must be read."""
        return bool(
            self.keys
            or self.awaited
            or self.claims
            or self.work
            or self.own_leases
            or self.inbox
            or self.inbox_keys
            or self.outbox_ids
            or self.last_checkpoint
            or self.registrations
        )


class Snapshot(msgspec.Struct, kw_only=True):
    """What was read, locked until the transaction ends. A key that was read and is not there maps to None."""

    rows: dict[Key, ExchangeRow | None] = {}
    awaited: dict[AwaitedKey, AwaitedRow | None] = {}
    claims: dict[str, ClaimRow] = {}
    work: list[ExchangeRow] = []
    own_leases: list[ExchangeRow] = []
    inbox: list[WaitingReply] = []
    inbox_ids: dict[Key, int] = {}
    outbox_messages: dict[int, WaitingMessage] = {}
    last_checkpoint: int = 0
    registrations: dict[str, RegistrationRow] = {}


class Plan(msgspec.Struct, kw_only=True):
    """Everything that one transaction writes, and what each operation's caller will be told.

    An outcome that is an exception is raised to that caller alone. `rows`: every exchange that is written, as it
    will be; `new` and `changes` are the same as the store needs them.
    """

    head: Head
    outcomes: list[Any]
    now_us: int
    rows: list[ExchangeRow]
    new: list[ExchangeRow]
    changes: list[ChangeRow]
    records: list[RecordRow]
    outbox: list[OutboxRow]
    inbox: list[InboxRow]
    claims: list[ClaimRow]
    awaited: list[AwaitedRow]
    inbox_due: list[tuple[int, int]]
    inbox_removed: list[int]
    outbox_removed: list[int]
    outbox_returned: list[int]
    checkpoints: list[Checkpoint]
    registrations: list[RegistrationRow]
    bundles: list[tuple[str, bytes]]
    pulse: bool
    purge: bool

    @property
    def routine(self) -> bool:
        """Only what exchanges and their messages write on the way: the part that is one statement on PostgreSQL."""
        return not (
            self.awaited
            or self.inbox_due
            or self.inbox_removed
            or self.outbox_returned
            or self.checkpoints
            or self.registrations
            or self.bundles
            or self.pulse
            or self.purge
        )

    @property
    def empty(self) -> bool:
        """Nothing to write."""
        return self.routine and not (
            self.new or self.changes or self.records or self.outbox or self.outbox_removed or self.inbox or self.claims
        )


class Draft:
    """The plan in the making. Operations call it in their order; an operation that raises must not have written."""

    def __init__(
        self,
        *,
        owner: str,
        now_us: int,
        head: Head,
        snapshot: Snapshot,
        leased: Mapping[Key, ExchangeRow],
        unanswered: Mapping[Key, bytes],
    ) -> None:
        """`leased`: exchanges this process believes to hold. `unanswered`: accepted, maybe, when a commit failed."""
        self.owner = owner
        self.now_us = now_us
        self.snapshot = snapshot
        self.unanswered = unanswered
        self.inbox_due: dict[int, int] = {}
        self.inbox_removed: list[int] = []
        self.outbox_removed: list[int] = []
        self.outbox_returned: list[int] = []
        self.checkpoints: list[Checkpoint] = []
        self.pulse = False
        self.purge = False
        self._head = head
        self._leased = leased
        self._rows: dict[Key, ExchangeRow] = {}
        self._before: dict[Key, ExchangeRow | None] = {}
        self._records: list[RecordRow] = []
        self._outbox: list[OutboxRow] = []
        self._inbox: list[InboxRow] = []
        self._claims: dict[str, ClaimRow] = {}
        self._registrations: dict[str, RegistrationRow] = {}
        self._bundles: dict[str, bytes] = {}
        self._awaited: dict[AwaitedKey, AwaitedRow] = {}

    def exchange(self, key: Key) -> ExchangeRow | None:
        """The exchange as the operations so far leave it; as read, or as assumed: leased by us, or not there."""
        row = self._rows.get(key)
        if row is not None:
            return row
        if key in self.snapshot.rows:
            return self.snapshot.rows[key]
        return self._leased.get(key)

    def awaited(self, key: AwaitedKey) -> AwaitedRow | None:
        """The answer that is owed under this key, as the operations so far leave it; it must have been read."""
        return self._awaited.get(key) or self.snapshot.awaited.get(key)

    def put_awaited(self, row: AwaitedRow) -> None:
        """Write it; the store refuses to give another exchange's key away."""
        self._awaited[row.agency, row.answer_key] = row

    def put(self, row: ExchangeRow) -> None:
        """Write this exchange, new or changed."""
        key = (row.caller, row.message_id)
        if key not in self._rows:
            self._before[key] = self.exchange(key)
        self._rows[key] = row

    def record(self, kind: str, key: Key, content: bytes, at_us: int) -> None:
        """Append one record to our chain."""
        chain, previous = self.owner, self._head.digest
        seq = self._head.seq + 1
        digest = link(chain=chain, seq=seq, previous=previous, content=content)
        self._records.append(RecordRow(chain, seq, previous, digest, kind, content, key[0], key[1], at_us))
        self._head = Head(seq, digest)

    def refuse_used(self, claims: Iterable[ClaimRow], *, unless_by: str | None = None) -> None:
        """Raises MessageReplayed when one of the claims is used up, by anything but `unless_by`."""
        for claim in claims:
            used = self._claims.get(claim.key) or self.snapshot.claims.get(claim.key)
            if used is not None and used.expires_us > self.now_us and used.used_by != unless_by:
                raise MessageReplayed("was used before")

    def use(self, claims: Iterable[ClaimRow]) -> None:
        """Use up claims that `refuse_used` has let pass."""
        for claim in claims:
            known = self.snapshot.claims.get(claim.key)
            if known is None or known.expires_us <= self.now_us:
                self._claims[claim.key] = claim

    def send(self, outgoing: Iterable[OutboxRow]) -> None:
        """Put messages into the outbox."""
        self._outbox.extend(outgoing)

    def lay_into_inbox(self, reply: InboxRow) -> None:
        """Put a reply into a caller's inbox; one that is there already stays."""
        self._inbox.append(reply)

    def registration(self, agency: str) -> RegistrationRow | None:
        """The agency's document as the operations so far leave it."""
        return self._registrations.get(agency) or self.snapshot.registrations.get(agency)

    def register(self, row: RegistrationRow, bundle: tuple[str, bytes] | None) -> None:
        """Write a document, which follows on the one that was read, and the bundle it is about."""
        self._registrations[row.agency] = row
        if bundle is not None:
            self._bundles[bundle[0]] = bundle[1]

    def keep(self, sha256: str, content: bytes) -> None:
        """Store bytes under their digest, for good; they may be there already."""
        self._bundles[sha256] = content

    def finish(self, outcomes: list[Any]) -> Plan:
        """The plan. New rows and claims are sorted, so that two writers never wait for each other in a circle."""
        new, changes = [], []
        for key, row in self._rows.items():
            before = self._before[key]
            if before is None:
                new.append(row)
            else:
                changes.append(_change(before, row))
        new.sort(key=_by_identity)
        changes.sort(key=_by_identity)
        return Plan(
            head=self._head,
            outcomes=outcomes,
            now_us=self.now_us,
            rows=[*self._rows.values()],
            new=new,
            changes=changes,
            records=self._records,
            outbox=self._outbox,
            inbox=self._inbox,
            claims=sorted(self._claims.values()),
            awaited=[row for _, row in sorted(self._awaited.items())],
            inbox_due=sorted(self.inbox_due.items()),
            inbox_removed=sorted(self.inbox_removed),
            outbox_removed=sorted(self.outbox_removed),
            outbox_returned=sorted(self.outbox_returned),
            checkpoints=self.checkpoints,
            registrations=sorted(self._registrations.values()),
            bundles=sorted(self._bundles.items()),
            pulse=self.pulse,
            purge=self.purge,
        )


def _by_identity(row: ExchangeRow | ChangeRow) -> Key:
    return (row.message_id, row.caller)


def _change(before: ExchangeRow, row: ExchangeRow) -> ChangeRow:
    return ChangeRow(
        row.message_id,
        row.caller,
        before.state,
        before.lease_owner,
        before.attempts,
        row.state,
        row.status,
        row.outcome,
        row.reply_body,
        row.lease_owner,
        row.due_us,
        row.attempts,
        row.call_begun,
    )
