"""`esb routes`: the deployment file: list, show, lint, test, format, reload."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from esb import control
from esb.commands.shell import (
    DEPENDENCY_DOWN,
    PROBLEMS,
    JsonFlag,
    counted,
    err,
    fail,
    group,
    out,
    print_json,
    print_rows,
    run,
    shell_of,
    tell,
)
from esb.model import Finding, RouteId, Severity
from esb.routes import compiler, formatter
from esb.routes.table import CallRoute, Route

app = group("routes", "What portals may ask: the deployment file routes.yaml.")


@app.command("list")
def list_routes(context: typer.Context, *, as_json: JsonFlag = False) -> None:
    """Every route and whom it asks.

    Example: esb routes list
    """
    shell = shell_of(context)
    table = shell.table(shell.settings)
    rows = [
        {"route": route.id, "asks": _asks(route), "deadline_s": route.deadline_s, "title": route.title.az}
        for route in table.routes.values()
    ]
    print_rows(rows, ("route", "asks", "deadline_s", "title"), as_json=as_json, empty="no routes")


@app.command()
def show(
    context: typer.Context,
    route: Annotated[str, typer.Argument(help="A route, as person.identity.")],
    *,
    as_json: JsonFlag = False,
) -> None:
    """One route: its terms, and a request and reply as a portal sees them.

    Example: esb routes show person.identity
    """
    shell = shell_of(context)
    table = shell.table(shell.settings)
    found = table.routes.get(RouteId(route))
    if found is None:
        fail(f"no route {route!r}; see: esb routes list")
    details: dict[str, Any] = {
        "route": found.id,
        "version": found.version,
        "title": {"az": found.title.az, "en": found.title.en},
        "asks": _asks(found),
        "audience": list(found.audience),
        "legal_basis": found.legal_basis,
        "deadline_s": found.deadline_s,
        "idempotent": found.idempotent,
        "callers": sorted(name for name in table.callers if table.grants.permits_any(name, found.id)),
        "request": found.request_sample,
        "reply_data": found.reply_sample,
    }
    if as_json:
        print_json({**details, "request_schema": found.request_schema, "reply_schema": found.reply_schema})
        return
    for name, value in details.items():
        if name in {"request", "reply_data"}:
            out.print(f"\n{name.replace('_', ' ')}", style="bold")
            print_json(value)
        else:
            out.print(f"{name.replace('_', ' '):12} {_for_people(value)}", markup=False)


@app.command()
def lint(context: typer.Context, *, as_json: JsonFlag = False) -> None:
    """Every error and warning of the deployment, with file and line.

    Example: esb routes lint
    """
    shell = shell_of(context)
    settings = shell.settings
    findings = tuple(compiler.check(Path(settings.routes), shell.agencies().load(settings)))
    errors = sum(finding.severity is Severity.ERROR for finding in findings)
    if as_json:
        print_json(findings)
    else:
        for finding in findings:
            err.print(str(finding), markup=False)
        out.print(_verdict(settings.routes, findings, errors), markup=False)
    if errors:
        raise typer.Exit(PROBLEMS)


@app.command("format")
def format_routes(
    context: typer.Context,
    *,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if it would.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write routes.yaml in its one canonical form.

    Example: esb routes format
    """
    path = Path(shell_of(context).settings.routes)
    before = path.read_text(encoding="utf-8")
    after = formatter.format_text(before)
    if after == before:
        tell({"file": str(path), "rewritten": False}, f"{path} is in canonical form", as_json=as_json)
        return
    if check:
        fail(f"{path} is not in canonical form; run: esb routes format")
    path.write_text(after, encoding="utf-8")
    tell({"file": str(path), "rewritten": True}, f"{path} rewritten", as_json=as_json)


@app.command()
def reload(context: typer.Context, *, as_json: JsonFlag = False) -> None:
    """Have every running worker use the files as they are now, all or none.

    Example: esb routes reload
    """
    shell = shell_of(context)
    settings = shell.settings
    digest = shell.table(settings).digest
    verdicts = run(control.reload(control.sockets(Path(settings.home)), digest))
    if not verdicts["workers"]:
        fail("no bus is running here; the files are good and will be used at its start", code=DEPENDENCY_DOWN)
    if as_json:
        print_json(verdicts)
    else:
        _tell(verdicts, digest)
    if not verdicts["used"]:
        raise typer.Exit(PROBLEMS)


def _tell(verdicts: dict[str, Any], digest: str) -> None:
    if not verdicts["used"]:
        _tell_problems(verdicts, digest)
        return
    change = verdicts["change"]
    out.print(f"table {digest[:12]} is in use by {counted(verdicts['workers'], 'worker')}", markup=False)
    for what in ("added", "removed", "changed"):
        if change.get(what):
            out.print(f"  {what}: {', '.join(change[what])}", markup=False)


def _for_people(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case {"az": az, "en": en}:
            return f"{az} / {en}"
        case float():
            return f"{value:g}"
        case list():
            return ", ".join(map(str, value))
    return str(value)


def _tell_problems(verdicts: dict[str, Any], digest: str) -> None:
    using, workers = verdicts["using"], counted(verdicts["workers"], "worker")
    # Only a worker that stopped answering between its two orders can be left out: what it prepared was good.
    where = (
        "the old table stays in use everywhere"
        if not using
        else f"table {digest[:12]} is in use by {using} of {workers}"
    )
    err.print(f"{where}:", markup=False)
    for answer in verdicts["problems"]:
        for finding in answer.get("findings") or [answer["error"]]:
            err.print(f"  {finding}", markup=False)


def _asks(route: Route) -> str:
    if isinstance(route, CallRoute):
        return f"{route.agency} {route.operation_name}"
    return "gathers " + ", ".join(member.id for member in route.members.values())


def _verdict(path: str, findings: tuple[Finding, ...], errors: int) -> str:
    if errors:
        return f"{path}: {counted(errors, 'error')}"
    return f"{path}: good" + (f" ({counted(len(findings), 'remark')})" if findings else "")
