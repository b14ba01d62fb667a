"""Everything that can be written to an exchange, as values that share a commit: what to read, and what to decide.

Made by `GroupCommitJournal`, run by its one committer in the order they came. `decide` is pure: it reads and writes
the draft only. An operation that raises there fails alone; it must do so before it writes to the draft.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from esb.errors import EsbError, LeaseLost
from esb.journal import content as contents
from esb.journal.content import Evident, Kind
from esb.journal.draft import Draft, Needs
from esb.journal.rows import ClaimRow, ExchangeRow, InboxRow, Key, OutboxRow, stored_exchange, user_name
from esb.ports import State, StoredExchange


class Operation(Protocol):
    """One write. `weight_bytes`: its payload, so that a commit can be kept within bounds."""

    @property
    def weight_bytes(self) -> int:
        """Payload bytes."""
        ...

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:
        """Add to `needs` what cannot be assumed; with `sure`, everything that `decide` will look at."""
        ...

    def decide(self, draft: Draft) -> Any:
        """Write to the draft; the result is the caller's. Raises EsbError or SecurityError for this caller alone."""
        ...


class Known(msgspec.Struct, frozen=True):
    """What this process believes without reading: exchanges that it leases, receipts nobody got an answer to."""

    leased: Mapping[Key, ExchangeRow]
    unanswered: Mapping[Key, bytes]


class Receive(msgspec.Struct, frozen=True, kw_only=True):
    """Record RECEIVED, unless it is there. `row` is the exchange as it will be when it is new."""

    row: ExchangeRow
    body_sha256: bytes
    at_us: int
    claims: tuple[ClaimRow, ...]
    outbox: tuple[OutboxRow, ...]

    @property
    def weight_bytes(self) -> int:
        """Payload bytes."""
        return len(self.row.body or b"")

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:
        """Assumed to be new, with claims that nobody used."""
        key = self.row.key
        if sure or key in known.leased or key in known.unanswered:
            needs.keys.add(key)
            needs.claims.update(claim.key for claim in self.claims)

    def decide(self, draft: Draft) -> StoredExchange | None:
        """None: accepted now."""
        stored = draft.exchange(self.row.key)
        retried = stored is not None and self._ours(stored, draft)
        # Claims are used up by a duplicate as well: a token that was shown once must never serve again.
        draft.refuse_used(self.claims, unless_by=user_name(self.row.key) if retried else None)
        draft.use(self.claims)
        if stored is None:
            draft.put(self.row)
            draft.record(Kind.RECEIVED, self.row.key, self.row.received, self.at_us)
            draft.send(self.outbox)
            return None
        if retried:
            draft.put(stored._replace(lease_owner=self.row.lease_owner, due_us=self.row.due_us))
            return None
        return stored_exchange(stored)

    def _ours(self, stored: ExchangeRow, draft: Draft) -> bool:
        """True when this very call was made before and only its answer was lost; nobody has touched it since."""
        return (
            draft.unanswered.get(stored.key) == self.body_sha256
            and stored.state == State.RECEIVED
            and stored.lease_owner == self.row.lease_owner
            and stored.attempts == self.row.attempts
            and not stored.call_begun
            and stored.route == self.row.route
        )


class ParkUnreadable(msgspec.Struct, frozen=True, kw_only=True):
    """Record an exchange directly as PARKED. True when it was not there."""

    row: ExchangeRow
    at_us: int
    outbox: tuple[OutboxRow, ...]

    @property
    def weight_bytes(self) -> int:
        """Payload bytes."""
        return len(self.row.body or b"")

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:
        """Assumed to be new."""
        if sure or self.row.key in known.leased:
            needs.keys.add(self.row.key)

    def decide(self, draft: Draft) -> bool:
        """True: it is new."""
        if draft.exchange(self.row.key) is not None:
            return False
        draft.put(self.row)
        draft.record(Kind.PARKED, self.row.key, self.row.received, self.at_us)
        draft.send(self.outbox)
        return True


class BeginCall(msgspec.Struct, frozen=True, kw_only=True):
    """Record CALLING."""

    key: Key
    content: bytes
    at_us: int
    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:
        """Assumed to be leased when this process leased it."""
        if sure or self.key not in known.leased:
            needs.keys.add(self.key)

    def decide(self, draft: Draft) -> None:
        """Raises LeaseLost."""
        row = held(draft, self.key)
        draft.put(row._replace(call_begun=1))
        draft.record(Kind.CALLING, self.key, self.content, self.at_us)


class Complete(msgspec.Struct, frozen=True, kw_only=True):
    """Record COMPLETED with everything that leaves because of it."""

    key: Key
    status: str
    content: bytes
    reply_body: bytes
    reply_signature: str
    at_us: int
    claims: tuple[ClaimRow, ...]
    outbox: tuple[OutboxRow, ...]
    inbox: InboxRow | None
    evidence: tuple[Evident, ...] = ()

    @property
    def weight_bytes(self) -> int:
        """Payload bytes."""
        return len(self.reply_body) + sum(len(each.document) for each in self.evidence)

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:
        """Assumed to be leased when this process leased it, with claims that nobody used."""
        if sure or self.key not in known.leased:
            needs.keys.add(self.key)
        if sure:
            needs.claims.update(claim.key for claim in self.claims)

    def decide(self, draft: Draft) -> None:
        """Raises LeaseLost, MessageReplayed. Repeating a completion that took effect changes nothing."""
        stored = draft.exchange(self.key)
        if stored is not None and self.done(stored):
            return
        row = held(draft, self.key)
        draft.refuse_used(self.claims)
        draft.use(self.claims)
        self.apply(draft, row)

    def apply(self, draft: Draft, row: ExchangeRow) -> None:
        """Write it, whatever the exchange was before."""
        draft.put(
            row._replace(
                state=State.COMPLETED.value,
                status=self.status,
                outcome=self.content,
                reply_body=self.reply_body,
                lease_owner=None,
            )
        )
        for each in self.evidence:
            draft.record(Kind.EVIDENCE, self.key, each.record, self.at_us)
            draft.keep(each.sha256, each.document)
        draft.record(Kind.COMPLETED, self.key, self.content, self.at_us)
        draft.send(self.outbox)
        if self.inbox is not None:
            draft.lay_into_inbox(self.inbox)

    def done(self, stored: ExchangeRow) -> bool:
        """The same reply is there already."""
        if stored.state != State.COMPLETED or stored.reply_body != self.reply_body or stored.outcome is None:
            return False
        return contents.decode(stored.outcome).reply_signature == self.reply_signature


