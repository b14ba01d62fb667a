"""The three simulated agencies as a process of their own, with a home in which bus and agencies know each other's keys.

`agencies` is what tests ask for: it is shared by the whole session and behaves well again after each test.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from esb.settings import Settings
from security import certificates, keys
from security.keys import Algorithm

NAMES = ("din-reg", "mkr", "tn-tm")
ROOT = Path(__file__).parents[2]

_STOP_WITHIN_S = 10
_PROGRAM = (
    "import sys; from adapters.simulator import run; from esb.settings import load; "
    "run(sys.argv[1:], settings=load(), port=0)"
)


@dataclass(frozen=True, kw_only=True)
class Agencies:
    """Running simulated agencies. `endpoints` and `controls` hold URLs by agency."""

    home: Path
    endpoints: dict[str, str]
    controls: dict[str, str]
    pid: int

    @property
    def settings(self) -> Settings:
        """Settings of a bus in the same home that finds these agencies."""
        return Settings(
            home=str(self.home),
            routes=str(ROOT / "routes.yaml"),
            adapters=str(ROOT / "adapters" / "agencies"),
            schemas=str(ROOT / "schemas"),
            endpoints=self.endpoints,
        )

    async def behave(self, agency: str, *behaviours: str) -> None:
        """Make an agency misbehave, as on the command line: `await agencies.behave("mkr", "slow=50,next=2")`."""
        state = await asyncio.to_thread(self._ask, agency, "POST", "/behaviours", {"behaviours": behaviours})
        assert "error" not in state, state["error"]

    async def behave_well(self, agency: str) -> None:
        """Switch an agency's misbehaviour off."""
        await asyncio.to_thread(self._ask, agency, "DELETE", "/behaviours")

    async def calls(self, agency: str) -> dict[str, dict[str, int]]:
        """How often each operation was asked about each key since the test began: `{"GetAddress": {"7TESTX1": 1}}`."""
        state = await asyncio.to_thread(self._ask, agency, "GET", "")
        counted: dict[str, dict[str, int]] = state["calls"]
        return counted

    async def refusals(self, agency: str) -> dict[str, int]:
        """How many requests the agency did not believe or understand, by fault code."""
        state = await asyncio.to_thread(self._ask, agency, "GET", "")
        counted: dict[str, int] = state["refusals"]
        return counted

    def reset(self) -> None:
        """All agencies behave well and have counted nothing."""
        for agency in self.controls:
            self._ask(agency, "DELETE", "/behaviours")
            self._ask(agency, "DELETE", "/calls")

    def _ask(self, agency: str, method: str, path: str, content: object = None) -> dict[str, Any]:
        url = urlsplit(self.controls[agency])
        connection = http.client.HTTPConnection(url.netloc, timeout=10)
        try:
            connection.request(method, url.path + path, msgspec.json.encode(content))
            state: dict[str, Any] = msgspec.json.decode(connection.getresponse().read())
        finally:
            connection.close()
        return state


def make_bus_key(home: Path) -> keys.SigningKey:
    """A signing key of the bus with its certificate, under `home`/keys/bus."""
    now = datetime.now(UTC)
    key = certificates.self_signed(
        keys.generate(Algorithm.ES256, now), common_name="esb", organisation="Bus under test", now=now, valid_days=30
    )
    keys.save(key, home / "keys" / "bus", passphrase="")
    return key


def start(home: Path, *names: str) -> tuple[subprocess.Popen[str], Agencies]:
    """Start simulated agencies on free ports as one process, which the caller ends."""
    return start_program(_PROGRAM, home=home, names=names)


def start_program(
    program: str, *arguments: str, home: Path, names: tuple[str, ...]
) -> tuple[subprocess.Popen[str], Agencies]:
    """As `start`, with a program that serves the agencies it is told after its own arguments."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ESB_")}
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments, *names],
        cwd=ROOT,
        env={**environment, "ESB_HOME": str(home), "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline().split() for _ in range(2 * len(names))]
    if not all(lines):
        process.wait(_STOP_WITHIN_S)
        pytest.fail(f"the simulated agencies did not start: exit code {process.returncode}")
    return process, Agencies(
        home=home,
        endpoints={line[0]: line[-1] for line in lines if line[1] == "ready"},
        controls={line[0]: line[-1] for line in lines if line[1] == "control"},
        pid=process.pid,
    )


def stop(process: subprocess.Popen[str]) -> None:
    """End a process that `start` made."""
    process.terminate()
    try:
        process.wait(_STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


@pytest.fixture(scope="session")
def running_agencies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agencies]:
    home = tmp_path_factory.mktemp("home")
    make_bus_key(home)
    process, agencies = start(home, *NAMES)
    yield agencies
    stop(process)


@pytest.fixture
def agencies(running_agencies: Agencies) -> Iterator[Agencies]:
    yield running_agencies
    running_agencies.reset()
