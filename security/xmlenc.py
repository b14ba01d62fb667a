"""XML Encryption 1.1 in a closed part: content under AES-GCM, its key under RSA-OAEP; writing and opening.

Used by `wsse_signer` and `wsse_verifier` for the Body of a message. CBC and RSAES-PKCS1-v1_5 are not spoken in either
direction: both tell whoever asks often enough what is inside.
"""

from __future__ import annotations

import base64
import enum
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from security.errors import DecryptionFailed, KeyUnavailable
from security.keys import MIN_RSA_BITS, SigningKey
from security.wsse_keyinfo import KeyName, KnownCertificates, key_info_text, read_key_info
from security.wsse_terms import WSSE, KeyReference
from security.xml import Element
from security.xmldsig import DS, SHA256, decode_base64, ds

XENC = "http://www.w3.org/2001/04/xmlenc#"
XENC11 = "http://www.w3.org/2009/xmlenc11#"
CONTENT_TYPE = f"{XENC}Content"

_SHA1 = f"{DS}sha1"
_MGF1_SHA256 = f"{XENC11}mgf1sha256"
_IV_BYTES = 12
_TAG_BYTES = 16


class ContentCipher(enum.StrEnum):
    """How content is encrypted."""

    AES_128_GCM = "AES-128-GCM"
    AES_256_GCM = "AES-256-GCM"

    @property
    def uri(self) -> str:
        """Its name in XML."""
        return f"{XENC11}aes{self.key_bytes * 8}-gcm"

    @property
    def key_bytes(self) -> int:
        """Length of the key."""
        return 16 if self is ContentCipher.AES_128_GCM else 32


class KeyTransport(enum.StrEnum):
    """How the content's key is encrypted for the receiver. RSA_OAEP is with SHA-256 throughout, MGF1P with SHA-1.

    In OAEP a hash needs no resistance to collisions: MGF1P is not weak, only old.
    """

    RSA_OAEP = "rsa-oaep"
    RSA_OAEP_MGF1P = "rsa-oaep-mgf1p"

    @property
    def uri(self) -> str:
        """Its name in XML."""
        return _OAEP11 if self is KeyTransport.RSA_OAEP else _OAEP_MGF1P


_OAEP11 = f"{XENC11}rsa-oaep"
_OAEP_MGF1P = f"{XENC}rsa-oaep-mgf1p"

# --- writing ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Encrypted:
    """`data` stands in place of the content; `key`, for the security header, opens it. Both declare all they use."""

    key: bytes
    data: bytes


class Encryptor:
    """Encrypts for one receiver. Safe for concurrent use; every content gets a key of its own."""

    def __init__(
        self,
        certificate: x509.Certificate,
        *,
        cipher: ContentCipher = ContentCipher.AES_256_GCM,
        transport: KeyTransport = KeyTransport.RSA_OAEP,
        reference: KeyReference = KeyReference.ISSUER_SERIAL,
    ) -> None:
        """`reference`: how the receiver's certificate is named. Raises KeyUnavailable where it cannot encrypt."""
        public = certificate.public_key()
        if not isinstance(public, rsa.RSAPublicKey) or public.key_size < MIN_RSA_BITS:
            raise KeyUnavailable(f"encryption needs a certificate with an RSA key of at least {MIN_RSA_BITS} bits")
        self._public = public
        self._cipher = cipher
        self._padding = _OAEP_SHA256 if transport is KeyTransport.RSA_OAEP else _OAEP_SHA1
        self._key_open = _key_open(certificate, transport, reference).encode()
        self._data_open = _data_open(cipher).encode()

    def encrypt(self, content: bytes) -> Encrypted:
        """The content under a fresh key."""
        key, iv = os.urandom(self._cipher.key_bytes), os.urandom(_IV_BYTES)
        sealed = iv + AESGCM(key).encrypt(iv, content, None)
        return Encrypted(
            key=self._key_open + base64.b64encode(self._public.encrypt(key, self._padding)) + _KEY_CLOSE,
            data=self._data_open + base64.b64encode(sealed) + _DATA_CLOSE,
        )


