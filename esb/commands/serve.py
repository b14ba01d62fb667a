"""`esb serve`: one worker in this process, or a supervisor over several that share the port."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import shutil
import signal
import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer
import uvloop

from esb import control
from esb.commands.shell import PROBLEMS, JsonFlag, Shell, counted, err, out, shell_of
from esb.configuration import Agencies
from esb.settings import Settings
from esb.telemetry import logging

RESTART_AFTER_S = (0.2, 1.0, 5.0, 15.0)
LOOK_EVERY_S = 0.2
STEADY_S = 30.0
"""A worker that lived this long was good: when it dies its successor starts at once again."""


def serve(
    context: typer.Context,
    *,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Processes that share the port.")] = 1,
    slot: Annotated[int | None, typer.Option(hidden=True)] = None,
    as_json: JsonFlag = False,
) -> None:
    """Run the bus until interrupted.

    Example: esb serve --workers 2
    """
    shell = shell_of(context)
    settings = shell.settings
    logging.configure(settings.log_level)
    if slot is not None or workers == 1:
        uvloop.run(_work(settings, shell.agencies(), slot=slot or 0, share_port=slot is not None, as_json=as_json))
        return
    _check_first(shell, settings)
    raise typer.Exit(uvloop.run(_supervise(settings, workers, as_json=as_json)))


async def _work(settings: Settings, agencies: Agencies, *, slot: int, share_port: bool, as_json: bool) -> None:
    from esb.app import Worker  # noqa: PLC0415 - other verbs need not wait for it

    stopping = _stop_signals()
    if share_port:
        _stop_with_supervisor(stopping)
    worker = Worker(settings, agencies, slot=slot, share_port=share_port)
    await worker.start()
    _set_apart_what_stays()
    if not share_port and worker.http_address is not None:
        host, port = worker.http_address
        _say("ready", f"http://{host}:{port}", as_json=as_json)
    await stopping.wait()
    await worker.stop()


def _stop_with_supervisor(stopping: asyncio.Event) -> None:
    # The supervisor holds the other end of standard input and never writes: it ends when the supervisor does, however
    # that was. A worker that outlived it would keep its name and port from the next start.
    loop, descriptor = asyncio.get_running_loop(), sys.stdin.fileno()

    def ended() -> None:
        loop.remove_reader(descriptor)
        stopping.set()

    loop.add_reader(descriptor, ended)


def _set_apart_what_stays() -> None:
    # Libraries and compiled contracts are over a hundred thousand objects that live as long as the process. A full
    # collection would look at each of them every time: 60 ms in which nobody is answered.
    gc.collect()
    gc.freeze()


def _check_first(shell: Shell, settings: Settings) -> None:
    """Whatever keeps every worker from starting is told once, here, and not by each of them."""
    table = shell.table(settings)
    if settings.http.endswith(":0"):
        raise typer.BadParameter("several workers cannot share a port that is chosen freely; give ESB_HTTP a number")
    metrics = Path(settings.home) / "run" / "metrics"
    shutil.rmtree(metrics, ignore_errors=True)
    metrics.mkdir(parents=True, mode=0o700)
    err.print(f"{len(table.routes)} routes, table {table.digest[:12]}", markup=False)


async def _supervise(settings: Settings, workers: int, *, as_json: bool) -> int:
    stopping = _stop_signals()
    tasks = [asyncio.create_task(_keep(slot, stopping)) for slot in range(workers)]
    _say("starting", _address(settings), f" with {counted(workers, 'worker')}", as_json=as_json)
    announcing = asyncio.create_task(_announce(settings, workers, as_json=as_json))
    codes = await asyncio.gather(*tasks)
    announcing.cancel()
    return max(codes)


async def _announce(settings: Settings, workers: int, *, as_json: bool) -> None:
    """Say once that all workers answer: until then a question might meet nobody."""
    ready = 0
    while ready < workers:
        await asyncio.sleep(LOOK_EVERY_S)
        answers = await control.order_all(control.sockets(Path(settings.home)), "status")
        ready = sum("error" not in answer for answer in answers)
    _say("ready", _address(settings), as_json=as_json)


def _say(state: str, address: str, rest: str = "", *, as_json: bool) -> None:
    """One line about the bus, for people or machines, at once."""
    line = msgspec.json.encode({"bus": state, "address": address}).decode()
    out.print(line if as_json else f"bus {state} on {address}{rest}", markup=False)
    sys.stdout.flush()


def _address(settings: Settings) -> str:
    return f"http://{settings.http}" if settings.http else f"https://{settings.https}"


async def _keep(slot: int, stopping: asyncio.Event) -> int:
    """One worker process, started again when it dies, until the supervisor stops."""
    loop, failures = asyncio.get_running_loop(), 0
    while True:
        began_s = loop.time()
        process = await asyncio.create_subprocess_exec(*_command(slot), stdin=asyncio.subprocess.PIPE)
        ended = asyncio.create_task(process.wait())
        stopped = asyncio.create_task(stopping.wait())
        await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if stopping.is_set():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            return await ended
        failures = 0 if loop.time() - began_s > STEADY_S else failures + 1
        pause_s = RESTART_AFTER_S[min(failures, len(RESTART_AFTER_S)) - 1] if failures else 0.0
        err.print(f"worker {slot} ended with {process.returncode}; starting it again", markup=False)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), pause_s)
            return PROBLEMS


def _command(slot: int) -> list[str]:
    return [sys.executable, sys.argv[0], "serve", "--slot", str(slot)]


def _stop_signals() -> asyncio.Event:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    return stopping
