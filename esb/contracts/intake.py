"""A contract file becomes a tree: the habits of twenty years of tools are met here, before the one hardened parser.

Called at load for WSDL and XSD files alike. Old encodings are turned into UTF-8 and pre-2001 XSD namespaces into the
final one; whatever else is wrong is an error with file and line. Nothing but the bytes given is ever read.
"""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

from esb.contracts.wellknown import schema_for
from esb.errors import ContractUnsupported
from security.errors import XmlRefused
from security.xml import Element, parse

MAX_FILE_BYTES = 10 * 1024 * 1024

_MAX_DEPTH = 200
_DECLARATION = re.compile(rb"<\?xml\s[^>]*?\bencoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"']")
_BOMS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"<\x00?\x00", "utf-16-le"), (b"\x00<\x00?", "utf-16-be"))
_BYTE_ENCODINGS = re.compile(r"iso-8859-\d{1,2}|windows-125\d|cp125\d|cp866|ibm866|koi8-r|latin-?1")
_TARGET_NAMESPACE = re.compile(
    rb"<(?:[A-Za-z][\w.-]*:)?schema\s[^>]*?\btargetNamespace\s*=\s*[\"']([\x21-\x7e]+?)[\"']"
)
_HAS_DTD = "document has a DTD"
_OLD_XSD = re.compile(rb"http://www\.w3\.org/(?:1999|2000/10)/XMLSchema")


def tree_of(file: str, content: bytes) -> Element:
    """The root of a contract file.

    Raises:
        ContractUnsupported: over 10 MB, not well-formed (with the line), with a DTD, or of an unknown encoding.
    """
    if len(content) > MAX_FILE_BYTES:
        raise ContractUnsupported(f"{file} has {len(content)} bytes; files over {MAX_FILE_BYTES} are not read")
    text = _OLD_XSD.sub(b"http://www.w3.org/2001/XMLSchema", _utf8(file, content))
    try:
        return parse(text, max_bytes=2 * MAX_FILE_BYTES, max_depth=_MAX_DEPTH)
    except XmlRefused as error:
        own = _own_copy(text) if error.reason == _HAS_DTD else None
        if own is None:
            raise ContractUnsupported(_reason(file, text, error)) from error
        return parse(own)


def _own_copy(text: bytes) -> bytes | None:
    """Our copy of a standard's schema that its publisher ships with a DTD, as W3C does xmldsig-core-schema.xsd."""
    namespace = _TARGET_NAMESPACE.search(text)
    return schema_for(namespace.group(1).decode()) if namespace else None


def line_of(element: Element) -> int:
    """Where an element stands in its file; 0 when it stands in none."""
    for each in (element, *element.iterancestors()):
        line: Any = each.sourceline  # the stubs take it for an ellipsis
        if line:
            return int(line)
    return 0


def _utf8(file: str, content: bytes) -> bytes:
    """The same document in UTF-8. Python decodes, so that libxml2 is never told to choose an encoding by itself."""
    encoding = next((name for mark, name in _BOMS if content.startswith(mark)), None)
    # Tools that print a page before the document leave blank lines; XML allows none before its declaration.
    stripped = content if encoding else content.lstrip(b" \t\r\n")
    declared = _DECLARATION.match(stripped)
    if encoding is None and declared is not None and _BYTE_ENCODINGS.fullmatch(declared.group(1).decode().lower()):
        encoding = declared.group(1).decode()
    if encoding is None:
        return stripped if stripped.startswith(b"<?xml") else content
    try:
        text = stripped.decode(encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise ContractUnsupported(f"{file} is not {encoding}, though it says so; save it as UTF-8") from error
    return re.sub(r"(<\?xml[^>]*?)\s+encoding\s*=\s*[\"'][^\"']*[\"']", r"\1", text.lstrip("\ufeff"), count=1).encode()


def _reason(file: str, text: bytes, error: XmlRefused) -> str:
    cause = error.__cause__
    if isinstance(cause, etree.XMLSyntaxError):
        return f"{file}:{cause.lineno or 1}: not well-formed XML: {cause.msg}{_hint_of(text)}"
    if error.reason == _HAS_DTD:
        line = text[: text.find(b"<!DOCTYPE")].count(b"\n") + 1
        return f"{file}:{line}: document has a DTD, and no DTD is read; remove the DOCTYPE and write its entities out"
    return f"{file}: {error.reason}"


def _hint_of(text: bytes) -> str:
    if not text.strip():
        return "; the file is empty"
    return "; it looks like a web page that was saved instead" if b"<html" in text[:2000].lower() else ""
