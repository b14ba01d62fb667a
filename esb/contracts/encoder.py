"""From plain data to the exclusive-canonical text of one element.

Compiled once per element into closures that append text; no tree is built. WS-Security signs this text as it is, so
it must equal, byte for byte, what canonicalising it would give (RFC 3741): namespace declarations first and only
where they are used, attributes by namespace and name, no empty-element tags, canonical escapes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from esb.contracts.lexical import Write, attribute_writer, content_writer
from esb.contracts.particles import (
    Output,
    WriteElement,
    WriteParticle,
    below,
    each,
    flattened,
    if_any,
    in_turn,
    lists,
    names,
    needed,
    nothing,
    one_of,
    rounds,
)
from esb.contracts.shapes import (
    AttributeShape,
    ComplexShape,
    ElementShape,
    GroupShape,
    Order,
    SimpleShape,
    elements_of,
    fields_of,
    supported,
)
from esb.errors import ContractUnsupported, ContractViolation

Scope = frozenset[str]
"""Prefixes that an element above has declared already; "" stands for the default namespace."""

XSI_NAMESPACE = "http://www.w3.org/2001/XMLSchema-instance"
_XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"

_MISSING = object()
_MAX_FOREIGN_NAMESPACES = 4


def compile_encoder(root: ElementShape) -> Callable[[Any], str]:
    """A function from plain data to canonical text. Facets and counts of repeated elements are left to the validator.

    The function raises ContractViolation: unknown key, missing required key, wrong Python type, two of a choice.

    Raises:
        ContractUnsupported: something in the element's type has no faithful plain form.
    """
    write = _Compiler(root).element(root, frozenset())

    def encode(values: Any) -> str:
        output: Output = []
        try:
            write(values, output)
        except RecursionError as error:
            raise ContractViolation("nested too deeply") from error
        return "".join(output)

    return encode


class _Tags(NamedTuple):
    """An element's tags in one scope. `opening` lacks its declarations and its `>`; `own` is the prefix it declares."""

    opening: str
    closing: str
    own: Scope
    scope: Scope


class _Field(NamedTuple):
    """One member of a plain sequence. `write_text` is set for the commonest case: one simple element."""

    key: str
    required: bool
    opening: str
    write_text: Write | None
    closing: str
    write: WriteElement


class _Attribute(NamedTuple):
    """One attribute: `opening` is ` name="`."""

    key: str
    required: bool
    opening: str
    write: Write
    prefix: str | None


