"""Every command of docs/simulator.md runs as it stands there, in its order, and ends well."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.agencies import NAMES, ROOT, stop

GUIDE = ROOT / "docs" / "simulator.md"
SHELL_BLOCKS = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    blocks = SHELL_BLOCKS.findall(GUIDE.read_text(encoding="utf-8"))
    return [line for block in blocks for line in block.splitlines() if line.strip()]


@dataclass(kw_only=True)
class Terminal:
    """Runs lines of the guide. A simulator or bus stays up until the next one of its kind starts."""

    environment: dict[str, str]
    folder: Path
    running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def run(self, line: str) -> None:
        kind = " ".join(line.split()[:3]) if line.startswith("esb adapters") else " ".join(line.split()[:2])
        if kind in {"esb adapters simulate", "esb serve"}:
            self._start(kind, line)
        else:
            done = subprocess.run(
                ["bash", "-c", line], env=self.environment, cwd=self.folder, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            assert '"error"' not in done.stdout, f"{line}\n{done.stdout}"

    def _start(self, kind: str, line: str) -> None:
        if kind in self.running:
            self._end(self.running.pop(kind), line)
        process = subprocess.Popen(
            shlex.split(line), env=self.environment, cwd=self.folder, stdout=subprocess.PIPE, text=True
        )
        self.running[kind] = process
        assert process.stdout is not None
        told = 1 if kind == "esb serve" else 2 * sum(name in line.split() for name in NAMES)
        for said in (process.stdout.readline() for _ in range(told)):
            assert re.search(r" (ready|control) on http://127\.0\.0\.1:\d+", said), f"{line}: {said}"
            if " control on " in said:
                self.environment["CONTROL"] = said.split()[-1]

    def _end(self, process: subprocess.Popen[str], line: str) -> None:
        stop(process)
        assert process.returncode == 0, f"before {line}: ended with {process.returncode}"

    def close(self) -> None:
        for process in self.running.values():
            stop(process)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [bound.getsockname()[1] for bound in sockets]
    for bound in sockets:
        bound.close()
    return ports


@pytest.fixture
def ports() -> dict[str, int]:
    return dict(zip(("bus", *NAMES), free_ports(1 + len(NAMES)), strict=True))


@pytest.fixture
def terminal(tmp_path: Path, ports: dict[str, int]) -> Iterator[Terminal]:
    shutil.copyfile(ROOT / "routes.yaml", tmp_path / "routes.yaml")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ESB_")}
    opened = Terminal(
        environment={
            **kept,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "ESB_HOME": str(tmp_path / "var"),
            "ESB_HTTP": f"127.0.0.1:{ports['bus']}",
            "ESB_ROUTES": str(tmp_path / "routes.yaml"),
            "ESB_ADAPTERS": str(ROOT / "adapters" / "agencies"),
            "ESB_SCHEMAS": str(ROOT / "schemas"),
            "ESB_ENDPOINTS": ",".join(f"{name}=http://127.0.0.1:{ports[name]}" for name in NAMES),
        },
        folder=tmp_path,
    )
    yield opened
    opened.close()


def test_every_command_of_the_guide_runs(terminal: Terminal, ports: dict[str, int]) -> None:
    lines = commands()
    assert len(lines) >= 12
    for line in lines:
        # The guide names the usual port; here another one is free.
        terminal.run(line.replace("18101", str(ports["din-reg"])))
