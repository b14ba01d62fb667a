"""How a message names a certificate: writing such names, reading them, and finding the certificate that is meant.

Used for the signer's certificate and for the one whose key opens an encrypted message. A name is never proof: what is
found by it has to be believed for other reasons.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from html import escape
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from security.certificates import TrustAnchors, TrustedLeaf
from security.errors import CertificateRejected, SignatureInvalid, SignatureMissing
from security.wsse_terms import (
    BASE64_BINARY,
    SUBJECT_KEY_IDENTIFIER,
    THUMBPRINT_SHA1,
    WSSE,
    WSU_ID,
    X509_PATH,
    X509V3,
    KeyReference,
)
from security.xml import Element
from security.xmldsig import DS, decode_base64, ds

TOKEN_ID = "esb-token"  # noqa: S105 - an Id in the message, no secret

_VALUE_TYPES = {
    KeyReference.SUBJECT_KEY_IDENTIFIER: SUBJECT_KEY_IDENTIFIER,
    KeyReference.CERTIFICATE: X509V3,
    KeyReference.THUMBPRINT: THUMBPRINT_SHA1,
}
_BY_VALUE_TYPE = {uri: reference for reference, uri in _VALUE_TYPES.items()}

# --- writing ---------------------------------------------------------------------------------------------


def token_text(certificate: x509.Certificate, reference: KeyReference) -> str:
    """The BinarySecurityToken for the security header; "" where the reference needs none."""
    if reference is not KeyReference.DIRECT:
        return ""
    return (
        f'<wsse:BinarySecurityToken EncodingType="{BASE64_BINARY}" ValueType="{X509V3}" wsu:Id="{TOKEN_ID}">'
        f"{_base64(certificate.public_bytes(Encoding.DER))}</wsse:BinarySecurityToken>"
    )


def key_info_text(certificate: x509.Certificate, reference: KeyReference) -> str:
    """The ds:KeyInfo that names this certificate, for a place where `ds` and `wsse` are bound."""
    match reference:
        case KeyReference.DIRECT:
            return _key_info(_referred(f'<wsse:Reference URI="#{TOKEN_ID}" ValueType="{X509V3}"/>'))
        case KeyReference.X509_DATA:
            der = _base64(certificate.public_bytes(Encoding.DER))
            return _key_info(f"<ds:X509Data><ds:X509Certificate>{der}</ds:X509Certificate></ds:X509Data>")
        case KeyReference.ISSUER_SERIAL:
            return _key_info(_referred(f"<ds:X509Data>{_issuer_serial(certificate)}</ds:X509Data>"))
    value = _base64(_identifier(certificate, reference))
    uri = _VALUE_TYPES[reference]
    return _key_info(
        _referred(f'<wsse:KeyIdentifier EncodingType="{BASE64_BINARY}" ValueType="{uri}">{value}</wsse:KeyIdentifier>')
    )


def _key_info(inner: str) -> str:
    return f"<ds:KeyInfo>{inner}</ds:KeyInfo>"


def _referred(inner: str) -> str:
    return f"<wsse:SecurityTokenReference>{inner}</wsse:SecurityTokenReference>"


def _issuer_serial(certificate: x509.Certificate) -> str:
    issuer = escape(certificate.issuer.rfc4514_string(), quote=False)
    return (
        f"<ds:X509IssuerSerial><ds:X509IssuerName>{issuer}</ds:X509IssuerName>"
        f"<ds:X509SerialNumber>{certificate.serial_number}</ds:X509SerialNumber></ds:X509IssuerSerial>"
    )


def _identifier(certificate: x509.Certificate, reference: KeyReference) -> bytes:
    if reference is KeyReference.CERTIFICATE:
        return certificate.public_bytes(Encoding.DER)
    return _thumbprint(certificate) if reference is KeyReference.THUMBPRINT else _subject_key_identifier(certificate)


def _thumbprint(certificate: x509.Certificate) -> bytes:
    # SHA-1 is what the profile names certificates by. It proves nothing: the certificate is pinned by SHA-256.
    return hashlib.sha1(certificate.public_bytes(Encoding.DER), usedforsecurity=False).digest()


def _subject_key_identifier(certificate: x509.Certificate) -> bytes:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except (x509.ExtensionNotFound, ValueError):
        # RFC 5280, section 4.2.1.2, method 1: what everybody computes where the certificate does not say it.
        return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# --- reading ---------------------------------------------------------------------------------------------


class KeyName(NamedTuple):
    """What a KeyInfo says. `value`: certificate or identifier; for ISSUER_SERIAL `issuer` and `serial` instead."""

    reference: KeyReference
    value: bytes = b""
    issuer: str = ""
    serial: int = 0


_TOKEN_REFERENCE = f"{{{WSSE}}}SecurityTokenReference"
_DIRECT_REFERENCE = f"{{{WSSE}}}Reference"
_KEY_IDENTIFIER = f"{{{WSSE}}}KeyIdentifier"
_DIRECT_CHAIN = [_TOKEN_REFERENCE, _DIRECT_REFERENCE]
_OUTSIDE = "KeyInfo is outside the profile"
_SERIAL = re.compile(r"[0-9]{1,60}", re.ASCII)


def read_key_info(key_info: Element, token: Element | None) -> KeyName:
    """The one name in a ds:KeyInfo. `token`: the BinarySecurityToken of the same header, which must be what is named.

    Raises:
        SignatureInvalid: another way of naming, two names, or a token that is not meant.
        SignatureMissing: the token that is meant is not there.
    """
    chain = list(key_info.iterdescendants())
    if [child.tag for child in chain] == _DIRECT_CHAIN:
        return _direct(chain[1], token)
    if token is not None:
        raise SignatureInvalid("KeyInfo does not name the certificate in the message")
    holder = key_info
    if len(holder) == 1 and holder[0].tag == _TOKEN_REFERENCE:
        holder = holder[0]
    if len(holder) != 1:
        raise SignatureInvalid(_OUTSIDE)
    if holder[0].tag == _KEY_IDENTIFIER:
        return _identified(holder[0])
    if holder[0].tag == ds("X509Data"):
        return _x509_data(holder[0])
    raise SignatureInvalid(_OUTSIDE)


def _direct(reference: Element, token: Element | None) -> KeyName:
    # The key is the token's, so KeyInfo must say just that: another key named here is not looked at, but refused.
    if token is None:
        raise SignatureMissing("security header lacks the certificate that KeyInfo names")
    if reference.get("URI") != f"#{token.get(WSU_ID)}":
        raise SignatureInvalid("KeyInfo does not name the certificate in the message")
    value_type = token.get("ValueType")
    if value_type == X509_PATH:
        raise SignatureInvalid("KeyInfo names a certificate path (X509PKIPathv1); send one certificate, X509v3")
    if value_type != X509V3:
        raise SignatureInvalid("KeyInfo does not name the certificate in the message")
    return KeyName(reference=KeyReference.DIRECT, value=decode_base64(token.text))


def _identified(identifier: Element) -> KeyName:
    reference = _BY_VALUE_TYPE.get(identifier.get("ValueType", ""))
    if reference is None or len(identifier) or identifier.get("EncodingType", BASE64_BINARY) != BASE64_BINARY:
        raise SignatureInvalid(_OUTSIDE)
    return KeyName(reference=reference, value=decode_base64(identifier.text))


def _x509_data(data: Element) -> KeyName:
    if [child.tag for child in data] == [ds("X509Certificate")] and not len(data[0]):
        return KeyName(reference=KeyReference.X509_DATA, value=decode_base64(data[0].text))
    if [child.tag for child in data.iterdescendants()] != _ISSUER_SERIAL:
        raise SignatureInvalid(_OUTSIDE)
    issuer, serial = data[0]
    digits = (serial.text or "").strip()
    if not _SERIAL.fullmatch(digits):
        raise SignatureInvalid(_OUTSIDE)
    return KeyName(reference=KeyReference.ISSUER_SERIAL, issuer=(issuer.text or "").strip(), serial=int(digits))


_ISSUER_SERIAL = [ds(name) for name in ("X509IssuerSerial", "X509IssuerName", "X509SerialNumber")]


# --- finding ---------------------------------------------------------------------------------------------


class KnownCertificates:
    """Certificates that a message may name without carrying them. Immutable once made."""

    def __init__(self, certificates: Iterable[x509.Certificate]) -> None:
        """Two certificates may go by one name: a renewed one keeps its key, and with it the key's identifier."""
        self._by_identifier: defaultdict[tuple[KeyReference, bytes], list[x509.Certificate]] = defaultdict(list)
        self._by_serial: defaultdict[int, list[x509.Certificate]] = defaultdict(list)
        for certificate in certificates:
            self._by_serial[certificate.serial_number].append(certificate)
            for reference in _VALUE_TYPES:
                self._by_identifier[reference, _identifier(certificate, reference)].append(certificate)

    def named(self, name: KeyName) -> list[x509.Certificate]:
        """Every certificate that the name means.

        Raises:
            CertificateRejected: none is known by it.
        """
        if name.reference is KeyReference.ISSUER_SERIAL:
            wanted = _relative_names(name.issuer)
            candidates = self._by_serial.get(name.serial, [])
            found = [each for each in candidates if wanted and _parts_of(each.issuer) == wanted]
        else:
            found = self._by_identifier.get((name.reference, name.value), [])
        if not found:
            raise CertificateRejected("the message names a certificate that is not known here")
        return found