_OAEP_SHA1 = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)  # noqa: S303 - see KeyTransport
_OAEP_SHA256_MGF1_SHA1 = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA256(), None)  # noqa: S303 - see KeyTransport
_OAEP_SHA256 = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)

_KEY_ID = "esb-key"
_DATA_ID = "esb-data"


def _key_open(certificate: x509.Certificate, transport: KeyTransport, reference: KeyReference) -> str:
    digest = f'<ds:DigestMethod Algorithm="{SHA256 if transport is KeyTransport.RSA_OAEP else _SHA1}"/>'
    if transport is KeyTransport.RSA_OAEP:
        digest += f'<xenc11:MGF xmlns:xenc11="{XENC11}" Algorithm="{_MGF1_SHA256}"/>'
    return (
        f'<xenc:EncryptedKey xmlns:xenc="{XENC}" xmlns:ds="{DS}" xmlns:wsse="{WSSE}" Id="{_KEY_ID}">'
        f'<xenc:EncryptionMethod Algorithm="{transport.uri}">{digest}</xenc:EncryptionMethod>'
        f"{key_info_text(certificate, reference)}<xenc:CipherData><xenc:CipherValue>"
    )


_KEY_CLOSE = (
    "</xenc:CipherValue></xenc:CipherData><xenc:ReferenceList>"
    f'<xenc:DataReference URI="#{_DATA_ID}"/></xenc:ReferenceList></xenc:EncryptedKey>'
).encode()


def _data_open(cipher: ContentCipher) -> str:
    return (
        f'<xenc:EncryptedData xmlns:xenc="{XENC}" Id="{_DATA_ID}" Type="{CONTENT_TYPE}">'
        f'<xenc:EncryptionMethod Algorithm="{cipher.uri}"/>'
        f'<ds:KeyInfo xmlns:ds="{DS}"><wsse:SecurityTokenReference xmlns:wsse="{WSSE}">'
        f'<wsse:Reference URI="#{_KEY_ID}"/></wsse:SecurityTokenReference></ds:KeyInfo>'
        "<xenc:CipherData><xenc:CipherValue>"
    )


_DATA_CLOSE = b"</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>"

# --- opening ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """An EncryptedKey and the one EncryptedData that it opens, read and found within the profile; nothing opened."""

    receiver: KeyName
    padding: padding.OAEP = field(repr=False)
    wrapped_key: bytes = field(repr=False)
    cipher: ContentCipher
    content: bytes = field(repr=False)


