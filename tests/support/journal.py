"""Journals for tests, on both stores: a place to open them in, a clock to move, values to write, a way to tamper."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from esb.journal import GroupCommitJournal, connect
from esb.model import CallerName, MessageId, RouteId, Status
from esb.ports import Channel, Claim, Completion, Journal, Outgoing, ReceivedExchange, Refusal
from tests.support.postgres import PostgresNode

PORTAL = CallerName("portal")
STORES = ["sqlite", "postgres"]
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


class SteppedClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class JournalPlace:
    """One database and one home, in which any number of journals can be opened."""

    def __init__(self, database_url: str, home: Path) -> None:
        self.database_url = database_url
        self.home = home
        self.clock = SteppedClock()
        self._opened: list[GroupCommitJournal] = []

    async def open(
        self, owner: str = "node1/1", *, window_s: float = 0.0, reserve: bool = True, must_exist: bool = False
    ) -> GroupCommitJournal:
        journal = await connect(
            self.database_url,
            self.home,
            owner=owner,
            window_s=window_s,
            clock=self.clock,
            reserve=reserve,
            must_exist=must_exist,
        )
        self._opened.append(journal)
        return journal

    async def close(self) -> None:
        for journal in self._opened:
            await journal.close()

    async def tamper(self, statement: str, *values: Any) -> None:
        """Change what cannot be changed, as somebody with the database's own password would."""
        await self._run(statement, values, guarded=False)

    async def attempt(self, statement: str) -> None:
        """Change something with the database's guards on."""
        await self._run(statement, (), guarded=True)

    async def read(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        return await self._run(query, values, guarded=True)

    async def _run(self, statement: str, values: tuple[Any, ...], *, guarded: bool) -> list[tuple[Any, ...]]:
        if not self.database_url:
            return self._run_in_sqlite(statement, values, guarded=guarded)
        connection = await asyncpg.connect(self.database_url, server_settings={"search_path": "journal"})
        try:
            if not guarded:
                await connection.execute("SET session_replication_role = replica")
            return [tuple(row) for row in await connection.fetch(statement, *values)]
        finally:
            await connection.close()

    def _run_in_sqlite(self, statement: str, values: tuple[Any, ...], *, guarded: bool) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(self.home / "journal.sqlite3", isolation_level=None)
        try:
            query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
            triggers = [] if guarded else connection.execute(query).fetchall()
            for trigger, _ in triggers:
                connection.execute(f"DROP TRIGGER {trigger}")
            rows = connection.execute(re.sub(r"\$(\d+)", r"?\1", statement), values).fetchall()
            for _, made_by in triggers:
                connection.execute(made_by)
            return rows
        finally:
            connection.close()


@pytest.fixture(params=STORES)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[JournalPlace]:
    url = ""
    if request.param == "postgres":
        node: PostgresNode = request.getfixturevalue("postgres_node")
        url = node.fresh_database()
    place = JournalPlace(url, tmp_path / "home")
    yield place
    await place.close()


@pytest.fixture
async def journal(place: JournalPlace) -> GroupCommitJournal:
    return await place.open()


def request_of(number: int = 1, *, body: bytes = b'{"subject":{}}', route: str = "person.identity") -> ReceivedExchange:
    return ReceivedExchange(
        caller=PORTAL,
        message_id=MessageId(f"message-{number:05}"),
        route=RouteId(route),
        body=body,
        body_sha256=hashlib.sha256(body).digest(),
        channel=Channel.HTTP,
        asynchronous=True,
        received_at=START + timedelta(milliseconds=number),
        correlation_id="chain-7",
        reply_to="portal.replies",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        expires_at=START + timedelta(hours=1),
        purpose="VEMTAS application",
        legal_basis="decree 477/2015",
        user="FIN:7TESTX1",
        issue="VEM-2026-000017",
    )


def completion_of(
    exchange: ReceivedExchange, *, reply: bytes = b'{"status":"OK"}', to_inbox: bool = False, signature: str = "a..b"
) -> Completion:
    return Completion(
        caller=exchange.caller,
        message_id=exchange.message_id,
        status=Status.OK,
        reply_body=reply,
        reply_signature=signature,
        completed_at=START + timedelta(seconds=1),
        to_inbox=to_inbox,
        sources=({"agency": "din-reg", "operation": "GetPersonByPin", "status": "OK"},),
    )


def refusal_of(message_id: str, *, caller: str | None = "portal") -> Refusal:
    return Refusal(
        caller=caller,
        message_id=message_id,
        route="person.identity",
        channel=Channel.HTTP,
        code="request.schema",
        body_sha256=bytes(32),
        at=START,
    )


def outgoing_of(exchange: ReceivedExchange, *, body: bytes = b"{}", inbox_of: str | None = None) -> Outgoing:
    return Outgoing(
        exchange="esb.replies",
        routing_key=f"{exchange.caller}.{exchange.route}",
        body=body,
        message_id=exchange.message_id,
        correlation_id=exchange.correlation_id,
        headers={"esb-signature": "a..b"},
        inbox_of=inbox_of,
    )


def claim_of(key: str, *, seconds: float = 300) -> Claim:
    return Claim(key=key, expires_at=START + timedelta(seconds=seconds))


def request_with(
    exchange: ReceivedExchange, *, caller: str | None = None, message_id: str | None = None
) -> ReceivedExchange:
    return msgspec.structs.replace(
        exchange, caller=caller or exchange.caller, message_id=message_id or exchange.message_id
    )


async def kinds_of(journal: Journal, exchange: ReceivedExchange) -> list[str]:
    return [record.kind for record in await journal.records_of(exchange.caller, exchange.message_id)]
