"""What an expression gives, told from schemas: always true of every document the schema allows."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esb.routes import expressions, shapes

ITEM: dict[str, Any] = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "t": {"type": "string"}, "deep": {"type": ["array", "null"]}},
    "required": ["n"],
    "additionalProperties": False,
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "code": {"type": "string"},
        "flag": {"enum": ["yes", "no"]},
        "one": ITEM,
        "many": {"type": "array", "items": ITEM},
        "lists": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
        "either": {"anyOf": [ITEM, {"type": "null"}]},
        "open": {"type": "object"},
    },
    "required": ["code", "many", "either"],
    "additionalProperties": False,
}

ITEMS = st.fixed_dictionaries(
    {"n": st.integers(0, 3)}, optional={"t": st.sampled_from(["", "x"]), "deep": st.one_of(st.none(), st.just([1]))}
)
DOCUMENTS = st.fixed_dictionaries(
    {"code": st.sampled_from(["000", "404"]), "many": st.lists(ITEMS, max_size=3), "either": st.none() | ITEMS},
    optional={
        "flag": st.sampled_from(["yes", "no"]),
        "one": ITEMS,
        "lists": st.lists(st.lists(st.integers(0, 3), max_size=2), max_size=3),
        "open": st.dictionaries(st.sampled_from(["k"]), st.integers(0, 3)),
    },
)
TEXTS = [
    "code",
    "flag",
    "one.n",
    "one.t",
    "either.n",
    "either.deep",
    "open.k",
    "many",
    "many[0]",
    "many[0].n",
    "many[-1].t",
    "many[1:]",
    "many[*].t",
    "many[*].[n, t]",
    "many[*].deep[]",
    "many[?n > `1`]",
    "many[?n > `1`].t",
    "many[?n > `1`] | [0].n",
    "many[*].{a: n, b: t, c: deep}",
    "one.{a: n, b: t}",
    "either.{a: n, b: t}",
    "{a: code, b: one.{c: n}, d: many[*].n}",
    "lists[]",
    "lists[][]",
    "lists[0][0]",
    "one || either",
    "code || one.t",
    "one && code",
    "!one",
    "code == '404'",
    "one.n < `2`",
    "length(many)",
    "contains(code, '4')",
    "join('-', many[*].t)",
    "to_string(one)",
    "type(one)",
    "sort_by(many, &n)",
    "max_by(many, &n).t",
    "many[*].n | sum(@)",
    "*.n",
    "@",
    "'k'",
    "`3`",
]


@pytest.mark.parametrize("text", TEXTS)
@settings(max_examples=40, deadline=None)
@given(document=DOCUMENTS)
def test_every_value_an_expression_gives_fits_the_schema_inferred_for_it(text: str, document: dict[str, Any]) -> None:
    expression = expressions.compile(text)
    inferred, missing = shapes.infer(expression.tree, SCHEMA)
    assert missing == ()
    jsonschema_rs.validate(inferred.complete(), expression.evaluate(document))


@pytest.mark.parametrize(
    ("text", "schema"),
    [
        ("one.n", {"type": ["integer", "null"]}),
        ("code", {"type": "string"}),
        ("flag", {"anyOf": [{"enum": ["yes", "no"]}, {"type": "null"}]}),
        ("many[*].n", {"type": "array", "items": {"type": "integer"}}),
        ("lists[]", {"type": ["array", "null"], "items": {"type": "integer"}}),
        ("length(code)", {"type": "integer"}),
        ("open.k", {}),
    ],
)
def test_what_can_be_known_is_known(text: str, schema: dict[str, Any]) -> None:
    assert shapes.infer(expressions.compile(text).tree, SCHEMA)[0].complete() == schema


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("cod", ["cod"]),
        ("one.x", ["x"]),
        ("either.x", ["x"]),
        ("many.n", ["n"]),
        ("many[*].x", ["x"]),
        ("many[?x > `1`]", ["x"]),
        ("many[?n > `1`].{a: y, b: z}", ["y", "z"]),
        ("code[*]", ["[…]"]),
        ("code[0]", ["[…]"]),
        ("code.x", ["x"]),
        ("length(x)", ["x"]),
        ("x == '1' && !y", ["x", "y"]),
        ("{a: x}", ["x"]),
        ("code || x", ["x"]),
    ],
)
def test_what_the_contract_lacks_is_found_wherever_it_stands(text: str, names: list[str]) -> None:
    missing = shapes.infer(expressions.compile(text).tree, SCHEMA)[1]
    assert [miss.name for miss in missing] == names


def test_references_are_written_out_and_recursion_ends_in_anything() -> None:
    schema = {
        "$ref": "#/$defs/Node",
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {"name": {"$ref": "#/$defs/a~1b"}, "next": {"$ref": "#/$defs/Node", "title": "Next"}},
            },
            "a/b": {"type": "string"},
        },
    }
    assert shapes.dereferenced(schema) == {
        "type": "object",
        "properties": {"name": {"type": "string"}, "next": {}},
    }
