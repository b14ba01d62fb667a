"""JSON Schema (2020-12) of the plain data of an element; the mapping is the decoder's.

Called at load for route documents, OpenAPI and the route compiler. Types are written where they are used, so that a
path can be followed without references; only a type that contains itself goes to `$defs`.
"""

from __future__ import annotations

from typing import Any

from esb.contracts.lexical import DECIMAL_PATTERN, reader
from esb.contracts.patterns import to_json_schema
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
    elements_of,
    fields_of,
    supported,
)

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_ZONE = "(Z|[+-][0-9]{2}:[0-9]{2})?"
_YEAR = "-?[0-9]{4,}"
_TIME = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
# JSON Schema's formats `date` and `date-time` are those of RFC 3339: no date with a zone, no moment without one. XSD
# has both, and agencies use both.
_MOMENT_PATTERNS = {
    "date": f"^{_YEAR}-[0-9]{{2}}-[0-9]{{2}}{_ZONE}$",
    "dateTime": f"^{_YEAR}-[0-9]{{2}}-[0-9]{{2}}T{_TIME}{_ZONE}$",
    "time": f"^{_TIME}{_ZONE}$",
    "gYear": f"^{_YEAR}{_ZONE}$",
    "gYearMonth": f"^{_YEAR}-[0-9]{{2}}{_ZONE}$",
    "gMonthDay": f"^--[0-9]{{2}}-[0-9]{{2}}{_ZONE}$",
    "gDay": f"^---[0-9]{{2}}{_ZONE}$",
    "gMonth": f"^--[0-9]{{2}}{_ZONE}$",
    "duration": "^-?P",
}
_TYPES = {Kind.INTEGER: "integer", Kind.FLOAT: "number", Kind.BOOLEAN: "boolean"}


def schema_of(element: ElementShape, *, request: bool) -> Schema:
    """The whole schema of one element. Raises ContractUnsupported."""
    writer = _Writer(_recursive(element), request=request)
    schema = {"$schema": DIALECT, **writer.element(element)}
    return {**schema, "$defs": writer.definitions} if writer.definitions else schema


class _Writer:
    """Writes one schema; `definitions` fills up on the way."""

    def __init__(self, recursive: frozenset[int], *, request: bool) -> None:
        self._recursive = recursive
        self._request = request
        self._names: dict[int, str] = {}
        self.definitions: dict[str, Schema] = {}

    def element(self, element: ElementShape) -> Schema:
        """One occurrence of an element."""
        supported(element.type)
        schema = self._simple(element.type) if isinstance(element.type, SimpleShape) else self._complex(element.type)
        if element.default is not None and isinstance(element.type, SimpleShape):
            schema = {**schema, "default": _value(element.type, element.default)}
        if element.nillable:
            schema = {"anyOf": [schema, {"type": "null"}]}
        return {**schema, **_titles(element.titles)}

    def _complex(self, shape: ComplexShape) -> Schema:
        if id(shape) not in self._recursive:
            return self._object(shape)
        if id(shape) not in self._names:
            name = self._names[id(shape)] = self._free_name(shape.name)
            self.definitions[name] = {}
            self.definitions[name] = self._object(shape)
        return {"$ref": f"#/$defs/{self._names[id(shape)]}"}

    def _free_name(self, name: str) -> str:
        taken = sum(known.partition("-")[0] == name for known in self.definitions)
        return f"{name}-{taken + 1}".replace(" ", "-") if taken else name.replace(" ", "-")

    def _object(self, shape: ComplexShape) -> Schema:
        supported(shape)
        if shape.text is not None and not shape.attributes:
            return self._simple(shape.text)
        properties: dict[str, Schema] = {attribute.key: self._attribute(attribute) for attribute in shape.attributes}
        required = [attribute.key for attribute in shape.attributes if attribute.required]
        if shape.text is not None:
            properties["value"] = self._simple(shape.text)
            required.append("value")
        for name, field in fields_of(shape).items():
            properties[name] = self._list(field.element) if field.repeated else self.element(field.element)
            if field.required or (field.repeated and not self._request):
                required.append(name)
        return {
            "type": "object",
            **_titles(shape.titles),
            "properties": properties,
            **({"required": required} if required else {}),
            **_one_of(shape.content),
            "additionalProperties": False,
        }

    def _list(self, element: ElementShape) -> Schema:
        schema: Schema = {"type": "array", "items": self.element(element)}
        if element.minimum and element.repeated:
            schema["minItems"] = element.minimum
        if element.maximum is not None and element.repeated:
            schema["maxItems"] = element.maximum
        return {**schema, **_titles(element.titles)}

    def _attribute(self, attribute: AttributeShape) -> Schema:
        schema = {**self._simple(attribute.type), **_titles(attribute.titles)}
        return schema if attribute.default is None else {**schema, "default": _value(attribute.type, attribute.default)}

    def _simple(self, shape: SimpleShape) -> Schema:
        supported(shape)
        titles = _titles(shape.titles)
        if shape.kind is Kind.LIST and shape.item is not None:
            limits = _limits(minItems=shape.bounds.min_length, maxItems=shape.bounds.max_length)
            return {"type": "array", "items": self._simple(shape.item), **limits, **titles}
        if shape.members and shape.kind is Kind.TEXT and any(member.kind is not Kind.TEXT for member in shape.members):
            return {"type": "string", **titles}
        if shape.members:
            return {"anyOf": [self._simple(member) for member in shape.members], **titles}
        schema = {**_plain_type(shape), **_bounds(shape), **titles}
        if shape.bounds.enumeration is not None:
            schema["enum"] = [_value(shape, text) for text in shape.bounds.enumeration]
        return schema


