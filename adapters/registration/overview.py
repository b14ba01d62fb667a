"""What is connected, for people: every version with its stage, share and proof, every value with where it comes from.

Called by `esb adapters list` and `show`; only reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from adapters import agency_keys, registry
from adapters import manifest as manifests
from adapters.agency_keys import AgencyKeys
from adapters.manifest import Manifest
from adapters.registration import acts, inventory, overlay
from adapters.registration import bundle as bundles
from adapters.registration import record as records
from adapters.registration.record import Record, order_of
from adapters.registry import Catalogue
from adapters.transport import Transport
from esb import operations
from esb.errors import JournalMissing, RegistrationRefused
from esb.journal import registrations
from esb.journal.registrations import Registered
from esb.model import AgencyCode, Finding
from esb.ports import JournalRecord
from esb.routes import document
from esb.routes.document import Node
from esb.settings import Settings


class Overview:
    """Everything at one moment."""

    def __init__(self, settings: Settings, *, now: datetime) -> None:
        """Loads all of it as the bus would. Raises ConfigurationError, JournalUnavailable."""
        self._settings = settings
        self._now = now
        self._keys: AgencyKeys = agency_keys.load(settings)
        self._registered: Registered = registrations.load(
            settings.database_url, Path(settings.home), owner=f"{settings.node}/reader", wanted=inventory.wanted
        )
        self._catalogue: Catalogue = registry.load(settings, self._keys, Transport(), registered=self._registered)
        self._records = {agency: records.decode(row.document) for agency, row in self._registered.documents.items()}

    def rows(self) -> list[dict[str, Any]]:
        """One for each version of each agency."""
        agencies = sorted({*self._records, *self._catalogue.agencies()})
        return [row for agency in agencies for row in self._rows_of(agency)]

    def details(self, agency: str) -> dict[str, Any]:
        """Everything about one agency. Raises RegistrationRefused."""
        rows = self._rows_of(agency)
        if not rows:
            known = ", ".join(sorted({*self._records, *self._catalogue.agencies()}))
            raise RegistrationRefused(f"no adapter {agency!r}; there are: {known}")
        record = self._record(agency)
        manifest = self._catalogue.manifest(AgencyCode(agency))
        return {
            "agency": agency,
            "title": {"az": manifest.title.az, "en": manifest.title.en},
            "owner": manifest.owner,
            "contact": msgspec.to_builtins(manifest.contact),
            "legal_basis": manifest.legal_basis,
            "versions": rows,
            "rollout": None if record.rollout is None else acts.words_of(record.rollout),
            "values": list(self._values(manifest, record)),
            "certificates": list(self._certificates(agency)),
            "findings": [str(finding) for finding in self._findings(agency)],
        }

    # --- versions ----------------------------------------------------------------------------------------

    def _rows_of(self, agency: str) -> list[dict[str, Any]]:
        record, compiled = self._record(agency), self._compiled(agency)
        versions = sorted({*record.versions, *compiled}, key=order_of)
        return [self._row(agency, version, record, compiled.get(version)) for version in versions]

    def _row(self, agency: str, version: str, record: Record, there: Catalogue | None) -> dict[str, Any]:
        code = AgencyCode(agency)
        manifest = there.manifest(code) if there else None
        submitted = record.versions.get(version)
        lifecycle = record.stage(version) if submitted else manifest.lifecycle if manifest else None
        return {
            "agency": agency,
            "version": version,
            "lifecycle": lifecycle,
            "share": _share(record, version),
            "kind": manifest.kind if manifest else None,
            "operations": list(there.operations(code)) if there else [],
            "authentication": manifest.authentication if manifest else None,
            "endpoint": self._endpoint(manifest) if manifest else None,
            "certificate_until": self._certificate_until(agency),
            "findings": len(list(self._findings(agency, manifest))),
            "source": "submitted" if submitted else "checked in",
            "submitted_by": submitted.submitted_by if submitted else None,
            "submitted_at": submitted.submitted_at if submitted else None,
            "since": submitted.since if submitted else None,
            "bundle_sha256": submitted.bundle_sha256 if submitted else None,
        }

    def _compiled(self, agency: str) -> dict[str, Catalogue]:
        reaches = {
            reach.version: reach.catalogue
            for reach in self._catalogue.reaches.get(agency, ())
            if isinstance(reach.catalogue, Catalogue)
        }
        if agency in self._catalogue.adapters and not reaches:
            return {self._catalogue.version(AgencyCode(agency)): self._catalogue}
        return reaches

    def _record(self, agency: str) -> Record:
        return self._records.get(agency, Record(agency=AgencyCode(agency)))

    def _endpoint(self, manifest: Manifest) -> str | None:
        settings = self._settings
        return settings.endpoints.get(manifest.agency) or manifest.endpoint.get(settings.environment)

    def _findings(self, agency: str, manifest: Manifest | None = None) -> Iterator[Finding]:
        """About the agency, or about one version of it; what is wrong with its keys concerns all of them."""
        for finding in self._catalogue.findings:
            of_keys = finding.file.endswith(f"/{agency}")
            of_version = manifest is not None and finding.file == manifest.file
            if of_keys or of_version or (manifest is None and f"/{agency}/" in finding.file):
                yield finding

    # --- proof -------------------------------------------------------------------------------------------

    def _certificates(self, agency: str) -> Iterator[dict[str, Any]]:
        for key in self._keys.verifying_of(agency):
            if key.certificate is not None:
                until = key.certificate.not_valid_after_utc
                yield {"name": key.kid, "until": until, "in_date": until > self._now}

    def _certificate_until(self, agency: str) -> datetime | None:
        return max((one["until"] for one in self._certificates(agency)), default=None)

    # --- values ------------------------------------------------------------------------------------------

    def _values(self, manifest: Manifest, record: Record) -> Iterator[dict[str, Any]]:
        written = self._written(manifest, record)
        for name in overlay.names():
            section, _, field = name.partition(".")
            held = getattr(manifest, section)
            if field:
                held = held.get(field) if isinstance(held, Mapping) else getattr(held, field)
            value = msgspec.to_builtins(held)
            yield {"name": name, "value": value, "from": self._origin(name, manifest, record, written)}

    def _origin(self, name: str, manifest: Manifest, record: Record, written: Node | None) -> str:
        if name == f"endpoint.{self._settings.environment}" and manifest.agency in self._settings.endpoints:
            return "ESB_ENDPOINTS"
        if name in record.overlay:
            own = record.overlay[name]
            return f"operator {own.operator}, {own.at.astimezone():%Y-%m-%d %H:%M}: {own.reason}"
        there = None if written is None else written.get(*name.split("."))
        return "default" if there is None else bundles.MANIFEST

    def _written(self, manifest: Manifest, record: Record) -> Node | None:
        version = record.versions.get(manifest.contract.version)
        if version is None:
            return document.load(Path(manifest.file)).root
        files = bundles.read(self._registered.bundles[version.bundle_sha256]).files
        return document.parse_bytes(files[bundles.MANIFEST], file=manifests.FILE_NAME).root


async def history(settings: Settings, agency: str) -> Sequence[JournalRecord]:
    """Every recorded act on the agency, oldest first; none where there is no journal."""
    try:
        async with operations.open_journal(settings, must_exist=True) as journal:
            return await registrations.acts_on(journal, agency)
    except JournalMissing:
        return ()


def _share(record: Record, version: str) -> str:
    parts: list[str] = []
    rollout, submitted = record.rollout, record.versions.get(version)
    if rollout is not None:
        total = sum(rollout.weights.values())
        if version in rollout.weights:
            parts.append(f"{rollout.weights[version]} of {total}")
        if version in rollout.callers:
            parts.append(f"callers {', '.join(rollout.callers[version])}")
    if submitted is not None and submitted.pilot is not None and record.stage(version) == "pilot":
        parts += [f"pilot of {', '.join((*submitted.pilot.callers, *submitted.pilot.rayons))}"]
    return "; ".join(parts)
