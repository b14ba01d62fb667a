"""A reader who follows the documents to the letter, block by block, in a folder like a fresh clone.

Only addresses are changed, because the usual ports may be taken. Whatever a block starts is stopped at the end.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.agencies import NAMES, ROOT
from tests.support.bus import free_port

BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
FILE_NAME = re.compile(r"# (\w+\.py)\n")
SERVICE = re.compile(
    r"(?:ESB_ENVIRONMENT=simulated )?(?:\.venv/bin/)?"
    r"(esb (?:demo --keep|adapters simulate|serve)|python \S+/vehicles\.py --port \d+)\b[^\n]*\n?"
)
ENDPOINT = re.compile(r"(simulated: http://127\.0\.0\.1:)\d+")

READY = {
    "esb demo --keep": "stop: Ctrl-C",
    "esb serve": "bus ready on ",
    "esb adapters simulate": " control on ",
    "python": "vehicles ready on ",
}
START_WITHIN_S = 90.0
STOP_WITHIN_S = 40.0


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block of a document."""

    document: str
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.document}:{self.line}"


def blocks(document: Path) -> list[Block]:
    """The blocks that are run, in their order."""
    text = document.read_text(encoding="utf-8")
    return [
        Block(
            document=document.name,
            line=text.count("\n", 0, match.start()) + 2,
            language=match[1],
            text=match[2],
        )
        for match in BLOCK.finditer(text)
    ]


def clone(folder: Path) -> Path:
    """What of the tree a reader works with, set up; agencies listen at ports that are free here."""
    folder.mkdir()
    program(folder, "make", f'exec {shutil.which("make")} -o .venv/.installed-run "$@"')
    for name in (".venv", "Makefile", "setup.cfg", "requirements", "docs", "tests"):
        (folder / name).symlink_to(ROOT / name)
    shutil.copyfile(ROOT / "routes.yaml", folder / "routes.yaml")
    shutil.copytree(ROOT / "schemas", folder / "schemas")
    shutil.copytree(ROOT / "adapters" / "agencies", folder / "adapters" / "agencies")
    for manifest in folder.glob("adapters/agencies/*/adapter.yaml"):
        text = manifest.read_text(encoding="utf-8")
        manifest.write_text(ENDPOINT.sub(lambda match: f"{match[1]}{free_port()}", text), encoding="utf-8")
    return folder


def program(folder: Path, name: str, text: str) -> None:
    """A program that the reader has before all others."""
    script = folder / "bin" / name
    script.parent.mkdir(exist_ok=True)
    script.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    script.chmod(0o755)


@dataclass(kw_only=True)
class Reader:
    """Types blocks into a shell. `changes`: what of the text reads differently on this machine."""

    folder: Path
    changes: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    _running: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ESB_", "VIRTUAL_ENV"))}
        self.environment = {
            **kept,
            "PATH": f"{self.folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            **self.environment,
        }
        (self.folder / "environment").write_text("", encoding="utf-8")

    def run(self, block: Block) -> str:
        """Do what the block says; its output. Fails unless it ends well."""
        text = block.text
        for shown, here in self.changes.items():
            text = text.replace(shown, here)
        if block.language == "python":
            return self._run_python(block.place, text)
        service = SERVICE.fullmatch(text)
        if service is not None:
            self._start(block.place, service[1], text)
            return self.said[service[1]]
        return self.shell(block.place, f"{text}\nexport -p > environment")

    def shell(self, place: str, text: str) -> str:
        """Run text in a shell that knows what earlier blocks exported."""
        return self._done(place, ["bash", "-c", f"set -euo pipefail\n. ./environment\n{text}"])

    def _run_python(self, place: str, text: str) -> str:
        name = FILE_NAME.match(text)
        assert name is not None, f"{place}: the block must say as which file it is saved"
        (self.folder / name[1]).write_text(text, encoding="utf-8")
        return self.shell(place, f"{sys.executable} -W error {name[1]}")

    def _done(self, place: str, command: list[str]) -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, f"{place} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr, f"{place}\n{done.stderr}"
        return done.stdout

    def _start(self, place: str, kind: str, text: str) -> None:
        # Whoever starts a service anew has stopped the one before; the demo is bus and agencies in one.
        for other in [other for other in self._running if other == kind or "demo" in other]:
            self.stop(other)
        process = subprocess.Popen(
            ["bash", "-c", f". ./environment; exec env {text}"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._running[kind] = process
        wanted = max(1, sum(name in text.split() for name in NAMES)) if "simulate" in kind else 1
        self.said[kind] = _until(process, _ready(kind), count=wanted, place=place)

    def stop(self, kind: str, *, by: str = "ctrl-c") -> str:
        """Press Ctrl-C, which reaches every process of the terminal, or `kill` the one; what was said from then on."""
        process = self._running.pop(kind)
        if by == "kill":
            process.terminate()
        else:
            os.killpg(process.pid, signal.SIGINT)
        try:
            rest, _ = process.communicate(timeout=STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        assert process.returncode == 0, f"{kind} ended with {process.returncode}\n{rest}"
        assert not members(process.pid), f"{kind} left processes behind"
        return rest

    def close(self) -> None:
        for kind in list(self._running):
            self.stop(kind)


def _ready(kind: str) -> str:
    """What a service says when it can be asked."""
    return next(said for start, said in READY.items() if kind.startswith(start))


def members(group: int) -> list[str]:
    """What still runs of a process group."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z" and int(fields[2]) == group:
            found.append(stat.parent.name)
    return found


def _until(process: subprocess.Popen[str], ready: str, *, count: int, place: str) -> str:
    assert process.stdout is not None
    said, left, end_s = "", count, time.monotonic() + START_WITHIN_S
    descriptor = process.stdout.fileno()
    while left and time.monotonic() < end_s:
        if not select.select([descriptor], [], [], 1.0)[0]:
            continue
        chunk = os.read(descriptor, 65536).decode(errors="replace")
        assert chunk, f"{place}: it ended early\n{said}"
        said += chunk
        left = count - said.count(ready)
    assert left <= 0, f"{place}: it did not become ready\n{said}"
    return said
