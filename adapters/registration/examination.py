"""What a bundle is worth: linted by the loader that the bus uses, its golden cases run against its own contract.

Called by `desk` before a version is registered and before it counts as checked. The files are laid out in a temporary
folder as if they were checked in, so that nothing here reads a bundle in a way of its own.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from adapters import registry, rules
from adapters.agency_keys import AgencyKeys
from adapters.registration import bundle as bundles
from adapters.registration.bundle import Bundle
from adapters.registry import Catalogue
from adapters.transport import Transport
from esb.contracts import catalogue
from esb.errors import RegistrationRefused, RoutesInvalid
from esb.journal.registrations import Registered
from esb.model import Finding, Severity
from esb.ports import utc_now
from esb.routes import compiler
from esb.routes.table import RouteTable
from esb.settings import Settings

if TYPE_CHECKING:
    from adapters.cases import CaseResult

_A_CALLER = 'callers:\n  agency: {title: {az: "Qurum", en: "Agency"}}\n'


def lint(bundle: Bundle, agency: str, version: str, *, settings: Settings, keys: AgencyKeys) -> tuple[Finding, ...]:
    """Everything the loader has to say, and for which rules the bundle is refused; places as its files are named."""
    with laid_out(bundle, agency, version, settings) as (there, folder):
        loaded, findings = loaded_from(there, folder, keys)
    if loaded is None:
        return findings
    manifest = loaded.adapters[agency].manifest
    return (*findings, *rules.refusals(manifest, bundle.files, bundle.contract, keys=keys, now=utc_now()))


def run_cases(
    bundle: Bundle, agency: str, version: str, *, settings: Settings, keys: AgencyKeys, installed: Catalogue
) -> tuple[CaseResult, ...]:
    """The bundle's golden cases, through its own proposed routes or else through those of the deployment.

    `installed`: everything else that the deployment's routes ask.

    Raises:
        RegistrationRefused: there are none.
        RoutesInvalid: the bundle, or the routes over it, hold errors.
        ConfigurationError: `cases.yaml` or the simulator's data cannot be used.
    """
    from adapters import cases  # noqa: PLC0415 - brings the simulator, which most acts do without

    if bundles.CASES not in bundle.files:
        raise RegistrationRefused(f"there are no golden cases: write {bundles.CASES}")
    with laid_out(bundle, agency, version, settings) as (there, folder):
        loaded, findings = loaded_from(there, folder, keys)
        if loaded is None:
            raise RoutesInvalid(findings)
        table = proposed(folder / "agencies" / agency, loaded) or compiler.load(
            Path(settings.routes), _with_version(installed, loaded, agency)
        )
        results = tuple(cases.run([agency], table=table, settings=there))
    if not results:
        raise RegistrationRefused(f"{bundles.CASES} holds no case")
    return results


@contextlib.contextmanager
def laid_out(bundle: Bundle, agency: str, version: str, settings: Settings) -> Iterator[tuple[Settings, Path]]:
    """A bundle in a temporary folder as if it were checked in: settings that find it there, and the folder."""
    with tempfile.TemporaryDirectory(prefix="esb-bundle-") as name:
        folder = Path(name)
        _write(bundle.contract, folder / "schemas" / "agencies" / agency / version)
        others = {name: text for name, text in bundle.files.items() if not name.startswith(bundles.CONTRACT)}
        _write(others, folder / "agencies" / agency)
        catalogue.write(folder / "schemas")
        there = msgspec.structs.replace(
            settings, adapters=str(folder / "agencies"), schemas=str(folder / "schemas"), endpoints={}
        )
        yield there, folder


def _write(files: Mapping[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def loaded_from(there: Settings, folder: Path, keys: AgencyKeys) -> tuple[Catalogue | None, tuple[Finding, ...]]:
    """What the loader makes of it, None where there are errors, and all that it says, without the folder's name."""
    own = dataclasses.replace(keys, findings=())
    try:
        loaded = registry.load(there, own, Transport(), registered=Registered())
    except RoutesInvalid as error:
        return None, tuple(_named(one, folder) for one in error.findings if isinstance(one, Finding))
    return loaded, tuple(_named(one, folder) for one in loaded.findings)


def _named(finding: Finding, folder: Path) -> Finding:
    """The finding without the temporary folder in it."""
    place = f"{folder}/agencies/"
    file = finding.file.partition(place)[2].partition("/")[2] or finding.file
    return msgspec.structs.replace(finding, file=file, message=finding.message.replace(f"{folder}/", ""))


def proposed(folder: Path, loaded: Catalogue) -> RouteTable | None:
    """The routes that an adapter's folder proposes, over its own contract; None where it has none.

    Raises:
        RoutesInvalid: they hold errors.
    """
    path = folder / bundles.ROUTES
    if not path.is_file():
        return None
    text = path.read_text(encoding="utf-8")
    if not any(line.startswith("callers:") for line in text.splitlines()):
        path.write_text(_A_CALLER + text, encoding="utf-8")
    return compiler.load(path, loaded)


def _with_version(installed: Catalogue, loaded: Catalogue, agency: str) -> Catalogue:
    """All that is installed, with this version alone for the agency."""
    return Catalogue(adapters={**installed.adapters, agency: loaded.adapters[agency]})


def errors_of(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Those that keep a bundle from being used."""
    return tuple(finding for finding in findings if finding.severity is Severity.ERROR)
