"""`esb keys secret` on the command line: what is stored, what is said, and what is never said."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from esb.settings import Settings, as_environment
from security import secretfile
from tests.support.agencies import ROOT
from tests.support.bus import run_esb

VALUE = "şifrə-7:gizli"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=str(tmp_path), adapters=str(ROOT / "adapters" / "agencies"))


def value_of(settings: Settings, agency: str, name: str) -> str:
    return secretfile.read(secretfile.path_of(Path(settings.home), agency, name))[0]


def test_secret_from_standard_input_is_stored_and_not_shown(settings: Settings) -> None:
    done = run_esb(settings, "keys", "secret", "set", "din-reg", "gateway", stdin=VALUE + "\n")
    assert done.returncode == 0, done.stderr
    assert "esb routes reload" in done.stdout
    assert value_of(settings, "din-reg", "gateway") == VALUE
    assert "note:" not in done.stdout
    listed = run_esb(settings, "keys", "secret", "list", "--json")
    rows = json.loads(listed.stdout)
    assert [(row["agency"], row["name"], row["problem"]) for row in rows] == [("din-reg", "gateway", "")]
    assert VALUE not in done.stdout + done.stderr + listed.stdout + listed.stderr


def test_secret_of_an_agency_that_is_not_there_yet_is_stored_with_a_note(settings: Settings) -> None:
    done = run_esb(settings, "keys", "secret", "set", "din-rag", "gateway", stdin=VALUE)
    assert "no adapter din-rag" in done.stdout


def test_secret_that_others_may_read_is_listed_so(settings: Settings) -> None:
    run_esb(settings, "keys", "secret", "set", "din-reg", "gateway", stdin=VALUE)
    secretfile.path_of(Path(settings.home), "din-reg", "gateway").chmod(0o644)
    assert "others may read it" in run_esb(settings, "keys", "secret", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        (("din-reg", "gateway"), "", "is empty"),
        (("din-reg", "gateway"), "a\nb\n", "one line"),
        (("din-reg", "gateway"), "x" * 20000, "over 16384 bytes"),
        (("../keys", "gateway"), "x", "letters, digits"),
        (("din-reg", "a/b"), "x", "letters, digits"),
    ],
)
def test_what_is_no_secret_is_refused_in_one_line(
    settings: Settings, arguments: tuple[str, str], stdin: str, words: str
) -> None:
    done = run_esb(settings, "keys", "secret", "set", *arguments, stdin=stdin)
    assert done.returncode == 1
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(Path(settings.home).rglob("*/gateway"))


@pytest.mark.parametrize(("second", "code"), [(VALUE, 0), ("other", 2)])
def test_secret_typed_on_a_terminal_is_not_echoed_and_asked_for_twice(
    settings: Settings, second: str, code: int
) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "cli.py"), "keys", "secret", "set", "din-reg", "gateway"],
        cwd=ROOT,
        env=as_environment(settings),
        preexec_fn=lambda: os.login_tty(theirs),  # noqa: PLW1509 - the terminal must be the child's own
    )
    os.close(theirs)
    shown = b""
    for prompt, typed in ((b"gateway of din-reg: ", VALUE), (b"again: ", second)):
        while prompt not in shown:
            shown += os.read(ours, 1024)
        os.write(ours, typed.encode() + b"\n")
    try:
        while chunk := os.read(ours, 1024):
            shown += chunk
    except OSError:
        pass  # Linux says EIO when the other side is gone
    assert process.wait(60) == code
    os.close(ours)
    assert VALUE.encode() not in shown
    if code == 0:
        assert value_of(settings, "din-reg", "gateway") == VALUE
