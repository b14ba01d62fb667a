"""`esb demo`: the bus and its simulated agencies before one's eyes, on real processes, HTTP, signatures and journal.

Everything it starts is what an operator would start: `esb adapters simulate`, `esb serve`. State lies in a folder of
its own, made anew each time; nothing of a real deployment is touched.
"""

from __future__ import annotations

import contextlib
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from esb import client, operations
from esb.client import PortalClient
from esb.commands.ask import print_answer
from esb.commands.shell import PROBLEMS, DependencyDown, JsonFlag, counted, heading, out, print_json, run, shell_of
from esb.model import JsonObject
from esb.settings import Settings, as_environment
from esb.telemetry.logging import EXCHANGE_STAGES, MESSAGE_ANSWERED, MESSAGE_RECEIVED
from security.keys import Algorithm

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
CALLER = "portal"
ANY_PORT = "127.0.0.1:0"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a portal asks, and what it is meant to show."""

    shows: str
    route: str
    fin: str
    parameters: dict[str, Any] = {}
    prefer: str | None = None
    expects: str = "OK"


QUESTIONS = (
    Question(shows="a person's identity, from a signed SOAP system", route="person.identity", fin="7TESTX1"),
    Question(shows="the address of the same person", route="person.address", fin="7TESTX1"),
    Question(shows="diplomas, from a signed REST system", route="diploma.by-person", fin="7TESTX1"),
    Question(shows="whether somebody studies now", route="student.status", fin="7TESTX2"),
    Question(shows="credits, under bank secrecy", route="credit.obligations", fin="7TESTX1"),
    Question(shows="all of it at once, asked in parallel", route="person.overview", fin="7TESTX1"),
    Question(shows="nobody has this FİN: no record", route="person.identity", fin="7TESTX9", expects="NOT_FOUND"),
    Question(shows="a FİN that cannot be one", route="person.identity", fin="7TESTO", expects="INVALID_REQUEST"),
    Question(
        shows="asked without waiting; the reply is fetched later",
        route="person.identity",
        fin="7TESTX2",
        prefer="respond-async",
        expects="PENDING",
    ),
)


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """A simulated agency that was started: where it answers, and where it is told how to behave."""

    url: str
    control_url: str


def demo(
    context: typer.Context,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Leave everything running until interrupted.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Start bus and agencies, ask real questions, verify everything, stop.

    Example: esb demo --keep
    """
    began_s = time.monotonic()
    out.quiet = as_json and not keep
    # Whoever ends this process by `kill` means all of it, as with Ctrl-C: nothing it started may stay behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    base = shell_of(context).settings
    home = Path(base.home) / "demo"
    shutil.rmtree(home, ignore_errors=True)
    settings = msgspec.structs.replace(
        base,
        home=str(home),
        http=_own_address(base.http) if keep else ANY_PORT,
        https="",
        database_url="",
        broker_url="",
        environment="simulated",
        log_level="debug",
    )
    heading("keys and callers")
    make_keys(settings)
    with contextlib.ExitStack() as stack:
        agencies = _agencies(settings)
        heading("processes")
        running = {name: stack.enter_context(simulated(settings, name)) for name in agencies}
        endpoints = {name: agency.url for name, agency in running.items()}
        settings = msgspec.structs.replace(settings, endpoints=endpoints)
        url = stack.enter_context(serving(settings))
        settings = msgspec.structs.replace(settings, http=url.removeprefix("http://"))
        asked = _ask_all(settings, url)
        asked_s = time.monotonic()
        if keep:
            _say_how_to_ask(settings, url, running, asked_s - began_s)
            _wait_until_interrupted()
    kept_s = time.monotonic() - asked_s
    whole = _verify(settings)
    good = whole and all(question["as_expected"] for question in asked)
    verdict = "everything as expected" if good else "NOT as expected"
    rest = f"; kept for {kept_s:.0f} s, stopped cleanly" if keep else "; stopped cleanly. Next: esb demo --keep"
    out.print(f"\n[bold]{verdict}[/] in {asked_s - began_s:.0f} s{rest}")
    if as_json:
        print_json({"as_expected": good, "journal_whole": whole, "questions": asked})
    if not good:
        raise typer.Exit(PROBLEMS)


