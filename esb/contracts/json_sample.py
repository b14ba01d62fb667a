"""Sample data from a JSON Schema: valid for the schemas that contracts use, readable, the same every time.

Called at load by `json_contract`. Every property is there; an array has as few items as it may, but one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from esb.contracts.patterns import examples
from esb.errors import ContractUnsupported

_FORMATS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00+04:00",
    "time": "12:00:00+04:00",
    "duration": "P1D",
    "uri": "https://example.az/1",
    "uri-reference": "/1",
    "email": "ad@example.az",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "decimal": "1.00",
}


def sample_of(schema: Mapping[str, Any]) -> Any:
    """One instance of a schema without references. Raises ContractUnsupported."""
    for given in ("example", "const", "default"):
        if given in schema:
            return schema[given]
    for several in ("examples", "enum"):
        if schema.get(several):
            return schema[several][0]
    for combined in ("oneOf", "anyOf"):
        if combined in schema and "properties" not in schema:
            return sample_of(schema[combined][0])
    if "allOf" in schema:
        return _merged_sample(schema)
    return _by_type(schema)


def _merged_sample(schema: Mapping[str, Any]) -> Any:
    parts = [sample_of(part) for part in schema["allOf"]]
    own = {key: value for key, value in schema.items() if key != "allOf"}
    if all(isinstance(part, dict) for part in parts):
        merged = {key: value for part in parts for key, value in part.items()}
        return merged | (_object(own) if "properties" in own else {})
    return parts[0] if parts else None


def _by_type(schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = next((each for each in kind if each != "null"), "null")
    if kind == "object":
        return _object(schema)
    if kind == "array":
        return [sample_of(schema.get("items", {})) for _ in range(max(1, schema.get("minItems", 0)))]
    if kind in {"integer", "number"}:
        return _number(schema, whole=kind == "integer")
    if kind == "boolean":
        return True
    return None if kind == "null" else _text(schema)


def _object(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {name: sample_of(part) for name, part in schema.get("properties", {}).items()}


def _number(schema: Mapping[str, Any], *, whole: bool) -> int | float:
    step = schema.get("multipleOf", 1 if whole else 0.01)
    number = 1
    lowest, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    highest, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if highest is not None:
        number = min(number, highest)
    if below is not None and number >= below:
        number = below - step
    if lowest is not None:
        number = max(number, lowest)
    if above is not None and number <= above:
        number = above + step
    if "multipleOf" in schema:
        number = math.ceil(number / step) * step
    return int(number) if whole else number


def _text(schema: Mapping[str, Any]) -> str:
    shortest, longest = schema.get("minLength", 0), schema.get("maxLength")
    if "pattern" in schema:
        for example in examples(schema["pattern"].removeprefix("^").removesuffix("$")):
            if len(example) >= shortest and (longest is None or len(example) <= longest):
                return example
        raise ContractUnsupported("no example found for a pattern of the contract")
    text: str = _FORMATS.get(schema.get("format", ""), "text")
    text += "x" * (shortest - len(text))
    return text if longest is None else text[:longest]
