"""XML documents of an OpenAPI contract: plain data to XML and back, by the `xml` object of its schemas.

Compiled once per body. An array is always a list, a null is `xsi:nil`, an element that the schema does not describe
becomes text or an object of its own (`{namespace}name`, attributes `@name`, text `#text`) and is never dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lxml import etree

from esb.contracts.json_schema import JsonValidator
from esb.contracts.openapi_xml_values import (
    ANYTHING,
    NAME,
    NIL,
    TEXT,
    Codec,
    add,
    attributes_of,
    children_of,
    is_nil,
    listed,
    local,
    nillable,
    put,
    read_anything,
    refuse_beside_children,
    scalar,
    text_of,
    typed,
    write_other,
)
from esb.errors import ContractUnsupported, ContractViolation
from security.errors import XmlRefused
from security.xml import Element, canonical, parse

Schema = Mapping[str, Any]


class XmlCodec:
    """One document. Safe for concurrent use."""

    def __init__(self, schema: Schema, *, name: str | None) -> None:
        """`name`: of the root element, where the schema's own `xml` object gives none.

        Without either OpenAPI names no root: any is read, and `root` is written. Raises ContractUnsupported.
        """
        compiler = _Compiler(schema.get("$defs", {}))
        own = compiler.notes(schema)
        self._named = bool(own.get("name") or name)
        self._root = _qualified(own, own.get("name") or name or "root")
        self._prefixes: Any = compiler.prefixes(schema)  # the stubs forget the default namespace
        self._codec = compiler.codec(schema)

    def write(self, value: Any) -> bytes:
        """The document in canonical form. Raises ContractViolation for what XML cannot carry."""
        root = etree.Element(self._root, nsmap=self._prefixes or None)
        self._codec.write(root, value, "")
        try:
            return canonical(root)
        except XmlRefused as error:
            raise ContractViolation(error.reason) from error

    def read(self, content: bytes) -> Any:
        """The plain data; not validated. Raises ContractViolation for anything but this document."""
        try:
            root = parse(content)
        except XmlRefused as error:
            raise ContractViolation(error.reason) from error
        if self._named and root.tag != self._root:
            raise ContractViolation(f"is another element than {local(self._root)}")
        return self._codec.read(root)


def read_any_document(content: bytes) -> Any:
    """A document that nothing describes, by local names alone. Raises ContractViolation for what is no safe XML."""
    try:
        return _by_local_names(read_anything(parse(content)))
    except XmlRefused as error:
        raise ContractViolation(error.reason) from error


def _by_local_names(value: Any) -> Any:
    if isinstance(value, dict):
        return {local(name): _by_local_names(part) for name, part in value.items()}
    return [_by_local_names(part) for part in value] if isinstance(value, list) else value


class _Property:
    """One property of an object: an attribute, an element, or elements."""

    def __init__(self, key: str, schema: Schema, compiler: _Compiler) -> None:
        own = compiler.notes(schema)
        self.key = key
        self.attribute = own.get("attribute") is True
        self.items = compiler.items(schema)
        self.wrapped = self.items is not None and own.get("wrapped") is True
        # Without wrapping it is the item that says the name, and the array's own name counts for nothing (xml.name).
        item = compiler.notes(self.items) if self.items is not None else own
        inner = item.get("name") or (own.get("name") if self.wrapped else None) or key
        self.tag = _qualified(own, own.get("name") or key) if self.items is None or self.wrapped else ""
        self.item_tag = _qualified(item, inner) if self.items is not None else ""
        self.codec = compiler.codec(self.items if self.items is not None else schema)
        self.kinds = compiler.kinds(schema)
        # An absent list and an empty one look alike; where only the absent one is allowed, it is that.
        self.lists = self.items is not None and not self.wrapped and not schema.get("minItems")


class _Compiler:
    """Compiles schemas; a definition once, so that a type may contain itself."""

    def __init__(self, definitions: Schema) -> None:
        self._definitions = definitions
        self._made: dict[str, Codec] = {}
        self._objects: set[str] = set()

    # --- what a schema says ------------------------------------------------------------------------------

    def flat(self, schema: Any) -> Schema:
        """The schema with its reference and its `allOf` merged into it."""
        if not isinstance(schema, Mapping):
            return {}
        if "$ref" in schema:
            return self.flat(self._definitions[_name_of(schema)])
        if "allOf" not in schema:
            return schema
        merged: dict[str, Any] = {}
        for part in [*schema["allOf"], {key: value for key, value in schema.items() if key != "allOf"}]:
            flat = self.flat(part)
            properties = {**merged.get("properties", {}), **flat.get("properties", {})}
            merged |= flat
            if properties:
                merged["properties"] = properties
        return merged

    def notes(self, schema: Any) -> dict[str, Any]:
        """The `xml` object."""
        own = self.flat(schema).get("xml")
        return own if isinstance(own, dict) else {}

    def kinds(self, schema: Any) -> frozenset[str]:
        """The types that are named, null among them."""
        flat = self.flat(schema)
        kinds = flat.get("type", ())
        named = {kinds} if isinstance(kinds, str) else set(kinds)
        for keyword in ("oneOf", "anyOf"):
            named.update(*(self.kinds(part) for part in flat.get(keyword, ())))
        return frozenset(named)

    def items(self, schema: Any) -> Any:
        """The schema of an array's items; None for what is not one."""
        flat = self.flat(schema)
        if "array" not in self.kinds(schema) and "items" not in flat:
            return None
        if "prefixItems" in flat:
            raise ContractUnsupported("prefixItems have no form in XML")
        return flat.get("items", {})

    def prefixes(self, schema: Any) -> dict[str | None, str]:
        """Prefixes that the root asks for."""
        own = self.notes(schema)
        return {own["prefix"]: own["namespace"]} if own.get("prefix") and own.get("namespace") else {}

    # --- how it is written and read ----------------------------------------------------------------------

    def codec(self, schema: Any) -> Codec:
        """How an element of its own carries the schema's values."""
        if isinstance(schema, Mapping) and "$ref" in schema:
            return self._later(_name_of(schema))
        flat = self.flat(schema)
        for keyword in ("oneOf", "anyOf"):
            if keyword in flat and "properties" not in flat:
                return self._alternatives(flat[keyword])
        if self.items(flat) is not None:
            return nillable(self._array(flat))
        if "object" in self.kinds(flat) or "properties" in flat:
            return nillable(self._object(flat))
        return nillable(scalar(self.kinds(flat))) if self.kinds(flat) else nillable(ANYTHING)

    def _later(self, name: str) -> Codec:
        def made() -> Codec:
            if name not in self._made:
                self._made[name] = self.codec(self._definitions[name])
            return self._made[name]

        return Codec(
            write=lambda element, value, at: made().write(element, value, at), read=lambda element: made().read(element)
        )

    def _alternatives(self, parts: list[Any]) -> Codec:
        """The alternative that fits a value writes it; the first that reads something fitting reads it."""
        branches = [
            (self.codec(part), JsonValidator({**part, "$defs": dict(self._definitions)}, formats=True))
            for part in parts
            if isinstance(part, Mapping) and part.get("type") != "null"
        ]

        def write(element: Element, value: Any, at: str) -> None:
            fitting = [codec for codec, validator in branches if _fits(validator, value)]
            (fitting or [branches[0][0]])[0].write(element, value, at)

        def read(element: Element) -> Any:
            read_values = [(codec.read(element), validator) for codec, validator in branches]
            fitting = [value for value, validator in read_values if _fits(validator, value)]
            return fitting[0] if fitting else read_values[0][0]

        return nillable(Codec(write=write, read=read))

    def _array(self, schema: Schema) -> Codec:
        """An array in an element of its own: at the root, or inside of another array."""
        items = self.items(schema)
        own, item = self.notes(schema), self.notes(items)
        tag = _qualified(item, item.get("name") or own.get("name") or "item")
        codec = self.codec(items)

        def write(element: Element, value: Any, at: str) -> None:
            for index, each in enumerate(listed(value, at)):
                codec.write(etree.SubElement(element, tag), each, f"{at}/{index}")

        def read(element: Element) -> list[Any]:
            refuse_beside_children(element)
            strange = next((child for child in children_of(element) if child.tag != tag), None)
            if strange is not None:
                raise ContractViolation("is not a known element", path=f"/{local(strange.tag)}")
            return [codec.read(child) for child in children_of(element)]

        return Codec(write=write, read=read)

    def _object(self, schema: Schema) -> Codec:
        parts = [_Property(key, part, self) for key, part in schema.get("properties", {}).items()]
        others = schema.get("additionalProperties", True)
        if self.items(others) is not None:
            raise ContractUnsupported("additionalProperties that are lists have no form in XML")
        return _ObjectCodec(parts, self.codec(others)).codec


