"""From the tree of a valid document to plain data.

Compiled once per element. Trusts that libxml2 has validated the tree; what validity does not promise (a type that
the document chose for itself, an element that the type does not know) is refused, never dropped.

An element with children or attributes becomes a dict by local names: an element that may occur more than once is
always a list, an optional one that is absent has no key, an attribute is `@name`, text beside attributes is `value`.
A nil element is None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from esb.contracts.lexical import Read, reader
from esb.contracts.shapes import AttributeShape, ComplexShape, ElementShape, SimpleShape, fields_of, supported
from esb.errors import ContractViolation
from security.xml import Element

ReadElement = Callable[[Element], Any]

_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_NIL = _XSI + "nil"
_XSI_NAMES = frozenset({_NIL, _XSI + "type", _XSI + "schemaLocation", _XSI + "noNamespaceSchemaLocation"})


def compile_decoder(root: ElementShape) -> ReadElement:
    """A function from a valid element to plain data. Raises ContractUnsupported."""
    return _Compiler().element(root)


class _Child(NamedTuple):
    """How to read one child. `read` None: a simple element, whose text goes through `read_text` (None: as it is)."""

    key: str
    repeated: bool
    read: ReadElement | None
    read_text: Read | None


class _Compiler:
    """Compiles types; each once, so that a type may contain itself."""

    def __init__(self) -> None:
        self._complex: dict[int, ReadElement] = {}

    def element(self, element: ElementShape) -> ReadElement:
        """A reader of one occurrence of the element."""
        shape = element.type
        supported(shape)
        read = self._simple(shape, element.default) if isinstance(shape, SimpleShape) else self._complex_type(shape)
        return _nillable(read) if element.nillable else read

    def _simple(self, shape: SimpleShape, default: str | None) -> ReadElement:
        read_text = reader(shape)
        empty = default or ""
        if read_text is None:
            return lambda element: element.text or empty
        return lambda element: read_text(element.text or empty)

    def _complex_type(self, shape: ComplexShape) -> ReadElement:
        known = self._complex.get(id(shape))
        if known is not None:
            return known

        def in_the_making(element: Element) -> Any:
            return self._complex[id(shape)](element)

        self._complex[id(shape)] = in_the_making
        self._complex[id(shape)] = self._compiled(shape)
        return self._complex[id(shape)]

    def _compiled(self, shape: ComplexShape) -> ReadElement:
        if shape.text is not None:
            supported(shape.text)
            read_text = self._simple(shape.text, None)
            if not shape.attributes:
                return read_text
            return _with_attributes(lambda element: {"value": read_text(element)}, shape.attributes)
        read = self._children(shape)
        return _with_attributes(read, shape.attributes) if shape.attributes else read

    def _children(self, shape: ComplexShape) -> Callable[[Element], dict[str, Any]]:
        children = {
            field.element.tag: self._child(field.element, repeated=field.repeated)
            for field in fields_of(shape).values()
        }
        lists = [child.key for child in children.values() if child.repeated]
        find = children.get

        def read_children(element: Element) -> dict[str, Any]:
            values: dict[str, Any] = {}
            for key in lists:
                values[key] = []
            for child in element:
                found = find(child.tag)
                if found is None:
                    # Valid all the same: the document named a type of its own (xsi:type).
                    raise ContractViolation("is not in the declared type", path=_local(child))
                key, repeated, read, read_text = found
                if read is not None:
                    value = read(child)
                elif read_text is not None:
                    value = read_text(child.text or "")
                else:
                    value = child.text or ""
                if repeated:
                    values[key].append(value)
                else:
                    values[key] = value
            return values

        return read_children

    def _child(self, element: ElementShape, *, repeated: bool) -> _Child:
        read = self.element(element)
        plain = isinstance(element.type, SimpleShape) and not element.nillable and element.default is None
        if plain and isinstance(element.type, SimpleShape):
            return _Child(element.name, repeated, None, reader(element.type))
        return _Child(element.name, repeated, read, None)


def _with_attributes(
    read: Callable[[Element], dict[str, Any]], attributes: tuple[AttributeShape, ...]
) -> Callable[[Element], dict[str, Any]]:
    for attribute in attributes:
        supported(attribute.type)
    known = [(attribute.tag, attribute.key, reader(attribute.type), attribute.default) for attribute in attributes]

    def read_all(element: Element) -> dict[str, Any]:
        values = read(element)
        get = element.get
        for tag, key, read_text, default in known:
            text = get(tag, default)
            if text is not None:
                values[key] = read_text(text) if read_text is not None else text
        return values

    return read_all


def _nillable(read: ReadElement) -> ReadElement:
    def read_or_nil(element: Element) -> Any:
        if (element.get(_NIL) or "").strip() not in {"true", "1"}:
            return read(element)
        if not _XSI_NAMES.issuperset(element.attrib):
            raise ContractViolation("is nil and has attributes, which plain data cannot say")
        return None

    return read_or_nil


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
