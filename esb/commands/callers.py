"""`esb callers`: who may ask what. Edits the deployment file in its canonical form."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from esb import client, operations
from esb.commands.shell import WRONG_USE, JsonFlag, fail, group, print_json, print_rows, shell_of, tell
from esb.model import Text
from esb.routes import formatter
from esb.routes.deployment import CALLER_NAME
from security import jws, keys
from security.policy import Grant

_AFTER_RELOAD = "a running bus knows after: esb routes reload"

app = group("callers", "Systems that may send requests, their keys and grants.")

Name = Annotated[str, typer.Argument(help="The caller's name, lower-case with dashes.")]
RouteName = Annotated[str, typer.Argument(help="A route, or a group of them: person.*")]


@app.command("list")
def list_callers(context: typer.Context, *, as_json: JsonFlag = False) -> None:
    """Show callers, their keys and grants.

    Example: esb callers list
    """
    shell = shell_of(context)
    settings = shell.settings
    table = shell.table(settings)
    held = {name: [held for held in table.grants.grants if held.caller == name] for name in table.callers}
    rows: list[dict[str, Any]] = [
        {
            "caller": caller.name,
            "title": caller.title.az,
            "keys": _key_count(Path(settings.home), caller.name),
            "routes": [grant.route for grant in held[caller.name]],
        }
        for caller in table.callers.values()
    ]
    for row in rows:
        grants = held[row["caller"]]
        if as_json:
            row["grants"] = [{"route": grant.route, "purposes": list(grant.purposes)} for grant in grants]
        else:
            row["routes"] = [_for_people(grant) for grant in grants]
    print_rows(rows, ("caller", "title", "keys", "routes"), as_json=as_json, empty="no callers")


@app.command()
def add(
    context: typer.Context,
    name: Name,
    *,
    title_az: Annotated[str, typer.Option(help="Its name for people, in Azerbaijani.")] = "",
    title_en: Annotated[str, typer.Option(help="The same in English.")] = "",
    public_key: Annotated[Path | None, typer.Option(help="PEM file of its public key.", exists=True)] = None,
    certificate: Annotated[Path | None, typer.Option(help="PEM file of its TLS certificate.", exists=True)] = None,
    as_json: JsonFlag = False,
) -> None:
    """Add a caller with its key, or with a new key pair on this machine; to a known caller, a further key.

    Example: esb callers add portal2
    """
    if not re.fullmatch(CALLER_NAME, name):
        fail(f"a caller's name has the form {CALLER_NAME}, not {name!r}", code=WRONG_USE)
    shell = shell_of(context)
    settings = shell.settings
    is_new = name not in shell.table(settings).callers
    folder = Path(settings.home) / "keys" / "callers" / name
    # What was given is read before anything is written.
    given = _given(folder, public_key, certificate)
    if is_new:
        title = Text(az=title_az or name, en=title_en or name)
        _write(Path(settings.routes), lambda text: formatter.add_caller(text, name, title=title))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for target, content in given.items():
        target.write_bytes(content)
    lines: list[str] = []
    if not given:
        key = operations.new_caller_key(settings, name, now=datetime.now(UTC))
        lines.append(f"made key {key.kid} in {folder}")
    if is_new:
        lines.append(f"added {name} to {settings.routes}")
        lines.append(f"it may ask nothing yet; allow it something with: esb callers grant {name} ROUTE")
    done = {"caller": name, "added": is_new, "made_key": None if given else key.kid, "folder": str(folder)}
    tell(done, *lines, _AFTER_RELOAD, as_json=as_json)


@app.command()
def grant(
    context: typer.Context,
    name: Name,
    route: RouteName,
    *,
    purpose: Annotated[list[str] | None, typer.Option(help="Only for this purpose; may be repeated.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Let a caller ask a route.

    Example: esb callers grant portal person.identity --purpose "VEMTAS application"
    """
    _edit(context, lambda text: formatter.grant(text, name, route, tuple(purpose or ())))
    done = {"caller": name, "route": route, "granted": True, "purposes": purpose or []}
    tell(done, f"{name} may ask {route}; {_AFTER_RELOAD}", as_json=as_json)


@app.command()
def revoke(context: typer.Context, name: Name, route: RouteName, *, as_json: JsonFlag = False) -> None:
    """Take a grant back.

    Example: esb callers revoke portal credit.obligations
    """
    _edit(context, lambda text: formatter.revoke(text, name, route))
    done = {"caller": name, "route": route, "granted": False}
    tell(done, f"{name} may no longer ask {route}; {_AFTER_RELOAD}", as_json=as_json)


@app.command()
def token(
    context: typer.Context,
    name: Name,
    *,
    seconds: Annotated[int, typer.Option(min=1, max=300, help="How long it holds.")] = 60,
    as_json: JsonFlag = False,
) -> None:
    """Mint a token for one request, with the caller's private key on this machine.

    Example: esb callers token portal
    """
    settings = shell_of(context).settings
    key = client.caller_key(Path(settings.home), name, passphrase=settings.key_passphrase)
    minted = jws.mint_token(key, issuer=name, audience=settings.audience, now=datetime.now(UTC), ttl_s=seconds)
    if as_json:
        print_json({"token": minted, "expires_in_s": seconds})
    else:
        typer.echo(minted)


def _for_people(grant: Grant) -> str:
    return f"{grant.route} (for {'; '.join(grant.purposes)})" if grant.purposes else grant.route


def _given(folder: Path, public_key: Path | None, certificate: Path | None) -> dict[Path, bytes]:
    """The files to be, with what is in them. Raises KeyUnavailable, CertificateRejected."""
    given: dict[Path, bytes] = {}
    if public_key is not None:
        keys.load_public(public_key)
        given[folder / f"{public_key.stem.removesuffix('.pub')}.pub.pem"] = public_key.read_bytes()
    if certificate is not None:
        keys.load_certificate(certificate)
        given[folder / f"{certificate.stem.removesuffix('.crt')}.crt.pem"] = certificate.read_bytes()
    return given


def _edit(context: typer.Context, edit: formatter.Edit) -> None:
    shell = shell_of(context)
    settings = shell.settings
    path = Path(settings.routes)
    before = path.read_text(encoding="utf-8")
    if not _write(path, edit):
        fail("nothing to change")
    try:
        shell.table(settings)
    except Exception:
        path.write_text(before, encoding="utf-8")
        raise


def _write(path: Path, edit: formatter.Edit) -> bool:
    before = path.read_text(encoding="utf-8")
    after = edit(before)
    path.write_text(after, encoding="utf-8")
    return after != before


def _key_count(home: Path, caller: str) -> int:
    folder = home / "keys" / "callers" / caller
    return len({path.name.split(".")[0] for path in folder.glob("*.pem")}) if folder.is_dir() else 0
