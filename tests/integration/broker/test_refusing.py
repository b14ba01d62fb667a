"""What is refused over RabbitMQ: other people's queues, other people's names, and what cannot be read at all."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pika.exceptions
import pytest

from tests.support.agencies import Agencies
from tests.support.bus import LiveBus
from tests.support.portal import Portal, kinds, question, stored, until, verify
from tests.support.rabbitmq import Client

pytestmark = pytest.mark.rabbitmq

MEGABYTE = 1024 * 1024


@pytest.mark.parametrize("queue", ["eesmn.answers", "amq.gen-secret", "esb.work.din-reg", "esb.parked", "portal"])
async def test_a_reply_is_never_sent_to_a_queue_that_is_not_the_callers(
    portal: Portal, eesmn: Portal, operator: Client, agencies: Agencies, queue: str
) -> None:
    message_id = portal.ask("person.identity", reply_to=queue)

    refused = await portal.reply(message_id, queue=portal.feed)
    assert (refused.status, refused.fault["path"]) == ("ACCESS_DENIED", "/properties/reply_to")
    assert await agencies.calls("din-reg") == {}
    assert eesmn.received() == []
    assert parked(operator, message_id) is None


async def test_the_broker_refuses_a_name_that_is_not_the_senders(portal: Portal) -> None:
    with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="user_id"):
        portal.ask("person.identity", user_id="eesmn")
    portal.connect()


async def test_a_sender_without_a_name_gets_no_answer_and_is_on_record(
    broker_bus: LiveBus, portal: Portal, agencies: Agencies
) -> None:
    message_id = portal.ask("person.identity", user_id=None)

    recorded = await wait_for_kinds(broker_bus, message_id, caller="")
    assert recorded == ["REFUSED"]
    assert portal.received() == []
    assert portal.received(portal.feed) == []
    assert await agencies.calls("din-reg") == {}


async def test_the_marks_of_the_bus_are_not_believed_from_a_caller(
    broker_bus: LiveBus, portal: Portal, eesmn: Portal
) -> None:
    theirs = eesmn.ask("person.identity", body=question(purpose="VEMTAS application"))
    await eesmn.reply(theirs)
    headers = {"esb-origin": "bus", "esb-caller": "eesmn", "esb-route": "credit.obligations"}
    message_id = portal.ask("person.identity", headers=headers)

    got = await portal.reply(message_id)
    assert (got.reply["route"], got.status) == ("person.identity", "OK")
    assert await stored(broker_bus.settings, message_id, caller="eesmn") is None


@pytest.mark.parametrize(
    ("body", "facts", "code"),
    [
        (b"{not json", {}, "request.malformed"),
        (b'{"subject": {"scheme": "FIN", "value": "7TEST\xff1"}}', {}, "request.malformed"),
        (b"", {}, "request.malformed"),
        (question(), {"content_type": "text/csv"}, "request.content-type"),
        (question(), {"content_type": None}, "request.content-type"),
        (b'{"parameters": {"x": "' + b"x" * 6 * MEGABYTE + b'"}}', {}, "request.too-large"),
    ],
    ids=["no JSON", "no UTF-8", "empty", "another type", "no type", "6 MB"],
)
async def test_what_cannot_be_read_is_parked_with_its_reason_and_its_caller_told(
    *,
    broker_bus: LiveBus,
    portal: Portal,
    operator: Client,
    agencies: Agencies,
    body: bytes,
    facts: dict[str, Any],
    code: str,
) -> None:
    message_id = portal.ask("person.identity", body=body, **facts)

    told = await portal.reply(message_id)
    assert (told.status, told.fault["code"]) == ("INVALID_REQUEST", code)
    verify(broker_bus, told)
    exchange = await stored(broker_bus.settings, message_id)
    assert exchange is not None
    assert (exchange.state, (exchange.parked_reason or "").partition(":")[0]) == ("PARKED", code)
    await until(lambda: parked(operator, message_id))
    assert await agencies.calls("din-reg") == {}
    assert await kinds(broker_bus.settings, message_id) == ["PARKED"]
    assert len(portal.received(message_id=message_id)) == 1


async def test_an_operator_sees_and_drops_what_is_parked(broker_bus: LiveBus, portal: Portal) -> None:
    message_id = portal.ask("person.identity", body=b"{")
    await portal.reply(message_id)

    listed = broker_bus.esb("messages", "list", "--state", "PARKED", "--json")
    (row,) = [row for row in json.loads(listed.stdout) if row["message_id"] == message_id]
    assert row["why"].startswith("request.malformed")
    dropped = broker_bus.esb("messages", "drop", message_id, "--reason", "test")
    assert dropped.returncode == 0, dropped.stderr
    _, last = await portal.replies(message_id, 2)
    assert (last.status, last.fault["code"]) == ("FAILED", "operator.dropped")
    verify(broker_bus, last)
    assert await kinds(broker_bus.settings, message_id) == ["PARKED", "DROPPED", "COMPLETED"]


async def test_what_cannot_be_read_is_told_again_when_it_is_sent_again(broker_bus: LiveBus, portal: Portal) -> None:
    message_id = portal.ask("person.identity", body=b"{")
    await portal.reply(message_id)
    portal.ask("person.identity", body=b"{", message_id=message_id)

    first, second = await portal.replies(message_id, 2)
    assert first.fault == second.fault
    assert await kinds(broker_bus.settings, message_id) == ["PARKED", "REFUSED"]


async def test_what_cannot_be_read_does_not_take_the_id_of_an_answered_question(
    broker_bus: LiveBus, portal: Portal
) -> None:
    message_id = portal.ask("person.identity")
    await portal.reply(message_id)
    portal.ask("person.identity", body=b"{", message_id=message_id)

    _, refused = await portal.replies(message_id, 2)
    assert refused.fault["code"] == "message.duplicate"
    exchange = await stored(broker_bus.settings, message_id)
    assert exchange is not None
    assert exchange.state == "COMPLETED"


async def wait_for_kinds(bus: LiveBus, message_id: str, *, caller: str = "portal") -> list[str]:
    while not (found := await kinds(bus.settings, message_id, caller=caller)):  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.05)
    return found


def parked(operator: Client, message_id: str) -> dict[str, Any] | None:
    """What `esb.parked` says of this message. What was looked at stays in the queue."""
    notices = []
    while True:
        method, properties, body = operator.channel.basic_get("esb.parked")
        if method is None:
            break
        notices.append((method.delivery_tag, properties.message_id, json.loads(body)))
    for tag, _, _ in notices:
        operator.channel.basic_reject(tag, requeue=True)
    return next((notice for _, found, notice in notices if found == message_id), None)
