"""The parts of a signed SOAP message, found by the place where they stand and never by an Id.

Read by `wsse` before anything is proven. Whatever could be understood in two ways (two headers, two bodies, two
elements with one Id, a reference to another place) is refused here; that is what signature wrapping lives on.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from lxml import etree

from security.errors import SignatureInvalid, SignatureMissing, XmlRefused
from security.xml import Element, parse
from security.xmldsig import Reference, SignedInfo, decode_base64, ds, read_signed_info

_OASIS = "http://docs.oasis-open.org/wss/"
WSSE = _OASIS + "2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = _OASIS + "2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
WSSE11 = _OASIS + "oasis-wss-wssecurity-secext-1.1.xsd"
X509V3 = _OASIS + "2004/01/oasis-200401-wss-x509-token-profile-1.0#X509v3"
BASE64_BINARY = _OASIS + "2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary"

WSU_ID = f"{{{WSU}}}Id"
_SECURITY = f"{{{WSSE}}}Security"
_TOKEN = f"{{{WSSE}}}BinarySecurityToken"
_TOKEN_REFERENCE = f"{{{WSSE}}}SecurityTokenReference"
_DIRECT_REFERENCE = f"{{{WSSE}}}Reference"
_TIMESTAMP = f"{{{WSU}}}Timestamp"
CREATED = f"{{{WSU}}}Created"
EXPIRES = f"{{{WSU}}}Expires"
_CONFIRMATION = f"{{{WSSE11}}}SignatureConfirmation"
_SIGNATURE = ds("Signature")


class SoapVersion(enum.StrEnum):
    """The two envelopes there are."""

    SOAP11 = "1.1"
    SOAP12 = "1.2"

    @property
    def namespace(self) -> str:
        """The envelope's namespace."""
        return _SOAP_NAMESPACES[self]


