"""The durable, hash-chained record of every exchange, on SQLite or PostgreSQL, behind one port.

`connect` gives the journal of this process; `verification.verify` checks a whole journal.
"""

from __future__ import annotations

from pathlib import Path

from esb.errors import SettingInvalid
from esb.journal.journal import GroupCommitJournal
from esb.journal.postgres import PostgresStore
from esb.journal.sqlite import SqliteStore
from esb.journal.store import Store
from esb.journal.writer import Committed
from esb.ports import Clock

__all__ = ["GroupCommitJournal", "connect"]


async def connect(
    database_url: str,
    home: Path,
    *,
    owner: str,
    window_s: float,
    clock: Clock,
    reserve: bool = True,
    must_exist: bool = False,
    committed: Committed | None = None,
) -> GroupCommitJournal:
    """An open journal; the schema is there afterwards.

    `database_url` as in the settings: empty is SQLite at `home/journal.sqlite3`. `owner` is `<node>/<slot>`: the name
    of this process in leases, and of its hash chain. `window_s`: how long a commit waits for others to share it.
    `reserve` False, for operators who mostly read: the owner name is taken with the first write. `must_exist`: where no
    journal is, none is made. `committed` is told of each transaction: how many records, how many seconds.

    Raises:
        JournalUnavailable: no connection, no journal, or another process uses this owner name (and which).
        SettingInvalid: an URL of another kind of database.
    """
    journal = GroupCommitJournal(
        _store(database_url, home, owner, must_exist=must_exist),
        home=home,
        owner=owner,
        window_s=window_s,
        clock=clock,
        committed=committed,
    )
    try:
        await journal.open(reserve=reserve)
    except BaseException:
        await journal.close()
        raise
    return journal


def _store(database_url: str, home: Path, owner: str, *, must_exist: bool) -> Store:
    if not database_url:
        return SqliteStore(home / "journal.sqlite3", home=home, owner=owner, must_exist=must_exist)
    if database_url.startswith(("postgresql://", "postgres://")):
        return PostgresStore(database_url, owner=owner, must_exist=must_exist)
    raise SettingInvalid("database_url must be empty or start with postgresql://")