class Signatories:
    """Whose signatures are believed, by whatever name a message calls their certificates."""

    def __init__(self, anchors: TrustAnchors) -> None:
        """A message can name without carrying it what is pinned, and carry whatever `anchors` vouch for."""
        self._anchors = anchors
        self._known = KnownCertificates(anchors.known)

    def leaf(self, name: KeyName, now: datetime) -> TrustedLeaf:
        """The certificate that the message means, believed and in date.

        Raises:
            CertificateRejected: it is not known, or not believed.
        """
        if name.reference in _CARRYING:
            return self._anchors.leaf(name.value, now)
        refused = []
        for certificate in self._known.named(name):
            try:
                return self._anchors.leaf(certificate.public_bytes(Encoding.DER), now)
            except CertificateRejected as error:
                # A certificate that was renewed with its key is there twice: whichever is in date.
                refused.append(error)
        raise refused[0]


_CARRYING = frozenset({KeyReference.DIRECT, KeyReference.CERTIFICATE, KeyReference.X509_DATA})

# Names that .NET, Java and OpenSSL write beside those of RFC 4514.
_OTHER_NAMES = {
    "E": NameOID.EMAIL_ADDRESS,
    "EMAILADDRESS": NameOID.EMAIL_ADDRESS,
    "S": NameOID.STATE_OR_PROVINCE_NAME,
    "SERIALNUMBER": NameOID.SERIAL_NUMBER,
    "SN": NameOID.SURNAME,
    "SURNAME": NameOID.SURNAME,
    "G": NameOID.GIVEN_NAME,
    "GIVENNAME": NameOID.GIVEN_NAME,
    "T": NameOID.TITLE,
}
_TYPE = re.compile(r"(^|(?<!\\)[,+])\s*(?:oid\.)?([A-Za-z0-9.-]+)\s*=\s*", re.IGNORECASE)
_MAX_NAME = 2000


def _relative_names(text: str) -> list[tuple[str, str]]:
    # Compared without order, case and spacing, since every toolkit writes names in its own way. That is no looseness:
    # the serial number has already chosen among certificates that are believed.
    if len(text) > _MAX_NAME:
        return []
    try:
        written = _TYPE.sub(lambda found: f"{found[1]}{found[2].upper()}=", text)
        return _parts_of(x509.Name.from_rfc4514_string(written, _OTHER_NAMES))
    except ValueError:
        return []


def _parts_of(name: x509.Name) -> list[tuple[str, str]]:
    return sorted((part.oid.dotted_string, " ".join(str(part.value).casefold().split())) for part in name)


KEY_INFO_NAMESPACES = f'xmlns:ds="{DS}" xmlns:wsse="{WSSE}"'
"""What a place must declare that holds a `key_info_text`."""
