"""The verbs of the register on a machine where no bus runs: what they print, what they refuse, and with which code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from esb.settings import Settings
from security import certificates, keys
from security.keys import Algorithm
from tests.support.agencies import ROOT
from tests.support.bus import run_esb
from tests.support.register import Team, edit, team_of

AGENCY = "din-reg"
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    shutil.copy(ROOT / "routes.yaml", tmp_path / "routes.yaml")
    return Settings(home=str(tmp_path / "home"), routes=str(tmp_path / "routes.yaml"))


@pytest.fixture
def team(settings: Settings, tmp_path: Path) -> Team:
    return team_of(AGENCY, Path(settings.home), tmp_path / "team")


def adapters(settings: Settings, *words: str) -> Done:
    return run_esb(settings, "adapters", *words)


def bad(done: Done, code: int, *told: str) -> None:
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    for words in told:
        assert words in done.stderr, done.stderr


def versions(settings: Settings) -> dict[str, str]:
    rows = json.loads(adapters(settings, "list", "--json").stdout)
    return {row["version"]: row["lifecycle"] for row in rows if row["agency"] == AGENCY}


def test_a_bundle_signed_elsewhere_is_submitted_listed_and_shown_with_who_and_when(
    settings: Settings, team: Team
) -> None:
    file = team.folder / "din.bundle"
    packed = adapters(settings, "pack", str(team.adapter("v2")), "--key", str(team.key_file), "--out", str(file))
    assert packed.returncode == 0, packed.stderr
    sha256 = packed.stdout.split()[-1]
    done = adapters(settings, "submit", str(file), "--reason", "letter 7")
    assert "din-reg v2: registered; recorded; no bus is running here" in done.stdout
    shown = json.loads(adapters(settings, "show", AGENCY, "--json").stdout)
    (act,) = shown["acts"]
    assert (act["act"], act["version"], act["reason"], act["bundle_sha256"]) == ("submit", "v2", "letter 7", sha256)
    assert shown["versions"][1]["submitted_by"] == act["operator"]
    origins = {value["name"]: value["from"] for value in shown["values"]}
    assert (origins["limits.rate_per_s"], origins["endpoint.live"]) == ("adapter.yaml", "default")


def test_versions_that_only_the_register_has_are_compared(settings: Settings, team: Team) -> None:
    change = ('<xs:element name="Surname"', '<xs:element name="Extra" type="xs:string"/><xs:element name="Surname"')
    for version, changes in (("v2", ()), ("v3", (change,))):
        folder = team.adapter(version, *changes, file=XSD if changes else "adapter.yaml")
        done = adapters(settings, "submit", str(folder), "--key", str(team.key_file), "--reason", "x")
        assert done.returncode == 0, done.stderr
    assert "no difference" in adapters(settings, "diff", f"{AGENCY}/v1", f"{AGENCY}/v2").stdout
    changed = adapters(settings, "diff", f"{AGENCY}/v2", f"{AGENCY}/v3")
    assert "Person/Extra: added, required" in changed.stdout
    bad(adapters(settings, "diff", f"{AGENCY}/v2", f"{AGENCY}/v9"), 1, "neither a file, a folder nor a version")


def test_who_acts_is_the_account_and_not_what_the_environment_says(settings: Settings, team: Team) -> None:
    edit(Path(settings.routes), ("\ngrants:", "\noperators:\n  boss: {may: [submit]}\n\ngrants:"))
    before = {name: os.environ.get(name) for name in ("USER", "LOGNAME")}
    os.environ.update({"USER": "boss", "LOGNAME": "boss"})
    try:
        bad(
            adapters(settings, "submit", str(team.adapter("v2")), "--key", str(team.key_file), "--reason", "x"),
            1,
            "may not submit",
        )
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    assert versions(settings) == {"v1": "live"}


def test_what_nobody_registered_signed_is_refused(settings: Settings, team: Team, tmp_path: Path) -> None:
    stranger = team_of(AGENCY, tmp_path / "elsewhere", tmp_path / "stranger")
    bad(
        adapters(settings, "submit", str(team.adapter("v2")), "--key", str(stranger.key_file), "--reason", "x"),
        1,
        "the signer's certificate is not one of din-reg's",
    )
    assert versions(settings) == {"v1": "live"}


WSDL, XSD = "contract/PopulationRegister.wsdl", "contract/PersonTypes.xsd"


@pytest.mark.parametrize(
    ("file", "change", "told"),
    [
        ("adapter.yaml", ("kind: soap", "kind: sope"), "adapter.yaml:12: error: kind: 'sope' is not one of soap"),
        ("adapter.yaml", ("  concurrency: 32", "  concurency: 32"), "did you mean 'concurrency'"),
        ("adapter.yaml", ("file: PopulationRegister.wsdl", "file: Other.wsdl"), "Other.wsdl"),
        (WSDL, ("</wsdl:definitions>", ""), "PopulationRegister.wsdl"),
        (WSDL, ("<wsdl:definitions", "<!DOCTYPE a []><wsdl:definitions"), "PopulationRegister.wsdl"),
        (XSD, ("xs:element", "xs:elephant"), "PersonTypes.xsd"),
    ],
)
def test_a_broken_adapter_is_told_with_its_file_and_nothing_is_registered(
    settings: Settings, team: Team, file: str, change: tuple[str, str], told: str
) -> None:
    folder = team.adapter("v2", change, file=file)
    done = adapters(settings, "submit", str(folder), "--key", str(team.key_file), "--reason", "x")
    bad(done, 1, told)
    assert tempfile.gettempdir() not in done.stderr
    assert versions(settings) == {"v1": "live"}


def test_golden_cases_that_fail_are_told_and_the_version_stays_where_it_is(settings: Settings, team: Team) -> None:
    folder = team.adapter("v2", ('surname: "O’Brien & Ko <test>"', "surname: Smith"), file="cases.yaml")
    assert adapters(settings, "submit", str(folder), "--key", str(team.key_file), "--reason", "x").returncode == 0
    bad(
        adapters(settings, "promote", AGENCY, "v2", "--reason", "x"),
        1,
        "1 of 13 golden cases fail: a living person",
        "reply.data.surname: expected 'Smith'",
    )
    assert versions(settings)["v2"] == "registered"


def test_a_stage_demands_what_it_needs(settings: Settings, team: Team) -> None:
    folder = team.adapter("v2", ("endpoint:\n  simulated: http://127.0.0.1:18101\n", ""))
    assert adapters(settings, "submit", str(folder), "--key", str(team.key_file), "--reason", "x").returncode == 0
    assert adapters(settings, "promote", AGENCY, "v2", "--reason", "cases seen").returncode == 0
    bad(adapters(settings, "promote", AGENCY, "v2", "--reason", "x"), 1, "no endpoint for the environment test")
    assert (
        adapters(settings, "set", AGENCY, "endpoint.test=https://t.example/x", "--reason", "letter 8").returncode == 0
    )
    assert adapters(settings, "promote", AGENCY, "v2", "--reason", "up").returncode == 0
    bad(adapters(settings, "promote", AGENCY, "v2", "--reason", "x"), 1, "give --callers or --rayons")
    bad(adapters(settings, "promote", AGENCY, "v2", "--callers", "portl", "--reason", "x"), 1, "no caller portl")
    assert adapters(settings, "promote", AGENCY, "v2", "--rayons", "Yasamal", "--reason", "pilot").returncode == 0
    (Path(settings.home) / "keys" / "agencies" / AGENCY / f"{team.key.kid}.crt.pem").unlink()
    bad(adapters(settings, "promote", AGENCY, "v2", "--reason", "x"), 1, "cannot go live", "no certificate")
    assert versions(settings)["v2"] == "pilot"


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("submit", "nowhere", "--reason", "x"), 2, "there is no nowhere"),
        (("submit", "adapters/agencies/din-reg", "--reason", "x"), 2, "give --key"),
        (("submit", "README.md", "--reason", "x"), 1, "not a signed bundle"),
        (("pack", "docs", "--key", "KEY", "--out", "OUT"), 1, "there is no adapter.yaml"),
        (("pack", "adapters/agencies/din-reg", "--key", "KEY", "--out", "OUT"), 1, "there is no contract"),
        (("pack", "adapters/agencies/din-reg", "--key", "nowhere.key.pem", "--out", "OUT"), 1, "cannot read"),
        (("promote", AGENCY, "v9", "--reason", "x"), 1, "there is no registered din-reg v9; registered of it: none"),
        (("promote", AGENCY, "v1", "--to", "alive", "--reason", "x"), 2, "'alive' is not a stage"),
        (("suspend", "nobody", "--reason", "x"), 1, "say which version of nobody; there are: none"),
        (("suspend", AGENCY, "v7", "--reason", "x"), 1, "there is no din-reg v7; there are: v1"),
        (("resume", AGENCY, "--reason", "x"), 1, "din-reg v1 is not suspended"),
        (("retire", AGENCY, "v1", "--reason", "x"), 1, "no registered version v1"),
        (("set", "nobody", "limits.concurrency=1", "--reason", "x"), 1, "there is no adapter 'nobody'"),
        (("set", AGENCY, "limits.concurency=1", "--reason", "x"), 1, "did you mean 'limits.concurrency'"),
        (("unset", AGENCY, "limits.concurrency", "--reason", "x"), 1, "not set by an operator"),
        (("rollout", AGENCY, "v1=ten", "--reason", "x"), 1, "'v1=ten'"),
        (("rollout", AGENCY, "v2=10", "--reason", "x"), 1, "no version v2 to roll out; there are: v1"),
        (("rollout", AGENCY, "v1=callers:nobody", "--reason", "x"), 1, "no caller nobody"),
        (("suspend", AGENCY), 2, "--reason"),
        (("suspend", AGENCY, "--reason", ""), 2, "say why"),
        (("resume", AGENCY, "--reason", " \t"), 2, "say why"),
        (("retire", AGENCY, "v1", "--reason", "\u00a0"), 2, "say why"),
        (("promote", AGENCY, "v1", "--reason", " "), 2, "say why"),
        (("set", AGENCY, "limits.concurrency=1", "--reason", ""), 2, "say why"),
        (("unset", AGENCY, "limits.concurrency", "--reason", ""), 2, "say why"),
        (("rollout", AGENCY, "--reason", ""), 2, "say why"),
        (("submit", "README.md"), 2, "--reason"),
        (("submit", "README.md", "--reason", " "), 2, "say why"),
        (("show", "nobody"), 1, "no adapter 'nobody'; there are: din-reg, mkr, tn-tm"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(
    settings: Settings, team: Team, words: tuple[str, ...], code: int, told: str
) -> None:
    stand_ins = {"KEY": str(team.key_file), "OUT": str(team.folder / "out.bundle")}
    bad(adapters(settings, *(stand_ins.get(word, word) for word in words)), code, told)
    assert not (team.folder / "out.bundle").exists()


def test_without_a_section_of_operators_a_bus_that_is_not_simulated_lets_nobody_act(settings: Settings) -> None:
    settings = Settings(home=settings.home, routes=settings.routes, environment="test")
    bad(adapters(settings, "suspend", AGENCY, "--reason", "x"), 1, "names no operators, so nobody may suspend")


@pytest.mark.parametrize("verb", [("pack", "--out", "OUT"), ("submit", "--reason", "x")])
def test_the_certificate_of_an_authority_signs_no_bundle_and_is_told_at_once(
    settings: Settings, team: Team, verb: tuple[str, ...]
) -> None:
    now = datetime.now(UTC)
    own = keys.generate(Algorithm.ES256, now)
    authority = certificates.make_authority(own, common_name="CA", organisation="test", now=now, valid_days=10)
    keys.save(authority, team.folder / "authority", passphrase="")
    (file,) = (team.folder / "authority").glob("*.key.pem")
    stand_ins = {"OUT": str(team.folder / "out.bundle")}
    words = [stand_ins.get(word, word) for word in verb]
    bad(
        adapters(settings, words[0], str(team.adapter("v2")), "--key", str(file), *words[1:]),
        1,
        "certificate is an authority's",
        "CA:FALSE",
    )
    assert not (team.folder / "out.bundle").exists()