class Park(msgspec.Struct, frozen=True, kw_only=True):
    """Record PARKED and release the lease."""

    key: Key
    reason: str
    content: bytes
    at_us: int
    outbox: tuple[OutboxRow, ...]
    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:
        """Assumed to be leased when this process leased it."""
        if sure or self.key not in known.leased:
            needs.keys.add(self.key)

    def decide(self, draft: Draft) -> None:
        """Raises LeaseLost. Repeating changes nothing."""
        stored = draft.exchange(self.key)
        if stored is not None and stored.state == State.PARKED and _reason(stored) == self.reason:
            return
        row = held(draft, self.key)
        draft.put(row._replace(state=State.PARKED.value, outcome=self.content, lease_owner=None))
        draft.record(Kind.PARKED, self.key, self.content, self.at_us)
        draft.send(self.outbox)


class Postpone(msgspec.Struct, frozen=True, kw_only=True):
    """Record POSTPONED and release the lease; due again at `until_us`."""

    key: Key
    until_us: int
    content: bytes
    at_us: int
    outbox: tuple[OutboxRow, ...]
    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:
        """Assumed to be leased when this process leased it."""
        if sure or self.key not in known.leased:
            needs.keys.add(self.key)

    def decide(self, draft: Draft) -> None:
        """Raises LeaseLost. Repeating changes nothing."""
        stored = draft.exchange(self.key)
        if stored is not None and _waits(stored, self.until_us):
            return
        row = held(draft, self.key)
        # Only what is known to have had no effect is postponed, so a call that was begun is forgotten with it.
        draft.put(row._replace(lease_owner=None, due_us=self.until_us, call_begun=0))
        draft.record(Kind.POSTPONED, self.key, self.content, self.at_us)
        draft.send(self.outbox)


class Refuse(msgspec.Struct, frozen=True, kw_only=True):
    """Record REFUSED: no exchange, only the record."""

    key: Key
    content: bytes
    at_us: int
    outbox: tuple[OutboxRow, ...]
    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:
        """Nothing."""

    def decide(self, draft: Draft) -> None:
        """Never raises."""
        draft.record(Kind.REFUSED, self.key, self.content, self.at_us)
        draft.send(self.outbox)


class Disclose(msgspec.Struct, frozen=True, kw_only=True):
    """Record DISCLOSED: no exchange changes, only the record."""

    key: Key
    content: bytes
    at_us: int
    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:
        """Nothing."""

    def decide(self, draft: Draft) -> None:
        """Never raises."""
        draft.record(Kind.DISCLOSED, self.key, self.content, self.at_us)


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """Record REPLAYED: a PARKED exchange is due again, with its attempts and its begun call forgotten."""

    key: Key
    content: bytes
    at_us: int
    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:  # noqa: ARG002 - the protocol's signature
        """Always read: an operator's verb."""
        needs.keys.add(self.key)

    def decide(self, draft: Draft) -> None:
        """Raises EsbError when it is not parked."""
        row = draft.exchange(self.key)
        if row is None or row.state != State.PARKED:
            raise EsbError("only a parked exchange can be replayed")
        draft.put(
            row._replace(
                state=State.RECEIVED.value, outcome=None, lease_owner=None, due_us=self.at_us, attempts=0, call_begun=0
            )
        )
        draft.record(Kind.REPLAYED, self.key, self.content, self.at_us)


class Drop(msgspec.Struct, frozen=True, kw_only=True):
    """Record DROPPED and COMPLETED: a PARKED exchange ends with a reply that an operator gives."""

    completion: Complete
    content: bytes

    @property
    def weight_bytes(self) -> int:
        """Payload bytes."""
        return self.completion.weight_bytes

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:  # noqa: ARG002 - the protocol's signature
        """Always read: an operator's verb."""
        needs.keys.add(self.completion.key)

    def decide(self, draft: Draft) -> None:
        """Raises EsbError when it is not parked. Repeating changes nothing."""
        completion = self.completion
        row = draft.exchange(completion.key)
        if row is not None and completion.done(row):
            return
        if row is None or row.state != State.PARKED:
            raise EsbError("only a parked exchange can be dropped")
        draft.record(Kind.DROPPED, completion.key, self.content, completion.at_us)
        completion.apply(draft, row)


def held(draft: Draft, key: Key) -> ExchangeRow:
    """The exchange, leased by this process. Raises LeaseLost."""
    row = draft.exchange(key)
    if row is None or not row.held_by(draft.owner):
        raise LeaseLost("another worker finished or took over this exchange")
    return row


def _waits(row: ExchangeRow, until_us: int) -> bool:
    return row.state == State.RECEIVED and row.lease_owner is None and row.due_us == until_us


def _reason(row: ExchangeRow) -> str | None:
    return contents.decode(row.outcome).reason if row.outcome else None
