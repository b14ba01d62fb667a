"""Whether one text fits a simple type, asked of libxml2 away from its document.

Used by `lax`: libxml2 stops looking into an element where its children are not as declared, so that the values after
that place would go unseen. Each type is written as an XSD of its own and compiled when it is first met.
"""

from __future__ import annotations

from dataclasses import replace
from xml.sax.saxutils import quoteattr

from lxml import etree

from esb.contracts.shapes import Kind, SimpleShape, Whitespace
from esb.contracts.wellknown import XSD_NAMESPACE


class ValueChecks:
    """Validators by type. May be shared by threads: the worst is that one is compiled twice."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, bool], tuple[SimpleShape, etree.XMLSchema]] = {}

    def fits(self, shape: SimpleShape, text: str) -> bool:
        """Whether the text is a value of the type. Names (QName) always fit: their prefixes are not here."""
        return self._fits(shape, text, listed=True)

    def fits_but_enumeration(self, shape: SimpleShape, text: str) -> bool:
        """Whether the text would be a value of the type if more values were listed."""
        return shape.bounds.enumeration is not None and self._fits(shape, text, listed=False)

    def _fits(self, shape: SimpleShape, text: str, *, listed: bool) -> bool:
        if shape.names:
            return True
        element = etree.Element("v")
        element.text = text
        return self._validator(shape, listed=listed).validate(element)

    def _validator(self, original: SimpleShape, *, listed: bool) -> etree.XMLSchema:
        known = self._known.get((id(original), listed))
        if known is not None:
            return known[1]
        shape = original if listed else replace(original, bounds=replace(original.bounds, enumeration=None))
        schema = f'<xs:schema xmlns:xs="{XSD_NAMESPACE}"><xs:element name="v">{_type(shape)}</xs:element></xs:schema>'
        validator = etree.XMLSchema(etree.fromstring(schema))
        # The shape is held as well, so that its id stays its own.
        self._known[id(original), listed] = original, validator
        return validator


def _type(shape: SimpleShape) -> str:
    """The type without its names: one restriction for its facets, and one for the patterns of each further step."""
    facets = _facets(shape)
    written = ""
    for step in reversed(shape.bounds.patterns or ((),)):
        patterns = "".join(f"<xs:pattern value={_quoted(pattern)}/>" for pattern in step)
        written = _restriction(written or _base(shape), patterns + ("" if written else facets))
    return written


def _base(shape: SimpleShape) -> str:
    if shape.kind is Kind.LIST and shape.item is not None:
        return f"<xs:simpleType><xs:list>{_type(shape.item)}</xs:list></xs:simpleType>"
    if shape.members:
        members = "".join(_type(member) for member in shape.members)
        return f"<xs:simpleType><xs:union>{members}</xs:union></xs:simpleType>"
    return f"xs:{shape.builtin if shape.builtin != 'anySimpleType' else 'string'}"


def _restriction(base: str, facets: str) -> str:
    named = base.startswith("xs:")
    inner = f'<xs:restriction base="{base}">{facets}' if named else f"<xs:restriction>{base}{facets}"
    return f"<xs:simpleType>{inner}</xs:restriction></xs:simpleType>"


def _facets(shape: SimpleShape) -> str:
    bounds = shape.bounds
    found = {
        "minLength": bounds.min_length,
        "maxLength": bounds.max_length,
        "minInclusive": bounds.minimum,
        "maxInclusive": bounds.maximum,
        "minExclusive": bounds.above,
        "maxExclusive": bounds.below,
        "totalDigits": bounds.total_digits,
        "fractionDigits": bounds.fraction_digits,
    }
    if shape.builtin == "string" and shape.whitespace is not Whitespace.PRESERVE:
        found["whiteSpace"] = str(shape.whitespace)
    # An exclusive bound and an inclusive one may not stand together; xs:byte and its kin bring inclusive ones.
    if bounds.above is not None:
        found["minInclusive"] = None
    if bounds.below is not None:
        found["maxInclusive"] = None
    written = "".join(f"<xs:{name} value={_quoted(str(value))}/>" for name, value in found.items() if value is not None)
    return written + "".join(f"<xs:enumeration value={_quoted(text)}/>" for text in bounds.enumeration or ())


def _quoted(text: str) -> str:
    return quoteattr(text, {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})
