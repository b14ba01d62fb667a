"""Schemas of an OpenAPI document as JSON Schema 2020-12, with references written out where they are used.

Called at load, once for what is sent and once for what is received: `readOnly` and `writeOnly` mean different things
in the two. Where a schema contains itself it stays a reference, into the `$defs` that `closed` adds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from esb.contracts.json_shape import DIALECT
from esb.contracts.openapi_files import Place
from esb.contracts.references import REFERENCE, References

Schema = dict[str, Any]

MAX_SCHEMA_VALUES: Final = 100_000

_NOTES: Final = frozenset({"title", "description", "summary", "example", "examples", "default", "deprecated"})
_SCHEMA: Final = frozenset(
    {"additionalProperties", "contains", "else", "if", "items", "not", "propertyNames", "then"}
    | {"unevaluatedItems", "unevaluatedProperties"}
)
_SCHEMA_LISTS: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SCHEMA_TABLES: Final = frozenset({"dependentSchemas", "patternProperties", "properties"})
_LEFT_OUT: Final = frozenset({"$defs", "$schema", "$comment", "discriminator", "externalDocs", "nullable"})
_REFUSED: Final = frozenset({"$anchor", "$dynamicAnchor", "$dynamicRef", "$id", "$recursiveAnchor", "$recursiveRef"})
_BOUNDS: Final = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1)}
_DEFINITION: Final = "#/$defs/"


class Schemas:
    """Schemas of one document, for one direction."""

    def __init__(self, references: References, *, version: str, sent: bool) -> None:
        """`version`: `3.0` or `3.1`. `sent`: for requests, in which `readOnly` properties must not stand."""
        self._references = references
        self._old = version == "3.0"
        self._sent = sent
        self._written: dict[tuple[str, tuple[str, ...]], Any] = {}
        self._open: list[tuple[str, tuple[str, ...]]] = []
        self._recursive: dict[tuple[str, tuple[str, ...]], str] = {}
        self._definitions: dict[str, Schema] = {}

    def closed(self, place: Place) -> Schema:
        """The schema at a place, complete in itself. Raises ContractUnsupported."""
        schema = self.plain(place)
        return self.complete(_as_object(schema), place)

    def complete(self, schema: Schema, place: Place) -> Schema:
        """A schema made of `plain` parts with the definitions that they need. Raises ContractUnsupported: too large."""
        needed: dict[str, Schema] = {}
        left = [schema]
        while left:
            for name in _references_in(left.pop()):
                if name not in needed:
                    needed[name] = self._definitions[name]
                    left.append(needed[name])
        finished = {**schema, "$defs": needed} if needed else schema
        if _size(finished, {}) > MAX_SCHEMA_VALUES:
            reason = f"written out, the schema has more than {MAX_SCHEMA_VALUES} parts; split the operation"
            raise self._references.refusal(place, reason)
        return finished

    def plain(self, place: Place) -> Any:
        """The schema at a place, True and False included; `$ref` only where it contains itself."""
        value = place.value
        if isinstance(value, bool):
            return value
        if not isinstance(value, dict):
            raise self._references.refusal(place, "a schema is expected")
        refused = next((name for name in value if name in _REFUSED), None)
        if refused is not None:
            raise self._references.refusal(place, f"{refused} is not followed; refer by pointer (#/…)")
        if REFERENCE not in value:
            return self._translated(place)
        target = self._target(self._references.target(place))
        if self._old:  # OpenAPI 3.0, Reference Object: what stands beside a reference is ignored
            return target
        beside = {name: part for name, part in value.items() if name != REFERENCE}
        own = self._translated(Place(beside, place.file, place.pointer))
        # Notes replace those of the target; rules apply in addition (JSON Schema core, 8.2.3.1).
        if own.keys() <= _NOTES and isinstance(target, dict):
            return {**target, **own}
        return {"allOf": [target], **own}

    # --- references --------------------------------------------------------------------------------------

    def _target(self, place: Place) -> Any:
        address = place.address
        if address in self._open:
            name = self._recursive.setdefault(address, self._name(place))
            return {REFERENCE: _DEFINITION + name}
        if address not in self._written:
            self._open.append(address)
            written = self.plain(place)
            self._open.pop()
            if address in self._recursive:
                name = self._recursive[address]
                if isinstance(written, dict) and written.get(REFERENCE) == _DEFINITION + name:
                    raise self._references.refusal(place, "the reference leads back to itself")
                self._definitions[name] = written
                written = {REFERENCE: _DEFINITION + name}
            self._written[address] = written
        return self._written[address]

    def _name(self, place: Place) -> str:
        plain = re.sub(r"[^A-Za-z0-9_.-]", "_", place.pointer[-1] if place.pointer else place.file)
        taken = set(self._recursive.values())
        return next(name for name in _numbered(plain) if name not in taken)

    # --- translation -------------------------------------------------------------------------------------

    def _translated(self, place: Place) -> Schema:
        schema = dict(self._keywords(place))
        if self._old:
            _modernise(schema, place.value)
        _bound(schema)
        self._direct(schema)
        return self._chosen(schema, place)

    def _keywords(self, place: Place) -> Iterator[tuple[str, Any]]:
        for name, value in place.value.items():
            child = place.child(name)
            if name in _SCHEMA:
                yield name, self.plain(child)
            elif name in _SCHEMA_LISTS and isinstance(value, list):
                yield name, [_as_object(self.plain(child.child(str(index)))) for index in range(len(value))]
            elif name in _SCHEMA_TABLES and isinstance(value, dict):
                yield name, {key: _as_object(self.plain(child.child(key))) for key in value}
            elif name not in _LEFT_OUT:
                yield name, value

    def _direct(self, schema: Schema) -> None:
        """What may only be read is not sent, and what may only be written need not come back."""
        mark = "readOnly" if self._sent else "writeOnly"
        marked = [name for name, part in schema.get("properties", {}).items() if self._is_marked(part, mark)]
        if not marked:
            return
        schema["required"] = [name for name in schema.get("required", ()) if name not in marked]
        if self._sent:
            schema["properties"] = {n: part for n, part in schema["properties"].items() if n not in marked}
            forbidden = {"not": {"enum": marked}}
            names = schema.get("propertyNames")
            schema["propertyNames"] = forbidden if names is None else {"allOf": [names, forbidden]}

    def _is_marked(self, part: Any, mark: str) -> bool:
        return isinstance(part, dict) and part.get(mark) is True

    def _chosen(self, schema: Schema, place: Place) -> Schema:
        """With a discriminator, each alternative holds for its own values of the property alone."""
        said = place.value.get("discriminator")
        if not isinstance(said, dict) or not isinstance(said.get("propertyName"), str):
            return schema
        name = said["propertyName"]
        for keyword in ("oneOf", "anyOf"):
            if keyword in schema:
                marks = [self._marks(place, said, part) for part in place.value[keyword]]
                pairs = zip(schema[keyword], marks, strict=True)
                schema[keyword] = [_of_kind(part, name, values) for part, values in pairs]
        return schema

    def _marks(self, place: Place, said: Mapping[str, Any], part: Any) -> list[str]:
        """The values of the discriminator that mean an alternative; none when it is not a reference."""
        if not isinstance(part, dict) or not isinstance(part.get(REFERENCE), str):
            return []
        address = self._references.named(place, part[REFERENCE]).address
        mapping = said.get("mapping")
        pairs = mapping.items() if isinstance(mapping, dict) else ()
        named = [name for name, target in pairs if self._mapped(place, str(target)) == address]
        return named or [part[REFERENCE].rpartition("/")[2]]

    def _mapped(self, place: Place, target: str) -> tuple[str, tuple[str, ...]]:
        by_name = re.fullmatch(r"[A-Za-z0-9._-]+", target) and not target.endswith((".json", ".yaml", ".yml"))
        return self._references.named(place, f"#/components/schemas/{target}" if by_name else target).address


def _as_object(schema: Any) -> Schema:
    """Readers of a schema look for its keywords, and True and False have none."""
    if isinstance(schema, bool):
        return {} if schema else {"not": {}}
    written: Schema = schema
    return written


def _of_kind(part: Any, name: str, marks: list[str]) -> Any:
    return {"allOf": [part], "required": [name], "properties": {name: {"enum": marks}}} if marks else part


def _modernise(schema: Schema, written: Mapping[str, Any]) -> None:
    """OpenAPI 3.0 to 2020-12: bounds that were booleans, one example, and null."""
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        exclusive = schema.pop(bound, None)
        if exclusive is True and limit in schema:
            schema[bound] = schema.pop(limit)
    if "example" in schema:
        schema["examples"] = [schema.pop("example")]
    if written.get("nullable") is True:
        _allow_null(schema)


def _allow_null(schema: Schema) -> None:
    if isinstance(schema.get("type"), str):
        schema["type"] = [schema["type"], "null"]
    # Documents say `nullable` beside an enum without null, or beside a reference in allOf, and mean it.
    if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    for keyword in ("allOf", "oneOf", "anyOf"):
        if keyword in schema:
            combined = {keyword: schema.pop(keyword)}
            schema.setdefault("allOf", []).append({"anyOf": [combined, {"type": "null"}]})


def _bound(schema: Schema) -> None:
    """`int32` and `int64` are bounds; the validator knows no such format."""
    bounds = _BOUNDS.get(str(schema.get("format")))
    kinds = schema.get("type")
    if bounds is None or not ({"integer", "number"} & set([kinds] if isinstance(kinds, str) else kinds or ())):
        return
    for keyword, limit, closer in (("minimum", bounds[0], max), ("maximum", bounds[1], min)):
        given = schema.get(keyword)
        schema[keyword] = closer(limit, given) if isinstance(given, int | float) else limit


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}.{number}"
        number += 1


def _references_in(part: Any) -> Iterator[str]:
    """Names of the definitions that a schema uses; what stands there as data holds none."""
    seen: set[int] = set()
    left = [part]
    while left:
        node = left.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, dict):
            reference = node.get(REFERENCE)
            if isinstance(reference, str):
                yield reference.removeprefix(_DEFINITION)
            for name, child in node.items():
                if name in _SCHEMA:
                    left.append(child)
                elif name in _SCHEMA_LISTS and isinstance(child, list):
                    left += child
                elif name in _SCHEMA_TABLES and isinstance(child, dict):
                    left += child.values()


def _size(part: Any, known: dict[int, int]) -> int:
    """How many values there would be if every shared part were written out."""
    if not isinstance(part, dict | list):
        return 1
    if id(part) not in known:
        known[id(part)] = 1 + sum(_size(child, known) for child in (part.values() if isinstance(part, dict) else part))
    return known[id(part)]


def object_schema(properties: Mapping[str, Any], required: list[str]) -> Schema:
    """A closed object of these properties, without definitions."""
    return {
        "$schema": DIALECT,
        "type": "object",
        "properties": dict(properties),
        "required": required,
        "additionalProperties": False,
    }
