"""Agencies on SOAP servers of other people: spyne in Python, `soap` in Node.js, each a process of its own on loopback.

Their contracts are what they publish under `?wsdl`, fetched while they run; manifests and routes lie in
tests/e2e/thirdparty. `make test` installs both servers (tests/support/install_servers.sh).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from esb import operations
from esb.contracts import catalogue
from esb.ports import utc_now
from esb.settings import Settings
from security import secretfile
from security.keys import Algorithm
from tests.support.agencies import ROOT
from tests.support.bus import free_port

HERE = ROOT / "tests" / "e2e" / "thirdparty"
SPYNE = HERE / "vehicles.py"
NODE = HERE / "node"
PASSWORD = "açıq sirr"

_STOP_WITHIN_S = 10


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running process; `urls`: where each agency in it answers."""

    process: subprocess.Popen[str]
    urls: dict[str, str]

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def start_spyne(*arguments: str) -> Server:
    """The vehicle register."""
    return _start([sys.executable, str(SPYNE), *arguments], count=1)


def start_node(bus_certificate: Path) -> Server:
    """The notary and customs, who know the bus by this certificate."""
    node = shutil.which("node")
    if node is None or not (NODE / "node_modules" / "soap").is_dir():
        _missing("the SOAP server of npm is not installed; run: sh tests/support/install_servers.sh")
    return _start([node, str(NODE / "agencies.js"), str(bus_certificate)], count=2)


def _missing(advice: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(advice)
    pytest.skip(advice)


def _start(command: list[str], *, count: int) -> Server:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline().split() for _ in range(count)]
    if not all(lines):
        pytest.fail(f"{command[1]} did not start: exit code {process.wait(_STOP_WITHIN_S)}")
    return Server(process=process, urls={line[0]: line[-1] for line in lines})


def published_wsdl(url: str) -> bytes:
    """The contract as the server itself publishes it."""
    with urllib.request.urlopen(f"{url}?wsdl") as response:  # noqa: S310
        published: bytes = response.read()
        return published


def connected(folder: Path) -> Iterator[Settings]:
    """Both servers run; settings of a bus that connects them under the contracts that they publish now."""
    own = operations.new_bus_key(Settings(home=str(folder / "home")), algorithm=Algorithm.RS256, now=utc_now())
    servers: list[Server] = []
    try:
        servers.append(start_spyne())
        servers.append(start_node(folder / "home" / "keys" / "bus" / f"{own.kid}.crt.pem"))
        yield settings_for(folder, {name: url for server in servers for name, url in server.urls.items()})
    finally:
        for server in servers:
            server.stop()


def settings_for(folder: Path, urls: dict[str, str]) -> Settings:
    """Settings of a bus that connects these agencies under the contracts that they publish now."""
    shutil.copytree(HERE / "agencies", folder / "agencies")
    shutil.copyfile(HERE / "routes.yaml", folder / "routes.yaml")
    for agency, url in urls.items():
        contract = folder / "schemas" / "agencies" / agency / "v1" / f"{agency}.wsdl"
        contract.parent.mkdir(parents=True)
        contract.write_bytes(published_wsdl(url))
    catalogue.write(folder / "schemas")
    secretfile.write(secretfile.path_of(folder / "home", "notary", "notary-password"), PASSWORD.encode())
    settings = Settings(
        home=str(folder / "home"),
        routes=str(folder / "routes.yaml"),
        adapters=str(folder / "agencies"),
        schemas=str(folder / "schemas"),
        http=f"127.0.0.1:{free_port()}",
        endpoints=urls,
    )
    operations.new_caller_key(settings, "portal", now=utc_now())
    return settings
