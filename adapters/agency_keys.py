"""The keys towards agencies as they lie under `home`: what the bus signs with, and whose replies it believes.

Read once per load by the registry's callers. A key that is missing is a finding, never an error: routes can be
linted on a machine without keys, and a call without a key fails closed.

Simulated agencies have keys apart, under `home`/simulator: they are believed by a simulated bus only, and never for
what an agency registers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from esb.model import Finding, Severity
from esb.settings import Settings
from security import certificates, keys
from security.certificates import TrustAnchors
from security.errors import KeyUnavailable
from security.keys import Algorithm, SigningKey, VerifyingKey

ENCRYPTION = keys.ENCRYPTION_FOLDER
SIMULATED: Final = "simulated"
"""The environment in which simulated agencies are believed."""

_WHOLE_FILE = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Whom one agency may sign as, and the newest certificate that it wants messages encrypted for."""

    anchors: TrustAnchors = field(default_factory=TrustAnchors)
    verifying: tuple[VerifyingKey, ...] = ()
    encrypting: VerifyingKey | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyKeys:
    """`signing`: the bus's newest key of each algorithm. `anchors` and `verifying`: whom each agency may sign as.

    These two are what operators registered. `simulated` is what simulators on this machine made for themselves: empty
    but in the environment `simulated`, and then believed beside the registered for replies and pushes alone.
    `simulator_certificates`: SHA-256 of their DER, in every environment, so that they can be refused by name.

    `encrypting`: the newest certificate that each agency wants messages encrypted for; `decrypting`: the bus's keys for
    messages that come encrypted. Both lie in folders `encryption` of their own: who encrypts signs with another key.
    """

    signing: Mapping[Algorithm, SigningKey] = field(default_factory=dict)
    anchors: Mapping[str, TrustAnchors] = field(default_factory=dict)
    verifying: Mapping[str, tuple[VerifyingKey, ...]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    encrypting: Mapping[str, VerifyingKey] = field(default_factory=dict)
    decrypting: tuple[SigningKey, ...] = ()
    simulated: Mapping[str, Trust] = field(default_factory=dict)
    simulator_certificates: frozenset[bytes] = frozenset()

    def registered_anchors_of(self, agency: str) -> TrustAnchors:
        """Whom operators registered; for an agency without a folder anchors that believe nobody."""
        return self.anchors.get(agency, TrustAnchors())

    def registered_keys_of(self, agency: str) -> tuple[VerifyingKey, ...]:
        """The public keys that operators registered."""
        return self.verifying.get(agency, ())

    def anchors_of(self, agency: str) -> TrustAnchors:
        """Who may sign the agency's replies and pushes."""
        own, played = self.registered_anchors_of(agency), self._played(agency).anchors
        return TrustAnchors(
            pinned=own.pinned | played.pinned, roots=own.roots + played.roots, known=own.known + played.known
        )

    def trusts(self, agency: str) -> bool:
        """Whether any reply of the agency can be believed."""
        anchors = self.anchors_of(agency)
        return bool(anchors.pinned or anchors.roots or self.verifying_of(agency))

    def verifying_of(self, agency: str) -> tuple[VerifyingKey, ...]:
        """The public keys of who may sign the agency's replies and pushes."""
        return self.registered_keys_of(agency) + self._played(agency).verifying

    def encrypting_for(self, agency: str) -> VerifyingKey | None:
        """Whom messages to the agency are encrypted for; an operator's word goes before a simulator's."""
        return self.encrypting.get(agency) or self._played(agency).encrypting

    def is_simulators(self, der: bytes) -> bool:
        """Whether a certificate belongs to a simulator on this machine."""
        return hashlib.sha256(der).digest() in self.simulator_certificates

    def _played(self, agency: str) -> Trust:
        return self.simulated.get(agency, Trust())


def simulator_folder(home: Path, agency: str) -> Path:
    """Where a simulated agency's keys and certificates lie."""
    return home / "simulator" / agency


def public_file_of(settings: Settings, agency: str, name: str) -> Path:
    """A public file of the agency: the operator's, or for a simulated bus without one the simulator's."""
    registered = Path(settings.home) / "keys" / "agencies" / agency / name
    played = simulator_folder(Path(settings.home), agency) / name
    return played if settings.environment == SIMULATED and played.exists() and not registered.exists() else registered


def load(settings: Settings) -> AgencyKeys:
    """What lies under `home`/keys now. Never raises for a key file: what cannot be read is a finding and not used."""
    folder = Path(settings.home) / "keys"
    findings: list[Finding] = []
    signing = _signing(folder / "bus", settings.key_passphrase, findings)
    simulated = _trusts(Path(settings.home) / "simulator", findings)
    simulators: frozenset[bytes] = frozenset().union(*(trust.anchors.pinned for trust in simulated.values()))
    registered = _trusts(folder / "agencies", findings, not_of=simulators)
    return AgencyKeys(
        signing=signing,
        anchors={agency: trust.anchors for agency, trust in registered.items()},
        verifying={agency: trust.verifying for agency, trust in registered.items()},
        encrypting={agency: trust.encrypting for agency, trust in registered.items() if trust.encrypting is not None},
        decrypting=_decrypting(folder / "bus" / ENCRYPTION, settings.key_passphrase, findings),
        findings=tuple(findings),
        simulated=simulated if settings.environment == SIMULATED else {},
        simulator_certificates=simulators,
    )


def _trusts(parent: Path, findings: list[Finding], *, not_of: frozenset[bytes] = frozenset()) -> dict[str, Trust]:
    found: dict[str, Trust] = {}
    for folder in _folders(parent):
        try:
            found[folder.name] = _trust(folder, findings, not_of)
        except KeyUnavailable as error:
            findings.append(_finding(folder, error.reason))
    return found


def _trust(folder: Path, findings: list[Finding], not_of: frozenset[bytes]) -> Trust:
    """Raises KeyUnavailable. A simulator's key among an agency's own would let whoever plays it speak for it."""
    own: list[VerifyingKey] = []
    for key in keys.load_verifying_keys(folder):
        if key.certificate is not None and certificates.sha256_of(key.certificate) in not_of:
            findings.append(_finding(folder, f"{key.kid} is a simulator's key and is not believed: delete its file"))
        else:
            own.append(key)
    certified = [key for key in keys.load_verifying_keys(folder / ENCRYPTION) if key.certificate is not None]
    return Trust(
        anchors=certificates.anchors_of(key.certificate for key in own if key.certificate is not None),
        verifying=tuple(own),
        encrypting=certified[-1] if certified else None,
    )


def _decrypting(folder: Path, passphrase: str, findings: list[Finding]) -> tuple[SigningKey, ...]:
    """All of them, newest first: what was encrypted for an older one may still be on its way."""
    found: list[SigningKey] = []
    for path in sorted(folder.glob("*.key.pem"), key=lambda path: path.name, reverse=True):
        try:
            found.append(keys.load_signing(path, passphrase=passphrase))
        except KeyUnavailable as error:
            findings.append(_finding(path, error.reason))
    return tuple(found)


def _signing(folder: Path, passphrase: str, findings: list[Finding]) -> dict[Algorithm, SigningKey]:
    """Newest first, so that the first of an algorithm is the one; an older one never stands in for a broken one."""
    newest: dict[Algorithm, SigningKey] = {}
    for path in sorted(folder.glob("*.key.pem"), key=lambda path: path.name, reverse=True):
        try:
            key = keys.load_signing(path, passphrase=passphrase)
        except KeyUnavailable as error:
            findings.append(_finding(path, error.reason))
            break
        newest.setdefault(key.algorithm, key)
    return newest


def _folders(parent: Path) -> Iterable[Path]:
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else ()


def _finding(path: Path, message: str) -> Finding:
    return Finding(file=str(path), line=_WHOLE_FILE, message=message, severity=Severity.WARNING)
