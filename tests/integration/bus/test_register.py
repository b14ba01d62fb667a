"""Versions registered, promoted and shared while a bus of two workers answers; nothing is lost and nothing fails."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.manifest import Lifecycle
from adapters.registration import acts
from adapters.registration.desk import Done
from esb.errors import RegistrationRefused
from tests.integration.bus.test_workers import traffic
from tests.support.agencies import Agencies
from tests.support.bus import LiveBus, settings_for, start
from tests.support.register import Team, desk_of, edit, lead, team_of

AGENCY = "din-reg"


@pytest.fixture
def pair(running_agencies: Agencies, agencies: Agencies, tmp_path: Path) -> Iterator[LiveBus]:
    del agencies  # for its good behaviour
    bus = start(settings_for(running_agencies, tmp_path / "home"), workers=2)
    yield bus
    assert bus.stop() == 0


@pytest.fixture
def team(pair: LiveBus, tmp_path: Path) -> Team:
    return team_of(AGENCY, Path(pair.settings.home), tmp_path / "team")


async def submitted(bus: LiveBus, team: Team, version: str = "v2") -> Done:
    return await desk_of(bus.settings).submit(team.packed(team.adapter(version)), reason="first")


def versions_asked(bus: LiveBus, times: int = 40, *, caller: str = "portal") -> Counter[str]:
    """Which contract versions answered."""
    replies = [bus.ask("person.identity", caller=caller).reply for _ in range(times)]
    assert {reply["status"] for reply in replies} == {"OK"}
    return Counter(reply["sources"][0].get("version", "v1") for reply in replies)


def test_a_version_goes_live_under_traffic_and_no_question_is_lost_or_fails(pair: LiveBus, team: Team) -> None:
    with traffic(pair) as seen:
        submit = pair.esb(
            "adapters", "submit", str(team.adapter("v2")), "--key", str(team.key_file), "--reason", "first"
        )
        assert submit.returncode == 0, submit.stderr
        assert "din-reg v2: registered; in use by 2 workers" in submit.stdout
        done = asyncio.run(lead(desk_of(pair.settings), AGENCY, "v2", Lifecycle.LIVE))
        assert (done.workers, done.problems) == (2, ())
        assert versions_asked(pair) == {"v2": 40}
    assert set(seen) == {200}
    assert seen[200] >= 200
    shown = json.loads(pair.esb("adapters", "show", AGENCY, "--json").stdout)
    assert [act["what"].partition(" with ")[0] for act in shown["acts"]] == [
        "registered",
        "registered → checked",
        "checked → test",
        "test → pilot",
        "pilot → live",
    ]
    assert pair.esb("journal", "verify").returncode == 0


def test_what_is_registered_outlives_a_power_cut(pair: LiveBus, team: Team) -> None:
    asyncio.run(submitted(pair, team))
    asyncio.run(lead(desk_of(pair.settings), AGENCY, "v2", Lifecycle.LIVE))
    pair.kill()
    again = start(pair.settings, workers=2)
    try:
        assert versions_asked(again, 5) == {"v2": 5}
    finally:
        pair.process, pair.url = again.process, again.url


def test_weights_share_the_questions_and_a_message_stays_with_its_version(pair: LiveBus, team: Team) -> None:
    asyncio.run(submitted(pair, team))
    desk = desk_of(pair.settings)
    asyncio.run(lead(desk, AGENCY, "v2", Lifecycle.LIVE))
    asyncio.run(desk.roll_out(AGENCY, acts.read_rollout(["v1=50", "v2=50"]), reason="half"))
    asked = versions_asked(pair, 60)
    assert min(asked["v1"], asked["v2"]) >= 10
    ids = [str(uuid.uuid4()) for _ in range(20)]
    first, again = ([_version_of(pair, one) for one in ids] for _ in range(2))
    assert first == again


def _version_of(bus: LiveBus, message_id: str) -> str:
    reply = bus.ask("person.identity", headers={"Message-Id": message_id}).reply
    return str(reply["sources"][0].get("version", "v1"))


def test_a_pilot_is_for_its_callers_and_rayons_and_others_are_told(pair: LiveBus, team: Team) -> None:
    asyncio.run(submitted(pair, team))
    desk = desk_of(pair.settings)
    asyncio.run(lead(desk, AGENCY, "v2", Lifecycle.PILOT, callers=("portal",)))
    assert versions_asked(pair, 5) == {"v2": 5}
    assert versions_asked(pair, 5, caller="eesmn") == {"v1": 5}
    asyncio.run(desk.suspend(AGENCY, "v1", reason="only the pilot is left"))
    assert versions_asked(pair, 5) == {"v2": 5}
    refused = pair.ask("person.identity", caller="eesmn")
    assert (refused.status, refused.reply["status"], refused.fault["code"]) == (403, "ACCESS_DENIED", "caller.pilot")
    assert "pilot" in refused.fault["message"]["en"]


def test_a_pilot_by_rayon_takes_questions_that_name_theirs(pair: LiveBus, team: Team) -> None:
    asyncio.run(submitted(pair, team))
    desk = desk_of(pair.settings)
    asyncio.run(lead(desk, AGENCY, "v2", Lifecycle.TEST))
    done = pair.esb("adapters", "promote", AGENCY, "v2", "--rayons", "Yasamal", "--reason", "one rayon first")
    assert done.returncode == 0, done.stderr
    asked = {
        rayon: pair.ask("person.identity", parameters={"rayon": rayon}).reply["sources"][0].get("version", "v1")
        for rayon in ("Yasamal", "Nizami")
    }
    assert asked == {"Yasamal": "v2", "Nizami": "v1"}
    # Who has learnt to say its rayon may go on saying it when the pilot is over.
    asyncio.run(desk.promote(AGENCY, "v2", to=Lifecycle.LIVE, pilot=None, reason="it works"))
    assert pair.ask("person.identity", parameters={"rayon": "Nizami"}).reply["sources"][0].get("version", "v1") == "v2"


def test_a_suspended_agency_is_paused_and_comes_back(pair: LiveBus) -> None:
    desk = desk_of(pair.settings)
    asyncio.run(desk.suspend(AGENCY, None, reason="their database is being repaired"))
    refused = pair.ask("person.identity")
    assert (refused.status, refused.reply["status"]) == (503, "UNAVAILABLE")
    asyncio.run(desk.resume(AGENCY, None, reason="repaired"))
    assert versions_asked(pair, 5) == {"v1": 5}


def test_a_version_that_the_routes_do_not_fit_is_not_promoted_to_where_it_would_be_called(
    pair: LiveBus, team: Team
) -> None:
    folder = team.adapter("v2")
    for name in ("PopulationRegister.wsdl", "PersonTypes.xsd"):
        path = folder / "contract" / name
        path.write_text(path.read_text("utf-8").replace("Surname", "FamilyName"), "utf-8")
    (folder / "cases.yaml").write_text(NO_ADDRESS, "utf-8")
    (folder / "routes.yaml").write_text(PROPOSED, "utf-8")
    (folder / "simulator.yaml").unlink()
    desk = desk_of(pair.settings)
    asyncio.run(desk.submit(team.packed(folder), reason="first"))
    asyncio.run(lead(desk, AGENCY, "v2", Lifecycle.CHECKED))
    with traffic(pair, senders=2) as seen:
        done = pair.esb("adapters", "promote", AGENCY, "v2", "--reason", "let us see")
    assert done.returncode == 1
    assert (
        "contract v2 of din-reg: routes.person.identity.reply.surname: the agency's answer has no 'Surname'"
        in done.stderr
    )
    assert "Traceback" not in done.stderr
    assert set(seen) == {200}
    shown = json.loads(pair.esb("adapters", "show", AGENCY, "--json").stdout)
    assert shown["versions"][1]["lifecycle"] == "checked"


PROPOSED = """
routes:
  person.address:
    title: {az: "Ünvan", en: "Address"}
    audience: [citizen]
    legal_basis: "Cabinet decision 191/2011"
    adapter: din-reg
    operation: GetAddress
    request: {Pin: subject.value}
    reply: {rayon: RegisteredAddress.Rayon}
    not_found: "ResultCode == '404'"
