"""A running agency held against its contract: what is well, what is wrong, and what is not even tried."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from adapters.composition import Adapters
from adapters.conformance import Check, Outcome, Plan, examine
from adapters.placing import placed
from esb.configuration import compile_configuration
from esb.settings import Settings
from tests.support.agencies import Agencies
from tests.support.bus import run_esb, settings_for

PASSED, FAILED, SKIPPED, WARNING = Outcome.PASSED, Outcome.FAILED, Outcome.SKIPPED, Outcome.WARNING


@pytest.fixture
def settings(agencies: Agencies, tmp_path: Path) -> Settings:
    """Of a bus that the running agencies know."""
    return settings_for(agencies, tmp_path)


async def _checks(settings: Settings, agency: str, plan: Plan) -> dict[tuple[str, str], Check]:
    table = compile_configuration(settings, Adapters(), previous=None).table
    with placed(settings, agency) as there:
        found = [check async for check in examine(there, table=table, plan=plan)]
    return {(check.operation, check.name): check for check in found}


@pytest.mark.parametrize(("agency", "operation"), [("din-reg", "GetPersonByPin"), ("tn-tm", "GetDiploma")])
async def test_agency_that_keeps_its_contract_passes_every_check(
    settings: Settings, agency: str, operation: str
) -> None:
    checks = await _checks(settings, agency, Plan(operations=(operation,), calls=3))
    outcomes = {name: check.outcome for (of, name), check in checks.items() if of == operation}
    assert outcomes == {
        "is reached": PASSED,
        "reply is proven": PASSED,
        "reply keeps the contract": PASSED,
        "nobody is not found": PASSED,
        "time": PASSED,
        "a wrong signature is refused": PASSED,
        "a stale request is refused": PASSED,
        "bad input is refused": PASSED,
    }
    assert checks["", "TLS"].outcome is SKIPPED


@pytest.mark.parametrize(
    ("behaviour", "name"),
    [
        ("unsigned", "reply is proven"),
        ("sign-wrong", "reply is proven"),
        ("stale", "reply is proven"),
        ("sign-other-body", "reply is proven"),
        ("break-contract", "reply keeps the contract"),
        ("garbage", "reply keeps the contract"),
        ("refuse", "is reached"),
    ],
)
async def test_agency_that_misbehaves_is_told_by_the_check_that_it_fails(
    settings: Settings, agencies: Agencies, behaviour: str, name: str
) -> None:
    await agencies.behave("din-reg", behaviour)
    checks = await _checks(settings, "din-reg", Plan(operations=("GetAddress",), calls=1))
    assert checks["GetAddress", name].outcome is FAILED
    assert checks["GetAddress", name].detail


async def test_slow_agency_is_measured_by_the_time_that_its_route_waits(settings: Settings, agencies: Agencies) -> None:
    await agencies.behave("din-reg", "slow=2700")
    checks = await _checks(settings, "din-reg", Plan(operations=("GetAddress",), calls=1))
    assert checks["GetAddress", "time"].outcome is WARNING


async def test_agency_that_is_out_of_order_is_not_taken_for_one_that_refuses(
    settings: Settings, agencies: Agencies
) -> None:
    await agencies.behave("din-reg", "status=503")
    checks = await _checks(settings, "din-reg", Plan(operations=("GetAddress",), calls=1))
    assert checks["GetAddress", "reply keeps the contract"].outcome is FAILED
    assert checks["GetAddress", "bad input is refused"].outcome is WARNING


def test_report_is_for_people_machines_and_build_servers(settings: Settings, tmp_path: Path) -> None:
    junit = tmp_path / "report.xml"
    url = settings.endpoints["din-reg"]
    ended = run_esb(
        settings, "adapters", "test", "din-reg", "--url", url, "--operation", "GetAddress", "--calls", "2",
        "--subject", "FIN:7TESTX2", "--junit", str(junit), "--json",
    )  # fmt: skip
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = json.loads(ended.stdout)
    assert {check["operation"] for check in told["checks"]} == {"", "GetAddress"}
    assert "7TESTX2" not in json.dumps(told["checks"])
    suites = ET.parse(junit).getroot()  # noqa: S314 - our own file
    assert [suite.get("name") for suite in suites] == ["din-reg golden cases", "din-reg", "din-reg GetAddress"]
    assert {suite.get("failures") for suite in suites} == {"0"}


def test_agency_that_is_not_there_is_a_failed_check_and_exit_1(settings: Settings) -> None:
    ended = run_esb(settings, "adapters", "test", "din-reg", "--url", "http://127.0.0.1:9", "--operation", "GetAddress")
    assert ended.returncode == 1
    assert "is reached" in ended.stdout
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("din-reg", "mkr", "--live"), 2, "one agency's system"),
        (("din-reg", "--live", "--subject", "7TESTX1"), 2, "--subject is a scheme"),
        (("din-reg", "--live", "--operation", "GetNothing"), 1, "GetPersonByPin"),
        (("nowhere",), 2, "din-reg"),
    ],
)
def test_what_cannot_be_tried_is_said(settings: Settings, arguments: tuple[str, ...], code: int, said: str) -> None:
    ended = run_esb(settings, "adapters", "test", *arguments)
    assert ended.returncode == code
    assert said in ended.stderr
