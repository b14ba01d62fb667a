"""From xmlschema's simple types to shapes: kinds, facets, annotations.

Used by `explain`, at load only.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from esb.contracts.shapes import Bounds, Kind, SimpleShape, Titles, Whitespace
from esb.contracts.wellknown import XSD_NAMESPACE

_XSD = f"{{{XSD_NAMESPACE}}}"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

_KINDS = {
    Kind.TEXT: "string normalizedString token language Name NCName NMTOKEN ID IDREF ENTITY anyURI anySimpleType",
    Kind.INTEGER: (
        "integer nonPositiveInteger negativeInteger long int short byte nonNegativeInteger unsignedLong unsignedInt"
        " unsignedShort unsignedByte positiveInteger"
    ),
    Kind.DECIMAL: "decimal",
    Kind.FLOAT: "float double",
    Kind.BOOLEAN: "boolean",
    Kind.MOMENT: "duration dateTime time date gYearMonth gYear gMonthDay gDay gMonth",
    Kind.BINARY: "base64Binary hexBinary",
    Kind.NAME: "QName NOTATION",
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names.split()}

BUILTINS = frozenset({*_KIND_OF, "NMTOKENS", "IDREFS"} - {"anySimpleType", "NOTATION", "ENTITY"})
"""XSD's own simple types, of which a document may choose one. An entity needs a DTD, and there is none."""

_RANGES: dict[str, tuple[int | None, int | None]] = {
    "nonPositiveInteger": (None, 0),
    "negativeInteger": (None, -1),
    "long": (-(2**63), 2**63 - 1),
    "int": (-(2**31), 2**31 - 1),
    "short": (-(2**15), 2**15 - 1),
    "byte": (-128, 127),
    "nonNegativeInteger": (0, None),
    "unsignedLong": (0, 2**64 - 1),
    "unsignedInt": (0, 2**32 - 1),
    "unsignedShort": (0, 2**16 - 1),
    "unsignedByte": (0, 255),
    "positiveInteger": (1, None),
}

_NOTATION = "xs:NOTATION cannot be validated (libxml2 accepts no value of it); declare the type as xs:QName or xs:token"


class SimpleExplainer:
    """Explains each simple type once."""

    def __init__(self) -> None:
        self._known: dict[int, SimpleShape] = {}

    def shape(self, xsd_type: Any) -> SimpleShape:
        """The shape of one of xmlschema's simple types."""
        known = self._known.get(id(xsd_type))
        if known is None:
            known = self._known[id(xsd_type)] = self._explained(xsd_type)
        return known

    def _explained(self, xsd_type: Any) -> SimpleShape:
        line = ancestry(xsd_type)
        own = [ancestor for ancestor in line if not _builtin(ancestor)]
        titles = next((found for ancestor in own if (found := titles_of(ancestor))), Titles())
        if xsd_type.is_list():
            return self._list(xsd_type, line, titles)
        if xsd_type.is_union():
            return self._union(xsd_type, line, titles)
        builtin = next((name for ancestor in line if (name := _builtin(ancestor)) in _KIND_OF), "anySimpleType")
        return SimpleShape(
            kind=_KIND_OF[builtin],
            builtin=builtin,
            whitespace=Whitespace(xsd_type.white_space or "preserve"),
            qname=xsd_type.name or "",
            bounds=_bounds(line, builtin),
            titles=titles,
            refusal=_NOTATION if builtin == "NOTATION" else None,
        )

    def _list(self, xsd_type: Any, line: list[Any], titles: Titles) -> SimpleShape:
        item = next(ancestor.item_type for ancestor in line if getattr(ancestor, "item_type", None) is not None)
        shape = self.shape(item)
        bounds = _bounds(line, "")
        if bounds.min_length is None and any(_builtin(ancestor) for ancestor in line[:-1]):
            # IDREFS, ENTITIES and NMTOKENS: XSD part 2, 3.3.4.
            bounds = replace(bounds, min_length=1)
        return SimpleShape(
            kind=Kind.LIST,
            builtin="list",
            whitespace=Whitespace.COLLAPSE,
            qname=xsd_type.name or "",
            bounds=bounds,
            item=shape,
            titles=titles,
            refusal=shape.refusal,
        )

    def _union(self, xsd_type: Any, line: list[Any], titles: Titles) -> SimpleShape:
        members = next(ancestor.member_types for ancestor in line if getattr(ancestor, "member_types", None))
        shapes = tuple(self.shape(member) for member in members)
        kinds = {shape.kind for shape in shapes}
        alike = len(kinds) == 1 and Kind.LIST not in kinds
        collapsing = all(shape.whitespace is Whitespace.COLLAPSE for shape in shapes)
        refusal = next((shape.refusal for shape in shapes if shape.refusal), None)
        if any(shape.names for shape in shapes):
            refusal = "a union with xs:QName or xs:NOTATION: what its text means depends on prefixes, or it does not"
        return SimpleShape(
            kind=kinds.pop() if alike else Kind.TEXT,
            builtin="union",
            whitespace=Whitespace.COLLAPSE if collapsing else Whitespace.PRESERVE,
            qname=xsd_type.name or "",
            bounds=_bounds(line, ""),
            members=shapes,
            titles=titles,
            refusal=refusal,
        )


