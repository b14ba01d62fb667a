"""Processes that the bench starts and ends, and what /proc says of one: its CPU time and its memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
STOP_WITHIN_S = 10
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@contextmanager
def program(module: str, *arguments: str) -> Iterator[Program]:
    """`python -m module` as a process of its own, ended at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Program(process)
    finally:
        process.terminate()
        process.communicate(timeout=STOP_WITHIN_S)


class Program:
    """A running one that speaks in lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def line(self) -> str:
        """What it says next. Raises AssertionError when it ended instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, f"{self._process.args!r} ended"
        return line

    def ask(self, question: str) -> str:
        """Its answer to one line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        return self.line()


def cpu_s(pid: int) -> float:
    """User and system time of a process, all its threads, in seconds."""
    # The name in parentheses may hold anything, so fields are counted from its end: proc(5), utime is the 14th.
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def resident_mib(pid: int) -> float:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise ProcessLookupError(pid)
