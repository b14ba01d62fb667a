"""What every verb shares: settings, the adapters, how to print for people and machines, and how to end.

Exit codes: 0 ok, 1 found problems, 2 wrong use, 3 a dependency is down. A traceback never reaches a user.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import msgspec
import typer
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from esb import settings as settings_module
from esb.client import BusUnreachable
from esb.configuration import Agencies, compile_configuration
from esb.contracts.feature import Feature
from esb.errors import BrokerError, EsbError, RoutesInvalid, SettingInvalid, StorageError
from esb.pipeline import Configuration
from esb.routes import compiler
from esb.routes.fields import Fields
from esb.routes.table import RouteTable
from esb.settings import Settings
from security.errors import SecurityError
from security.redact import mask_text

OK, PROBLEMS, WRONG_USE, DEPENDENCY_DOWN = 0, 1, 2, 3

T = TypeVar("T")

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]

HEADING_WIDTH = 74
PIPE_WIDTH = 240
"""What a table may take where nobody has a terminal of a certain width."""

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else PIPE_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class DependencyDown(EsbError):
    """Something that this command needs does not answer; the message says what to start."""


class Shell(msgspec.Struct, kw_only=True):
    """Given to every verb: how to get at settings and adapters, and what `adapter.yaml` and contracts may hold."""

    agencies: Callable[[], Agencies]
    manifest_fields: Fields = ()
    features: Callable[[], Mapping[str, Sequence[Feature]]] = dict
    make_settings: Callable[[], Settings] = settings_module.load

    @property
    def settings(self) -> Settings:
        """The settings in force. Raises SettingInvalid."""
        return self.make_settings()

    def table(self, settings: Settings) -> RouteTable:
        """The deployment compiled as the bus would compile it. Raises RoutesInvalid."""
        return compiler.load(Path(settings.routes), self.agencies().load(settings))

    def configuration(self, settings: Settings) -> Configuration:
        """What a worker would run on."""
        return compile_configuration(settings, self.agencies(), previous=None)


def shell_of(context: typer.Context) -> Shell:
    """The shell that `cli.py` put into the context."""
    shell = context.find_root().obj
    if not isinstance(shell, Shell):
        raise TypeError("cli.py did not give the verbs their shell")
    return shell


def group(name: str, summary: str) -> typer.Typer:
    """A noun of the command line."""
    return typer.Typer(name=name, help=summary, no_args_is_help=True, rich_markup_mode=None)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run an asynchronous verb to its end."""
    return asyncio.run(work)


def guarded(main: Callable[[], Any]) -> NoReturn:
    """Run the command line; every error ends as one clear line and the right exit code."""
    sys.stdout, sys.stderr = _patient(sys.stdout), _patient(sys.stderr)
    try:
        main()
    except RoutesInvalid as error:
        for finding in error.findings:
            err.print(str(finding), markup=False)
        sys.exit(PROBLEMS)
    except SettingInvalid as error:
        fail(error.reason, code=WRONG_USE)
    except (StorageError, BrokerError, BusUnreachable, DependencyDown) as error:
        fail(error.reason, code=DEPENDENCY_DOWN)
    except (EsbError, SecurityError) as error:
        fail(error.reason)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # boundary: a traceback is for the log of whoever asks for it, not for a user
        if make_settings_quietly().log_level == "debug":
            raise
        fail(f"a defect in the bus: {type(error).__name__}; run again with ESB_LOG_LEVEL=debug to see where")
    sys.exit(OK)


class _Output(io.FileIO):
    """A stream whose reader may leave, as `head` does: what was asked is still done, with its own exit code."""

    def write(self, data: Any, /) -> Any:
        try:
            return super().write(data)
        except BrokenPipeError:
            return len(memoryview(data))


def _patient(stream: Any) -> Any:
    """The stream of this process, writing what its encoding lacks as an escape; as it is where it is no file."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    stream.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(stream.fileno(), "wb", closefd=False)),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
    )


def make_settings_quietly() -> Settings:
    """The settings, or the defaults where they cannot be read."""
    try:
        return settings_module.load()
    except SettingInvalid:
        return Settings()


def fail(reason: str, *, code: int = PROBLEMS) -> NoReturn:
    """One line on standard error, then the end."""
    err.print(f"esb: {reason}", markup=False)
    sys.exit(code)


def heading(text: str) -> None:
    """A line that begins a new part of a long output."""
    out.print(f"\n── {text} " + "─" * max(3, HEADING_WIDTH - len(text)), style="bold", markup=False)


def print_json(value: Any) -> None:
    """Machine output: one JSON document, Azerbaijani as it is where the output can hold it."""
    sys.stdout.write(json_text(value) + "\n")


def json_text(value: Any) -> str:
    """As `print_json` prints it."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        # The stream's own escapes are not JSON's.
        text = json.dumps(json.loads(text), indent=2)
    return text


def tell(done: Mapping[str, object], *lines: str, as_json: bool) -> None:
    """What a verb has done: a line or more for people, one object for machines."""
    if as_json:
        print_json(done)
        return
    for line in lines:
        out.print(line, markup=False)


def print_rows(
    rows: Sequence[Mapping[str, object]], columns: Sequence[str], *, as_json: bool = False, empty: str = "nothing"
) -> None:
    """A table for people, a list for machines. `columns` in their order; a missing value is blank."""
    if as_json:
        print_json(list(rows))
        return
    if not rows:
        out.print(empty, markup=False)
        return
    cells = [[_cell(row.get(column)) for column in columns] for row in rows]
    heads = [column.replace("_", " ") for column in columns]
    if out.is_terminal and _least_width([heads, *cells]) > out.width:
        _print_cards(heads, cells)
        return
    table = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for head, *column in zip(heads, *cells, strict=True):
        # An id or an address that is broken over lines cannot be copied.
        table.add_column(head, overflow="fold", no_wrap=not any(" " in cell for cell in column))
    for line in cells:
        table.add_row(*map(escape, line))
    out.print(table)


def counted(number: int, noun: str) -> str:
    """`1 record`, `2 records`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def masked(text: str, *, unmask: bool) -> str:
    """An identifier as people see it unless they asked, on record, for more."""
    return text if unmask else mask_text(text)


def _least_width(lines: Sequence[Sequence[str]]) -> int:
    longest = [
        max(cell_len(word) for cell in column for word in cell.split(" ")) for column in zip(*lines, strict=True)
    ]
    return sum(longest) + 2 * (len(longest) - 1)


def _print_cards(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    """What is too wide for a table: a line for each value, a blank line between rows."""
    margin = max(map(len, heads))
    for line in lines:
        for head, cell in zip(heads, line, strict=True):
            if cell:
                out.print(f"[bold]{head:{margin}}[/]  {escape(cell)}")
        out.print()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple | set | frozenset):
        return ", ".join(str(item) for item in value)
    return str(value)
