"""The whole of a scaffold: an adapter's files made in memory, proven by the loaders that the bus uses, then laid down.

Nothing is written before everything was compiled and every golden case passed; what is written appears at once or not
at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters import cases as golden
from adapters import manifest as manifests
from adapters.agency_keys import AgencyKeys
from adapters.cases import Case
from adapters.contract_reading import ContractReading, read_contract
from adapters.registration import bundle as bundles
from adapters.registration import examination
from adapters.registry import Catalogue
from adapters.scaffolding import case_text, landing, route_text, samples
from adapters.scaffolding.manifest_text import manifest_text
from adapters.scaffolding.mapping import mapped
from adapters.scaffolding.source import Source
from adapters.simulator import samples as echoes
from adapters.simulator.assembly import DATA_FILE, answers_of
from esb.errors import RoutesInvalid
from esb.routes.table import CallRoute
from esb.settings import Settings

_STARTED = {"soap": "wsse-x509", "rest": "http-signature", "xml": "http-signature"}
_FIRST_PORT = 18200
_MISSING = "404"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is wanted. `out`: one folder for all of it; without it the folders of the settings. `force`: replace."""

    agency: str
    version: str = "v1"
    authentication: str | None = None
    out: Path | None = None
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaffolded:
    """What was written. `notes`: what was taken or guessed, for a person."""

    folder: Path
    contract: Path
    operations: tuple[str, ...]
    routes: tuple[str, ...]
    cases: int
    notes: tuple[str, ...]


def scaffold(source: Source, order: Order, settings: Settings) -> Scaffolded:
    """Write the adapter of a contract.

    Raises:
        ConfigurationError: the contract cannot be used, or there is something at its place; nothing was written.
    """
    places = landing.places_of(order.agency, order.version, order.out, settings)
    landing.refuse_occupied(places, force=order.force)
    making = _Making(source, order, settings)
    files = making.files()
    kept = landing.lay_down(places, files, source.bundle, settings, force=order.force)
    return Scaffolded(
        folder=places.folder,
        contract=places.contract,
        operations=tuple(making.operations),
        routes=tuple(making.routes),
        cases=making.cases,
        notes=(*kept, *source.notes, *making.notes),
    )


class _Making:
    """One scaffold while it is made: each file is compiled with those before it."""

    def __init__(self, source: Source, order: Order, settings: Settings) -> None:
        self._source = source
        self._order = order
        self._settings = settings
        self._files: dict[str, bytes] = {}
        self.operations: list[str] = []
        self.routes: list[str] = []
        self.cases = 0
        self.notes: list[str] = []

    def files(self) -> Mapping[str, bytes]:
        """The adapter's files by name. Raises ConfigurationError."""
        self._write_manifest(())
        reading, loaded = self._read(), self._loaded()
        if any(_MISSING in operation.responses for operation in reading.rest.values()):
            self._write_manifest((int(_MISSING),))
            loaded = self._loaded()
        self.operations = sorted(reading.shapes)
        proposals = {name: mapped(reading.shapes[name]) for name in self.operations}
        text, names = route_text.routes_text(self._order.agency, proposals, titles=self._source.titles)
        self.routes = list(names.values())
        self._files[bundles.ROUTES] = text.encode()
        self._files[DATA_FILE] = case_text.records_text(echoes.register_of(self._order.agency, reading)).encode()
        wanted = [
            case
            for name, route in names.items()
            for case in case_text.wanted_cases(route, proposals[name], reading.shapes[name], reading, name)
        ]
        self._write_cases(wanted, loaded)
        written, refused = samples.made(reading)
        self._files |= written
        self.notes += refused
        return self._files

    def _write_manifest(self, statuses: tuple[int, ...]) -> None:
        text = manifest_text(
            self._source,
            agency=self._order.agency,
            version=self._order.version,
            authentication=self._order.authentication or _STARTED[self._source.kind],
            simulated_port=landing.free_port(self._settings, self._order.agency, first=_FIRST_PORT),
            statuses=statuses,
        )
        self._files[bundles.MANIFEST] = text.encode()

    def _write_cases(self, wanted: Sequence[Case], loaded: Catalogue) -> None:
        """Golden cases whose expectation is what came out of the proposal: they say when that changes."""
        agency = self._order.agency
        with examination.laid_out(self._bundle(), agency, self._order.version, self._settings) as (there, folder):
            answers = answers_of(agency, there)
            table = examination.proposed(folder / "agencies" / agency, loaded)
            routes = {str(name): route for name, route in table.routes.items()} if table else {}
            played = []
            for case in wanted:
                route = routes[case.route]
                if not isinstance(route, CallRoute):
                    continue
                asked, got = golden.play(case, route, answers)
                if got.status is not case.reply.status:
                    self.notes.append(f"check: {case.name!r} came to {got.status}, and is no golden case; write one")
                    continue
                played.append(case_text.as_written(case, asked, got))
        self.cases = len(played)
        self._files[bundles.CASES] = case_text.cases_text(agency, played).encode()

    def _read(self) -> ContractReading:
        path = Path(self._order.agency) / bundles.MANIFEST
        manifest, findings = manifests.parse(self._files[bundles.MANIFEST], path)
        if manifest is None:
            raise RoutesInvalid(findings)
        return read_contract(manifest, self._source.bundle)

    def _loaded(self) -> Catalogue:
        with examination.laid_out(self._bundle(), self._order.agency, self._order.version, self._settings) as laid:
            loaded, findings = examination.loaded_from(*laid, AgencyKeys())
        if loaded is None:
            raise RoutesInvalid(examination.errors_of(findings))
        return loaded

    def _bundle(self) -> bundles.Bundle:
        contract = {bundles.CONTRACT + name: content for name, content in self._source.bundle.items()}
        return bundles.of_files({**self._files, **contract})
