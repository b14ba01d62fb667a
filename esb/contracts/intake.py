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
from security.encodings import in_utf8
from security.errors import XmlRefused
from security.xml import Element, parse

MAX_FILE_BYTES = 10 * 1024 * 1024

_MAX_DEPTH = 200
_TARGET_NAMESPACE = re.compile(
    rb"<(?:[A-Za-z][\w.-]*:)?schema\s[^>]*?\btargetNamespace\s*=\s*[\"']([\x21-\x7e]+?)[\"']"
)
_C1 = re.compile(rb"\xc2[\x80-\x9f]")
_ENCODING = re.compile(rb"\A(<\?xml\s[^>]*?)\s*\bencoding\s*=\s*[\"'][^\"']*[\"']")
_HAS_DTD = "document has a DTD"
_WEB_PAGE = "it looks like a web page that was saved instead"
_HTML_DOCTYPE = re.compile(rb"(?:<\?xml[^>]*>)?\s*<!DOCTYPE\s+html\b", re.IGNORECASE)
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
    # Tools that print a page before the document leave blank lines; XML allows none before its declaration.
    stripped = content.lstrip(b" \t\r\n")
    try:
        text = in_utf8(stripped if stripped.startswith(b"<?xml") else content)
    except XmlRefused as error:
        raise ContractUnsupported(f"{file}: {error.reason}; save it as UTF-8") from error
    return _utf8_all_the_same(file, stripped) if text not in {content, stripped} and _C1.search(text) else text


def _utf8_all_the_same(file: str, content: bytes) -> bytes:
    """The UTF-8 that a file holds whose declared encoding makes control characters of it.

    XML allows C1 characters and YAML does not, so that they would be refused far away from here.
    """
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ContractUnsupported(
            f"{file}:{line}: the encoding that the file declares looks wrong, as it makes control characters of the "
            "text; save it as UTF-8"
        ) from error
    return _ENCODING.sub(rb"\1", content, count=1)


def _reason(file: str, text: bytes, error: XmlRefused) -> str:
    cause = error.__cause__
    if _HTML_DOCTYPE.match(text.lstrip()):
        return f"{file}: {_WEB_PAGE}; ask the agency for the file itself"
    if isinstance(cause, etree.XMLSyntaxError):
        return f"{file}:{cause.lineno or 1}: not well-formed XML: {cause.msg}{_hint_of(text)}"
    if error.reason == _HAS_DTD:
        line = text[: text.find(b"<!DOCTYPE")].count(b"\n") + 1
        return f"{file}:{line}: document has a DTD, and no DTD is read; remove the DOCTYPE and write its entities out"
    return f"{file}: {error.reason}"


def _hint_of(text: bytes) -> str:
    if not text.strip():
        return "; the file is empty"
    return f"; {_WEB_PAGE}" if b"<html" in text[:2000].lower() else ""
