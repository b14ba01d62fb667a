"""Why a schema compiler refuses a contract, in words and with the place; and what can be mended all the same.

Called by `bundle` when libxml2 or xmlschema does not take a set of documents. Nothing is mended silently: each mending
is a hint with file and line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree

from esb.contracts.gathering import XSD, SchemaDocument
from esb.contracts.intake import line_of
from esb.contracts.wellknown import FACETS
from security.xml import Element, parse

_MAX_BYTES = 64 * 1024 * 1024
_FACETS = frozenset(XSD + name for name in FACETS)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Served:
    """A document as a compiler reads it: each element on a line of its own, so that a line means one element."""

    document: SchemaDocument
    content: bytes

    @classmethod
    def of(cls, document: SchemaDocument) -> Served:
        """The document, written."""
        for element in document.tree.iter():
            if len(element) and not (element.text or "").strip():
                element.text = "\n"
            if element is not document.tree and not (element.tail or "").strip():
                element.tail = "\n"
        # Serialising a part keeps the namespaces that its ancestors declare; the values of attributes refer to them.
        return cls(document=document, content=etree.tostring(document.tree, with_tail=False))

    def element_at(self, line: int) -> Element | None:
        """The element of the contract that begins at a line of `content`, or the last one before it."""
        found = None
        read = parse(self.content, max_bytes=_MAX_BYTES, max_depth=256).iter()
        for written, element in zip(read, self.document.tree.iter(), strict=True):
            if line_of(written) > line:
                break
            found = element
        return found


def mended(error: etree.XMLSchemaParseError, served: Mapping[str, Served], say: Callable[[str], None]) -> bool:
    """Whether something that libxml2 complains of was changed, so that it is worth another try."""
    changed = False
    for entry in _entries(error):
        item = served.get(entry.filename)
        element = item.element_at(entry.line) if item is not None else None
        if item is not None and element is not None:
            changed = _mend(item.document, element, entry.message, say) or changed
    return changed


def explained(error: etree.XMLSchemaParseError, served: Mapping[str, Served]) -> str:
    """The first complaint of libxml2, with the place in the contract's own file."""
    for entry in _entries(error):
        item = served.get(entry.filename)
        element = item.element_at(entry.line) if item is not None else None
        if item is not None and element is not None:
            return f"{item.document.place(element)}: XSD cannot be compiled: {_plain(entry.message)}"
    return f"XSD cannot be compiled: {_plain(str(error))}"


def explained_components(schema: Any, served: Mapping[str, Served]) -> str | None:
    """What xmlschema finds wrong in a schema that libxml2 takes; None when it is nothing that matters here."""
    for error in schema.all_errors:
        if _harmless(error):
            continue
        address = str(error.schema_url or "")
        item = served.get(address)
        return f"{item.document.file if item else 'XSD'}: XSD cannot be understood: {_plain(str(error.message))}"
    return None


def _harmless(error: Any) -> bool:
    """Rules that libxml2 leaves unchecked and that change nothing in how a document is read or written."""
    return "restriction" in str(error.message)


def _mend(document: SchemaDocument, element: Element, message: str, say: Callable[[str], None]) -> bool:
    if element.tag in _FACETS and element.getparent() is not None:
        facet, value = str(element.tag).removeprefix(XSD), element.get("value", "")
        say(f"{document.place(element)}: the facet {facet} {value!r} is left out: {_plain(message)}")
        element.getparent().remove(element)  # type: ignore[union-attr]
        return True
    return False


def _entries(error: etree.XMLSchemaParseError) -> list[Any]:
    return list(error.error_log)


def _plain(message: str) -> str:
    text = message.replace("{http://www.w3.org/2001/XMLSchema}", "xs:")
    return re.sub(r"\s+", " ", text).strip().rstrip(".")
