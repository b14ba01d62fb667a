"""Heads of the hash chains outside the database, so that a tail that was cut off there is missed.

The committer overwrites one small file per chain after each commit; `verification` compares. An anchor may lag behind
its chain (the machine lost power), it can never rightly be ahead of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import msgspec

from security.hashchain import Checkpoint, Head, to_line

_LINE_BYTES = 86
_DISPUTED = ".disputed-"


class Anchor(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says: this chain once ended here, or later."""

    chain: str
    head: Head
    file: Path


class AnchorFile:
    """The anchor of the one chain that this process writes."""

    def __init__(self, home: Path, chain: str) -> None:
        self.path = home / "anchors" / f"{quote(chain, safe='')}.head"
        self._descriptor: int | None = None

    def read(self) -> Head | None:
        """What it says; None when there is none, or it was torn by a crash."""
        return _read(self.path)

    def set_aside(self, head: Head) -> None:
        """Keep an anchor that the database contradicts: it is evidence, and the next commit would overwrite it."""
        self.close()
        self.path.rename(self.path.with_name(f"{self.path.name}{_DISPUTED}{head.seq}"))

    def write(self, head: Head) -> None:
        """Overwrite in place. No fsync: a lagging anchor is harmless, and each commit would pay for it."""
        if self._descriptor is None:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.pwrite(self._descriptor, b"%020d %s\n" % (head.seq, head.digest.hex().encode()), 0)

    def close(self) -> None:
        """Close the file; idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def read_all(home: Path) -> Iterator[Anchor]:
    """Every readable anchor under `home`, those set aside as well."""
    for path in sorted((home / "anchors").glob("*.head*")):
        head = _read(path)
        if head is not None:
            yield Anchor(chain=unquote(path.name.partition(".head")[0]), head=head, file=path)


def checkpoint_file(home: Path) -> Path:
    """Where this machine keeps the checkpoints that it made."""
    return home / "anchors" / "checkpoints.jsonl"


def append_checkpoint(home: Path, checkpoint: Checkpoint) -> None:
    """Add one line, durably. Several processes may do so at once: a line is one write."""
    path = checkpoint_file(home)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        # A line torn by a crash must not swallow this one.
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, (b"\n" if torn else b"") + to_line(checkpoint) + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path) -> Head | None:
    try:
        line = path.read_bytes()
    except FileNotFoundError:
        return None
    seq, _, digest = line.strip().partition(b" ")
    if len(line) != _LINE_BYTES or not seq.isdigit():
        return None
    try:
        return Head(int(seq), bytes.fromhex(digest.decode("ascii")))
    except ValueError:
        return None
