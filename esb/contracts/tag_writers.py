"""The start and end tags of elements, with their attributes, and the text between them.

Used by `encoder`. Most elements have attributes that the contract names; those are compiled (`closed`). Where the
data brings names of its own (xs:anyAttribute, xsi:type, QName values) they are put in order for each document
(`open`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from esb.contracts.lexical import (
    Write,
    attribute_writer,
    content_writer,
    escaped_attribute,
    escaped_content,
    raw_writer,
    sequence_of,
)
from esb.contracts.names import NIL_KEY, TYPE_KEY, XSI_NAMESPACE, attribute_tag, proper
from esb.contracts.output import Output, declarations, escaped_namespace
from esb.contracts.particles import WriteElement, WriteParticle
from esb.contracts.prefixes import XSI_PREFIX, Prefixes, Scope, Tags
from esb.contracts.shapes import AttributeShape, ComplexShape, Kind, SimpleShape, Type
from esb.contracts.wellknown import XML_NAMESPACE
from esb.errors import ContractUnsupported, ContractViolation

BodyOf = Callable[[Scope], WriteParticle]
Unknown = Callable[[Mapping[str, Any], Type], ContractViolation]
"""What is wrong with a mapping of which a key was not used."""

_MISSING = object()
_MAX_FOREIGN_NAMESPACES = 4


class Mark(NamedTuple):
    """What a start tag says beyond the attributes of its type: a type by `{namespace}local`, or that it is nil."""

    type: str | None = None
    nil: bool = False


class _Attribute(NamedTuple):
    """One attribute: `opening` is ` name="`."""

    key: str
    required: bool
    opening: str
    write: Write
    prefix: str | None


class _Written(NamedTuple):
    """An attribute of one document, sorted as canonical XML has it."""

    namespace: str
    local: str
    text: str


class TagWriters:
    """Compiles tags; the prefixes are those of one root."""

    def __init__(self, prefixes: Prefixes) -> None:
        self._prefixes = prefixes

    def simple(self, shape: SimpleShape, tags: Tags) -> WriteElement:
        """An element that is text."""
        opening, closing = self._prefixes.opening(tags) + ">", tags.closing
        if shape.names:
            name = self._naming(shape, tags.scope)
            return lambda value, output: output.append(opening + escaped_content(name(value, output)) + closing)
        write_text = content_writer(shape)

        def write(value: Any, output: Output) -> None:
            output.append(opening + write_text(value) + closing)

        return write

    def plain_text(self, shape: SimpleShape) -> Write:
        """The text of an element that has nothing else."""
        return content_writer(shape)

    def text_body(self, shape: SimpleShape, scope: Scope) -> WriteParticle:
        """Text beside attributes: the key `value`."""
        write_text = self._naming(shape, scope) if shape.names else None
        write_plain = content_writer(shape) if write_text is None else None

        def write(values: Mapping[str, Any], output: Output) -> int:
            if "value" not in values:
                raise ContractViolation("is required", path="value")
            value = values["value"]
            try:
                if write_text is not None:
                    output.append(escaped_content(write_text(value, output)))
                elif write_plain is not None:
                    output.append(write_plain(value))
            except ContractViolation as violation:
                raise ContractViolation(violation.reason, path="value") from violation
            return 1

        return write

    def nil(self, tags: Tags) -> str:
        """An element that is nil and has no attribute."""
        declared = self._prefixes.declared(tags.own | ({XSI_PREFIX} - tags.scope))
        return f'{tags.opening}{declared} xsi:nil="true">{tags.closing}'

    def closed(self, shape: ComplexShape, tags: Tags, body_of: BodyOf, *, unknown: Unknown) -> WriteElement:
        """An element of a complex type whose attributes are known."""
        if not shape.attributes:
            return self._without_attributes(shape, tags, body_of(tags.scope), unknown)
        attributes = [self._attribute(attribute) for attribute in shape.attributes]
        attributes_by_name = [
            attribute for _, attribute in sorted(zip(shape.attributes, attributes, strict=True), key=_canonical_order)
        ]
        declared = self._declarations(attributes, tags)
        bodies = {present: body_of(tags.scope | set(present)) for present in declared}
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
            output.append(start + declared[present] + written + ">")
            used += bodies[present](values, output)
            output.append(closing)
            if used != len(values):
                raise unknown(values, shape)

        return write

    def _without_attributes(
        self, shape: ComplexShape, tags: Tags, body: WriteParticle, unknown: Unknown
    ) -> WriteElement:
        opening, closing = self._prefixes.opening(tags) + ">", tags.closing

        def write(values: Any, output: Output) -> None:
            _mapping(values)
            output.append(opening)
            used = body(values, output)
            output.append(closing)
            if used != len(values):
                raise unknown(values, shape)

        return write

    def _attribute(self, attribute: AttributeShape) -> _Attribute:
        prefix = None
        name = attribute.name
        if attribute.namespace == XML_NAMESPACE:
            name = f"xml:{name}"
        elif attribute.namespace:
            prefix = self._prefixes.of_attribute(attribute.namespace)
            name = f"{prefix}:{name}"
        return _Attribute(attribute.key, attribute.required, f' {name}="', attribute_writer(attribute.type), prefix)

    def _declarations(self, attributes: list[_Attribute], tags: Tags) -> dict[tuple[str, ...], str]:
        """What must be declared for each set of attribute namespaces that a document may use at this element."""
        prefixes = sorted({attribute.prefix for attribute in attributes if attribute.prefix is not None})
        if len(prefixes) > _MAX_FOREIGN_NAMESPACES:
            raise ContractUnsupported("attributes of one element come from too many namespaces")
        return {
            present: self._prefixes.declared(tags.own | (set(present) - tags.scope))
            for size in range(len(prefixes) + 1)
            for present in itertools.combinations(prefixes, size)
        }

    # --- names that the data brings -----------------------------------------------------------------------

    def open(
        self, shape: Type, tags: Tags, body_of: BodyOf, *, unknown: Unknown, mark: Mark | None = None
    ) -> WriteElement:
        """An element whose attributes have names or values that are known only when it is written."""
        mark = mark or Mark()
        start, closing = tags.opening, tags.closing
        # At once, so that what cannot be compiled shows at load; other scopes differ in their prefixes only.
        usual = tags.scope if mark.type is None else tags.scope | {XSI_PREFIX}
        bodies: dict[Scope, WriteParticle] = {} if mark.nil else {usual: body_of(usual)}

        def write(values: Any, output: Output) -> None:
            _mapping(values)
            written = self._attributes(shape, tags.scope, values, output)
            used = len(written)
            if mark.type is not None:
                written.append(_Written(XSI_NAMESPACE, "type", self._name(mark.type, tags.scope, output)))
            if mark.nil:
                written.append(_Written(XSI_NAMESPACE, "nil", "true"))
            outer, tag, scope = output.bound, *self._start(written, tags, output)
            output.append(start + tag + ">")
            if not mark.nil:
                if scope not in bodies:
                    bodies[scope] = body_of(scope)
                used += bodies[scope](values, output)
            output.append(closing)
            output.bound = outer
            if used != len(values):
                raise unknown(values, shape)

        return write

    def _attributes(self, shape: Type, scope: Scope, values: Mapping[str, Any], output: Output) -> list[_Written]:
        if isinstance(shape, SimpleShape):
            return []
        found: list[_Written] = []
        for attribute in shape.attributes:
            if attribute.key in values:
                try:
                    text = self._raw(attribute.type, scope)(values[attribute.key], output)
                except ContractViolation as violation:
                    raise ContractViolation(violation.reason, path=attribute.key) from violation
                found.append(_Written(attribute.namespace, attribute.name, text))
            elif attribute.required:
                raise ContractViolation("is required", path=attribute.key)
        if shape.any_attribute is not None:
            declared = {attribute.key for attribute in shape.attributes}
            undeclared = [key for key in values if key[:1] == "@" and key not in declared]
            found += [_foreign_attribute(key, values[key], shape) for key in undeclared]
        return found

    def _start(self, written: list[_Written], tags: Tags, output: Output) -> tuple[str, Scope]:
        """Declarations and attributes, and the scope inside; `output.bound` gets the foreign prefixes."""
        scope, own, prefixes = set(tags.scope), set(tags.own), dict[str, str]()
        foreign: dict[str, str] = {}
        for namespace in sorted({each.namespace for each in written if each.namespace}):
            prefix = "xml" if namespace == XML_NAMESPACE else self._prefixes.of_attribute(namespace)
            if prefix is None:
                prefix = next((known for known, uri in output.bound.items() if uri == namespace), None)
                if prefix is None:
                    taken = {*output.bound, *foreign}
                    prefix = next(free for number in itertools.count() if (free := f"f{number}") not in taken)
                    foreign[prefix] = namespace
            elif prefix != "xml" and prefix not in scope:
                own.add(prefix)
                scope.add(prefix)
            prefixes[namespace] = f"{prefix}:"
        output.bound = {**output.bound, **foreign}
        declared = [
            (prefix, escaped_namespace(space)) for prefix, space in self._prefixes.bound(frozenset(own)).items()
        ]
        declared += [(prefix, escaped_namespace(space)) for prefix, space in foreign.items()]
        attributes = "".join(
            f' {prefixes.get(each.namespace, "")}{each.local}="{escaped_attribute(each.text)}"'
            for each in sorted(written)
        )
        return declarations(declared) + attributes, frozenset(scope)

    def _raw(self, shape: SimpleShape, scope: Scope) -> Callable[[Any, Output], str]:
        if shape.names:
            return self._naming(shape, scope)
        raw = raw_writer(shape)
        return lambda value, output: raw(value)  # noqa: ARG005 - the signature of a name's writer

    def _naming(self, shape: SimpleShape, scope: Scope) -> Callable[[Any, Output], str]:
        """Text of a QName or of a list of them, with prefixes that are bound there."""
        if shape.kind is Kind.LIST:
            return lambda value, output: " ".join([self._name(item, scope, output) for item in sequence_of(value)])
        return lambda value, output: self._name(value, scope, output)

    def _name(self, value: Any, scope: Scope, output: Output) -> str:
        if not isinstance(value, str):
            raise ContractViolation("must be text")
        namespace, local = proper(value)
        if namespace == XML_NAMESPACE:
            return f"xml:{local}"
        prefix = self._prefixes.in_scope(namespace, scope)
        if prefix is None:
            prefix = output.prefix_for(namespace)
        return f"{prefix}:{local}" if prefix else local


def unless_empty(write: WriteElement, shape: Type) -> WriteElement:
    """An empty element has its default as value (XSD part 1, 3.3.4), so nothing else can be said by it."""
    text = shape if isinstance(shape, SimpleShape) else shape.text
    if text is None or text.kind not in {Kind.TEXT, Kind.LIST, Kind.BINARY}:
        return write

    def write_unless_empty(value: Any, output: Output) -> None:
        said = value.get("value") if isinstance(value, Mapping) else value
        if said in ("", [], ()):
            raise ContractViolation("must not be empty: the contract reads that as its default")
        write(value, output)

    return write_unless_empty


def _foreign_attribute(key: str, text: Any, shape: ComplexShape) -> _Written:
    if key in {TYPE_KEY, NIL_KEY}:
        raise ContractViolation("is not in the contract", path=key)
    if not isinstance(text, str):
        raise ContractViolation("must be text", path=key)
    try:
        namespace, local = proper(attribute_tag(key))
    except ContractViolation as violation:
        raise ContractViolation(violation.reason, path=key) from violation
    if shape.any_attribute is None or not shape.any_attribute.admits(namespace):
        raise ContractViolation("is not in the contract", path=key)
    return _Written(namespace, local, text)


def _mapping(values: Any) -> None:
    if values.__class__ is not dict and not isinstance(values, Mapping):
        raise ContractViolation("must be an object")


def _canonical_order(pair: tuple[AttributeShape, _Attribute]) -> tuple[str, str]:
    return pair[0].namespace, pair[0].name
