"""One agency that answers slowly keeps its own callers waiting, and nobody else's."""

from __future__ import annotations

import json

import pytest

from esb import operations
from esb.ports import ExchangeFilter
from tests.support.agencies import Agencies
from tests.support.bus import LiveBus
from tests.support.portal import Portal, until

PLACES = 32
"""How many calls din-reg bears at a time, by its manifest."""

SLOW = "slow=2000"


@pytest.mark.rabbitmq
async def test_over_rabbitmq_a_slow_agency_holds_up_only_its_own_callers(
    broker_bus: LiveBus, portal: Portal, agencies: Agencies
) -> None:
    await agencies.behave("din-reg", SLOW)
    for _ in range(3 * PLACES):
        portal.ask("person.identity")
    prompt = {portal.ask("student.status") for _ in range(20)}

    await portal.answered(portal.asked)
    order = [got.message_id for got in portal.received()]
    last = max(order.index(message_id) for message_id in prompt)
    overtaken = sum(1 for message_id in order[:last] if message_id not in prompt)
    assert overtaken <= PLACES


async def test_without_a_broker_a_slow_agency_holds_up_only_its_own_callers(bus: LiveBus, agencies: Agencies) -> None:
    await agencies.behave("din-reg", SLOW)
    later = {"Prefer": "respond-async"}
    slow = {bus.ask("person.identity", headers=later).reply["message_id"] for _ in range(3 * PLACES)}
    prompt = {bus.ask("student.status", headers=later).reply["message_id"] for _ in range(20)}

    completed: list[str] = []

    def all_done() -> bool:
        listed = json.loads(bus.esb("messages", "list", "--limit", "200", "--json").stdout)
        states = {row["message_id"]: row["state"] for row in listed}
        return all(states.get(message_id) == "COMPLETED" for message_id in slow | prompt)

    await until(all_done, within_s=60)
    async with operations.open_journal(bus.settings) as journal:
        found = [s for s in await journal.list(ExchangeFilter(limit=200)) if s.request.message_id in slow | prompt]
    found.sort(key=lambda exchange: exchange.completed_at or exchange.request.received_at)
    completed = [exchange.request.message_id for exchange in found]
    last = max(completed.index(message_id) for message_id in prompt)
    overtaken = sum(1 for message_id in completed[:last] if message_id not in prompt)
    assert overtaken <= PLACES
