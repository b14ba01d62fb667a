"""`esb adapters simulate|test` and `esb routes test`: agencies played and golden cases run."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from adapters.commands.noun import app, require_there
from esb.commands.shell import PROBLEMS, JsonFlag, Shell, fail, heading, out, print_json, print_rows, run, shell_of
from esb.routes.deployment import SCHEMES
from esb.settings import Settings

if TYPE_CHECKING:
    from adapters.cases import CaseResult
    from adapters.conformance import Check, Plan
    from adapters.placing import Placed


@app.command()
def simulate(
    context: typer.Context,
    agencies: Annotated[list[str], typer.Argument(help="Which agencies to play; or one adapter's folder.")],
    *,
    port: Annotated[
        int | None, typer.Option(help="First port; 0 for any free one; without it each agency's own.", min=0)
    ] = None,
    behaviour: Annotated[
        list[str] | None, typer.Option(help="Misbehaviour, as slow=2000 or fail-first=3; may be repeated.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Play agencies from their contracts until interrupted.

    Example: esb adapters simulate din-reg --behaviour slow=2000
    """
    settings = shell_of(context).settings
    for agency in agencies:
        require_there(settings, agency)
    from adapters.placing import is_checked_in, placed  # noqa: PLC0415 - other verbs need not wait for it
    from adapters.simulator import behaviours, launch  # noqa: PLC0415

    wanted = [behaviours.parse(text) for text in behaviour or ()]
    announce = _announce_to_machines if as_json else launch.announce_to_people
    elsewhere = [name for name in agencies if not is_checked_in(settings, name)]
    if not elsewhere:
        launch.run(agencies, settings=settings, port=port, behaviours=wanted, announce=announce)
        return
    if len(agencies) > 1:
        fail("a folder is played alone; play it in a process of its own", code=2)
    with placed(settings, elsewhere[0]) as there:
        launch.run([there.agency], settings=there.settings, port=port, behaviours=wanted, announce=announce)


def _announce_to_machines(agency: str, what: str, url: str) -> None:
    """A line of JSON for each thing that is ready."""
    out.print(msgspec.json.encode({"agency": agency, what: url}).decode(), markup=False)
    sys.stdout.flush()


@app.command("test")
def try_adapters(
    context: typer.Context,
    agencies: Annotated[
        list[str] | None, typer.Argument(help="Which agencies, or adapters' folders; all that have cases, if none.")
    ] = None,
    *,
    live: Annotated[bool, typer.Option("--live", help="Try the agency's system of this environment too.")] = False,
    url: Annotated[str | None, typer.Option(help="Try the agency's system at this address.")] = None,
    subject: Annotated[str | None, typer.Option(help="Whom to ask about, as FIN:7TESTX1.")] = None,
    operation: Annotated[
        list[str] | None, typer.Option(help="Try only this, even repeatedly; may be given again.")
    ] = None,
    calls: Annotated[int, typer.Option(help="Calls that are timed, per operation.", min=1, max=1000)] = 10,
    junit: Annotated[Path | None, typer.Option(help="Write the report there as JUnit XML.", dir_okay=False)] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run golden cases without network and keys; then hold a running agency against its contract.

    Example: esb adapters test din-reg --url https://test.agency.example/Register --subject FIN:7TESTX1
    """
    shell = shell_of(context)
    settings = shell.settings
    for name in agencies or ():
        require_there(settings, name)
    trying = live or url is not None
    if trying and len(agencies or ()) != 1:
        fail("one agency's system is tried at a time: name the agency", code=2)
    names = agencies or _agencies_with_cases(settings)
    results = list(_results(shell, names))
    checks = _tried(shell, names[0], url, _plan(subject, operation, calls)) if trying else []
    if junit is not None:
        from adapters.conformance.junit import report  # noqa: PLC0415 - other verbs need not wait for it

        junit.write_bytes(report(results, checks))
    _report(results, checks, as_json=as_json)


def run_route_cases(
    context: typer.Context,
    routes: Annotated[list[str] | None, typer.Argument(help="Which routes; all when none is named.")] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Run the golden cases of routes, without network and keys.

    Example: esb routes test person.identity
    """
    shell = shell_of(context)
    settings = shell.settings
    results = list(_results(shell, _agencies_with_cases(settings)))
    unknown = sorted(set(routes or ()) - {result.case.route for result in results})
    if unknown:
        fail(f"no golden case of {', '.join(unknown)}; see: esb routes list", code=2)
    _report([result for result in results if not routes or result.case.route in routes], [], as_json=as_json)


def _results(shell: Shell, names: Sequence[str]) -> Iterator[CaseResult]:
    from adapters import golden  # noqa: PLC0415 - other verbs need not wait for it

    settings = shell.settings
    return golden.results(names, deployed=functools.cache(lambda: shell.table(settings)), settings=settings)


def _plan(subject: str | None, operations: Sequence[str] | None, calls: int) -> Plan:
    from adapters.conformance import Plan  # noqa: PLC0415 - other verbs need not wait for it

    scheme, _, value = (subject or "").partition(":")
    if subject is not None and (scheme not in SCHEMES or not value):
        fail(f"--subject is a scheme and a number, as FIN:7TESTX1; schemes: {', '.join(SCHEMES)}", code=2)
    return Plan(subject=(scheme, value) if subject else None, operations=tuple(operations or ()), calls=calls)


def _tried(shell: Shell, name: str, url: str | None, plan: Plan) -> list[Check]:
    """The checks of a running agency, each told on a terminal when it is done."""
    from adapters import conformance, golden  # noqa: PLC0415 - other verbs need not wait for it
    from adapters.placing import placed  # noqa: PLC0415

    async def all_of_them(there: Placed) -> list[Check]:
        table = golden.deployed_or_proposed(there, lambda: shell.table(shell.settings))
        return [check async for check in conformance.examine(there, table=table, plan=plan)]

    with placed(shell.settings, name) as there:
        return run(all_of_them(there.at(url) if url else there))


def _report(results: Sequence[CaseResult], checks: Sequence[Check], *, as_json: bool) -> None:
    cases = [
        {
            "": "!!" if result.problems else "ok",
            "agency": result.agency,
            "route": result.case.route,
            "case": result.case.name,
            "problems": result.problems,
        }
        for result in results
    ]
    tried = [{"": _MARKS[check.outcome], **msgspec.structs.asdict(check)} for check in checks]
    if as_json:
        print_json({"cases": cases, "checks": tried} if checks else cases)
    else:
        print_rows(cases, ("", "agency", "route", "case", "problems"), empty="no cases")
    broken = sum(bool(result.problems) for result in results)
    if not as_json:
        out.print(f"{len(results)} cases, {broken} with problems", markup=False)
    if checks and not as_json:
        heading(f"{checks[0].agency}, running")
        print_rows(tried, ("", "operation", "name", "detail", "elapsed_ms"))
        failed, doubtful, skipped = (
            sum(check.outcome == name for check in checks) for name in ("failed", "warning", "skipped")
        )
        out.print(f"{len(checks)} checks: {failed} failed, {doubtful} to look at, {skipped} skipped", markup=False)
    if broken or any(check.outcome == "failed" for check in checks):
        raise typer.Exit(PROBLEMS)


_MARKS = {"passed": "ok", "warning": "??", "failed": "!!", "skipped": "--"}


def _agencies_with_cases(settings: Settings) -> Sequence[str]:
    return sorted(path.parent.name for path in Path(settings.adapters).glob("*/cases.yaml"))
