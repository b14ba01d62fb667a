"""From xmlschema's components to shapes: elements, complex types and model groups.

Called by `Contract` at load. xmlschema explains; it is never kept and never validates a message (it is ninety times
slower than libxml2).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import xmlschema

from esb.contracts.explain_simple import BUILTINS, SimpleExplainer, ancestry, titles_of
from esb.contracts.names import split
from esb.contracts.shapes import (
    AttributeShape,
    ComplexShape,
    Declarations,
    ElementShape,
    GroupShape,
    Order,
    Particle,
    Processing,
    SimpleShape,
    Titles,
    Type,
    Wildcard,
)
from esb.contracts.wellknown import XSD_NAMESPACE

_XSD = f"{{{XSD_NAMESPACE}}}"
_ANY_TYPE = _XSD + "anyType"
_ANY_SIMPLE_TYPE = _XSD + "anySimpleType"
_OPAQUE = frozenset({"http://www.w3.org/2000/09/xmldsig#", "http://www.w3.org/2001/04/xmlenc#"})
_ANY = frozenset({_ANY_TYPE, _ANY_SIMPLE_TYPE})


class Explainer:
    """Walks one compiled schema; every type is explained once, so that recursive types end."""

    def __init__(self, schema: xmlschema.XMLSchema10) -> None:
        self._schema = schema
        self._simple = SimpleExplainer()
        self._complex: dict[int, ComplexShape] = {}
        self._choices: dict[str | int, dict[str, Type]] = {}
        # A signature is kept as it stands where the W3C's own schema is, in which its types are mixed.
        self._opaque = _OPAQUE & {split(str(each.name))[0] for each in schema.maps.types.values() if _is_mixed(each)}
        self._unfilled: list[tuple[ComplexShape, Any]] = []
        self._derived: defaultdict[str | int, list[Any]] = defaultdict(list)
        for xsd_type in filter(_may_be_chosen, schema.maps.types.values()):
            for ancestor in ancestry(xsd_type)[1:]:
                if ancestor.name not in _ANY:
                    self._derived[_key(ancestor)].append(xsd_type)
            # Not every line goes back to these two in xmlschema.
            self._derived[_ANY_TYPE].append(xsd_type)
            if xsd_type.is_simple():
                self._derived[_ANY_SIMPLE_TYPE].append(xsd_type)

    def elements(self, namespaces: Iterable[str]) -> Declarations:
        """Every global element of these namespaces, by `{namespace}local`."""
        wanted = frozenset(namespaces)
        elements = {
            element.name: self._element(element)
            for element in self._schema.maps.elements.values()
            if element.target_namespace in wanted
        }
        # Not by recursion: a chain of types may be longer than Python's stack.
        while self._unfilled:
            self._fill(*self._unfilled.pop())
        return Declarations(elements=elements)

    def _element(self, element: Any) -> ElementShape:
        namespace, name = split(element.name)
        declaration = element.ref if element.ref is not None else element
        shape = self._type(element.type)
        return ElementShape(
            namespace=namespace,
            name=name,
            type=shape,
            minimum=element.min_occurs,
            maximum=element.max_occurs,
            nillable=bool(declaration.nillable),
            abstract=bool(declaration.abstract),
            default=declaration.fixed if declaration.fixed is not None else declaration.default,
            fixed=declaration.fixed is not None,
            choices=self._choices_of(element.type),
            titles=titles_of(element) or titles_of(declaration) or shape.titles,
        )

    def _choices_of(self, xsd_type: Any) -> Mapping[str, Type]:
        """The types that xsi:type may name where this one is declared, but those that change nothing in plain data.

        A restriction of a simple type is read as the type that was declared: libxml2 checks it, its values are values
        of the declared type, and only its name goes.
        """
        known = self._choices.get(_key(xsd_type))
        if known is not None:
            return known
        choices = self._choices[_key(xsd_type)] = {}
        for derived in self._derived.get(_key(xsd_type), ()):
            if derived.is_complex() or xsd_type.name in _ANY:
                choices[derived.name] = self._type(derived)
        return choices

    def _particle(self, particle: Any) -> Particle:
        if hasattr(particle, "model"):
            return self._group(particle)
        if not hasattr(particle, "nillable"):
            return _wildcard(particle, minimum=particle.min_occurs, maximum=particle.max_occurs)
        substitutes = sorted(self._substitutes(particle), key=lambda element: str(element.name))
        if not substitutes:
            return self._element(particle)
        heads = [] if particle.abstract else [particle.ref or particle]
        return GroupShape(
            order=Order.CHOICE,
            members=tuple(self._element(element) for element in (*heads, *substitutes)),
            minimum=particle.min_occurs,
            maximum=particle.max_occurs,
        )

    def _substitutes(self, element: Any) -> list[Any]:
        # Only a global element can be the head of a substitution group.
        return [] if element.ref is None else self._substitutes_of_global(element, {element.name})

    def _substitutes_of_global(self, element: Any, seen: set[str]) -> list[Any]:
        found: list[Any] = []
        for member in self._schema.maps.substitution_groups.get(element.name, ()):
            if member.name not in seen:
                seen.add(member.name)
                found += [] if member.abstract else [member]
                found += self._substitutes_of_global(member, seen)
        return found

    def _group(self, group: Any) -> GroupShape:
        return GroupShape(
            order=Order(group.model),
            members=tuple(self._particle(member) for member in group if member.max_occurs != 0),
            minimum=group.min_occurs,
            maximum=group.max_occurs,
        )

    def _type(self, xsd_type: Any) -> Type:
        return self._complex_type(xsd_type) if xsd_type.is_complex() else self._simple.shape(xsd_type)

    def _complex_type(self, xsd_type: Any) -> ComplexShape:
        known = self._complex.get(id(xsd_type))
        if known is not None:
            return known
        name = xsd_type.local_name or "an anonymous type"
        shape = self._complex[id(xsd_type)] = ComplexShape(name=name, qname=xsd_type.name or "")
        shape.titles = titles_of(xsd_type) or Titles()
        shape.abstract = bool(xsd_type.abstract)
        if xsd_type.name == _ANY_TYPE or split(shape.qname)[0] in self._opaque:
            shape.anything, shape.any_attribute = True, Wildcard(processing=Processing.LAX)
        if xsd_type.mixed and not shape.anything and not xsd_type.has_simple_content():
            shape.refusal = _MIXED.format(name=name)
        elif not shape.anything:
            self._unfilled.append((shape, xsd_type))
        return shape

    def _fill(self, shape: ComplexShape, xsd_type: Any) -> None:
        attributes = [
            self._attribute(attribute)
            for name, attribute in xsd_type.attributes.items()
            if name is not None and attribute.use != "prohibited"
        ]
        shape.attributes = _told_apart(attributes)
        if None in xsd_type.attributes:
            shape.any_attribute = _wildcard(xsd_type.attributes[None], minimum=0, maximum=None)
        if xsd_type.has_simple_content():
            shape.text = self._simple.shape(xsd_type.content)
        else:
            shape.content = self._group(xsd_type.content)

    def _attribute(self, attribute: Any) -> AttributeShape:
        namespace, name = split(attribute.name)
        shape: SimpleShape = self._simple.shape(attribute.type)
        return AttributeShape(
            namespace=namespace,
            name=name,
            type=shape,
            required=attribute.use == "required",
            default=attribute.fixed if attribute.fixed is not None else attribute.default,
            fixed=attribute.fixed is not None,
            titles=titles_of(attribute) or shape.titles,
        )


_MIXED = (
    "{name} has mixed content (text between its elements), which has no faithful plain form;"
    " declare it without mixed, or as text"
)


def _is_mixed(xsd_type: Any) -> bool:
    return xsd_type.is_complex() and bool(xsd_type.mixed)


def _may_be_chosen(xsd_type: Any) -> bool:
    """Whether xsi:type may name it. xmlschema has the types of the schema for schemas among the others."""
    name = str(xsd_type.name)
    if name.startswith(_XSD):
        return name[len(_XSD) :] in BUILTINS
    return not getattr(xsd_type, "abstract", False)


def _key(xsd_type: Any) -> str | int:
    """By name where there is one: there are several objects for xs:anyType."""
    return xsd_type.name or id(xsd_type)


def _told_apart(attributes: list[AttributeShape]) -> tuple[AttributeShape, ...]:
    names = [attribute.name for attribute in attributes]
    return tuple(replace(each, clashes=names.count(each.name) > 1) for each in attributes)


def _wildcard(component: Any, *, minimum: int, maximum: int | None) -> Wildcard:
    listed, excluded = frozenset[str](component.namespace), frozenset[str](component.not_namespace)
    if "##other" in listed:
        # XSD 1.0 part 1, 3.10.2: neither the target namespace nor none.
        excluded = frozenset({component.target_namespace, ""})
    namespaces = None if excluded or "##any" in listed else listed
    return Wildcard(
        processing=Processing(component.process_contents),
        namespaces=namespaces,
        excluded=excluded,
        minimum=minimum,
        maximum=maximum,
    )
