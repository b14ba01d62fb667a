"""Where a scaffold lands on disk: file by file, all of it or nothing, and never over what somebody else wrote.

A record beside the files says what a scaffold wrote, so that the next one knows its own files from a person's.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from adapters import manifest as manifests
from adapters.registration import bundle as bundles
from esb.contracts import catalogue
from esb.errors import ConfigurationError
from esb.settings import Settings

RECORD: Final = ".scaffold"
"""Name and digest of each file that was written; hidden, so that it stays behind when a bundle is made."""

_DRAFTS: Final = ".scaffold-"
_BACKUP: Final = re.compile(r"(.+)\.bak\d*")
_NAMED: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """`folder`: the adapter's; `contract`: its contract's. `pinned`: the contract belongs to the catalogue."""

    folder: Path
    contract: Path
    pinned: bool


def places_of(agency: str, version: str, out: Path | None, settings: Settings) -> Places:
    """Where it goes: with `out` everything below that folder, as `esb adapters pack` and `submit` take it."""
    if out is not None:
        return Places(folder=out, contract=out / bundles.CONTRACT.rstrip("/"), pinned=False)
    contract = Path(settings.schemas) / "agencies" / agency / version
    return Places(folder=Path(settings.adapters) / agency, contract=contract, pinned=True)


def refuse_occupied(places: Places, *, force: bool) -> None:
    """Raise ConfigurationError where something lies already, but for an empty folder."""
    for folder in (places.folder, places.contract):
        if folder.exists() and not folder.is_dir():
            raise ConfigurationError(f"{folder} is a file; name a folder")
        if not force and folder.is_dir() and any(folder.iterdir()):
            raise ConfigurationError(f"{folder} holds something already; --force replaces what scaffold wrote there")


def lay_down(
    places: Places, files: Mapping[str, bytes], contract: Mapping[str, bytes], settings: Settings, *, force: bool
) -> tuple[str, ...]:
    """Write everything, and pin the contract; the answer says what was kept. All is as before when this raises.

    Raises:
        ConfigurationError: a file there is somebody else's, or cannot be written.
    """
    refuse_occupied(places, force=force)
    inside = {bundles.CONTRACT + name: content for name, content in contract.items()}
    record = _record(places.folder)
    written = {**files, RECORD: _record_text({**files, **inside})}
    changes = [_changes(places.folder, written if places.pinned else {**written, **inside}, record)]
    if places.pinned:
        known = {name.removeprefix(bundles.CONTRACT): digest for name, digest in record.items()}
        changes.append(_changes(places.contract, contract, known, keeps=()))
    try:
        # Undone in reverse when anything here raises, an interrupt too.
        with ExitStack() as undo:
            for change in changes:
                _make(change, undo)
            if places.pinned:
                catalogue.write(Path(settings.schemas))
            undo.pop_all()
    except OSError as error:
        raise ConfigurationError(f"cannot write {error.filename or places.folder}: {error.strerror}") from error
    finally:
        for change in changes:
            for drafts in change.folder.glob(f"{_DRAFTS}*"):
                shutil.rmtree(drafts, ignore_errors=True)
    return tuple(f"kept what was in {old} as {new}" for change in changes for old, new in change.backups.items())


def free_port(settings: Settings, agency: str, *, first: int) -> int:
    """A port for the simulated agency that no other manifest names."""
    taken = set()
    for path in sorted(Path(settings.adapters).glob(f"*/{manifests.FILE_NAME}")):
        manifest, _ = manifests.read(path)
        if manifest is not None and manifest.agency != agency:
            taken.add(urlsplit(manifest.endpoint.get("simulated", "")).port)
    return next(port for port in range(first, 65536) if port not in taken)


# --- what may be replaced --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Changes:
    """What becomes of one folder. `backups`: new names of what a person wrote; `stale`: what goes."""

    folder: Path
    files: Mapping[str, bytes]
    stale: tuple[str, ...]
    backups: Mapping[str, str] = field(default_factory=dict)


_KEPT: Final = (bundles.MANIFEST, bundles.CASES, bundles.ROUTES, "simulator.yaml", "samples/")
"""What a person may edit, and finds again as a backup; a contract is never edited here."""


def _changes(
    folder: Path, files: Mapping[str, bytes], record: Mapping[str, str], *, keeps: tuple[str, ...] = _KEPT
) -> _Changes:
    present = set(_present(folder))
    stale, backups, foreign = [], {}, []
    for name in sorted(present):
        backup = _BACKUP.fullmatch(name)
        if name == RECORD or (backup and backup[1].startswith(keeps)):
            continue
        digest = _digest_of(folder / name)
        if digest is not None and digest in {record.get(name), _digest(files.get(name))}:
            stale.append(name)
        elif digest is not None and name in {*files, *record} and name.startswith(keeps):
            backups[name] = _free_name(name, present)
        else:
            foreign.append(name)
    if foreign:
        more = f" and {len(foreign) - _NAMED} more" if len(foreign) > _NAMED else ""
        raise ConfigurationError(
            f"{folder} holds what scaffold did not write, and would not replace: {', '.join(foreign[:_NAMED])}{more}; "
            "take it away, or name another folder"
        )
    return _Changes(folder=folder, files=files, stale=tuple(stale), backups=backups)


def _present(folder: Path) -> Iterator[str]:
    """Everything but plain folders."""
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_dir():
            yield path.relative_to(folder).as_posix()


def _free_name(name: str, present: set[str]) -> str:
    wanted, number = f"{name}.bak", 2
    while wanted in present:
        wanted, number = f"{name}.bak{number}", number + 1
    return wanted


def _record(folder: Path) -> dict[str, str]:
    """What the last scaffold wrote here; nothing where there is no record that can be read."""
    try:
        found = json.loads((folder / RECORD).read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(name): str(digest) for name, digest in found.items()} if isinstance(found, dict) else {}


def _record_text(files: Mapping[str, bytes]) -> bytes:
    digests = {name: _digest(content) for name, content in sorted(files.items())}
    return json.dumps(digests, indent=1, ensure_ascii=False).encode() + b"\n"


def _digest(content: bytes | None) -> str | None:
    return None if content is None else hashlib.sha256(content).hexdigest()


def _digest_of(path: Path) -> str | None:
    """None for what is no plain file, or cannot be read."""
    try:
        return _digest(path.read_bytes()) if path.is_file() and not path.is_symlink() else None
    except OSError:
        return None


# --- files -----------------------------------------------------------------------------------------------


def _make(changes: _Changes, undo: ExitStack) -> None:
    """Exchange the files of one folder; the folder itself stays, as a shell may stand in it."""
    folder = changes.folder
    _make_folder(folder, undo)
    # In the same folder, so that a rename is all that is left to do once everything is written.
    drafts = Path(tempfile.mkdtemp(prefix=_DRAFTS, dir=folder))
    for name, content in changes.files.items():
        draft = drafts / "new" / name
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
    record = (RECORD,) if (folder / RECORD).exists() else ()
    moves = {name: drafts / "old" / name for name in (*changes.stale, *record)}
    moves |= {name: folder / backup for name, backup in changes.backups.items()}
    for name, there in moves.items():
        there.parent.mkdir(parents=True, exist_ok=True)
        _move(folder / name, there, undo)
    for name in changes.files:
        _make_folder((folder / name).parent, undo)
        _move(drafts / "new" / name, folder / name, undo)
    for name in changes.stale:
        _drop_empty((folder / name).parent, folder)


def _make_folder(folder: Path, undo: ExitStack) -> None:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir()
        undo.callback(shutil.rmtree, path, ignore_errors=True)


def _move(source: Path, target: Path, undo: ExitStack) -> None:
    source.rename(target)
    undo.callback(_back, target, source)


def _back(target: Path, source: Path) -> None:
    source.parent.mkdir(parents=True, exist_ok=True)
    target.rename(source)


def _drop_empty(folder: Path, root: Path) -> None:
    while folder != root and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
