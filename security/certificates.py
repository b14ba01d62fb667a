"""Certificates: making them for keys, and deciding which ones of others are believed.

`TrustAnchors` is asked for every signed reply, so what it finds out about a certificate is remembered; only the dates
are looked at each time. Revocation lists are not read: a certificate is withdrawn by taking its file away.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtensionOID, NameOID

from security.errors import CertificateRejected, KeyUnavailable
from security.keys import SigningKey, VerifyingKey, load_certificate, verifying_key

_SUFFIX = "*.crt.pem"
_MAX_REMEMBERED = 256
_DATE_LEEWAY = dt.timedelta(minutes=5)
_STRONG_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_UNDERSTOOD_CRITICAL = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }
)


# --- making ----------------------------------------------------------------------------------------------


def self_signed(
    key: SigningKey,
    *,
    common_name: str,
    organisation: str,
    now: dt.datetime,
    valid_days: float,
    san_ips: Sequence[str] = (),
    san_dns: Sequence[str] = (),
) -> SigningKey:
    """The key with a certificate of its own making, for signing messages and for TLS; it cannot issue others."""
    subject = _name(common_name, organisation)
    builder = _leaf(key, subject, now=now, valid_days=valid_days, san_ips=san_ips, san_dns=san_dns)
    return _certified(key, builder.issuer_name(subject), signer=key)


def for_encryption(
    key: SigningKey, *, common_name: str, organisation: str, now: dt.datetime, valid_days: float = 365
) -> SigningKey:
    """The key with a certificate of its own making under which others encrypt for it; it signs nothing."""
    subject = _name(common_name, organisation)
    builder = (
        _builder(key, subject, now=now, valid_days=valid_days)
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(key_encipherment=True), critical=True)
    )
    return _certified(key, builder, signer=key)


def make_authority(
    key: SigningKey, *, common_name: str, organisation: str, now: dt.datetime, valid_days: float
) -> SigningKey:
    """The key with the certificate of an authority that issues to leaves, and not to further authorities."""
    subject = _name(common_name, organisation)
    builder = (
        _builder(key, subject, now=now, valid_days=valid_days)
        .issuer_name(subject)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    )
    return _certified(key, builder, signer=key)


def issue(
    authority: SigningKey,
    key: SigningKey,
    *,
    common_name: str,
    organisation: str,
    now: dt.datetime,
    valid_days: float,
    san_ips: Sequence[str] = (),
    san_dns: Sequence[str] = (),
) -> SigningKey:
    """The key with a certificate issued by `authority`. Raises KeyUnavailable when that has no certificate."""
    if authority.certificate is None:
        raise KeyUnavailable(f"key {authority.kid} has no certificate to issue under")
    builder = _leaf(
        key, _name(common_name, organisation), now=now, valid_days=valid_days, san_ips=san_ips, san_dns=san_dns
    ).issuer_name(authority.certificate.subject)
    return _certified(key, builder, signer=authority)


def _leaf(
    key: SigningKey,
    subject: x509.Name,
    *,
    now: dt.datetime,
    valid_days: float,
    san_ips: Sequence[str],
    san_dns: Sequence[str],
) -> x509.CertificateBuilder:
    builder = (
        _builder(key, subject, now=now, valid_days=valid_days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True, content_commitment=True), critical=True)
    )
    names: list[x509.GeneralName] = [x509.DNSName(name) for name in san_dns]
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in san_ips]
    return builder.add_extension(x509.SubjectAlternativeName(names), critical=False) if names else builder


def _builder(key: SigningKey, subject: x509.Name, *, now: dt.datetime, valid_days: float) -> x509.CertificateBuilder:
    public = key.private.public_key()
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        # A little into the past: the peer's clock may be behind ours when it first sees the certificate.
        .not_valid_before(now - _DATE_LEEWAY)
        .not_valid_after(now + dt.timedelta(days=valid_days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _certified(key: SigningKey, builder: x509.CertificateBuilder, *, signer: SigningKey) -> SigningKey:
    return dataclasses.replace(key, certificate=builder.sign(signer.private, hashes.SHA256()))


def _name(common_name: str, organisation: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "AZ"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _usage(
    *,
    digital_signature: bool = False,
    content_commitment: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=content_commitment,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )


# --- believing -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedLeaf:
    """A certificate that an anchor vouches for, with its key. `sha256` is over its DER."""

    key: VerifyingKey
    sha256: bytes
    valid_from: dt.datetime
    valid_until: dt.datetime

    def check_dates(self, now: dt.datetime) -> None:
        """Raises CertificateRejected outside the validity of the certificate, or of the authority above it."""
        _refuse_out_of(self.valid_from, self.valid_until, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustAnchors:
    """Whose certificates are believed: `pinned` are SHA-256 digests of DER, `roots` are authorities.

    `known`: the pinned certificates themselves, for messages that name one without carrying it. A root vouches for
    what it issued directly; an intermediate authority has to be a root itself. Without anchors nothing is believed.
    """

    pinned: frozenset[bytes] = frozenset()
    roots: tuple[x509.Certificate, ...] = ()
    known: tuple[x509.Certificate, ...] = ()
    # A memory of answers, not a part of the value: parsing and checking a chain costs more than a whole verify.
    _remembered: dict[bytes, TrustedLeaf] = field(default_factory=dict, init=False, repr=False, compare=False)

    def leaf(self, der: bytes, now: dt.datetime) -> TrustedLeaf:
        """The certificate in `der`, believed and in date at `now`.

        Raises:
            CertificateRejected: unreadable, weak, neither pinned nor issued by a root, or out of date.
        """
        leaf = self._remembered.get(der)
        if leaf is None:
            leaf = self._examine(der)
            # Only believed certificates are remembered, so strangers cannot push them out.
            if len(self._remembered) >= _MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[der] = leaf
        leaf.check_dates(now)
        return leaf

    def _examine(self, der: bytes) -> TrustedLeaf:
        sha256 = hashlib.sha256(der).digest()
        try:
            certificate = x509.load_der_x509_certificate(der)
            key = verifying_key(sha256.hex(), certificate.public_key(), certificate)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise CertificateRejected("certificate cannot be read") from error
        except KeyUnavailable as error:
            raise CertificateRejected("certificate's key is too weak or of a foreign kind") from error
        chain = [certificate]
        if sha256 not in self.pinned:
            chain.append(_issuer(certificate, self.roots))
        return TrustedLeaf(
            key=key,
            sha256=sha256,
            valid_from=max(link.not_valid_before_utc for link in chain),
            valid_until=min(link.not_valid_after_utc for link in chain),
        )


def load(folder: Path) -> TrustAnchors:
    """The anchors of a folder: each `*.crt.pem` of an authority is a root, each other one is pinned.

    A missing or empty folder gives anchors that believe nobody. Raises KeyUnavailable for an unreadable file.
    """
    certificates = [load_certificate(path) for path in sorted(folder.glob(_SUFFIX))]
    return anchors_of(certificates)


def anchors_of(certificates: Iterable[x509.Certificate]) -> TrustAnchors:
    """Anchors from certificates: authorities are roots, others are pinned."""
    known: list[x509.Certificate] = []
    roots: list[x509.Certificate] = []
    for certificate in certificates:
        (roots if _is_authority(certificate) else known).append(certificate)
    pinned = frozenset(sha256_of(certificate) for certificate in known)
    return TrustAnchors(pinned=pinned, roots=tuple(roots), known=tuple(known))


def check(certificate: x509.Certificate, anchors: TrustAnchors, now: dt.datetime) -> None:
    """Return when `anchors` vouch for the certificate at `now`. Raises CertificateRejected."""
    anchors.leaf(certificate.public_bytes(Encoding.DER), now)


def check_fit(certificate: x509.Certificate) -> None:
    """Return when messages may be signed under the certificate, whoever vouches for it. Raises CertificateRejected."""
    _refuse_unfit_leaf(certificate)


def check_dates(certificate: x509.Certificate, now: dt.datetime) -> None:
    """Return when the certificate, believed for other reasons, is in date. Raises CertificateRejected."""
    _refuse_out_of(certificate.not_valid_before_utc, certificate.not_valid_after_utc, now)


def der_of(certificate: x509.Certificate) -> bytes:
    """The certificate as it travels."""
    return certificate.public_bytes(Encoding.DER)


def sha256_of(certificate: x509.Certificate) -> bytes:
    """SHA-256 over the DER: what a certificate is pinned by."""
    return hashlib.sha256(certificate.public_bytes(Encoding.DER)).digest()


def _refuse_out_of(valid_from: dt.datetime, valid_until: dt.datetime, now: dt.datetime) -> None:
    if now < valid_from:
        raise CertificateRejected("certificate is not yet valid")
    if now > valid_until:
        raise CertificateRejected("certificate is expired")


def _issuer(certificate: x509.Certificate, roots: tuple[x509.Certificate, ...]) -> x509.Certificate:
    _refuse_unfit_leaf(certificate)
    for root in roots:
        if _issued_by(certificate, root):
            return root
    raise CertificateRejected("certificate is neither pinned nor issued by a trusted authority")


def _issued_by(certificate: x509.Certificate, root: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return _may_issue(root)


def _refuse_unfit_leaf(certificate: x509.Certificate) -> None:
    if _is_authority(certificate):
        raise CertificateRejected("certificate is an authority's; those do not sign messages")
    if not isinstance(_signature_hash(certificate), _STRONG_HASHES):
        raise CertificateRejected("certificate is signed with a weak hash")
    if not _understood(certificate):
        raise CertificateRejected("certificate has a critical extension that is not understood")
    usage = _key_usage(certificate)
    if usage is not None and not (usage.digital_signature or usage.content_commitment):
        raise CertificateRejected("certificate is not for signing")


def _may_issue(root: x509.Certificate) -> bool:
    usage = _key_usage(root)
    return _understood(root) and (usage is None or usage.key_cert_sign)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
    except ValueError as error:
        raise CertificateRejected("certificate's extensions cannot be read") from error


def _key_usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


def _understood(certificate: x509.Certificate) -> bool:
    return all(not extension.critical or extension.oid in _UNDERSTOOD_CRITICAL for extension in certificate.extensions)


def _signature_hash(certificate: x509.Certificate) -> hashes.HashAlgorithm | None:
    try:
        return certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return None
