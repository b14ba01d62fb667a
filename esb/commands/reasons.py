"""The option `--reason` of verbs whose act is recorded: required, and never blank."""

from __future__ import annotations

from typing import Annotated

import typer


def _required_words(reason: str) -> str:
    if not reason.strip():
        raise typer.BadParameter("say why; it is recorded, and nobody can ask later")
    return reason.strip()


Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded.", callback=_required_words)]

AskedReason = Annotated[
    str, typer.Option("--reason", help="Why; it is journaled.", prompt=True, callback=_required_words)
]
"""Asked for where it is not given."""
