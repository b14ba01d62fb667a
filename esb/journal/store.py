"""What a database must be able to do to hold a journal: a small port below the port, once per kind of database.

Implemented by `SqliteStore` and `PostgresStore`, called by `GroupCommitJournal` alone. A store executes; it never
decides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from esb.journal.draft import Needs, Plan, Snapshot
from esb.journal.rows import Value, WaitingMessage

Draw = Callable[[Snapshot], Plan]
"""Decides, from what was read. Pure and quick; may be called in the store's own thread."""


CLAIMS_PURGED_AT_ONCE = 500


class Store(Protocol):
    """One database, one writer. Every method raises JournalUnavailable when the database cannot be used."""

    async def open(self) -> None:
        """Connect and migrate."""
        ...

    async def own(self) -> None:
        """From now on no other process writes under this owner name; JournalUnavailable says which does. Idempotent.

        `commit` may be called only afterwards.
        """
        ...

    async def commit(self, needs: Needs, draw: Draw) -> Plan:
        """Read `needs`, let `draw` decide, write its plan: one durable transaction. Called once at a time.

        After JournalUnavailable the effect is unknown; the next call connects anew.

        Raises:
            PlanStale: what the plan assumes does not hold; nothing was written.
            Unstorable: a value of `needs` or of the plan is none that this database can hold; nothing was written.
        """
        ...

    async def select(self, query: str, *values: Value) -> Sequence[Sequence[Any]]:
        """Rows of one statement of `queries`, from committed data."""
        ...

    async def lease_outgoing(self, *, now_us: int, until_us: int, limit: int) -> Sequence[WaitingMessage]:
        """Up to `limit` outbox rows that nobody holds at `now_us`, oldest first; from now on held until `until_us`.

        Beside the commits and not one of them: it leaves no record, and a hand-out that is lost is one too many sent.
        """
        ...

    async def missing_guards(self) -> Sequence[str]:
        """Names of the triggers against change and removal that are gone, switched off or not as they were made."""
        ...

    async def close(self) -> None:
        """Release connections, files and the owner name; idempotent."""
        ...
