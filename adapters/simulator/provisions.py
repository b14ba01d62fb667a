"""Secrets and encryption keys of simulated agencies: made on first use and laid where the bus looks for them.

Called beside `keys.provision`, by the same callers. Never changes what is there.
"""

from __future__ import annotations

import secrets as randomness
from collections.abc import Iterator
from pathlib import Path

from adapters.agency_keys import ENCRYPTION
from adapters.bridge import OWN_KEYS
from adapters.manifest import Manifest
from adapters.manifest_bridge import BridgeTerms
from adapters.simulator.keys import folder_of
from adapters.simulator.soap_wire import EncryptionKeys
from esb.ports import utc_now
from security import certificates, hybrid, keys, secretfile
from security.hybrid import Recipient, Unsealer
from security.keys import Algorithm

_OWN_KEY = "bridge.key.pem"


def provision(home: Path, manifest: Manifest, *, passphrase: str = "") -> None:
    """Bus and simulated agency share the secrets that the manifest names, and can seal for each other. Idempotent.

    Raises:
        KeyUnavailable: a file cannot be written or read.
    """
    for name in secret_names(manifest):
        path = secretfile.path_of(home, manifest.agency, name)
        if not path.exists():
            secretfile.write(path, randomness.token_urlsafe(32).encode())
    if manifest.wsse is not None and (manifest.wsse.encrypt != "none" or manifest.wsse.encrypted_reply):
        _provision_encryption(home, manifest.agency, passphrase)
    if manifest.bridge is not None:
        _provision_bridge(home, manifest.agency, manifest.bridge, passphrase)


def secret_names(manifest: Manifest) -> Iterator[str]:
    """The secrets that credentials and bridge name."""
    terms = manifest.credentials
    if terms is not None:
        named = (
            terms.basic and terms.basic.password,
            terms.api_key and terms.api_key.secret,
            terms.oauth2 and terms.oauth2.client_secret,
            terms.jwt and terms.jwt.secret,
        )
        yield from (str(name) for name in named if name)
    if manifest.bridge is not None:
        yield manifest.bridge.token_secret
    if manifest.wsse is not None and manifest.wsse.username_token is not None:
        yield manifest.wsse.username_token.password
    for header in manifest.soap_headers.values():
        yield from header.secrets.values()
    if manifest.shep is not None and manifest.shep.password:
        yield manifest.shep.password


def encryption_keys(home: Path, manifest: Manifest, *, passphrase: str = "") -> EncryptionKeys:
    """What the simulated agency opens requests with and encrypts replies for. Raises KeyUnavailable."""
    own = folder_of(home, manifest.agency) / ENCRYPTION
    bus = keys.load_verifying_keys(home / "keys" / "bus" / ENCRYPTION)
    return EncryptionKeys(
        own=keys.active(own, passphrase=passphrase) if own.is_dir() else None, bus=bus[-1] if bus else None
    )


def own_unsealer(home: Path, agency: str, *, passphrase: str = "") -> Unsealer:
    """What the simulated agency opens requests with. Raises KeyUnavailable."""
    return hybrid.load_unsealer(folder_of(home, agency) / _OWN_KEY, passphrase=passphrase)


def bus_recipient(home: Path, terms: BridgeTerms, *, passphrase: str = "") -> Recipient | None:
    """Whom replies are sealed for; None when the request's key serves. Raises KeyUnavailable."""
    if not terms.own_key:
        return None
    return hybrid.load_unsealer(_bus_key(home, terms), passphrase=passphrase).recipient


def _provision_encryption(home: Path, agency: str, passphrase: str) -> None:
    """Both sides have a key to open with, and the other's certificate to encrypt for."""
    own = folder_of(home, agency) / ENCRYPTION
    for folder, name in ((own, agency), (home / "keys" / "bus" / ENCRYPTION, "esb")):
        if not list(folder.glob("*.key.pem")):
            key = certificates.for_encryption(
                keys.generate(Algorithm.RS256, utc_now()), common_name=name, organisation="Simulated", now=utc_now()
            )
            keys.save(key, folder, passphrase=passphrase)


def _provision_bridge(home: Path, agency: str, terms: BridgeTerms, passphrase: str) -> None:
    _make_missing(folder_of(home, agency) / _OWN_KEY, passphrase)
    if terms.own_key:
        _make_missing(_bus_key(home, terms), passphrase)
    public = folder_of(home, agency) / terms.public_key
    if not public.exists():
        public.parent.mkdir(parents=True, exist_ok=True)
        public.write_bytes(hybrid.public_pem(own_unsealer(home, agency, passphrase=passphrase).recipient))


def _bus_key(home: Path, terms: BridgeTerms) -> Path:
    return home / "keys" / OWN_KEYS / (terms.private_key or "")


def _make_missing(path: Path, passphrase: str) -> None:
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    path.write_bytes(hybrid.private_pem(hybrid.generate(), passphrase=passphrase))
