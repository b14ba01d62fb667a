"""An adapter's folder as one deterministic archive: the same files always give the same bytes, and so one digest.

Made by `esb adapters pack` and `submit`, read back by the registry at each load. Pure but for `from_folder`: an
archive is never unpacked to disk by itself.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from esb.errors import RegistrationRefused
from esb.journal.registrations import MAX_BUNDLE_BYTES

MANIFEST: Final = "adapter.yaml"
CASES: Final = "cases.yaml"
ROUTES: Final = "routes.yaml"
CONTRACT: Final = "contract/"
"""Below which the contract's files lie in a bundle."""

MAX_FILES: Final = 2000
MAX_FILE_BYTES: Final = 16 * 1024 * 1024
MAX_NAME_BYTES: Final = 200

_PART = re.compile(r"[^/\\\x00-\x1f\x7f\ud800-\udfff]+")
_BACKUP = re.compile(r".+\.bak\d*")
_PRIVATE_KEY = b"PRIVATE KEY-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The files by their name in the bundle, and the archive they make."""

    files: Mapping[str, bytes]
    content: bytes

    @property
    def sha256(self) -> str:
        """What the bundle is known by."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def contract(self) -> dict[str, bytes]:
        """The contract's files, by path below its folder."""
        return {
            name.removeprefix(CONTRACT): content for name, content in self.files.items() if name.startswith(CONTRACT)
        }


def from_folder(folder: Path, *, contract: Path | None = None) -> Bundle:
    """The bundle of a folder, without hidden files and backups. `contract`: its files, where they lie apart.

    Raises:
        RegistrationRefused: something in the folder cannot or must not be sent; the message names it.
    """
    if not folder.is_dir():
        raise RegistrationRefused(f"{folder} is not a folder")
    files = dict(_files(folder, ""))
    if contract is not None:
        if not contract.is_dir():
            raise RegistrationRefused(f"{contract} is not a folder")
        files = {name: content for name, content in files.items() if not name.startswith(CONTRACT)}
        files |= dict(_files(contract, CONTRACT))
    return of_files(files)


def of_files(files: Mapping[str, bytes]) -> Bundle:
    """The bundle of these files. Raises RegistrationRefused."""
    _check(files)
    return Bundle(files=dict(sorted(files.items())), content=_archive(files))


def read(content: bytes) -> Bundle:
    """The bundle in an archive.

    Raises:
        RegistrationRefused: it is none that `of_files` would make of its files, to the byte: links, padding, odd
            headers, a name twice and anything behind the end are refused by that alone.
    """
    if len(content) > MAX_BUNDLE_BYTES:
        raise RegistrationRefused(f"bundle is over {MAX_BUNDLE_BYTES} bytes")
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                if len(files) > MAX_FILES:
                    break
                file = archive.extractfile(member) if member.isreg() and not member.issparse() else None
                if file is None:
                    raise RegistrationRefused(f"{member.name!r} in the bundle is not a plain file")
                files[member.name] = file.read()
    except (tarfile.TarError, ValueError, OSError, EOFError) as error:
        raise RegistrationRefused("not a bundle: make one with `esb adapters pack`") from error
    bundle = of_files(files)
    if bundle.content != content:
        raise RegistrationRefused("not the canonical form of a bundle: make one with `esb adapters pack`")
    return bundle


def _files(folder: Path, prefix: str) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if any(part.startswith(".") for part in name.split("/")) or _BACKUP.fullmatch(name):
            continue
        # A link would send what lies elsewhere on this machine.
        if path.is_symlink():
            raise RegistrationRefused(f"{path} is a link; put the file itself there")
        if path.is_file():
            yield prefix + name, _content(path)


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise RegistrationRefused(f"cannot read {path}: {error.strerror}") from error
    return content


def _check(files: Mapping[str, bytes]) -> None:
    if MANIFEST not in files:
        raise RegistrationRefused(f"there is no {MANIFEST}")
    if not any(name.startswith(CONTRACT) for name in files):
        raise RegistrationRefused(f"there is no contract: put its files into {CONTRACT} beside {MANIFEST}")
    if len(files) > MAX_FILES:
        raise RegistrationRefused(f"more than {MAX_FILES} files")
    for name, content in files.items():
        _check_file(name, content)
    if sum(map(len, files.values())) > MAX_BUNDLE_BYTES // 2:
        raise RegistrationRefused(f"the files are over {MAX_BUNDLE_BYTES // 2} bytes together")


def _check_file(name: str, content: bytes) -> None:
    parts = name.split("/")
    usable = all(_PART.fullmatch(part) and not part.startswith(".") for part in parts)
    if not usable or len(name.encode("utf-8", "replace")) > MAX_NAME_BYTES:
        raise RegistrationRefused(f"{name!r} is not a name that a file of a bundle may have")
    if len(content) > MAX_FILE_BYTES:
        raise RegistrationRefused(f"{name} is over {MAX_FILE_BYTES} bytes")
    if _PRIVATE_KEY in content:
        raise RegistrationRefused(f"{name} holds a private key, which must never leave its machine: take it away")


def _archive(files: Mapping[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:", format=tarfile.USTAR_FORMAT, encoding="utf-8") as archive:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(content), 0o644, 0
            try:
                archive.addfile(member, io.BytesIO(content))
            except (ValueError, UnicodeError) as error:
                raise RegistrationRefused(f"{name!r} is not a name that a file of a bundle may have") from error
    return stream.getvalue()
