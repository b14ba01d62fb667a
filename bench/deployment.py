"""Everything a run needs, private and on loopback: agency, broker, database, one bus per case. Stopped at the end."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any

from bench.children import ROOT, program
from bench.load import CALLER, prepare_queue
from bench.specimen import AGENCY, Leg, ask_agency
from bench.values import Case
from tests.support import agencies, bus
from tests.support.postgres import PostgresNode, private_node
from tests.support.rabbitmq import EVERYTHING, RabbitNode

UNLIMITED_PER_S = 100_000
"""What the register bears is its own business; the bench asks what the bus can do."""

PLACES = 256


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A case and the bus that runs it. `broker_url`: for the caller, where there is a broker."""

    case: Case
    bus: bus.LiveBus
    broker_url: str = ""

    @property
    def pid(self) -> int:
        """The one worker, whose CPU time counts."""
        return self.bus.process.pid


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What is running. `legs` are exchanges with the real simulator; `versions` are of the servers."""

    subjects: Sequence[Subject]
    legs: Sequence[Leg]
    versions: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class _Servers:
    """What buses of this run find around them."""

    folder: Path
    adapters: Path
    agency: agencies.Agencies
    postgres: PostgresNode | None
    rabbit: RabbitNode | None


@contextmanager
def deployed(cases: Sequence[Case]) -> Iterator[Deployment]:
    """Start what these cases need."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="esb-bench-")))
        with _simulator(folder) as simulator:
            legs = ask_agency(simulator.settings)
        servers = _Servers(
            folder=folder,
            adapters=_adapters_without_limits(folder),
            agency=_agency(stack, simulator, legs),
            postgres=stack.enter_context(private_node()) if any(case.on_postgres for case in cases) else None,
            rabbit=_rabbit(stack) if any(case.over_broker for case in cases) else None,
        )
        subjects = [_subject(stack, case, servers) for case in cases]
        yield Deployment(subjects=subjects, legs=legs, versions=_versions(servers))


@contextmanager
def _simulator(folder: Path) -> Iterator[agencies.Agencies]:
    home = folder / "agency"
    home.mkdir()
    agencies.make_bus_key(home)
    process, running = agencies.start(home, AGENCY)
    try:
        yield running
    finally:
        agencies.stop(process)


def _agency(stack: ExitStack, simulator: agencies.Agencies, legs: Sequence[Leg]) -> agencies.Agencies:
    """The same agency, by key and replies, at next to no cost."""
    contents = simulator.home / "contents"
    contents.mkdir()
    for leg in legs:
        (contents / leg.question.fin).write_bytes(leg.content)
    cheap = stack.enter_context(program("bench.agency", str(simulator.home / "simulator" / AGENCY), str(contents)))
    return replace(simulator, endpoints={AGENCY: cheap.line()}, pid=cheap.pid)


def _rabbit(stack: ExitStack) -> RabbitNode:
    node = RabbitNode(Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="esb-rabbitmq-"))))
    node.start()
    stack.callback(node.close)
    return node


def _adapters_without_limits(folder: Path) -> Path:
    copied = folder / "agencies"
    shutil.copytree(ROOT / "adapters" / "agencies", copied)
    manifest = copied / AGENCY / "adapter.yaml"
    text = manifest.read_text(encoding="utf-8")
    text = re.sub(r"rate_per_s: \d+", f"rate_per_s: {UNLIMITED_PER_S}", text)
    manifest.write_text(re.sub(r"concurrency: \d+", f"concurrency: {PLACES}", text), encoding="utf-8")
    return copied


def _subject(stack: ExitStack, case: Case, servers: _Servers) -> Subject:
    chosen: dict[str, Any] = {"adapters": str(servers.adapters)}
    broker_url = ""
    if case.on_postgres and servers.postgres is not None:
        chosen["database_url"] = servers.postgres.fresh_database()
    if case.over_broker and servers.rabbit is not None:
        vhost = servers.rabbit.fresh_vhost()
        chosen["broker_url"] = servers.rabbit.url(vhost)
        broker_url = servers.rabbit.add_user(CALLER, vhost, EVERYTHING)
    running = bus.start(bus.settings_for(servers.agency, servers.folder / case.name, **chosen))
    stack.callback(running.stop)
    _wait_until_ready(running)
    if broker_url:
        prepare_queue(broker_url)
    return Subject(case=case, bus=running, broker_url=broker_url)


def _wait_until_ready(running: bus.LiveBus) -> None:
    # It answers before its broker side has declared what the caller's queue is bound to.
    give_up_s = time.monotonic() + bus.START_WITHIN_S
    while running.send("GET", "/readyz", caller=None).status != HTTPStatus.OK:
        assert time.monotonic() < give_up_s, "the bus was not ready in time"
        time.sleep(0.05)


def _versions(servers: _Servers) -> dict[str, str]:
    found = {}
    if servers.postgres is not None:
        found["PostgreSQL"] = _postgres_version()
    if servers.rabbit is not None:
        found["RabbitMQ"] = servers.rabbit.control("version").strip()
    return found


def _postgres_version() -> str:
    newest = max(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    said = subprocess.run([newest, "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[2]