class _ObjectCodec:
    """Objects: the described properties, and others as they come."""

    def __init__(self, parts: list[_Property], others: Codec) -> None:
        self._parts = {part.key: part for part in parts}
        self._attributes = {part.tag: part for part in parts if part.attribute}
        self._elements = {part.tag or part.item_tag: part for part in parts if not part.attribute}
        self._lists = [part.key for part in parts if part.lists]
        self._others = others
        if len(self._attributes) + len(self._elements) < len(parts):
            raise ContractUnsupported("two properties of one object have the same name in XML")
        self.codec = Codec(write=self._write, read=self._read)

    def _write(self, element: Element, value: Any, at: str) -> None:
        if not isinstance(value, Mapping):
            raise ContractViolation("must be of type object", path=at)
        for key, part in self._parts.items():
            if key in value:
                _write_property(element, part, value[key], f"{at}/{key}")
        for key, other in value.items():
            if key not in self._parts:
                write_other(element, key, other, f"{at}/{key}", self._others)

    def _read(self, element: Element) -> dict[str, Any]:
        values: dict[str, Any] = {key: [] for key in self._lists}
        for tag, text in attributes_of(element):
            named = self._attributes.get(tag)
            values[named.key if named else "@" + tag] = typed(text, named.kinds) if named else text
        for child in children_of(element):
            part = self._elements.get(str(child.tag))
            if part is None:
                add(values, str(child.tag), self._others.read(child))
            elif part.items is None:
                _once(values, part.key, part.codec.read(child))
            elif part.wrapped:
                _once(values, part.key, _unwrapped(child, part))
            else:
                values.setdefault(part.key, []).append(part.codec.read(child))
        text = text_of(element)
        return {**values, TEXT: text} if text else values


