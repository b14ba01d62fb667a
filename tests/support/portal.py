"""A portal backend on RabbitMQ, as far as its own broker user may go, and a bus that serves it.

`broker_bus` (one for the session) and `portal` (its queues empty and bound anew for each test) are fixtures; `Portal`
and `broker_settings` serve tests that start buses of their own.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pika
import pytest

from esb import operations
from esb.amqp.topology import caller_permissions
from esb.model import CallerName, MessageId
from esb.ports import JournalRecord, StoredExchange
from esb.settings import Settings
from security import jws, keys
from tests.support.agencies import ROOT, Agencies
from tests.support.bus import PURPOSE, LiveBus, settings_for, start
from tests.support.rabbitmq import Client, Permission, RabbitNode

ANSWER_WITHIN_S = 30.0

ONCE_ONLY = """
  # The agency must not be asked twice: what cannot be known to have had no effect is parked.
  person.registration:
    title: {az: "Qeydiyyat", en: "Registration of a person"}
    audience: [citizen]
    legal_basis: "Cabinet decision 191/2011"
    adapter: din-reg
    operation: GetPersonByPin
    request: {Pin: subject.value}
    reply: {surname: Person.Surname}
    timeout_s: 3
    deadline_s: 4
    idempotent: false
"""


class Got(msgspec.Struct, frozen=True, kw_only=True):
    """One message that the portal took from one of its queues."""

    body: bytes
    message_id: str
    correlation_id: str | None
    content_type: str
    headers: dict[str, Any]

    @property
    def reply(self) -> dict[str, Any]:
        """The body as plain values."""
        reply: dict[str, Any] = json.loads(self.body)
        return reply

    @property
    def status(self) -> str:
        """The reply's status."""
        return str(self.reply["status"])

    @property
    def fault(self) -> dict[str, Any]:
        """The first fault of the reply."""
        fault: dict[str, Any] = self.reply["faults"][0]
        return fault


class Portal:
    """A caller's connection with two ways to its replies: a queue of its own, and its part of `esb.replies`."""

    def __init__(self, url: str, *, name: str = "portal") -> None:
        """`url`: what `add_caller` gave. The bus must have declared its exchanges."""
        self.name = name
        self.url = url
        self.answers = f"{name}.answers"
        self.feed = f"{name}.feed"
        self.asked: list[str] = []
        self._taken: dict[str, list[Got]] = {self.answers: [], self.feed: []}
        self.client = Client(url)
        self._listen()

    def connect(self) -> None:
        """Connect again, and make both queues if they are not there."""
        self.client.close()
        self.client = Client(self.url)
        self._listen()

    def _listen(self) -> None:
        self.client.queue(self.answers)
        self.client.queue(self.feed)
        self.client.channel.queue_bind(self.feed, "esb.replies", f"{self.name}.#")

    def close(self, *, leave_queues: bool = False) -> None:
        """Take the queues away, so that the next test begins with empty ones."""
        if not leave_queues:
            for queue in (self.answers, self.feed):
                self.client.channel.queue_delete(queue)
        self.client.close()

    def ask(self, route: str, fin: str = "7TESTX1", *, body: bytes | None = None, **facts: Any) -> str:
        """One confirmed question; `facts` are AMQP properties beyond the usual ones. Answers its message id."""
        message_id = facts.pop("message_id", None) or str(uuid.uuid4())
        usual = {"message_id": message_id, "correlation_id": f"c-{message_id}", "reply_to": self.answers}
        self.client.publish(route, question(fin) if body is None else body, **{**usual, **facts})
        self.asked.append(message_id)
        return str(message_id)

    def received(self, queue: str | None = None, *, message_id: str | None = None) -> list[Got]:
        """Everything that a queue (the portal's own, unless said) has brought so far, for one message or all."""
        queue = queue or self.answers
        self._taken[queue] += [_got(*message) for message in self.client.take_all(queue)]
        return [got for got in self._taken[queue] if message_id in (None, got.message_id)]

    async def reply(self, message_id: str, *, queue: str | None = None, within_s: float = ANSWER_WITHIN_S) -> Got:
        """The first reply to a message."""
        return (await self.replies(message_id, queue=queue, within_s=within_s))[0]

    async def replies(
        self, message_id: str, count: int = 1, *, queue: str | None = None, within_s: float = ANSWER_WITHIN_S
    ) -> list[Got]:
        """At least `count` messages about one message id."""
        await until(lambda: len(self.received(queue, message_id=message_id)) >= count, within_s=within_s)
        return self.received(queue, message_id=message_id)

    async def answered(self, message_ids: Sequence[str], *, within_s: float = 60.0) -> None:
        """Return when each of these messages has a reply in the portal's own queue."""
        wanted = set(message_ids)
        await until(lambda: wanted <= {got.message_id for got in self.received()}, within_s=within_s)


def add_caller(node: RabbitNode, vhost: str, name: str = "portal") -> str:
    """Make a broker user with the rights of a caller, and answer its address."""
    allowed = caller_permissions(name)
    permission = Permission(
        configure=allowed.configure,
        write=allowed.write,
        read=allowed.read,
        topics=(("esb.replies", allowed.replies_write, allowed.replies_read),),
    )
    return node.add_user(name, vhost, permission)


