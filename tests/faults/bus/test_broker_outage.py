"""RabbitMQ is away, goes away and comes back: what was accepted is answered, and HTTP goes on without it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from esb.amqp.topology import DELIVERY_LIMIT
from tests.support.agencies import Agencies
from tests.support.bus import LiveBus
from tests.support.portal import Portal, Serve, add_caller, broker_settings, declared, kinds, records, stored, until
from tests.support.rabbitmq import Client, RabbitNode

pytestmark = [pytest.mark.rabbitmq, pytest.mark.timeout(240)]

LATER = {"Prefer": "respond-async"}


def readiness(bus: LiveBus) -> tuple[int, str]:
    got = bus.send("GET", "/readyz", caller=None)
    return got.status, got.body.decode()


async def test_a_bus_without_its_broker_serves_http_and_sends_the_replies_later(
    serve: Serve, agencies: Agencies, own_rabbit_node: RabbitNode, tmp_path: Path
) -> None:
    node, vhost = own_rabbit_node, own_rabbit_node.fresh_vhost()
    settings = broker_settings(agencies, tmp_path, node, vhost)
    bus = serve(settings)
    declared(bus)
    portal = Portal(add_caller(node, vhost))
    portal.close(leave_queues=True)
    assert bus.stop() == 0
    node.stop()

    bus = serve(bus.settings)
    status, told = readiness(bus)
    assert (status, "broker" in told) == (503, True)
    assert bus.ask("person.identity").reply["status"] == "OK"
    accepted = [bus.ask("student.status", headers=LATER) for _ in range(5)]
    assert {got.status for got in accepted} == {202}

    node.start()
    portal.connect()
    for got in accepted:
        message_id = got.reply["message_id"]
        assert (await portal.reply(message_id, queue=portal.feed, within_s=60)).status == "OK"
        assert (await kinds(settings, message_id)).count("COMPLETED") == 1
    await until(lambda: readiness(bus)[0] == 200)
    portal.close()
    assert bus.stop() == 0


async def test_a_broker_that_dies_amid_the_traffic_loses_nothing(
    serve: Serve, agencies: Agencies, own_rabbit_node: RabbitNode, tmp_path: Path
) -> None:
    node, vhost = own_rabbit_node, own_rabbit_node.fresh_vhost()
    bus = serve(broker_settings(agencies, tmp_path, node, vhost))
    declared(bus)
    portal = Portal(add_caller(node, vhost))
    await agencies.behave("din-reg", "slow=300")
    over_amqp = [portal.ask("person.identity") for _ in range(100)]
    over_http = [bus.ask("person.address", headers=LATER).reply["message_id"] for _ in range(10)]
    await until(portal.received)
    node.kill()

    await until(lambda: readiness(bus)[0] == 503)
    assert "broker" in readiness(bus)[1]
    assert bus.ask("student.status").reply["status"] == "OK"
    over_http.append(bus.ask("student.status", headers=LATER).reply["message_id"])
    node.start()
    portal.connect()

    wanted = {*over_amqp, *over_http}
    await until(lambda: wanted <= {got.message_id for got in portal.received(portal.feed)}, within_s=120)
    await portal.answered(over_amqp)
    assert {got.status for got in portal.received(portal.feed)} == {"OK"}
    for message_id, recorded in (await records(bus.settings, wanted)).items():
        assert [record.kind for record in recorded].count("COMPLETED") == 1
        # What comes twice over the wire is the same reply under the same id.
        assert len({got.body for got in portal.received(portal.feed, message_id=message_id)}) == 1
    portal.close()
    assert bus.stop() == 0


async def test_a_message_that_the_broker_took_for_poison_is_parked(
    serve: Serve, agencies: Agencies, own_rabbit_node: RabbitNode, tmp_path: Path
) -> None:
    node, vhost = own_rabbit_node, own_rabbit_node.fresh_vhost()
    bus = serve(broker_settings(agencies, tmp_path, node, vhost))
    declared(bus)
    portal = Portal(add_caller(node, vhost))
    assert bus.stop() == 0
    message_id = portal.ask("person.identity")
    await _hand_out_too_often(node, vhost)

    bus = serve(bus.settings)
    while (exchange := await stored(bus.settings, message_id)) is None:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.05)
    assert (exchange.state, exchange.parked_reason) == ("PARKED", "broker.delivery_limit")
    assert await agencies.calls("din-reg") == {}

    replayed = bus.esb("messages", "replay", message_id, "--reason", "the cause is mended")
    assert replayed.returncode == 0, replayed.stderr
    assert (await portal.reply(message_id)).status == "OK"
    portal.close()
    assert bus.stop() == 0


async def _hand_out_too_often(node: RabbitNode, vhost: str) -> None:
    """What workers do that die over a message."""

    client = Client(node.url(vhost))
    for _ in range(DELIVERY_LIMIT + 1):
        while (taken := client.channel.basic_get("esb.work.din-reg"))[0] is None:
            if client.depth("esb.dead"):
                break
            await asyncio.sleep(0.02)
        if taken[0] is not None:
            client.channel.basic_nack(taken[0].delivery_tag, requeue=True)
    await until(lambda: client.depth("esb.dead") == 1)
    client.close()
