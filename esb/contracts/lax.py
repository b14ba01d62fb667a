"""Reads a reply that breaks its contract: what is wrong becomes findings, and every value is kept.

Called by `Decoder.decode_lax` only for documents that libxml2 has refused, of agencies whose manifest says `lax`;
requests are never read like this. Lax is the structure alone: an element or attribute that the contract does not know
(kept in the form of `generic`, or as `@name`), one that is missing, stands in another order or too often, a value
beyond an enumeration. A value that is not of its type is refused as ever.

Attributes of an element that is one value in plain data go to the key `#attributes` of the object around it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from esb.contracts import generic
from esb.contracts.decoder import simple_reader
from esb.contracts.layout import Layout, Place, Run, layout_of
from esb.contracts.lexical import reader
from esb.contracts.names import (
    NIL_KEY,
    TEXT_KEY,
    TYPE_KEY,
    XSI_HINTS,
    XSI_NIL,
    XSI_TYPE,
    attribute_key,
    resolved,
    split,
    type_key,
)
from esb.contracts.shapes import (
    ComplexShape,
    Declarations,
    ElementShape,
    Order,
    Processing,
    SimpleShape,
    Type,
    supported,
)
from esb.contracts.value_checks import ValueChecks
from esb.contracts.walk import compile_walk
from esb.errors import ContractUnsupported, ContractViolation
from security.xml import Element

ATTRIBUTES = "#attributes"
_MAX_STRAY = 100
"""Each stray element of a type whose children only their order tells apart costs a walk over all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as the contract has it. `path` as in ContractViolation, "" for the document itself."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


class LaxReader:
    """Reads documents of one root. Holds no state of a document."""

    def __init__(self, root: ElementShape, declarations: Declarations) -> None:
        self._root = root
        self._declarations = declarations
        self._checks = ValueChecks()

    def read(self, root: Element) -> tuple[Any, tuple[Finding, ...]]:
        """Plain data and what is wrong.

        Raises:
            ContractViolation: a value is not of its type, or there is no telling what an element is.
        """
        reading = _Reading(self._declarations, self._checks)
        data, attributes = reading.element(root, self._root, "")
        if attributes:
            data = {**data, **attributes} if isinstance(data, dict) else {"value": data, **attributes}
        return data, tuple(reading.findings)


