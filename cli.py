"""The command `esb`: puts the verbs together and gives them the adapters. Nothing else is decided here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import typer

from adapters import commands as adapter_commands
from adapters import manifest_fields
from esb.commands import ask, callers, demo, doctor, documents, journal, keys, messages, routes, serve
from esb.commands.shell import Shell, guarded, make_settings_quietly
from esb.configuration import Agencies
from esb.contracts.feature import Feature
from esb.telemetry import logging

app = typer.Typer(
    name="esb",
    help="The service bus between the portal and the agencies.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def adapters() -> Agencies:
    """The adapters, for the verbs that need them: what reads WSDLs takes a second to import, and few verbs do."""
    from adapters.composition import Adapters  # noqa: PLC0415 - as the docstring says

    return Adapters()


def features() -> Mapping[str, Sequence[Feature]]:
    """What contracts may hold, for the documents."""
    from adapters.features import tables  # noqa: PLC0415 - as above

    return tables()


@app.callback()
def begin(context: typer.Context) -> None:
    """Every verb finds its shell in the context. Standard output is the verb's alone: logs go to standard error."""
    logging.configure("debug" if make_settings_quietly().log_level == "debug" else "error")
    context.obj = Shell(agencies=adapters, manifest_fields=manifest_fields.FIELDS, features=features)


app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("ask")(ask.ask)
app.command("doctor")(doctor.doctor)
app.command("documents", hidden=True)(documents.documents)
app.command("topology")(doctor.topology)
routes.app.command("test")(adapter_commands.run_route_cases)
for noun in (routes.app, messages.app, journal.app, keys.app, callers.app, adapter_commands.app):
    app.add_typer(noun)


def main() -> None:
    """The console script."""
    guarded(app)


if __name__ == "__main__":
    main()
