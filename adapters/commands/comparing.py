"""`esb adapters diff`: what a new contract would break."""

from __future__ import annotations

from collections import Counter
from typing import Annotated

import typer

from adapters.commands.noun import app
from esb.commands.shell import PROBLEMS, JsonFlag, out, print_json, shell_of

_WHAT = "A WSDL, XSD or OpenAPI file, a folder, or a version of an agency, as din-reg/v1."


@app.command()
def diff(
    context: typer.Context,
    old: Annotated[str, typer.Argument(help=_WHAT)],
    new: Annotated[str, typer.Argument(help=_WHAT)],
    *,
    as_json: JsonFlag = False,
) -> None:
    """Tell what changed between two contracts, by element, and whether it breaks those who keep to the old one.

    Example: esb adapters diff din-reg/v1 new/PopulationRegister.wsdl
    """
    from adapters import differences  # noqa: PLC0415 - other verbs need not wait for it

    settings = shell_of(context).settings
    changes = differences.compare(differences.side_of(old, settings), differences.side_of(new, settings))
    counts = Counter(change.effect.value for change in changes)
    if as_json:
        print_json(changes)
    else:
        for change in changes:
            out.print(str(change), markup=False)
        told = ", ".join(f"{counts[effect.value]} {effect}" for effect in differences.Effect)
        out.print(f"{told}" if changes else "no difference", markup=False)
    if counts["breaking"]:
        raise typer.Exit(PROBLEMS)
