"""Golden cases: a portal's request, what the agency must be asked, what it answers, what the portal must get.

Run by `esb adapters test`, `esb routes test` and pytest over `adapters/agencies/*/cases.yaml`. Uses the compiled
routes and contracts that the bus uses, and neither network nor keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from adapters.simulator import written
from adapters.simulator.answers import Answers
from adapters.simulator.assembly import answers_of
from adapters.simulator.register import AgencyReply
from esb.errors import ContractViolation, EsbError, RequestInvalid, RequestUnencodable
from esb.faults import fault_of, policy_of
from esb.model import RouteId, Status
from esb.ports import ProvenAnswer
from esb.routes.table import CallRoute, RouteTable
from esb.settings import Settings

FILE_NAME = "cases.yaml"


class Expected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the portal must get. `data`: all of it; `path`, `agency_code`: of the fault."""

    status: Status
    data: Any = None
    path: str | None = None
    agency_code: str | None = None


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One golden case.

    `agency_request`: the values of the contract's request document; left out where the request never gets that far.
    `agency_reply`: what the agency answers; left out where its simulator's records are to answer.
    """

    name: str
    route: str
    request: dict[str, Any]
    reply: Expected
    agency_request: dict[str, Any] | None = None
    agency_reply: AgencyReply | None = None


class CaseFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of a `cases.yaml`."""

    cases: tuple[Case, ...]


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one case went: well when there are no problems; each says what was expected where."""

    agency: str
    case: Case
    problems: tuple[str, ...]


def run(agencies: Sequence[str], *, table: RouteTable, settings: Settings) -> Iterator[CaseResult]:
    """Every case of these agencies, in the order of their files.

    Raises:
        ConfigurationError: a `cases.yaml`, manifest, contract or data file cannot be used.
    """
    for agency in agencies:
        cases = load(Path(settings.adapters) / agency / FILE_NAME)
        answers = answers_of(agency, settings)
        for case in cases:
            yield CaseResult(agency=agency, case=case, problems=check(case, agency, table=table, answers=answers))


def load(path: Path) -> tuple[Case, ...]:
    """The cases of one file. Raises ConfigurationError."""
    return written.read(path, CaseFile).cases


def check(case: Case, agency: str, *, table: RouteTable, answers: Answers) -> tuple[str, ...]:
    """What differs from the case's expectations, each with its place."""
    route = table.routes.get(RouteId(case.route))
    if not isinstance(route, CallRoute):
        return (f"route: there is no route {case.route!r} that calls an agency",)
    if route.agency != agency:
        return (f"route: {case.route} asks {route.agency}, not {agency}",)
    asked, got = play(case, route, answers)
    problems = list(_differences("reply", _canonical(_expectation(case, got)), _canonical(got)))
    if asked != case.agency_request:
        problems = [*_differences("agency_request", _canonical(case.agency_request), _canonical(asked)), *problems]
    return tuple(problems)


def play(case: Case, route: CallRoute, answers: Answers) -> tuple[Mapping[str, Any] | None, Expected]:
    """What the agency was asked and what the portal gets; the same steps as the pipeline's, without proof."""
    asked: Mapping[str, Any] | None = None
    try:
        asked = _translate(case, route)
        return asked, _normalise(case, route, answers, asked)
    except EsbError as error:
        fault = fault_of(error)
        return asked, Expected(status=policy_of(error).status, path=fault.path, agency_code=fault.agency_code)


def _translate(case: Case, route: CallRoute) -> Mapping[str, Any]:
    document = {"parameters": {}, **case.request}
    try:
        route.validator.validate(document)
    except ContractViolation as error:
        raise RequestInvalid(error.reason, path=error.path) from error
    values = route.build_request(document)
    try:
        route.operation.encode(values)
    except RequestUnencodable as error:
        pointer = route.pointer_of(error.path or "")
        if pointer is None:
            raise
        raise RequestInvalid(error.reason, path=pointer) from error
    return values


def _normalise(case: Case, route: CallRoute, answers: Answers, asked: Mapping[str, Any]) -> Expected:
    name = route.operation.name
    draft = answers.draft(name, case.agency_reply) if case.agency_reply else answers.draft_for(name, asked)
    proven = ProvenAnswer(http_status=draft.http_status, content=draft.content, signed_at=None)
    answer = route.operation.decode(proven)
    if not answer.found or route.says_not_found(answer.data):
        return Expected(status=Status.NOT_FOUND)
    return Expected(status=Status.OK, data=route.build_reply(answer.data))


def _expectation(case: Case, got: Expected) -> Expected:
    """The expected reply; a fault's place and code are compared only where the case names them."""
    expected = case.reply
    return msgspec.structs.replace(
        expected,
        path=got.path if expected.path is None else expected.path,
        agency_code=got.agency_code if expected.agency_code is None else expected.agency_code,
    )


def _canonical(value: Any) -> Any:
    """Plain JSON values: amounts become strings, as they are in replies."""
    return msgspec.to_builtins(value)


def _differences(place: str, expected: Any, got: Any) -> Iterator[str]:
    if isinstance(expected, dict) and isinstance(got, dict):
        for name in (*expected, *(name for name in got if name not in expected)):
            yield from _differences(f"{place}.{name}", expected.get(name, _NOTHING), got.get(name, _NOTHING))
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, pair in enumerate(zip(expected, got, strict=True)):
            yield from _differences(f"{place}[{index}]", *pair)
    elif expected != got:
        yield f"{place}: expected {expected!r}, got {got!r}"


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


_NOTHING = _Nothing()