"""
NO_ADDRESS = """
cases:
  - name: nobody
    route: person.address
    request: {subject: {scheme: FIN, value: 7TESTX0}}
    agency_request: {Pin: 7TESTX0}
    agency_reply: {document: {ResultCode: "404", ResultText: "Yoxdur", AsOf: "2026-11-20T23:00:00+04:00"}}
    reply: {status: NOT_FOUND}
"""


def test_a_withdrawn_certificate_stops_the_calls_of_what_it_signed(pair: LiveBus, team: Team) -> None:
    asyncio.run(submitted(pair, team))
    asyncio.run(lead(desk_of(pair.settings), AGENCY, "v2", Lifecycle.LIVE))
    assert versions_asked(pair, 3) == {"v2": 3}
    (Path(pair.settings.home) / "keys" / "agencies" / AGENCY / f"{team.key.kid}.crt.pem").unlink()
    assert pair.esb("routes", "reload").returncode == 0
    refused = pair.ask("person.identity")
    assert (refused.status, refused.reply["status"]) == (503, "UNAVAILABLE")
    assert "is not called" in pair.esb("adapters", "show", AGENCY).stdout


def test_only_a_permitted_operator_acts(pair: LiveBus, team: Team) -> None:
    routes = Path(pair.settings.routes)
    edit(routes, ("\ngrants:", "\noperators:\n  aysel: {may: [submit, check]}\n  rashad: {may: [promote]}\n\ngrants:"))
    content = team.packed(team.adapter("v2"))
    with pytest.raises(RegistrationRefused, match="rashad may not submit"):
        asyncio.run(desk_of(pair.settings, "rashad").submit(content, reason="first"))
    asyncio.run(desk_of(pair.settings, "aysel").submit(content, reason="first"))
    asyncio.run(desk_of(pair.settings, "aysel").promote(AGENCY, "v2", to=None, pilot=None, reason="seen"))
    with pytest.raises(RegistrationRefused, match="aysel may not promote"):
        asyncio.run(desk_of(pair.settings, "aysel").promote(AGENCY, "v2", to=None, pilot=None, reason="x"))
    asyncio.run(desk_of(pair.settings, "rashad").promote(AGENCY, "v2", to=None, pilot=None, reason="x"))
    with pytest.raises(RegistrationRefused, match="nobody may not set"):
        asyncio.run(desk_of(pair.settings, "nobody").set_values(AGENCY, ["limits.concurrency=1"], reason="x"))
    denied = pair.esb("adapters", "suspend", AGENCY, "--reason", "x")
    assert denied.returncode == 1
    assert "may not suspend" in denied.stderr
