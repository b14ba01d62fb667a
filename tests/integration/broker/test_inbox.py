"""A caller that listens nowhere on RabbitMQ finds its replies in the inbox over HTTP."""

from __future__ import annotations

import pytest

from tests.support.agencies import Agencies
from tests.support.bus import LiveBus
from tests.support.portal import Portal, stored, until

pytestmark = pytest.mark.rabbitmq


def inbox(bus: LiveBus) -> dict[str, dict[str, object]]:
    """Everything in the portal's inbox that was not handed out before, by message id; taken out of it."""
    replies = bus.send("GET", "/v1/replies?max=100").reply["replies"]
    for reply in replies:
        bus.send("POST", f"/v1/replies/{reply['message_id']}/ack")
    return {reply["message_id"]: reply for reply in replies}


@pytest.mark.parametrize("reply_to", [None, "portal.no-such-queue"])
async def test_a_reply_that_nobody_takes_from_the_broker_waits_in_the_inbox(
    broker_bus: LiveBus, portal: Portal, agencies: Agencies, reply_to: str | None
) -> None:
    portal.client.channel.queue_delete(portal.feed)
    inbox(broker_bus)
    message_id = portal.ask("person.identity", reply_to=reply_to)

    found: dict[str, dict[str, object]] = {}
    await until(lambda: found.update(inbox(broker_bus)) or message_id in found)
    portal.client.queue(portal.feed)
    assert (await stored(broker_bus.settings, message_id)) is not None
    assert await agencies.calls("din-reg") == {"GetPersonByPin": {"7TESTX1": 1}}


async def test_a_reply_that_was_taken_from_the_broker_is_not_in_the_inbox(broker_bus: LiveBus, portal: Portal) -> None:
    inbox(broker_bus)
    await portal.reply(portal.ask("person.identity"))

    assert inbox(broker_bus) == {}
