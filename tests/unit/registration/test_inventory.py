"""What folders and the register make callable, in each environment, and what is never called whatever it says."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters import agency_keys
from adapters.manifest import Lifecycle
from adapters.registration import bundle as bundles
from adapters.registration import inventory, record, signing
from adapters.registration.inventory import AgencyInventory, Inventory
from adapters.registration.record import Pilot, Record, RolloutTerms, Set, Version
from esb.journal.registrations import Registered
from esb.journal.rows import RegistrationRow
from esb.model import AgencyCode, Severity
from esb.settings import Settings
from tests.support.agencies import ROOT
from tests.support.register import Team, team_of

# Tests are collected long before they run: a certificate that is made then must be valid at this moment.
AT = datetime.now(UTC) + timedelta(hours=1)
AGENCY = AgencyCode("din-reg")


@pytest.fixture
def team(tmp_path: Path) -> Team:
    return team_of(AGENCY, tmp_path / "home", tmp_path / "team")


@pytest.fixture
def adapters(tmp_path: Path) -> Path:
    """A folder of adapters with the checked-in v1 of the agency."""
    folder = tmp_path / "adapters"
    shutil.copytree(ROOT / "adapters" / "agencies" / AGENCY, folder / AGENCY)
    return folder


class Register:
    """A register in the making."""

    def __init__(self, team: Team) -> None:
        self.team = team
        self.versions: dict[str, Version] = {}
        self.bundles: dict[str, bytes] = {}
        self.others: dict[str, Any] = {}

    def add(self, version: str, lifecycle: Lifecycle, *, pilot: Pilot | None = None) -> Register:
        made = bundles.from_folder(self.team.adapter(version))
        self.bundles[made.sha256] = made.content
        self.versions[version] = Version(
            bundle_sha256=made.sha256,
            proof=signing.sign(made, self.team.key),
            submitted_by="aysel",
            submitted_at=AT,
            lifecycle=lifecycle,
            since=AT,
            pilot=pilot,
        )
        return self

    def with_(self, **others: Any) -> Register:
        self.others |= others
        return self

    @property
    def registered(self) -> Registered:
        known = Record(agency=AGENCY, versions=self.versions, **self.others)
        row = RegistrationRow(AGENCY, 1, record.encode(known))
        return Registered(generation=1, documents={AGENCY: row}, bundles=self.bundles)


def survey(folder: Path, register: Register, environment: str = "simulated") -> Inventory:
    keys = agency_keys.load(Settings(home=str(register.team.folder.parent / "home")))
    return inventory.survey(folder, register.registered, keys, environment=environment)


def of_agency(folder: Path, register: Register, environment: str = "simulated") -> AgencyInventory:
    found = survey(folder, register, environment)
    assert [one for one in found.findings if one.severity is Severity.ERROR] == []
    return found.agencies[AGENCY]


def preferred(found: AgencyInventory) -> list[str]:
    return [terms.version for terms in found.terms]


def test_a_checked_in_adapter_alone_is_as_it_was(adapters: Path, team: Team) -> None:
    found = of_agency(adapters, Register(team))
    assert (found.face.version, found.face.contract, found.terms) == ("v1", None, ())


@pytest.mark.parametrize("lifecycle", [Lifecycle.REGISTERED, Lifecycle.CHECKED])
def test_what_has_not_come_to_its_test_is_not_called(adapters: Path, team: Team, lifecycle: Lifecycle) -> None:
    found = of_agency(adapters, Register(team).add("v2", lifecycle))
    assert ([one.version for one in found.versions], found.terms) == (["v1"], ())


def test_the_newest_of_those_that_are_not_called_is_there_for_who_writes_routes(tmp_path: Path, team: Team) -> None:
    register = Register(team).add("v1", Lifecycle.RETIRED).add("v2", Lifecycle.REGISTERED)
    found = of_agency(tmp_path / "nowhere", register)
    assert found.face.version == "v2"
    assert not found.face.manifest.in_use


@pytest.mark.parametrize(("environment", "called"), [("simulated", True), ("test", True), ("live", False)])
def test_a_version_in_its_test_is_not_called_about_real_persons(
    adapters: Path, team: Team, environment: str, *, called: bool
) -> None:
    found = of_agency(adapters, Register(team).add("v2", Lifecycle.TEST), environment)
    assert ("v2" in [one.version for one in found.versions]) is called
    assert found.face.version == "v1"


def test_the_newest_live_version_is_asked_and_shows_its_face(adapters: Path, team: Team) -> None:
    found = of_agency(adapters, Register(team).add("v2", Lifecycle.LIVE).add("v10", Lifecycle.LIVE))
    assert preferred(found) == ["v10", "v2", "v1"]
    assert found.face.version == "v10"


def test_a_pilot_is_asked_first_and_the_live_version_shows_its_face(adapters: Path, team: Team) -> None:
    found = of_agency(adapters, Register(team).add("v2", Lifecycle.PILOT, pilot=Pilot(callers=("portal",))))
    assert preferred(found) == ["v2", "v1"]
    assert found.terms[0].callers == {"portal"}
    assert found.face.version == "v1"


def test_when_a_pilot_is_over_its_version_is_open_to_all_and_rayons_may_still_be_named(
    adapters: Path, team: Team
) -> None:
    shutil.rmtree(adapters / AGENCY)
    found = of_agency(adapters, Register(team).add("v2", Lifecycle.LIVE, pilot=Pilot(rayons=("Yasamal",))))
    (terms,) = found.terms
    assert (terms.callers, terms.rayons, terms.takes_rayon) == (frozenset(), frozenset(), True)


def test_a_suspended_version_leaves_its_share_to_the_others(adapters: Path, team: Team) -> None:
    register = Register(team).add("v2", Lifecycle.LIVE)
    register.with_(rollout=RolloutTerms(weights={"v1": 90, "v2": 10}), suspended=("v1",))
    found = of_agency(adapters, register)
    assert found.face.version == "v2"
    assert [one.version for one in found.versions] == ["v2"]


def test_an_agency_of_which_all_is_suspended_says_so(adapters: Path, team: Team) -> None:
    found = of_agency(adapters, Register(team).with_(suspended=("v1",)))
    assert found.face.manifest.lifecycle is Lifecycle.SUSPENDED


def test_a_retired_agency_is_retired_and_one_version_that_is_not_speaks_for_it(tmp_path: Path, team: Team) -> None:
    register = Register(team).add("v2", Lifecycle.RETIRED)
    assert of_agency(tmp_path / "no", register).face.manifest.lifecycle is Lifecycle.RETIRED
    register.add("v1", Lifecycle.TEST)
    assert of_agency(tmp_path / "no", register, "live").face.version == "v1"


def test_what_operators_set_holds_over_checked_in_and_submitted_versions(adapters: Path, team: Team) -> None:
    rate = Set(value=7.0, operator="aysel", at=AT, reason="asked")
    found = of_agency(adapters, Register(team).add("v2", Lifecycle.LIVE).with_(overlay={"limits.rate_per_s": rate}))
    assert {one.manifest.limits.rate_per_s for one in found.versions} == {7.0}


def test_one_version_twice_is_an_error_that_names_the_folder(adapters: Path, team: Team) -> None:
    found = survey(adapters, Register(team).add("v1", Lifecycle.LIVE))
    (error,) = (one for one in found.findings if one.severity is Severity.ERROR)
    assert error.file == str(adapters / AGENCY / "adapter.yaml")
    assert "din-reg v1 is registered as well" in error.message


@pytest.mark.parametrize("spoilt", [{}, {"spoilt": b""}])
def test_a_stored_bundle_that_is_not_the_submitted_one_is_an_error(
    adapters: Path, team: Team, spoilt: Mapping[str, bytes]
) -> None:
    register = Register(team).add("v2", Lifecycle.LIVE)
    register.bundles = dict.fromkeys(register.bundles, b"x") if spoilt else {}
    (error,) = (one for one in survey(adapters, register).findings if one.severity is Severity.ERROR)
    assert "not the one that was submitted" in error.message


def test_a_bundle_whose_key_is_no_longer_registered_is_not_called(adapters: Path, team: Team) -> None:
    register = Register(team).add("v2", Lifecycle.LIVE)
    assert of_agency(adapters, register).face.unusable == ""
    (team.folder.parent / "home" / "keys" / "agencies" / AGENCY / f"{team.key.kid}.crt.pem").unlink()
    found = survey(adapters, register)
    assert found.agencies[AGENCY].face.unusable
    assert any("is not called" in one.message for one in found.findings)


def test_a_bundle_under_another_versions_proof_is_not_called(adapters: Path, team: Team) -> None:
    register = Register(team).add("v2", Lifecycle.LIVE).add("v3", Lifecycle.LIVE)
    register.versions["v3"] = msgspec.structs.replace(register.versions["v3"], proof=register.versions["v2"].proof)
    assert of_agency(adapters, register).face.unusable


def test_only_bundles_of_what_may_be_called_are_asked_for(team: Team) -> None:
    register = Register(team).add("v1", Lifecycle.RETIRED).add("v2", Lifecycle.LIVE).add("v3", Lifecycle.CHECKED)
    assert list(inventory.wanted(register.registered.documents)) == [register.versions["v2"].bundle_sha256]
