"""An agency that runs from nothing but its contract, asked as the bus asks; and the verbs over folders and versions."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters import manifest as manifests
from adapters.conformance import Outcome, Plan, examine
from adapters.contract_reading import read_contract
from adapters.placing import placed
from adapters.simulator import Simulator, keys, provisions
from security import certificates
from security import keys as bus_keys
from security.keys import Algorithm
from tests.integration.tools.conftest import Workshop


@pytest.mark.parametrize("kind", ["soap", "rest", "xml"])
async def test_contract_alone_makes_an_agency_that_answers_about_whom_it_was_asked(
    workshop: Workshop, kind: str
) -> None:
    assert workshop.scaffold(*workshop.source(kind)).returncode == 0
    (workshop.out / "simulator.yaml").unlink()
    home = Path(workshop.settings.home)
    _give_the_bus_a_key(home)
    with placed(workshop.settings, str(workshop.out)) as there:
        manifest, _ = manifests.read(Path(there.settings.adapters) / "heat" / manifests.FILE_NAME)
        assert manifest is not None
        keys.provision(home, "heat", now=datetime.now(UTC))
        provisions.provision(home, manifest)
        agency = await Simulator.start(agency="heat", settings=there.settings, home=home, control=False)
        try:
            operations = tuple(read_contract(there.manifest, there.files()).shapes)
            plan = Plan(operations=operations, calls=1)
            checks = [check async for check in examine(there.at(agency.url), table=there.proposed(), plan=plan)]
        finally:
            await agency.stop()
    assert [check for check in checks if check.outcome is Outcome.FAILED] == []
    assert {check.name for check in checks if check.outcome is Outcome.PASSED} >= {
        "reply is proven", "reply keeps the contract", "time", "a wrong signature is refused",
    }  # fmt: skip
    assert agency.calls


def _give_the_bus_a_key(home: Path) -> None:
    folder = home / "keys" / "bus"
    folder.mkdir(parents=True)
    now = datetime.now(UTC)
    key = certificates.self_signed(
        bus_keys.generate(Algorithm.ES256, now), common_name="esb", organisation="test", now=now, valid_days=2
    )
    bus_keys.save(key, folder, passphrase="")


def test_lint_of_what_is_checked_in_is_free_of_errors(workshop: Workshop) -> None:
    ended = workshop.esb("adapters", "lint", "--json")
    assert ended.returncode == 0, ended.stdout
    assert "error" not in {finding["severity"] for finding in json.loads(ended.stdout)}


def test_lint_names_the_persons_own_files(workshop: Workshop) -> None:
    workshop.scaffold(*workshop.source("soap"))
    types = workshop.out / "contract" / "PersonTypes.xsd"
    types.write_text(types.read_text(encoding="utf-8").replace("[0-9A-HJ-NP-Z]{7}", ".*"), encoding="utf-8")
    ended = workshop.esb("adapters", "lint", workshop.out, "--json")
    files = {finding["file"] for finding in json.loads(ended.stdout)}
    assert files <= {str(path) for path in workshop.out.rglob("*")}
    assert any("looks like a FIN" in finding["message"] and finding["line"] for finding in json.loads(ended.stdout))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("din-reg", "din-reg/v1", 0),
        ("din-reg/v1", "PopulationRegister.wsdl", 0),
        ("din-reg", "changed", 1),
        ("din-reg", "tn-tm", 1),
        ("din-reg", "nowhere", 1),
    ],
)
def test_diff_takes_agencies_versions_files_and_folders(workshop: Workshop, old: str, new: str, code: int) -> None:
    (workshop.folder / "openapi.yaml").unlink()
    (workshop.folder / "Heating.xsd").unlink()
    there = {
        "PopulationRegister.wsdl": str(workshop.folder / "PopulationRegister.wsdl"),
        "changed": str(workshop.folder),
    }
    if new == "changed":
        types = workshop.folder / "PersonTypes.xsd"
        types.write_text(types.read_text(encoding="utf-8").replace("{7}", "{6}"), encoding="utf-8")
    ended = workshop.esb("adapters", "diff", old, there.get(new, new))
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    if new == "changed":
        assert "breaking   request GetPersonByPin/Pin: pattern" in ended.stdout


def test_contract_that_does_not_compile_cannot_be_compared(workshop: Workshop) -> None:
    (workshop.folder / "PersonTypes.xsd").unlink()
    ended = workshop.esb("adapters", "diff", "din-reg", workshop.folder / "PopulationRegister.wsdl")
    assert ended.returncode == 1
    assert "PersonTypes.xsd" in ended.stderr


def test_scaffold_with_placeholders_is_not_taken_into_the_register(workshop: Workshop, tmp_path: Path) -> None:
    workshop.scaffold(*workshop.source("soap"))
    key = certificates.self_signed(
        bus_keys.generate(Algorithm.ES256, datetime.now(UTC)),
        common_name="heat",
        organisation="team",
        now=datetime.now(UTC),
        valid_days=2,
    )
    known = Path(workshop.settings.home) / "keys" / "agencies" / "heat"
    team = tmp_path / "team"
    for folder in (known, team):
        folder.mkdir(parents=True)
    bus_keys.save(key, team, passphrase="")
    (known / f"{key.kid}.crt.pem").write_bytes((team / f"{key.kid}.crt.pem").read_bytes())
    ended = workshop.esb("adapters", "submit", workshop.out, "--key", team / f"{key.kid}.key.pem", "--reason", "first")
    assert ended.returncode == 1
    assert "placeholder" in ended.stderr
    workshop.fill_in()
    ended = workshop.esb("adapters", "submit", workshop.out, "--key", team / f"{key.kid}.key.pem", "--reason", "second")
    assert ended.returncode == 0, ended.stderr
