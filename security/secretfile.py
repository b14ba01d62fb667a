"""Secrets as files: one value per file under `home`/secrets/<agency>/<name>, mode 0600.

Written by `esb keys secret set`, read at load by the adapters. A value leaves this module only as the return value of
`read`; no error quotes one.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from security.errors import KeyUnavailable

FOLDER = "secrets"
AGENCY = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""The form of an agency's code; it cannot lead out of its folder."""
NAME = r"[a-z][a-z0-9-]{0,62}"
"""The form of a secret's name: narrow, so that a password written in its place is seldom one."""

MAX_BYTES = 16 * 1024

_ASIDE = "."
_OTHERS = 0o077


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFile:
    """One stored secret, without its value. `exposed`: somebody else on this machine may read or change it."""

    agency: str
    name: str
    changed_at: datetime
    exposed: bool


def path_of(home: Path, agency: str, name: str) -> Path:
    """Where a secret lies. Raises KeyUnavailable for a name that is none."""
    if not re.fullmatch(AGENCY, agency):
        raise KeyUnavailable("the code of an agency has letters, digits, dot, dash and underscore only")
    if not re.fullmatch(NAME, name):
        # Without the name: it may be the secret itself.
        raise KeyUnavailable("the name of a secret has lower-case letters, digits and dashes, as gateway-password")
    return home / FOLDER / agency / name


def read(path: Path) -> tuple[str, bool]:
    """The value without its trailing newline, and whether others may read or change the file.

    Raises:
        KeyUnavailable: missing, unreadable, empty, too long or not text.
    """
    try:
        with path.open("rb") as file:
            # The mode of the open file, not of the name: the name may be another file by now.
            exposed = bool(stat.S_IMODE(os.fstat(file.fileno()).st_mode) & _OTHERS)
            content = file.read(MAX_BYTES + 2)
    except OSError as error:
        raise KeyUnavailable(f"cannot read the secret {path}: {error.strerror}") from error
    return _checked(content, str(path)), exposed


def write(path: Path, content: bytes) -> None:
    """Put a value into its file, mode 0600, whole or not at all; an earlier value is replaced.

    Raises:
        KeyUnavailable: the value cannot be a secret (as `read` says), or the file cannot be written.
    """
    value = _checked(content, "the value")
    aside = path.with_name(f"{_ASIDE}{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        aside.unlink(missing_ok=True)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(value)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise KeyUnavailable(f"cannot write the secret {path}: {error.strerror}") from error


def stored(home: Path) -> Iterator[SecretFile]:
    """Every secret below `home`, sorted by agency and name."""
    for path in sorted((home / FOLDER).glob("*/*")):
        if path.name.startswith(_ASIDE) or not path.is_file():
            continue
        facts = path.stat()
        yield SecretFile(
            agency=path.parent.name,
            name=path.name,
            changed_at=datetime.fromtimestamp(int(facts.st_mtime), UTC),
            exposed=bool(stat.S_IMODE(facts.st_mode) & _OTHERS),
        )


def _checked(content: bytes, what: str) -> str:
    if len(content.rstrip(b"\r\n")) > MAX_BYTES:
        raise KeyUnavailable(f"{what} is over {MAX_BYTES} bytes, which no secret is")
    try:
        value = content.decode()
    except UnicodeDecodeError:
        # Without the cause: its text quotes bytes of the value.
        raise KeyUnavailable(f"{what} is not text in UTF-8") from None
    # One line end, as an editor or `echo` leaves it; a space may belong to a password.
    value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise KeyUnavailable(f"{what} is empty")
    if any(character < " " or character == "\x7f" for character in value):
        raise KeyUnavailable(f"{what} has control characters or several lines; a secret is one line")
    return value
