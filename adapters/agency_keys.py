"""The keys towards agencies as they lie under `home`: what the bus signs with, and whose replies it believes.

Read once per load by the registry's callers. A key that is missing is a finding, never an error: routes can be
linted on a machine without keys, and a call without a key fails closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from esb.model import Finding, Severity
from esb.settings import Settings
from security import certificates, keys
from security.certificates import TrustAnchors
from security.errors import KeyUnavailable
from security.keys import Algorithm, SigningKey, VerifyingKey

ENCRYPTION = keys.ENCRYPTION_FOLDER

_WHOLE_FILE = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyKeys:
    """`signing`: the bus's newest key of each algorithm. `anchors` and `verifying`: whom each agency may sign as.

    `encrypting`: the newest certificate that each agency wants messages encrypted for; `decrypting`: the bus's keys for
    messages that come encrypted. Both lie in folders `encryption` of their own: who encrypts signs with another key.
    """

    signing: Mapping[Algorithm, SigningKey] = field(default_factory=dict)
    anchors: Mapping[str, TrustAnchors] = field(default_factory=dict)
    verifying: Mapping[str, tuple[VerifyingKey, ...]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    encrypting: Mapping[str, VerifyingKey] = field(default_factory=dict)
    decrypting: tuple[SigningKey, ...] = ()

    def anchors_of(self, agency: str) -> TrustAnchors:
        """The agency's anchors; for an agency without a folder those that believe nobody."""
        return self.anchors.get(agency, TrustAnchors())

    def trusts(self, agency: str) -> bool:
        """Whether any reply of the agency can be believed."""
        anchors = self.anchors_of(agency)
        return bool(anchors.pinned or anchors.roots or self.verifying_of(agency))

    def verifying_of(self, agency: str) -> tuple[VerifyingKey, ...]:
        """The agency's public keys; none for an agency without a folder."""
        return self.verifying.get(agency, ())


def load(settings: Settings) -> AgencyKeys:
    """What lies under `home`/keys now. Never raises for a key file: what cannot be read is a finding and not used."""
    folder = Path(settings.home) / "keys"
    findings: list[Finding] = []
    signing = _signing(folder / "bus", settings.key_passphrase, findings)
    anchors: dict[str, TrustAnchors] = {}
    verifying: dict[str, tuple[VerifyingKey, ...]] = {}
    encrypting: dict[str, VerifyingKey] = {}
    for agency in _folders(folder / "agencies"):
        try:
            believed = certificates.load(agency), keys.load_verifying_keys(agency)
            certified = [key for key in keys.load_verifying_keys(agency / ENCRYPTION) if key.certificate is not None]
        except KeyUnavailable as error:
            findings.append(_finding(agency, error.reason))
            continue
        anchors[agency.name], verifying[agency.name] = believed
        if certified:
            encrypting[agency.name] = certified[-1]
    return AgencyKeys(
        signing=signing,
        anchors=anchors,
        verifying=verifying,
        encrypting=encrypting,
        decrypting=_decrypting(folder / "bus" / ENCRYPTION, settings.key_passphrase, findings),
        findings=tuple(findings),
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
