"""From xmlschema's components to shapes.

Called by `Contract` at load. xmlschema explains; it is never kept and never validates a message (it is ninety times
slower than libxml2).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import xmlschema

from esb.contracts.shapes import (
    AttributeShape,
    Bounds,
    ComplexShape,
    ElementShape,
    GroupShape,
    Kind,
    Order,
    SimpleShape,
    Titles,
    Whitespace,
)

_XSD = "{http://www.w3.org/2001/XMLSchema}"
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
}
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names.split()}

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


class Explainer:
    """Walks one compiled schema; every type is explained once, so that recursive types end."""

    def __init__(self, schema: xmlschema.XMLSchema10) -> None:
        self._schema = schema
        self._complex: dict[int, ComplexShape] = {}
        self._simple: dict[int, SimpleShape] = {}

    def elements(self, namespaces: Iterable[str]) -> dict[str, ElementShape]:
        """Every global element of these namespaces, by `{namespace}local`."""
        wanted = frozenset(namespaces)
        return {
            element.name: self._element(element)
            for element in self._schema.maps.elements.values()
            if element.target_namespace in wanted
        }

    def _element(self, element: Any) -> ElementShape:
        namespace, name = _split(element.name)
        declaration = element.ref if element.ref is not None else element
        shape = self._type(element.type)
        return ElementShape(
            namespace=namespace,
            name=name,
            type=shape,
            minimum=element.min_occurs,
            maximum=element.max_occurs,
            nillable=bool(declaration.nillable),
            default=declaration.fixed if declaration.fixed is not None else declaration.default,
            titles=_titles(element) or _titles(declaration) or shape.titles,
        )

    def _particle(self, particle: Any) -> ElementShape | GroupShape:
        if hasattr(particle, "model"):
            return self._group(particle)
        substitutes = sorted(self._substitutes(particle), key=lambda element: str(element.name))
        if not substitutes and not particle.abstract:
            return self._element(particle)
        heads = [] if particle.abstract else [particle.ref or particle]
        return GroupShape(
            order=Order.CHOICE,
            members=tuple(self._element(element) for element in (*heads, *substitutes)),
            minimum=particle.min_occurs,
            maximum=particle.max_occurs,
        )

    def _substitutes(self, element: Any) -> list[Any]:
        found: list[Any] = []
        # Only a global element can be the head of a substitution group.
        if element.ref is None:
            return found
        for member in self._schema.maps.substitution_groups.get(element.name, ()):
            found += self._substitutes_of_global(member)
        return found

    def _substitutes_of_global(self, element: Any) -> list[Any]:
        found = [] if element.abstract else [element]
        for member in self._schema.maps.substitution_groups.get(element.name, ()):
            found += self._substitutes_of_global(member)
        return found

    def _group(self, group: Any) -> GroupShape:
        return GroupShape(
            order=Order(group.model),
            members=tuple(self._particle(member) for member in group if member.max_occurs != 0),
            minimum=group.min_occurs,
            maximum=group.max_occurs,
        )

    def _type(self, xsd_type: Any) -> SimpleShape | ComplexShape:
        return self._complex_type(xsd_type) if xsd_type.is_complex() else self._simple_type(xsd_type)

    def _complex_type(self, xsd_type: Any) -> ComplexShape:
        known = self._complex.get(id(xsd_type))
        if known is not None:
            return known
        name = xsd_type.local_name or "an anonymous type"
        shape = self._complex[id(xsd_type)] = ComplexShape(name=name)
        shape.titles = _titles(xsd_type) or Titles()
        shape.refusal = _refusal(xsd_type, name)
        if shape.refusal is None:
            shape.attributes = tuple(
                self._attribute(attribute)
                for attribute in xsd_type.attributes.values()
                if attribute.use != "prohibited"
            )
            if xsd_type.has_simple_content():
                shape.text = self._simple_type(xsd_type.content)
            else:
                shape.content = self._group(xsd_type.content)
        return shape

    def _attribute(self, attribute: Any) -> AttributeShape:
        namespace, name = _split(attribute.name)
        shape = self._simple_type(attribute.type)
        return AttributeShape(
            namespace=namespace,
            name=name,
            type=shape,
            required=attribute.use == "required",
            default=attribute.fixed if attribute.fixed is not None else attribute.default,
            titles=_titles(attribute) or shape.titles,
        )

    def _simple_type(self, xsd_type: Any) -> SimpleShape:
        known = self._simple.get(id(xsd_type))
        if known is None:
            known = self._simple[id(xsd_type)] = self._explain_simple(xsd_type)
        return known

    def _explain_simple(self, xsd_type: Any) -> SimpleShape:
        line = _ancestry(xsd_type)
        titles = next((found for ancestor in line if (found := _titles(ancestor))), Titles())
        if xsd_type.is_list():
            item = next(ancestor.item_type for ancestor in line if getattr(ancestor, "item_type", None) is not None)
            return SimpleShape(
                kind=Kind.LIST,
                builtin="list",
                whitespace=Whitespace.COLLAPSE,
                bounds=_bounds(line, ""),
                item=self._simple_type(item),
                titles=titles,
            )
        if xsd_type.is_union():
            return self._union(line, titles)
        builtin = next((name for ancestor in line if (name := _builtin(ancestor))), "anySimpleType")
        kind = _KIND_OF.get(builtin)
        return SimpleShape(
            kind=kind or Kind.TEXT,
            builtin=builtin,
            whitespace=Whitespace(xsd_type.white_space or "preserve"),
            bounds=_bounds(line, builtin),
            titles=titles,
            refusal=None if kind else f"xs:{builtin} has no plain form, because its value depends on prefixes",
        )

    def _union(self, line: list[Any], titles: Titles) -> SimpleShape:
        members = next(ancestor.member_types for ancestor in line if getattr(ancestor, "member_types", None))
        shapes = tuple(self._simple_type(member) for member in members)
        kinds = {shape.kind for shape in shapes}
        alike = len(kinds) == 1 and Kind.LIST not in kinds
        collapsing = all(shape.whitespace is Whitespace.COLLAPSE for shape in shapes)
        return SimpleShape(
            kind=kinds.pop() if alike else Kind.TEXT,
            builtin="union",
            whitespace=Whitespace.COLLAPSE if collapsing else Whitespace.PRESERVE,
            bounds=_bounds(line, ""),
            members=shapes,
            titles=titles,
            refusal=next((shape.refusal for shape in shapes if shape.refusal), None),
        )


def _refusal(xsd_type: Any, name: str) -> str | None:
    if xsd_type.name == _XSD + "anyType":
        return "xs:anyType: an element without a type can hold anything"
    if xsd_type.abstract:
        return f"{name} is abstract, so documents would choose their own type"
    if xsd_type.mixed and not xsd_type.has_simple_content():
        return f"{name} has mixed content"
    if None in xsd_type.attributes:
        return f"{name} allows any attribute (xs:anyAttribute)"
    if not xsd_type.has_simple_content() and _has_wildcard(xsd_type.content):
        return f"{name} allows any element (xs:any)"
    return None


def _has_wildcard(group: Any) -> bool:
    return any(_has_wildcard(member) if hasattr(member, "model") else _is_wildcard(member) for member in group)


def _is_wildcard(particle: Any) -> bool:
    return bool(type(particle).__name__ == "XsdAnyElement")


def _ancestry(xsd_type: Any) -> list[Any]:
    line: list[Any] = []
    while xsd_type is not None:
        line.append(xsd_type)
        xsd_type = xsd_type.base_type
    return line


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
        enumeration=tuple(item.attrib["value"] for item in facets["enumeration"]) if "enumeration" in facets else None,
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


def _value(facets: dict[str, Any], name: str) -> Any:
    return facets[name].value if name in facets else None


def _limit(value: Any) -> Decimal | str | None:
    if value is None:
        return None
    return Decimal(value) if isinstance(value, int | Decimal) else str(value)


def _split(name: str) -> tuple[str, str]:
    namespace, _, local = name.rpartition("}")
    return namespace[1:], local


def _titles(component: Any) -> Titles | None:
    annotation = component.annotation
    if annotation is None:
        return None
    texts: dict[str, str] = {}
    for documentation in annotation.documentation:
        text = " ".join((documentation.text or "").split())
        if text:
            texts.setdefault(documentation.attrib.get(_LANGUAGE, "en")[:2], text)
    return Titles(az=texts.get("az"), en=texts.get("en")) if texts else None
