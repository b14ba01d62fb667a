"""Two nodes on one PostgreSQL: what an operator does on one is in use on the other within seconds, by itself."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.manifest import Lifecycle
from adapters.registration import acts
from adapters.registration.desk import Done
from esb.errors import RegistrationRefused
from tests.integration.bus.test_workers import eventually, traffic
from tests.support.agencies import Agencies
from tests.support.bus import LiveBus, settings_for, start
from tests.support.register import Team, desk_of, edit, lead, team_of

AGENCY = "din-reg"
OPERATORS = "\noperators:\n  aysel: {may: [submit, check, promote, suspend, retire, set]}\n\ngrants:"


@pytest.fixture
def nodes(running_agencies: Agencies, agencies: Agencies, tmp_path: Path, postgres_url: str) -> Iterator[list[LiveBus]]:
    del agencies  # for its good behaviour
    started: list[LiveBus] = []
    for name in ("node1", "node2"):
        settings = settings_for(running_agencies, tmp_path / name, node=name, database_url=postgres_url)
        edit(Path(settings.routes), ("\ngrants:", OPERATORS))
        started.append(start(settings))
    yield started
    assert [bus.stop() for bus in started] == [0, 0]


@pytest.fixture
def team(nodes: list[LiveBus], tmp_path: Path) -> Team:
    first, second = (Path(bus.settings.home) / "keys" / "agencies" / AGENCY for bus in nodes)
    team = team_of(AGENCY, Path(nodes[0].settings.home), tmp_path / "team")
    shutil.copytree(first, second, dirs_exist_ok=True)
    return team


def version_asked(bus: LiveBus) -> str:
    return str(bus.ask("person.identity").reply["sources"][0].get("version", "v1"))


def test_the_other_node_follows_under_traffic_without_being_told(nodes: list[LiveBus], team: Team) -> None:
    here, there = nodes
    desk = desk_of(here.settings)
    with traffic(there) as seen:
        asyncio.run(desk.submit(team.packed(team.adapter("v2")), reason="first"))
        asyncio.run(lead(desk, AGENCY, "v2", Lifecycle.LIVE))
        assert version_asked(here) == "v2"
        eventually(lambda: version_asked(there) == "v2")
        # And the other way round.
        asyncio.run(desk_of(there.settings).roll_out(AGENCY, acts.read_rollout(["v1=1"]), reason="back"))
        assert version_asked(there) == "v1"
        eventually(lambda: version_asked(here) == "v1")
    assert set(seen) == {200}


def test_of_two_operators_at_the_same_time_one_is_told_to_look_again(nodes: list[LiveBus], team: Team) -> None:
    here, there = (desk_of(bus.settings) for bus in nodes)
    asyncio.run(here.submit(team.packed(team.adapter("v2")), reason="first"))

    async def both() -> list[Done | BaseException]:
        outcomes = await asyncio.gather(
            here.set_values(AGENCY, ["limits.concurrency=5"], reason="a"),
            there.set_values(AGENCY, ["limits.concurrency=6"], reason="b"),
            return_exceptions=True,
        )
        return list(outcomes)

    outcomes = asyncio.run(both())
    refused = [one for one in outcomes if isinstance(one, RegistrationRefused)]
    done = [one for one in outcomes if isinstance(one, Done)]
    # They may have come one after the other; never are both told that they won and one of them lost.
    assert len(refused) + len(done) == 2
    assert done
    acts_recorded = nodes[0].esb("adapters", "show", AGENCY, "--json").stdout.count('"act": "set"')
    assert acts_recorded == len(done)


def test_without_operators_nobody_acts_on_a_bus_with_a_database(nodes: list[LiveBus]) -> None:
    settings = nodes[0].settings
    edit(Path(settings.routes), (OPERATORS, "\ngrants:"))
    with pytest.raises(RegistrationRefused, match="names no operators, so nobody may suspend"):
        asyncio.run(desk_of(settings).suspend(AGENCY, "v1", reason="x"))
