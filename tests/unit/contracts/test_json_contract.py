"""OpenAPI contracts: operations, schemas, samples and violations."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from openapi_spec_validator import validate
from ruamel.yaml import YAML

from esb.contracts.json_contract import JsonContract
from esb.errors import ContractUnsupported, ContractViolation
from tests.support.contracts import SCHEMAS, diplomas

HEAD: dict[str, Any] = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}}


def contract_of(paths: dict[str, Any], **components: Any) -> JsonContract:
    return JsonContract({"t.json": msgspec.json.encode(HEAD | {"paths": paths, "components": components})}, "t.json")


def get(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema}}
    return {"get": {"operationId": "Get", "responses": {"200": {"description": "", "content": content}}, **more}}


def test_the_published_document_is_valid_openapi() -> None:
    path = SCHEMAS / "agencies" / "tn-tm" / "v1" / "openapi.yaml"
    validate(YAML(typ="safe", pure=True).load(path.read_bytes()))


def test_operations_say_how_they_are_called() -> None:
    operation = diplomas().operation("GetDiploma")
    assert (operation.method, operation.path) == ("GET", "/diplomas/{pin}")
    assert [(parameter.name, parameter.location) for parameter in operation.parameters] == [("pin", "path")]
    assert sorted(diplomas().operations) == ["GetDiploma", "GetStudentStatus"]


@pytest.mark.parametrize("name", ["GetDiploma", "GetStudentStatus"])
def test_samples_fit(name: str) -> None:
    operation = diplomas().operation(name)
    operation.validate_request(diplomas().sample(name, request=True))
    operation.validate_reply(200, diplomas().sample(name))


def test_a_wrong_request_is_named() -> None:
    with pytest.raises(ContractViolation) as caught:
        diplomas().operation("GetDiploma").validate_request({"pin": "Gizli"})
    assert (caught.value.path, "Gizli" in caught.value.reason) == ("/pin", False)


@pytest.mark.parametrize(
    ("field", "value"), [("issueDate", "2015-02-31"), ("form", "axşam"), ("entryYear", "2011"), ("extra", 1)]
)
def test_a_wrong_reply_is_named_by_a_pointer(field: str, value: Any) -> None:
    reply = diplomas().sample("GetDiploma")
    reply["diplomas"][0][field] = value
    with pytest.raises(ContractViolation) as caught:
        diplomas().operation("GetDiploma").validate_reply(200, reply)
    assert caught.value.path == f"/diplomas/0/{field}"


def test_each_status_has_its_own_document() -> None:
    operation = diplomas().operation("GetDiploma")
    problem = {"type": "about:blank", "title": "yoxdur", "status": 404}
    operation.validate_reply(404, problem)
    operation.validate_reply(503, problem | {"status": 503})
    with pytest.raises(ContractViolation):
        operation.validate_reply(404, diplomas().sample("GetDiploma"))


def test_a_status_without_description_is_refused() -> None:
    operation = contract_of({"/a": get({"type": "string"})}).operation("Get")
    with pytest.raises(ContractViolation, match="HTTP status 500 is not in the contract"):
        operation.validate_reply(500, "x")


def test_a_request_document_lies_under_body() -> None:
    body = {"required": True, "content": {"application/json": {"schema": {"type": "object", "required": ["kind"]}}}}
    post = {"post": {"operationId": "Post", "requestBody": body, "responses": {"204": {"description": "done"}}}}
    operation = contract_of({"/a": post}).operation("Post")
    operation.validate_request({"body": {"kind": "x"}})
    with pytest.raises(ContractViolation) as caught:
        operation.validate_request({"body": {}})
    assert caught.value.path == "/body/kind"
    operation.validate_reply(204, None)


def test_references_are_written_out_where_they_are_used() -> None:
    contract = contract_of(
        {"/a": get({"$ref": "#/components/schemas/A", "description": "here"})},
        schemas={
            "A": {"properties": {"b": {"$ref": "#/components/schemas/B", "maxLength": 2}}},
            "B": {"type": "string"},
        },
    )
    schema = contract.json_schema("Get")
    assert schema["description"] == "here"
    assert schema["properties"]["b"] == {"allOf": [{"type": "string"}], "maxLength": 2}


@pytest.mark.parametrize(
    ("paths", "components", "reason"),
    [
        ({"/a": get({}), "/b": get({})}, {}, "operation Get is declared twice"),
        ({"/a/{pin}": get({})}, {}, "path /a/{pin} and its parameters differ: pin"),
        ({"/a": get({"$ref": "other.yaml#/A"})}, {}, "add the file other.yaml to the contract"),
        ({"/a": get({"$ref": "#/components/schemas/No"})}, {}, "does not exist"),
        ({"/a": get({"$ref": "#A"})}, {}, "only references by pointer"),
        (
            {"/a": get({"$ref": "#/components/schemas/A"})},
            {"schemas": {"A": {"$ref": "#/components/schemas/A"}}},
            "leads back to itself",
        ),
        ({"/a": get({}, parameters=[{"name": "c", "in": "matrix"}])}, {}, "parameter 'c' lies in 'matrix'"),
        (
            {
                "/a": {
                    "get": {"operationId": "G", "responses": {"200": {"description": "", "content": {"text/html": {}}}}}
                }
            },
            {},
            "a reply of text/html cannot be read",
        ),
    ],
)
def test_a_document_that_cannot_be_compiled_says_where(
    paths: dict[str, Any], components: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ContractUnsupported, match=reason):
        contract_of(paths, **components)


@pytest.mark.parametrize("content", [b"openapi: 2.9.3", b"a: 1\na: 2", b"[", b"\xff", b"x"])
def test_another_kind_of_document_is_refused(content: bytes) -> None:
    with pytest.raises(ContractUnsupported):
        JsonContract({"t.yaml": content}, "t.yaml")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ContractUnsupported, match=r"t\.yaml is not among"):
        JsonContract({}, "t.yaml")
