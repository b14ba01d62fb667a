"""Headers of the X-Road message protocol 4.0: who asks whom for whom, and that the reply is to just that."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from html import escape
from typing import Final

from adapters.manifest_soap import XRoadTerms
from adapters.soap_headers import AnswerRefused, Occasion
from security import xml
from security.xml import Element

XROAD: Final = "http://x-road.eu/xsd/xroad.xsd"
IDENTIFIERS: Final = "http://x-road.eu/xsd/identifiers"

_MEMBER_PARTS = ("xRoadInstance", "memberClass", "memberCode", "subsystemCode", "serviceCode", "serviceVersion")
_SUBSYSTEM_LENGTH = 4
_OBJECT_TYPE = f"{{{IDENTIFIERS}}}objectType"
_REQUEST_HASH = f"{{{XROAD}}}requestHash"
_HASHES = {
    "http://www.w3.org/2001/04/xmlenc#sha512": hashlib.sha512,
    "http://www.w3.org/2001/04/xmlenc#sha256": hashlib.sha256,
}
_COUNTRY_LETTERS = 2


class XRoadHeaders:
    """Implements `adapters.soap_headers.HeaderDialect` for one operation."""

    namespaces: Final = frozenset({XROAD, IDENTIFIERS})

    def __init__(self, terms: XRoadTerms, *, operation: str, signed: bool) -> None:
        """`operation`: the service's code, unless the terms name one."""
        self.signed = signed
        client, service = terms.client.split("/"), terms.service.split("/")
        if len(service) <= _SUBSYSTEM_LENGTH:
            service.append(operation)
        self._country = client[0][:_COUNTRY_LETTERS]
        kind = "SUBSYSTEM" if len(client) >= _SUBSYSTEM_LENGTH else "MEMBER"
        self._constant = (
            _member("client", kind, client),
            _member("service", "SERVICE", service),
            _block("protocolVersion", terms.protocol_version),
        )

    def write(self, occasion: Occasion) -> Sequence[bytes]:
        """The members, the message's id, and user and case where the request has them."""
        blocks = [*self._constant, _block("id", occasion.message_id)]
        if occasion.origin.user:
            blocks.append(_block("userId", self._country + occasion.origin.user.partition(":")[2]))
        if occasion.origin.issue:
            blocks.append(_block("issue", occasion.origin.issue))
        return blocks

    def check(self, sent: Sequence[Element], got: Sequence[Element], envelope: bytes) -> None:
        """Every header of the request comes back as it was; the hash, where there is one, is the request's."""
        answered = [_meaning(block) for block in got if _is_ours(block) and block.tag != _REQUEST_HASH]
        asked = [_meaning(block) for block in sent if _is_ours(block)]
        if sorted(answered) != sorted(asked):
            raise AnswerRefused("reply does not repeat the X-Road headers of its request")
        hashes = [block for block in got if block.tag == _REQUEST_HASH]
        if len(hashes) > 1:
            raise AnswerRefused("reply has two hashes of its request")
        for block in hashes:
            _check_hash(block, envelope)


def _is_ours(block: Element) -> bool:
    return str(block.tag).startswith(f"{{{XROAD}}}")


def _meaning(block: Element) -> list[tuple[str, str, str]]:
    """Names, object types and text: not the attributes that SOAP and signatures add, nor white space of a toolkit."""
    return [(str(element.tag), element.get(_OBJECT_TYPE, ""), (element.text or "").strip()) for element in block.iter()]


def _check_hash(block: Element, envelope: bytes) -> None:
    make = _HASHES.get(block.get("algorithmId", ""))
    if make is None:
        raise AnswerRefused("reply hashes its request with an algorithm that is not spoken here")
    expected = base64.b64encode(make(envelope).digest()).decode()
    if not hmac.compare_digest((block.text or "").strip().encode(), expected.encode()):
        raise AnswerRefused("reply has the hash of another request")


def _member(name: str, kind: str, parts: Sequence[str]) -> bytes:
    inner = "".join(
        f"<iden:{part}>{escape(value, quote=False)}</iden:{part}>"
        for part, value in zip(_MEMBER_PARTS, parts, strict=False)
    )
    text = f'<xro:{name} xmlns:iden="{IDENTIFIERS}" xmlns:xro="{XROAD}" iden:objectType="{kind}">{inner}</xro:{name}>'
    return xml.canonical(xml.parse(text.encode()))


def _block(name: str, text: str) -> bytes:
    return f'<xro:{name} xmlns:xro="{XROAD}">{escape(text, quote=False)}</xro:{name}>'.encode()
