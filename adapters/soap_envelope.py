"""SOAP envelopes without a security header, the parts of an encoded request, and the HTTP headers around both. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from esb.ports import Claim
from security import xml
from security.errors import XmlRefused
from security.wsse import SoapVersion
from security.wsse_terms import WSSE

_NUL: Final = b"\x00"
"""Divides the parts of an encoded request; no XML and no base64 holds one."""

_SECURITY: Final = f"{{{WSSE}}}Security"
_BLOCK = b"<"
_ATTACHMENT = b"@"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestParts:
    """An encoded request: the Body's document, header blocks, and attachments as `data:` URIs by name."""

    content: bytes
    blocks: tuple[bytes, ...] = ()
    attachments: Mapping[str, str] = field(default_factory=dict)

    def joined(self) -> bytes:
        """As one value; of a request without headers and attachments just the document."""
        named = [_ATTACHMENT + f"{name}={value}".encode() for name, value in self.attachments.items()]
        return _NUL.join((self.content, *self.blocks, *named))


def divided(document: bytes) -> RequestParts:
    """What `RequestParts.joined` made."""
    if _NUL not in document:
        return RequestParts(content=document)
    content, *others = document.split(_NUL)
    named = [other[1:].decode().partition("=") for other in others if other.startswith(_ATTACHMENT)]
    return RequestParts(
        content=content,
        blocks=tuple(other for other in others if other.startswith(_BLOCK)),
        attachments={name: value for name, _, value in named},
    )


class Opened(NamedTuple):
    """What of a reply may be read: of one that nobody signed, all there is, in `plain_blocks` too."""

    content: bytes
    envelope: bytes
    signed_at: datetime | None = None
    claims: tuple[Claim, ...] = ()
    signed_blocks: tuple[bytes, ...] = ()
    plain_blocks: tuple[bytes, ...] = ()


def open_unsigned(envelope: bytes, version: SoapVersion, *, whole: bool) -> Opened:
    """The content of a Body that nobody signed: its one child, or all of it. Raises XmlRefused.

    A security header is passed over, even one that demands to be understood: toolkits answer a timestamp with one of
    their own, which proves nothing here.
    """
    root = xml.parse(envelope)
    namespace = version.namespace
    tags = [child.tag for child in root]
    header, body = f"{{{namespace}}}Header", f"{{{namespace}}}Body"
    if root.tag != f"{{{namespace}}}Envelope" or tags not in ([body], [header, body]):
        raise XmlRefused("not a SOAP envelope of this version")
    if not whole and len(root[-1]) != 1:
        raise XmlRefused("not a SOAP envelope of this version with one element in its body")
    return Opened(
        # Every prefix in scope stays bound: values may use what no name does, and there is no signature to agree with.
        content=xml.canonical_inclusive(root[-1] if whole else root[-1][0]),
        envelope=envelope,
        plain_blocks=tuple(xml.canonical(block) for block in root.iterfind(f"{header}/*") if block.tag != _SECURITY),
    )


def plain_envelope(content: bytes, version: SoapVersion, blocks: Sequence[bytes] = ()) -> bytes:
    """An envelope around what goes into the Body."""
    namespace = version.namespace.encode()
    header = b"<s:Header>" + b"".join(blocks) + b"</s:Header>" if blocks else b""
    return b'<s:Envelope xmlns:s="%s">%s<s:Body>%s</s:Body></s:Envelope>' % (namespace, header, content)


def http_headers(version: SoapVersion, action: str) -> dict[str, str]:
    """What HTTP says about an envelope."""
    if version is SoapVersion.SOAP11:
        # SOAP 1.1 section 6.1.1: the header must be there and its value is quoted, even when it is empty.
        return {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{action}"'}
    parameter = f'; action="{action}"' if action else ""
    return {"Content-Type": f"application/soap+xml; charset=utf-8{parameter}"}
