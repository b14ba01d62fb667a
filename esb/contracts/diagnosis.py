"""Why a schema compiler refuses a contract, in words and with the place.

Called by `bundle` when libxml2 or xmlschema does not take a set of documents; `mending` changes what can be changed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree

from esb.contracts.gathering import XSD, SchemaDocument
from esb.contracts.intake import line_of
from esb.contracts.wellknown import FACETS, XSD_NAMESPACE
from security.xml import Element, parse

_MAX_BYTES = 64 * 1024 * 1024


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

    def lines(self) -> list[tuple[int, Element]]:
        """Each element of the contract with the line of `content` at which it begins."""
        written = parse(self.content, max_bytes=_MAX_BYTES, max_depth=256).iter()
        return [(line_of(copy), element) for copy, element in zip(written, self.document.tree.iter(), strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Complaint:
    """What libxml2 says, with the element of the contract that it is about; None where it names no place."""

    message: str
    served: Served | None = None
    element: Element | None = None


def complaints(error: etree.XMLSchemaParseError, served: Mapping[str, Served]) -> list[Complaint]:
    """All that libxml2 says of a set of documents."""
    found: list[Complaint] = []
    elements: dict[str, list[tuple[int, Element]]] = {}
    for entry in error.error_log:
        item = served.get(entry.filename)
        if item is None:
            found.append(_without_place(entry.message, served))
            continue
        if entry.filename not in elements:
            elements[entry.filename] = item.lines()
        before = [element for line, element in elements[entry.filename] if line <= entry.line]
        found.append(Complaint(message=entry.message, served=item, element=before[-1] if before else None))
    return found


def _without_place(message: str, served: Mapping[str, Served]) -> Complaint:
    """libxml2 forgets the place of some facets; where only one can be meant, it is that one."""
    named = re.match(r"facet '(\w+)'", message)
    if named is not None and named.group(1) in FACETS:
        every = [(item, each) for item in served.values() for each in item.document.tree.iter(XSD + named.group(1))]
        if len(every) == 1:
            return Complaint(message=message, served=every[0][0], element=every[0][1])
    return Complaint(message=message)


def explained(found: list[Complaint], error: Exception) -> str:
    """The first complaint that has a place, in the contract's own file, and what to do about it."""
    for complaint in found:
        if complaint.served is not None and complaint.element is not None:
            place = complaint.served.document.place(complaint.element)
            return f"{place}: XSD cannot be compiled: {plain(complaint.message)}{_advice(complaint.message)}"
    return f"XSD cannot be compiled: {plain(str(error))}"


def explained_components(schema: Any, served: Mapping[str, Served]) -> str | None:
    """What xmlschema finds wrong in a schema that libxml2 takes; None when it is nothing that matters here."""
    # `schema.all_errors` would be those of the driver alone.
    for error in schema.maps.all_errors:
        if _harmless(error):
            continue
        place = _place_of(error, served)
        return f"{place}: XSD cannot be understood: {plain(str(error.message))}{_advice(str(error.message))}"
    return None


def plain(message: str) -> str:
    """A compiler's message on one line, without the namespace of XSD."""
    text = message.replace("{http://www.w3.org/2001/XMLSchema}", "xs:")
    text = re.sub(r"Xsd(\w+)\((?:name|ref)='([^']*)'[^)]*\)", _named, text)
    return re.sub(r"\s+", " ", text).strip().rstrip(".")


def _named(found: re.Match[str]) -> str:
    return f"{found.group(1).lower()} {found.group(2)}"


def _place_of(error: Any, served: Mapping[str, Served]) -> str:
    item = served.get(str(error.schema_url or ""))
    if item is None:
        return "XSD"
    inside = str(error.path or "").removeprefix("/xs:schema/")
    found = item.document.tree.find(inside, {"xs": XSD_NAMESPACE}) if inside.startswith("xs:") else None
    return item.document.file if found is None else item.document.place(found)


def _harmless(error: Any) -> bool:
    """Rules that libxml2 leaves unchecked and that change nothing in how a document is read or written."""
    return "restriction" in str(error.message)


def _advice(message: str) -> str:
    return next((f"; {advice}" for words, advice in _ADVICE.items() if words in message), "")


_ADVICE = {
    "not determinist": (
        "an element could be matched at two places of the model (Unique Particle Attribution): let the places be told "
        "apart by the element before them, or give the elements different names"
    ),
    "must not be greater than the value of 'maxOccurs'": "exchange the two, or leave minOccurs out",
    "circular": "a definition may not be made of itself; take one of the references out",
    "Element Declarations Consistent": "elements of one name in one type must have one type: give them different names",
    "content is not valid. Expected is": "something is misspelt or stands where XSD does not allow it",
}
