"""What an expression gives, told from the contract's JSON Schema alone, and which of its names the contract lacks.

Called by the route compiler, so that a misspelt field is found at load and a route's own schema is derived, never
written by hand. Answers `{}` (anything) where a schema leaves it open; never guesses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from esb.routes.closures import Tree, children

Schema = dict[str, Any]


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """A name that is read and that the contract does not have there."""

    name: str
    known: tuple[str, ...]
    reason: str


class Inferred(msgspec.Struct, frozen=True, kw_only=True):
    """The schema of a value. `optional`: the value may be null although the schema does not say so."""

    schema: Schema
    optional: bool = False

    def complete(self) -> Schema:
        """The schema, null included where the value may be null."""
        return nullable(self.schema) if self.optional else self.schema


ANYTHING = Inferred(schema={}, optional=True)
TRUTH = Inferred(schema={"type": "boolean"})


def infer(tree: Tree, schema: Schema) -> tuple[Inferred, tuple[Missing, ...]]:
    """What the expression gives for a document of this schema (which holds no `$ref`), and what it reads in vain."""
    inference = _Inference()
    result = inference.of(tree, Inferred(schema=schema))
    return result, tuple(inference.missing)


def nullable(schema: Schema) -> Schema:
    """The same schema, allowing null."""
    if not schema or "null" in _types(schema):
        return schema
    if isinstance(schema.get("type"), str) and not schema.keys() & {"enum", "const", "anyOf", "oneOf", "allOf"}:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def dereferenced(schema: Schema) -> Schema:
    """The same schema with every local `$ref` written out; where one leads back into itself it ends in `{}`."""
    written: Schema = _written_out(schema, schema, frozenset())
    return written


def _written_out(part: Any, root: Schema, open_references: frozenset[str]) -> Any:
    if isinstance(part, list):
        return [_written_out(item, root, open_references) for item in part]
    if not isinstance(part, dict):
        return part
    reference = part.get("$ref")
    if isinstance(reference, str):
        if reference in open_references:
            return {}
        target = _written_out(_target(reference, root), root, open_references | {reference})
        beside = {name: value for name, value in part.items() if name not in {"$ref", "$defs"}}
        return {**target, **beside}
    return {name: _written_out(value, root, open_references) for name, value in part.items() if name != "$defs"}


def _target(reference: str, root: Schema) -> Any:
    part: Any = root
    for step in reference.removeprefix("#").strip("/").split("/"):
        part = part.get(step.replace("~1", "/").replace("~0", "~"), {}) if isinstance(part, dict) else {}
    return part


def property_names(schema: Schema) -> tuple[str, ...]:
    """The names the schema declares, over all its alternatives."""
    return tuple(dict.fromkeys(name for part in _alternatives(schema) for name in part.get("properties", {})))


def is_required(schema: Schema, path: Iterable[str]) -> bool:
    """Whether every name on the path is required."""
    for name in path:
        if name not in schema.get("required", ()):
            return False
        schema = property_of(schema, name)
    return True


def requires(schema: Schema, name: str) -> bool:
    """Whether every alternative that has the property requires it. A choice requires none of its own."""
    holders = [part for part in _alternatives(schema) if name in part.get("properties", {})]
    return bool(holders) and all(name in part.get("required", ()) for part in holders)


def property_of(schema: Schema, name: str) -> Schema:
    """The schema of one property; `{}` where it is not declared."""
    found = [part["properties"][name] for part in _alternatives(schema) if name in part.get("properties", {})]
    return found[0] if found else {}


def _alternatives(schema: Schema) -> list[Schema]:
    """The schema and all that it combines; null is no alternative."""
    parts = [schema]
    for keyword in ("allOf", "anyOf", "oneOf"):
        for part in schema.get(keyword, ()):
            parts += _alternatives(part)
    return [part for part in parts if part.get("type") != "null"]


def _types(schema: Schema) -> frozenset[str]:
    """Every type the schema names, over all its alternatives; empty when it names none."""
    named: set[str] = set()
    for part in [schema, *(p for k in ("allOf", "anyOf", "oneOf") for p in schema.get(k, ()))]:
        kinds = part.get("type", ())
        named.update([kinds] if isinstance(kinds, str) else kinds)
    return frozenset(named)


def _may_be_null(at: Inferred) -> bool:
    types = _types(at.schema)
    return at.optional or not types or "null" in types


def _is_list(at: Inferred) -> bool:
    return not at.optional and _types(at.schema) == {"array"}


class _Inference:
    """Walks a tree and a schema together, collecting what the schema lacks."""

    def __init__(self) -> None:
        self.missing: list[Missing] = []

    def of(self, tree: Tree, at: Inferred) -> Inferred:
        rule = _RULES.get(tree["type"])
        if rule is not None:
            return rule(self, tree, at)
        for child in children(tree):
            if child["type"] != "expref":
                self.of(child, at)
        return _RESULTS.get(tree.get("value", ""), ANYTHING)

    def field(self, tree: Tree, at: Inferred) -> Inferred:
        name, schema = tree["value"], at.schema
        known, types = property_names(schema), _types(schema)
        if name in known:
            found = property_of(schema, name)
            there = name in schema.get("required", ()) and not _may_be_null(at)
            return Inferred(schema=found, optional=not there)
        if types and "object" not in types:
            is_list = "array" in types
            reason = "what it is read from is a list: write […]" if is_list else "what it is read from is a plain value"
            self.missing.append(Missing(name=name, known=(), reason=reason))
        elif known and not schema.get("additionalProperties"):
            self.missing.append(Missing(name=name, known=known, reason="the contract has no such field"))
        return ANYTHING

    def chain(self, tree: Tree, at: Inferred) -> Inferred:
        for child in children(tree):
            at = self.of(child, at)
        return at

    def index(self, _tree: Tree, at: Inferred) -> Inferred:
        return Inferred(schema=self._items(at), optional=True)

    def slice(self, _tree: Tree, at: Inferred) -> Inferred:
        self._items(at)
        return Inferred(schema=at.schema, optional=not _is_list(at))

    def projection(self, tree: Tree, at: Inferred) -> Inferred:
        base, each, *condition = children(tree)
        items = self.of(base, at)
        item = Inferred(schema=self._items(items))
        for check in condition:
            self.of(check, item)
        # Nulls are dropped from a projection, so its items are never null.
        return Inferred(schema={"type": "array", "items": self.of(each, item).schema}, optional=not _is_list(items))

    def value_projection(self, tree: Tree, at: Inferred) -> Inferred:
        base, each = children(tree)
        self.of(base, at)
        self.of(each, ANYTHING)
        return Inferred(schema={"type": "array"}, optional=True)

    def flatten(self, tree: Tree, at: Inferred) -> Inferred:
        base = self.chain(tree, at)
        items = self._items(base)
        types = _types(items)
        if types == {"array"}:
            items = items.get("items", {})
        elif not types or "array" in types:
            items = {}
        return Inferred(schema={"type": "array", "items": items}, optional=not _is_list(base))

    def multi_select_dict(self, tree: Tree, at: Inferred) -> Inferred:
        here = Inferred(schema=at.schema)
        properties = {pair["value"]: self.of(pair["children"][0], here).complete() for pair in children(tree)}
        schema = {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
        return Inferred(schema=schema, optional=_may_be_null(at))

    def multi_select_list(self, tree: Tree, at: Inferred) -> Inferred:
        for part in children(tree):
            self.of(part, at)
        return Inferred(schema={"type": "array"}, optional=_may_be_null(at))

    def choice(self, tree: Tree, at: Inferred) -> Inferred:
        left, right = (self.of(part, at) for part in children(tree))
        if left.schema == right.schema:
            return Inferred(schema=left.schema, optional=right.optional)
        return ANYTHING

    def literal(self, tree: Tree, _at: Inferred) -> Inferred:
        return Inferred(schema={"const": tree["value"]})

    def comparison(self, tree: Tree, at: Inferred) -> Inferred:
        for side in children(tree):
            self.of(side, at)
        return TRUTH if tree.get("value") in {"eq", "ne", None} else Inferred(schema=TRUTH.schema, optional=True)

    def itself(self, _tree: Tree, at: Inferred) -> Inferred:
        return at

    def _items(self, at: Inferred) -> Schema:
        found = [part["items"] for part in _alternatives(at.schema) if isinstance(part.get("items"), dict)]
        types = _types(at.schema)
        if not found and types and "array" not in types:
            self.missing.append(Missing(name="[…]", known=(), reason="what it is read from is not a list"))
        return found[0] if found else {}


_RULES: dict[str, Callable[[_Inference, Tree, Inferred], Inferred]] = {
    "comparator": _Inference.comparison,
    "current": _Inference.itself,
    "field": _Inference.field,
    "filter_projection": _Inference.projection,
    "flatten": _Inference.flatten,
    "identity": _Inference.itself,
    "index": _Inference.index,
    "index_expression": _Inference.chain,
    "literal": _Inference.literal,
    "multi_select_dict": _Inference.multi_select_dict,
    "multi_select_list": _Inference.multi_select_list,
    "not_expression": _Inference.comparison,
    "or_expression": _Inference.choice,
    "pipe": _Inference.chain,
    "projection": _Inference.projection,
    "slice": _Inference.slice,
    "subexpression": _Inference.chain,
    "value_projection": _Inference.value_projection,
}

_RESULTS: dict[str, Inferred] = {
    "contains": TRUTH,
    "ends_with": TRUTH,
    "starts_with": TRUTH,
    "length": Inferred(schema={"type": "integer"}),
    "join": Inferred(schema={"type": "string"}),
    "to_string": Inferred(schema={"type": "string"}),
    "type": Inferred(schema={"type": "string"}),
}
"""What functions give, where their result does not depend on their argument."""
