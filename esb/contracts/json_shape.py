"""JSON Schema (2020-12) of the plain data of an element; the mapping is the decoder's.

Called at load for route documents, OpenAPI and the route compiler. Types are written where they are used, so that a
path can be followed without references; only a type that contains itself goes to `$defs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from esb.contracts.json_values import titles, value_of, value_schema
from esb.contracts.layout import Foreign, Layout, Lists, Place, Run, layout_of
from esb.contracts.names import NIL_KEY, TYPE_KEY, type_keys
from esb.contracts.recursion import recursive_types
from esb.contracts.shapes import (
    AttributeShape,
    ComplexShape,
    ElementShape,
    Kind,
    Order,
    SimpleShape,
    Type,
    supported,
)
from esb.errors import ContractUnsupported

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_MAX_WRITTEN_CHOICES = 16
"""Types beyond which only their names are told: a base type of everything would fill books."""
_CONSTANT = frozenset({Kind.TEXT, Kind.INTEGER, Kind.BOOLEAN, Kind.MOMENT})
_ANYTHING: Schema = {"type": ["string", "object"]}


def schema_of(element: ElementShape, *, request: bool) -> Schema:
    """The whole schema of one element. Raises ContractUnsupported."""
    writer = _Writer(recursive_types(element), request=request)
    try:
        schema = {"$schema": DIALECT, **writer.element(element)}
        writer.finish()
    except RecursionError as error:
        raise ContractUnsupported(f"{element.name} is nested too deeply for a JSON Schema") from error
    return {**schema, "$defs": writer.definitions} if writer.definitions else schema


class _Writer:
    """Writes one schema; `definitions` fills up on the way."""

    def __init__(self, recursive: frozenset[int], *, request: bool) -> None:
        self._recursive = recursive
        self._request = request
        self._names: dict[int, str] = {}
        self._waiting: list[tuple[str, Callable[[], Schema]]] = []
        self.definitions: dict[str, Schema] = {}

    def finish(self) -> None:
        """Write the definitions that were referred to."""
        while self._waiting:
            name, write = self._waiting.pop()
            self.definitions[name] = write()

    def element(self, element: ElementShape) -> Schema:
        """One occurrence of an element."""
        supported(element.type)
        schema = self._type(element.type)
        if element.choices or (isinstance(element.type, ComplexShape) and element.type.abstract):
            schema = self._chosen(schema, element)
        simple = element.type if isinstance(element.type, SimpleShape) else None
        if element.default is not None and simple is not None:
            schema = {**schema, **_default(simple, element.default, fixed=element.fixed)}
        if element.nillable:
            schema = {"anyOf": [schema, *self._nil(element.type)]}
        return {**schema, **titles(element.titles)}

    def _type(self, shape: Type) -> Schema:
        if isinstance(shape, SimpleShape):
            return value_schema(shape)
        if shape.anything:
            return dict(_ANYTHING)
        if id(shape) not in self._recursive:
            return self._object(shape)
        return self._defined(id(shape), shape.name, lambda: self._object(shape))

    def _defined(self, key: int, name: str, write: Callable[[], Schema]) -> Schema:
        """A reference to a definition that is written once, later: a chain of types may be longer than the stack."""
        if key not in self._names:
            free = self._names[key] = self._free_name(name)
            self.definitions[free] = {}
            self._waiting.append((free, write))
        return {"$ref": f"#/$defs/{self._names[key]}"}

    def _free_name(self, name: str) -> str:
        taken = sum(known.partition("-")[0] == name for known in self.definitions)
        return f"{name}-{taken + 1}".replace(" ", "-") if taken else name.replace(" ", "-")

    # --- types that the data chooses, nil -----------------------------------------------------------------

    def _chosen(self, declared: Schema, element: ElementShape) -> Schema:
        shape = element.type
        if isinstance(shape, ComplexShape) and shape.anything:
            return declared
        abstract = isinstance(shape, ComplexShape) and shape.abstract
        names = _names_by_type(element, "" if abstract else shape.qname)
        choices = [] if len(element.choices) > _MAX_WRITTEN_CHOICES else list(element.choices.items())
        chosen = [self._named_type(choice, names[qname]) for qname, choice in choices if choice.refusal is None]
        if not choices:
            chosen = [_naming(sorted(name for known in names.values() for name in known))]
        if abstract:
            return {"anyOf": chosen}
        own = names.get(shape.qname, [])
        if declared.get("additionalProperties") is False and choices:
            return _extended(declared, own, chosen)
        return {"anyOf": [declared, *chosen, *([self._named_type(shape, own)] if own else [])]}

    def _named_type(self, shape: Type, names: list[str]) -> Schema:
        """The data of a type with its name in it."""
        naming: Schema = {TYPE_KEY: {"enum": names}}
        if isinstance(shape, ComplexShape) and not shape.bare:
            if id(shape) not in self._recursive:
                return _with_properties(self._object(shape), naming)
            # A closed object cannot be extended, so there is a second definition that lets the name in.
            return self._defined(
                -id(shape), f"{shape.name}.named", lambda: _with_properties(self._object(shape), naming)
            )
        text = shape if isinstance(shape, SimpleShape) else shape.text
        value = value_schema(text) if text is not None else {}
        return _with_properties(_closed({"value": value}, ["value"]), naming)

    def _nil(self, shape: Type) -> list[Schema]:
        if isinstance(shape, SimpleShape) or not (shape.attributes or shape.any_attribute is not None):
            return [{"type": "null"}]
        nil = _closed(self._attributes(shape.attributes), _required_of(shape.attributes))
        if shape.any_attribute is not None:
            nil |= _any_attribute(nil)
        told = _with_properties(nil, {NIL_KEY: {"const": True}})
        return [told] if any(attribute.required for attribute in shape.attributes) else [{"type": "null"}, told]

    # --- objects ------------------------------------------------------------------------------------------

    def _object(self, shape: ComplexShape) -> Schema:
        supported(shape)
        if shape.text is not None and shape.bare:
            return value_schema(shape.text)
        properties = self._attributes(shape.attributes)
        required = _required_of(shape.attributes)
        if shape.text is not None:
            properties["value"] = value_schema(shape.text)
            required.append("value")
            schema = _closed(properties, required)
        else:
            schema = self._scope(layout_of(shape), properties, required)
        if shape.any_attribute is not None and schema["additionalProperties"] is False:
            schema |= _any_attribute(schema)
        return {**schema, **titles(shape.titles)}

    def _scope(self, layout: Layout, properties: Schema, required: list[str]) -> Schema:
        for key, place in layout.places.items():
            properties[key] = self._list(place) if place.repeated else self.element(place.element)
            if place.required or (place.repeated and not self._request):
                required.append(key)
        for key, rounds in layout.rounds.items():
            properties[key] = {"type": "array", "items": self._scope(rounds.scope, {}, [])}
            if rounds.minimum:
                properties[key]["minItems"] = rounds.minimum if rounds.required else 0
            if rounds.required or not self._request:
                required.append(key)
        for key, lists in layout.orders.items():
            properties[key] = {"type": "array", "items": _names_in(lists)}
        schema = _closed(properties, required) | _one_of(layout)
        return {**schema, "additionalProperties": True} if layout.foreign else schema

    def _list(self, place: Place) -> Schema:
        element = place.element
        schema: Schema = {"type": "array", "items": self.element(element)}
        if element.repeated and place.required:
            schema["minItems"] = element.minimum
        if element.repeated and element.maximum is not None:
            schema["maxItems"] = element.maximum
        return {**schema, **titles(element.titles)}

    def _attributes(self, attributes: Iterable[AttributeShape]) -> dict[str, Schema]:
        return {attribute.key: _attribute(attribute) for attribute in attributes}


def _attribute(attribute: AttributeShape) -> Schema:
    schema = {**value_schema(attribute.type), **titles(attribute.titles)}
    if attribute.default is None:
        return schema
    return {**schema, **_default(attribute.type, attribute.default, fixed=attribute.fixed)}


def _required_of(attributes: Iterable[AttributeShape]) -> list[str]:
    return [attribute.key for attribute in attributes if attribute.required]


def _default(shape: SimpleShape, text: str, *, fixed: bool) -> Schema:
    value = value_of(shape, text)
    return {"const": value} if fixed and shape.kind in _CONSTANT else {"default": value}


def _closed(properties: Mapping[str, Schema], required: list[str]) -> Schema:
    schema: Schema = {"type": "object", "properties": dict(properties)}
    if required:
        schema["required"] = required
    return {**schema, "additionalProperties": False}


def _any_attribute(schema: Schema) -> Schema:
    """What lets attributes in that the contract does not name, and nothing else."""
    own = [key for key in schema["properties"] if not key.startswith("@")]
    return {"additionalProperties": {"type": "string"}, "propertyNames": {"anyOf": [{"enum": own}, {"pattern": "^@"}]}}


def _with_properties(schema: Schema, properties: Mapping[str, Schema]) -> Schema:
    return {
        **schema,
        "properties": {**properties, **schema["properties"]},
        "required": [*properties, *schema.get("required", ())],
    }


def _extended(declared: Schema, own: list[str], chosen: list[Schema]) -> Schema:
    """An object with what its extensions add: what all have in common stays where it can be followed by its path."""
    common = {name: value for name, value in declared.items() if name != "additionalProperties"}
    plain: Schema = {"properties": {TYPE_KEY: {"enum": own}}} if own else {"not": {"required": [TYPE_KEY]}}
    added = [_added(schema, declared) if "properties" in schema else schema for schema in chosen]
    return {**common, "anyOf": [plain, *added], "unevaluatedProperties": False}


def _added(schema: Schema, declared: Schema) -> Schema:
    known = declared["properties"]
    added = {**schema, "properties": {key: one for key, one in schema["properties"].items() if known.get(key) != one}}
    added["required"] = [key for key in schema["required"] if key not in declared.get("required", ())]
    if added["additionalProperties"] is False:
        del added["additionalProperties"]
    return added


def _names_by_type(element: ElementShape, declared: str) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name, qname in sorted(type_keys(element.choices, declared).items()):
        names.setdefault(qname, []).append(name)
    return names


def _naming(names: list[str]) -> Schema:
    return {"type": "object", "properties": {TYPE_KEY: {"enum": names}}, "required": [TYPE_KEY]}


def _names_in(lists: Lists) -> Schema:
    if any(isinstance(member, Foreign) for member in lists.members):
        return {"type": "string"}
    return {"enum": [member.key for member in lists.members]}


def _one_of(layout: Layout) -> Schema:
    """A choice that is the whole content and whose branches are single elements can be said in JSON Schema."""
    node = layout.node
    while isinstance(node, Run) and len(node.members) == 1 and not node.optional:
        node = node.members[0]
    if not isinstance(node, Run) or node.order is not Order.CHOICE or node.optional:
        return {}
    places = [member for member in node.members if isinstance(member, Place)]
    if len(places) < len(node.members) or any(place.repeated or not place.element.minimum for place in places):
        return {}
    return {"oneOf": [{"required": [place.key]} for place in places]}
