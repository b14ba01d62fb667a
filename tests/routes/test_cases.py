"""The golden cases of every agency, through the routes and contracts that the bus compiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters import agency_keys, cases, registry
from adapters.simulator import assembly
from adapters.transport import Transport
from esb.model import Status
from esb.routes import compiler
from esb.routes.table import CallRoute, RouteTable
from esb.settings import Settings

ROOT = Path(__file__).parents[2]
SETTINGS = Settings(
    home=str(ROOT / "no-such-home"),
    routes=str(ROOT / "routes.yaml"),
    adapters=str(ROOT / "adapters" / "agencies"),
    schemas=str(ROOT / "schemas"),
)
AGENCIES = sorted(path.parent.name for path in Path(SETTINGS.adapters).glob(f"*/{cases.FILE_NAME}"))
CASES = [
    (agency, case) for agency in AGENCIES for case in cases.load(Path(SETTINGS.adapters) / agency / cases.FILE_NAME)
]


@pytest.fixture(scope="module")
def table() -> RouteTable:
    catalogue = registry.load(SETTINGS, agency_keys.AgencyKeys(), Transport())
    return compiler.load(Path(SETTINGS.routes), catalogue)


@pytest.mark.parametrize(("agency", "case"), CASES, ids=[f"{agency}: {case.name}" for agency, case in CASES])
def test_case_gives_what_it_promises(agency: str, case: cases.Case, table: RouteTable) -> None:
    assert cases.check(case, agency, table=table, answers=assembly.answers_of(agency, SETTINGS)) == ()


def test_every_case_has_its_own_name() -> None:
    names = [(agency, case.name) for agency, case in CASES]
    assert len(names) == len(set(names))


def test_every_route_that_calls_an_agency_has_ok_not_found_refusal_and_broken_contract(table: RouteTable) -> None:
    seen = {(case.route, case.reply.status.value) for _, case in CASES}
    wanted = {
        (name, status)
        for name, route in table.routes.items()
        if isinstance(route, CallRoute)
        for status in ("OK", "NOT_FOUND", "REJECTED", "INVALID_REPLY")
    }
    assert wanted <= seen


def test_case_that_differs_says_where(table: RouteTable) -> None:
    case = next(case for case in cases.load(Path(SETTINGS.adapters) / "mkr" / cases.FILE_NAME) if case.reply.data)
    wrong = cases.Case(
        name="wrong",
        route=case.route,
        request=case.request,
        agency_request={"Pin": "7TESTX2"},
        reply=cases.Expected(status=case.reply.status, data={"as_of": "2026-11-04", "credits": None}),
    )
    problems = cases.check(wrong, "mkr", table=table, answers=assembly.answers_of("mkr", SETTINGS))
    assert problems[0] == "agency_request.Pin: expected '7TESTX2', got '7TESTX1'"
    assert any(problem.startswith("reply.data.credits: expected None, got [") for problem in problems)


@pytest.mark.parametrize(("route", "said"), [("person.idnetity", "no route"), ("diploma.by-person", "asks tn-tm")])
def test_case_for_another_route_is_told_so(table: RouteTable, route: str, said: str) -> None:
    case = cases.Case(name="n", route=route, request={}, reply=cases.Expected(status=Status.OK))
    (problem,) = cases.check(case, "mkr", table=table, answers=assembly.answers_of("mkr", SETTINGS))
    assert said in problem
