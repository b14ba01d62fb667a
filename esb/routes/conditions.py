"""Whether an expression is a condition, and whether what it compares can ever be equal.

Called by the route compiler for `not_found`. JMESPath takes anything for true or false: a field that is merely there
is true, so a condition that only names one would turn every good answer into "no such record".
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from esb.routes import shapes
from esb.routes.closures import Tree, children
from esb.routes.shapes import Schema

PREDICATES = frozenset({"contains", "ends_with", "starts_with"})
"""Functions that give true or false."""

_JOINING = frozenset({"and_expression", "or_expression", "not_expression"})


def problems(tree: Tree, schema: Schema) -> tuple[str, ...]:
    """What keeps the expression from being a condition over documents of this schema, and what to write.

    Nothing is said of an expression that reads what the contract lacks: that is an error of its own.
    """
    _, missing = shapes.infer(tree, schema)
    return () if missing else tuple(_problems(tree, schema))


def _problems(tree: Tree, schema: Schema) -> Iterator[str]:
    match tree["type"]:
        case "or_expression":
            for side in children(tree):
                yield from _problems(side, schema)
        case "and_expression":
            # The left side may guard the right one from a null: `Code && starts_with(Code, '4')`.
            left, right = children(tree)
            yield from _within(left, schema)
            yield from _problems(right, schema)
        case "comparator" | "not_expression":
            yield from _within(tree, schema)
        case _ if not _is_boolean(tree, schema):
            yield f"{_what(tree)} is no condition: compare it, as in ResultCode == '404', or ask contains(…)"


def _within(tree: Tree, schema: Schema) -> Iterator[str]:
    """The comparisons of the expression and of what it joins or negates."""
    if tree["type"] == "comparator":
        yield from _unequal(tree, schema)
    elif tree["type"] in _JOINING:
        for side in children(tree):
            yield from _within(side, schema)


def _is_boolean(tree: Tree, schema: Schema) -> bool:
    if tree["type"] == "function_expression":
        return tree["value"] in PREDICATES
    if tree["type"] == "literal":
        return False
    return _json_types(_schema_of(tree, schema)) - {"null"} == {"boolean"}


def _unequal(tree: Tree, schema: Schema) -> Iterator[str]:
    """A field beside a literal of a type that it never has: always false, or for `!=` always true."""
    left, right = children(tree)
    for field, literal in ((left, right), (right, left)):
        if literal["type"] == "literal" and field["type"] != "literal":
            types, value = _json_types(_schema_of(field, schema)), literal["value"]
            if types and _json_type(value) not in types and value is not None:
                wanted = " or ".join(sorted(types - {"null"}))
                yield f"{_what(field)} is {wanted}, never {_written(value)}: write {_example(types, value)}"


def _schema_of(tree: Tree, schema: Schema) -> Schema:
    return shapes.infer(tree, schema)[0].schema


def _json_types(schema: Schema) -> frozenset[str]:
    """The types that the schema allows, with `integer` as the `number` it is; empty where it leaves them open."""
    if "const" in schema:
        return frozenset({_json_type(schema["const"])})
    if schema.get("format") == "decimal":
        # Text on the wire; from XML it is an exact number by the time a condition sees it.
        return frozenset({"string", "number"})
    if "type" in schema:
        named = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        return frozenset("number" if kind == "integer" else kind for kind in named)
    if "enum" in schema:
        return frozenset(map(_json_type, schema["enum"]))
    choices = [_json_types(part) for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ()))]
    return frozenset().union(*choices) if all(choices) else frozenset()


def _json_type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case str():
            return "string"
        case dict():
            return "object"
        case list():
            return "array"
    return "number"


def _what(tree: Tree) -> str:
    match tree["type"]:
        case "field":
            return str(tree["value"])
        case "literal":
            return f"the literal {_written(tree['value'])}"
        case "function_expression":
            return f"{tree['value']}()"
        case "subexpression":
            return ".".join(map(_what, children(tree)))
    return "this expression"


def _written(value: Any) -> str:
    """A literal as JMESPath writes it."""
    return f"'{value}'" if isinstance(value, str) else f"`{json.dumps(value, ensure_ascii=False)}`"


def _example(types: frozenset[str], value: Any) -> str:
    """What was probably meant; where the text is no such value, how one looks."""
    if "string" in types:
        return f"'{value if isinstance(value, str | int | float) and not isinstance(value, bool) else 404}'"
    if "number" in types:
        digits = isinstance(value, str) and value.isascii() and value.isdigit() and str(int(value)) == value
        return f"`{value if digits else 404}`"
    return "`true` or `false`" if "boolean" in types else "a condition on a field within it"
