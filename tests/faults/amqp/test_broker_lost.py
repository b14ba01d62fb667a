"""The broker goes away, hangs, and comes back: nothing of the outbox is lost, and every consumer is there again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from esb.amqp.publisher import Outcome, Publisher
from esb.amqp.relay import Outbox, Relay
from esb.errors import BrokerUnavailable, JournalUnavailable
from esb.inbound.amqp import AmqpDoor
from esb.journal import GroupCommitJournal, connect
from esb.model import CallerName, MessageId, RouteId
from esb.ports import Channel, Outgoing, PendingOutgoing, ReceivedExchange, Refusal
from tests.support.amqp import LOG, RecordingDoor, connected, message, now, publishing
from tests.support.rabbitmq import Rabbit, eventually

pytestmark = [pytest.mark.rabbitmq, pytest.mark.timeout(180)]


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[GroupCommitJournal]:
    journal = await connect("", tmp_path, owner="node1/1", window_s=0.002, clock=now)
    yield journal
    await journal.close()


@asynccontextmanager
async def relaying(outbox: Outbox, publisher: Publisher) -> AsyncIterator[Relay]:
    relay = Relay(outbox, publisher, log=LOG, look_again_s=0.2)
    await relay.start()
    try:
        yield relay
    finally:
        await relay.stop()


async def record(journal: GroupCommitJournal, outgoing: Sequence[Outgoing]) -> None:
    """Put messages into the outbox by the shortest way that a real transaction offers."""
    refusal = Refusal(
        caller="portal",
        message_id="r",
        route="person.identity",
        channel=Channel.AMQP,
        code="request.schema",
        body_sha256=bytes(32),
        at=now(),
    )
    await journal.refuse(refusal, outgoing=outgoing)


async def waiting(journal: GroupCommitJournal) -> Sequence[PendingOutgoing]:
    return await journal.pending_outgoing(limit=10_000, lease_s=0.0)


def ids_in(rabbit: Rabbit, queue: str) -> list[str]:
    return [properties.message_id for properties, _ in rabbit.client().take_all(queue)]


async def test_the_relay_publishes_what_was_recorded_and_nothing_twice(
    rabbit: Rabbit, journal: GroupCommitJournal
) -> None:
    async with connected(rabbit.url) as broker, publishing(broker) as publisher, relaying(journal, publisher) as relay:
        for start in range(0, 500, 50):
            await record(journal, [message(n) for n in range(start, start + 50)])
            relay.wake()
        await eventually(lambda: relay.published == 500)
        assert await waiting(journal) == ()

    assert sorted(ids_in(rabbit, "esb.parked")) == sorted(f"m{n}" for n in range(500))


async def test_a_reply_that_nobody_takes_from_the_broker_goes_to_the_callers_inbox(
    rabbit: Rabbit, journal: GroupCommitJournal
) -> None:
    caller = CallerName("portal")
    request = ReceivedExchange(
        caller=caller,
        message_id=MessageId("m1"),
        route=RouteId("person.identity"),
        body=b"{}",
        body_sha256=bytes(32),
        channel=Channel.AMQP,
        asynchronous=True,
        received_at=now(),
    )
    reply = Outgoing(
        exchange="",
        routing_key="portal.gone",
        body=b'{"status":"OK"}',
        message_id="m1",
        headers={"esb-signature": "h..s"},
        inbox_of="portal",
    )
    async with connected(rabbit.url) as broker, publishing(broker) as publisher, relaying(journal, publisher) as relay:
        await journal.receive(request, lease_s=60, outgoing=[reply])
        relay.wake()
        await eventually(lambda: relay.returned == 1)
        inbox = await journal.inbox(caller, limit=10, redeliver_after_s=1)
        assert await waiting(journal) == ()

    assert [(entry.message_id, entry.body) for entry in inbox] == [("m1", b'{"status":"OK"}')]


async def test_a_broker_killed_while_the_relay_publishes_loses_nothing(
    rabbit: Rabbit, journal: GroupCommitJournal
) -> None:
    async with connected(rabbit.url) as broker, publishing(broker) as publisher, relaying(journal, publisher) as relay:
        for start in range(0, 1500, 500):
            await record(journal, [message(n) for n in range(start, start + 500)])
        relay.wake()
        await eventually(lambda: relay.published > 0)
        rabbit.node.kill()
        await eventually(lambda: not broker.state.connected)
        assert await waiting(journal) != ()
        await asyncio.to_thread(rabbit.node.start)
        await eventually(lambda: relay.published == 1500, within_s=60)
        assert await waiting(journal) == ()

    received = ids_in(rabbit, "esb.parked")
    assert set(received) == {f"m{n}" for n in range(1500)}
    # The window is all that can have been on its way unconfirmed, and so be sent a second time.
    assert len(received) <= 1500 + 100


async def test_while_the_broker_is_away_rows_wait_and_are_not_taken(
    rabbit: Rabbit, journal: GroupCommitJournal
) -> None:
    async with connected(rabbit.url) as broker, publishing(broker) as publisher:
        rabbit.node.stop()
        await eventually(lambda: not broker.state.connected)
        async with relaying(journal, publisher) as relay:
            await record(journal, [message(n) for n in range(10)])
            relay.wake()
            await asyncio.sleep(0.5)
            assert len(await waiting(journal)) == 10
            await asyncio.to_thread(rabbit.node.start)
            await eventually(lambda: relay.published == 10, within_s=60)

    assert len(ids_in(rabbit, "esb.parked")) == 10


async def test_a_broker_that_hangs_is_given_up_on_and_used_again_when_it_answers(rabbit: Rabbit) -> None:
    async with connected(rabbit.url) as broker, publishing(broker, window=5, confirm_timeout_s=0.5) as publisher:
        rabbit.node.freeze()
        try:
            outcomes = await publisher.publish_all([message(n) for n in range(12)])
            assert publisher.outstanding == 0
            assert refusal_of(publisher)
            with pytest.raises(BrokerUnavailable):
                await publisher.publish(message(99))
        finally:
            rabbit.node.thaw()
        await publisher.wait_ready()
        again = await publisher.publish(message(100))

        assert refusal_of(publisher) is None
    assert outcomes == [Outcome.UNCONFIRMED] * 12
    assert again is Outcome.CONFIRMED


def refusal_of(publisher: Publisher) -> str | None:
    return publisher.problem


class FalteringOutbox:
    """An outbox whose store is away for the first calls of each method."""

    def __init__(self, journal: GroupCommitJournal) -> None:
        self._journal = journal
        self._failures = {"pending": 2, "published": 3}

    async def pending_outgoing(self, *, limit: int, lease_s: float) -> Sequence[PendingOutgoing]:
        self._falter("pending")
        return await self._journal.pending_outgoing(limit=limit, lease_s=lease_s)

    async def outgoing_published(self, outbox_ids: Sequence[int]) -> None:
        self._falter("published")
        await self._journal.outgoing_published(outbox_ids)

    async def outgoing_returned(self, outbox_id: int) -> None:
        await self._journal.outgoing_returned(outbox_id)

    def _falter(self, method: str) -> None:
        if self._failures[method]:
            self._failures[method] -= 1
            raise JournalUnavailable("away")


async def test_a_journal_that_is_away_when_confirms_come_does_not_make_messages_go_out_twice(
    rabbit: Rabbit, journal: GroupCommitJournal
) -> None:
    await record(journal, [message(n) for n in range(20)])
    async with (
        connected(rabbit.url) as broker,
        publishing(broker) as publisher,
        relaying(FalteringOutbox(journal), publisher) as relay,
    ):
        await eventually(lambda: relay.published == 20)
        assert await waiting(journal) == ()

    assert len(ids_in(rabbit, "esb.parked")) == 20


async def test_stopping_the_relay_sends_what_is_there_first(rabbit: Rabbit, journal: GroupCommitJournal) -> None:
    async with connected(rabbit.url) as broker, publishing(broker) as publisher, relaying(journal, publisher) as relay:
        await record(journal, [message(n) for n in range(250)])
        await relay.stop(grace_s=30)
        assert relay.published == 250


async def test_consumers_come_back_after_the_broker_and_finish_what_was_in_flight(rabbit: Rabbit) -> None:
    held = asyncio.Event()
    finished: list[str | None] = []

    async def deliver(arrival: object) -> None:
        await held.wait()
        finished.append(getattr(arrival, "message_id", None))

    door = RecordingDoor(deliver)
    async with connected(rabbit.url) as broker:
        amqp = AmqpDoor(door=door, broker=broker, clock=now, log=LOG)
        await amqp.start({"din-reg": 4, "mkr": 4, "gather": 4})
        sender = rabbit.client()
        for number in range(20):
            sender.publish("person.identity", message_id=f"m{number}")
        await eventually(lambda: len(door.arrivals) == 4)
        rabbit.node.kill()
        await eventually(lambda: not broker.state.connected)
        await asyncio.to_thread(rabbit.node.start)
        held.set()
        await eventually(lambda: {f"m{n}" for n in range(20)} <= set(finished), within_s=60)
        await eventually(lambda: amqp.problem is None)
        assert await amqp.stop(grace_s=5) == 0

    redelivered = {arrival.message_id for arrival in door.arrivals if arrival.redelivered}
    assert {"m0", "m1", "m2", "m3"} <= redelivered
    assert rabbit.client().depth("esb.dead") == 0
