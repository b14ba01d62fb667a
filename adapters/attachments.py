"""What travels beside a SOAP envelope: MTOM/XOP, SOAP with Attachments and swaRef.

With XOP the envelope as a whole, binary content in it as base64, is what is signed and validated: it is packed after
signing and put together again before anything is verified. Attachments and swaRef stand beside the envelope, where no
signature of ours reaches; their contents are `data:` URIs in an operation's values.
"""

from __future__ import annotations

import base64
import binascii
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from lxml import etree

from adapters import multipart
from adapters.multipart import ROOT_ID, Package, Part
from adapters.wsdl import Attachment
from esb.errors import ContractViolation
from security import xml
from security.encodings import in_utf8
from security.wsse import SoapVersion

KEY: Final = "$attachments"
XOP: Final = "http://www.w3.org/2004/08/xop/include"
XOP_TYPE: Final = "application/xop+xml"
SWA_REF: Final = "http://ws-i.org/profiles/basic/1.1/xsd"

_INCLUDE = f"{{{XOP}}}Include"
_CID = "cid:"
_DATA_URI = re.compile(r"data:([^;,\s]{1,200});base64,([A-Za-z0-9+/]*={0,2})")
_SMALLEST_PART = 1024
_LONG_BASE64 = re.compile(rb">([A-Za-z0-9+/]{%d,}={0,2})</" % _SMALLEST_PART)
_BODY = re.compile(rb"<(?:[^\s:<>]+:)?Body[\s>]")
_ENVELOPE_TYPES = {SoapVersion.SOAP11: "text/xml", SoapVersion.SOAP12: "application/soap+xml"}

DATA_URI_SCHEMA: Final = {"type": "string", "pattern": f"^{_DATA_URI.pattern}$"}
"""What a value that travels as an attachment must look like."""

# --- MTOM ------------------------------------------------------------------------------------------------


def packed(envelope: bytes, version: SoapVersion, action: str) -> tuple[str, bytes]:
    """The envelope as an XOP package: Content-Type and body. Long base64 in the Body becomes parts of its own."""
    parts: list[Part] = []

    def taken_out(found: re.Match[bytes]) -> bytes:
        content = _plain_base64(found[1])
        if content is None:
            return found[0]
        parts.append(Part(id=f"{uuid.uuid4()}@esb", media_type="application/octet-stream", content=content))
        return b'><xop:Include xmlns:xop="%s" href="cid:%s"></xop:Include></' % (XOP.encode(), parts[-1].id.encode())

    body = _BODY.search(envelope)
    at = body.start() if body else len(envelope)
    root = envelope[:at] + _LONG_BASE64.sub(taken_out, envelope[at:])
    own = _ENVELOPE_TYPES[version]
    parameters = {"start_info": own}
    typed = f'{XOP_TYPE}; charset=utf-8; type="{own}"'
    if version is SoapVersion.SOAP12 and action:
        parameters["action"] = action
    return multipart.write(Part(id=ROOT_ID, media_type=typed, content=root), parts, **parameters)


def unpacked(package: Package) -> bytes:
    """The envelope of an XOP package with every part as base64 in its place.

    Raises:
        ContractViolation: a part that is missing, meant twice or by nobody.
        XmlRefused: the envelope is not XML that is read.
    """
    root = xml.parse(package.root.content)
    left = dict(package.parts)
    for include in list(root.iter(_INCLUDE)):
        parent = include.getparent()
        alone = parent is not None and len(parent) == 1 and not (parent.text or include.tail or "").strip()
        if parent is None or not alone or len(include):
            raise ContractViolation("xop:Include does not stand alone in its element")
        content = _taken(left, include.get("href"))
        parent.remove(include)
        parent.text = base64.b64encode(content.content).decode()
    _refuse_rest(left)
    return etree.tostring(root)


def _plain_base64(text: bytes) -> bytes | None:
    """The content of canonical base64; None for text that would come back in another spelling."""
    try:
        content = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error:
        return None
    return content if binascii.b2a_base64(content, newline=False) == text else None


# --- SOAP with Attachments, swaRef -----------------------------------------------------------------------


def taken_out(document: bytes) -> tuple[bytes, list[Part]]:
    """A document of a contract with swaRef: every `data:` URI becomes a `cid:` and a part.

    Raises:
        ContractViolation: what begins as a data: URI is none that is read.
    """
    if b">data:" not in document:
        return document, []
    root = xml.parse(document, max_bytes=len(document))
    parts: list[Part] = []
    for element in root.iter():
        text = element.text or ""
        if text.startswith("data:") and not len(element):
            part = part_of(text, str(uuid.uuid4()))
            parts.append(part)
            element.text = f"{_CID}{part.id}"
    return xml.canonical(root), parts


def put_in(content: bytes, parts: Mapping[str, Part]) -> tuple[bytes, dict[str, Part]]:
    """The content of a Body with every `cid:` as a `data:` URI, and the parts that it does not mean.

    Raises:
        ContractViolation: a part that is missing or meant twice.
    """
    left = dict(parts)
    if b">cid:" not in content:
        return content, left
    root = xml.parse(content, max_bytes=len(content))
    for element in root.iter():
        text = (element.text or "").strip()
        if text.startswith(_CID) and not len(element):
            element.text = data_uri(_taken(left, text))
    return xml.canonical(root), left


def beside(envelope: bytes, parts: Sequence[Part], version: SoapVersion, action: str) -> tuple[str, bytes]:
    """An envelope with its attachments: Content-Type and body."""
    root = Part(id=ROOT_ID, media_type=f"{_ENVELOPE_TYPES[version]}; charset=utf-8", content=envelope)
    parameters = {"action": action} if version is SoapVersion.SOAP12 and action else {}
    return multipart.write(root, parts, **parameters)


