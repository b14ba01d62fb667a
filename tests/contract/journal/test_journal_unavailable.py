"""A store that goes away: every call says so, nothing half-done stays, and it works again when the store is back."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from esb.errors import ConfigurationError, JournalUnavailable, SettingInvalid
from esb.journal import GroupCommitJournal, connect
from esb.journal.verification import verify
from tests.support.journal import PORTAL, JournalPlace, completion_of, request_of
from tests.support.postgres import PostgresNode

PATIENCE_S = 30.0


async def until_it_works(journal: GroupCommitJournal) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                await journal.ping()
            except JournalUnavailable:
                await asyncio.sleep(0.02)
            else:
                return


async def test_journal_that_must_be_there_is_not_made(place: JournalPlace) -> None:
    with pytest.raises(JournalUnavailable, match=r"no journal .* esb serve"):
        await place.open(must_exist=True)
    # Nothing was made for the second one to find.
    with pytest.raises(JournalUnavailable, match=r"no journal .* esb serve"):
        await place.open(must_exist=True)
    assert not place.home.exists()
    await (await place.open()).receive(request_of(), lease_s=30)
    reader = await place.open("node1/operator", reserve=False, must_exist=True)
    assert await reader.find(PORTAL, request_of().message_id) is not None


async def assert_unavailable(journal: GroupCommitJournal) -> None:
    for call in (
        journal.receive(request_of(900), lease_s=30),
        journal.complete(completion_of(request_of(1))),
        journal.find(PORTAL, request_of(1).message_id),
        journal.claim_work(lease_s=30, limit=1),
        journal.ping(),
    ):
        with pytest.raises(JournalUnavailable):
            await call


@pytest.mark.postgres
@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_postgres_that_goes_away_and_comes_back_loses_nothing(
    own_postgres_node: PostgresNode, tmp_path: Path, how: str
) -> None:
    node = own_postgres_node
    place = JournalPlace(node.fresh_database(), tmp_path)
    journal = await place.open(window_s=0.001)
    accepted: list[int] = []
    refused: list[int] = []
    enough = asyncio.Event()

    async def write(worker: int) -> None:
        for number in range(1000 * worker, 1000 * worker + 1000):
            try:
                await journal.receive(request_of(number), lease_s=3600)
                accepted.append(number)
                if len(accepted) > 50:
                    enough.set()
                await journal.complete(completion_of(request_of(number)))
            except JournalUnavailable:
                refused.append(number)
                return

    writers = [asyncio.create_task(write(worker)) for worker in range(8)]
    await enough.wait()
    await asyncio.to_thread(getattr(node, how))
    await asyncio.gather(*writers)
    assert len(refused) == 8
    await assert_unavailable(journal)
    await asyncio.to_thread(node.start)
    await until_it_works(journal)
    for number in refused:
        # Whether the interrupted call took effect is unknown: repeating both is safe, and enough.
        await journal.receive(request_of(number), lease_s=3600)
        await journal.complete(completion_of(request_of(number)))
    for number in {*accepted, *refused}:
        records = await journal.records_of(PORTAL, request_of(number).message_id)
        assert [record.kind for record in records] == ["RECEIVED", "COMPLETED"]
    assert (await verify(journal, place.home, [])).problems == ()
    await place.close()


@pytest.mark.postgres
async def test_postgres_that_is_away_at_the_start_is_said_at_once(
    own_postgres_node: PostgresNode, tmp_path: Path
) -> None:
    url = own_postgres_node.fresh_database()
    own_postgres_node.stop()
    with pytest.raises(JournalUnavailable, match="PostgreSQL"):
        await JournalPlace(url, tmp_path).open()
    own_postgres_node.start()


@pytest.mark.postgres
async def test_writer_whose_connection_is_cut_takes_its_name_back(postgres_url: str, tmp_path: Path) -> None:
    place = JournalPlace(postgres_url, tmp_path)
    journal = await place.open()
    await journal.receive(request_of(1), lease_s=30)
    await place.read(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await until_it_works(journal)
    assert await journal.receive(request_of(2), lease_s=30) is None
    with pytest.raises(JournalUnavailable, match="node1/1 is in use by esb node1/1 pid"):
        await place.open()
    await place.close()


async def test_full_disk_fails_the_write_and_nothing_else(tmp_path: Path) -> None:
    place = JournalPlace("", tmp_path)
    journal = await place.open()
    await journal.receive(request_of(1), lease_s=3600)
    await _limit_pages(journal, 0)
    with pytest.raises(JournalUnavailable, match="SQLITE_FULL"):
        await journal.receive(request_of(2, body=b"x" * 500_000), lease_s=3600)
    # The failed write closed the connection, and its limit with it: there is room again.
    assert await journal.find(PORTAL, request_of(2).message_id) is None
    assert await journal.receive(request_of(2, body=b"x" * 500_000), lease_s=3600) is None
    await journal.complete(completion_of(request_of(1)))
    assert (await verify(journal, place.home, [])).problems == ()
    await place.close()


async def test_writer_that_is_blocked_too_long_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("esb.journal.sqlite.BUSY_TIMEOUT_S", 0.05)
    place = JournalPlace("", tmp_path)
    journal = await place.open()
    other = sqlite3.connect(tmp_path / "journal.sqlite3", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(JournalUnavailable, match="SQLITE_BUSY"):
        await journal.receive(request_of(1), lease_s=30)
    other.execute("ROLLBACK")
    other.close()
    assert await journal.receive(request_of(1), lease_s=30) is None
    await place.close()


async def test_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite3").write_bytes(b"this is not a database, it only looks like one" * 100)
    with pytest.raises(JournalUnavailable, match="SQLITE_NOTADB"):
        await JournalPlace("", tmp_path).open()


async def test_journal_file_is_for_its_owner_only(tmp_path: Path) -> None:
    place = JournalPlace("", tmp_path)
    journal = await place.open()
    await journal.receive(request_of(1), lease_s=30)
    private = [tmp_path / "journal.sqlite3", tmp_path / "journal.sqlite3-wal", *(tmp_path / "anchors").iterdir()]
    assert {path.stat().st_mode & 0o077 for path in private} == {0}
    await place.close()


async def test_journal_of_a_newer_program_is_left_alone(place: JournalPlace) -> None:
    await (await place.open()).close()
    if place.database_url:
        await place.tamper("INSERT INTO schema_version (version) VALUES (99)")
    else:
        await place.tamper("PRAGMA user_version = 99")
    with pytest.raises(ConfigurationError, match="99"):
        await place.open()


async def test_operator_reads_beside_the_process_that_has_the_name(place: JournalPlace) -> None:
    worker = await place.open("node1/1")
    await worker.receive(request_of(1), lease_s=30)
    reader = await place.open("node1/1", reserve=False)
    assert await reader.find(PORTAL, request_of(1).message_id) is not None
    with pytest.raises(JournalUnavailable, match="in use"):
        await reader.ping()
    await worker.close()
    await until_it_works(reader)


async def test_other_kind_of_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid):
        await connect(
            "mysql://127.0.0.1/esb", tmp_path, owner="node1/1", window_s=0, clock=JournalPlace("", tmp_path).clock
        )


async def test_commits_are_told_with_their_size(tmp_path: Path) -> None:
    told: list[tuple[int, float]] = []
    journal = await connect(
        "",
        tmp_path,
        owner="node1/1",
        window_s=0,
        clock=JournalPlace("", tmp_path).clock,
        committed=lambda records, elapsed_s: told.append((records, elapsed_s)),
    )
    await asyncio.gather(*(journal.receive(request_of(number), lease_s=30) for number in range(3)))
    await journal.ping()
    assert [records for records, _ in told] == [3, 0]
    assert all(elapsed_s > 0 for _, elapsed_s in told)
    await journal.close()


async def _limit_pages(journal: GroupCommitJournal, more: int) -> None:
    """Let the file grow by so many pages, as a disk that is nearly full would."""

    def limit(connection: sqlite3.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + more}")

    await journal._store._writer.run(limit)  # type: ignore[attr-defined]
