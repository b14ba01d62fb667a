"""The contracts to compare: a file, a contract's or an adapter's folder, or a version of an agency as `din-reg/v1`.

A version that is not checked in is read from the register.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters import manifest as manifests
from adapters.manifest import Manifest
from adapters.placing import placed
from adapters.registration import bundle as bundles
from adapters.registration import inventory, record
from adapters.scaffolding.source import from_openapi, with_imports
from esb.errors import ConfigurationError, RoutesInvalid
from esb.journal import registrations
from esb.journal.rows import RegistrationRow
from esb.settings import Settings

_OPENAPI: Final = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One contract. `kind`: wsdl, xsd or openapi; `manifest`: of the adapter that it belongs to, where there is one."""

    name: str
    kind: str
    entry: str
    bundle: Mapping[str, bytes]
    manifest: Manifest | None = None


def side_of(name: str, settings: Settings) -> Side:
    """What a person names.

    Raises:
        ConfigurationError: nothing of this name is a contract, or it cannot be read.
    """
    path = Path(name)
    if path.is_file():
        return _file(path)
    if (path / manifests.FILE_NAME).is_file() or (Path(settings.adapters) / name / manifests.FILE_NAME).is_file():
        return _adapter(name, settings)
    version = Path(settings.schemas) / "agencies" / name
    folder = path if path.is_dir() else version
    if not folder.is_dir():
        side = _registered(name, settings)
        if side is not None:
            return side
        raise ConfigurationError(f"{name} is neither a file, a folder nor a version of an agency, as din-reg/v1")
    return _folder(folder, settings)


def _adapter(name: str, settings: Settings) -> Side:
    with placed(settings, name) as there:
        return _of_manifest(name, there.manifest, there.files())


def _registered(name: str, settings: Settings) -> Side | None:
    """A version as `students/v2` that lies in the register alone."""
    agency, _, version = name.partition("/")

    def wanted(documents: Mapping[str, RegistrationRow]) -> list[str]:
        return [] if agency not in documents else _bundles_of(documents[agency], version)

    stored = registrations.load(
        settings.database_url, Path(settings.home), owner=f"{settings.node}/operator", wanted=wanted
    )
    if agency not in stored.documents:
        return None
    for sha256 in _bundles_of(stored.documents[agency], version):
        bundle = bundles.read(stored.bundles[sha256])
        manifest, found = inventory.manifest_of(bundle, agency, version)
        if manifest is None:
            raise RoutesInvalid(found)
        return _of_manifest(name, manifest, bundle.contract)
    return None


def _bundles_of(row: RegistrationRow, version: str) -> list[str]:
    versions = record.decode(row.document).versions
    return [versions[version].bundle_sha256] if version in versions else []


def _of_manifest(name: str, manifest: Manifest, bundle: Mapping[str, bytes]) -> Side:
    entry = manifest.contract.file
    kind = {"soap": "wsdl", "rest": "openapi", "xml": "xsd"}[manifest.kind.value]
    return Side(name=name, kind=kind, entry=entry, bundle=bundle, manifest=manifest)


def _file(path: Path) -> Side:
    suffix = path.suffix.lower()
    if suffix in _OPENAPI:
        source = from_openapi(path)
        return Side(name=str(path), kind="openapi", entry=source.entry, bundle=source.bundle)
    entry, bundle = with_imports(path)
    return Side(name=str(path), kind="xsd" if suffix == ".xsd" else "wsdl", entry=entry, bundle=bundle)


def _folder(folder: Path, settings: Settings) -> Side:
    """A contract's folder: its one WSDL, else its one OpenAPI document, else its one XSD; or what a manifest names."""
    manifest_file = Path(settings.adapters) / folder.parent.name / manifests.FILE_NAME
    manifest = manifests.read(manifest_file)[0] if manifest_file.is_file() else None
    if manifest is not None and (folder / manifest.contract.file).is_file():
        return _file(folder / manifest.contract.file)
    for suffixes in ((".wsdl",), _OPENAPI, (".xsd",)):
        found = [path for path in sorted(folder.iterdir()) if path.suffix.lower() in suffixes]
        if len(found) == 1:
            return _file(found[0])
        if found:
            names = ", ".join(path.name for path in found)
            raise ConfigurationError(f"{folder} holds several contracts: {names}; name the file")
    raise ConfigurationError(f"{folder} holds no WSDL, OpenAPI document or XSD")
