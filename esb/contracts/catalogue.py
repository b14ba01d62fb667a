"""The pinned contract files: `schemas/CATALOG.sha256`, in the format that `sha256sum --check` reads.

Read at load by the adapters, so that a contract cannot change unnoticed; written by the operator's one command.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from esb.errors import CatalogMismatch

FILE_NAME = "CATALOG.sha256"
ADVICE = "run `make catalogue` and review the difference"


def verify(folder: Path) -> None:
    """Return when every file below the folder is the pinned one and no pinned file is missing.

    Raises:
        CatalogMismatch: names the first file and what to run.
    """
    pinned = _pinned(folder)
    present = _files(folder)
    for name in sorted(pinned.keys() | present.keys()):
        if name not in present:
            raise CatalogMismatch(f"{folder / name} is pinned in {FILE_NAME} and does not exist; {ADVICE}")
        if name not in pinned:
            raise CatalogMismatch(f"{folder / name} is not pinned in {FILE_NAME}; {ADVICE}")
        _check(folder / name, present[name].read_bytes(), pinned[name])


def load_bundle(folder: Path) -> dict[str, bytes]:
    """The pinned files of one contract folder, by path relative to it. The catalogue is the nearest one above.

    What is returned is what was checked: each file is read once.

    Raises:
        CatalogMismatch: a file is missing, changed or not pinned, or the folder has none.
    """
    root = _catalogued(folder)
    prefix = folder.resolve().relative_to(root).as_posix() + "/"
    pinned = {name: digest for name, digest in _pinned(root).items() if name.startswith(prefix)}
    unpinned = sorted(_files(folder).keys() - {name.removeprefix(prefix) for name in pinned})
    if unpinned:
        raise CatalogMismatch(f"{folder / unpinned[0]} is not pinned in {FILE_NAME}; {ADVICE}")
    if not pinned:
        raise CatalogMismatch(f"{folder} has no pinned file in {FILE_NAME}; {ADVICE}")
    return {name.removeprefix(prefix): _read(root / name, digest) for name, digest in pinned.items()}


def write(folder: Path) -> None:
    """Pin every file below the folder as it is now; the catalogue is replaced whole or not at all."""
    lines = [f"{_digest(path.read_bytes())}  {name}\n" for name, path in sorted(_files(folder).items())]
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f".{FILE_NAME}")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.writelines(lines)
        os.fchmod(file.fileno(), 0o644)
    Path(temporary).replace(folder / FILE_NAME)


def _catalogued(folder: Path) -> Path:
    for candidate in folder.resolve().parents:
        if (candidate / FILE_NAME).is_file():
            return candidate
    raise CatalogMismatch(f"no {FILE_NAME} above {folder}; {ADVICE}")


def _read(path: Path, digest: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CatalogMismatch(f"{path} is pinned in {FILE_NAME} and cannot be read; {ADVICE}") from error
    _check(path, content, digest)
    return content


def _check(path: Path, content: bytes, digest: str) -> None:
    if _digest(content) != digest:
        raise CatalogMismatch(f"{path} differs from the digest in {FILE_NAME}; {ADVICE}")


def _pinned(folder: Path) -> Mapping[str, str]:
    try:
        lines = (folder / FILE_NAME).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise CatalogMismatch(f"{folder / FILE_NAME} cannot be read; {ADVICE}") from error
    pinned: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        digest, separator, name = line.partition("  ")
        if len(digest) != hashlib.sha256().digest_size * 2 or not separator or not name:
            raise CatalogMismatch(f"{folder / FILE_NAME}:{number} is not a digest and a file name; {ADVICE}")
        pinned[name] = digest
    return pinned


def _files(folder: Path) -> dict[str, Path]:
    # Hidden folders hold drafts of what is being written beside the files.
    return {
        path.relative_to(folder).as_posix(): path
        for path in folder.rglob("*")
        if path.is_file()
        and not path.name.startswith(FILE_NAME)
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
