"""`esb adapters simulate|test` and `esb routes test`: agencies played and golden cases run, from files alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.commands.noun import app, require_known
from esb.commands.shell import PROBLEMS, JsonFlag, Shell, fail, out, print_rows, shell_of
from esb.settings import Settings

if TYPE_CHECKING:
    from adapters.cases import CaseResult


@app.command()
def simulate(
    context: typer.Context,
    agencies: Annotated[list[str], typer.Argument(help="Which agencies to play.")],
    *,
    port: Annotated[
        int | None, typer.Option(help="First port; 0 for any free one; without it each agency's own.", min=0)
    ] = None,
    behaviour: Annotated[
        list[str] | None, typer.Option(help="Misbehaviour, as slow=2000 or fail-first=3; may be repeated.")
    ] = None,
) -> None:
    """Play agencies from their contracts until interrupted.

    Example: esb adapters simulate din-reg --behaviour slow=2000
    """
    settings = shell_of(context).settings
    for agency in agencies:
        require_known(settings, agency)
    from adapters.simulator import behaviours, launch  # noqa: PLC0415 - other verbs need not wait for it

    launch.run(agencies, settings=settings, port=port, behaviours=[behaviours.parse(text) for text in behaviour or ()])


@app.command("test")
def run_cases(
    context: typer.Context,
    agencies: Annotated[list[str] | None, typer.Argument(help="Which agencies; all that have cases, if none.")] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Run the golden cases of agencies, without network and keys.

    Example: esb adapters test din-reg
    """
    shell = shell_of(context)
    settings = shell.settings
    for agency in agencies or ():
        require_known(settings, agency)
    _report(list(_results(shell, agencies or _agencies_with_cases(settings))), as_json=as_json)


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
    _report([result for result in results if not routes or result.case.route in routes], as_json=as_json)


def _results(shell: Shell, agencies: Sequence[str]) -> Iterator[CaseResult]:
    settings = shell.settings
    from adapters import cases  # noqa: PLC0415 - other verbs need not wait for it

    return cases.run(agencies, table=shell.table(settings), settings=settings)


def _report(results: Sequence[CaseResult], *, as_json: bool) -> None:
    rows = [
        {
            "": "!!" if result.problems else "ok",
            "agency": result.agency,
            "route": result.case.route,
            "case": result.case.name,
            "problems": result.problems,
        }
        for result in results
    ]
    print_rows(rows, ("", "agency", "route", "case", "problems"), as_json=as_json, empty="no cases")
    broken = sum(bool(result.problems) for result in results)
    if not as_json:
        out.print(f"{len(results)} cases, {broken} with problems", markup=False)
    if broken:
        raise typer.Exit(PROBLEMS)


def _agencies_with_cases(settings: Settings) -> Sequence[str]:
    return sorted(path.parent.name for path in Path(settings.adapters).glob("*/cases.yaml"))
