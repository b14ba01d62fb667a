"""Keys and certificates for tests, made once per run: an RSA key takes a quarter of a second."""

from __future__ import annotations

import functools
from datetime import UTC, datetime, timedelta

from security import certificates, keys
from security.certificates import TrustAnchors
from security.keys import Algorithm, SigningKey

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
"""The moment at which most tests happen."""


@functools.cache
def bare_key(algorithm: Algorithm = Algorithm.ES256, name: str = "agency") -> SigningKey:
    """A key without certificate, a different one for each name."""
    return keys.generate(algorithm, NOW)


@functools.cache
def signing_key(algorithm: Algorithm = Algorithm.ES256, name: str = "agency") -> SigningKey:
    """A key with a self-signed certificate, valid around NOW."""
    return certificates.self_signed(
        bare_key(algorithm, name), common_name=name, organisation="Test", now=NOW - timedelta(days=1), valid_days=30
    )


@functools.cache
def authority(name: str = "authority") -> SigningKey:
    """An authority, valid for a year from the day before NOW."""
    return certificates.make_authority(
        bare_key(name=name), common_name=name, organisation="Test", now=NOW - timedelta(days=1), valid_days=365
    )


@functools.cache
def issued_key(name: str = "agency", by: str = "authority") -> SigningKey:
    """A key whose certificate the authority issued."""
    return certificates.issue(
        authority(by), bare_key(name=name), common_name=name, organisation="Test", now=NOW, valid_days=30
    )


def anchors_for(*signers: SigningKey) -> TrustAnchors:
    """Anchors that believe exactly these."""
    return certificates.anchors_of([key.certificate for key in signers if key.certificate is not None])