class _Reading:
    """One document."""

    def __init__(self, declarations: Declarations, checks: ValueChecks) -> None:
        self._declarations = declarations
        self._checks = checks
        self.findings: list[Finding] = []

    def element(self, node: Element, element: ElementShape, path: str) -> tuple[Any, dict[str, str]]:
        """The value, and the attributes that have no place in it."""
        shape, chosen = self._type(node, element, path)
        if (node.get(XSI_NIL) or "").strip() in {"true", "1"}:
            return self._nil(node, element, shape, chosen, path)
        if isinstance(shape, SimpleShape) or shape.bare:
            text = shape if isinstance(shape, SimpleShape) else shape.text
            value = self._text(node, text, element.default, path)
            attributes = self._unknown_attributes(node, frozenset(), path)
            return ({**chosen, "value": value}, attributes) if chosen else (value, attributes)
        if shape.anything or shape.abstract:
            return generic.read_untyped(node, self._declared(path)), {}
        return {**chosen, **self._object(node, shape, element.default, path)}, {}

    def _found(self, path: str, reason: str) -> None:
        self.findings.append(Finding(path=path, reason=reason))

    def _type(self, node: Element, element: ElementShape, path: str) -> tuple[Type, dict[str, Any]]:
        """The type to read by, and what plain data say of it."""
        declared, said = element.type, node.get(XSI_TYPE)
        abstract = isinstance(declared, ComplexShape) and declared.abstract
        if said is not None:
            qname = _at(path, lambda: resolved(said, node.nsmap))
            shape = element.choices.get(qname)
            if shape is not None:
                _at(path, lambda: _readable(shape))
                return shape, {TYPE_KEY: type_key(qname, element.choices, "" if abstract else declared.qname)}
            if qname != declared.qname and not isinstance(declared, SimpleShape):
                self._found(path, "chooses a type that the contract does not offer here (xsi:type)")
                return declared, {} if abstract else {TYPE_KEY: qname}
        if abstract:
            self._found(path, "is of an abstract type and names no other (xsi:type)")
        return declared, {}

    def _nil(
        self, node: Element, element: ElementShape, shape: Type, chosen: dict[str, Any], path: str
    ) -> tuple[Any, dict[str, str]]:
        if not element.nillable:
            self._found(path, "is nil, which the contract does not allow")
        if len(node) or node.text:
            raise ContractViolation("is nil and has content", path=path or None)
        if isinstance(shape, SimpleShape) or shape.bare:
            return ({NIL_KEY: True, **chosen} if chosen else None), self._unknown_attributes(node, frozenset(), path)
        values = {**chosen, **self._attributes(node, shape, path)}
        return ({NIL_KEY: True, **values} if values else None), {}

    # --- values -------------------------------------------------------------------------------------------

    def _text(self, node: Element, shape: SimpleShape | None, default: str | None, path: str) -> Any:
        if shape is None or len(node):
            raise ContractViolation("has child elements where only text may stand", path=path or None)
        self._check(shape, node.text or default or "", path)
        return _at(path, lambda: simple_reader(shape, default)(node))

    def _check(self, shape: SimpleShape, text: str, path: str) -> None:
        if self._checks.fits(shape, text):
            return
        if not self._checks.fits_but_enumeration(shape, text):
            raise ContractViolation(f"is not a valid {_name_of(shape)}", path=path or None)
        self._found(path, "is not one of the allowed values")

    def _attributes(self, node: Element, shape: ComplexShape, path: str) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for attribute in shape.attributes:
            text = node.get(attribute.tag, attribute.default)
            place = _below(path, attribute.key)
            if text is not None:
                self._check(attribute.type, text, place)
                values[attribute.key] = _at(place, lambda: _attribute_value(attribute.type, text, node))  # noqa: B023 - called at once
            elif attribute.required:
                self._found(place, "is required")
        declared = frozenset(attribute.tag for attribute in shape.attributes)
        if shape.any_attribute is None:
            return values | self._unknown_attributes(node, declared, path)
        others = [str(name) for name in node.attrib if str(name) not in {*declared, XSI_TYPE, XSI_NIL, *XSI_HINTS}]
        return values | {attribute_key(name): str(node.get(name)) for name in others}

    def _unknown_attributes(self, node: Element, declared: frozenset[str], path: str) -> dict[str, str]:
        known = {*declared, XSI_TYPE, XSI_NIL, *XSI_HINTS}
        unknown = [str(name) for name in node.attrib if str(name) not in known]
        for name in unknown:
            self._found(_below(path, attribute_key(name)), "is not in the contract")
        return {attribute_key(name): str(node.get(name)) for name in unknown}

    # --- children -----------------------------------------------------------------------------------------

    def _object(self, node: Element, shape: ComplexShape, default: str | None, path: str) -> dict[str, Any]:
        values = self._attributes(node, shape, path)
        if shape.text is not None:
            return {"value": self._text(node, shape.text, default, path), **values}
        children = self._children(node, layout_of(shape), path)
        text = "".join([node.text or "", *(child.tail or "" for child in node)])
        if text.strip(" \t\r\n"):
            self._found(path, "has text between its child elements")
            children[TEXT_KEY] = text
        return children | values

    def _children(self, node: Element, layout: Layout, path: str) -> dict[str, Any]:
        children = list(node)
        paths = dict(zip(children, _paths(children, path), strict=True))
        attributes: dict[str, dict[str, str]] = {}

        def read(child: Element, element: ElementShape) -> Any:
            place = paths[child]
            value, own = self.element(child, element, place)
            if own:
                attributes[place[len(path) :].removeprefix("/")] = own
            return value

        collect = _Flat(layout) if layout.flat else _Ordered(layout)
        values, unknown = collect(children, read, lambda child: self._declared(paths[child]))
        for child, reason in unknown:
            self._found(paths[child], reason)
            tag = str(child.tag)
            # Not by the name alone where the contract has that name for something else.
            key = f"{{}}{tag}" if not split(tag)[0] and tag in layout.declared else tag
            values.setdefault(key, []).append(generic.read_untyped(child, self._declared(path)))
        for key, place in layout.places.items():
            if place.required and values.get(key, []) == [] and (place.repeated or key not in values):
                self._found(_below(path, key), "is required")
        if layout.flat and not unknown and _disordered(layout, children):
            self._found(path, "has its elements in another order than the contract")
        return values | ({ATTRIBUTES: attributes} if attributes else {})

    def _declared(self, path: str) -> generic.ReadDeclared:
        def declared(node: Element) -> Any:
            element = self._declarations.element(str(node.tag), Processing.LAX)
            if element is None:
                return None
            return lambda child: self.element(child, element, _below(path, split(str(child.tag))[1]))[0]

        return declared