def make_keys(settings: Settings) -> None:
    """The bus's key and a portal's, where there are none; what `esb keys new` and `esb callers add` make."""
    now = datetime.now(UTC)
    bus = operations.new_bus_key(settings, algorithm=Algorithm.ES256, now=now)
    out.print(f"  bus     {bus.kid}  (P-256, certificate given to each agency)", markup=False)
    caller = operations.new_caller_key(settings, CALLER, now=now)
    out.print(f"  {CALLER}  {caller.kid}  (P-256, its public half registered with the bus)", markup=False)


@contextlib.contextmanager
def simulated(settings: Settings, agency: str) -> Iterator[Running]:
    """A simulated agency in a process of its own; gives its addresses."""
    ready = (f"{agency} ready on ", f"{agency} control on ")
    with _process(settings, ["adapters", "simulate", agency, "--port", "0"], ready=ready) as (url, control_url):
        out.print(f"  {agency:8} {url}", markup=False)
        yield Running(url=url, control_url=control_url)


@contextlib.contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The bus in a process of its own; gives its address."""
    with _process(settings, ["serve"], ready=("bus ready on ",)) as (url,):
        out.print(f"  bus      {url}", markup=False)
        yield url


def _ask_all(settings: Settings, url: str) -> list[dict[str, Any]]:
    key = client.caller_key(Path(settings.home), CALLER, passphrase=settings.key_passphrase)
    portal = PortalClient(url, caller=CALLER, key=key, audience=settings.audience)
    asked = []
    for number, question in enumerate(QUESTIONS, 1):
        heading(f"{number}. {question.shows}")
        asked.append(_ask(portal, question))
        _print_stages(Path(settings.home))
    return asked


def _ask(portal: PortalClient, question: Question) -> dict[str, Any]:
    body: JsonObject = {
        "subject": {"scheme": "FIN", "value": question.fin},
        "parameters": question.parameters,
        "purpose": "VEMTAS application",
        "legal_basis": "decree 477/2015",
    }
    prefer = f"  Prefer: {question.prefer}" if question.prefer else ""
    out.print(f"POST /v1/routes/{question.route}  FIN {question.fin}{prefer}", markup=False)
    answered = portal.ask(question.route, body, prefer=question.prefer)
    print_answer(answered)
    told = {"shows": question.shows, "route": question.route, "status": answered.reply["status"]}
    good = answered.reply["status"] == question.expects
    if answered.http_status == 202:  # noqa: PLR2004 - Accepted
        location = answered.headers["location"]
        out.print(f"GET {location}  Prefer: wait=10", markup=False)
        later = portal.send("GET", location, headers={"Prefer": "wait=10"})
        print_answer(later)
        good = good and later.reply["status"] == "OK"
    return {**told, "as_expected": good}


class _Line(msgspec.Struct):
    """Of a log line of the bus, what the demo shows."""

    event: str
    message_id: str = ""
    agency: str = ""
    translate_ms: float = 0
    sign_ms: float = 0
    call_ms: float = 0
    verify_ms: float = 0
    normalise_ms: float = 0
    elapsed_ms: float = 0


def _print_stages(home: Path) -> None:
    """What happened on the way, from the bus's own log: it runs with log level debug here."""
    lines = [_decoded(text) for text in (home / "logs" / "serve.log").read_bytes().splitlines()[_seen["lines"] :]]
    _seen["lines"] += len(lines)
    events = {line.event for line in lines}
    accepted = MESSAGE_RECEIVED in events
    steps = "authenticate → authorise → validate → journal RECEIVED" if accepted else "refused before anything ran"
    out.print(f"  {steps}", markup=False, style="dim")
    for line in lines:
        if line.event == EXCHANGE_STAGES:
            out.print(
                f"  → {line.agency}: translate {line.translate_ms} → sign {line.sign_ms} → call {line.call_ms}"
                f" → verify {line.verify_ms} → normalise {line.normalise_ms} ms",
                markup=False,
                style="dim",
            )
    whole_ms = next((line.elapsed_ms for line in lines if line.event == MESSAGE_ANSWERED), 0.0)
    ending = "→ sign reply → journal COMPLETED" if EXCHANGE_STAGES in events else "→ journal → signed answer"
    out.print(f"  {ending}: answered after {whole_ms} ms", markup=False, style="dim")


