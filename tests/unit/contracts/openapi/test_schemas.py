"""Schemas: OpenAPI 3.0 as 2020-12, recursion, kinds by a discriminator, what is read or written only."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from esb.contracts.json_operation import JsonOperation
from esb.contracts.openapi_schema import MAX_SCHEMA_VALUES
from esb.errors import ContractUnsupported, ContractViolation
from esb.routes import expressions, shapes
from tests.support.openapi import contract_of, get, operation_of, post, reply


def answers(schema: Any, **schemas: Any) -> JsonOperation:
    """A 3.0 document whose answer has a field `x` of the schema."""
    return operation_of({"/a": get({"type": "object", "properties": {"x": schema}})}, version="3.0.3", schemas=schemas)


def accepts(operation: JsonOperation, value: Any) -> bool:
    try:
        operation.validate_reply(200, {"x": value})
    except ContractViolation:
        return False
    return True


# --- 3.0 -------------------------------------------------------------------------------------------------

PERSON = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "string", "nullable": True}, [None, "a"], [1]),
        ({"type": "string", "enum": ["a"], "nullable": True}, [None, "a"], ["b"]),
        ({"nullable": True, "allOf": [{"$ref": "#/components/schemas/Person"}]}, [None, {"a": "x"}], [{}, 1]),
        ({"nullable": True, "oneOf": [{"type": "integer"}, {"type": "string"}]}, [None, 1, "a"], [1.5]),
        ({"$ref": "#/components/schemas/Person", "nullable": True}, [{"a": "x"}], [None]),
        ({"type": "number", "minimum": 1, "exclusiveMinimum": True}, [Decimal("1.01")], [1]),
        ({"type": "number", "minimum": 1, "exclusiveMinimum": False}, [1], [0]),
        ({"type": "number", "maximum": 9, "exclusiveMaximum": True}, [Decimal("8.99")], [9]),
        ({"type": "integer", "format": "int32"}, [2**31 - 1, -(2**31)], [2**31]),
        ({"type": "integer", "format": "int64"}, [2**63 - 1], [2**63]),
        ({"type": "integer", "format": "int32", "minimum": 5}, [5], [4, 2**31]),
        ({"type": "string", "format": "byte"}, ["QQ==", ""], ["Q", "***"]),
        ({"type": "string", "format": "decimal"}, ["1.50", "-0", ".5"], ["1,5", "1e5", "٣", ""]),
        ({"type": "string", "format": "date"}, ["2026-01-31"], ["2026-02-31", "31.01.2026"]),
        ({"type": "string", "format": "date-time"}, ["2026-01-31T00:00:00+04:00"], ["2026-01-31T00:00:00"]),
        ({"type": "string", "format": "uuid"}, ["00000000-0000-4000-8000-000000000000"], ["x"]),
        ({"type": "string", "format": "password"}, ["x"], [1]),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 2}, [[], [1, 2]], [[1, 2, 3], ["a"]]),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, [{"a": 1}], [{"a": "b"}]),
        ({"type": "object", "additionalProperties": False}, [{}], [{"a": "b"}]),
        ({"type": "number", "multipleOf": 0.01}, [Decimal("19.99"), Decimal("0.07")], [Decimal("0.001")]),
        ({"type": "string", "pattern": "^[0-9A-HJ-NP-Z]{7}$"}, ["7TESTX1"], ["7TESTO1"]),
        ({"type": "object", "properties": {"$ref": {"type": "string"}}}, [{"$ref": "a"}], [{"$ref": 1}]),
    ],
)
def test_a_schema_of_3_0_means_what_it_meant(schema: Any, good: list[Any], bad: list[Any]) -> None:
    operation = answers(schema, Person=PERSON)
    assert [accepts(operation, value) for value in (*good, *bad)] == [True] * len(good) + [False] * len(bad)


def test_an_example_of_3_0_becomes_the_sample() -> None:
    assert answers({"type": "string", "example": "7TESTX1"}).reply_sample == {"x": "7TESTX1"}


def test_an_example_that_does_not_fit_is_not_the_sample() -> None:
    operation = answers({"type": "string", "maxLength": 2, "example": "7TESTX1"})
    operation.validate_reply(200, operation.reply_sample)


def test_a_pattern_without_example_does_not_keep_a_contract_out() -> None:
    assert accepts(answers({"type": "string", "pattern": r"^(?=.*\d)\w+$"}), "a1")


# --- references ------------------------------------------------------------------------------------------

TREE: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
        "next": {"nullable": True, "allOf": [{"$ref": "#/components/schemas/Tree"}]},
    },
}


@pytest.mark.parametrize("version", ["3.0.3", "3.1.0"])
def test_a_schema_that_contains_itself_is_read_to_any_depth(version: str) -> None:
    operation = operation_of(
        {"/a": get({"$ref": "#/components/schemas/Tree"})}, version=version, schemas={"Tree": TREE}
    )
    deep = {"name": "a", "children": [{"name": "b", "children": [{"name": "c"}]}]}
    operation.validate_reply(200, deep)
    with pytest.raises(ContractViolation) as caught:
        operation.validate_reply(200, {"name": "a", "children": [{"name": "b", "children": [{}]}]})
    assert caught.value.path == "/children/0/children/0/name"
    operation.validate_reply(200, operation.reply_sample)


def test_schemas_may_contain_each_other_in_requests_too() -> None:
    schemas = {
        "A": {"type": "object", "properties": {"b": {"$ref": "#/components/schemas/B"}}, "additionalProperties": False},
        "B": {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/A"}}, "additionalProperties": False},
    }
    operation = operation_of({"/a": post({"$ref": "#/components/schemas/B"})}, schemas=schemas)
    operation.validate_request({"body": {"a": {"b": {"a": {}}}}})
    with pytest.raises(ContractViolation) as caught:
        operation.validate_request({"body": {"a": {"b": {"x": {}}}}})
    assert caught.value.path == "/body/a/b/x"
    operation.validate_request(operation.request_sample)


def test_an_endless_schema_says_so() -> None:
    schemas = {"A": {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#/components/schemas/A"}}}}
    operation = operation_of({"/a": get({"$ref": "#/components/schemas/A"})}, schemas=schemas)
    with pytest.raises(ContractUnsupported, match="every instance of it would be endless"):
        _ = operation.reply_sample


def test_definitions_of_one_name_in_two_files_stay_apart() -> None:
    node = b'{"Node": {"required": ["%s"], "properties": {"%s": {"type": "string"}, "n": {"$ref": "#/Node"}}}}'
    files = {"a.json": node % (b"a", b"a"), "b.json": node % (b"b", b"b")}
    schema = {"type": "object", "properties": {"x": {"$ref": "a.json#/Node"}, "y": {"$ref": "b.json#/Node"}}}
    operation = contract_of({"/a": get(schema)}, files=files).operation("Get")
    operation.validate_reply(200, {"x": {"a": "", "n": {"a": ""}}, "y": {"b": "", "n": {"b": ""}}})
    with pytest.raises(ContractViolation):
        operation.validate_reply(200, {"x": {"a": "", "n": {"b": ""}}})


def test_a_schema_that_grows_without_end_when_written_out_is_refused() -> None:
    schemas: dict[str, Any] = {
        f"S{n}": {"properties": {k: {"$ref": f"#/components/schemas/S{n + 1}"} for k in "abcdefghij"}}
        for n in range(12)
    }
    schemas["S12"] = {"type": "string"}
    with pytest.raises(ContractUnsupported, match=f"more than {MAX_SCHEMA_VALUES} parts"):
        contract_of({"/a": get({"$ref": "#/components/schemas/S0"})}, schemas=schemas)


def test_references_that_lead_too_deep_are_refused() -> None:
    schemas: dict[str, Any] = {
        f"S{n}": {"properties": {"a": {"$ref": f"#/components/schemas/S{n + 1}"}}} for n in range(2000)
    }
    schemas["S2000"] = {"type": "string"}
    with pytest.raises(ContractUnsupported, match="nested too deeply"):
        contract_of({"/a": get({"$ref": "#/components/schemas/S0"})}, schemas=schemas)


@pytest.mark.parametrize("keyword", ["$dynamicRef", "$id", "$anchor"])
def test_other_ways_of_referring_are_refused(keyword: str) -> None:
    with pytest.raises(ContractUnsupported, match=rf"\{keyword} is not followed; refer by pointer"):
        contract_of({"/a": get({keyword: "x"})})


TREE31 = {**TREE, "properties": {"name": {"type": "string"}, "children": TREE["properties"]["children"]}}

# --- kinds -----------------------------------------------------------------------------------------------

PETS: dict[str, Any] = {
    "Cat": {"type": "object", "properties": {"kind": {"type": "string"}, "lives": {"type": "integer"}}},
    "Dog": {"type": "object", "properties": {"kind": {"type": "string"}, "lives": {"type": "string"}}},
}


@pytest.mark.parametrize(
    ("mapping", "cat"), [({}, "Cat"), ({"mapping": {"pişik": "#/components/schemas/Cat", "it": "Dog"}}, "pişik")]
)
def test_a_discriminator_says_which_alternative_is_meant(mapping: dict[str, Any], cat: str) -> None:
    references = [{"$ref": f"#/components/schemas/{name}"} for name in PETS]
    schema = {"oneOf": references, "discriminator": {"propertyName": "kind", **mapping}}
    operation = answers(schema, **PETS)
    assert accepts(operation, {"kind": cat, "lives": 7})
    assert not accepts(operation, {"kind": cat, "lives": "x"})
    assert not accepts(operation, {"kind": "Horse", "lives": 7})
    assert not accepts(operation, {"lives": 7})


# --- directions ------------------------------------------------------------------------------------------

ACCOUNT = {
    "type": "object",
    "required": ["id", "secret", "name"],
    "properties": {
        "id": {"type": "string", "readOnly": True},
        "secret": {"type": "string", "writeOnly": True},
        "name": {"type": "string"},
    },
}


def test_what_is_only_read_is_not_sent_and_what_is_only_written_need_not_come() -> None:
    path = post({"$ref": "#/components/schemas/Account"})
    path["post"]["responses"] = {"200": reply({"$ref": "#/components/schemas/Account"})}
    operation = operation_of({"/a": path}, schemas={"Account": ACCOUNT})
    operation.validate_request({"body": {"secret": "s", "name": "n"}})
    with pytest.raises(ContractViolation):
        operation.validate_request({"body": {"id": "1", "secret": "s", "name": "n"}})
    operation.validate_reply(200, {"id": "1", "name": "n"})
    with pytest.raises(ContractViolation) as caught:
        operation.validate_reply(200, {"name": "n"})
    assert caught.value.path == "/id"
    assert operation.request_sample == {"body": {"secret": "text", "name": "text"}}


# --- answers of several forms ----------------------------------------------------------------------------


def test_an_answer_that_is_no_object_lies_under_body() -> None:
    assert operation_of({"/a": get({"type": "array", "items": {"type": "integer"}})}).reply_schema["properties"] == {
        "body": {"type": "array", "items": {"type": "integer"}}
    }


def test_several_answers_of_success_are_alternatives() -> None:
    responses = {
        "200": reply({"type": "object", "properties": {"a": {}}}),
        "201": reply({"type": "array", "items": {}}),
    }
    schema = operation_of({"/a": get({}, responses=responses)}).reply_schema
    assert [sorted(part["properties"]) for part in schema["anyOf"]] == [["a"], ["body"]]


def test_statuses_are_found_by_number_by_range_and_by_default() -> None:
    responses = {
        "200": reply({"const": 200}),
        "2XX": reply({"const": 2}),
        "4XX": reply({"const": 4}),
        "default": reply({"const": 0}),
    }
    operation = operation_of({"/a": get({}, responses=responses)})
    for status, value in ((200, 200), (201, 2), (404, 4), (500, 0)):
        operation.validate_reply(status, value)
        with pytest.raises(ContractViolation):
            operation.validate_reply(status, "x")


def test_schemas_that_are_true_or_false_are_written_as_objects() -> None:
    operation = operation_of({"/a": get({"type": "object", "properties": {"a": True, "b": False}})})
    assert operation.reply_schema["properties"] == {"a": {}, "b": {"not": {}}}
    operation.validate_reply(200, {"a": 1})
    with pytest.raises(ContractViolation):
        operation.validate_reply(200, {"b": 1})


def test_a_route_reads_fields_of_a_contract_that_contains_itself() -> None:
    operation = operation_of({"/a": get({"$ref": "#/components/schemas/Tree"})}, schemas={"Tree": TREE31})
    schema = shapes.dereferenced(operation.reply_schema)
    inferred, missing = shapes.infer(expressions.compile("children[0].children[].name").tree, schema)
    assert (missing, inferred.schema["type"]) == ((), "array")
    _, missing = shapes.infer(expressions.compile("nam").tree, schema)
    assert [part.name for part in missing] == ["nam"]


def test_an_operation_without_a_name_gets_one_of_method_and_path() -> None:
    path = get({})
    del path["get"]["operationId"]
    assert list(contract_of({"/v1/tax-payers/{voen}": {**path, "parameters": [VOEN]}}).operations) == [
        "getV1TaxPayersVoen"
    ]


VOEN = {"name": "voen", "in": "path", "required": True, "schema": {"type": "string"}}
