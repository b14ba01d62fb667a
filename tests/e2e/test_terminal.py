"""What a person sees on a terminal of the usual eighty columns."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from tests.support.agencies import ROOT

COLUMNS = 80


def seen(*arguments: str) -> str:
    """What a command writes on a terminal, without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), *arguments],
        cwd=ROOT,
        env={**kept, "NO_COLOR": "1", "TERM": "dumb"},
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    text = b""
    try:
        while chunk := os.read(ours, 65536):
            text += chunk
    except OSError:
        pass  # how a terminal says that nobody writes to it any more
    finally:
        os.close(ours)
    assert process.wait() == 0, text.decode()
    return text.decode().replace("\r\n", "\n")


def test_table_that_fits_no_terminal_becomes_a_line_for_each_value() -> None:
    shown = seen("adapters", "list")
    assert re.search("^operations +GetAddress, GetPersonByPin$", shown, re.MULTILINE)
    assert re.search("^authentication +wsse-x509$", shown, re.MULTILINE)


@pytest.mark.parametrize("verb", ["routes list", "callers list", "doctor --settings", "adapters test din-reg"])
def test_table_that_can_be_folded_stays_a_table(verb: str) -> None:
    shown = seen(*verb.split())
    assert max(map(len, shown.splitlines())) <= COLUMNS
    assert "  " in shown.splitlines()[0]


def test_names_of_a_table_are_never_broken() -> None:
    assert all(name in seen("routes", "list") for name in ("person.identity", "credit.obligations"))
