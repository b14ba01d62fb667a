"""Hybrid encryption of a document: AES-256-GCM for the content, RSA-OAEP for its key (RFC 8017, NIST SP 800-38D).

Used by the bridge dialect on both sides. What both sides must agree on besides is the associated data (`context`): a
document that is moved to another place does not open. Every failure to open is one and the same error.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from security import certificates, keys
from security.errors import KeyUnavailable, SignatureInvalid

KEY_BYTES: Final = 32
IV_BYTES: Final = 12
TAG_BYTES: Final = 16
MAX_CONTENT_BYTES: Final = 5 * 1024 * 1024

_SHA256: Final = hashes.SHA256()
_OAEP: Final = padding.OAEP(mgf=padding.MGF1(_SHA256), algorithm=_SHA256, label=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A document for one recipient. `key` is the content's own, with which only the two of them can go on."""

    key: bytes = field(repr=False)
    encrypted_key: bytes
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Whom documents are sealed for. With a certificate it is believed between the certificate's dates only."""

    public: rsa.RSAPublicKey
    certificate: x509.Certificate | None = None

    def seal(self, content: bytes, *, context: bytes, now: datetime) -> Sealed:
        """The content under a fresh key that only the recipient can unwrap.

        Raises:
            CertificateRejected: the recipient's certificate is out of date.
        """
        if self.certificate is not None:
            certificates.check_dates(self.certificate, now)
        key = os.urandom(KEY_BYTES)
        return Sealed(
            key=key, encrypted_key=self.public.encrypt(key, _OAEP), content=seal_with(key, content, context=context)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsealer:
    """The private key of a recipient."""

    private: rsa.RSAPrivateKey = field(repr=False)

    def unwrap(self, encrypted_key: bytes) -> bytes:
        """The content's key; a random one where it cannot be had, so that opening fails alike whatever was wrong."""
        try:
            key = self.private.decrypt(encrypted_key, _OAEP)
        except ValueError:
            key = b""
        return key if len(key) == KEY_BYTES else os.urandom(KEY_BYTES)

    @property
    def recipient(self) -> Recipient:
        """The public half."""
        return Recipient(public=self.private.public_key())


def seal_with(key: bytes, content: bytes, *, context: bytes) -> bytes:
    """One text of iv ‖ ciphertext ‖ tag. The iv is random, so one key may seal a few documents and no more."""
    iv = os.urandom(IV_BYTES)
    return iv + AESGCM(key).encrypt(iv, content, context)


def open_with(key: bytes, content: bytes, *, context: bytes) -> bytes:
    """The content that was sealed with this key in this context.

    Raises:
        SignatureInvalid: another key, another context, changed, cut, or over the limit.
    """
    if not IV_BYTES + TAG_BYTES <= len(content) <= IV_BYTES + MAX_CONTENT_BYTES + TAG_BYTES:
        raise SignatureInvalid("encrypted content has no possible length")
    try:
        return AESGCM(key).decrypt(content[:IV_BYTES], content[IV_BYTES:], context)
    except InvalidTag:
        raise SignatureInvalid("encrypted content does not verify") from None


# --- keys ------------------------------------------------------------------------------------------------


def generate() -> Unsealer:
    """A new key pair for encryption, which is used for nothing else."""
    return Unsealer(private=rsa.generate_private_key(public_exponent=65537, key_size=3072))


def public_pem(recipient: Recipient) -> bytes:
    """The recipient's public key as PEM."""
    return keys.public_pem(recipient.public)


def private_pem(unsealer: Unsealer, *, passphrase: str) -> bytes:
    """The private key as PEM, encrypted unless `passphrase` is empty."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
    return unsealer.private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def load_recipient(path: Path) -> Recipient:
    """The RSA key of a PEM file, a public key or a certificate. Raises KeyUnavailable."""
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise KeyUnavailable(f"cannot read {path}: {error.strerror}") from error
    certificate: x509.Certificate | None = None
    public: object
    if b"BEGIN CERTIFICATE" in pem:
        certificate = keys.load_certificate(path)
        public = certificate.public_key()
    else:
        public = _parsed(lambda: serialization.load_pem_public_key(pem), path, "a PEM public key or certificate")
    if not isinstance(public, rsa.RSAPublicKey) or public.key_size < keys.MIN_RSA_BITS:
        raise KeyUnavailable(f"{path} is not an RSA key of at least {keys.MIN_RSA_BITS} bits")
    return Recipient(public=public, certificate=certificate)


def load_unsealer(path: Path, *, passphrase: str) -> Unsealer:
    """The RSA private key of a PEM file that only its owner may read. Raises KeyUnavailable."""
    pem = keys.read_private(path)
    password = passphrase.encode() if passphrase else None
    private = _parsed(
        lambda: serialization.load_pem_private_key(pem, password=password),
        path,
        "a private key, or ESB_KEY_PASSPHRASE does not fit",
    )
    if not isinstance(private, rsa.RSAPrivateKey) or private.key_size < keys.MIN_RSA_BITS:
        raise KeyUnavailable(f"{path} is not an RSA key of at least {keys.MIN_RSA_BITS} bits")
    return Unsealer(private=private)


def _parsed(load: Callable[[], object], path: Path, what: str) -> object:
    try:
        return load()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KeyUnavailable(f"{path} is not {what}") from error
