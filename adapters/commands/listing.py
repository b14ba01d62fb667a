"""`esb adapters list`: what is connected, how it speaks and where it stands."""

from __future__ import annotations

import typer

from adapters.commands.noun import app
from esb.commands.shell import JsonFlag, print_rows, shell_of


@app.command("list")
def list_adapters(context: typer.Context, *, as_json: JsonFlag = False) -> None:
    """Every adapter, how it speaks and where.

    Example: esb adapters list
    """
    settings = shell_of(context).settings
    from adapters import agency_keys, registry  # noqa: PLC0415 - other verbs need not wait for it
    from adapters.transport import Transport  # noqa: PLC0415 - other verbs need not wait for it

    catalogue = registry.load(settings, agency_keys.load(settings), Transport())
    rows = [
        {
            "agency": agency,
            "kind": manifest.kind.value,
            "operations": list(catalogue.operations(agency)),
            "authentication": manifest.authentication.value,
            "lifecycle": manifest.lifecycle.value,
            "endpoint": settings.endpoints.get(agency) or manifest.endpoint.get(settings.environment),
            "title": manifest.title.az,
        }
        for agency in catalogue.agencies()
        for manifest in [catalogue.manifest(agency)]
    ]
    columns = ("agency", "kind", "operations", "authentication", "lifecycle", "endpoint", "title")
    print_rows(rows, columns, as_json=as_json, empty="no adapters")
