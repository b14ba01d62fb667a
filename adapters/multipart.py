"""`multipart/related` (RFC 2387) in the strict form that SOAP needs: written, and read with bounds. Pure.

Whatever could be read in two ways is refused: two parts of one id, folded or repeated headers, text around the parts,
line ends that are not CRLF.
"""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from esb.errors import ContractViolation

MAX_PARTS: Final = 64
MAX_HEADERS: Final = 16
MAX_HEADER_BYTES: Final = 4096
ROOT_ID: Final = "root@esb"

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - RFC 9110's word
_TYPE = re.compile(rf"({_TOKEN}/{_TOKEN})\s*")
_PARAMETER = re.compile(rf";\s*({_TOKEN})\s*=\s*(?:({_TOKEN})|\"((?:[^\"\\\r\n]|\\.)*)\")\s*")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\t]*)")
_CONTENT_ID = re.compile(r"<([^<>\s]{1,200})>")


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part. `id` without its angle brackets."""

    id: str
    media_type: str
    content: bytes


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """A message and what travels beside it, by id."""

    root: Part
    parts: Mapping[str, Part]


class MediaType(msgspec.Struct, frozen=True, kw_only=True):
    """A Content-Type: `name` in lower case, parameters by lower-case name."""

    name: str
    parameters: Mapping[str, str]


def media_type(text: str) -> MediaType:
    """A Content-Type header. Raises ContractViolation."""
    start = _TYPE.match(text.strip())
    if start is None:
        raise ContractViolation("content type cannot be read")
    parameters: dict[str, str] = {}
    rest = text.strip()
    at = start.end()
    while at < len(rest):
        found = _PARAMETER.match(rest, at)
        if found is None or found[1].lower() in parameters:
            raise ContractViolation("content type cannot be read")
        parameters[found[1].lower()] = found[2] if found[2] is not None else re.sub(r"\\(.)", r"\1", found[3])
        at = found.end()
    return MediaType(name=start[1].lower(), parameters=parameters)


def is_multipart(content_type: str) -> bool:
    """Whether a Content-Type says `multipart/related`; cheap."""
    return content_type[:17].lower() == "multipart/related"


# --- writing ---------------------------------------------------------------------------------------------


def write(root: Part, parts: Sequence[Part], **parameters: str) -> tuple[str, bytes]:
    """Content-Type and body. `parameters`: further ones of the type, with `_` for `-`."""
    boundary = f"esb-{secrets.token_hex(16)}"
    said = {"type": media_type(root.media_type).name, "start": f"<{root.id}>", **parameters, "boundary": boundary}
    written = "".join(f'; {name.replace("_", "-")}="{_quoted(value)}"' for name, value in said.items())
    pieces: list[bytes] = []
    for part in (root, *parts):
        head = (
            f"--{boundary}\r\nContent-Type: {part.media_type}\r\nContent-Transfer-Encoding: binary\r\n"
            f"Content-ID: <{part.id}>\r\n\r\n"
        )
        pieces += [head.encode(), part.content, b"\r\n"]
    pieces.append(f"--{boundary}--\r\n".encode())
    return f"multipart/related{written}", b"".join(pieces)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


# --- reading ---------------------------------------------------------------------------------------------


def read(content_type: str, body: bytes) -> Package:
    """The parts. Raises ContractViolation."""
    said = media_type(content_type)
    boundary = said.parameters.get("boundary", "")
    if said.name != "multipart/related" or not _BOUNDARY.fullmatch(boundary):
        raise ContractViolation("multipart/related without a usable boundary")
    parts = [_part(piece, number) for number, piece in enumerate(_pieces(body, boundary.encode()))]
    by_id = {part.id: part for part in parts}
    if len(by_id) != len(parts):
        raise ContractViolation("two parts have one Content-ID")
    start = said.parameters.get("start", f"<{parts[0].id}>").strip("<>")
    root = by_id.pop(start, None)
    if root is None:
        raise ContractViolation("there is no part where the message should start")
    return Package(root=root, parts=by_id)


def _pieces(body: bytes, boundary: bytes) -> list[bytes]:
    delimiter = b"\r\n--" + boundary
    # A delimiter begins with the line end before it, which the first one may lack.
    before, *pieces = (b"\r\n" + body).split(delimiter)
    if before.strip(b"\r\n") or len(pieces) < 2:  # noqa: PLR2004 - one part and the end
        raise ContractViolation("multipart message does not begin with its boundary, or is cut")
    if len(pieces) - 1 > MAX_PARTS:
        raise ContractViolation(f"multipart message has more than {MAX_PARTS} parts")
    end = pieces.pop()
    if not end.startswith(b"--") or end[2:].strip(b" \t\r\n"):
        raise ContractViolation("multipart message does not end with its boundary")
    if any(not piece.lstrip(b" \t").startswith(b"\r\n") for piece in pieces):
        raise ContractViolation("a boundary is followed by something else")
    return [piece.lstrip(b" \t")[2:] for piece in pieces]


def _part(piece: bytes, number: int) -> Part:
    head, separator, content = piece.partition(b"\r\n\r\n")
    if not separator or len(head) > MAX_HEADER_BYTES:
        raise ContractViolation("a part has no end of its headers, or too many")
    headers = _headers(head)
    # Only the root may go without an id (it then is the first part).
    named = _CONTENT_ID.fullmatch(headers.get("content-id", f"<part-{number}@nowhere>"))
    if named is None:
        raise ContractViolation("a Content-ID cannot be read")
    return Part(
        id=named[1],
        media_type=headers.get("content-type", "application/octet-stream"),
        content=_decoded(content, headers.get("content-transfer-encoding", "binary").lower()),
    )


def _headers(head: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    lines = head.split(b"\r\n")
    if len(lines) > MAX_HEADERS:
        raise ContractViolation("a part has too many headers")
    for line in lines:
        found = _HEADER.fullmatch(line)
        if found is None or found[1].decode().lower() in headers:
            raise ContractViolation("a header of a part cannot be read, or is there twice")
        headers[found[1].decode().lower()] = found[2].decode().strip()
    return headers


def _decoded(content: bytes, encoding: str) -> bytes:
    if encoding in {"binary", "8bit", "7bit"}:
        return content
    if encoding != "base64":
        raise ContractViolation(f"transfer encoding {encoding!r} is not read")
    try:
        return base64.b64decode(content.translate(None, b"\r\n"), validate=True)
    except binascii.Error as error:
        raise ContractViolation("a part is not base64") from error
