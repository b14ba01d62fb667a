"""Keys and certificates for tests, made once per run: an RSA key takes a quarter of a second."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.asymmetric import rsa

from security import certificates, keys
from security.certificates import TrustAnchors
from security.keys import Algorithm, SigningKey

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
"""The moment at which most tests happen."""


def bare_key(algorithm: Algorithm = Algorithm.ES256, name: str = "agency") -> SigningKey:
    """A key without certificate, a different one for each name."""
    return _bare_key(algorithm, name)


def signing_key(algorithm: Algorithm = Algorithm.ES256, name: str = "agency") -> SigningKey:
    """A key with a self-signed certificate, valid around NOW."""
    return _signing_key(algorithm, name)


def authority(name: str = "authority") -> SigningKey:
    """An authority, valid for a year from the day before NOW."""
    return _authority(name)


def issued_key(name: str = "agency", by: str = "authority") -> SigningKey:
    """A key whose certificate the authority issued."""
    return _issued_key(name, by)


def anchors_for(*signers: SigningKey) -> TrustAnchors:
    """Anchors that believe exactly these."""
    return certificates.anchors_of([key.certificate for key in signers if key.certificate is not None])


def weak_rsa_key() -> rsa.RSAPrivateKey:
    """A key that nothing may accept."""
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - too weak on purpose


# The caches are behind functions of their own: a default left out and the same value given would be two entries.


@functools.cache
def _bare_key(algorithm: Algorithm, name: str) -> SigningKey:
    return keys.generate(algorithm, NOW)


@functools.cache
def _signing_key(algorithm: Algorithm, name: str) -> SigningKey:
    return certificates.self_signed(
        bare_key(algorithm, name), common_name=name, organisation="Test", now=NOW - timedelta(days=1), valid_days=30
    )


@functools.cache
def _authority(name: str) -> SigningKey:
    return certificates.make_authority(
        bare_key(name=name), common_name=name, organisation="Test", now=NOW - timedelta(days=1), valid_days=365
    )


@functools.cache
def _issued_key(name: str, by: str) -> SigningKey:
    return certificates.issue(
        authority(by), bare_key(name=name), common_name=name, organisation="Test", now=NOW, valid_days=30
    )