def _plain_type(shape: SimpleShape) -> Schema:
    if shape.kind is Kind.DECIMAL:
        return {"type": "string", "format": "decimal", "pattern": DECIMAL_PATTERN}
    if shape.kind in _TYPES:
        return {"type": _TYPES[shape.kind]}
    if shape.kind is Kind.BINARY and shape.builtin == "base64Binary":
        return {"type": "string", "contentEncoding": "base64"}
    if shape.kind is Kind.MOMENT:
        return {"type": "string", "pattern": _MOMENT_PATTERNS[shape.builtin]}
    return {"type": "string"}


def _bounds(shape: SimpleShape) -> Schema:
    bounds = shape.bounds
    if shape.kind in {Kind.INTEGER, Kind.FLOAT}:
        return _numeric(bounds, shape.kind)
    if shape.kind is not Kind.TEXT:
        return {}
    schema = _limits(minLength=bounds.min_length, maxLength=bounds.max_length)
    patterns = [text for step in bounds.patterns if (text := _any_of(step))]
    if len(patterns) == 1:
        return {**schema, "pattern": patterns[0]}
    return {**schema, "allOf": [{"pattern": text} for text in patterns]} if patterns else schema


def _numeric(bounds: Bounds, kind: Kind) -> Schema:
    limits = {
        "minimum": bounds.minimum,
        "maximum": bounds.maximum,
        "exclusiveMinimum": bounds.above,
        "exclusiveMaximum": bounds.below,
    }
    number = int if kind is Kind.INTEGER else float
    return {name: number(limit) for name, limit in limits.items() if limit is not None}


def _any_of(alternatives: tuple[str, ...]) -> str | None:
    """Patterns of one derivation step are alternatives."""
    texts = [to_json_schema(pattern) for pattern in alternatives]
    if None in texts:
        return None
    return "|".join(text for text in texts if text is not None)


def _one_of(content: GroupShape | None) -> Schema:
    """A choice that is the whole content and whose branches are single elements can be said in JSON Schema."""
    while content is not None and len(content.members) == 1 and isinstance(content.members[0], GroupShape):
        if not content.minimum or content.repeated:
            return {}
        content = content.members[0]
    if content is None or content.order is not Order.CHOICE or content.repeated or not content.minimum:
        return {}
    if any(isinstance(member, GroupShape) or member.repeated or not member.minimum for member in content.members):
        return {}
    return {"oneOf": [{"required": [element.name]} for element in elements_of(content)]}


def _value(shape: SimpleShape, text: str) -> Any:
    read = reader(shape)
    if read is None or shape.kind is Kind.DECIMAL:
        return text
    return read(text)


def _limits(**limits: int | None) -> Schema:
    return {name: limit for name, limit in limits.items() if limit is not None}


def _titles(titles: Titles) -> Schema:
    names = {"title": titles.en or titles.az, "description": titles.az}
    return {name: text for name, text in names.items() if text is not None}


def _recursive(root: ElementShape) -> frozenset[int]:
    """Types that contain themselves."""
    found: set[int] = set()

    def walk(element: ElementShape, above: tuple[int, ...]) -> None:
        shape = element.type
        if not isinstance(shape, ComplexShape) or shape.content is None or id(shape) in found:
            return
        if id(shape) in above:
            found.add(id(shape))
            return
        for child in elements_of(shape.content):
            walk(child, (*above, id(shape)))

    walk(root, ())
    return frozenset(found)
