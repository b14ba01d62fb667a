"""Several workers and nodes on one PostgreSQL, and PostgreSQL going away amid the traffic."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.support.agencies import Agencies
from tests.support.portal import Portal, Serve, add_caller, broker_settings, declared, kinds, records, until
from tests.support.postgres import PostgresNode
from tests.support.rabbitmq import RabbitNode

pytestmark = [pytest.mark.postgres, pytest.mark.rabbitmq, pytest.mark.timeout(240)]

LATER = {"Prefer": "respond-async"}


async def test_two_nodes_of_two_workers_share_one_database_and_broker(
    serve: Serve, agencies: Agencies, rabbit_node: RabbitNode, stoppable_postgres: PostgresNode, tmp_path: Path
) -> None:
    vhost, database = rabbit_node.fresh_vhost(), stoppable_postgres.fresh_database()
    settings_of_nodes = [
        broker_settings(agencies, tmp_path / name, rabbit_node, vhost, database_url=database, node=name)
        for name in ("node1", "node2")
    ]
    shutil.copytree(tmp_path / "node1/keys/callers", tmp_path / "node2/keys/callers", dirs_exist_ok=True)
    nodes = [serve(settings, workers=2) for settings in settings_of_nodes]
    for bus in nodes:
        declared(bus)
    portal = Portal(add_caller(rabbit_node, vhost))
    await agencies.behave("din-reg", "slow=50")
    over_amqp = [portal.ask("person.identity") for _ in range(120)]
    over_http = [nodes[number % 2].ask("student.status", headers=LATER).reply["message_id"] for number in range(20)]

    await portal.answered(over_amqp)
    await until(lambda: {*over_http} <= {got.message_id for got in portal.received(portal.feed)})
    finished_by: Counter[str] = Counter()
    for recorded in (await records(nodes[0].settings, [*over_amqp, *over_http])).values():
        completed = [record for record in recorded if record.kind == "COMPLETED"]
        assert len(completed) == 1
        finished_by[completed[0].chain] += 1
    assert {chain.partition("/")[0] for chain in finished_by} == {"node1", "node2"}
    assert len(finished_by) == 4
    assert await agencies.calls("din-reg") == {"GetPersonByPin": {"7TESTX1": 120}}
    # Asked at one node, known at the other.
    assert nodes[0].message(over_http[1]).status == nodes[1].message(over_http[0]).status == 200
    portal.close()
    assert [bus.stop() for bus in nodes] == [0, 0]
    for bus in nodes:
        verified = bus.esb("journal", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr


async def test_while_the_database_is_away_nothing_runs_and_nothing_is_lost(
    serve: Serve, agencies: Agencies, rabbit_node: RabbitNode, stoppable_postgres: PostgresNode, tmp_path: Path
) -> None:
    vhost, database = rabbit_node.fresh_vhost(), stoppable_postgres.fresh_database()
    bus = serve(broker_settings(agencies, tmp_path, rabbit_node, vhost, database_url=database, lease_margin_s=20.0))
    declared(bus)
    portal = Portal(add_caller(rabbit_node, vhost))
    await agencies.behave("din-reg", "slow=400")
    asked = [portal.ask("person.identity") for _ in range(80)]
    # One that must not be repeated is with the agency when the journal goes, and its answer is not thrown away.
    once = portal.ask("person.registration", "7TESTX2")
    await until(portal.received)
    while not (await agencies.calls("din-reg")).get("GetPersonByPin", {}).get("7TESTX2"):  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.02)
    stoppable_postgres.stop()
    try:
        refused = bus.ask("person.identity")
        assert (refused.status, refused.fault["code"]) == (503, "journal.failed")
        ready = bus.send("GET", "/readyz", caller=None)
        assert (ready.status, b"journal" in ready.body) == (503, True)
        asked.append(portal.ask("student.status"))
        await asyncio.sleep(2)
        assert await agencies.calls("tn-tm") == {}
    finally:
        stoppable_postgres.start()

    await portal.answered([*asked, once], within_s=90)
    assert {got.status for got in portal.received()} == {"OK"}
    for recorded in (await records(bus.settings, asked)).values():
        assert [record.kind for record in recorded].count("COMPLETED") == 1
    calls = await agencies.calls("din-reg")
    assert calls["GetPersonByPin"]["7TESTX2"] == 1
    assert await kinds(bus.settings, once) == ["RECEIVED", "CALLING", "COMPLETED"]
    portal.close()
    assert bus.stop() == 0
    assert bus.esb("journal", "verify").returncode == 0