class Attachments:
    """The parts of one message that its WSDL describes (`mime:content`)."""

    def __init__(self, declared: Sequence[Attachment]) -> None:
        """`declared`: in the order of the WSDL."""
        self._declared = {each.part: each for each in declared}

    def __bool__(self) -> bool:
        return bool(self._declared)

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the value under `KEY`."""
        return {
            "type": "object",
            "properties": {part: dict(DATA_URI_SCHEMA) for part in self._declared},
            "additionalProperties": False,
        }

    def write(self, values: Mapping[str, Any]) -> list[Part]:
        """The parts for values. Raises ContractViolation."""
        parts: list[Part] = []
        for name, value in values.items():
            declared = self._declared.get(name)
            if declared is None:
                raise ContractViolation("the operation has no such attachment", path=f"{KEY}/{name}")
            # WS-I Attachments Profile 1.0, R2933: the part's name leads the id.
            part = part_of(value if isinstance(value, str) else "", f"{name}={uuid.uuid4()}", path=f"{KEY}/{name}")
            _require_type(declared, part.media_type)
            parts.append(part)
        return parts

    def read(self, parts: Mapping[str, Part]) -> dict[str, str]:
        """The values of what came. Raises ContractViolation for a part that nobody declared."""
        values: dict[str, str] = {}
        unnamed = [name for name in self._declared if not any(part.startswith(f"{name}=") for part in parts)]
        for identity, part in parts.items():
            named = identity.partition("=")[0]
            name = named if named in self._declared else next(iter(unnamed), "")
            if not name or name in values:
                raise ContractViolation("a part of the message is meant by nobody")
            if name in unnamed:
                unnamed.remove(name)
            _require_type(self._declared[name], part.media_type)
            values[name] = data_uri(part)
        return values


def part_of(text: str, identity: str, *, path: str | None = None) -> Part:
    """The part that a `data:` URI is. Raises ContractViolation."""
    found = _DATA_URI.fullmatch(text)
    content = None if found is None else _plain_base64(found[2].encode())
    if found is None or content is None:
        raise ContractViolation("is not a data: URI with a type and base64", path=path)
    return Part(id=f"{identity}@esb", media_type=found[1], content=content)


def data_uri(part: Part) -> str:
    """The part as a value."""
    return f"data:{multipart.media_type(part.media_type).name};base64,{base64.b64encode(part.content).decode()}"


def _require_type(declared: Attachment, media_type: str) -> None:
    name = multipart.media_type(media_type).name
    wanted = declared.media_types
    if wanted and not {"*/*", name, f"{name.partition('/')[0]}/*"} & set(wanted):
        raise ContractViolation(f"the attachment must be {' or '.join(wanted)}", path=f"{KEY}/{declared.part}")


def _taken(left: dict[str, Part], reference: str | None) -> Part:
    identity = unquote((reference or "").removeprefix(_CID))
    part = left.pop(identity, None) if (reference or "").startswith(_CID) else None
    if part is None:
        raise ContractViolation("the message refers to a part that is not there, or that is meant already")
    return part


def _refuse_rest(left: Mapping[str, Part]) -> None:
    if left:
        raise ContractViolation("a part of the message is meant by nobody")


class Packing:
    """How the messages of one operation are packed."""

    def __init__(
        self,
        *,
        version: SoapVersion,
        action: str,
        mtom: bool = False,
        refers: bool = False,
        request: Sequence[Attachment] = (),
        reply: Sequence[Attachment] = (),
    ) -> None:
        """`mtom`: requests go out as XOP packages. `refers`: the contract has swaRef."""
        self._version = version
        self._action = action
        self._mtom = mtom
        self._refers = refers
        self.request = Attachments(request)
        self.reply = Attachments(reply)

    @property
    def beside(self) -> bool:
        """Whether anything of a message may stand beside its envelope, where no signature covers it."""
        return self._refers or bool(self.request) or bool(self.reply)

    def take_out(self, document: bytes, values: Mapping[str, str]) -> tuple[bytes, list[Part]]:
        """The document as it goes into the Body, and the parts beside it. Raises ContractViolation."""
        content, parts = taken_out(document) if self._refers else (document, [])
        return content, parts + self.request.write(values)

    def pack(self, envelope: bytes, parts: Sequence[Part]) -> tuple[str, bytes] | None:
        """Content-Type and body; None for an envelope that goes as it is."""
        if parts or self.request:
            return beside(envelope, parts, self._version, self._action)
        return packed(envelope, self._version, self._action) if self._mtom else None

    def put_in(self, content: bytes, parts: Mapping[str, Part]) -> tuple[bytes, dict[str, str]]:
        """The content with what it refers to, and the values of what else came. Raises ContractViolation."""
        content, left = put_in(content, parts) if self._refers or parts else (content, dict(parts))
        return content, self.reply.read(left)


def opened(content_type: str, body: bytes) -> tuple[bytes, dict[str, Part]]:
    """The envelope of an answer, in UTF-8, and the parts beside it; of an XOP package all is in the envelope.

    Raises:
        ContractViolation, XmlRefused.
    """
    if not multipart.is_multipart(content_type):
        return body, {}
    package = multipart.read(content_type, body)
    root = msgspec.structs.replace(package.root, content=in_utf8(package.root.content, package.root.media_type))
    if multipart.media_type(root.media_type).name == XOP_TYPE:
        return unpacked(msgspec.structs.replace(package, root=root)), {}
    return root.content, dict(package.parts)
