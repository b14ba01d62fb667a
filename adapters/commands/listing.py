"""`esb adapters list|show`: what is connected, where it stands, and where its values come from."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from adapters.commands.noun import app
from esb.commands.shell import JsonFlag, heading, out, print_json, print_rows, run, shell_of
from esb.ports import JournalRecord, utc_now

if TYPE_CHECKING:
    from adapters.registration.overview import Overview

_COLUMNS = (
    "agency",
    "version",
    "lifecycle",
    "share",
    "kind",
    "operations",
    "authentication",
    "endpoint",
    "certificate_until",
    "findings",
)


@app.command("list")
def list_adapters(context: typer.Context, *, as_json: JsonFlag = False) -> None:
    """Every version of every adapter: where it stands, how it speaks, who is asked how much.

    Example: esb adapters list
    """
    rows = _overview(context).rows()
    print_rows(rows if as_json else [_for_people(row) for row in rows], _COLUMNS, as_json=as_json, empty="no adapters")


@app.command()
def show(
    context: typer.Context,
    agency: Annotated[str, typer.Argument(help="Code of the agency, as din-reg.")],
    *,
    as_json: JsonFlag = False,
) -> None:
    """One agency's adapters: versions, values and where each comes from, certificates, findings, what was done.

    Example: esb adapters show din-reg
    """
    from adapters.registration import overview  # noqa: PLC0415 - other verbs need not wait for it

    details = _overview(context).details(agency)
    acts = [_act(one) for one in run(overview.history(shell_of(context).settings, agency))]
    if as_json:
        print_json({**details, "acts": acts})
        return
    for name in ("agency", "owner", "legal_basis", "rollout"):
        out.print(f"{name.replace('_', ' '):12} {details[name] or ''}", markup=False)
    _print("versions", [_for_people(row) for row in details["versions"]], (*_COLUMNS[1:], "source", "submitted_by"))
    _print("values", details["values"], ("name", "value", "from"))
    _print("certificates", [_for_people(row) for row in details["certificates"]], ("name", "until", "in_date"))
    _print("what was done", [_for_people(row) for row in acts], ("at", "act", "version", "what", "operator", "reason"))
    for finding in details["findings"]:
        out.print(finding, markup=False)


def _overview(context: typer.Context) -> Overview:
    from adapters.registration.overview import Overview  # noqa: PLC0415 - other verbs need not wait for it

    return Overview(shell_of(context).settings, now=utc_now())


def _print(title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    heading(title)
    print_rows(rows, columns, empty="none")


def _for_people(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value.astimezone():%Y-%m-%d %H:%M}" if isinstance(value, datetime) else value


def _act(record: JournalRecord) -> dict[str, Any]:
    content = msgspec.json.decode(record.content)
    told = {name: content.get(name) for name in ("act", "version", "what", "operator", "reason", "bundle_sha256")}
    return {"at": datetime.fromisoformat(content["at"]), **told, "chain": record.chain, "seq": record.seq}
