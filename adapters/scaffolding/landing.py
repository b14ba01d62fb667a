"""Where a scaffold lands on disk: beside its places first, then there at once; and nothing of it when that fails."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from adapters import manifest as manifests
from adapters.registration import bundle as bundles
from esb.contracts import catalogue
from esb.errors import ConfigurationError
from esb.settings import Settings


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
            raise ConfigurationError(f"{folder} holds something already; --force replaces it")


def lay_down(
    places: Places, files: Mapping[str, bytes], contract: Mapping[str, bytes], settings: Settings, *, force: bool
) -> None:
    """Write everything, and pin the contract. What was there before is back when this raises."""
    refuse_occupied(places, force=force)
    inside = {} if places.pinned else {bundles.CONTRACT + name: content for name, content in contract.items()}
    wanted = {places.folder: {**files, **inside}}
    if places.pinned:
        wanted[places.contract] = dict(contract)
    undone: list[tuple[Path, Path | None]] = []
    try:
        for folder, content in wanted.items():
            undone.append(_put(folder, content))
        if places.pinned:
            catalogue.write(Path(settings.schemas))
    except OSError as error:
        for folder, before in reversed(undone):
            _restore(folder, before)
        raise ConfigurationError(f"cannot write {error.filename or places.folder}: {error.strerror}") from error
    for _, before in undone:
        if before is not None:
            shutil.rmtree(before.parent, ignore_errors=True)


def free_port(settings: Settings, agency: str, *, first: int) -> int:
    """A port for the simulated agency that no other manifest names."""
    taken = set()
    for path in sorted(Path(settings.adapters).glob(f"*/{manifests.FILE_NAME}")):
        manifest, _ = manifests.read(path)
        if manifest is not None and manifest.agency != agency:
            taken.add(urlsplit(manifest.endpoint.get("simulated", "")).port)
    return next(port for port in range(first, 65536) if port not in taken)


def _put(folder: Path, files: Mapping[str, bytes]) -> tuple[Path, Path | None]:
    """Exchange a folder for one with these files; the answer says where the old one lies now."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    # In the same file system, so that a rename is all that is left to do.
    drafts = Path(tempfile.mkdtemp(prefix=".scaffold-", dir=folder.parent))
    fresh = drafts / "new"
    try:
        for name, content in files.items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        before = None
        if folder.exists():
            before = drafts / "old"
            folder.rename(before)
        fresh.rename(folder)
    except OSError:
        if (drafts / "old").exists():
            (drafts / "old").rename(folder)
        shutil.rmtree(drafts, ignore_errors=True)
        raise
    if before is None:
        drafts.rmdir()
    return folder, before


def _restore(folder: Path, before: Path | None) -> None:
    if before is None:
        shutil.rmtree(folder, ignore_errors=True)
        return
    shutil.rmtree(folder, ignore_errors=True)
    before.rename(folder)
    shutil.rmtree(before.parent, ignore_errors=True)