class Decryptor:
    """Opens what was encrypted for one of `keys`. Safe for concurrent use."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        """Keys with certificates; the RSA ones among them are used, since a message names one by its certificate."""
        usable = [(key.certificate, key.private) for key in keys if key.certificate is not None]
        self._private = {
            certificate: private for certificate, private in usable if isinstance(private, rsa.RSAPrivateKey)
        }
        self._certificates = KnownCertificates(self._private)

    def open(self, sealed: Sealed) -> bytes:
        """The content.

        Raises:
            CertificateRejected: it is for a certificate that is not here.
            DecryptionFailed: it does not open.
        """
        private = self._private[self._certificates.named(sealed.receiver)[0]]
        try:
            key = private.decrypt(sealed.wrapped_key, sealed.padding)
        except ValueError:
            # Goes on with another key, so that a wrong padding looks like a wrong tag, in words and nearly in time.
            key = b""
        if len(key) != sealed.cipher.key_bytes:
            key = os.urandom(sealed.cipher.key_bytes)
        try:
            return AESGCM(key).decrypt(sealed.content[:_IV_BYTES], sealed.content[_IV_BYTES:], None)
        except InvalidTag:
            raise DecryptionFailed("encrypted content does not open") from None


def read_sealed(key: Element, data: Element) -> Sealed:
    """An EncryptedKey and the EncryptedData that stands where content was expected.

    Raises:
        DecryptionFailed: they do not belong together, or are outside the profile.
        SignatureInvalid: the receiver's certificate is named in a way that is not.
    """
    key_method, key_info, key_value, references = _children(key, _KEY_CHILDREN)
    method, *info, value = _children(data, _DATA_CHILDREN, _DATA_CHILDREN_BARE)
    _require_link(key, data, references, info)
    sealed = _cipher_value(value)
    if len(sealed) < _IV_BYTES + _TAG_BYTES or data.get("Type") != CONTENT_TYPE:
        raise DecryptionFailed(_OUTSIDE)
    return Sealed(
        receiver=read_key_info(key_info, None),
        padding=_padding_of(key_method),
        wrapped_key=_cipher_value(key_value),
        cipher=_cipher_of(method),
        content=sealed,
    )


_OUTSIDE = "encryption is outside the profile"


def _xenc(name: str) -> str:
    return f"{{{XENC}}}{name}"


ENCRYPTED_DATA = _xenc("EncryptedData")
_KEY_CHILDREN = [_xenc("EncryptionMethod"), ds("KeyInfo"), _xenc("CipherData"), _xenc("ReferenceList")]
_DATA_CHILDREN = [_xenc("EncryptionMethod"), ds("KeyInfo"), _xenc("CipherData")]
_DATA_CHILDREN_BARE = [_xenc("EncryptionMethod"), _xenc("CipherData")]
_LINK = [f"{{{WSSE}}}SecurityTokenReference", f"{{{WSSE}}}Reference"]
_REFUSED = {
    f"{XENC}rsa-1_5": "RSA 1.5 key transport is refused: it leaks the key to whoever asks often; use RSA-OAEP",
    **{
        f"{XENC}{name}-cbc": "CBC encryption is refused: it leaks content to whoever asks often; use AES-GCM"
        for name in ("aes128", "aes192", "aes256", "tripledes")
    },
}


def _children(parent: Element, *allowed: list[str]) -> list[Element]:
    children = list(parent)
    if [child.tag for child in children] not in allowed:
        raise DecryptionFailed(_OUTSIDE)
    return children


def _require_link(key: Element, data: Element, references: Element, info: Sequence[Element]) -> None:
    """The key names exactly this data; the data, where it names a key, this one."""
    linked = [child.get("URI") for child in references if child.tag == _xenc("DataReference")]
    if len(references) != 1 or not data.get("Id") or linked != [f"#{data.get('Id')}"]:
        raise DecryptionFailed("the encrypted key opens something else")
    if info:
        chain = list(info[0].iterdescendants())
        if [child.tag for child in chain] != _LINK or not key.get("Id") or chain[1].get("URI") != f"#{key.get('Id')}":
            raise DecryptionFailed("the encrypted content names another key")


def _cipher_value(data: Element) -> bytes:
    if [child.tag for child in data.iterdescendants()] != [_xenc("CipherValue")]:
        raise DecryptionFailed(_OUTSIDE)
    return decode_base64(data[0].text)


def _cipher_of(method: Element) -> ContentCipher:
    uri = method.get("Algorithm", "")
    found = next((cipher for cipher in ContentCipher if cipher.uri == uri), None)
    if found is None or len(method):
        raise DecryptionFailed(_REFUSED.get(uri, _OUTSIDE))
    return found


def _padding_of(method: Element) -> padding.OAEP:
    uri = method.get("Algorithm", "")
    said = tuple((child.tag, child.get("Algorithm")) for child in method if not len(child))
    found = _PADDINGS.get((uri, *said)) if len(said) == len(method) else None
    if found is None:
        raise DecryptionFailed(_REFUSED.get(uri, _OUTSIDE))
    return found


_DIGEST_METHOD = ds("DigestMethod")
_PADDINGS: dict[tuple[object, ...], padding.OAEP] = {
    (_OAEP_MGF1P,): _OAEP_SHA1,
    (_OAEP_MGF1P, (_DIGEST_METHOD, _SHA1)): _OAEP_SHA1,
    (_OAEP_MGF1P, (_DIGEST_METHOD, SHA256)): _OAEP_SHA256_MGF1_SHA1,
    (_OAEP11, (_DIGEST_METHOD, SHA256), (f"{{{XENC11}}}MGF", _MGF1_SHA256)): _OAEP_SHA256,
}
