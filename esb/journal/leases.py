"""Who works on an exchange: leasing what is due, taking over, freeing. Same shape and rules as `operations`.

A lease that has lapsed is taken away by whoever comes first, and RECLAIMED says from whom.
"""

from __future__ import annotations

import msgspec

from esb.journal import content as contents
from esb.journal.content import Kind
from esb.journal.draft import Draft, Needs, Routes
from esb.journal.operations import Known
from esb.journal.rows import ExchangeRow, Key, moment_of, stored_exchange
from esb.ports import StoredExchange


class ClaimWork(msgspec.Struct, frozen=True, kw_only=True):
    """Lease what is due, longest due first."""

    limit: int
    until_us: int
    routes: Routes
    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:  # noqa: ARG002 - the protocol's signature
        """Candidates, locked and skipped by everybody else."""
        needs.work[self.routes] = needs.work.get(self.routes, 0) + self.limit

    def decide(self, draft: Draft) -> tuple[StoredExchange, ...]:
        """What was leased."""
        claimed: list[StoredExchange] = []
        for candidate in draft.snapshot.work:
            # An operation before this one in the same commit may have taken or finished it.
            row = draft.exchange(candidate.key)
            if len(claimed) < self.limit and row is not None and row.claimable(draft.now_us) and self._wants(row):
                claimed.append(_lease(draft, row, until_us=self.until_us))
        return tuple(claimed)

    def _wants(self, row: ExchangeRow) -> bool:
        return self.routes is None or row.route in self.routes


class TakeOver(msgspec.Struct, frozen=True, kw_only=True):
    """Lease this one exchange."""

    key: Key
    until_us: int
    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:  # noqa: ARG002 - the protocol's signature
        """Always read."""
        needs.keys.add(self.key)

    def decide(self, draft: Draft) -> StoredExchange | None:
        """None when it is finished, held by somebody or not there."""
        row = draft.exchange(self.key)
        if row is None or not row.free(draft.now_us):
            return None
        return _lease(draft, row, until_us=self.until_us)


class ReleaseOwnLeases(msgspec.Struct, frozen=True, kw_only=True):
    """Free what a previous process of this owner name held."""

    weight_bytes: int = 0

    def read(self, needs: Needs, known: Known, *, sure: bool) -> None:  # noqa: ARG002 - the protocol's signature
        """All that this owner holds."""
        needs.own_leases = True

    def decide(self, draft: Draft) -> int:
        """How many were freed."""
        for row in draft.snapshot.own_leases:
            draft.put(row._replace(lease_owner=None, due_us=draft.now_us))
        return len(draft.snapshot.own_leases)


def _lease(draft: Draft, row: ExchangeRow, *, until_us: int) -> StoredExchange:
    leased = row._replace(lease_owner=draft.owner, due_us=until_us, attempts=row.attempts + 1)
    stored = stored_exchange(leased)
    draft.put(leased)
    if row.lease_owner is not None:
        draft.record(Kind.RECLAIMED, row.key, _reclaimed(row, draft.now_us), draft.now_us)
    return stored


def _reclaimed(row: ExchangeRow, now_us: int) -> bytes:
    return contents.encode(
        contents.Content(
            kind=Kind.RECLAIMED,
            at=moment_of(now_us),
            caller=row.caller,
            message_id=row.message_id,
            route=row.route,
            attempts=row.attempts,
            owner=row.lease_owner,
        )
    )
