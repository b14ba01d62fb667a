"""A commit that succeeded while its answer was lost: repeating the call is safe, whatever call it was."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from esb.errors import JournalUnavailable, LeaseLost
from esb.journal.draft import Needs, Plan
from esb.journal.journal import GroupCommitJournal
from esb.journal.rows import Value, WaitingMessage
from esb.journal.sqlite import SqliteStore
from esb.journal.store import Draw
from esb.journal.verification import verify
from esb.ports import State
from security.errors import MessageReplayed
from tests.support.journal import START, SteppedClock, claim_of, completion_of, outgoing_of, request_of


class ForgetfulStore:
    """A real store whose next answers can be lost, before or after the commit took effect."""

    def __init__(self, store: SqliteStore) -> None:
        self.lose_after = 0
        self.lose_before = 0
        self._store = store

    async def open(self) -> None:
        await self._store.open()

    async def own(self) -> None:
        await self._store.own()

    async def commit(self, needs: Needs, draw: Draw) -> Plan:
        if self.lose_before:
            self.lose_before -= 1
            raise JournalUnavailable("lost before")
        plan = await self._store.commit(needs, draw)
        if self.lose_after:
            self.lose_after -= 1
            raise JournalUnavailable("lost after")
        return plan

    async def select(self, query: str, *values: Value) -> Sequence[Sequence[Any]]:
        return await self._store.select(query, *values)

    async def lease_outgoing(self, *, now_us: int, until_us: int, limit: int) -> Sequence[WaitingMessage]:
        return await self._store.lease_outgoing(now_us=now_us, until_us=until_us, limit=limit)

    async def missing_guards(self) -> Sequence[str]:
        return await self._store.missing_guards()

    async def close(self) -> None:
        await self._store.close()


class Bench:
    """A journal on such a store."""

    def __init__(self, store: ForgetfulStore, journal: GroupCommitJournal, clock: SteppedClock) -> None:
        self.store = store
        self.journal = journal
        self.clock = clock

    async def lost(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Make the call, lose its answer, make it again."""
        self.store.lose_after = 1
        with pytest.raises(JournalUnavailable):
            await call()
        return await call()

    async def kinds(self, number: int = 1) -> list[str]:
        exchange = request_of(number)
        return [record.kind for record in await self.journal.records_of(exchange.caller, exchange.message_id)]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock = SteppedClock()
    store = ForgetfulStore(SqliteStore(tmp_path / "journal.sqlite3", home=tmp_path, owner="node1/1"))
    journal = GroupCommitJournal(store, home=tmp_path, owner="node1/1", window_s=0, clock=clock)
    await journal.open()
    yield Bench(store, journal, clock)
    assert (await verify(journal, tmp_path, [])).problems == ()
    await journal.close()


async def test_received_exchange_is_still_ours_to_run(bench: Bench) -> None:
    exchange = request_of()
    answer = await bench.lost(
        lambda: bench.journal.receive(
            exchange, lease_s=30, claims=[claim_of("jti-1")], outgoing=[outgoing_of(exchange)]
        )
    )
    assert answer is None
    assert await bench.kinds() == ["RECEIVED"]
    assert len(await bench.journal.pending_outgoing(limit=5, lease_s=30)) == 1
    await bench.journal.complete(completion_of(exchange))
    assert await bench.kinds() == ["RECEIVED", "COMPLETED"]


async def test_unleased_exchange_is_still_accepted_once(bench: Bench) -> None:
    assert await bench.lost(lambda: bench.journal.receive(request_of(), lease_s=None)) is None
    assert await bench.kinds() == ["RECEIVED"]
    assert len(await bench.journal.claim_work(lease_s=30, limit=5)) == 1


async def test_another_body_is_not_taken_for_the_lost_one(bench: Bench) -> None:
    bench.store.lose_after = 1
    with pytest.raises(JournalUnavailable):
        await bench.journal.receive(request_of(), lease_s=30)
    stored = await bench.journal.receive(request_of(body=b"another"), lease_s=30)
    assert stored is not None
    assert stored.request == request_of()


