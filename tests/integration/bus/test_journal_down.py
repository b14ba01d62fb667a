"""Without its journal the bus runs nothing, says so, and is whole again as soon as the journal is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.agencies import Agencies
from tests.support.bus import LiveBus, settings_for, start
from tests.support.postgres import PostgresNode
from tests.support.replies import check

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def shared_embedded(running_agencies: Agencies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBus]:
    bus = start(settings_for(running_agencies, tmp_path_factory.mktemp("embedded")))
    yield bus
    bus.stop()


@pytest.fixture
def embedded(shared_embedded: LiveBus, agencies: Agencies) -> LiveBus:
    return shared_embedded


def readiness(bus: LiveBus) -> tuple[int, str]:
    got = bus.send("GET", "/readyz", caller=None)
    return got.status, got.reply["dependencies"]["journal"]["state"]


def eventually(holds: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up_s, "it never came true"
        time.sleep(0.1)


async def require_that_nothing_runs(bus: LiveBus, agencies: Agencies) -> None:
    before = await agencies.calls("din-reg")
    for headers in ({}, {"Prefer": "respond-async"}):
        got = bus.ask("person.identity", headers=headers)
        check(bus, got, 503, "journal.failed", advice="RETRY_BACKOFF")
        assert got.reply["status"] == "UNAVAILABLE"
        assert int(got.headers["retry-after"]) >= 1
    check(bus, bus.ask("person.identity", "7TESTO"), 503, "journal.failed")
    check(bus, bus.send("GET", "/v1/replies"), 503, "journal.failed")
    check(bus, bus.message("0b2f6a1e-3c54-4d7b-9a10-5f8e2c7d6b43"), 503, "journal.failed")
    assert await agencies.calls("din-reg") == before
    eventually(lambda: readiness(bus) == (503, "down"))
    assert bus.send("GET", "/livez", caller=None).status == 200


def require_that_it_is_whole_again(bus: LiveBus) -> None:
    eventually(lambda: bus.ask("person.identity").status == 200)
    eventually(lambda: readiness(bus) == (200, "up"))
    verified = bus.esb("journal", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def test_a_journal_file_that_cannot_be_used_stops_everything_until_it_is_back(
    embedded: LiveBus, agencies: Agencies
) -> None:
    assert embedded.ask("person.identity").status == 200
    file = Path(embedded.settings.home) / "journal.sqlite3"
    away = file.rename(file.with_suffix(".away"))
    file.mkdir()
    await require_that_nothing_runs(embedded, agencies)
    listed = embedded.esb("messages", "list")
    assert (listed.returncode, listed.stdout) == (3, "")
    assert "Traceback" not in listed.stderr
    assert embedded.esb("doctor").returncode == 3
    file.rmdir()
    away.rename(file)
    require_that_it_is_whole_again(embedded)


async def test_a_journal_file_that_is_removed_is_not_begun_anew(embedded: LiveBus, agencies: Agencies) -> None:
    file = Path(embedded.settings.home) / "journal.sqlite3"
    away = file.rename(file.with_suffix(".away"))
    await require_that_nothing_runs(embedded, agencies)
    assert not file.exists()
    away.rename(file)
    require_that_it_is_whole_again(embedded)


@pytest.mark.postgres
async def test_a_database_that_is_stopped_stops_everything_until_it_is_back(
    agencies: Agencies, own_postgres_node: PostgresNode, tmp_path: Path
) -> None:
    url = own_postgres_node.fresh_database()
    bus = start(settings_for(agencies, tmp_path, database_url=url))
    try:
        assert bus.ask("person.identity").status == 200
        own_postgres_node.stop()
        await require_that_nothing_runs(bus, agencies)
        own_postgres_node.start()
        require_that_it_is_whole_again(bus)
    finally:
        bus.stop()
    assert "fictitious" not in bus.log.read_text("utf-8")
