"""The parts of a signed SOAP message, found by the place where they stand and never by an Id.

Read by `wsse_verifier` before anything is proven. Whatever could be understood in two ways (two headers, two bodies,
two elements with one Id, a reference to another place) is refused here; that is what signature wrapping lives on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from lxml import etree

from security.errors import SignatureInvalid, SignatureMissing, XmlRefused
from security.wsse_keyinfo import KeyName, read_key_info
from security.wsse_terms import WSSE, WSSE11, WSU, WSU_ID, HeaderTerms, SoapVersion
from security.xml import Element, parse
from security.xmldsig import Reference, SignedInfo, SignedInfoReader, decode_base64, ds

XENC = "http://www.w3.org/2001/04/xmlenc#"

CREATED = f"{{{WSU}}}Created"
EXPIRES = f"{{{WSU}}}Expires"
_SECURITY = f"{{{WSSE}}}Security"
_TOKEN = f"{{{WSSE}}}BinarySecurityToken"
_TIMESTAMP = f"{{{WSU}}}Timestamp"
_CONFIRMATION = f"{{{WSSE11}}}SignatureConfirmation"
_USERNAME = f"{{{WSSE}}}UsernameToken"
_SIGNATURE = ds("Signature")
ENCRYPTED_KEY = f"{{{XENC}}}EncryptedKey"


class Signed(NamedTuple):
    """What a ds:Signature says, unproven."""

    info: SignedInfo
    value: bytes
    key: KeyName


class Message(NamedTuple):
    """The parts of a message, found by their place and never by an Id; nothing of them is proven."""

    body: Element
    blocks: tuple[Element, ...]
    token: Element | None
    timestamp: Element | None
    confirmation: Element | None
    username: Element | None
    signed: Signed | None

    def signable(self) -> list[Element]:
        """The places where a signed part may stand."""
        own = (self.timestamp, self.token, self.confirmation, self.username)
        return [self.body, *(part for part in own if part is not None), *self.blocks]

    def covered(self) -> dict[Element, Reference]:
        """What each reference points to: one of the places where a signed part may stand, each at most once.

        Raises:
            SignatureInvalid: a reference points elsewhere, or two point to one element.
        """
        if self.signed is None:
            return {}
        by_id = {element.get(WSU_ID): element for element in self.signable()}
        covered: dict[Element, Reference] = {}
        for reference in self.signed.info.references:
            target = by_id.get(reference.target_id)
            if target is None or target in covered:
                raise SignatureInvalid("reference points to no place where a signed part may stand")
            covered[target] = reference
        return covered


class MessageReader:
    """Reads messages whose security header keeps to `terms`. Safe for concurrent use."""

    def __init__(self, soap: SoapVersion, terms: HeaderTerms) -> None:
        """All that is looked for is decided here."""
        self._envelope, self._header, self._body = (
            f"{{{soap.namespace}}}{name}" for name in ("Envelope", "Header", "Body")
        )
        self._actor = f"{{{soap.namespace}}}{soap.actor}"
        self._terms = terms
        self._signed_infos = SignedInfoReader()
        self._required, self._allowed = _parts_by(terms)

    def read(self, data: bytes) -> Message:
        """Raises XmlRefused, SignatureMissing or SignatureInvalid when a part is missing or there twice."""
        root = parse(data)
        header, body = self._header_and_body(root)
        security, blocks = self._security_of(header)
        parts = self._parts(security)
        signature = parts.get(_SIGNATURE)
        token = parts.get(_TOKEN)
        signed = None if signature is None else self._signed(signature, token)
        message = Message(
            body=body,
            blocks=blocks,
            token=token,
            timestamp=parts.get(_TIMESTAMP),
            confirmation=parts.get(_CONFIRMATION),
            username=parts.get(_USERNAME),
            signed=signed,
        )
        if signature is not None and signed is not None:
            _refuse_ambiguous_ids(root, data, message, signature, signed)
        return message

    def _header_and_body(self, root: Element) -> tuple[Element, Element]:
        children = list(root)
        if root.tag != self._envelope or not children:
            raise XmlRefused("not a SOAP envelope of this version")
        tags = [child.tag for child in children]
        if tags == [self._body]:
            raise SignatureMissing("message has no header")
        if tags != [self._header, self._body]:
            raise SignatureInvalid("envelope must hold one header and one body")
        return children[0], children[1]

    def _security_of(self, header: Element) -> tuple[Element, tuple[Element, ...]]:
        securities = [block for block in header if block.tag == _SECURITY]
        if not securities:
            raise SignatureMissing("message has no security header")
        security = securities[0]
        # A second one, or one for somebody else, would let two readers choose two signatures.
        if len(securities) > 1 or security.get(self._actor) != self._terms.actor:
            text = "with the agreed actor" if self._terms.actor else "without actor"
            raise SignatureInvalid(f"exactly one security header, {text}, is in the profile")
        return security, tuple(block for block in header if block is not security)

    def _parts(self, security: Element) -> dict[str, Element]:
        parts = {str(child.tag): child for child in security}
        if len(parts) != len(security) or not parts.keys() <= self._allowed:
            raise SignatureInvalid("security header holds a part twice or a part outside the profile")
        if not self._required <= parts.keys():
            missing = sorted(tag.rpartition("}")[2] for tag in self._required - parts.keys())
            raise SignatureMissing(f"security header lacks {', '.join(missing)}")
        return parts

    def _signed(self, signature: Element, token: Element | None) -> Signed:
        children = list(signature)
        if [child.tag for child in children] != _SIGNATURE_CHILDREN:
            raise SignatureInvalid("signature is outside the profile")
        signed_info, value, key_info = children
        key = read_key_info(key_info, token)
        if key.reference not in self._terms.key_references:
            raise SignatureInvalid(f"KeyInfo names its certificate by {key.reference}, which is not what was agreed")
        return Signed(info=self._signed_infos.read(signed_info), value=decode_base64(value.text), key=key)


_SIGNATURE_CHILDREN = [ds("SignedInfo"), ds("SignatureValue"), ds("KeyInfo")]


def _parts_by(terms: HeaderTerms) -> tuple[frozenset[str], frozenset[str]]:
    """What the security header must hold, and what it may."""
    asked = {
        _SIGNATURE: terms.signature,
        _TIMESTAMP: terms.timestamp,
        _USERNAME: terms.username is not None,
        ENCRYPTED_KEY: terms.encrypted,
    }
    required = frozenset(tag for tag, wanted in asked.items() if wanted)
    return required, required | {_TIMESTAMP} | ({_TOKEN, _CONFIRMATION} if terms.signature else set())


_ID_TEST = "local-name()='Id' or local-name()='ID' or local-name()='AssertionID' or name()='xml:id'"
_ALL_IDS = etree.XPath(f"//@*[{_ID_TEST} or local-name()='id']", smart_strings=False)
_IDS_BY_TYPE = etree.XPath(f"//@*[{_ID_TEST}]", smart_strings=False)


def _refuse_ambiguous_ids(root: Element, data: bytes, message: Message, signature: Element, signed: Signed) -> None:
    # Nothing is looked up by Id here, but what an Id names must not depend on who reads the message. A plain `id` may
    # be a business attribute and repeat, unless the signature means it.
    if _only_parts_have_ids(data, message.signable(), signature):
        return
    ids = _strings(_ALL_IDS, root)
    if len(ids) == len(set(ids)):
        return
    meant = {reference.target_id for reference in signed.info.references}
    if message.token is not None:
        meant.add(message.token.get(WSU_ID, ""))
    counts = Counter(ids)
    by_type = _strings(_IDS_BY_TYPE, root)
    if len(by_type) != len(set(by_type)) or any(counts[name] > 1 for name in meant):
        raise SignatureInvalid("two elements have one Id")


def _only_parts_have_ids(data: bytes, parts: Sequence[Element], signature: Element) -> bool:
    # Saves a walk over the whole document: when its text has no more Id attributes than the parts, nothing else has
    # one. Text that only looks like one, an attribute with space before its `=`, or an Id in an unusual place merely
    # costs the walk. A single byte is looked for first, as that takes a tenth of the time of two.
    spaced = b" =" in data or any(space in data and space + b"=" in data for space in _BREAKS)
    written = data.count(b"Id=") + data.count(b"ID=") + data.count(b"id=")
    if spaced or written > len(parts) + _SIGNATURE_IDS:
        return False
    own = [part.get(WSU_ID) for part in parts]
    own += [signature.get("Id"), *(child.get("Id") for child in signature[2].iter())]
    own += [reference.get(WSU_ID) for reference in signature[2]]
    found = [name for name in own if name is not None]
    return written == len(found) == len(set(found))


_BREAKS = (b"\n", b"\t", b"\r")
_SIGNATURE_IDS = 6


def _strings(expression: etree.XPath, root: Element) -> list[str]:
    found = expression(root)
    return [str(value) for value in found] if isinstance(found, list) else []
