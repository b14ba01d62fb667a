"""The journal in one SQLite file: the embedded default. Several processes of one machine may use the file.

Two threads per process, one that writes and one that reads, so that the event loop never waits for the disk.
WAL with synchronous=FULL: a commit that returned survives a power cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar

from esb.errors import JournalMissing, JournalUnavailable
from esb.journal import migrations, queries
from esb.journal.draft import Needs, Plan, PlanStale, Snapshot, Unstorable
from esb.journal.ownership import OwnerLock
from esb.journal.rows import AwaitedRow, ClaimRow, ExchangeRow, RegistrationRow, Value, WaitingMessage, WaitingReply
from esb.journal.store import CLAIMS_PURGED_AT_ONCE, Draw
from security.hashchain import to_line

BUSY_TIMEOUT_S = 5.0

_Result = TypeVar("_Result")


class SqliteStore:
    """One file, one writer thread, one reader thread."""

    def __init__(self, file: Path, *, home: Path, owner: str, must_exist: bool = False) -> None:
        self._file = file
        self._must_exist = must_exist
        self._owner = owner
        self._lock = OwnerLock(home, owner)
        self._writer = _Thread("journal-writer", self._connect)
        self._reader = _Thread("journal-reader", self._connect)
        self._is_open = False

    async def open(self) -> None:
        """Connect and migrate."""
        if self._must_exist and not self._file.exists():
            raise JournalMissing(f"no journal at {self._file}; a bus makes it when it first starts: esb serve")
        await self._writer.run(_migrate)
        self._is_open = True

    async def own(self) -> None:
        """Lock the owner name on this machine, whose processes alone can use the file."""
        self._lock.take()

    async def commit(self, needs: Needs, draw: Draw) -> Plan:
        """One transaction, read and write, in the writer's thread."""
        return await self._writer.run(lambda connection: _transact(connection, needs, draw, self._owner))

    async def select(self, query: str, *values: Value) -> Sequence[Sequence[Any]]:
        """Rows, in the reader's thread."""
        return await self._reader.run(lambda connection: _select(connection, query, values))

    async def lease_outgoing(self, *, now_us: int, until_us: int, limit: int) -> Sequence[WaitingMessage]:
        """In the writer's thread, and only when there is something: looking must not wait for the write lock."""
        if not await self.select(queries.OUTBOX_WAITS, now_us):
            return ()
        return await self._writer.run(lambda connection: _lease_outgoing(connection, now_us, until_us, limit))

    async def missing_guards(self) -> Sequence[str]:
        """Compared with the statements that made them."""
        return await self._reader.run(_missing_guards)

    async def close(self) -> None:
        """Close both connections; idempotent."""
        await self._reader.close()
        await self._writer.close()
        self._lock.release()

    def _connect(self) -> _Connection:
        # A file that is gone while in use is an outage and not the beginning of another journal.
        if not self._is_open:
            self._create()
        connection = sqlite3.connect(
            f"{self._file.resolve().as_uri()}?mode=rw",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=64,
            factory=_Connection,
        )
        connection.file, connection.inode = self._file, _inode(self._file)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.create_function("sha256", 1, _sha256, deterministic=True)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _create(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        # Created here, so that nobody else can read it from its first moment on. Never opened when it is there: closing
        # any descriptor of a file drops all locks that this process holds on it (POSIX), SQLite's own among them, and
        # the next process that comes and goes would take itself for the last one and remove the live WAL.
        with contextlib.suppress(FileExistsError):
            os.close(os.open(self._file, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


class _Connection(sqlite3.Connection):
    """Knows which file it has open, for the path may lead to another one later."""

    file: Path
    inode: tuple[int, int]

    def require_place(self) -> None:
        """Raises when what is written would go into a file that was moved away or removed: SQLite does not notice."""
        if _inode(self.file) != self.inode:
            raise sqlite3.OperationalError("the database file was moved or replaced")


def _inode(file: Path) -> tuple[int, int]:
    found = os.stat(file)  # noqa: PTH116 - once per commit, and pathlib doubles its cost
    return found.st_dev, found.st_ino


class _Thread:
    """A connection and the one thread that may use it; after an error the next use connects anew."""

    def __init__(self, name: str, connect: Callable[[], _Connection]) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)
        self._connect = connect
        self._connection: _Connection | None = None

    async def run(self, work: Callable[[_Connection], _Result]) -> _Result:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, self._run, work)
        except (sqlite3.Error, OSError) as error:
            raise JournalUnavailable(f"SQLite: {_reason(error)}") from error

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._executor.shutdown)
        self._disconnect()

    def _run(self, work: Callable[[_Connection], _Result]) -> _Result:
        if self._connection is None:
            self._connection = self._connect()
        try:
            return work(self._connection)
        except (sqlite3.Error, OSError):
            self._disconnect()
            raise

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _migrate(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        missing = migrations.scripts(migrations.SQLITE, since=connection.execute("PRAGMA user_version").fetchone()[0])
        for statement in _statements(missing):
            connection.execute(statement)
        if missing:
            connection.execute(f"PRAGMA user_version = {len(migrations.SQLITE)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _missing_guards(connection: sqlite3.Connection) -> Sequence[str]:
    found = {row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger'")}
    statements = _statements(migrations.scripts(migrations.SQLITE))
    guards = [statement for statement in statements if statement.startswith("CREATE TRIGGER ")]
    return [guard.split()[2] for guard in guards if guard not in found]


def _statements(scripts: Sequence[str]) -> Sequence[str]:
    # executescript would commit first and lose the lock of BEGIN IMMEDIATE. Every statement of a file ends a line.
    statements = (part for script in scripts for part in re.split(r";$(?!\nEND)", script, flags=re.MULTILINE))
    return [statement.strip() for statement in statements if statement.strip()]


def _transact(connection: _Connection, needs: Needs, draw: Draw, owner: str) -> Plan:
    # IMMEDIATE: the write lock first, so that what is read cannot change before it is written.
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.require_place()
        plan = draw(_read(connection, needs, owner))
        if not plan.empty:
            _write(connection, plan, owner)
        connection.execute("COMMIT")
    except BaseException as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if isinstance(error, UnicodeEncodeError | sqlite3.DataError):
            raise Unstorable from error
        raise
    return plan


def _lease_outgoing(connection: _Connection, now_us: int, until_us: int, limit: int) -> Sequence[WaitingMessage]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.require_place()
        messages = [WaitingMessage(*row) for row in _rows(connection, queries.OUTBOX, now_us, limit)]
        leases = [(until_us, message.outbox_id) for message in messages]
        connection.executemany("UPDATE outbox SET due_us = ? WHERE id = ?", leases)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return messages


def _select(connection: _Connection, query: str, values: Sequence[Value]) -> Sequence[Sequence[Any]]:
    try:
        return connection.execute(_dialect(query), values).fetchall()
    except sqlite3.OperationalError as error:
        if not str(error).startswith("Could not decode"):
            raise
    # Somebody turned bytes into text. What is there must be readable all the same, for verification to point at it.
    connection.text_factory = lambda text: text.decode(errors="replace")
    try:
        return connection.execute(_dialect(query), values).fetchall()
    finally:
        connection.text_factory = str


def _read(connection: sqlite3.Connection, needs: Needs, owner: str) -> Snapshot:
    rows = partial(_rows, connection)
    snapshot = Snapshot()
    for caller, message_id in needs.keys:
        found = rows(queries.FIND, message_id, caller)
        snapshot.rows[caller, message_id] = ExchangeRow(*found[0]) if found else None
    for routes, limit in needs.work.items():
        query, values = queries.work(routes, now_us=needs.now_us, limit=limit)
        snapshot.work += [ExchangeRow(*row) for row in rows(query, *values)]
    if needs.own_leases:
        snapshot.own_leases = [ExchangeRow(*row) for row in rows(queries.OWN_LEASES, owner)]
    snapshot.rows.update((row.key, row) for row in (*snapshot.work, *snapshot.own_leases))
    for awaited in needs.awaited:
        found = rows(queries.AWAITED, *awaited)
        snapshot.awaited[awaited] = AwaitedRow(*found[0]) if found else None
    for key in needs.claims:
        snapshot.claims.update((row[0], ClaimRow(*row)) for row in rows(queries.CLAIM, key))
    if needs.last_checkpoint:
        snapshot.last_checkpoint = rows(queries.LAST_CHECKPOINT_SEQ)[0][0]
    for agency in needs.registrations:
        snapshot.registrations.update((row[0], RegistrationRow(*row)) for row in rows(queries.REGISTRATION, agency))
    _read_boxes(connection, needs, snapshot)
    return snapshot


def _read_boxes(connection: sqlite3.Connection, needs: Needs, snapshot: Snapshot) -> None:
    rows = partial(_rows, connection)
    for caller, limit in needs.inbox.items():
        snapshot.inbox += [WaitingReply(*row) for row in rows(queries.INBOX, caller, needs.now_us, limit)]
    for key in needs.inbox_keys:
        snapshot.inbox_ids.update((key, row[0]) for row in rows(queries.INBOX_ID, *key))
    for outbox_id in needs.outbox_ids:
        messages = rows(queries.OUTBOX_MESSAGE, outbox_id)
        snapshot.outbox_messages.update((row[0], WaitingMessage(*row)) for row in messages)


def _rows(connection: sqlite3.Connection, query: str, *values: Value) -> list[Any]:
    return connection.execute(_dialect(query), values).fetchall()


def _write(connection: sqlite3.Connection, plan: Plan, owner: str) -> None:
    many = connection.executemany
    if plan.new and many(_NEW_EXCHANGE, plan.new).rowcount != len(plan.new):
        raise PlanStale
    if plan.changes and many(_CHANGE, plan.changes).rowcount != len(plan.changes):
        raise PlanStale
    if plan.claims:
        claims = [(*claim, plan.now_us) for claim in plan.claims]
        if many(_NEW_CLAIM, claims).rowcount != len(claims):
            raise PlanStale
    many(_NEW_RECORD, plan.records)
    many(_NEW_OUTGOING, plan.outbox)
    many("DELETE FROM outbox WHERE id = ?", [(outbox_id,) for outbox_id in plan.outbox_removed])
    many(_NEW_REPLY, plan.inbox)
    if not plan.routine:
        _write_rest(connection, plan, owner)
        _write_register(connection, plan)


def _write_rest(connection: sqlite3.Connection, plan: Plan, owner: str) -> None:
    many, now_us = connection.executemany, plan.now_us
    if plan.awaited and many(_PUT_AWAITED, plan.awaited).rowcount != len(plan.awaited):
        raise PlanStale
    many("UPDATE inbox SET due_us = ?2 WHERE id = ?1", plan.inbox_due)
    many("DELETE FROM inbox WHERE id = ?", [(inbox_id,) for inbox_id in plan.inbox_removed])
    many(
        "UPDATE outbox SET returned_us = ?2 WHERE id = ?1", [(outbox_id, now_us) for outbox_id in plan.outbox_returned]
    )
    many("INSERT INTO checkpoints (seq, line) VALUES (?, ?)", [(one.seq, to_line(one)) for one in plan.checkpoints])
    if plan.pulse:
        connection.execute("INSERT OR REPLACE INTO pulses (owner, at_us) VALUES (?, ?)", (owner, now_us))
    if plan.purge:
        connection.execute(_PURGE_CLAIMS, (now_us, CLAIMS_PURGED_AT_ONCE))


def _write_register(connection: sqlite3.Connection, plan: Plan) -> None:
    connection.executemany("INSERT INTO bundles (sha256, content) VALUES (?, ?) ON CONFLICT DO NOTHING", plan.bundles)
    rows = plan.registrations
    if rows and connection.executemany(_REGISTER, rows).rowcount != len(rows):
        raise PlanStale


_NEW_EXCHANGE = "INSERT INTO exchanges VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_CHANGE = """
UPDATE exchanges SET state = ?6, status = ?7, outcome = ?8, reply_body = ?9, lease_owner = ?10, due_us = ?11,
    attempts = ?12, call_begun = ?13
WHERE message_id = ?1 AND caller = ?2 AND state = ?3 AND lease_owner IS ?4 AND attempts = ?5
"""
_NEW_CLAIM = """
INSERT INTO claims (key, expires_us, used_by) VALUES (?1, ?2, ?3)
ON CONFLICT (key) DO UPDATE SET expires_us = excluded.expires_us, used_by = excluded.used_by WHERE expires_us <= ?4
"""
_PUT_AWAITED = """
INSERT INTO awaited VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (agency, answer_key) DO UPDATE SET
    raw = excluded.raw, proven = excluded.proven, answered_us = excluded.answered_us, late = excluded.late
WHERE caller = excluded.caller AND message_id = excluded.message_id
"""
_NEW_RECORD = """
INSERT INTO records (chain, seq, previous, digest, kind, content, caller, message_id, at_us)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_NEW_OUTGOING = "INSERT INTO outbox (message, body, body_of, caller, message_id, due_us) VALUES (?, ?, ?, ?, ?, ?)"
_NEW_REPLY = (
    "INSERT INTO inbox (caller, message_id, body, signature, due_us) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_REGISTER = """
INSERT INTO registrations (agency, revision, document) VALUES (?1, ?2, ?3)
ON CONFLICT (agency) DO UPDATE SET revision = excluded.revision, document = excluded.document
    WHERE registrations.revision = excluded.revision - 1
"""
_PURGE_CLAIMS = "DELETE FROM claims WHERE key IN (SELECT key FROM claims WHERE expires_us <= ? LIMIT ?)"


@lru_cache(maxsize=128)
def _dialect(query: str) -> str:
    return re.sub(r"\$(\d+)", r"?\1", query)


def _sha256(value: object) -> bytes | None:
    """The digest of a payload; of what is no payload, one that no payload has."""
    if value is None:
        return None
    return hashlib.sha256(value).digest() if isinstance(value, bytes) else b""


def _reason(error: sqlite3.Error | OSError) -> str:
    return getattr(error, "sqlite_errorname", None) or type(error).__name__
