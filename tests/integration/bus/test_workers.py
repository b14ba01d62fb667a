"""Two workers that share a port: reloads while traffic flows, a clean end, and a worker that is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from esb import control
from tests.support.agencies import Agencies
from tests.support.bus import LiveBus, start
from tests.support.quick_bus import quick_settings
from tests.support.replies import recorded

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def shared_pair(running_agencies: Agencies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBus]:
    bus = start(quick_settings(running_agencies, tmp_path_factory.mktemp("pair")), workers=2)
    yield bus
    assert bus.stop() == 0


@pytest.fixture
def pair(shared_pair: LiveBus, agencies: Agencies) -> Iterator[LiveBus]:
    """Two workers; the deployment is put back afterwards."""
    routes = Path(shared_pair.settings.routes)
    before = routes.read_text("utf-8")
    yield shared_pair
    if routes.read_text("utf-8") != before:
        routes.write_text(before, "utf-8")
        assert shared_pair.esb("routes", "reload").returncode == 0


@contextmanager
def traffic(bus: LiveBus, *, senders: int = 4) -> Iterator[Counter[Any]]:
    """Questions without a pause; what came of them is counted by HTTP status, a dropped one by its error."""
    seen: Counter[Any] = Counter()
    stopping = threading.Event()

    def send() -> None:
        while not stopping.is_set():
            try:
                seen[bus.ask("person.identity").status] += 1
            except (OSError, HTTPException) as error:
                seen[type(error).__name__] += 1

    with ThreadPoolExecutor(max_workers=senders) as pool:
        for _ in range(senders):
            pool.submit(send)
        try:
            yield seen
        finally:
            stopping.set()


def change(bus: LiveBus, old: str, new: str) -> None:
    routes = Path(bus.settings.routes)
    text = routes.read_text("utf-8")
    assert old in text
    routes.write_text(text.replace(old, new), "utf-8")


def workers_of(bus: LiveBus) -> list[int]:
    children = Path(f"/proc/{bus.process.pid}/task/{bus.process.pid}/children").read_text()
    return [int(pid) for pid in children.split()]


def digests(bus: LiveBus) -> set[str]:
    """The tables that the workers say they use."""
    answers = asyncio.run(control.order_all(control.sockets(Path(bus.settings.home)), "status"))
    assert len(answers) == 2
    return {answer["digest"] for answer in answers}


def eventually(holds: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < give_up_s, "it never came true"
        time.sleep(0.1)


def test_a_reload_while_traffic_flows_drops_nothing_and_is_used_by_all(pair: LiveBus) -> None:
    with traffic(pair) as seen:
        change(pair, "pin: Person.Pin", "pin: Person.Pin\n      fin: Person.Pin")
        done = pair.esb("routes", "reload")
        assert done.returncode == 0, done.stderr
        assert "2 workers" in done.stdout
        assert "changed: person.complete, person.identity, person.overview" in done.stdout
        # Fresh connections are spread over the workers by the kernel.
        answers = [pair.ask("person.identity").reply["data"] for _ in range(20)]
    assert all(data["fin"] == "7TESTX1" for data in answers)
    assert set(seen) == {200}


def test_a_broken_table_is_used_nowhere_and_its_mistakes_are_told_with_their_lines(pair: LiveBus) -> None:
    before = digests(pair)
    change(pair, "operation: GetPersonByPin", "operatoin: GetPersonByPin")
    with traffic(pair, senders=2) as seen:
        done = pair.esb("routes", "reload")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"{pair.settings.routes}:" in done.stderr
    assert "did you mean 'operation'" in done.stderr
    assert digests(pair) == before
    assert set(seen) == {200}


def test_what_one_worker_cannot_use_no_worker_uses(pair: LiveBus) -> None:
    before = digests(pair)
    change(pair, "pin: Person.Pin", "pin: Person.Pin\n      fin: Person.Pin")
    broken = Path(pair.settings.home) / "keys" / "callers" / "portal" / "broken.pub.pem"
    broken.write_text("not a key", "utf-8")
    try:
        done = pair.esb("routes", "reload")
        assert done.returncode == 1
        assert "the old table stays in use everywhere" in done.stderr
        assert "broken.pub.pem" in done.stderr
        assert digests(pair) == before
        assert "fin" not in pair.ask("person.identity").reply["data"]
    finally:
        broken.unlink()
    assert pair.esb("routes", "reload").returncode == 0
    assert pair.ask("person.identity").reply["data"]["fin"] == "7TESTX1"


def test_a_new_caller_and_its_grant_are_known_after_a_reload(pair: LiveBus) -> None:
    added = pair.esb("callers", "add", "newcomer")
    assert added.returncode == 0, added.stderr
    assert pair.ask("person.identity", caller="newcomer").status == 401
    assert pair.esb("callers", "grant", "newcomer", "person.identity").returncode == 0
    assert pair.esb("routes", "reload").returncode == 0
    assert {pair.ask("person.identity", caller="newcomer").status for _ in range(10)} == {200}
    assert pair.ask("person.address", caller="newcomer").status == 403


async def test_a_killed_worker_is_replaced_and_what_it_had_accepted_is_finished(
    pair: LiveBus, agencies: Agencies
) -> None:
    await agencies.behave("din-reg", "slow=300")
    accepted = [pair.ask("person.identity", headers={"Prefer": "respond-async"}) for _ in range(12)]
    assert {got.status for got in accepted} == {202}
    killed, *_ = workers_of(pair)
    os.kill(killed, signal.SIGKILL)
    await agencies.behave_well("din-reg")
    ids = [got.headers["message-id"] for got in accepted]

    def is_answered(message_id: str) -> bool:
        try:
            return bool(pair.message(message_id).reply["status"] == "OK")
        except OSError:
            return False  # the kernel gave this connection to the dead worker's socket

    eventually(lambda: all(is_answered(message_id) for message_id in ids))
    eventually(lambda: len(workers_of(pair)) == 2 and killed not in workers_of(pair))
    for message_id in ids:
        assert [record["kind"] for record in recorded(pair, pair.message(message_id))].count("COMPLETED") == 1


async def test_a_bus_that_is_told_to_stop_answers_what_it_accepted(
    agencies: Agencies, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bus = start(quick_settings(agencies, tmp_path_factory.mktemp("stopped")), workers=2)
    await agencies.behave("din-reg", "slow=300")
    with ThreadPoolExecutor(max_workers=6) as pool:
        asked = [pool.submit(bus.ask, "person.identity") for _ in range(6)]
        for _ in range(500):
            if (await agencies.calls("din-reg")).get("GetPersonByPin") == {"7TESTX1": 6}:
                break
            await asyncio.sleep(0.02)
        assert bus.stop() == 0
    assert [future.result().status for future in asked] == [200] * 6


def test_workers_end_with_a_supervisor_that_is_killed_and_the_next_start_finds_everything_free(
    agencies: Agencies, tmp_path_factory: pytest.TempPathFactory
) -> None:
    bus = start(quick_settings(agencies, tmp_path_factory.mktemp("orphans")), workers=2)
    workers = workers_of(bus)
    bus.kill()
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    again = start(bus.settings, workers=2)
    assert again.ask("person.identity").status == 200
    assert again.stop() == 0
