"""A whole bus as its users meet it: `esb serve` as its own process, on free ports, with state in a temporary folder.

`bus` is shared by the session (SQLite, no broker); `start` makes others with other settings, which the test stops.
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from esb import operations
from esb.settings import Settings, as_environment
from security import jws, keys
from tests.support.agencies import ROOT, Agencies

START_WITHIN_S = 60.0
STOP_WITHIN_S = 30.0
PURPOSE = {"purpose": "VEMTAS application", "legal_basis": "decree 477/2015"}


@dataclass(frozen=True, kw_only=True)
class Got:
    """One HTTP answer of the bus."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def reply(self) -> dict[str, Any]:
        """The body as plain values."""
        reply: dict[str, Any] = json.loads(self.body)
        return reply

    @property
    def fault(self) -> dict[str, Any]:
        """The first fault of the reply."""
        fault: dict[str, Any] = self.reply["faults"][0]
        return fault


@dataclass(kw_only=True)
class LiveBus:
    """A running bus."""

    settings: Settings
    url: str
    process: subprocess.Popen[str]
    log: Path
    _signing: dict[str, keys.SigningKey] = field(default_factory=dict)

    def token(self, caller: str = "portal", **claims: Any) -> str:
        """A fresh token of a caller; `claims` are arguments of `jws.mint_token`."""
        key = self.key_of(caller)
        wanted = {"issuer": caller, "audience": self.settings.audience, "now": datetime.now(UTC), **claims}
        return jws.mint_token(key, **wanted)

    def key_of(self, caller: str) -> keys.SigningKey:
        """The caller's private key."""
        if caller not in self._signing:
            folder = Path(self.settings.home) / "keys" / "callers" / caller
            self._signing[caller] = keys.active(folder, passphrase="")
        return self._signing[caller]

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        caller: str | None = "portal",
        token: str | None = None,
    ) -> Got:
        """Any HTTP call; `caller` None sends no token."""
        own: dict[str, str] = {}
        if token is not None or caller is not None:
            own["Authorization"] = f"Bearer {token or self.token(caller or '')}"
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request(method, path, body or None, {**own, **(headers or {})})
            response = connection.getresponse()
            got = {name.lower(): value for name, value in response.getheaders()}
            return Got(status=response.status, headers=got, body=response.read())
        finally:
            connection.close()

    def ask(
        self,
        route: str,
        fin: str = "7TESTX1",
        *,
        headers: Mapping[str, str] | None = None,
        caller: str | None = "portal",
        token: str | None = None,
        **fields: Any,
    ) -> Got:
        """One question about a person."""
        body = {"subject": {"scheme": "FIN", "value": fin}, **PURPOSE, **fields}
        return self.post(route, json.dumps(body).encode(), headers=headers, caller=caller, token=token)

    def post(
        self,
        route: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        caller: str | None = "portal",
        token: str | None = None,
    ) -> Got:
        """One question with a body of the test's own making."""
        own = {"Content-Type": "application/json", **(headers or {})}
        return self.send("POST", f"/v1/routes/{route}", body, own, caller=caller, token=token)

    def message(self, message_id: str, *, wait_s: float = 0) -> Got:
        """What `GET /v1/messages/{id}` says."""
        return self.send("GET", f"/v1/messages/{message_id}", headers={"Prefer": f"wait={wait_s:g}"})

    def verified(self, got: Got) -> Got:
        """The same, after its signature was checked against the published keys."""
        listed = json.loads(self.send("GET", "/.well-known/jwks.json", caller=None).body)["keys"]
        known = {entry["kid"]: keys.from_jwk(entry) for entry in listed}
        jws.verify_detached(got.body, got.headers["esb-signature"], known)
        return got

    def esb(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """A command of the operator on this bus's state."""
        return run_esb(self.settings, *arguments, stdin=stdin)

    def kill(self) -> None:
        """As a power cut would."""
        self.process.kill()
        self.process.wait()
        self._hang_up()

    def stop(self) -> int:
        """As an operator would; answers the exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._hang_up()
        return self.process.returncode

    def _hang_up(self) -> None:
        if self.process.stdout is not None:
            self.process.stdout.close()

    def again(self) -> LiveBus:
        """The bus started anew on the same state and the same port."""
        return start(msgspec.structs.replace(self.settings, http=urlsplit(self.url).netloc))


def run_esb(settings: Settings, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command `esb` to its end, under these settings."""
    return subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *arguments],
        cwd=ROOT,
        env=as_environment(settings),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def settings_for(agencies: Agencies, home: Path, **others: Any) -> Settings:
    """Settings of a bus with a state of its own that knows the running agencies, and they it."""
    (home / "keys").mkdir(parents=True, exist_ok=True)
    for shared in ("keys/bus", "simulator"):
        shutil.copytree(agencies.home / shared, home / shared, dirs_exist_ok=True)
    routes = home / "routes.yaml"
    if not routes.exists():
        shutil.copyfile(ROOT / "routes.yaml", routes)
    chosen = {"home": str(home), "routes": str(routes), "http": f"127.0.0.1:{free_port()}", "log_level": "info"}
    settings = msgspec.structs.replace(agencies.settings, **{**chosen, **others})
    for caller in ("portal", "eesmn"):
        if not (home / "keys" / "callers" / caller).exists():
            operations.new_caller_key(settings, caller, now=datetime.now(UTC))
    return settings


def start(settings: Settings, *, workers: int = 1) -> LiveBus:
    """Start a bus and wait until it answers; whoever starts it stops it."""
    log = Path(settings.home) / f"serve-{uuid.uuid4().hex[:6]}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / "cli.py"), "serve", "--workers", str(workers)],
            cwd=ROOT,
            env=as_environment(settings),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
    bus = LiveBus(settings=settings, url=f"http://{settings.http}", process=process, log=log)
    _wait_until_it_answers(bus, workers)
    return bus


def free_port() -> int:
    """A port that nobody listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_answers(bus: LiveBus, workers: int) -> None:
    run_folder = Path(bus.settings.home) / "run"
    give_up_s = time.monotonic() + START_WITHIN_S
    while time.monotonic() < give_up_s:
        if bus.process.poll() is not None:
            break
        try:
            if bus.send("GET", "/livez", caller=None).status == 200 and _all_listen(run_folder, workers):
                return
        except OSError:
            pass
        time.sleep(0.05)
    bus.kill()
    pytest.fail(f"the bus did not start:\n{bus.log.read_text()[-3000:]}")


def _all_listen(run_folder: Path, workers: int) -> bool:
    return len(list(run_folder.glob("worker-*.sock"))) >= workers


@pytest.fixture(scope="session")
def running_bus(running_agencies: Agencies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBus]:
    bus = start(settings_for(running_agencies, tmp_path_factory.mktemp("bus")))
    yield bus
    bus.stop()


@pytest.fixture
def bus(running_bus: LiveBus, agencies: Agencies) -> LiveBus:
    return running_bus
