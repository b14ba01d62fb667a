"""The journal in PostgreSQL: production, any number of nodes and processes on one database.

One connection writes (and holds the advisory lock on the owner name), a small pool reads. A routine commit is one
call of `write_batch`, so one round trip and one fsync; a commit that must read first is an ordinary transaction.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Sequence
from typing import Any

import asyncpg
from asyncpg.exceptions import _base

from esb.errors import JournalMissing, JournalUnavailable
from esb.journal import migrations, queries
from esb.journal.draft import Needs, Plan, PlanStale, Snapshot, Unstorable
from esb.journal.rows import AwaitedRow, ClaimRow, ExchangeRow, RegistrationRow, Value, WaitingMessage, WaitingReply
from esb.journal.store import CLAIMS_PURGED_AT_ONCE, Draw
from security.hashchain import to_line

CONNECT_TIMEOUT_S = 5.0
STATEMENT_TIMEOUT_S = 15.0
READERS = 4

FIRST_RETRY_S = 0.05
LAST_RETRY_S = 2.0

OWNER_ATTEMPTS = 10
OWNER_RETRY_S = 0.1

_ASSUMPTION_FAILED = "ES001"
_MIGRATION_LOCK = 4_851_023_971

# Said by the server (a zero byte, class 22), or by asyncpg before anything was sent (half a character).
_UNSTORABLE = (asyncpg.DataError, _base.DataError)
_UNAVAILABLE = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

# The arrays of a commit are short, whatever the planner believes before the first ANALYZE: every join to a table must
# use its index, or one commit would read the whole journal.
_WRITER_SETTINGS = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}

# What a commit takes out of the outbox goes in the same statement, or it would need a transaction of four.
_WRITE_BATCH = """
WITH published AS (DELETE FROM outbox WHERE id = ANY($8::bigint[]))
SELECT write_batch(
    $1::exchanges[], $2::exchange_change[], $3::new_record[], $4::new_outgoing[], $5::new_reply[], $6::claims[], $7
)
"""


class PostgresStore:
    """One database under the schema `journal`."""

    def __init__(self, url: str, *, owner: str, must_exist: bool = False) -> None:
        self._url = url
        self._must_exist = must_exist
        self._owner = owner
        self._name = f"esb {owner} pid {os.getpid()}"
        self._writer: asyncpg.Connection | None = None
        self._owned = False
        self._write_batch: Any = None
        self._readers: asyncpg.Pool | None = None
        self._retry_s = FIRST_RETRY_S
        self._retry_at_s = 0.0

    async def open(self) -> None:
        """Connect and migrate."""
        await self._connected()
        if self._readers is None:
            # Connects when the first reader comes.
            self._readers = await asyncpg.create_pool(
                self._url,
                min_size=0,
                max_size=READERS,
                reset=_leave,
                timeout=CONNECT_TIMEOUT_S,
                command_timeout=STATEMENT_TIMEOUT_S,
                server_settings={"search_path": "journal", "application_name": f"{self._name} reads"},
            )

    async def own(self) -> None:
        """Lock the owner name, for as long as this connection lasts."""
        writer = await self._connected()
        if self._owned:
            return
        try:
            await self._lock_owner(writer)
        except _UNAVAILABLE as error:
            await self._disconnect()
            raise JournalUnavailable(_reason(error)) from error
        self._owned = True

    async def commit(self, needs: Needs, draw: Draw) -> Plan:
        """One statement when nothing must be read and only exchanges are written, else one transaction."""
        await self.own()
        writer = await self._connected()
        try:
            if not needs:
                plan = draw(Snapshot())
                if plan.routine:
                    await self._write(plan)
                    return plan
            async with writer.transaction():
                plan = draw(await _read(writer, needs, self._owner))
                await self._write(plan)
                await self._write_rest(writer, plan)
                await _write_register(writer, plan)
        except _UNSTORABLE as error:
            raise Unstorable from error
        except asyncpg.PostgresError as error:
            # Lost races leave the connection in order; anything else is not worth telling apart.
            if error.sqlstate == _ASSUMPTION_FAILED or isinstance(error, _RACES):
                raise PlanStale from error
            await self._disconnect()
            raise JournalUnavailable(_reason(error)) from error
        except _UNAVAILABLE as error:
            await self._disconnect()
            raise JournalUnavailable(_reason(error)) from error
        except BaseException:
            await self._disconnect()
            raise
        return plan

    async def select(self, query: str, *values: Value) -> Sequence[Sequence[Any]]:
        """Rows, through the pool."""
        if self._readers is None:
            raise JournalUnavailable("PostgreSQL: not open")
        try:
            rows: Sequence[Sequence[Any]] = await self._readers.fetch(query, *values)
        except _UNAVAILABLE as error:
            raise JournalUnavailable(_reason(error)) from error
        return rows

    async def lease_outgoing(self, *, now_us: int, until_us: int, limit: int) -> Sequence[WaitingMessage]:
        """One statement, which passes over what another relay is about to take."""
        rows = await self.select(_LEASE_OUTBOX, now_us, limit, until_us)
        return sorted(WaitingMessage(*row) for row in rows)

    async def missing_guards(self) -> Sequence[str]:
        """By name, and whether they are switched on."""
        found = {row[0] for row in await self.select(_GUARDS_IN_FORCE)}
        return [name for name in _GUARDS if name not in found]

    async def close(self) -> None:
        """Close all connections; idempotent."""
        readers, self._readers = self._readers, None
        if readers is not None:
            await readers.close()
        await self._disconnect()

    async def _connected(self) -> asyncpg.Connection:
        if self._writer is not None and not self._writer.is_closed():
            return self._writer
        # While the server is away every write would otherwise start a connection of its own.
        if time.monotonic() < self._retry_at_s:
            raise JournalUnavailable("PostgreSQL: not connected, the next attempt is due soon")
        self._owned = False
        try:
            self._writer = await self._connect()
        except _UNAVAILABLE as error:
            self._postpone_retry()
            raise JournalUnavailable(_reason(error)) from error
        self._retry_s, self._retry_at_s = FIRST_RETRY_S, 0.0
        return self._writer

    def _postpone_retry(self) -> None:
        self._retry_at_s = time.monotonic() + self._retry_s
        self._retry_s = min(2 * self._retry_s, LAST_RETRY_S)

    async def _connect(self) -> asyncpg.Connection:
        connection = await asyncpg.connect(
            self._url,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=STATEMENT_TIMEOUT_S,
            server_settings={"search_path": "journal", "application_name": self._name, **_WRITER_SETTINGS},
        )
        try:
            if self._must_exist:
                await _require_journal(connection)
            await _migrate(connection)
            self._write_batch = await connection.prepare(_WRITE_BATCH)
        except BaseException:
            connection.terminate()
            raise
        return connection

    async def _lock_owner(self, connection: asyncpg.Connection) -> None:
        # A lock of the session: it cannot outlive the last transaction of the process that holds it.
        key = int.from_bytes(hashlib.sha256(f"esb-journal {self._owner}".encode()).digest()[:8], "big", signed=True)
        for _ in range(OWNER_ATTEMPTS):
            if await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):
                return
            # The server may not have noticed yet that the process before us has died.
            await asyncio.sleep(OWNER_RETRY_S)
        high, low = (key >> 32) & 0xFFFFFFFF, key & 0xFFFFFFFF
        holder = await connection.fetchval(
            "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) "
            "WHERE locktype = 'advisory' AND granted AND classid = $1 AND objid = $2 AND objsubid = 1",
            high,
            low,
        )
        raise JournalUnavailable(f"{self._owner} is in use by {holder or 'another process'}")

    async def _disconnect(self) -> None:
        writer, self._writer = self._writer, None
        self._owned = False
        if writer is not None:
            # Not close(): that would wait for a server which may be gone.
            writer.terminate()

    async def _write(self, plan: Plan) -> None:
        if plan.new or plan.changes or plan.records or plan.outbox or plan.inbox or plan.claims or plan.outbox_removed:
            await self._write_batch.fetchval(
                plan.new,
                plan.changes,
                plan.records,
                plan.outbox,
                plan.inbox,
                plan.claims,
                plan.now_us,
                plan.outbox_removed,
            )

    async def _write_rest(self, writer: asyncpg.Connection, plan: Plan) -> None:
        await _write_awaited(writer, plan)
        if plan.inbox_due:
            await writer.execute(_LEASE_INBOX, *zip(*plan.inbox_due, strict=True))
        if plan.inbox_removed:
            await writer.execute("DELETE FROM inbox WHERE id = ANY($1::bigint[])", plan.inbox_removed)
        if plan.outbox_returned:
            await writer.execute(_MARK_RETURNED, plan.outbox_returned, plan.now_us)
        for checkpoint in plan.checkpoints:
            line = to_line(checkpoint)
            await writer.execute("INSERT INTO checkpoints (seq, line) VALUES ($1, $2)", checkpoint.seq, line)
        if plan.pulse:
            await writer.execute(_PULSE, self._owner, plan.now_us)
        if plan.purge:
            await writer.execute(_PURGE_CLAIMS, plan.now_us, CLAIMS_PURGED_AT_ONCE)


_RACES = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.UniqueViolationError,
)

_GUARDS = ("records_are_append_only", "checkpoints_are_append_only", "bundles_are_append_only")
_GUARDS_IN_FORCE = """
SELECT tgname FROM pg_trigger WHERE tgrelid IN ('records'::regclass, 'checkpoints'::regclass, 'bundles'::regclass)
    AND tgfoid = 'refuse_change'::regproc AND tgenabled IN ('O', 'A')