def _write_property(element: Element, part: _Property, value: Any, at: str) -> None:
    if part.attribute:
        if value is None:
            raise ContractViolation("is null, which an attribute cannot say", path=at)
        put(element, part.tag, value, at)
    elif part.items is None:
        part.codec.write(etree.SubElement(element, part.tag), value, at)
    else:
        holder = etree.SubElement(element, part.tag) if part.wrapped else element
        if value is None and part.wrapped:
            holder.set(NIL, "true")
            return
        for index, each in enumerate(listed(value, at)):
            part.codec.write(etree.SubElement(holder, part.item_tag), each, f"{at}/{index}")


def _unwrapped(element: Element, part: _Property) -> Any:
    if is_nil(element):
        return None
    refuse_beside_children(element)
    children = children_of(element)
    strange = next((child for child in children if child.tag != part.item_tag), None)
    if strange is not None:
        raise ContractViolation("is not a known element", path=f"/{part.key}/{local(strange.tag)}")
    return [part.codec.read(child) for child in children]


def _once(values: dict[str, Any], key: str, value: Any) -> None:
    if key in values:
        raise ContractViolation("stands twice", path=f"/{key}")
    values[key] = value


def _fits(validator: JsonValidator, value: Any) -> bool:
    try:
        validator.validate(value)
    except ContractViolation:
        return False
    return True


def _qualified(notes: Mapping[str, Any], name: str) -> str:
    namespace = notes.get("namespace")
    tag = f"{{{namespace}}}{name}" if namespace else str(name)
    if not NAME.fullmatch(tag):
        raise ContractUnsupported(f"{name!r} is not a name that XML can carry")
    return tag


def _name_of(schema: Schema) -> str:
    return str(schema["$ref"]).rpartition("/")[2]
