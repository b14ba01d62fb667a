"""`esb keys secret`: the passwords and keys that agencies gave the bus. No verb here ever shows a value."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from esb.commands.shell import WRONG_USE, JsonFlag, fail, group, out, print_json, print_rows, shell_of
from security import secretfile

app = group("secret", "Passwords and keys that agencies gave the bus.")

_READ_BYTES = secretfile.MAX_BYTES + 16
"""One that is too long is noticed without reading all of it."""


@app.command("set")
def set_secret(
    context: typer.Context,
    agency: Annotated[str, typer.Argument(help="Whose secret it is, as in adapter.yaml.")],
    name: Annotated[str, typer.Argument(help="Its name, as adapter.yaml names it.")],
    *,
    as_json: JsonFlag = False,
) -> None:
    """Store a secret: typed without echo on a terminal, else read from standard input. Replaces an earlier one.

    Example: esb keys secret set din-reg gateway-password
    """
    settings = shell_of(context).settings
    path = secretfile.path_of(Path(settings.home), agency, name)
    secretfile.write(path, _typed(agency, name) if sys.stdin.isatty() else sys.stdin.buffer.read(_READ_BYTES))
    known = (Path(settings.adapters) / agency).is_dir()
    if as_json:
        print_json({"agency": agency, "name": name, "file": str(path), "adapter_known": known})
        return
    out.print(f"stored the secret {name} of {agency}", markup=False)
    if not known:
        out.print(f"note: there is no adapter {agency} in {settings.adapters} yet", markup=False)
    out.print("a running bus uses it after: esb routes reload", markup=False)


@app.command("list")
def list_secrets(context: typer.Context, *, as_json: JsonFlag = False) -> None:
    """Show which secrets are stored, and whether others on this machine could read them; never their values.

    Example: esb keys secret list
    """
    rows = [
        {
            "agency": found.agency,
            "name": found.name,
            "changed": found.changed_at.isoformat(),
            "problem": "others may read it; chmod 600" if found.exposed else "",
        }
        for found in secretfile.stored(Path(shell_of(context).settings.home))
    ]
    columns = ("agency", "name", "changed", "problem")
    print_rows(rows, columns, as_json=as_json, empty="no secrets; store one with: esb keys secret set AGENCY NAME")


def _typed(agency: str, name: str) -> bytes:
    value = getpass.getpass(f"{name} of {agency}: ")
    if getpass.getpass("again: ") != value:
        fail("the two differ; nothing was stored", code=WRONG_USE)
    return value.encode()
