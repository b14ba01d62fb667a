"""From the tree of a valid document to plain data.

Compiled once per element. Trusts that libxml2 has validated the tree; what validity does not promise is refused, never
dropped.

An element with children or attributes becomes a dict by local names: an element that may occur more than once is
always a list, an optional one that is absent has no key, an attribute is `@name`, text beside attributes is `value`.
A nil element is None. `layout` and `generic` tell the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from esb.contracts import generic
from esb.contracts.layout import Layout, Place, layout_of
from esb.contracts.lexical import Read, reader, words
from esb.contracts.names import (
    NIL_KEY,
    TYPE_KEY,
    XSI,
    XSI_HINTS,
    XSI_NIL,
    XSI_TYPE,
    attribute_key,
    resolved,
    type_key,
)
from esb.contracts.shapes import (
    AttributeShape,
    ComplexShape,
    Declarations,
    ElementShape,
    Kind,
    Processing,
    SimpleShape,
    Type,
    supported,
)
from esb.contracts.walk import ReadLeaf, compile_walk
from esb.errors import ContractUnsupported, ContractViolation
from security.xml import Element

ReadElement = Callable[[Element], Any]

_MAX_COMPILED_DEPTH = 40
"""Types below this are compiled from a queue, so that a chain of types may be longer than Python's stack."""


def compile_decoder(root: ElementShape, declarations: Declarations, *, choosing: bool) -> ReadElement:
    """A function from a valid element to plain data. `choosing`: documents may name types themselves (xsi:type).

    Raises:
        ContractUnsupported: something in the element's type has no faithful plain form.
    """
    if root.abstract:
        raise ContractUnsupported(f"{root.name} is abstract: only an element that stands for it can be a message")
    return _Compiler(declarations, choosing=choosing).root(root)


class _Child(NamedTuple):
    """How to read one child. `read` None: a simple element, whose text goes through `read_text` (None: as it is)."""

    key: str
    repeated: bool
    read: ReadElement | None
    read_text: Read | None


class _Compiler:
    """Compiles types; each once, so that a type may contain itself."""

    def __init__(self, declarations: Declarations, *, choosing: bool) -> None:
        self._declarations = declarations
        self._choosing = choosing
        self._complex: dict[int, ReadElement] = {}
        self._globals: dict[str, ReadElement] = {}
        self._queue: list[ComplexShape] = []
        self._depth = 0

    def root(self, root: ElementShape) -> ReadElement:
        """A reader of the document."""
        read = self.element(root)
        self._drain()
        return read

    def element(self, element: ElementShape) -> ReadElement:
        """A reader of one occurrence of the element."""
        shape = element.type
        supported(shape)
        read = self._type(shape, element.default)
        if self._choosing and (element.choices or isinstance(shape, ComplexShape)):
            read = self._chosen(read, element)
        elif isinstance(shape, ComplexShape) and shape.abstract:
            read = _refuse_abstract
        return self._nillable(read, element) if element.nillable else read

    def _type(self, shape: Type, default: str | None) -> ReadElement:
        """A reader of one type. XSD part 1, 3.3.4: an empty element has its default as value."""
        if isinstance(shape, SimpleShape):
            return simple_reader(shape, default)
        if shape.text is None or default is None:
            return self._complex_type(shape)
        supported(shape.text)
        read_text = simple_reader(shape.text, default)
        return read_text if shape.bare else _with_attributes(lambda node: {"value": read_text(node)}, shape)

    # --- what the document chooses ------------------------------------------------------------------------

    def _chosen(self, read: ReadElement, element: ElementShape) -> ReadElement:
        declared = element.type
        abstract = isinstance(declared, ComplexShape) and declared.abstract
        named = "" if abstract else declared.qname
        readers: dict[str, ReadElement] = {}

        def read_chosen(node: Element) -> Any:
            text = node.get(XSI_TYPE)
            if text is None or (qname := resolved(text, node.nsmap)) == named:
                return read(node) if not abstract else _refuse_abstract(node)
            shape = element.choices.get(qname)
            if shape is None and isinstance(declared, SimpleShape):
                # A restriction of the declared type: libxml2 has checked it, and the values are the declared type's.
                return read(node)
            if shape is None:
                raise ContractViolation("chooses a type that the contract does not offer here (xsi:type)")
            if qname not in readers:
                readers[qname] = self._later(lambda: self._type(_supported(shape), element.default))
            values = readers[qname](node)
            if not isinstance(values, dict):
                values = {"value": values}
            return {TYPE_KEY: type_key(qname, element.choices, named), **values}

        return read_chosen

    def _later(self, compile_it: Callable[[], ReadElement]) -> ReadElement:
        """What only some documents need is compiled with the first of them; an unsupported part is their refusal."""
        try:
            read = compile_it()
            self._drain()
        except ContractUnsupported as error:
            raise ContractViolation(f"cannot be read: {error}") from error
        return read

    def _nillable(self, read: ReadElement, element: ElementShape) -> ReadElement:
        declared = element.type

        def read_or_nil(node: Element) -> Any:
            if (node.get(XSI_NIL) or "").strip() not in {"true", "1"}:
                return read(node)
            values: dict[str, Any] = {}
            shape = declared
            chosen = node.get(XSI_TYPE)
            if chosen is not None and (qname := resolved(chosen, node.nsmap)) in element.choices:
                shape = element.choices[qname]
                values[TYPE_KEY] = type_key(qname, element.choices, declared.qname)
            if isinstance(shape, ComplexShape) and any(not str(name).startswith(XSI) for name in node.attrib):
                values |= _with_attributes(lambda _: {}, shape)(node)
            return {NIL_KEY: True, **values} if values else None

        return read_or_nil

    # --- complex types ------------------------------------------------------------------------------------

    def _complex_type(self, shape: ComplexShape) -> ReadElement:
        known = self._complex.get(id(shape))
        if known is not None:
            return known

        def in_the_making(element: Element) -> Any:
            return self._complex[id(shape)](element)

        self._complex[id(shape)] = in_the_making
        if self._depth > _MAX_COMPILED_DEPTH:
            self._queue.append(shape)
        else:
            self._compile(shape)
        return self._complex[id(shape)]

    def _drain(self) -> None:
        while self._queue:
            self._compile(self._queue.pop())

    def _compile(self, shape: ComplexShape) -> None:
        self._depth += 1
        self._complex[id(shape)] = self._compiled(shape)
        self._depth -= 1

    def _compiled(self, shape: ComplexShape) -> ReadElement:
        if shape.anything:
            return lambda node: generic.read_untyped(node, self._declared(Processing.LAX))
        if shape.text is not None:
            supported(shape.text)
            read_text = simple_reader(shape.text, None)
            if shape.bare:
                return read_text
            return _with_attributes(lambda element: {"value": read_text(element)}, shape)
        read = self._children(layout_of(shape))
        return _with_attributes(read, shape) if shape.attributes or shape.any_attribute is not None else read

    def _children(self, layout: Layout) -> Callable[[Element], dict[str, Any]]:
        return self._flat(layout) if layout.flat else self._ordered(layout)

    def _flat(self, layout: Layout) -> Callable[[Element], dict[str, Any]]:
        children = {place.element.tag: self._child(place) for place in layout.places.values()}
        repeated = [child.key for child in children.values() if child.repeated]
        find = children.get

        def read_children(element: Element) -> dict[str, Any]:
            values: dict[str, Any] = {}
            for key in repeated:
                values[key] = []
            for child in element:
                found = find(child.tag)
                if found is None:
                    raise ContractViolation("is not in the declared type", path=_local(child))
                key, is_list, read, read_text = found
                if read is not None:
                    value = read(child)
                elif read_text is not None:
                    value = read_text(child.text or "")
                else:
                    value = child.text or ""
                if is_list:
                    values[key].append(value)
                else:
                    values[key] = value
            return values

        return read_children

    def _child(self, place: Place) -> _Child:
        key, element, repeated = place.key, place.element, place.repeated
        read = self.element(element)
        plain = not (element.nillable or element.choices) and element.default is None
        if plain and isinstance(element.type, SimpleShape) and not element.type.names:
            return _Child(key, repeated, None, reader(element.type))
        return _Child(key, repeated, read, None)

    def _ordered(self, layout: Layout) -> Callable[[Element], dict[str, Any]]:
        walk = compile_walk(layout, self.element, self._foreign)

        def read_children(element: Element) -> dict[str, Any]:
            children = list(element)
            values, reached = walk(children, 0)
            if reached < len(children):
                raise ContractViolation("is not in the declared type", path=_local(children[reached]))
            return values

        return read_children

    def _foreign(self, processing: Processing) -> ReadLeaf:
        declared = self._declared(processing)
        return lambda node: generic.read(node, declared)

    def _declared(self, processing: Processing) -> generic.ReadDeclared:
        def declared(node: Element) -> ReadElement | None:
            tag = str(node.tag)
            element = self._declarations.element(tag, processing)
            if element is None:
                return None
            if tag not in self._globals:
                self._globals[tag] = self._later(lambda: self.element(element))
            return self._globals[tag]

        return declared


