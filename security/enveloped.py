"""Documents that carry their own signature: enveloped XML-DSig, writing and verifying it in one closed profile.

For the business document inside of a reply (whose bytes are kept as evidence), for signed files and for XML over HTTP
without SOAP. A signature here covers the whole document and nothing but the document. It has no time of its own.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

from security.certificates import TrustAnchors
from security.errors import KeyUnavailable, SignatureInvalid, SignatureMissing, XmlRefused
from security.keys import SigningKey
from security.wsse_keyinfo import Signatories, key_info_text, read_key_info
from security.wsse_terms import WSSE, KeyReference
from security.xml import Element, canonical, canonical_inclusive, parse
from security.xmldsig import (
    DS,
    EXCLUSIVE_C14N,
    METHOD_URIS,
    SHA256,
    SIGNATURE_METHODS,
    decode_base64,
    ds,
    exclusive_prefixes,
    inclusive_namespaces,
    refuse_costly,
)

ENVELOPED = f"{DS}enveloped-signature"
INCLUSIVE_C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"

# A reference to the same document leaves comments out before it is canonicalised (XML Signature 1.1, 4.4.3.3), so
# that "with comments" says nothing more there. A SignedInfo has none, since the parser drops them.
_INCLUSIVE = frozenset({INCLUSIVE_C14N, f"{INCLUSIVE_C14N}#WithComments"})
_EXCLUSIVE = frozenset({EXCLUSIVE_C14N, f"{EXCLUSIVE_C14N}WithComments"})

# --- signing ---------------------------------------------------------------------------------------------


class EnvelopedSigner:
    """Signs documents with one key. Safe for concurrent use."""

    def __init__(self, key: SigningKey, *, reference: KeyReference = KeyReference.X509_DATA) -> None:
        """`reference`: how the certificate is named; DIRECT is for SOAP only. Raises KeyUnavailable."""
        if key.certificate is None:
            raise KeyUnavailable(f"key {key.kid} has no certificate; a signed document needs one")
        if reference is KeyReference.DIRECT:
            raise ValueError("there is no security header to refer into")
        self._key = key
        text = key_info_text(key.certificate, reference)
        self._key_info = text.replace(_REFERENCE_OPEN, f'{_REFERENCE_OPEN} xmlns:wsse="{WSSE}"').encode()
        self._info_open = (
            f'<ds:SignedInfo xmlns:ds="{DS}"><ds:CanonicalizationMethod Algorithm="{EXCLUSIVE_C14N}">'
            f"</ds:CanonicalizationMethod>"
            f'<ds:SignatureMethod Algorithm="{METHOD_URIS[key.algorithm]}"></ds:SignatureMethod>'
            f'<ds:Reference URI=""><ds:Transforms><ds:Transform Algorithm="{ENVELOPED}"></ds:Transform>'
            f'<ds:Transform Algorithm="{EXCLUSIVE_C14N}">'
        ).encode()
        self._info_digest = (
            f'</ds:Transform></ds:Transforms><ds:DigestMethod Algorithm="{SHA256}"></ds:DigestMethod><ds:DigestValue>'
        ).encode()

    def sign(self, document: bytes, *, inclusive_prefixes: tuple[str, ...] = ()) -> bytes:
        """The document in canonical form with the signature as its last child.

        `inclusive_prefixes`: those that only values use (xsi:type), which canonical form would not keep bound.

        Raises:
            XmlRefused: it is not XML that is read.
        """
        content = canonical(parse(document), inclusive_prefixes=inclusive_prefixes)
        digest = base64.b64encode(hashlib.sha256(content).digest())
        parameter = inclusive_namespaces(inclusive_prefixes).encode()
        signed_info = b"".join(
            (self._info_open, parameter, self._info_digest, digest, b"</ds:DigestValue></ds:Reference></ds:SignedInfo>")
        )
        value = base64.b64encode(self._key.sign(signed_info))
        end = content.rindex(b"</")
        return b"".join(
            (
                content[:end],
                _SIGNATURE_OPEN,
                signed_info,
                b"<ds:SignatureValue>",
                value,
                b"</ds:SignatureValue>",
                self._key_info,
                b"</ds:Signature>",
                content[end:],
            )
        )


_REFERENCE_OPEN = "<wsse:SecurityTokenReference"
_SIGNATURE_OPEN = f'<ds:Signature xmlns:ds="{DS}">'.encode()

# --- verifying -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedDocument:
    """What a document's own signature has proven. `content`: its canonical bytes without the signature."""

    content: bytes
    certificate_sha256: bytes
    signature_value: bytes
    replay_key: bytes


