"""XML in the encodings of older systems, turned into UTF-8 for the one parser, which reads nothing else.

Called for contract files and for replies of agencies. Python decodes, by a closed list, so that libxml2 is never told
to choose an encoding by itself. Canonical XML is about characters: a signature holds in every encoding.
"""

from __future__ import annotations

import codecs
import functools
import re

from security.errors import XmlRefused

_DECLARED = re.compile(rb"<\?xml\s[^>]*?\bencoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
# At the start alone: further in, the same words are somebody's text.
_DECLARED_TEXT = re.compile(r"\A(<\?xml\s[^>]*?)\s*\bencoding\s*=\s*[\"'][^\"']*[\"']")
_CHARSET = re.compile(r";\s*charset\s*=\s*[\"']?([^\s;\"']+)", re.IGNORECASE)
_MARKS = (
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
    (b"<\x00?\x00", "utf-16-le"),
    (b"\x00<\x00?", "utf-16-be"),
)
_OF_BYTES = re.compile(r"iso-8859-\d{1,2}|windows-125\d|cp125\d|cp866|ibm866|koi8-r|latin-?1")
"""Each holds ASCII as it is, so that a declaration can be read before the encoding is known."""

_UTF_8 = frozenset({"", "utf-8"})
_SAME = {"utf8": "utf-8", "ascii": "utf-8", "us-ascii": "utf-8", "utf-16le": "utf-16", "utf-16be": "utf-16"}


def in_utf8(document: bytes, content_type: str = "") -> bytes:
    """The same document in UTF-8, without the declaration of another encoding; UTF-8 comes back as it is.

    `content_type`: what the transport says of it. A document that declares an encoding outside of the list comes back
    as it is too, for the parser to refuse.

    Raises:
        XmlRefused: the charset is not read, says something else than the document, or the bytes are not of it.
    """
    charset = _charset_of(content_type)
    if charset in _UTF_8 and document.startswith(b"<") and not document.startswith((b"<?", b"<\x00")):
        return document
    mark = "" if document.startswith(b"<?xml") else _mark_of(document)
    found = _DECLARED.match(document)
    declared = mark or (_named(found.group(1).decode()) if found else "")
    if charset and declared and charset != declared and _codec(charset) != _codec(declared):
        raise XmlRefused(f"Content-Type says {charset} and the document another encoding")
    encoding = declared or charset
    if encoding == "utf-16" and not mark:
        # As .NET's StringWriter declares it, whatever the bytes become afterwards.
        raise XmlRefused("document is not utf-16, though it says so")
    if encoding in _UTF_8 or not (mark or _OF_BYTES.fullmatch(encoding)):
        return document
    if not declared and not document.isascii() and _is_utf8(document):
        # Servers put their own default into the header. Read by it, each letter of the alphabet would become two.
        raise XmlRefused(f"Content-Type says {encoding} and the document is UTF-8")
    return _decoded(document, encoding)


def _mark_of(document: bytes) -> str:
    return next((name for start, name in _MARKS if document.startswith(start)), "")


def _decoded(document: bytes, encoding: str) -> bytes:
    try:
        text = document.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise XmlRefused(f"document is not {encoding}, though it says so") from error
    return _DECLARED_TEXT.sub(r"\1", text.removeprefix("\ufeff"), count=1).encode()


# One agency says the same in every reply.
@functools.lru_cache(maxsize=256)
def _charset_of(content_type: str) -> str:
    """The one charset that a Content-Type names; "" for none."""
    names = {_named(name) for name in _CHARSET.findall(content_type)}
    if not names:
        return ""
    name = names.pop()
    if names or not (name in _UTF_8 or name == "utf-16" or _OF_BYTES.fullmatch(name)):
        raise XmlRefused("Content-Type names an encoding that is not read")
    return name


def _named(name: str) -> str:
    return _SAME.get(name.lower(), name.lower())


def _codec(name: str) -> str:
    """By which names of one encoding are the same, whatever the order of its bytes."""
    if name.startswith("utf-16"):
        return "utf-16"
    try:
        return codecs.lookup(name).name
    except LookupError:
        return name


def _is_utf8(document: bytes) -> bool:
    try:
        document.decode()
    except UnicodeDecodeError:
        return False
    return True