_SOAP_NAMESPACES = {
    SoapVersion.SOAP11: "http://schemas.xmlsoap.org/soap/envelope/",
    SoapVersion.SOAP12: "http://www.w3.org/2003/05/soap-envelope",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The parts of a message, found by their place and never by an Id; nothing of them is proven."""

    body: Element
    blocks: tuple[Element, ...]
    token: Element
    timestamp: Element
    confirmation: Element | None
    signed_info: SignedInfo
    signature_value: bytes

    @classmethod
    def read(cls, data: bytes, soap: SoapVersion) -> Message:
        """Raises XmlRefused, SignatureMissing or SignatureInvalid when a part is missing or there twice."""
        root = parse(data)
        header, body = _header_and_body(root, soap.namespace)
        security, blocks = _security_of(header, soap)
        token, timestamp, confirmation, signature = _parts(security)
        signed_info, value, key_info = _signature_children(signature)
        token_reference = _refuse_other_key(key_info, token)
        message = cls(
            body=body,
            blocks=blocks,
            token=token,
            timestamp=timestamp,
            confirmation=confirmation,
            signed_info=read_signed_info(signed_info),
            signature_value=decode_base64(value.text),
        )
        parts = [signature, key_info, token_reference, *message.signable()]
        meant = {reference.target_id for reference in message.signed_info.references}
        _refuse_ambiguous_ids(root, data, parts, meant | {token.get(WSU_ID, "")})
        return message

    def signable(self) -> list[Element]:
        """The places where a signed part may stand."""
        places = [self.body, self.timestamp, self.token, *self.blocks]
        return places if self.confirmation is None else [*places, self.confirmation]

    def covered(self) -> dict[Element, Reference]:
        """What each reference points to: one of the places where a signed part may stand, each at most once.

        Raises:
            SignatureInvalid: a reference points elsewhere, or two point to one element.
        """
        by_id = {element.get(WSU_ID): element for element in self.signable()}
        covered: dict[Element, Reference] = {}
        for reference in self.signed_info.references:
            target = by_id.get(reference.target_id)
            if target is None or target in covered:
                raise SignatureInvalid("reference points to no place where a signed part may stand")
            covered[target] = reference
        return covered


_SIGNATURE_CHILDREN = [ds("SignedInfo"), ds("SignatureValue"), ds("KeyInfo")]
_REQUIRED_CHILDREN = frozenset({_TOKEN, _TIMESTAMP, _SIGNATURE})
_SECURITY_CHILDREN = _REQUIRED_CHILDREN | {_CONFIRMATION}


def _header_and_body(root: Element, soap: str) -> tuple[Element, Element]:
    children = list(root)
    if root.tag != f"{{{soap}}}Envelope" or not children:
        raise XmlRefused("not a SOAP envelope of this version")
    if [child.tag for child in children] == [f"{{{soap}}}Body"]:
        raise SignatureMissing("message has no header")
    if [child.tag for child in children] != [f"{{{soap}}}Header", f"{{{soap}}}Body"]:
        raise SignatureInvalid("envelope must hold one header and one body")
    return children[0], children[1]


def _security_of(header: Element, soap: SoapVersion) -> tuple[Element, tuple[Element, ...]]:
    securities = [block for block in header if block.tag == _SECURITY]
    if not securities:
        raise SignatureMissing("message has no security header")
    security = securities[0]
    # A second one, or one for an intermediary, would let two readers choose two signatures.
    actor = "actor" if soap is SoapVersion.SOAP11 else "role"
    if len(securities) > 1 or security.get(f"{{{soap.namespace}}}{actor}") is not None:
        raise SignatureInvalid("exactly one security header, without actor, is in the profile")
    return security, tuple(block for block in header if block is not security)


def _parts(security: Element) -> tuple[Element, Element, Element | None, Element]:
    """Token, timestamp, confirmation and signature."""
    parts = {str(child.tag): child for child in security}
    if len(parts) != len(security) or not parts.keys() <= _SECURITY_CHILDREN:
        raise SignatureInvalid("security header holds a part twice or a part outside the profile")
    missing = _REQUIRED_CHILDREN - parts.keys()
    if missing:
        raise SignatureMissing("security header lacks signature, certificate or timestamp")
    return parts[_TOKEN], parts[_TIMESTAMP], parts.get(_CONFIRMATION), parts[_SIGNATURE]


def _signature_children(signature: Element) -> list[Element]:
    children = list(signature)
    if [child.tag for child in children] != _SIGNATURE_CHILDREN:
        raise SignatureInvalid("signature is outside the profile")
    return children


def _refuse_other_key(key_info: Element, token: Element) -> Element:
    # The key is the token's, so KeyInfo must say just that: another key named here is not looked at, but refused.
    chain = list(key_info.iterdescendants())
    if [child.tag for child in chain] != [_TOKEN_REFERENCE, _DIRECT_REFERENCE]:
        raise SignatureInvalid("KeyInfo is outside the profile")
    if chain[1].get("URI") != f"#{token.get(WSU_ID)}" or token.get("ValueType") != X509V3:
        raise SignatureInvalid("KeyInfo does not name the certificate in the message")
    return chain[0]


_ID_TEST = "local-name()='Id' or local-name()='ID' or local-name()='AssertionID' or name()='xml:id'"
_ALL_IDS = etree.XPath(f"//@*[{_ID_TEST} or local-name()='id']", smart_strings=False)
_IDS_BY_TYPE = etree.XPath(f"//@*[{_ID_TEST}]", smart_strings=False)


def _refuse_ambiguous_ids(root: Element, data: bytes, parts: Sequence[Element], meant: set[str]) -> None:
    # Nothing is looked up by Id here, but what an Id names must not depend on who reads the message. A plain `id` may
    # be a business attribute and repeat, unless the signature means it.
    if _only_parts_have_ids(data, parts):
        return
    ids = _strings(_ALL_IDS, root)
    if len(ids) == len(set(ids)):
        return
    counts = Counter(ids)
    by_type = _strings(_IDS_BY_TYPE, root)
    if len(by_type) != len(set(by_type)) or any(counts[name] > 1 for name in meant):
        raise SignatureInvalid("two elements have one Id")


def _only_parts_have_ids(data: bytes, parts: Sequence[Element]) -> bool:
    # Saves a walk over the whole document: when its text has no more Id attributes than the parts, nothing else has
    # one. Text that only looks like one, or an attribute with space before its `=`, merely costs the walk.
    own = [found for part in parts for found in (part.get(WSU_ID), part.get("Id")) if found is not None]
    written = data.count(b"Id=") + data.count(b"ID=") + data.count(b"id=")
    spaced = any(space in data for space in (b" =", b"\t=", b"\n=", b"\r="))
    return written == len(own) == len(set(own)) and not spaced


def _strings(expression: etree.XPath, root: Element) -> list[str]:
    found = expression(root)
    return [str(value) for value in found] if isinstance(found, list) else []