async def test_lost_exchange_that_somebody_has_finished_is_not_run_again(bench: Bench) -> None:
    bench.store.lose_after = 1
    with pytest.raises(JournalUnavailable):
        await bench.journal.receive(request_of(), lease_s=None)
    (claimed,) = await bench.journal.claim_work(lease_s=30, limit=5)
    await bench.journal.complete(completion_of(claimed.request))
    stored = await bench.journal.receive(request_of(), lease_s=None)
    assert stored is not None
    assert stored.state is State.COMPLETED


async def test_call_that_fails_after_one_that_was_answered_does_not_make_the_exchange_new(bench: Bench) -> None:
    # As when a message comes again while its exchange runs, and the journal goes away for a moment.
    exchange = request_of()
    assert await bench.journal.receive(exchange, lease_s=30) is None
    bench.store.lose_before = 1
    with pytest.raises(JournalUnavailable):
        await bench.journal.receive(exchange, lease_s=30)
    stored = await bench.journal.receive(exchange, lease_s=30)
    assert stored is not None
    assert stored.lease_owner == "node1/1"


async def test_second_use_of_a_token_is_not_taken_for_a_lost_answer(bench: Bench) -> None:
    exchange = request_of()
    await bench.lost(lambda: bench.journal.receive(exchange, lease_s=30, claims=[claim_of("jti-1")]))
    with pytest.raises(MessageReplayed):
        await bench.journal.receive(exchange, lease_s=30, claims=[claim_of("jti-1")])


async def test_completion_counts_once(bench: Bench) -> None:
    exchange = request_of()
    await bench.journal.receive(exchange, lease_s=30)
    completion = completion_of(exchange, to_inbox=True)
    outgoing = [outgoing_of(exchange)]
    await bench.lost(lambda: bench.journal.complete(completion, claims=[claim_of("s")], outgoing=outgoing))
    assert await bench.kinds() == ["RECEIVED", "COMPLETED"]
    assert len(await bench.journal.inbox(exchange.caller, limit=5, redeliver_after_s=30)) == 1
    assert len(await bench.journal.pending_outgoing(limit=5, lease_s=30)) == 1


async def test_parking_counts_once(bench: Bench) -> None:
    exchange = request_of()
    await bench.journal.receive(exchange, lease_s=30)
    await bench.lost(lambda: bench.journal.park(exchange.caller, exchange.message_id, reason="r"))
    assert await bench.kinds() == ["RECEIVED", "PARKED"]


async def test_postponing_counts_once(bench: Bench) -> None:
    exchange = request_of()
    await bench.journal.receive(exchange, lease_s=30)
    until = START + timedelta(seconds=60)
    await bench.lost(lambda: bench.journal.postpone(exchange.caller, exchange.message_id, until=until, reason="r"))
    assert await bench.kinds() == ["RECEIVED", "POSTPONED"]


async def test_dropping_counts_once(bench: Bench) -> None:
    exchange = request_of()
    await bench.journal.park_unreadable(exchange, reason="r")
    await bench.lost(lambda: bench.journal.drop(completion_of(exchange), operator="o", reason="r"))
    assert await bench.kinds() == ["PARKED", "DROPPED", "COMPLETED"]


async def test_unheard_claim_of_work_is_claimed_again_when_its_lease_is_over(bench: Bench) -> None:
    await bench.journal.receive(request_of(), lease_s=None)
    bench.store.lose_after = 1
    with pytest.raises(JournalUnavailable):
        await bench.journal.claim_work(lease_s=30, limit=5)
    assert await bench.journal.claim_work(lease_s=30, limit=5) == ()
    bench.clock.advance(31)
    assert len(await bench.journal.claim_work(lease_s=30, limit=5)) == 1


async def test_commit_that_never_happened_can_be_repeated(bench: Bench) -> None:
    exchange = request_of()
    bench.store.lose_before = 1
    with pytest.raises(JournalUnavailable):
        await bench.journal.receive(exchange, lease_s=30, claims=[claim_of("jti-1")])
    assert await bench.journal.receive(exchange, lease_s=30, claims=[claim_of("jti-1")]) is None
    bench.store.lose_before = 1
    with pytest.raises(JournalUnavailable):
        await bench.journal.complete(completion_of(exchange))
    await bench.journal.complete(completion_of(exchange))
    with pytest.raises(LeaseLost):
        await bench.journal.begin_call(exchange.caller, exchange.message_id)
    assert await bench.kinds() == ["RECEIVED", "COMPLETED"]
