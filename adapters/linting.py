"""Everything that can be said about one adapter from its files: by the loader, by the rules, by its own routes.

Called by `esb adapters lint`. Compiles the adapter alone, so that nobody else's errors are in the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from adapters import agency_keys, rules
from adapters.placing import Placed, placed
from adapters.registration import bundle as bundles
from adapters.registration import coverage, examination
from esb.errors import ConfigurationError, RegistrationRefused, RoutesInvalid
from esb.model import Finding, Severity
from esb.ports import utc_now
from esb.settings import Settings

_GRAVEST = (Severity.ERROR, Severity.WARNING, Severity.HINT)


def findings_of(name: str, settings: Settings) -> list[Finding]:
    """The findings about an adapter, by agency or folder, ordered by file and line; each file as the person has it."""
    try:
        with placed(settings, name) as there:
            found = list(_findings(there, settings))
    except RoutesInvalid as error:
        found = [one for one in error.findings if isinstance(one, Finding)]
    except (RegistrationRefused, ConfigurationError) as error:
        found = [Finding(file=name, line=0, message=error.reason)]
    unique = dict.fromkeys(found)
    return sorted(unique, key=lambda one: (one.file, one.line, _GRAVEST.index(one.severity)))


def _findings(there: Placed, settings: Settings) -> Iterator[Finding]:
    bundle = bundles.from_folder(there.folder, contract=there.contract)
    keys = agency_keys.load(settings)
    version = there.manifest.contract.version
    with examination.laid_out(bundle, there.agency, version, settings) as (laid, folder):
        loaded, found = examination.loaded_from(laid, folder, keys)
        yield from _named(found, there)
        if loaded is None:
            return
        yield from _of_routes(there)
    yield from _named(coverage.uncovered(there.manifest, bundle, Path(settings.routes)), there)
    yield from _named(rules.findings(there.manifest, bundle.files, bundle.contract, keys=keys, now=utc_now()), there)


def _of_routes(there: Placed) -> Iterator[Finding]:
    try:
        there.proposed()
    except RoutesInvalid as error:
        for one in error.findings:
            if isinstance(one, Finding):
                yield msgspec.structs.replace(one, file=str(there.folder / bundles.ROUTES))


def _named(found: Iterable[Finding], there: Placed) -> Iterator[Finding]:
    """Findings with names of files of a bundle, as paths."""
    for one in found:
        file = one.file
        if file.startswith(bundles.CONTRACT):
            file = str(there.contract / file.removeprefix(bundles.CONTRACT))
        elif not Path(file).is_absolute() and (there.folder / file).exists():
            file = str(there.folder / file)
        yield msgspec.structs.replace(one, file=file)