"""

_PUT_AWAITED = """
INSERT INTO awaited VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (agency, answer_key) DO UPDATE SET
    raw = excluded.raw, proven = excluded.proven, answered_us = excluded.answered_us, late = excluded.late
WHERE awaited.caller = excluded.caller AND awaited.message_id = excluded.message_id
RETURNING 1
"""
_LEASE_INBOX = """
UPDATE inbox SET due_us = lease.due_us FROM unnest($1::bigint[], $2::bigint[]) AS lease (id, due_us)
WHERE inbox.id = lease.id
"""
# ARRAY(…) is evaluated once; below IN the planner might run it, and lock other rows, several times.
_LEASE_OUTBOX = f"""
UPDATE outbox SET due_us = $3 WHERE id = ANY(ARRAY(
    SELECT id FROM outbox WHERE due_us <= $1 AND returned_us IS NULL ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
)) RETURNING id, message, {queries.OUTBOX_BODY}
"""  # noqa: S608 - an expression of constants only
_MARK_RETURNED = "UPDATE outbox SET returned_us = $2 WHERE id = ANY($1::bigint[])"
_PULSE = """
INSERT INTO pulses (owner, at_us) VALUES ($1, $2) ON CONFLICT (owner) DO UPDATE SET at_us = excluded.at_us
"""
_NEW_BUNDLE = "INSERT INTO bundles (sha256, content) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_REGISTER = """
INSERT INTO registrations (agency, revision, document) VALUES ($1, $2, $3)
ON CONFLICT (agency) DO UPDATE SET revision = excluded.revision, document = excluded.document
    WHERE registrations.revision = excluded.revision - 1
