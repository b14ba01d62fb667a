"""An agency that is away while nobody waits: the question is tried later, and in the end its caller is told."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest

from tests.support.agencies import ROOT, Agencies
from tests.support.bus import LiveBus, start
from tests.support.portal import Portal, add_caller, broker_settings, declared, kinds, question, records, until
from tests.support.rabbitmq import RabbitNode

pytestmark = [pytest.mark.rabbitmq]

RATE_PER_S = 20
"""How many questions mkr bears here."""

LOAN = question("7TESTX1", parameters={"consent_ref": "R-1", "as_of": "2026-11-20"})


@pytest.fixture(scope="module")
def vhost(rabbit_node: RabbitNode) -> str:
    return rabbit_node.fresh_vhost()


@pytest.fixture(scope="module")
def caller_url(rabbit_node: RabbitNode, vhost: str) -> str:
    return add_caller(rabbit_node, vhost)


@pytest.fixture
def bus(
    agencies: Agencies, rabbit_node: RabbitNode, vhost: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveBus]:
    """A bus of each test's own: breakers that a test trips are nobody else's."""
    home = tmp_path_factory.mktemp("bus")
    shutil.copytree(ROOT / "adapters" / "agencies", home / "adapters")
    manifest = home / "adapters" / "mkr" / "adapter.yaml"
    manifest.write_text(re.sub(r"rate_per_s: \d+", f"rate_per_s: {RATE_PER_S}", manifest.read_text()))
    bus = start(broker_settings(agencies, home, rabbit_node, vhost, adapters=str(home / "adapters")))
    declared(bus)
    yield bus
    assert bus.stop() == 0


@pytest.fixture
def portal(bus: LiveBus, caller_url: str) -> Iterator[Portal]:
    portal = Portal(caller_url)
    yield portal
    portal.close()


async def test_a_question_is_postponed_while_its_agency_is_away_and_answered_when_it_is_back(
    bus: LiveBus, portal: Portal, agencies: Agencies
) -> None:
    await agencies.behave("mkr", "refuse")
    message_id = portal.ask("credit.obligations", body=LOAN)
    while "POSTPONED" not in await kinds(bus.settings, message_id):
        assert portal.received() == []
    await agencies.behave_well("mkr")

    got = await portal.reply(message_id)
    assert got.status == "OK"
    recorded = await kinds(bus.settings, message_id)
    assert (recorded[:2], recorded[-1], recorded.count("COMPLETED")) == (["RECEIVED", "POSTPONED"], "COMPLETED", 1)


async def test_after_the_last_pause_the_failure_is_the_reply(bus: LiveBus, portal: Portal, agencies: Agencies) -> None:
    await agencies.behave("mkr", "refuse")
    message_id = portal.ask("credit.obligations", body=LOAN)

    got = await portal.reply(message_id)
    assert (got.status, got.fault["advice"]) == ("UNAVAILABLE", "RETRY_BACKOFF")
    assert await kinds(bus.settings, message_id) == ["RECEIVED", "POSTPONED", "POSTPONED", "COMPLETED"]


async def test_an_asynchronous_question_over_http_is_postponed_as_well(
    bus: LiveBus, portal: Portal, agencies: Agencies
) -> None:
    await agencies.behave("din-reg", "refuse")
    message_id = bus.ask("person.identity", headers={"Prefer": "respond-async"}).reply["message_id"]
    while "POSTPONED" not in await kinds(bus.settings, message_id):
        assert bus.message(message_id).reply["status"] == "PENDING"
    await agencies.behave_well("din-reg")

    assert (await portal.reply(message_id, queue=portal.feed)).status == "OK"


async def test_a_question_that_must_not_be_repeated_is_tried_later_when_nothing_was_sent(
    bus: LiveBus, portal: Portal, agencies: Agencies
) -> None:
    await agencies.behave("din-reg", "refuse")
    message_id = portal.ask("person.registration")
    while "POSTPONED" not in await kinds(bus.settings, message_id):
        assert portal.received() == []
    await agencies.behave_well("din-reg")

    assert (await portal.reply(message_id)).status == "OK"
    assert await agencies.calls("din-reg") == {"GetPersonByPin": {"7TESTX1": 1}}


async def test_a_question_that_must_not_be_repeated_is_parked_when_its_effect_is_unknown(
    bus: LiveBus, portal: Portal, agencies: Agencies
) -> None:
    await agencies.behave("din-reg", "hang")
    message_id = portal.ask("person.registration")
    while "PARKED" not in await kinds(bus.settings, message_id):
        assert portal.received() == []

    assert await agencies.calls("din-reg") == {"GetPersonByPin": {"7TESTX1": 1}}
    assert await kinds(bus.settings, message_id) == ["RECEIVED", "CALLING", "PARKED"]


async def test_a_backlog_over_the_agencys_rate_waits_its_turn(bus: LiveBus, portal: Portal, agencies: Agencies) -> None:
    asked = [portal.ask("credit.obligations", body=LOAN) for _ in range(4 * RATE_PER_S)]

    await until(lambda: len(portal.received()) >= len(asked), within_s=60)
    assert {got.status for got in portal.received()} == {"OK"}
    for recorded in (await records(bus.settings, asked)).values():
        assert [record.kind for record in recorded] == ["RECEIVED", "COMPLETED"]