class EnvelopedVerifier:
    """Proves documents of peers that `anchors` vouch for."""

    def __init__(self, anchors: TrustAnchors) -> None:
        """Anchors as everywhere: without any nobody is believed."""
        self._signatories = Signatories(anchors)

    def verify(self, document: bytes, *, now: datetime) -> VerifiedDocument:
        """The document, proven to be whole and signed by whom `anchors` vouch for at `now`.

        Raises:
            XmlRefused: not XML that is read.
            SignatureMissing: its root has no signature.
            SignatureInvalid: the signature is wrong, covers something else, or is outside the profile.
            CertificateRejected: the signer is not believed.
        """
        root = parse(document)
        if root.getprevious() is not None or root.getnext() is not None:
            raise XmlRefused("document has a processing instruction")
        signed_info, value, key_info = _signature_of(root)
        leaf = self._signatories.leaf(read_key_info(key_info, None), now)
        signature = decode_base64(value.text)
        if _method_of(signed_info) is not leaf.key.algorithm:
            raise SignatureInvalid("signature method is not the one of the certificate's key")
        leaf.key.verify(signature, _canonical_by(signed_info[0], signed_info))
        content = _content(root, signed_info[2])
        return VerifiedDocument(
            content=content,
            certificate_sha256=leaf.sha256,
            signature_value=signature,
            replay_key=leaf.key.fingerprint(signature),
        )


_OUTSIDE = "signature of the document is outside the profile"
_SIGNATURE = ds("Signature")
_SIGNATURE_CHILDREN = [ds("SignedInfo"), ds("SignatureValue"), ds("KeyInfo")]
_INFO_CHILDREN = [ds("CanonicalizationMethod"), ds("SignatureMethod"), ds("Reference")]
_REFERENCE_CHILDREN = [ds("Transforms"), ds("DigestMethod"), ds("DigestValue")]


def _signature_of(root: Element) -> list[Element]:
    signatures = [child for child in root if child.tag == _SIGNATURE]
    if not signatures:
        raise SignatureMissing("document has no signature")
    children = list(signatures[0])
    if len(signatures) > 1 or [child.tag for child in children] != _SIGNATURE_CHILDREN:
        raise SignatureInvalid(_OUTSIDE)
    signed_info = children[0]
    refuse_costly(signed_info)
    if [child.tag for child in signed_info] != _INFO_CHILDREN:
        raise SignatureInvalid(_OUTSIDE)
    if [child.tag for child in signed_info[2]] != _REFERENCE_CHILDREN:
        raise SignatureInvalid(_OUTSIDE)
    return children


def _method_of(signed_info: Element) -> object:
    method = SIGNATURE_METHODS.get(signed_info[1].get("Algorithm", ""))
    if method is None or len(signed_info[1]):
        raise SignatureInvalid("signature method is outside the profile")
    return method


def _canonical_by(method: Element, element: Element) -> bytes:
    """The element, canonicalised as `method` (a CanonicalizationMethod or Transform) says."""
    algorithm = method.get("Algorithm")
    if algorithm in _EXCLUSIVE:
        return canonical(element, inclusive_prefixes=exclusive_prefixes(method))
    if algorithm in _INCLUSIVE and not len(method):
        return canonical_inclusive(element)
    raise SignatureInvalid("canonicalisation is outside the profile")


def _content(root: Element, reference: Element) -> bytes:
    """What the reference covers: the document without its signature, whose digest it must be."""
    transforms, digest_method, digest = reference
    # The empty URI is the document; an Id of the root itself says the same.
    if reference.get("URI") not in {"", *(f"#{root.get(name)}" for name in ("Id", "ID", "id") if root.get(name))}:
        raise SignatureInvalid("signature does not cover the whole document")
    if digest_method.get("Algorithm") != SHA256 or len(digest_method) or len(digest):
        raise SignatureInvalid("digest is outside the profile")
    if not 1 <= len(transforms) <= 2 or transforms[0].get("Algorithm") != ENVELOPED or len(transforms[0]):  # noqa: PLR2004 - enveloped, and canonicalisation
        raise SignatureInvalid("transforms of the document are outside the profile")
    if any(transform.tag != ds("Transform") for transform in transforms):
        raise SignatureInvalid("transforms of the document are outside the profile")
    _remove_signature(root)
    # Without a canonicalisation the reference has the inclusive one (XML Signature 1.1, 4.4.3.2).
    content = _canonical_by(transforms[1], root) if len(transforms) > 1 else canonical_inclusive(root)
    if not hmac.compare_digest(hashlib.sha256(content).digest(), decode_base64(digest.text)):
        raise SignatureInvalid("digest of the document does not match")
    return content


def _remove_signature(root: Element) -> None:
    """The enveloped-signature transform: the white space around the signature stays."""
    signature = next(child for child in root if child.tag == _SIGNATURE)
    before, tail = signature.getprevious(), signature.tail or ""
    if before is None:
        root.text = (root.text or "") + tail
    else:
        before.tail = (before.tail or "") + tail
    root.remove(signature)
