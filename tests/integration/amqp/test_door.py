"""The RabbitMQ door against a real broker, with a door behind it that the test plays."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pika
import pytest

from esb.amqp.connection import Broker
from esb.errors import JournalUnavailable
from esb.inbound.amqp import AmqpDoor
from esb.ports import Arrival, Channel, Credentials
from tests.support.amqp import LOG, RecordingDoor, connected, message, now, publishing
from tests.support.rabbitmq import EVERYTHING, Client, Rabbit, eventually

pytestmark = pytest.mark.rabbitmq

LIMITS = {"din-reg": 4, "mkr": 4, "gather": 4}


@asynccontextmanager
async def consuming(
    broker: Broker, door: RecordingDoor, limits: Mapping[str, int] = LIMITS, *, grace_s: float = 5.0
) -> AsyncIterator[AmqpDoor]:
    amqp = AmqpDoor(door=door, broker=broker, clock=now, log=LOG)
    await amqp.start(limits)
    try:
        yield amqp
    finally:
        await amqp.stop(grace_s=grace_s)


@pytest.fixture
def portal(rabbit: Rabbit) -> Client:
    rabbit.user("portal", EVERYTHING)
    return rabbit.client("portal")


def waits_for(event: asyncio.Event, *, only: Callable[[Arrival], bool] = lambda _: True) -> Callable[[Arrival], object]:
    return lambda arrival: event.wait() if only(arrival) else None


async def test_an_arrival_carries_what_the_sender_said_and_the_name_the_broker_checked(
    rabbit: Rabbit, portal: Client
) -> None:
    door = RecordingDoor()
    async with connected(rabbit.url) as broker, consuming(broker, door):
        portal.publish(
            "person.identity",
            b'{"subject":null}',
            message_id="m1",
            correlation_id="c1",
            reply_to="portal.replies",
            headers={"traceparent": "00-a-b-01", "esb-signature": "h..s"},
        )
        await eventually(lambda: door.arrivals)

    (arrival,) = door.arrivals
    assert arrival.received_at.tzinfo is UTC
    assert arrival == Arrival(
        route="person.identity",
        body=b'{"subject":null}',
        content_type="application/json",
        channel=Channel.AMQP,
        credentials=Credentials(broker_user="portal"),
        received_at=arrival.received_at,
        message_id="m1",
        correlation_id="c1",
        traceparent="00-a-b-01",
        asynchronous=True,
        reply_to="portal.replies",
        signature="h..s",
    )


async def test_a_message_without_user_id_comes_from_nobody(rabbit: Rabbit, portal: Client) -> None:
    door = RecordingDoor()
    async with connected(rabbit.url) as broker, consuming(broker, door):
        portal.publish("person.identity", user_id=None)
        await eventually(lambda: door.arrivals)

    assert door.arrivals[0].credentials == Credentials()


async def test_a_message_for_an_unknown_route_reaches_the_bus_too(rabbit: Rabbit, portal: Client) -> None:
    door = RecordingDoor()
    async with connected(rabbit.url) as broker, consuming(broker, door):
        portal.publish("no.such.route")
        await eventually(lambda: door.arrivals)

    assert door.arrivals[0].route == "no.such.route"
    assert door.arrivals[0].dead_letter is None


async def test_a_claim_check_of_the_bus_stands_for_its_caller_and_route(rabbit: Rabbit) -> None:
    door = RecordingDoor()
    headers = {"esb-origin": "bus", "esb-caller": "eesmn", "esb-route": "person.identity"}
    own = rabbit.client()
    async with connected(rabbit.url) as broker, consuming(broker, door):
        own.publish("esb.work.din-reg", exchange="", headers=headers, message_id="m1")
        await eventually(lambda: door.arrivals)

    assert door.arrivals[0].on_behalf_of == "eesmn"
    assert door.arrivals[0].route == "person.identity"


async def test_the_bus_headers_mean_nothing_when_a_caller_writes_them(rabbit: Rabbit, portal: Client) -> None:
    door = RecordingDoor()
    headers = {"esb-origin": "bus", "esb-caller": "eesmn", "esb-route": "person.overview"}
    async with connected(rabbit.url) as broker, consuming(broker, door):
        portal.publish("person.identity", headers=headers)
        portal.publish("person.identity", headers=headers, user_id=None)
        await eventually(lambda: len(door.arrivals) == 2)

    assert [(a.on_behalf_of, a.route) for a in door.arrivals] == [(None, "person.identity")] * 2


async def test_a_message_that_the_bus_has_not_taken_yet_stays_with_the_broker(rabbit: Rabbit, portal: Client) -> None:
    door = RecordingDoor(waits_for(asyncio.Event()))
    async with connected(rabbit.url) as broker, consuming(broker, door) as amqp:
        portal.publish("person.identity", message_id="m1")
        await eventually(lambda: door.arrivals)
        assert await amqp.stop(grace_s=0.0) == 1
        await eventually(lambda: portal.depth("esb.work.din-reg"))

    assert [p.message_id for p, _ in portal.take_all("esb.work.din-reg")] == ["m1"]


async def test_a_message_that_the_bus_has_taken_is_gone_from_the_broker(rabbit: Rabbit, portal: Client) -> None:
    door = RecordingDoor()
    async with connected(rabbit.url) as broker, consuming(broker, door) as amqp:
        portal.publish("person.identity", message_id="m1")
        await eventually(lambda: door.arrivals)
        assert await amqp.stop(grace_s=5.0) == 0

    assert portal.take_all("esb.work.din-reg") == []


async def test_a_slow_agency_starves_no_other(rabbit: Rabbit, portal: Client) -> None:
    never = asyncio.Event()
    door = RecordingDoor(waits_for(never, only=lambda arrival: arrival.route == "person.identity"))
    async with connected(rabbit.url) as broker, consuming(broker, door, grace_s=0.0):
        for _ in range(20):
            portal.publish("person.identity")
        for _ in range(20):
            portal.publish("credit.obligations")
        await eventually(lambda: sum(a.route == "credit.obligations" for a in door.arrivals) == 20)

    assert sum(arrival.route == "person.identity" for arrival in door.arrivals) == LIMITS["din-reg"]


async def test_while_the_journal_is_away_messages_are_held_and_then_delivered_once_each(
    rabbit: Rabbit, portal: Client
) -> None:
    away = True
    recorded: list[str | None] = []

    def deliver(arrival: Arrival) -> None:
        if away:
            raise JournalUnavailable("no disk")
        recorded.append(arrival.message_id)

    door = RecordingDoor(deliver)
    async with connected(rabbit.url) as broker, consuming(broker, door) as amqp:
        for number in range(10):
            portal.publish("person.identity", message_id=f"m{number}")
        await eventually(lambda: len(door.arrivals) >= 3 * LIMITS["din-reg"])
        assert portal.depth("esb.work.din-reg") == 10 - LIMITS["din-reg"]
        assert amqp.in_flight == LIMITS["din-reg"]
        away = False
        await eventually(lambda: len(recorded) == 10)

    assert sorted(recorded, key=str) == [f"m{number}" for number in range(10)]
    assert not any(arrival.redelivered for arrival in door.arrivals)
    assert portal.depth("esb.dead") == 0


async def test_a_message_the_bus_stumbles_over_ends_parked_and_never_comes_back(rabbit: Rabbit, portal: Client) -> None:
    def stumble(_: Arrival) -> None:
        raise RuntimeError("a defect")

    door = RecordingDoor(stumble)
    async with connected(rabbit.url) as broker, consuming(broker, door):
        portal.publish("person.identity", b"poison", message_id="m1")
        await eventually(lambda: portal.depth("esb.parked"))

    ((properties, body),) = portal.take_all("esb.parked")
    assert (properties.message_id, body) == ("m1", b"poison")
    assert properties.headers["x-death"][-1]["queue"] == "esb.work.din-reg"
    assert [arrival.dead_letter for arrival in door.arrivals] == [None, "rejected"]
    assert [arrival.route for arrival in door.arrivals] == ["person.identity"] * 2


async def test_a_message_that_ends_its_worker_every_time_is_taken_out_by_the_broker(
    rabbit: Rabbit, portal: Client
) -> None:
    handed_out = 0
    async with connected(rabbit.url) as broker:
        portal.publish("person.identity", message_id="m1")
        # A worker that dies is, for the broker, a channel that ends with the message unacknowledged.
        while portal.depth("esb.dead") == 0:
            channel = await broker.open_channel()
            seen = asyncio.Event()
            await channel.consume("esb.work.din-reg", lambda *_, seen=seen: seen.set(), on_cancelled=lambda: None)
            waiter = asyncio.ensure_future(seen.wait())
            await asyncio.wait({waiter}, timeout=1.0)
            waiter.cancel()
            handed_out += seen.is_set()
            await channel.close()
        door = RecordingDoor()
        async with consuming(broker, door):
            await eventually(lambda: door.arrivals)

    assert handed_out <= 11
    assert door.arrivals[0].dead_letter == "delivery_limit"


async def test_an_expired_request_reaches_the_bus_as_expired(rabbit: Rabbit, portal: Client) -> None:
    door = RecordingDoor()
    async with connected(rabbit.url) as broker:
        portal.publish("person.identity", message_id="m1", expiration="20")
        await eventually(lambda: portal.depth("esb.dead"))
        async with consuming(broker, door):
            await eventually(lambda: door.arrivals)

    assert [(a.message_id, a.dead_letter) for a in door.arrivals] == [("m1", "expired")]


async def test_an_invented_death_is_not_believed(rabbit: Rabbit, portal: Client) -> None:
    door = RecordingDoor()
    forged = {
        "x-death": [{"queue": "esb.work.mkr", "reason": "delivery_limit", "count": 9}],
        "x-first-death-reason": "x",
    }
    async with connected(rabbit.url) as broker, consuming(broker, door):
        portal.publish("person.identity", headers=forged)
        await eventually(lambda: door.arrivals)

    assert door.arrivals[0].dead_letter is None


def _nested(depth: int) -> dict[str, object]:
    table: dict[str, object] = {}
    for _ in range(depth):
        table = {"": table}
    return table


@pytest.mark.parametrize(
    "facts",
    [
        {"headers": {"when": datetime(9999, 12, 31, tzinfo=UTC)}},
        {"headers": {"traceparent": 7, "esb-signature": b"\xff\xfe", "esb-origin": [1]}},
        {"headers": {"amount": Decimal("12.34"), "deep": _nested(100)}},
        {"message_id": "ə" * 120, "correlation_id": "", "content_type": None},
    ],
)
async def test_odd_properties_do_no_harm(rabbit: Rabbit, portal: Client, facts: dict[str, Any]) -> None:
    door = RecordingDoor()
    async with connected(rabbit.url) as broker, consuming(broker, door):
        portal.publish("person.identity", **facts)
        await eventually(lambda: door.arrivals)
        assert broker.connects == 1

    assert door.arrivals[0].traceparent is None
    assert door.arrivals[0].correlation_id is None


class RawHeaders(pika.BasicProperties):  # type: ignore[misc]
    """Properties whose header table is given as bytes, so that a test can send what pika itself would not."""

    def __init__(self, table: bytes, user: str) -> None:
        super().__init__(user_id=user)
        self._table = struct.pack(">I", len(table)) + table
        self._user = bytes([len(user)]) + user.encode()

    def encode(self) -> list[bytes]:
        return [struct.pack(">H", self.FLAG_HEADERS | self.FLAG_USER_ID), self._table, self._user]


def _field(name: str, kind: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name.encode() + kind + value


def _abyss(depth: int) -> bytes:
    table = b""
    for _ in range(depth):
        table = _field("", b"F", struct.pack(">I", len(table)) + table)
    return table


@pytest.mark.parametrize(
    "table",
    [
        pytest.param(_field("when", b"T", struct.pack(">Q", 2**62)), id="a time beyond all calendars"),
        pytest.param(_abyss(5000), id="tables nested 5000 deep"),
    ],
)
async def test_headers_that_nobody_can_read_end_neither_the_connection_nor_other_messages(
    rabbit: Rabbit, portal: Client, table: bytes
) -> None:
    door = RecordingDoor()
    async with connected(rabbit.url) as broker, consuming(broker, door):
        portal.channel.basic_publish("esb.requests", "person.identity", b"odd", RawHeaders(table, "portal"))
        portal.publish("person.identity", b"plain")
        await eventually(lambda: len(door.arrivals) == 2)
        assert broker.connects == 1

    assert [(a.body, a.credentials.broker_user) for a in door.arrivals] == [(b"odd", None), (b"plain", "portal")]
    assert portal.depth("esb.work.din-reg") == 0


async def test_stopping_waits_for_what_runs_and_leaves_the_rest_with_the_broker(rabbit: Rabbit, portal: Client) -> None:
    release = asyncio.Event()
    door = RecordingDoor(lambda a: release.wait() if a.message_id == "quick" else asyncio.Event().wait())
    async with connected(rabbit.url) as broker, consuming(broker, door) as amqp:
        portal.publish("person.identity", message_id="quick")
        portal.publish("person.identity", message_id="stuck")
        await eventually(lambda: len(door.arrivals) == 2)
        release.set()
        left = await amqp.stop(grace_s=0.5)
        portal.publish("person.identity", message_id="late")
        after = RecordingDoor()
        async with consuming(broker, after):
            await eventually(lambda: len(after.arrivals) == 2)

    assert left == 1
    assert {(a.message_id, a.redelivered) for a in after.arrivals} >= {("stuck", True)}
    assert {a.message_id for a in after.arrivals} == {"stuck", "late"}


async def test_a_reload_consumes_new_agencies_and_lets_go_of_old_ones(rabbit: Rabbit, portal: Client) -> None:
    door = RecordingDoor()
    async with connected(rabbit.url) as broker, consuming(broker, door, {"din-reg": 2}) as amqp:
        portal.publish("credit.obligations")
        portal.publish("person.identity")
        await eventually(lambda: door.arrivals)
        await amqp.follow({"mkr": 2})
        await eventually(lambda: len(door.arrivals) == 2)
        portal.publish("person.identity")
        await eventually(lambda: amqp.problem is None)

    assert [arrival.route for arrival in door.arrivals] == ["person.identity", "credit.obligations"]
    assert portal.depth("esb.work.din-reg") == 1


async def test_a_queue_that_is_deleted_and_made_again_is_consumed_again(rabbit: Rabbit, portal: Client) -> None:
    door = RecordingDoor()
    async with connected(rabbit.url) as broker, consuming(broker, door) as amqp:
        await eventually(lambda: amqp.problem is None)
        portal.channel.queue_delete("esb.work.mkr")
        await eventually(lambda: "esb.work.mkr" in (amqp.problem or ""))
        async with connected(rabbit.url):
            portal.publish("credit.obligations")
        portal.publish("person.identity")
        await eventually(lambda: len(door.arrivals) == 2)


async def test_work_published_by_the_bus_is_taken_by_the_bus(rabbit: Rabbit) -> None:
    door = RecordingDoor()
    async with connected(rabbit.url) as broker, consuming(broker, door), publishing(broker) as publisher:
        await publisher.publish_all([message(n, exchange="esb.delay", routing_key="1.din-reg") for n in range(3)])
        await eventually(lambda: len(door.arrivals) == 3)

    assert {arrival.credentials.broker_user for arrival in door.arrivals} == {"esb"}
    assert {arrival.dead_letter for arrival in door.arrivals} == {None}
