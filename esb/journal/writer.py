"""The one writer of one hash chain: runs batches of operations as transactions of a store, and knows where it stands.

Between `GroupCommit`, which calls `execute` once at a time, and a `Store`. Remembers which exchanges this process
leases, so that the usual batch needs no read; the store checks every such assumption.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from esb.errors import EsbError, JournalUnavailable, LeaseLost
from esb.journal import queries
from esb.journal.anchors import AnchorFile
from esb.journal.awaiting import Await, AwaitFurther
from esb.journal.draft import Draft, Needs, Plan, PlanStale, Snapshot, Unstorable
from esb.journal.operations import BeginCall, Complete, Known, Operation, Park, Postpone, Receive
from esb.journal.rows import ExchangeRow, Key, microseconds
from esb.journal.store import Store
from esb.ports import Clock
from esb.telemetry.logging import logger
from security.errors import SecurityError
from security.hashchain import GENESIS, Head

ATTEMPTS = 6
REMEMBERED = 10_000
"""How many leases, and how many unanswered receipts, are believed without reading; the oldest go first."""

ANCHOR_CONTRADICTED: Final = "journal.anchor-contradicted"
ANCHOR_UNWRITABLE: Final = "journal.anchor-unwritable"

Committed = Callable[[int, float], None]
"""Told of each durable transaction: how many records it wrote, and in how many seconds."""

_log = logger("journal")


class ChainWriter:
    """One per process and owner name; the chain has the owner's name."""

    def __init__(self, store: Store, *, home: Path, owner: str, clock: Clock, committed: Committed | None) -> None:
        self.claims_written = 0
        self._committed = committed
        self._store = store
        self._owner = owner
        self._clock = clock
        self._anchor = AnchorFile(home, owner)
        self._head: Head | None = None
        self._leased: dict[Key, ExchangeRow] = {}
        self._unanswered: dict[Key, bytes] = {}

    async def open(self, *, reserve: bool) -> None:
        """Connect; with `reserve` take the owner name at once, else with the first write.

        Raises:
            JournalUnavailable: also when another process writes under this owner name.
        """
        await self._store.open()
        if reserve:
            await self._resume()

    async def close(self) -> None:
        """Release the store and the anchor; idempotent."""
        await self._store.close()
        self._anchor.close()

    def leased(self, key: Key) -> ExchangeRow | None:
        """The exchange as this process leased it, if it did."""
        return self._leased.get(key)

    async def execute(self, batch: Sequence[Operation]) -> Sequence[Any]:
        """One transaction for all of the batch, in order; outcomes that are exceptions belong to one operation each.

        Raises:
            JournalUnavailable: the effect is unknown. The chain's end is read again before the next batch.
            Unstorable: the batch holds a value that the database cannot; nothing was written.
        """
        try:
            head = self._head or await self._resume()
            begun_s = time.perf_counter()
            plan = await self._commit(batch, head)
        except Unstorable:
            # Nothing was written, so nothing is in doubt.
            raise
        except BaseException:
            self._doubt(batch)
            raise
        self._head = plan.head
        self._remember(batch, plan)
        if plan.records:
            self._write_anchor(plan.head)
        if self._committed is not None:
            self._committed(len(plan.records), time.perf_counter() - begun_s)
        return plan.outcomes

    async def _resume(self) -> Head:
        # First the connection with its lock on the owner name: a transaction of an older connection may still be
        # on its way, and would move the end of the chain after it was read.
        await self._store.own()
        rows = await self._store.select(queries.HEAD, self._owner)
        await self._check_anchor()
        self._head = Head(*rows[0]) if rows else Head(0, GENESIS)
        return self._head

    async def _check_anchor(self) -> None:
        """Set aside an anchor that the database contradicts: the next commit would overwrite the evidence."""
        anchored = self._anchor.read()
        if anchored is None:
            return
        stored = await self._store.select(queries.DIGEST_AT, self._owner, anchored.seq)
        if not stored or stored[0][0] != anchored.digest:
            self._anchor.set_aside(anchored)
            _log.error(ANCHOR_CONTRADICTED, chain=self._owner, seq=anchored.seq)

    async def _commit(self, batch: Sequence[Operation], head: Head) -> Plan:
        known = Known(self._leased, self._unanswered)
        now_us = microseconds(self._clock())
        for attempt in range(ATTEMPTS):
            needs = Needs(now_us)
            for operation in batch:
                operation.read(needs, known, sure=attempt > 0)
            try:
                return await self._store.commit(needs, lambda snapshot: self._draw(batch, head, now_us, snapshot))
            except PlanStale:
                # Somebody else was faster, or an assumption was wrong: once more, from rows that are locked.
                continue
        raise JournalUnavailable(f"another writer was faster {ATTEMPTS} times")

    def _draw(self, batch: Sequence[Operation], head: Head, now_us: int, snapshot: Snapshot) -> Plan:
        draft = Draft(
            owner=self._owner,
            now_us=now_us,
            head=head,
            snapshot=snapshot,
            leased=self._leased,
            unanswered=self._unanswered,
        )
        return draft.finish([_outcome(operation, draft) for operation in batch])

    def _remember(self, batch: Sequence[Operation], plan: Plan) -> None:
        for row in plan.rows:
            if row.held_by(self._owner):
                self._leased[row.key] = row
            else:
                self._leased.pop(row.key, None)
        for operation, outcome in zip(batch, plan.outcomes, strict=True):
            if isinstance(operation, Receive):
                self._unanswered.pop(operation.row.key, None)
            elif isinstance(outcome, LeaseLost) and isinstance(operation, _NEEDS_LEASE):
                self._leased.pop(operation.key, None)
        self.claims_written += len(plan.claims)
        _forget_oldest(self._leased)

    def _doubt(self, batch: Sequence[Operation]) -> None:
        self._head = None
        for operation in batch:
            # Of one that is leased the answer was given before: this is a second call, and finds what the first made.
            if isinstance(operation, Receive) and operation.row.key not in self._leased:
                self._unanswered[operation.row.key] = operation.body_sha256
        _forget_oldest(self._unanswered)

    def _write_anchor(self, head: Head) -> None:
        try:
            self._anchor.write(head)
        except OSError as error:
            # The record is durable; an anchor that lags only weakens the proof, and verification says so.
            _log.warning(ANCHOR_UNWRITABLE, chain=self._owner, errno=error.errno)


_NEEDS_LEASE = (BeginCall, Complete, Park, Postpone, Await, AwaitFurther)


def _outcome(operation: Operation, draft: Draft) -> Any:
    try:
        return operation.decide(draft)
    except (EsbError, SecurityError) as error:
        return error


def _forget_oldest(remembered: dict[Key, Any]) -> None:
    while len(remembered) > REMEMBERED:
        del remembered[next(iter(remembered))]
