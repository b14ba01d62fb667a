"""A writer that is killed with SIGKILL again and again, at any point: nothing promised is lost, no chain is broken."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from esb.journal import GroupCommitJournal, connect
from esb.journal.verification import verify
from esb.ports import State
from tests.support.journal import PORTAL, JournalPlace, request_of

ROOT = Path(__file__).resolve().parents[3]
ROUNDS = 6
NUMBERS_PER_ROUND = 100_000


async def test_nothing_promised_is_lost_and_the_chain_holds(place: JournalPlace) -> None:
    received: set[int] = set()
    completed: set[int] = set()
    chance = random.Random(20261121)  # noqa: S311 - a test's chance, repeatable
    for round_ in range(ROUNDS):
        promises = await _write_and_kill(place, round_ * NUMBERS_PER_ROUND, after=chance.randrange(1, 400))
        received |= promises["received"]
        completed |= promises["completed"]
        await _assert_whole(place, received, completed)
    assert completed


async def _write_and_kill(place: JournalPlace, first: int, *, after: int) -> dict[str, set[int]]:
    """Start a writer, read so many promises, kill it; everything it had promised by then."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.faults.journal.writer_process", place.database_url, str(place.home), str(first),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert writer.stdout is not None
    lines = [await writer.stdout.readline() for _ in range(after)]
    writer.send_signal(signal.SIGKILL)
    lines += (await writer.stdout.read()).splitlines()
    await writer.wait()
    promises: dict[str, set[int]] = {"received": set(), "completed": set()}
    for line in lines:
        what, number = line.decode().split()
        promises[what].add(int(number))
    return promises


async def _assert_whole(place: JournalPlace, received: set[int], completed: set[int]) -> None:
    journal = await _reopen(place)
    report = await verify(journal, place.home, [])
    assert report.problems == ()
    for number in received:
        stored = await journal.find(PORTAL, request_of(number).message_id)
        assert stored is not None
        assert stored.request == request_of(number)
        assert number not in completed or stored.state is State.COMPLETED
    await _finish_leftovers(journal)
    await journal.close()


async def _finish_leftovers(journal: GroupCommitJournal) -> None:
    """What the dead process held is handed out again, and is either not begun or marked as begun."""
    await journal.release_own_leases()
    while work := await journal.claim_work(lease_s=3600, limit=100):
        for stored in work:
            kinds = [record.kind for record in await journal.records_of(PORTAL, stored.request.message_id)]
            assert kinds == (["RECEIVED", "CALLING"] if stored.call_begun else ["RECEIVED"])
            await journal.park(PORTAL, stored.request.message_id, reason="its worker was killed")


async def _reopen(place: JournalPlace) -> GroupCommitJournal:
    return await connect(place.database_url, place.home, owner="node1/1", window_s=0, clock=lambda: datetime.now(UTC))
