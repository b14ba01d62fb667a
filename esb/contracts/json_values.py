"""JSON Schema (2020-12) of simple values; the mapping is that of `lexical`.

Used by `json_shape`. What JSON Schema cannot say (the calendar, bounds of decimals, which are text) is left to the
validator.
"""

from __future__ import annotations

from typing import Any

from esb.contracts.lexical import DECIMAL_PATTERN, FLOAT_PATTERN, reader
from esb.contracts.patterns import to_json_schema
from esb.contracts.shapes import Bounds, Kind, SimpleShape, Titles, supported

Schema = dict[str, Any]

# JSON Schema's formats `date` and `date-time` are those of RFC 3339: no date with a zone, no moment without one. XSD
# has both, and agencies use both. There is no year 0000 (XSD part 2, 3.2.7).
_ZONE = "(Z|[+-](0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)?"
_YEAR = "-?([1-9][0-9]{3,}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])"
_MONTH = "(0[1-9]|1[0-2])"
_DAY = "(0[1-9]|[12][0-9]|3[01])"
_TIME = r"(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?|24:00:00(\.0+)?)"
_MOMENT_PATTERNS = {
    "date": f"^{_YEAR}-{_MONTH}-{_DAY}{_ZONE}$",
    "dateTime": f"^{_YEAR}-{_MONTH}-{_DAY}T{_TIME}{_ZONE}$",
    "time": f"^{_TIME}{_ZONE}$",
    "gYear": f"^{_YEAR}{_ZONE}$",
    "gYearMonth": f"^{_YEAR}-{_MONTH}{_ZONE}$",
    "gMonthDay": f"^--{_MONTH}-{_DAY}{_ZONE}$",
    "gDay": f"^---{_DAY}{_ZONE}$",
    "gMonth": f"^--{_MONTH}{_ZONE}$",
    "duration": (
        r"^-?P(?=[0-9T])([0-9]+Y)?([0-9]+M)?([0-9]+D)?"
        r"(T(?=[0-9])([0-9]+H)?([0-9]+M)?([0-9]+(\.[0-9]+)?S)?)?$"
    ),
}
_TYPES = {Kind.INTEGER: "integer", Kind.BOOLEAN: "boolean"}
_BY_TEXT = frozenset({Kind.TEXT, Kind.MOMENT, Kind.BINARY})
"""What plain data writes as the document does, so that patterns mean the same."""


def value_schema(shape: SimpleShape) -> Schema:
    """The schema of one simple type. Raises ContractUnsupported."""
    supported(shape)
    if shape.kind is Kind.LIST and shape.item is not None:
        limits = _limits(minItems=shape.bounds.min_length, maxItems=shape.bounds.max_length)
        return {"type": "array", "items": value_schema(shape.item), **limits, **titles(shape.titles)}
    if shape.members:
        return {**_union(shape), **titles(shape.titles)}
    schema = {**_plain_type(shape), **_bounds(shape), **titles(shape.titles)}
    if shape.bounds.enumeration is not None:
        schema["enum"] = [value_of(shape, text) for text in shape.bounds.enumeration]
    return schema


def value_of(shape: SimpleShape, text: str) -> Any:
    """A value out of the contract, as JSON carries it."""
    read = reader(shape)
    if read is None or shape.kind is Kind.DECIMAL:
        return text
    return [str(item) for item in read(text)] if shape.kind is Kind.LIST and _of_decimals(shape) else read(text)


def titles(names: Titles) -> Schema:
    """What the contract calls something, in JSON Schema's words."""
    found = {"title": names.en or names.az, "description": names.az}
    return {name: text for name, text in found.items() if text is not None}


def _of_decimals(shape: SimpleShape) -> bool:
    return shape.item is not None and shape.item.kind is Kind.DECIMAL


def _union(shape: SimpleShape) -> Schema:
    enumeration = (
        {}
        if shape.bounds.enumeration is None
        else {"enum": [value_of(shape, text) for text in shape.bounds.enumeration]}
    )
    if shape.kind is Kind.TEXT and any(member.kind is not Kind.TEXT for member in shape.members):
        return {"type": "string", **enumeration}
    return {"anyOf": [value_schema(member) for member in shape.members], **enumeration}


def _plain_type(shape: SimpleShape) -> Schema:
    if shape.kind is Kind.DECIMAL:
        return {"type": "string", "format": "decimal", "pattern": DECIMAL_PATTERN}
    if shape.kind is Kind.FLOAT:
        # What is not finite is text, and JSON Schema looks at a pattern only where text is.
        return {"type": ["number", "string"], "pattern": FLOAT_PATTERN}
    if shape.kind in _TYPES:
        return {"type": _TYPES[shape.kind]}
    if shape.kind is Kind.BINARY and shape.builtin == "base64Binary":
        return {"type": "string", "contentEncoding": "base64"}
    return {"type": "string"}


def _bounds(shape: SimpleShape) -> Schema:
    bounds = shape.bounds
    if shape.kind in {Kind.INTEGER, Kind.FLOAT}:
        return _numeric(bounds, shape.kind)
    if shape.kind not in _BY_TEXT:
        return {}
    schema = _limits(minLength=bounds.min_length, maxLength=bounds.max_length) if shape.kind is Kind.TEXT else {}
    patterns = [text for step in bounds.patterns if (text := _any_of(step))]
    if shape.kind is Kind.MOMENT:
        patterns.append(_MOMENT_PATTERNS[shape.builtin])
    if shape.builtin == "hexBinary":
        patterns.append(_hex(bounds))
    if len(patterns) == 1:
        return {**schema, "pattern": patterns[0]}
    return {**schema, "allOf": [{"pattern": text} for text in patterns]} if patterns else schema


def _hex(bounds: Bounds) -> str:
    longest = "" if bounds.max_length is None else bounds.max_length
    return f"^([0-9A-Fa-f]{{2}}){{{bounds.min_length or 0},{longest}}}$"


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


def _limits(**limits: int | None) -> Schema:
    return {name: limit for name, limit in limits.items() if limit is not None}