Unknown = list[tuple[Element, str]]


class _Flat:
    """Children whose names say where they belong, in whatever order."""

    def __init__(self, layout: Layout) -> None:
        self._places = {place.element.tag: place for place in layout.places.values()}

    def __call__(self, children: Sequence[Element], read: Any, _: Any) -> tuple[dict[str, Any], Unknown]:
        values: dict[str, Any] = {place.key: [] for place in self._places.values() if place.repeated}
        unknown: Unknown = []
        for child in children:
            place = self._places.get(str(child.tag))
            if place is None:
                unknown.append((child, "is not in the contract"))
            elif place.repeated:
                values[place.key].append(read(child, place.element))
            elif place.key in values:
                unknown.append((child, "stands more often than the contract allows"))
            else:
                values[place.key] = read(child, place.element)
        return values, unknown


class _Ordered:
    """Children that only their order tells apart: what does not fit where it stands is unknown."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def __call__(self, children: Sequence[Element], read: Any, declared: Any) -> tuple[dict[str, Any], Unknown]:
        walk = compile_walk(
            self._layout,
            lambda element: lambda child: read(child, element),
            lambda processing: (
                lambda child: generic.read(child, _nothing if processing is Processing.SKIP else declared(child))
            ),
        )
        remaining, unknown = list(children), Unknown()
        while True:
            _, reached = _reach(self._layout, remaining)
            if reached == len(remaining):
                break
            unknown.append((remaining.pop(reached), "does not stand where the contract has it, if it has it"))
            if len(unknown) > _MAX_STRAY:
                raise ContractViolation("has too many elements out of place to be read")
        values, _ = walk(remaining, 0)
        return values, unknown


def _reach(layout: Layout, children: Sequence[Element]) -> tuple[dict[str, Any], int]:
    """How far the children fit, without reading them."""
    return compile_walk(layout, lambda _: lambda _child: None, lambda _: lambda _child: None)(children, 0)


def _nothing(_: Element) -> None:
    return None


def _readable(shape: Type) -> None:
    try:
        supported(shape)
    except ContractUnsupported as error:
        raise ContractViolation(f"cannot be read: {error}") from error


def _attribute_value(shape: SimpleShape, text: str, node: Element) -> Any:
    if shape.names:
        return resolved(text, node.nsmap)
    read = reader(shape)
    return text if read is None else read(text)


def _disordered(layout: Layout, children: Sequence[Element]) -> bool:
    """Whether children of a plain sequence stand in another order."""
    if not isinstance(layout.node, Run) or layout.node.order is not Order.SEQUENCE:
        return False
    if not all(isinstance(member, Place) for member in layout.node.members):
        return False
    ranks = {place.element.tag: rank for rank, place in enumerate(layout.places.values())}
    order = [ranks[str(child.tag)] for child in children]
    return order != sorted(order)


def _paths(children: Sequence[Element], path: str) -> list[str]:
    names = [split(str(child.tag))[1] for child in children]
    all_of, so_far = Counter(names), Counter[str]()
    paths: list[str] = []
    for name in names:
        so_far[name] += 1
        paths.append(_below(path, f"{name}[{so_far[name]}]" if all_of[name] > 1 else name))
    return paths


def _below(path: str, step: str) -> str:
    return f"{path}/{step}" if path else step


def _at(path: str, read: Any) -> Any:
    try:
        return read()
    except ContractViolation as violation:
        inner = "/".join(part for part in (path, violation.path or "") if part)
        raise ContractViolation(violation.reason, path=inner or None) from violation


def _name_of(shape: SimpleShape) -> str:
    return split(shape.qname)[1] or ("value" if shape.builtin in {"union", "list"} else f"xs:{shape.builtin}")