RETURNING revision
"""
_PURGE_CLAIMS = """
DELETE FROM claims WHERE key IN (
    SELECT key FROM claims WHERE expires_us <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""
_LOCKED_ROWS = f"""
SELECT {", ".join(f"exchanges.{name}" for name in ExchangeRow._fields)} FROM exchanges
JOIN unnest($1::text[], $2::text[]) AS wanted (message_id, caller)
    ON exchanges.message_id = wanted.message_id AND exchanges.caller = wanted.caller
ORDER BY exchanges.message_id, exchanges.caller FOR UPDATE OF exchanges
"""  # noqa: S608 - names of columns only
_CLAIMS = "SELECT key, expires_us, used_by FROM claims WHERE key = ANY($1::text[])"


async def _write_awaited(writer: asyncpg.Connection, plan: Plan) -> None:
    for row in plan.awaited:
        if await writer.fetchval(_PUT_AWAITED, *row) is None:
            raise PlanStale


async def _leave(_: asyncpg.Connection) -> None:
    """Readers change nothing in their session, so the round trip that would reset it is saved."""


async def _require_journal(connection: asyncpg.Connection) -> None:
    if await connection.fetchval("SELECT to_regclass('journal.records')") is None:
        raise JournalMissing("no journal in this database; a bus makes it when it first starts: esb serve")


async def _migrate(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
        await connection.execute("CREATE SCHEMA IF NOT EXISTS journal")
        await connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL)")
        version = await connection.fetchval("SELECT COALESCE(max(version), 0) FROM schema_version")
        for number, script in enumerate(migrations.scripts(migrations.POSTGRES, since=version), version + 1):
            await connection.execute(script)
            await connection.execute("INSERT INTO schema_version (version) VALUES ($1)", number)


async def _read(writer: asyncpg.Connection, needs: Needs, owner: str) -> Snapshot:
    now_us = needs.now_us
    snapshot = Snapshot()
    if needs.keys:
        snapshot.rows = await _locked(writer, needs)
    for routes, limit in needs.work.items():
        query, values = queries.work(routes, now_us=now_us, limit=limit)
        # Rows that another process is about to lease are passed over, not waited for.
        rows = await writer.fetch(f"{query} FOR UPDATE SKIP LOCKED", *values)
        snapshot.work += [ExchangeRow(*row) for row in rows]
    if needs.own_leases:
        rows = await writer.fetch(f"{queries.OWN_LEASES} ORDER BY message_id, caller FOR UPDATE", owner)
        snapshot.own_leases = [ExchangeRow(*row) for row in rows]
    snapshot.rows.update((row.key, row) for row in (*snapshot.work, *snapshot.own_leases))
    for key in sorted(needs.awaited):
        row = await writer.fetchrow(f"{queries.AWAITED} FOR UPDATE", *key)
        snapshot.awaited[key] = AwaitedRow(*row) if row else None
    if needs.claims:
        rows = await writer.fetch(_CLAIMS, list(needs.claims))
        snapshot.claims = {row[0]: ClaimRow(*row) for row in rows}
    await _read_boxes(writer, needs, snapshot)
    if needs.last_checkpoint:
        snapshot.last_checkpoint = await writer.fetchval(queries.LAST_CHECKPOINT_SEQ)
    for agency in sorted(needs.registrations):
        rows = await writer.fetch(f"{queries.REGISTRATION} FOR UPDATE", agency)
        snapshot.registrations.update((row[0], RegistrationRow(*row)) for row in rows)
    return snapshot


async def _read_boxes(writer: asyncpg.Connection, needs: Needs, snapshot: Snapshot) -> None:
    now_us = needs.now_us
    for caller, limit in sorted(needs.inbox.items()):
        rows = await writer.fetch(f"{queries.INBOX} FOR UPDATE SKIP LOCKED", caller, now_us, limit)
        snapshot.inbox += [WaitingReply(*row) for row in rows]
    for key in needs.inbox_keys:
        inbox_id = await writer.fetchval(queries.INBOX_ID, *key)
        if inbox_id is not None:
            snapshot.inbox_ids[key] = inbox_id
    for outbox_id in needs.outbox_ids:
        rows = await writer.fetch(queries.OUTBOX_MESSAGE, outbox_id)
        snapshot.outbox_messages.update((row[0], WaitingMessage(*row)) for row in rows)


async def _locked(writer: asyncpg.Connection, needs: Needs) -> dict[tuple[str, str], ExchangeRow | None]:
    callers, message_ids = zip(*sorted(needs.keys), strict=True)
    rows: dict[tuple[str, str], ExchangeRow | None] = dict.fromkeys(needs.keys)
    for record in await writer.fetch(_LOCKED_ROWS, message_ids, callers):
        row = ExchangeRow(*record)
        rows[row.key] = row
    return rows


async def _write_register(writer: asyncpg.Connection, plan: Plan) -> None:
    for bundle in plan.bundles:
        await writer.execute(_NEW_BUNDLE, *bundle)
    for row in plan.registrations:
        if await writer.fetchval(_REGISTER, *row) is None:
            raise PlanStale


def _reason(error: BaseException) -> str:
    """What is wrong, without the statement or its values: those hold data of persons."""
    state = getattr(error, "sqlstate", None)
    name = type(error).__name__
    return f"PostgreSQL: {name} ({state})" if state else f"PostgreSQL: {name}"
