"""One process per owner name on this machine: two writers of one chain would break it.

An advisory lock on a file, released by the kernel when its process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from urllib.parse import quote

from esb.errors import JournalUnavailable


class OwnerLock:
    """The lock of one owner name."""

    def __init__(self, home: Path, owner: str) -> None:
        self._path = home / "run" / f"{quote(owner, safe='')}.lock"
        self._owner = owner
        self._descriptor: int | None = None

    def take(self) -> None:
        """Hold the name until `release` or the end of the process; idempotent.

        Raises:
            JournalUnavailable: another process has it, and which.
        """
        if self._descriptor is not None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise JournalUnavailable(f"{self._owner} is in use by process {holder}") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the name back; idempotent. The file stays: removing it would let two processes lock two files."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
