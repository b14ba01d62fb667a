"""`esb adapters scaffold`: from a contract to an adapter's folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adapters.commands.noun import app
from adapters.manifest_fields import FIELDS
from esb.commands.shell import JsonFlag, counted, fail, heading, out, print_json, shell_of

if TYPE_CHECKING:
    from adapters.scaffolding import Scaffolded, Source

_CODE = re.compile(str(next(field.pattern for field in FIELDS if field.name == "agency")))
_PROOFS = next(field.choices for field in FIELDS if field.name == "authentication")
_VERSION = re.compile("v[1-9][0-9]*")


@app.command()
def scaffold(
    context: typer.Context,
    *,
    agency: Annotated[str, typer.Option(help="Code of the agency, as din-reg.")],
    wsdl: Annotated[Path | None, typer.Option(help="A WSDL 1.1 file.")] = None,
    openapi: Annotated[Path | None, typer.Option(help="An OpenAPI 3.0 or 3.1 document.")] = None,
    xsd: Annotated[Path | None, typer.Option(help="An XSD, for XML over HTTP.")] = None,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="One folder for all of it; else where the bus looks.")
    ] = None,
    catalog: Annotated[Path | None, typer.Option(help="Folder in which missing imports are looked up.")] = None,
    service: Annotated[str | None, typer.Option(help="WSDL service, where there are several.")] = None,
    port: Annotated[str | None, typer.Option(help="WSDL port, where there are several.")] = None,
    version: Annotated[str, typer.Option(help="Version of the contract.")] = "v1",
    authentication: Annotated[str | None, typer.Option(help=f"One of {', '.join(_PROOFS)}.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace what a scaffold wrote there; edits are kept as .bak.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Write an adapter from a contract: manifest, routes with mapping, samples, golden cases. Guesses are marked.

    Example: esb adapters scaffold --wsdl Heating.wsdl --agency heat --out heat
    """
    if len([one for one in (wsdl, openapi, xsd) if one]) != 1:
        fail("give one contract: --wsdl, --openapi or --xsd", code=2)
    if not _CODE.fullmatch(agency):
        fail(f"{agency!r} is not a code: lower-case letters and digits with hyphens between, as din-reg", code=2)
    if not _VERSION.fullmatch(version):
        fail(f"{version!r} is not a version: v1, v2, …", code=2)
    if authentication is not None and authentication not in _PROOFS:
        fail(f"{authentication!r} is not one of {', '.join(_PROOFS)}", code=2)
    from adapters.scaffolding import Order  # noqa: PLC0415 - other verbs need not wait for it
    from adapters.scaffolding import scaffold as make  # noqa: PLC0415

    order = Order(agency=agency, version=version, authentication=authentication, out=out_folder, force=force)
    source = _source(wsdl=wsdl, openapi=openapi, xsd=xsd, catalog=catalog, service=service, port=port)
    made = make(source, order, shell_of(context).settings)
    if as_json:
        print_json({**_told(made), "notes": list(made.notes)})
        return
    _print(made, agency, out_folder)


def _source(
    *,
    wsdl: Path | None,
    openapi: Path | None,
    xsd: Path | None,
    catalog: Path | None,
    service: str | None,
    port: str | None,
) -> Source:
    from adapters import scaffolding  # noqa: PLC0415 - other verbs need not wait for it

    if wsdl is not None:
        return scaffolding.from_wsdl(wsdl, catalogue=catalog, service=service, port=port)
    if openapi is not None:
        return scaffolding.from_openapi(openapi, catalogue=catalog)
    assert xsd is not None  # noqa: S101 - one of the three was given; this tells the type checker
    return scaffolding.from_xsd(xsd, catalogue=catalog)


def _told(made: Scaffolded) -> dict[str, object]:
    return {
        "folder": str(made.folder),
        "contract": str(made.contract),
        "operations": list(made.operations),
        "routes": list(made.routes),
        "cases": made.cases,
    }


def _print(made: Scaffolded, agency: str, out_folder: Path | None) -> None:
    out.print(
        f"{made.folder}: {counted(len(made.operations), 'operation')}, {counted(len(made.routes), 'route')}, "
        f"{counted(made.cases, 'golden case')}, all passing; contract in {made.contract}",
        markup=False,
    )
    for note in made.notes:
        out.print(f"  {note}", markup=False)
    name = agency if out_folder is None else str(out_folder)
    heading("next")
    for step in _steps(made, name, inside=out_folder is not None):
        out.print(step, markup=False)


def _steps(made: Scaffolded, name: str, *, inside: bool) -> list[str]:
    submitted = f"esb adapters submit {made.folder} --key AGENCY.key.pem --reason TEXT"
    last = submitted if inside else f"take the routes of {made.folder / 'routes.yaml'} into routes.yaml and grant them"
    return [
        f"1. read the lines marked `check:` in {made.folder / 'adapter.yaml'} and {made.folder / 'routes.yaml'}",
        f"2. fill in what `esb adapters lint {name}` asks for",
        f"3. esb adapters test {name}",
        f"4. esb adapters simulate {name}",
        f"5. {last}",
    ]
