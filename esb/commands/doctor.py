"""`esb doctor` and `esb topology`: is everything there that the bus needs, and what does it declare."""

from __future__ import annotations

import asyncio
import platform
import shlex
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

import msgspec
import typer

from esb import control, operations
from esb.amqp.topology import REPLIES, caller_permissions
from esb.commands.shell import (
    DEPENDENCY_DOWN,
    PROBLEMS,
    WRONG_USE,
    JsonFlag,
    Shell,
    fail,
    print_json,
    print_rows,
    run,
    shell_of,
)
from esb.errors import EsbError, RoutesInvalid
from esb.model import CallerName
from esb.settings import DESCRIPTIONS, SECRET, Settings, as_environment
from esb.telemetry.logging import logger
from security import keys
from security.errors import SecurityError

BROKER_WAIT_S = 5.0


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at. `problem` None: it is good."""

    what: str
    found: str
    problem: str | None = None
    dependency: bool = False


def doctor(
    context: typer.Context,
    *,
    settings: Annotated[bool, typer.Option("--settings", help="Only the settings and what they mean.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Look at everything the bus needs.

    Example: esb doctor
    """
    shell = shell_of(context)
    if settings:
        print_rows(_settings(shell.settings), ("setting", "value", "means"), as_json=as_json)
        return
    checks = run(_checks(shell))
    rows = [{"": "ok" if c.problem is None else "!!", "what": c.what, "found": c.problem or c.found} for c in checks]
    if as_json:
        print_json(checks)
    else:
        print_rows(rows, ("", "what", "found"))
    if any(check.problem and check.dependency for check in checks):
        raise typer.Exit(DEPENDENCY_DOWN)
    if any(check.problem for check in checks):
        raise typer.Exit(PROBLEMS)


def topology(
    context: typer.Context,
    *,
    caller: Annotated[
        str | None, typer.Option(help="Only the commands that give this caller's user its rights.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """The RabbitMQ exchanges, queues and bindings of the deployment; or what a caller's broker user may do.

    Example: esb topology --caller portal
    """
    shell = shell_of(context)
    if caller is not None:
        _print_rights(shell, caller, as_json=as_json)
        return
    from esb.broker_side import topology_of  # noqa: PLC0415 - other verbs need not wait for it

    configuration = shell.configuration(shell.settings)
    print_rows(topology_of(configuration).as_rows(), ("kind", "name", "details"), as_json=as_json)


def _print_rights(shell: Shell, caller: str, *, as_json: bool) -> None:
    settings = shell.settings
    if caller not in shell.table(settings).callers:
        fail(f"no caller {caller!r}; see: esb callers list", code=WRONG_USE)
    rights = caller_permissions(caller)
    if as_json:
        print_json(rights)
        return
    vhost = unquote(urlsplit(settings.broker_url).path[1:]) or "/"
    of_queues = (rights.configure, rights.write, rights.read)
    of_replies = (REPLIES, rights.replies_write, rights.replies_read)
    for verb, patterns in (("set_permissions", of_queues), ("set_topic_permissions", of_replies)):
        typer.echo(shlex.join(["rabbitmqctl", verb, "-p", vhost, caller, *patterns]))


async def _checks(shell: Shell) -> list[Check]:
    settings = shell.settings
    home = Path(settings.home)
    return [
        Check(what="python", found=platform.python_version(), problem=_python_problem()),
        await _look("bus key", lambda: _bus_key(home, settings)),
        await _look("routes", lambda: _routes(shell, settings)),
        await _look("callers' keys", lambda: _callers(shell, settings, home)),
        await _look("journal", lambda: _journal(settings), dependency=True),
        await _look("broker", lambda: _broker(settings), dependency=True),
        await _look("workers", lambda: _workers(home)),
    ]


async def _look(what: str, look: Callable[[], Awaitable[str]], *, dependency: bool = False) -> Check:
    try:
        return Check(what=what, found=await look())
    except RoutesInvalid as error:
        return Check(what=what, found="", problem="\n".join(str(finding) for finding in error.findings))
    except (EsbError, SecurityError) as error:
        return Check(what=what, found="", problem=error.reason, dependency=dependency)


async def _bus_key(home: Path, settings: Settings) -> str:
    key = keys.active(home / "keys" / "bus", passphrase=settings.key_passphrase)
    return f"{key.kid} ({key.algorithm.value})"


async def _routes(shell: Shell, settings: Settings) -> str:
    table = await asyncio.to_thread(shell.table, settings)
    return f"{len(table.routes)} routes, {len(table.callers)} callers, table {table.digest[:12]}"


async def _callers(shell: Shell, settings: Settings, home: Path) -> str:
    names: list[CallerName] = list(shell.table(settings).callers)
    without = [name for name in names if not list((home / "keys" / "callers" / name).glob("*.pem"))]
    return "all have keys" if not without else f"no key yet, cannot ask: {', '.join(without)}"


async def _journal(settings: Settings) -> str:
    async with operations.open_journal(settings) as journal:
        await journal.ping()
    return "PostgreSQL" if settings.database_url else f"SQLite in {settings.home}"


async def _broker(settings: Settings) -> str:
    if not settings.broker_url:
        return "none set: delivery in process"
    from esb.amqp.connection import Broker  # noqa: PLC0415 - other verbs need not wait for it

    broker = Broker(settings.broker_url, name="esb doctor", log=logger("esb.doctor"))
    await broker.start()
    try:
        await broker.wait_ready(BROKER_WAIT_S)
    finally:
        await broker.stop()
    return "RabbitMQ answers"


async def _workers(home: Path) -> str:
    answers = await control.order_all(control.sockets(home), "status")
    return "; ".join(_worker(answer) for answer in answers) or "none running"


def _worker(answer: dict[str, Any]) -> str:
    if "error" in answer:
        return f"one does not answer: {answer['error']}"
    held = sorted(agency for agency, state in answer["breakers"].items() if state != "closed")
    holding = f", held back: {', '.join(held)}" if held else ""
    return f"worker {answer['worker']}: table {answer['digest'][:12]}, {answer['in_flight']} in flight{holding}"


def _python_problem() -> str | None:
    return None if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed"


def _settings(settings: Settings) -> list[dict[str, str]]:
    values = as_environment(settings)
    return [
        {
            "setting": (variable := f"ESB_{name.upper()}"),
            "value": "(set)" if name in SECRET and values[variable] else values[variable],
            "means": meaning,
        }
        for name, meaning in DESCRIPTIONS.items()
    ]
