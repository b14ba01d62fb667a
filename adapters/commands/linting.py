"""`esb adapters lint`: what an agency's team should mend before it submits, with file and line."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from adapters.commands.noun import app, require_there
from esb.commands.shell import PROBLEMS, JsonFlag, counted, out, print_json, shell_of


@app.command()
def lint(
    context: typer.Context,
    adapters: Annotated[
        list[str] | None, typer.Argument(help="Which agencies, or adapters' folders; all, if none.")
    ] = None,
    *,
    as_json: JsonFlag = False,
) -> None:
    """Hold adapters against the rules by which agencies are admitted, and against the loader.

    Example: esb adapters lint din-reg
    """
    settings = shell_of(context).settings
    for name in adapters or ():
        require_there(settings, name)
    from adapters.linting import findings_of  # noqa: PLC0415 - other verbs need not wait for it

    names = adapters or sorted(path.parent.name for path in Path(settings.adapters).glob("*/adapter.yaml"))
    found = [finding for name in names for finding in findings_of(name, settings)]
    counts = Counter(finding.severity.value for finding in found)
    if as_json:
        print_json(found)
    else:
        for finding in found:
            out.print(str(finding), markup=False)
        told = ", ".join(counted(counts[name], name) for name in ("error", "warning", "hint"))
        out.print(f"{counted(len(names), 'adapter')}: {told}", markup=False)
    if counts["error"]:
        raise typer.Exit(PROBLEMS)