_seen = {"lines": 0}


def _decoded(text: bytes) -> _Line:
    return msgspec.json.decode(text, type=_Line) if text.startswith(b"{") else _Line(event="")


def _verify(settings: Settings) -> bool:
    heading("journal")
    report = run(operations.verify_journal(settings))
    for problem in report.problems:
        out.print(f"  {problem}", markup=False)
    verdict = "whole" if not report.problems else "BROKEN"
    held = f"{counted(report.records, 'record')} in {counted(report.chains, 'hash chain')}"
    out.print(f"  {held}: {verdict}", markup=False)
    return not report.problems


def _say_how_to_ask(settings: Settings, url: str, agencies: Mapping[str, Running], elapsed_s: float) -> None:
    body = (
        '{"subject":{"scheme":"FIN","value":"7TESTX1"},"purpose":"VEMTAS application","legal_basis":"decree 477/2015"}'
    )
    environment = f"ESB_HOME={settings.home} ESB_HTTP={settings.http}"
    heading("running")
    out.print(f"ready after {elapsed_s:.0f} s. Paste this into another terminal, in this folder:\n", markup=False)
    out.print(
        f"curl -s {url}/v1/routes/person.identity \\\n"
        f'  -H "Authorization: Bearer $({environment} {_esb()} callers token {CALLER})" \\\n'
        f"  -H 'Content-Type: application/json' -d '{body}'\n",
        markup=False,
    )
    out.print(f"or: {environment} {_esb()} ask person.identity --subject FIN:7TESTX1", markup=False)
    out.print(f"for all esb commands: export {environment}", markup=False)
    for name, agency in agencies.items():
        out.print(f"{name} is told how to behave on {agency.control_url}", markup=False)
    out.print(f"documents: {url}/docs    stop: Ctrl-C", markup=False)
    sys.stdout.flush()


def _wait_until_interrupted() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def _agencies(settings: Settings) -> Sequence[str]:
    return sorted(path.parent.name for path in Path(settings.adapters).glob("*/simulator.yaml"))


@contextlib.contextmanager
def _process(settings: Settings, arguments: Sequence[str], *, ready: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """A child of this program, from its lines `ready…` (whose rests are given) until it is asked to stop."""
    log = Path(settings.home) / "logs" / f"{'-'.join(arguments[:3]).replace('--', '')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as errors:
        process = subprocess.Popen(  # noqa: S603 - this very program
            [sys.executable, sys.argv[0], *arguments],
            env=as_environment(settings),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    try:
        yield _lines_that_begin(process, ready, log)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
        if process.poll() is None:
            process.kill()
            process.wait()


def _lines_that_begin(process: subprocess.Popen[str], ready: tuple[str, ...], log: Path) -> tuple[str, ...]:
    """The rests of the lines that begin so, in that order, once all were written. Raises DependencyDown."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line)
        lines.put("")

    threading.Thread(target=read, daemon=True).start()
    rests: list[str] = []
    end_s = time.monotonic() + START_TIMEOUT_S
    while (left_s := end_s - time.monotonic()) > 0:
        try:
            line = lines.get(timeout=left_s)
        except queue.Empty:
            break
        if not line:
            break
        if line.startswith(ready[len(rests)]):
            rests.append(line.removeprefix(ready[len(rests)]).strip())
        if len(rests) == len(ready):
            return tuple(rests)
    tail = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-5:]
    raise DependencyDown("\n".join([f"it did not start; {log} ends with:", *tail]))


def _esb() -> str:
    program = Path(sys.argv[0]).absolute()
    return str(program.relative_to(Path.cwd()) if program.is_relative_to(Path.cwd()) else program)


def _own_address(wanted: str) -> str:
    """The usual address, which the guides name, where nobody listens there; else any free port."""
    host, _, port = wanted.rpartition(":")
    try:
        with socket.create_server((host, int(port))):
            return wanted
    except (OSError, ValueError):
        return ANY_PORT
