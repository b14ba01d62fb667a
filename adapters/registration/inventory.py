"""What is installed, before it is compiled: checked-in folders and the register, with what operators set over both.

Called by the registry at each load. Decides which contract versions of an agency may be called in this environment, by
whom, and which one shows its face; pure but for reading manifests.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from adapters import manifest as manifests
from adapters.agency_keys import AgencyKeys
from adapters.endpoint import LIVE
from adapters.manifest import Lifecycle, Manifest
from adapters.registration import bundle as bundles
from adapters.registration import overlay, record, signing
from adapters.registration.bundle import Bundle
from adapters.registration.record import Record, Version, order_of
from esb.errors import RegistrationRefused
from esb.journal.registrations import Registered
from esb.journal.rows import RegistrationRow
from esb.model import AgencyCode, Finding, Severity

_FACES = (Lifecycle.LIVE, Lifecycle.PILOT, Lifecycle.TEST)
_PREFERRED = (Lifecycle.PILOT, Lifecycle.LIVE, Lifecycle.TEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """One version of one adapter. `contract`: its files; None where they lie in the pinned catalogue.

    `manifest` has the lifecycle and the values that are in force. `unusable`: why no call may leave, whatever else.
    """

    manifest: Manifest
    contract: Mapping[str, bytes] | None = None
    unusable: str = ""

    @property
    def version(self) -> str:
        """Of the contract."""
        return self.manifest.contract.version


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Which questions may come to a version; see `esb.ports.Reach`."""

    version: str
    callers: frozenset[str] = frozenset()
    rayons: frozenset[str] = frozenset()
    weight: int = 0
    named: frozenset[str] = frozenset()
    takes_rayon: bool = False

    @property
    def plain(self) -> bool:
        """Open to everybody."""
        return not (self.callers or self.rayons or self.named or self.takes_rayon)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyInventory:
    """One agency: the versions to compile, the one that shows its face first. `terms`: preferred first, or none."""

    versions: tuple[Installed, ...]
    terms: tuple[Terms, ...] = ()

    @property
    def face(self) -> Installed:
        """Whose schemas, samples and limits stand for the agency."""
        return self.versions[0]


@dataclass(slots=True, kw_only=True)
class Inventory:
    """All of it. `findings` may hold errors; then nothing of it is to be used."""

    agencies: dict[str, AgencyInventory] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


def wanted(documents: Mapping[str, RegistrationRow]) -> Iterator[str]:
    """The bundles that a load needs: of what may be called, or else of the newest."""
    for row in documents.values():
        versions = record.decode(row.document).versions
        yield from sorted({versions[name].bundle_sha256 for name in _to_load(versions)})


def survey(adapters: Path, registered: Registered, keys: AgencyKeys, *, environment: str) -> Inventory:
    """Everything installed. Never raises for what an agency or operator wrote; that is in the findings.

    Raises:
        JournalTampered: a document of the register is none.
    """
    inventory = Inventory()
    found: dict[str, list[Installed]] = {}
    records = {agency: record.decode(row.document) for agency, row in registered.documents.items()}
    for path in sorted(adapters.glob(f"*/{manifests.FILE_NAME}")):
        manifest, findings = manifests.read(path)
        inventory.findings += findings
        if manifest is not None:
            known = records.get(manifest.agency, Record(agency=manifest.agency))
            found.setdefault(manifest.agency, []).append(_checked_in(manifest, known))
    for agency, known in records.items():
        for one in _registered(known, registered, keys, inventory.findings):
            _refuse_twice(one, found.get(agency, ()), inventory.findings)
            found.setdefault(agency, []).append(one)
    for agency, versions in sorted(found.items()):
        known = records.get(agency, Record(agency=AgencyCode(agency)))
        inventory.agencies[agency] = _arranged(known, versions, environment)
    return inventory


# --- one version -----------------------------------------------------------------------------------------


def _checked_in(manifest: Manifest, known: Record) -> Installed:
    lifecycle = manifest.lifecycle
    if manifest.contract.version in known.suspended and lifecycle is not Lifecycle.RETIRED:
        lifecycle = Lifecycle.SUSPENDED
    return Installed(manifest=_in_force(manifest, known, lifecycle))


