"""The schemas of a SOAP-encoded WSDL, rewritten to what their messages look like without the encoding.

Called by `compiler` on each document before it is joined, when a port is rpc/encoded. Encoded simple types become
XSD's, arrays (SOAP 1.1 section 5.4.2, WSDL 1.1 section 2.2) become a sequence of `item`, and every member may be nil,
as the encoding allows.
"""

from __future__ import annotations

from lxml import etree

from esb.contracts.components import Reference, references, write_name
from esb.contracts.gathering import XSD, SchemaDocument
from esb.contracts.intake import line_of
from esb.contracts.wellknown import BUILTIN_TYPES, SOAP12_ENCODING, SOAP_ENCODING, XSD_NAMESPACE
from esb.errors import ContractUnsupported
from security.xml import Element

ENCODINGS = frozenset({SOAP_ENCODING, SOAP12_ENCODING})
ARRAY_MARK = "{urn:esb:wsdl-parts}array"
"""Set on a complex type that was an encoded array; schema compilers pass over foreign attributes."""

_ARRAY_TYPE = "{http://schemas.xmlsoap.org/wsdl/}arrayType"
_RESTRICTIONS = frozenset({XSD + "restriction", XSD + "extension"})
_ATTRIBUTE_USES = frozenset({XSD + "attribute", XSD + "attributeGroup"})


def literal_form(document: SchemaDocument) -> None:
    """Rewrite a document in place. Raises ContractUnsupported: an array of several dimensions at once."""
    if document.namespace in ENCODINGS:
        return
    encoded = [item for item in references(document) if item.namespace in ENCODINGS]
    for reference in encoded:
        if reference.element.tag in _RESTRICTIONS and reference.name == "Array":
            _array(document, reference.element)
    for reference in encoded:
        if reference.kind == "type" and _simple(reference.name) is not None:
            _retype(reference)
        elif reference.element.tag in _ATTRIBUTE_USES and reference.element.getparent() is not None:
            reference.element.getparent().remove(reference.element)  # type: ignore[union-attr]
    for element in document.tree.iter(XSD + "element"):
        if element.getparent() is not document.tree and element.get("ref") is None:
            element.set("nillable", "true")


def _retype(reference: Reference) -> None:
    write_name(
        reference.element,
        reference.attribute,
        reference.written,
        XSD_NAMESPACE,
        _simple(reference.name) or reference.name,
    )


def _simple(name: str) -> str | None:
    """The XSD type of an encoded simple type; SOAP 1.1 adds `base64` to XSD's names."""
    if name == "base64":
        return "base64Binary"
    return name if name in BUILTIN_TYPES else None


def _array(document: SchemaDocument, derivation: Element) -> None:
    owner = derivation.getparent()
    owner = None if owner is None else owner.getparent()
    if owner is None or owner.tag != XSD + "complexType":
        raise ContractUnsupported(f"{document.place(derivation)}: an encoded array stands outside of a complex type")
    declared = derivation.find(f".//{XSD}element")
    attribute = next((item for item in derivation.iter(XSD + "attribute") if item.get(_ARRAY_TYPE)), None)
    line = document.place(derivation)
    item_type, nesting = _item_type(document, attribute, line)
    for child in list(owner):
        if child.tag != XSD + "annotation":
            owner.remove(child)
    owner.set(ARRAY_MARK, "true")
    if "mixed" in owner.attrib:
        del owner.attrib["mixed"]
    if declared is not None and item_type is None:
        _item_as_declared(owner, declared)
    else:
        _item_of_type(owner, item_type or (XSD_NAMESPACE, "anyType"), nesting)


def _item_type(document: SchemaDocument, attribute: Element | None, place: str) -> tuple[tuple[str, str] | None, int]:
    """The type of one item, and how many arrays of arrays there are around it."""
    if attribute is None:
        return None, 0
    written = (attribute.get(_ARRAY_TYPE) or "").strip()
    name, bracket, dimensions = written.partition("[")
    if "," in dimensions:
        raise ContractUnsupported(f"{place}: arrays of several dimensions ({written}) are not read; nest them")
    prefix, _, local = name.rpartition(":")
    namespace = attribute.nsmap.get(prefix or None, document.namespace if not prefix else None)
    if namespace is None:
        raise ContractUnsupported(f"{place}: the prefix of {written} is declared nowhere")
    if namespace in ENCODINGS and _simple(local):
        namespace, local = XSD_NAMESPACE, _simple(local) or local
    return (namespace, local), (bracket + dimensions).count("[") - 1


def _item_as_declared(owner: Element, declared: Element) -> None:
    owner.append(etree.Element(XSD + "sequence"))
    owner[-1].append(declared)
    declared.set("minOccurs", "0")
    declared.set("maxOccurs", "unbounded")


def _item_of_type(owner: Element, item_type: tuple[str, str], nesting: int) -> None:
    for _ in range(nesting):
        item = _item(owner)
        owner = etree.SubElement(item, XSD + "complexType")
        owner.set(ARRAY_MARK, "true")
    item = _item(owner)
    namespace, local = item_type
    item.set("type", local)
    if namespace:
        write_name(item, "type", local, namespace, local)


def _item(owner: Element) -> Element:
    sequence = etree.SubElement(owner, XSD + "sequence")
    item = etree.SubElement(sequence, XSD + "element", name="item", minOccurs="0", maxOccurs="unbounded")
    item.set("form", "unqualified")
    item.sourceline = max(line_of(owner), 1)  # type: ignore[assignment]  # the stubs take it for an ellipsis
    return item