def question(fin: str = "7TESTX1", **others: Any) -> bytes:
    """The body of a question about one person."""
    return json.dumps({"subject": {"scheme": "FIN", "value": fin}, **PURPOSE, **others}).encode()


async def until(condition: Callable[[], object], *, within_s: float = ANSWER_WITHIN_S) -> None:
    """Return when `condition` holds; the bound is only there to end a test that will never pass."""
    give_up_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < give_up_s, f"not within {within_s} s"
        await asyncio.sleep(0.05)


def broker_settings(
    agencies: Agencies, home: Path, rabbit: RabbitNode | None = None, vhost: str = "", **others: Any
) -> Settings:
    """Settings of a bus on this virtual host (or without a broker), with a route that must not be repeated."""
    home.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / "routes.yaml", home / "routes.yaml")
    with (home / "routes.yaml").open("a", encoding="utf-8") as routes:
        routes.write(ONCE_ONLY)
    chosen = {"broker_url": "" if rabbit is None else rabbit.url(vhost), "later_tries_s": (1, 1), "lease_margin_s": 2.0}
    return settings_for(agencies, home, **{**chosen, **others})


async def stored(settings: Settings, message_id: str, *, caller: str = "portal") -> StoredExchange | None:
    """The exchange as the journal has it."""
    async with operations.open_journal(settings) as journal:
        return await journal.find(CallerName(caller), MessageId(message_id))


async def records(
    settings: Settings, message_ids: Iterable[str], *, caller: str = "portal"
) -> dict[str, list[JournalRecord]]:
    """What the journal recorded of each, in order."""
    async with operations.open_journal(settings) as journal:
        name = CallerName(caller)
        return {known: list(await journal.records_of(name, MessageId(known))) for known in message_ids}


async def kinds(settings: Settings, message_id: str, *, caller: str = "portal") -> list[str]:
    """The kinds of the records of one."""
    return [record.kind for record in (await records(settings, [message_id], caller=caller))[message_id]]


def verify(bus: LiveBus, got: Got) -> None:
    """Return when the bus signed exactly these bytes."""
    listed = json.loads(bus.send("GET", "/.well-known/jwks.json", caller=None).body)["keys"]
    jws.verify_detached(got.body, got.headers["esb-signature"], {key["kid"]: keys.from_jwk(key) for key in listed})


def declared(bus: LiveBus) -> None:
    """Return when the bus has everything it needs, the broker's topology included."""
    give_up_s = time.monotonic() + ANSWER_WITHIN_S
    while bus.send("GET", "/readyz", caller=None).status != 200:
        assert time.monotonic() < give_up_s, bus.log.read_text()[-2000:]
        time.sleep(0.05)


class Serve(Protocol):
    """Starts a bus; started again on the same settings, it has the same state and port."""

    def __call__(self, settings: Settings, *, workers: int = 1) -> LiveBus: ...


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Buses of one test; what still runs when it ends is stopped."""
    started: list[LiveBus] = []

    def serve_one(settings: Settings, *, workers: int = 1) -> LiveBus:
        bus = start(settings, workers=workers)
        started.append(bus)
        return bus

    yield serve_one
    for bus in started:
        if bus.process.poll() is None:
            bus.stop()


@pytest.fixture(scope="session")
def bus_vhost(rabbit_node: RabbitNode) -> str:
    return rabbit_node.fresh_vhost()


@pytest.fixture(scope="session")
def running_broker_bus(
    running_agencies: Agencies, rabbit_node: RabbitNode, bus_vhost: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveBus]:
    home = tmp_path_factory.mktemp("broker-bus")
    bus = start(broker_settings(running_agencies, home, rabbit_node, bus_vhost))
    declared(bus)
    yield bus
    assert bus.stop() == 0


@pytest.fixture
def broker_bus(running_broker_bus: LiveBus, agencies: Agencies) -> LiveBus:
    return running_broker_bus


@pytest.fixture(scope="session")
def portal_url(rabbit_node: RabbitNode, bus_vhost: str) -> str:
    return add_caller(rabbit_node, bus_vhost)


@pytest.fixture(scope="session")
def eesmn_url(rabbit_node: RabbitNode, bus_vhost: str) -> str:
    return add_caller(rabbit_node, bus_vhost, "eesmn")


@pytest.fixture
def portal(broker_bus: LiveBus, portal_url: str) -> Iterator[Portal]:
    portal = Portal(portal_url)
    yield portal
    portal.close()


@pytest.fixture
def eesmn(broker_bus: LiveBus, eesmn_url: str) -> Iterator[Portal]:
    caller = Portal(eesmn_url, name="eesmn")
    yield caller
    caller.close()


@pytest.fixture
def operator(rabbit_node: RabbitNode, bus_vhost: str) -> Iterator[Client]:
    """A connection that may look into every queue."""
    client = Client(rabbit_node.url(bus_vhost))
    yield client
    client.close()


def _got(properties: pika.BasicProperties, body: bytes) -> Got:
    return Got(
        body=body,
        message_id=properties.message_id,
        correlation_id=properties.correlation_id,
        content_type=properties.content_type,
        headers=properties.headers or {},
    )