def ancestry(xsd_type: Any) -> list[Any]:
    """The type and what it derives from, nearest first."""
    line: list[Any] = []
    while xsd_type is not None:
        line.append(xsd_type)
        xsd_type = xsd_type.base_type
    return line


def titles_of(component: Any) -> Titles | None:
    """What the annotation of a component calls it."""
    annotation = component.annotation
    if annotation is None:
        return None
    texts: dict[str, str] = {}
    for documentation in annotation.documentation:
        text = " ".join((documentation.text or "").split())
        if text:
            texts.setdefault(documentation.attrib.get(_LANGUAGE, "en")[:2], text)
    return Titles(az=texts.get("az"), en=texts.get("en")) if texts else None


def _builtin(xsd_type: Any) -> str | None:
    name = xsd_type.name
    return name[len(_XSD) :] if name and name.startswith(_XSD) else None


def _bounds(line: list[Any], builtin: str) -> Bounds:
    """The nearest facet of each kind counts, but every derivation step's pattern."""
    facets: dict[str, Any] = {}
    patterns: list[tuple[str, ...]] = []
    for step in line:
        if _builtin(step):
            break
        for name, facet in step.facets.items():
            if name == _XSD + "pattern":
                patterns.append(tuple(facet.regexps))
            elif name is not None:
                facets.setdefault(name[len(_XSD) :], facet)
    lowest, highest = _RANGES.get(builtin, (None, None))
    length = _value(facets, "length")
    minimum, maximum = _value(facets, "minInclusive"), _value(facets, "maxInclusive")
    return Bounds(
        enumeration=_enumeration(facets.get("enumeration"), builtin),
        patterns=tuple(patterns),
        min_length=length if length is not None else _value(facets, "minLength"),
        max_length=length if length is not None else _value(facets, "maxLength"),
        minimum=_limit(minimum if minimum is not None else lowest),
        maximum=_limit(maximum if maximum is not None else highest),
        above=_limit(_value(facets, "minExclusive")),
        below=_limit(_value(facets, "maxExclusive")),
        total_digits=_value(facets, "totalDigits"),
        fraction_digits=_value(facets, "fractionDigits"),
    )


def _enumeration(facet: Any, builtin: str) -> tuple[str, ...] | None:
    if facet is None:
        return None
    if _KIND_OF.get(builtin) is Kind.NAME:
        return tuple(facet.enumeration)
    return tuple(item.attrib["value"] for item in facet)


def _value(facets: dict[str, Any], name: str) -> Any:
    return facets[name].value if name in facets else None


def _limit(value: Any) -> Decimal | str | None:
    if value is None:
        return None
    return Decimal(value) if isinstance(value, int | Decimal) else str(value)
