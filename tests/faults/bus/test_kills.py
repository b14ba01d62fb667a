"""Workers are killed at any moment: whatever was accepted is finished or parked, with one reply, and on record once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

import pytest

from esb import operations
from esb.exchanges import TAKEN_UP_AT_MOST
from esb.model import CallerName, MessageId
from esb.ports import State, StoredExchange
from tests.support.agencies import Agencies
from tests.support.bus import LiveBus
from tests.support.portal import (
    Portal,
    Serve,
    add_caller,
    broker_settings,
    declared,
    kinds,
    question,
    stored,
)
from tests.support.postgres import PostgresNode
from tests.support.rabbitmq import RabbitNode

pytestmark = [pytest.mark.timeout(300)]

ROUNDS = 4
SENDERS = 3
WORKERS = 2
ROUTES = ("person.identity", "student.status", "person.registration")
CHANCE = random.Random()  # noqa: S311 - another moment for each kill in each run
ALPHABET = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"


class Traffic:
    """Senders that ask over HTTP, for later, until they are stopped; `accepted` is what the bus promised to answer."""

    def __init__(self, bus: LiveBus) -> None:
        self.accepted: dict[str, tuple[str, str]] = {}
        self._bus = bus
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(SENDERS)]
        bus.token()
        for thread in self._threads:
            thread.start()

    def stop(self) -> dict[str, tuple[str, str]]:
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        return self.accepted

    def _send(self) -> None:
        while not self._stopping.is_set():
            message_id, route, fin = str(uuid.uuid4()), CHANCE.choice(ROUTES), new_fin()
            headers = {"Prefer": "respond-async", "Message-Id": message_id}
            try:
                got = self._bus.post(route, question(fin), headers=headers)
            except (OSError, HTTPException):
                continue  # the worker died over it: nothing was promised
            if got.status == 202:
                self.accepted[message_id] = (route, fin)


async def test_a_worker_killed_again_and_again_finishes_what_it_accepted(
    serve: Serve, agencies: Agencies, tmp_path: Path
) -> None:
    settings = broker_settings(agencies, tmp_path)
    accepted: dict[str, tuple[str, str]] = {}
    await agencies.behave("din-reg", "slow=60")
    bus = serve(settings)
    for _ in range(ROUNDS):
        traffic = Traffic(bus)
        await asyncio.sleep(CHANCE.uniform(0.1, 0.9))
        bus.kill()
        accepted |= traffic.stop()
        bus = serve(bus.settings)

    assert accepted
    ended = await all_ended(bus, accepted)
    await nothing_was_done_twice(bus, agencies, accepted, ended)
    completed = {exchange.request.message_id for exchange in ended if exchange.state is State.COMPLETED}
    assert completed <= emptied_inbox(bus)
    assert bus.stop() == 0
    assert bus.esb("journal", "verify").returncode == 0


@pytest.mark.rabbitmq
@pytest.mark.postgres
async def test_one_worker_of_two_killed_again_and_again_loses_nothing_of_either_channel(
    serve: Serve, agencies: Agencies, rabbit_node: RabbitNode, stoppable_postgres: PostgresNode, tmp_path: Path
) -> None:
    vhost, database = rabbit_node.fresh_vhost(), stoppable_postgres.fresh_database()
    bus = serve(broker_settings(agencies, tmp_path, rabbit_node, vhost, database_url=database), workers=WORKERS)
    declared(bus)
    portal = Portal(add_caller(rabbit_node, vhost))
    await agencies.behave("din-reg", "slow=60")
    traffic = Traffic(bus)
    asked: dict[str, tuple[str, str]] = {}
    for _ in range(ROUNDS):
        for _ in range(CHANCE.randint(20, 60)):
            route, fin = CHANCE.choice(ROUTES), new_fin()
            asked[portal.ask(route, fin)] = (route, fin)
        await asyncio.sleep(CHANCE.uniform(0.0, 0.3))
        victim = CHANCE.choice(workers_of(bus))
        os.kill(victim, signal.SIGKILL)
        while victim in (now := workers_of(bus)) or len(now) < WORKERS:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.05)
    accepted = {**traffic.stop(), **asked}

    ended = await all_ended(bus, accepted)
    await nothing_was_done_twice(bus, agencies, accepted, ended)
    completed = {exchange.request.message_id for exchange in ended if exchange.state is State.COMPLETED}
    # A relay that was killed holds what it was about to send for a while.
    await portal.answered([message_id for message_id in asked if message_id in completed], within_s=120)
    assert completed <= {got.message_id for got in portal.received(portal.feed)}
    for message_id in completed:
        assert len({got.body for got in portal.received(portal.feed, message_id=message_id)}) == 1
    portal.close()
    assert bus.stop() == 0
    assert bus.esb("journal", "verify").returncode == 0


async def test_a_question_that_must_not_be_repeated_is_parked_when_its_worker_dies_over_it(
    serve: Serve, agencies: Agencies, tmp_path: Path
) -> None:
    await agencies.behave("din-reg", "slow=2000")
    bus = serve(broker_settings(agencies, tmp_path))
    over_http = bus.ask("person.registration", headers={"Prefer": "respond-async"}).reply["message_id"]
    while not await agencies.calls("din-reg"):  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.02)
    bus.kill()

    bus = serve(bus.settings)
    while (exchange := await stored(bus.settings, over_http)) is None or exchange.state is State.RECEIVED:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    assert (exchange.state, exchange.parked_reason) == (State.PARKED, "the effect of an earlier call is unknown")
    assert await agencies.calls("din-reg") == {"GetPersonByPin": {"7TESTX1": 1}}
    assert await kinds(bus.settings, over_http) == ["RECEIVED", "CALLING", "PARKED"]
    assert bus.stop() == 0


async def test_a_question_that_its_workers_never_survive_is_parked(
    serve: Serve, agencies: Agencies, tmp_path: Path
) -> None:
    await agencies.behave("din-reg", "refuse")
    bus = serve(broker_settings(agencies, tmp_path, later_tries_s=(3600,)))
    message_id = bus.ask("person.identity", headers={"Prefer": "respond-async"}).reply["message_id"]
    while "POSTPONED" not in await kinds(bus.settings, message_id):  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.05)
    assert bus.stop() == 0
    async with operations.open_journal(bus.settings) as journal:
        for _ in range(TAKEN_UP_AT_MOST):
            assert await journal.take_over(CallerName("portal"), MessageId(message_id), lease_s=60) is not None
            assert await journal.release_own_leases() == 1

    bus = serve(bus.settings)
    while (exchange := await stored(bus.settings, message_id)) is None or exchange.state is State.RECEIVED:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    assert exchange.state is State.PARKED
    assert "never finished" in (exchange.parked_reason or "")
    assert bus.stop() == 0


async def test_a_caller_that_waited_finds_its_reply_in_the_inbox_when_the_worker_died(
    serve: Serve, agencies: Agencies, tmp_path: Path
) -> None:
    await agencies.behave("din-reg", "slow=1000,next=1")
    bus = serve(broker_settings(agencies, tmp_path))
    message_id = str(uuid.uuid4())
    with waiting_caller(bus, message_id):
        while not await agencies.calls("din-reg"):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.02)
        bus.kill()

    bus = serve(bus.settings)
    replied = bus.message(message_id, wait_s=30)
    assert replied.reply["status"] == "OK"
    assert emptied_inbox(bus) == {message_id}
    assert bus.stop() == 0


async def all_ended(bus: LiveBus, accepted: dict[str, tuple[str, str]]) -> Sequence[StoredExchange]:
    """What became of the accepted messages, once each is finished or parked."""
    async with operations.open_journal(bus.settings) as journal, asyncio.timeout(120):
        while True:
            found = [await journal.find(CallerName("portal"), MessageId(message_id)) for message_id in accepted]
            ended = [exchange for exchange in found if exchange is not None and exchange.state is not State.RECEIVED]
            if len(ended) == len(accepted):
                return ended
            await asyncio.sleep(0.25)


async def nothing_was_done_twice(
    bus: LiveBus, agencies: Agencies, accepted: dict[str, tuple[str, str]], ended: Sequence[StoredExchange]
) -> None:
    """One COMPLETED for each that is completed, and what must not be repeated was not."""
    calls = (await agencies.calls("din-reg")).get("GetPersonByPin", {})
    async with operations.open_journal(bus.settings) as journal:
        for exchange in ended:
            route, fin = accepted[exchange.request.message_id]
            recorded = await journal.records_of(exchange.request.caller, exchange.request.message_id)
            written = Counter(record.kind for record in recorded)
            assert written["RECEIVED"] == 1
            assert written["COMPLETED"] == (1 if exchange.state is State.COMPLETED else 0)
            if route == "person.registration":
                assert written["CALLING"] == 1
                assert calls.get(fin, 0) <= 1
                assert exchange.state is State.PARKED or calls[fin] == 1
            else:
                assert exchange.state is State.COMPLETED


def emptied_inbox(bus: LiveBus) -> set[str]:
    """Takes everything out of the portal's inbox and answers whose replies it were."""
    taken: set[str] = set()
    while replies := bus.send("GET", "/v1/replies?max=100").reply["replies"]:
        for reply in replies:
            bus.send("POST", f"/v1/replies/{reply['message_id']}/ack")
            taken.add(reply["message_id"])
    return taken


def workers_of(bus: LiveBus) -> list[int]:
    """The processes below the supervisor."""
    pid = bus.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def new_fin() -> str:
    """A person that nobody asked about before, and nobody knows."""
    return "7" + "".join(CHANCE.choices(ALPHABET, k=6))


@contextmanager
def waiting_caller(bus: LiveBus, message_id: str) -> Iterator[None]:
    """Somebody who asks and waits for the reply, in vain."""

    def ask() -> None:
        try:
            bus.ask("person.identity", headers={"Message-Id": message_id})
        except (OSError, HTTPException):
            return

    caller = threading.Thread(target=ask)
    caller.start()
    yield
    caller.join()
