"""`esb journal`: is the record whole."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esb import operations
from esb.commands.shell import PROBLEMS, JsonFlag, counted, err, group, out, print_json, run, shell_of

app = group("journal", "The hash-chained record of every exchange.")


@app.command()
def verify(
    context: typer.Context,
    *,
    against: Annotated[
        Path | None, typer.Option(help="A copy of anchors/checkpoints.jsonl kept elsewhere.", exists=True)
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Check every record, every chain, every checkpoint.

    Example: esb journal verify
    """
    report = run(operations.verify_journal(shell_of(context).settings, against=against))
    if as_json:
        print_json(
            {
                "records": report.records,
                "chains": report.chains,
                "checkpoints": report.checkpoints,
                "problems": [str(problem) for problem in report.problems],
            }
        )
    else:
        for problem in report.problems:
            err.print(str(problem), markup=False)
        verdict = "whole" if not report.problems else counted(len(report.problems), "problem")
        records = f"{counted(report.records, 'record')} in {counted(report.chains, 'chain')}"
        out.print(f"journal: {records}, {counted(report.checkpoints, 'checkpoint')}: {verdict}", markup=False)
    if report.problems:
        raise typer.Exit(PROBLEMS)
