"""An adapter that a person names, where the loader can find it: checked in already, or a folder that lies elsewhere.

Called by the verbs for agency teams, so that one that is not submitted yet is linted, simulated and tested by the code
that the bus loads it with.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from adapters import manifest as manifests
from adapters.agency_keys import AgencyKeys
from adapters.manifest import Manifest
from adapters.registration import bundle as bundles
from adapters.registration import examination
from esb.contracts import catalogue
from esb.errors import ConfigurationError, RoutesInvalid
from esb.model import Finding
from esb.routes import document
from esb.routes.table import RouteTable
from esb.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An adapter and the settings that find it. `folder` and `contract`: its files, where the person has them.

    `temporary`: the folder in which it is laid out for the loader, None where it is checked in.
    """

    settings: Settings
    manifest: Manifest
    folder: Path
    contract: Path
    temporary: Path | None = None

    @property
    def agency(self) -> str:
        """The agency's code."""
        return self.manifest.agency

    def at(self, url: str) -> Placed:
        """The adapter with its system at another address."""
        settings = msgspec.structs.replace(self.settings, endpoints={**self.settings.endpoints, self.agency: url})
        return replace(self, settings=settings)

    def files(self) -> dict[str, bytes]:
        """The contract's files. Raises CatalogMismatch."""
        version = self.manifest.contract.version
        return catalogue.load_bundle(Path(self.settings.schemas) / "agencies" / self.agency / version)

    def shown(self, finding: Finding) -> Finding:
        """A finding of the loader with places as the person knows them."""
        if self.temporary is None:
            return finding
        contract = self.temporary / "schemas" / "agencies" / self.agency / self.manifest.contract.version
        own = self.temporary / "agencies" / self.agency
        places = ((str(contract), str(self.contract)), (str(own), str(self.folder)))
        file, message = finding.file, finding.message
        for there, here in places:
            file, message = file.replace(there, here), message.replace(there, here)
        return msgspec.structs.replace(finding, file=file, message=message)

    def proposed(self) -> RouteTable | None:
        """The table of the routes that the adapter's folder proposes; None where it proposes none.

        Raises:
            RoutesInvalid: they hold errors, or the adapter does.
        """
        if self.temporary is None:
            with _laid_out(bundles.from_folder(self.folder, contract=self.contract), self) as there:
                return there.proposed()
        loaded, findings = examination.loaded_from(self.settings, self.temporary, AgencyKeys())
        if loaded is None:
            raise RoutesInvalid(findings)
        return examination.proposed(self.temporary / "agencies" / self.agency, loaded)


@contextlib.contextmanager
def placed(settings: Settings, name: str) -> Iterator[Placed]:
    """The adapter of an agency's code, or of a folder as `scaffold --out` writes and `submit` takes it.

    Raises:
        ConfigurationError: it is neither, or the folder cannot be read.
    """
    if is_checked_in(settings, name):
        folder = Path(settings.adapters) / name
        manifest = _manifest((folder / manifests.FILE_NAME).read_bytes(), folder / manifests.FILE_NAME)
        contract = Path(settings.schemas) / "agencies" / name / manifest.contract.version
        yield Placed(settings=settings, manifest=manifest, folder=folder, contract=contract)
        return
    folder = Path(name)
    if not (folder / manifests.FILE_NAME).is_file():
        known = sorted(path.parent.name for path in Path(settings.adapters).glob(f"*/{manifests.FILE_NAME}"))
        raise ConfigurationError(
            f"no adapter {name!r}: neither a folder with {manifests.FILE_NAME} nor one of {', '.join(known)}"
        )
    bundle = bundles.from_folder(folder)
    written = bundle.files[bundles.MANIFEST]
    label = folder / manifests.FILE_NAME
    # The loader wants the folder named for the agency; a team's may have any name.
    manifest = _manifest(written, label.parent / _agency_in(written, label) / label.name, shown=label)
    own = Placed(settings=settings, manifest=manifest, folder=folder, contract=folder / bundles.CONTRACT.rstrip("/"))
    with _laid_out(bundle, own) as there:
        yield there


def is_checked_in(settings: Settings, name: str) -> bool:
    """Whether a folder of adapters has this name."""
    return "/" not in name and (Path(settings.adapters) / name / manifests.FILE_NAME).is_file()


@contextlib.contextmanager
def _laid_out(bundle: bundles.Bundle, own: Placed) -> Iterator[Placed]:
    version = own.manifest.contract.version
    with examination.laid_out(bundle, own.agency, version, own.settings) as (there, temporary):
        yield Placed(
            settings=there, manifest=own.manifest, folder=own.folder, contract=own.contract, temporary=temporary
        )


def _manifest(content: bytes, path: Path, *, shown: Path | None = None) -> Manifest:
    manifest, findings = manifests.parse(content, path)
    if manifest is None:
        raise RoutesInvalid(tuple(msgspec.structs.replace(one, file=str(shown or path)) for one in findings))
    return manifest


def _agency_in(content: bytes, label: Path) -> str:
    loaded = document.parse_bytes(content, file=str(label))
    node = loaded.root.get("agency") if loaded.root is not None else None
    if node is None or not isinstance(node.value, str):
        raise RoutesInvalid(loaded.findings or (Finding(file=str(label), line=0, message="has no 'agency'"),))
    return node.value
