"""The contracts to compare: a file, a contract's or an adapter's folder, or a version of an agency as `din-reg/v1`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from adapters import manifest as manifests
from adapters.manifest import Manifest
from adapters.placing import placed
from adapters.scaffolding.source import from_openapi, with_imports
from esb.errors import ConfigurationError
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
        raise ConfigurationError(f"{name} is neither a file, a folder nor a version of an agency, as din-reg/v1")
    return _folder(folder, settings)


def _adapter(name: str, settings: Settings) -> Side:
    with placed(settings, name) as there:
        manifest, bundle = there.manifest, there.files()
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
