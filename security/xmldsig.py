"""The one XML signature profile that is spoken here: its algorithms, writing SignedInfo as text, and reading one.

Used by `wsse`. A closed part of XML Signature 1.1, section 6: exclusive canonicalisation is the only transform,
SHA-256 the only digest, and the signature method must be the one of the certificate's key.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import NamedTuple

from lxml import etree

from security.errors import SignatureInvalid
from security.keys import Algorithm
from security.xml import Element, canonical

DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
SIGNATURE_METHODS = {
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256": Algorithm.RS256,
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256": Algorithm.ES256,
}
METHOD_URIS = {algorithm: uri for uri, algorithm in SIGNATURE_METHODS.items()}

MAX_REFERENCES = 16
MAX_PREFIXES = 32
MAX_NAMESPACE_LENGTH = 1024
"""These cost canonicalisation time before anything is proven: bounds keep a hostile message cheap."""

_CANONICALIZATION = f"{{{DS}}}CanonicalizationMethod"
_INCLUSIVE_NAMESPACES = f"{{{EXCLUSIVE_C14N}}}InclusiveNamespaces"
_BASE64_BREAKS = b" \t\r\n"


def ds(name: str) -> str:
    """The tag of an XML signature element."""
    return f"{{{DS}}}{name}"


# --- writing ---------------------------------------------------------------------------------------------


class SignedInfoText:
    """The canonical text of SignedInfo for a fixed list of references, all but the digests made in advance."""

    def __init__(
        self, algorithm: Algorithm, reference_ids: Sequence[str], *, first_prefixes: Sequence[str] = ()
    ) -> None:
        """`reference_ids`: the Ids that will be covered, in the order in which digests are given.

        `first_prefixes`: prefixes that stay bound in the first of them although only its values use them.
        """
        texts = [f"{_opening(algorithm)}{_before_digest(reference_ids[0], first_prefixes)}"]
        texts += [_AFTER_DIGEST + _before_digest(reference_id) for reference_id in reference_ids[1:]]
        texts.append(f"{_AFTER_DIGEST}</ds:SignedInfo>")
        self._pieces = tuple(text.encode() for text in texts)

    def fill(self, *contents: bytes) -> bytes:
        """SignedInfo over these canonical contents, in exclusive canonical form as it stands."""
        pieces = self._pieces
        parts = [pieces[0]]
        for content, piece in zip(contents, pieces[1:], strict=True):
            parts.append(binascii.b2a_base64(hashlib.sha256(content).digest(), newline=False))
            parts.append(piece)
        return b"".join(parts)


_AFTER_DIGEST = "</ds:DigestValue></ds:Reference>"


def inclusive_namespaces(prefixes: Sequence[str]) -> str:
    """The parameter of an exclusive canonicalisation that keeps these prefixes bound; "" for none."""
    if not prefixes:
        return ""
    listed = " ".join(prefixes)
    return f'<ec:InclusiveNamespaces xmlns:ec="{EXCLUSIVE_C14N}" PrefixList="{listed}"></ec:InclusiveNamespaces>'


def _opening(algorithm: Algorithm) -> str:
    return (
        f'<ds:SignedInfo xmlns:ds="{DS}">'
        f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE_C14N}"></ds:CanonicalizationMethod>'
        f'<ds:SignatureMethod Algorithm="{METHOD_URIS[algorithm]}"></ds:SignatureMethod>'
    )


def _before_digest(reference_id: str, prefixes: Sequence[str] = ()) -> str:
    return (
        f'<ds:Reference URI="#{reference_id}"><ds:Transforms>'
        f'<ds:Transform Algorithm="{EXCLUSIVE_C14N}">{inclusive_namespaces(prefixes)}</ds:Transform></ds:Transforms>'
        f'<ds:DigestMethod Algorithm="{SHA256}"></ds:DigestMethod><ds:DigestValue>'
    )


# --- reading ---------------------------------------------------------------------------------------------


class Reference(NamedTuple):
    """What one ds:Reference claims: the element of this Id, so canonicalised, has this digest."""

    target_id: str
    inclusive_prefixes: tuple[str, ...]
    digest: bytes

    def content_of(self, target: Element) -> bytes:
        """The canonical bytes of the element that the caller found for `target_id`.

        Raises:
            SignatureInvalid: their digest is another one.
        """
        content = canonical(target, inclusive_prefixes=self.inclusive_prefixes)
        if not hmac.compare_digest(hashlib.sha256(content).digest(), self.digest):
            raise SignatureInvalid("digest of a signed part does not match")
        return content


class SignedInfo(NamedTuple):
    """A ds:SignedInfo that keeps to the profile; `content` are the canonical bytes that the signature is over."""

    algorithm: Algorithm
    references: tuple[Reference, ...]
    content: bytes


class SignedInfoReader:
    """Reads ds:SignedInfo, and remembers the shapes that it has read: one peer's differ in Ids and digests alone.

    The canonical bytes of a SignedInfo say all that it says. Cut at its Ids and digests, what is left is its shape; one
    with a shape that was found good before, and with an Id and a digest in every gap, is as good. Safe for
    concurrent use.
    """

    def __init__(self) -> None:
        """Remembers nothing yet."""
        self._shapes: dict[tuple[bytes, ...], _Shape] = {}

    def read(self, element: Element) -> SignedInfo:
        """Read a ds:SignedInfo, proving nothing yet. Raises SignatureInvalid for anything outside the profile."""
        refuse_costly(element)
        if not len(element) or len(element[0]):
            return _read_signed_info(element)
        content = canonical(element)
        cut = _cut(content)
        known = self._shapes.get(cut.shape) if cut else None
        if cut and known:
            claims = zip(cut.ids, known.prefixes, cut.digests, strict=True)
            return SignedInfo(known.algorithm, tuple(map(Reference._make, claims)), content)
        signed_info = _read_signed_info(element)
        if cut and _same_claims(cut, signed_info):
            self._remember(cut.shape, signed_info)
        return signed_info

    def _remember(self, shape: tuple[bytes, ...], signed_info: SignedInfo) -> None:
        if len(self._shapes) >= _MAX_SHAPES:
            self._shapes.clear()
        prefixes = tuple(reference.inclusive_prefixes for reference in signed_info.references)
        self._shapes[shape] = _Shape(signed_info.algorithm, prefixes)


def refuse_costly(element: Element) -> None:
    """Return when a ds:SignedInfo may be canonicalised before its structure is known. Raises SignatureInvalid."""
    # A namespace of the envelope is written again for every element that uses it first: a long one would multiply.
    if any(len(uri) > MAX_NAMESPACE_LENGTH for uri in element.nsmap.values()):
        raise SignatureInvalid("namespace name is too long")
    if _HAS_TOO_MUCH(element):
        raise SignatureInvalid("SignedInfo is outside the profile")


_MAX_SHAPES = 32
_HAS_TOO_MUCH = etree.XPath(f"boolean(descendant::*[{2 + 6 * MAX_REFERENCES}])")
"""More elements than two methods and the references with all that belongs into them."""

_ID_OPENS, _ID_ENDS = b' URI="#', b'"'
_DIGEST_OPENS, _DIGEST_ENDS = b"DigestValue>", b"</"
_ID = re.compile(rb"[A-Za-z0-9_.:-]{1,200}")


class _Shape(NamedTuple):
    algorithm: Algorithm
    prefixes: tuple[tuple[str, ...], ...]


class _Cut(NamedTuple):
    shape: tuple[bytes, ...]
    ids: list[str]
    digests: list[bytes]


def _cut(content: bytes) -> _Cut | None:
    """Canonical SignedInfo cut at its Ids and digests; None where these are not of the plainest kind."""
    shape: list[bytes] = []
    ids: list[str] = []
    digests: list[bytes] = []
    # Split at both tags of each digest: "... URI="#", "<digest></", "> ...", "<digest></", "> ...".
    pieces = content.split(_DIGEST_OPENS)
    if len(pieces) % 2 == 0:
        return None
    for piece in pieces[:-1:2]:
        before, opens, rest = piece.partition(_ID_OPENS)
        name, ends, after = rest.partition(_ID_ENDS)
        if not opens or not ends or not _ID.fullmatch(name):
            return None
        shape += (before, after)
        ids.append(name.decode())
    for piece in pieces[1::2]:
        value, ends, after = piece.partition(_DIGEST_ENDS)
        digest = _digest(value)
        if digest is None or not ends:
            return None
        shape.append(after)
        digests.append(digest)
    shape.append(pieces[-1])
    return _Cut(tuple(shape), ids, digests) if len(ids) == len(digests) else None


def _digest(text: bytes) -> bytes | None:
    try:
        digest = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        return None
    return digest if len(digest) == _DIGEST_BYTES else None


_DIGEST_BYTES = 32


def _same_claims(cut: _Cut, signed_info: SignedInfo) -> bool:
    read = [(reference.target_id, reference.digest) for reference in signed_info.references]
    return read == list(zip(cut.ids, cut.digests, strict=True))


def _read_signed_info(element: Element) -> SignedInfo:
    if element.tag != ds("SignedInfo") or not 3 <= len(element) <= 2 + MAX_REFERENCES:  # noqa: PLR2004 - two methods
        raise SignatureInvalid("SignedInfo is outside the profile")
    prefixes = _exclusive_prefixes(element[0], _CANONICALIZATION)
    method = _algorithm_of(element[1], ds("SignatureMethod"))
    if method not in SIGNATURE_METHODS or len(element[1]):
        raise SignatureInvalid("signature method is outside the profile")
    return SignedInfo(
        algorithm=SIGNATURE_METHODS[method],
        references=tuple(_reference(child) for child in list(element)[2:]),
        content=canonical(element, inclusive_prefixes=prefixes),
    )


def decode_base64(text: str | None) -> bytes:
    """Bytes of an xs:base64Binary value, white space allowed. Raises SignatureInvalid."""
    try:
        return binascii.a2b_base64(text or "", strict_mode=True)
    except ValueError:
        pass  # perhaps only for its white space, which few toolkits write
    try:
        return binascii.a2b_base64((text or "").encode("ascii").translate(None, _BASE64_BREAKS), strict_mode=True)
    except ValueError as error:
        raise SignatureInvalid("value is not base64") from error


def _reference(element: Element) -> Reference:
    if element.tag != ds("Reference") or [child.tag for child in element] != _REFERENCE_CHILDREN:
        raise SignatureInvalid("reference is outside the profile")
    uri = element.get("URI", "")
    if not uri.startswith("#") or not uri[1:]:
        raise SignatureInvalid("reference does not point into the message")
    transforms, digest_method, digest_value = element
    if len(transforms) != 1:
        raise SignatureInvalid("reference needs exactly one transform")
    # Children would be canonicalised before the signature is checked, each at the cost of its namespaces.
    if _algorithm_of(digest_method, ds("DigestMethod")) != SHA256 or len(digest_method) or len(digest_value):
        raise SignatureInvalid("digest is outside the profile")
    return Reference(
        target_id=uri[1:],
        inclusive_prefixes=_exclusive_prefixes(transforms[0], ds("Transform")),
        digest=decode_base64(digest_value.text),
    )


_REFERENCE_CHILDREN = [ds("Transforms"), ds("DigestMethod"), ds("DigestValue")]


def _exclusive_prefixes(element: Element, tag: str) -> tuple[str, ...]:
    if _algorithm_of(element, tag) != EXCLUSIVE_C14N:
        raise SignatureInvalid("only exclusive canonicalisation is in the profile")
    return exclusive_prefixes(element)


def exclusive_prefixes(element: Element) -> tuple[str, ...]:
    """The InclusiveNamespaces of an exclusive canonicalisation. Raises SignatureInvalid for any other parameter."""
    if not len(element):
        return ()
    if len(element) != 1 or element[0].tag != _INCLUSIVE_NAMESPACES or len(element[0]):
        raise SignatureInvalid("canonicalisation has a foreign parameter")
    prefixes = tuple(element[0].get("PrefixList", "").split())
    if len(prefixes) > MAX_PREFIXES:
        raise SignatureInvalid("canonicalisation names too many prefixes")
    return prefixes


def _algorithm_of(element: Element, tag: str) -> str | None:
    return element.get("Algorithm") if element.tag == tag else None
