"""The keys of simulated agencies: made on first use, shown to the bus, and the bus shown to them.

Called by the demo, `esb adapters simulate` and tests. Writes only below `home`/simulator, where only a bus in the
environment `simulated` looks for whom to believe; the keys of real agencies are never touched.
"""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from adapters.agency_keys import simulator_folder
from security import certificates, keys
from security.certificates import TrustAnchors
from security.errors import KeyUnavailable
from security.keys import Algorithm, SigningKey, VerifyingKey

_VALID_DAYS = 365
_EXPIRED_FOR_DAYS = 30
_ORGANISATION = "Simulated agency"


class AgencyKeys(msgspec.Struct, frozen=True, kw_only=True):
    """What one simulated agency signs with, and whom it trusts.

    `stranger` is nobody's key with the agency's name in its certificate; `expired` has a certificate that has run out.
    """

    own: SigningKey
    stranger: SigningKey
    expired: SigningKey
    bus_anchors: TrustAnchors
    bus_keys: tuple[VerifyingKey, ...]


def folder_of(home: Path, agency: str) -> Path:
    """Where a simulated agency's own key lies; below it `trust/` holds the bus's certificates."""
    return simulator_folder(home, agency)


def provision(home: Path, agency: str, *, now: datetime, passphrase: str = "") -> None:
    """Bus and simulated agency can prove themselves to each other. Idempotent; follows a rotation of the bus's key.

    Raises:
        KeyUnavailable: the bus has no certificate under `home`/keys/bus yet.
    """
    own = folder_of(home, agency)
    if not list(own.glob("*.key.pem")):
        _make_key(own, agency, now=now, valid_days=_VALID_DAYS, passphrase=passphrase)
    expired = own / "expired"
    if not list(expired.glob("*.key.pem")):
        long_ago = now - timedelta(days=2 * _EXPIRED_FOR_DAYS)
        _make_key(expired, agency, now=long_ago, valid_days=_EXPIRED_FOR_DAYS, passphrase=passphrase)
    if not _copy_certificates(home / "keys" / "bus", own / "trust"):
        raise KeyUnavailable(f"the bus has no certificate in {home / 'keys' / 'bus'}; make one with: esb keys new")


def load(home: Path, agency: str, *, now: datetime, passphrase: str = "") -> AgencyKeys:
    """The keys that `provision` made.

    Raises:
        KeyUnavailable: it did not, or a file cannot be read.
    """
    own = folder_of(home, agency)
    return AgencyKeys(
        own=keys.active(own, passphrase=passphrase),
        stranger=_new_key(agency, now=now, valid_days=_VALID_DAYS),
        expired=keys.active(own / "expired", passphrase=passphrase),
        bus_anchors=certificates.load(own / "trust"),
        bus_keys=keys.load_verifying_keys(own / "trust"),
    )


def _make_key(folder: Path, agency: str, *, now: datetime, valid_days: int, passphrase: str) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys.save(_new_key(agency, now=now, valid_days=valid_days), folder, passphrase=passphrase)


def _new_key(agency: str, *, now: datetime, valid_days: int) -> SigningKey:
    return certificates.self_signed(
        keys.generate(Algorithm.ES256, now),
        common_name=agency,
        organisation=_ORGANISATION,
        now=now,
        valid_days=valid_days,
    )


def _copy_certificates(source: Path, target: Path) -> int:
    target.mkdir(parents=True, exist_ok=True)
    found = sorted(source.glob("*.crt.pem"))
    for certificate in found:
        shutil.copyfile(certificate, target / certificate.name)
    return len(found)