class _Compiler:
    """Compiles everything below one root; prefixes are fixed for the whole document."""

    def __init__(self, root: ElementShape) -> None:
        elements = _reachable(root)
        spaces = {element.namespace for element in elements} | {
            attribute.namespace
            for element in elements
            if isinstance(element.type, ComplexShape)
            for attribute in element.type.attributes
        }
        self._prefixes = {space: f"n{index}" for index, space in enumerate(sorted(spaces - {"", _XML_NAMESPACE}))}
        # The root's namespace goes without prefix, which is shorter; but an element without namespace would then
        # have to take the default back, so such a contract gets prefixes throughout.
        self._default = root.namespace if all(element.namespace for element in elements) else ""
        self._spaces = {prefix: _escaped(space) for space, prefix in self._prefixes.items()}
        self._spaces[""] = _escaped(self._default)
        self._contents: dict[tuple[int, Scope], WriteParticle] = {}

    def element(self, element: ElementShape, scope: Scope) -> WriteElement:
        """A writer of one occurrence of the element."""
        shape = element.type
        supported(shape)
        tags = self._tags(element, scope)
        write = self._simple(shape, tags) if isinstance(shape, SimpleShape) else self._complex(shape, tags)
        return self._nillable(write, element, tags) if element.nillable else write

    def _tags(self, element: ElementShape, scope: Scope) -> _Tags:
        prefix = "" if element.namespace == self._default else self._prefixes[element.namespace]
        name = f"{prefix}:{element.name}" if prefix else element.name
        own = frozenset({prefix} if element.namespace else ()) - scope
        return _Tags(f"<{name}", f"</{name}>", own, scope | own)

    def _declared(self, prefixes: Iterable[str]) -> str:
        """Declarations in canonical order: the default namespace first, then by prefix."""
        return "".join(
            f' xmlns:{prefix}="{self._spaces[prefix]}"' if prefix else f' xmlns="{self._spaces[prefix]}"'
            for prefix in sorted(prefixes)
        )

    def _opening(self, tags: _Tags) -> str:
        return tags.opening + self._declared(tags.own)

    def _simple(self, shape: SimpleShape, tags: _Tags) -> WriteElement:
        opening, closing, write_text = self._opening(tags) + ">", tags.closing, content_writer(shape)

        def write(value: Any, output: Output) -> None:
            output.append(opening + write_text(value) + closing)

        return write

    def _complex(self, shape: ComplexShape, tags: _Tags) -> WriteElement:
        if not shape.attributes:
            return self._without_attributes(shape, tags)
        attributes = [self._attribute(attribute) for attribute in shape.attributes]
        attributes_by_name = [
            attribute for _, attribute in sorted(zip(shape.attributes, attributes, strict=True), key=_canonical_order)
        ]
        declarations = self._declarations(attributes, tags)
        bodies = {present: self._body(shape, tags.scope | set(present)) for present in declarations}
        start, closing = tags.opening, tags.closing

        def write(values: Any, output: Output) -> None:
            _mapping(values)
            written = ""
            used = 0
            foreign: tuple[str, ...] = ()
            for key, required, opening, write_value, prefix in attributes_by_name:
                value = values.get(key, _MISSING)
                if value is _MISSING:
                    if required:
                        raise ContractViolation("is required", path=key)
                    continue
                used += 1
                try:
                    written += opening + write_value(value) + '"'
                except ContractViolation as violation:
                    raise ContractViolation(violation.reason, path=key) from violation
                if prefix is not None and prefix not in foreign:
                    foreign = (*foreign, prefix)
            present = tuple(sorted(foreign))
            output.append(start + declarations[present] + written + ">")
            used += bodies[present](values, output)
            output.append(closing)
            if used != len(values):
                raise _unknown_key(values, shape)

        return write

    def _attribute(self, attribute: AttributeShape) -> _Attribute:
        supported(attribute.type)
        prefix = None
        name = attribute.name
        if attribute.namespace == _XML_NAMESPACE:
            name = f"xml:{name}"
        elif attribute.namespace:
            prefix = self._prefixes[attribute.namespace]
            name = f"{prefix}:{name}"
        return _Attribute(attribute.key, attribute.required, f' {name}="', attribute_writer(attribute.type), prefix)

    def _declarations(self, attributes: list[_Attribute], tags: _Tags) -> dict[tuple[str, ...], str]:
        """What must be declared for each set of attribute namespaces that a document may use at this element."""
        prefixes = sorted({attribute.prefix for attribute in attributes if attribute.prefix is not None})
        if len(prefixes) > _MAX_FOREIGN_NAMESPACES:
            raise ContractUnsupported("attributes of one element come from too many namespaces")
        return {
            present: self._declared(tags.own | (set(present) - tags.scope))
            for size in range(len(prefixes) + 1)
            for present in itertools.combinations(prefixes, size)
        }

    def _body(self, shape: ComplexShape, scope: Scope) -> WriteParticle:
        if shape.text is None:
            return self._content(shape, scope)
        supported(shape.text)
        write_text = content_writer(shape.text)

        def write(values: Mapping[str, Any], output: Output) -> int:
            if "value" not in values:
                raise ContractViolation("is required", path="value")
            output.append(write_text(values["value"]))
            return 1

        return write

    def _without_attributes(self, shape: ComplexShape, tags: _Tags) -> WriteElement:
        if shape.text is not None:
            supported(shape.text)
            return self._simple(shape.text, tags)
        opening, closing = self._opening(tags) + ">", tags.closing
        body = self._content(shape, tags.scope)

        def write(values: Any, output: Output) -> None:
            _mapping(values)
            output.append(opening)
            used = body(values, output)
            output.append(closing)
            if used != len(values):
                raise _unknown_key(values, shape)

        return write

    def _nillable(self, write: WriteElement, element: ElementShape, tags: _Tags) -> WriteElement:
        if isinstance(element.type, ComplexShape) and any(attribute.required for attribute in element.type.attributes):
            raise ContractUnsupported(f"{element.name} may be nil and still needs attributes")
        nil = f'{self._opening(tags)} xmlns:xsi="{XSI_NAMESPACE}" xsi:nil="true">{tags.closing}'

        def write_or_nil(value: Any, output: Output) -> None:
            if value is None:
                output.append(nil)
            else:
                write(value, output)

        return write_or_nil

    def _content(self, shape: ComplexShape, scope: Scope) -> WriteParticle:
        """The writer of a type's children; made once per scope, so that a type may contain itself."""
        key = (id(shape), scope)
        known = self._contents.get(key)
        if known is not None:
            return known
        if shape.content is None or not shape.content.members:
            return nothing
        fields_of(shape)

        def in_the_making(values: Mapping[str, Any], output: Output) -> int:
            return self._contents[key](values, output)

        self._contents[key] = in_the_making
        self._contents[key] = self._group(shape.content, scope)
        return self._contents[key]

    def _group(self, group: GroupShape, scope: Scope) -> WriteParticle:
        if group.repeated:
            return self._repeated_group(group, scope)
        if group.order is Order.CHOICE:
            return self._choice(group, scope)
        members = flattened(group)
        if all(isinstance(member, ElementShape) for member in members):
            write = self._plain_sequence([member for member in members if isinstance(member, ElementShape)], scope)
        else:
            write = in_turn([self._particle(member, scope) for member in members])
        return write if group.minimum else if_any(write, group.names)

    def _particle(self, particle: ElementShape | GroupShape, scope: Scope) -> WriteParticle:
        if isinstance(particle, GroupShape):
            return self._group(particle, scope)
        return self._plain_sequence([particle], scope)

    def _plain_sequence(self, elements: list[ElementShape], scope: Scope) -> WriteParticle:
        fields = [self._field(element, scope) for element in elements]

        def write(values: Mapping[str, Any], output: Output) -> int:
            used = 0
            append, get = output.append, values.get
            for key, required, opening, write_text, closing, write_element in fields:
                value = get(key, _MISSING)
                if value is _MISSING:
                    if required:
                        raise ContractViolation("is required", path=key)
                    continue
                used += 1
                try:
                    if write_text is not None:
                        append(opening + write_text(value) + closing)
                    else:
                        write_element(value, output)
                except ContractViolation as violation:
                    raise below(key, violation) from violation
            return used

        return write

    def _field(self, element: ElementShape, scope: Scope) -> _Field:
        write = self.element(element, scope)
        if element.repeated:
            write = each(write, element.minimum)
        simple = isinstance(element.type, SimpleShape) and not element.repeated and not element.nillable
        tags = self._tags(element, scope)
        return _Field(
            key=element.name,
            required=element.minimum > 0,
            opening=self._opening(tags) + ">",
            write_text=content_writer(element.type) if simple and isinstance(element.type, SimpleShape) else None,
            closing=tags.closing,
            write=write,
        )

    def _choice(self, group: GroupShape, scope: Scope) -> WriteParticle:
        branches = [(names(member), needed(member), self._particle(member, scope)) for member in group.members]
        return one_of(branches, group.names, optional=not group.minimum)

    def _repeated_group(self, group: GroupShape, scope: Scope) -> WriteParticle:
        single = [member for member in group.members if isinstance(member, ElementShape)]
        if len(single) != len(group.members):
            return self._repeated_only_member(group, scope)
        if group.order is Order.CHOICE or len(single) == 1:
            return lists([(element.name, self.element(element, scope)) for element in single], group.minimum)
        return rounds([(element.name, self.element(element, scope)) for element in single], group.minimum)

    def _repeated_only_member(self, group: GroupShape, scope: Scope) -> WriteParticle:
        # fields_of has refused a repeated group that holds a group among others.
        (inner,) = (member for member in group.members if isinstance(member, GroupShape))
        return self._repeated_group(
            GroupShape(order=inner.order, members=inner.members, minimum=group.minimum * inner.minimum, maximum=None),
            scope,
        )


def _reachable(root: ElementShape) -> list[ElementShape]:
    found: list[ElementShape] = []
    waiting = [root]
    seen: set[int] = set()
    while waiting:
        element = waiting.pop()
        found.append(element)
        shape = element.type
        if isinstance(shape, ComplexShape) and shape.content is not None and id(shape) not in seen:
            seen.add(id(shape))
            waiting += elements_of(shape.content)
    return found


def _unknown_key(values: Mapping[str, Any], shape: ComplexShape) -> ContractViolation:
    known = {attribute.key for attribute in shape.attributes} | fields_of(shape).keys()
    known |= {"value"} if shape.text is not None else set()
    unknown = sorted(str(key) for key in values if key not in known)
    return ContractViolation("is not in the contract", path=unknown[0] if unknown else None)


def _mapping(values: Any) -> None:
    if values.__class__ is not dict and not isinstance(values, Mapping):
        raise ContractViolation("must be an object")


def _canonical_order(pair: tuple[AttributeShape, _Attribute]) -> tuple[str, str]:
    return pair[0].namespace, pair[0].name


def _escaped(name: str) -> str:
    return name.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