def _supported(shape: Type) -> Type:
    supported(shape)
    return shape


def _refuse_abstract(node: Element) -> Any:  # noqa: ARG001 - the signature of a reader
    raise ContractViolation("is of an abstract type and names no other (xsi:type)")


def simple_reader(shape: SimpleShape, default: str | None) -> ReadElement:
    """From an element of a simple type to its value; an empty one has the default."""
    if shape.names:
        read_name = _name_reader(shape)
        return lambda element: read_name(element.text or default or "", element)
    read_text = reader(shape)
    empty = default or ""
    if read_text is None:
        return lambda element: element.text or empty
    return lambda element: read_text(element.text or empty)


def _name_reader(shape: SimpleShape) -> Callable[[str, Element], Any]:
    """Names are told by their namespaces; prefixes mean something only where they stand."""
    if shape.kind is Kind.LIST:
        return lambda text, element: [resolved(word, element.nsmap) for word in words(text)]
    return lambda text, element: resolved(text, element.nsmap)


def _with_attributes(
    read: Callable[[Element], dict[str, Any]], shape: ComplexShape
) -> Callable[[Element], dict[str, Any]]:
    for attribute in shape.attributes:
        supported(attribute.type)
    known = [(each.tag, each.key, _attribute_reader(each), each.default) for each in shape.attributes]
    names = [(each.tag, each.key, _name_reader(each.type)) for each in shape.attributes if each.type.names]
    declared = frozenset((*(each.tag for each in shape.attributes), XSI_TYPE, XSI_NIL, *XSI_HINTS))

    def read_known(element: Element) -> dict[str, Any]:
        values = read(element)
        get = element.get
        for tag, key, read_text, default in known:
            text = get(tag, default)
            if text is not None:
                values[key] = read_text(text) if read_text is not None else text
        return values

    def read_all(element: Element) -> dict[str, Any]:
        values = read_known(element)
        for tag, key, read_name in names:
            if key in values:
                values[key] = read_name(element.get(tag) or values[key], element)
        if shape.any_attribute is not None:
            others = ((str(name), text) for name, text in element.attrib.items() if str(name) not in declared)
            values |= {attribute_key(name): text for name, text in others}
        return values

    return read_all if names or shape.any_attribute is not None else read_known


def _attribute_reader(attribute: AttributeShape) -> Read | None:
    return None if attribute.type.names else reader(attribute.type)


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
