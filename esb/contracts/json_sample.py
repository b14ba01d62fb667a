"""Sample data from a JSON Schema: valid for the schemas that contracts use, readable, the same every time.

Called at load by the contracts. Every property is there, but for those that would never end; an array has as few items
as it may, but one.
"""

from __future__ import annotations

import contextlib
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
    "byte": "QQ==",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.az",
}
_SHAPING = frozenset({"anyOf", "const", "enum", "oneOf", "properties", "type"})


def sample_of(schema: Mapping[str, Any], *, given: bool = True) -> Any:
    """One instance of a schema whose references point into its own `$defs`.

    `given`: the author's own examples are taken where there are any; they are not checked.

    Raises:
        ContractUnsupported: no finite instance was found.
    """
    try:
        return _Sampling(schema.get("$defs", {}), given=given).of(schema)
    except _EndlessError as error:
        raise ContractUnsupported("a schema contains itself, and every instance of it would be endless") from error


class _EndlessError(Exception):
    """A branch leads back into a definition that is being sampled."""


class _Sampling:
    """One sample; `_open` are the definitions that it is inside of."""

    def __init__(self, definitions: Mapping[str, Any], *, given: bool) -> None:
        self._definitions = definitions
        self._given = given
        self._open: list[str] = []

    def of(self, schema: Any) -> Any:
        """One instance of a part of the schema."""
        if not isinstance(schema, Mapping):
            return "text"
        if "$ref" in schema:
            return self._referred(schema["$ref"].rpartition("/")[2])
        said = _said(schema, given=self._given)
        return said[0] if said else self._made(schema)

    def _made(self, schema: Mapping[str, Any]) -> Any:
        for keyword in ("oneOf", "anyOf"):
            if keyword in schema and "properties" not in schema and "allOf" not in schema:
                return self._first(schema[keyword])
        return self._merged(schema) if "allOf" in schema else self._by_type(schema)

    def _referred(self, name: str) -> Any:
        if name in self._open:
            raise _EndlessError
        self._open.append(name)
        try:
            return self.of(self._definitions[name])
        finally:
            self._open.pop()

    def _first(self, alternatives: list[Any]) -> Any:
        for alternative in alternatives:
            with contextlib.suppress(_EndlessError):
                return self.of(alternative)
        raise _EndlessError

    def _merged(self, schema: Mapping[str, Any]) -> Any:
        own = {key: value for key, value in schema.items() if key != "allOf"}
        # A part that only names a kind of the other parts (enum beside a reference) says the value.
        parts = [self.of(part) for part in [*schema["allOf"], *([own] if own.keys() & _SHAPING else [])]]
        if not all(isinstance(part, dict) for part in parts):
            return parts[-1] if own.keys() & {"enum", "const"} else parts[0]
        return {key: value for part in parts for key, value in part.items()}

    def _by_type(self, schema: Mapping[str, Any]) -> Any:
        kind = schema.get("type", "object" if "properties" in schema else "string")
        if isinstance(kind, list):
            kind = next((each for each in kind if each != "null"), "null")
        if kind == "object":
            return self._object(schema)
        if kind == "array":
            return self._array(schema)
        if kind in {"integer", "number"}:
            return _number(schema, whole=kind == "integer")
        if kind == "boolean":
            return True
        return None if kind == "null" else _text(schema)

    def _object(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        values = {}
        required = schema.get("required", ())
        for name, part in schema.get("properties", {}).items():
            if part is False:
                continue
            try:
                values[name] = self.of(part)
            except _EndlessError:
                if name in required:
                    raise
        return values

    def _array(self, schema: Mapping[str, Any]) -> list[Any]:
        fewest = schema.get("minItems", 0)
        if "prefixItems" in schema:
            return [self.of(part) for part in schema["prefixItems"]]
        try:
            return [self.of(schema.get("items", {})) for _ in range(max(1, fewest))]
        except _EndlessError:
            if fewest:
                raise
            return []


def _said(schema: Mapping[str, Any], *, given: bool) -> list[Any]:
    """Values that the schema itself names."""
    said = [schema["const"]] if "const" in schema else []
    if given:
        said += [schema[name] for name in ("example", "default") if name in schema]
        said += schema.get("examples") or []
    return [*said, *(schema.get("enum") or [])]


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
        # A pattern that is beyond the sampler leaves a sample that does not fit; the contract can be used all the same.
        with contextlib.suppress(ContractUnsupported):
            for example in examples(schema["pattern"].removeprefix("^").removesuffix("$")):
                if len(example) >= shortest and (longest is None or len(example) <= longest):
                    return example
    text: str = _FORMATS.get(schema.get("format", ""), "text")
    text += "x" * (shortest - len(text))
    return text if longest is None else text[:longest]
