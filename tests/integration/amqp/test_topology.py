"""What the broker does with our topology."""

from __future__ import annotations

import asyncio

import pika.exceptions
import pytest

from esb.amqp.connection import Broker
from esb.amqp.publisher import Outcome
from esb.amqp.topology import caller_permissions, declare, topology
from esb.errors import BrokerUnavailable
from tests.support.amqp import LOG, ROUTES, connected, message, publishing
from tests.support.rabbitmq import Client, Permission, Rabbit, eventually

pytestmark = pytest.mark.rabbitmq


async def test_declaring_again_and_from_several_workers_changes_nothing(rabbit: Rabbit) -> None:
    wanted = topology([], ROUTES)
    async with connected(rabbit.url) as one, connected(rabbit.url) as other:
        channels = [await broker.open_channel() for broker in (one, other, one)]
        await asyncio.gather(*(declare(channel, wanted) for channel in channels))

    assert rabbit.queues() == {queue.name for queue in wanted.queues}


async def test_a_queue_that_exists_with_other_arguments_is_told_and_nothing_is_ready(rabbit: Rabbit) -> None:
    client = rabbit.client()
    client.queue("esb.work.mkr")
    broker = Broker(rabbit.url, name="tests", log=LOG)
    broker.on_connected(lambda channel: declare(channel, topology([], ROUTES)))
    await broker.start()
    try:
        await eventually(lambda: "PRECONDITION_FAILED" in (broker.state.problem or ""))
        assert not broker.state.connected
        with pytest.raises(BrokerUnavailable, match=r"esb\.work\.mkr"):
            await broker.wait_ready(0.01)
    finally:
        await broker.stop()


async def test_a_request_reaches_its_agencys_queue_and_an_unknown_route_the_unroutable_one(rabbit: Rabbit) -> None:
    client = rabbit.client()
    async with connected(rabbit.url):
        client.publish("person.identity", message_id="1")
        client.publish("person.overview", message_id="2")
        client.publish("no.such.route", message_id="3")

    assert [p.message_id for p, _ in client.take_all("esb.work.din-reg")] == ["1"]
    assert [p.message_id for p, _ in client.take_all("esb.work.gather")] == ["2"]
    assert [p.message_id for p, _ in client.take_all("esb.unroutable")] == ["3"]


async def test_a_route_that_moved_is_no_longer_bound_to_its_former_agency(rabbit: Rabbit) -> None:
    before, after = topology([], ROUTES), topology([], {**ROUTES, "person.identity": "mkr"})
    client = rabbit.client()
    async with connected(rabbit.url, wanted=before) as broker:
        await declare(await broker.open_channel(), after, previous=before)
        client.publish("person.identity", message_id="1")

    assert client.take_all("esb.work.din-reg") == []
    assert [p.message_id for p, _ in client.take_all("esb.work.mkr")] == ["1"]


async def test_a_delayed_message_comes_back_to_its_work_queue_with_its_headers(rabbit: Rabbit) -> None:
    client = rabbit.client()
    async with connected(rabbit.url) as broker, publishing(broker) as publisher:
        outcome = await publisher.publish(message(1, exchange="esb.delay", routing_key="1.din-reg"))
        assert outcome is Outcome.CONFIRMED
        await eventually(lambda: client.depth("esb.work.din-reg"))

    assert [p.message_id for p, _ in client.take_all("esb.work.din-reg")] == ["m1"]


async def test_a_request_that_expires_before_anybody_takes_it_is_kept_as_dead(rabbit: Rabbit) -> None:
    client = rabbit.client()
    async with connected(rabbit.url):
        client.publish("person.identity", message_id="1", expiration="20")
        await eventually(lambda: client.depth("esb.dead"))

    ((properties, _),) = client.take_all("esb.dead")
    assert properties.headers["x-death"][0]["reason"] == "expired"


@pytest.fixture
def portal(rabbit: Rabbit) -> Client:
    """A caller's own connection with exactly the permissions that a caller gets."""
    granted = caller_permissions("portal")
    rabbit.user(
        "portal",
        Permission(
            configure=granted.configure,
            write=granted.write,
            read=granted.read,
            topics=(("esb.replies", granted.replies_write, granted.replies_read),),
        ),
    )
    return rabbit.client("portal")


async def test_a_caller_can_ask_and_read_its_own_replies(rabbit: Rabbit, portal: Client) -> None:
    async with connected(rabbit.url) as broker, publishing(broker) as publisher:
        portal.publish("person.identity", message_id="1")
        portal.queue("portal.replies")
        portal.channel.queue_bind("portal.replies", "esb.replies", "portal.#")
        replies = [
            message(n, exchange="esb.replies", routing_key=f"{who}.x") for n, who in enumerate(("eesmn", "portal"))
        ]
        outcomes = await publisher.publish_all(replies)

    assert outcomes == [Outcome.RETURNED, Outcome.CONFIRMED]
    assert [p.message_id for p, _ in portal.take_all("portal.replies")] == ["m1"]


@pytest.mark.parametrize("pattern", ["#", "*.person.identity", "eesmn.#"])
async def test_a_caller_cannot_bind_itself_to_the_replies_of_others(
    rabbit: Rabbit, portal: Client, pattern: str
) -> None:
    async with connected(rabbit.url):
        portal.queue("portal.replies")
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"):
            portal.channel.queue_bind("portal.replies", "esb.replies", pattern)


async def test_a_caller_reaches_no_queue_but_through_the_requests_exchange(rabbit: Rabbit, portal: Client) -> None:
    async with connected(rabbit.url):
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"):
            portal.publish("esb.work.din-reg", exchange="")


async def test_a_caller_cannot_read_work_or_what_is_parked(rabbit: Rabbit, portal: Client) -> None:
    async with connected(rabbit.url):
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"):
            portal.take("esb.work.din-reg")


async def test_a_caller_that_gives_anothers_name_is_refused_by_the_broker(rabbit: Rabbit, portal: Client) -> None:
    async with connected(rabbit.url):
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="user_id"):
            portal.publish("person.identity", user_id="esb", headers={"esb-origin": "bus", "esb-caller": "eesmn"})

    assert rabbit.client().depth("esb.work.din-reg") == 0
