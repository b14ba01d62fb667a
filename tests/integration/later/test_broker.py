"""Answers that come later, for callers on RabbitMQ and callers that asked the bus to take its time."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from tests.support import later_agencies
from tests.support.bus import free_port
from tests.support.later_agencies import ended, facts_of
from tests.support.portal import Portal, add_caller, declared
from tests.support.rabbitmq import RabbitNode

pytestmark = [pytest.mark.rabbitmq]

ROUTES = ("payout.poll", "payout.push", "payout.rest", "payout.file", "payout.batch")


async def test_replies_to_questions_from_the_broker_go_back_to_it(rabbit_node: RabbitNode, tmp_path: Path) -> None:
    vhost = rabbit_node.fresh_vhost()
    later = later_agencies.make(tmp_path, http=f"127.0.0.1:{free_port()}", broker_url=rabbit_node.url(vhost))
    bus = later_agencies.start_bus(later, workers=2)
    try:
        declared(bus)
        portal = Portal(add_caller(rabbit_node, vhost))
        asked = [portal.ask(route, "7TESTBA") for route in ROUTES]
        await portal.answered(asked, within_s=60)
        for message_id in asked:
            bodies = {got.body for got in portal.received(portal.feed, message_id=message_id)}
            assert [msgspec.json.decode(body)["data"] for body in bodies] == [{"decision": "GRANTED-BA"}]
        over_http = [bus.ask(route, "7TESTBB", headers={"Prefer": "respond-async"}) for route in ROUTES]
        for got in over_http:
            message_id = got.reply["message_id"]
            assert ended(bus, message_id)["data"] == {"decision": "GRANTED-BB"}
            kinds = Counter(fact["kind"] for fact in facts_of(bus, message_id))
            assert (kinds["AWAITING"], kinds["COMPLETED"]) == (1, 1)
        calls = await later.agencies.calls("pay-push")
        assert calls["SubmitPayout"] == {"7TESTBA": 1, "7TESTBB": 1}
        await asyncio.to_thread(portal.close)
    finally:
        bus.stop()
        later.stop()