def _registered(
    known: Record, registered: Registered, keys: AgencyKeys, findings: list[Finding]
) -> Iterator[Installed]:
    for name in _to_load(known.versions):
        version, label = known.versions[name], label_of(known.agency, name)
        content = registered.bundles.get(version.bundle_sha256)
        if content is None or hashlib.sha256(content).hexdigest() != version.bundle_sha256:
            findings.append(_finding(label, "the stored bundle is not the one that was submitted: do not use this bus"))
            continue
        try:
            bundle = bundles.read(content)
        except RegistrationRefused as error:
            findings.append(_finding(label, error.reason))
            continue
        manifest, found = manifest_of(bundle, known.agency, name)
        findings += found
        if manifest is not None:
            unproven = _unproven(content, version, known.agency, keys)
            if unproven:
                findings.append(_finding(label, f"{unproven}; it is not called", Severity.WARNING))
            yield Installed(
                manifest=_in_force(manifest, known, known.stage(name)), contract=bundle.contract, unusable=unproven
            )


def manifest_of(bundle: Bundle, agency: str, version: str) -> tuple[Manifest | None, tuple[Finding, ...]]:
    """The manifest in a bundle, and what is wrong with it."""
    return manifests.parse(bundle.files[bundles.MANIFEST], label_of(agency, version))


def label_of(agency: str, version: str) -> Path:
    """What a registered manifest goes by in findings."""
    return Path("registered") / version / agency / bundles.MANIFEST


def _unproven(content: bytes, version: Version, agency: str, keys: AgencyKeys) -> str:
    # The certificate had to be in date when it signed. That it is still registered is looked at each time: taking its
    # file away is how an operator withdraws a key.
    try:
        signing.prove(content, version.proof, agency, keys, at=version.submitted_at)
    except RegistrationRefused as error:
        return error.reason
    return ""


def _in_force(manifest: Manifest, known: Record, lifecycle: Lifecycle) -> Manifest:
    values = {name: one.value for name, one in known.overlay.items()}
    return msgspec.structs.replace(overlay.applied(manifest, values), lifecycle=lifecycle)


def _refuse_twice(one: Installed, others: Iterable[Installed], findings: list[Finding]) -> None:
    for other in others:
        if other.version == one.version:
            agency = one.manifest.agency
            message = f"{agency} {one.version} is registered as well: take this folder away, or retire that version"
            findings.append(_finding(Path(other.manifest.file), message))


# --- one agency ------------------------------------------------------------------------------------------


def _to_load(versions: Mapping[str, Version]) -> Sequence[str]:
    """What may be called or resumed; where there is nothing of it the newest, for those who write routes."""
    in_use = [name for name, version in versions.items() if version.lifecycle in _FACES]
    return in_use or sorted(versions, key=order_of)[-1:]


def _arranged(known: Record, versions: Sequence[Installed], environment: str) -> AgencyInventory:
    newest_first = sorted(versions, key=lambda one: order_of(one.version), reverse=True)
    callable_here = [one for one in newest_first if _is_callable(one.manifest, environment)]
    if not callable_here:
        # All of them refuse for themselves; one that may come back says more than one that was retired.
        rest = sorted(newest_first, key=lambda one: one.manifest.lifecycle is Lifecycle.RETIRED)
        return AgencyInventory(versions=tuple(rest[:1]))
    faces = sorted(callable_here, key=lambda one: _FACES.index(one.manifest.lifecycle))
    preferred = sorted(callable_here, key=lambda one: _PREFERRED.index(one.manifest.lifecycle))
    terms = tuple(_terms(one, known) for one in preferred)
    nothing_to_choose = len(terms) == 1 and terms[0].plain
    return AgencyInventory(versions=tuple(faces), terms=() if nothing_to_choose else terms)


def _is_callable(manifest: Manifest, environment: str) -> bool:
    return manifest.in_use and not (manifest.lifecycle is Lifecycle.TEST and environment == LIVE)


def _terms(one: Installed, known: Record) -> Terms:
    submitted, rollout = known.versions.get(one.version), known.rollout
    pilot = submitted.pilot if submitted else None
    restricted = pilot if one.manifest.lifecycle is Lifecycle.PILOT else None
    return Terms(
        version=one.version,
        callers=frozenset(restricted.callers) if restricted else frozenset(),
        rayons=frozenset(restricted.rayons) if restricted else frozenset(),
        weight=rollout.weights.get(one.version, 0) if rollout else 0,
        named=frozenset(rollout.callers.get(one.version, ())) if rollout else frozenset(),
        takes_rayon=bool(pilot and pilot.rayons),
    )


def _finding(file: Path, message: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(file=str(file), line=0, message=message, severity=severity)
