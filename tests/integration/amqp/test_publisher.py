"""The publisher against a real broker."""

from __future__ import annotations

import asyncio

import pytest

from esb.amqp.publisher import Outcome
from esb.errors import BrokerUnavailable
from tests.support.amqp import connected, message, publishing
from tests.support.rabbitmq import Rabbit

pytestmark = pytest.mark.rabbitmq


async def test_a_confirmed_message_lies_in_its_queue_with_all_its_properties(rabbit: Rabbit) -> None:
    async with connected(rabbit.url) as broker, publishing(broker) as publisher:
        outcome = await publisher.publish(message(1, body="Əliyeva".encode()))
    client = rabbit.client()
    taken = client.take("esb.parked")

    assert outcome is Outcome.CONFIRMED
    assert taken is not None
    properties, body = taken
    assert body.decode() == "Əliyeva"
    assert (properties.message_id, properties.delivery_mode, properties.app_id) == ("m1", 2, "esb")
    assert (properties.user_id, properties.content_type) == ("esb", "application/json")


async def test_a_message_for_no_queue_is_returned(rabbit: Rabbit) -> None:
    async with connected(rabbit.url) as broker, publishing(broker) as publisher:
        outcomes = await publisher.publish_all(
            [
                message(1),
                message(2, routing_key="portal.gone"),
                message(3, exchange="esb.replies", routing_key="portal.x"),
                message(4),
            ]
        )

    assert outcomes == [Outcome.CONFIRMED, Outcome.RETURNED, Outcome.RETURNED, Outcome.CONFIRMED]


async def test_the_same_message_to_two_places_is_returned_only_for_the_place_that_is_not_there(rabbit: Rabbit) -> None:
    async with connected(rabbit.url) as broker, publishing(broker) as publisher:
        outcomes = await publisher.publish_all([message(1, routing_key="portal.gone"), message(1)])

    assert outcomes == [Outcome.RETURNED, Outcome.CONFIRMED]


async def test_a_name_too_long_for_amqp_is_answered_like_a_queue_that_is_not_there(rabbit: Rabbit) -> None:
    async with connected(rabbit.url) as broker, publishing(broker) as publisher:
        outcomes = await publisher.publish_all([message(1, routing_key="ə" * 200), message(2)])

    assert outcomes == [Outcome.RETURNED, Outcome.CONFIRMED]


async def test_never_more_than_the_window_is_outstanding(rabbit: Rabbit) -> None:
    async with connected(rabbit.url) as broker, publishing(broker, window=10) as publisher:
        seen: list[int] = []

        async def publish(number: int) -> Outcome:
            outcome = asyncio.ensure_future(publisher.publish(message(number)))
            await asyncio.sleep(0)
            seen.append(publisher.outstanding)
            return await outcome

        outcomes = await asyncio.gather(*(publish(number) for number in range(200)))

    assert outcomes == [Outcome.CONFIRMED] * 200
    assert 1 < max(seen) <= 10
    assert publisher.outstanding == 0


async def test_publishing_without_a_connection_raises_and_sends_nothing(rabbit: Rabbit) -> None:
    async with connected(rabbit.url) as broker:
        async with publishing(broker) as publisher:
            pass
        with pytest.raises(BrokerUnavailable):
            await publisher.publish(message(1))
        assert await publisher.publish_all([message(2), message(3)]) == [Outcome.UNCONFIRMED] * 2


async def test_publishing_to_an_exchange_that_is_not_there_ends_no_more_than_the_channel(rabbit: Rabbit) -> None:
    async with connected(rabbit.url) as broker, publishing(broker) as publisher:
        outcomes = await publisher.publish_all([message(1, exchange="nowhere")])
        await publisher.wait_ready()
        again = await publisher.publish(message(2))

    assert outcomes == [Outcome.UNCONFIRMED]
    assert again is Outcome.CONFIRMED
    assert broker.connects == 1
