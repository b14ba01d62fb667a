"""`esb keys`: the bus's own signing keys."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from esb import operations
from esb.commands import secrets
from esb.commands.shell import JsonFlag, group, out, print_json, print_rows, shell_of
from esb.ports import utc_now
from security import keys
from security.keys import Algorithm


class Purpose(enum.StrEnum):
    """What a key is for; none is for both."""

    SIGNING = "signing"
    ENCRYPTION = "encryption"


app = group("keys", "The bus's own signing keys, and the secrets of agencies.")
app.add_typer(secrets.app)


@app.command("list")
def list_keys(context: typer.Context, *, as_json: JsonFlag = False) -> None:
    """Show the bus's keys; the last is in force.

    Example: esb keys list
    """
    folder = Path(shell_of(context).settings.home) / "keys" / "bus"
    found = keys.load_verifying_keys(folder) if folder.is_dir() else ()
    newest = max((key.kid for key in found), default=None)
    rows = [
        {
            "kid": key.kid,
            "algorithm": key.algorithm.value,
            "valid_until": _valid_until(key),
            "in_force": "yes" if key.kid == newest else "",
        }
        for key in found
    ]
    print_rows(
        rows,
        ("kid", "algorithm", "valid_until", "in_force"),
        as_json=as_json,
        empty="no keys; make one with: esb keys new",
    )


@app.command("new")
def new_key(
    context: typer.Context,
    *,
    algorithm: Annotated[
        Algorithm, typer.Option(help="ES256, or RS256 where an agency demands RSA.")
    ] = Algorithm.ES256,
    purpose: Annotated[
        Purpose, typer.Option("--for", help="signing, or encryption: agencies encrypt replies for it (RSA).")
    ] = Purpose.SIGNING,
    as_json: JsonFlag = False,
) -> None:
    """Make a key with a certificate to give to agencies.

    Example: esb keys new
    """
    settings = shell_of(context).settings
    folder = Path(settings.home) / "keys" / "bus"
    if purpose is Purpose.ENCRYPTION:
        key = operations.new_encryption_key(settings, now=utc_now())
        folder = folder / keys.ENCRYPTION_FOLDER
    else:
        key = operations.new_bus_key(settings, algorithm=algorithm, now=utc_now())
    certificate = folder / f"{key.kid}.crt.pem"
    if as_json:
        print_json({"kid": key.kid, "certificate": str(certificate)})
        return
    out.print(f"made {key.kid}", markup=False)
    out.print(f"give agencies its certificate: {certificate}", markup=False)
    out.print("a running bus uses it after: esb routes reload", markup=False)


def _valid_until(key: keys.VerifyingKey) -> str | None:
    return key.certificate.not_valid_after_utc.date().isoformat() if key.certificate is not None else None
