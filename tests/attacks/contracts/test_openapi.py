"""Contracts that attack the loader, and values and answers that attack what was loaded."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from adapters.rest_request import RequestForm
from esb.contracts.documents import write
from esb.contracts.json_contract import JsonContract
from esb.errors import ContractUnsupported, ContractViolation
from tests.support.openapi import contract_of, document, get, operation_of, post

QUICKLY_S = 20
"""Generous: what explodes takes hours, or all memory."""


def refused(content: bytes, name: str = "a.yaml") -> str:
    began = time.monotonic()
    with pytest.raises(ContractUnsupported) as caught:
        JsonContract({name: content}, name)
    assert time.monotonic() - began < QUICKLY_S
    return caught.value.reason


# --- documents -------------------------------------------------------------------------------------------


def test_aliases_that_laugh_are_refused() -> None:
    lines = [b"a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [b"a%d: &a%d [%s]" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 30)]
    assert "aliases make more than" in refused(b"\n".join(lines))


def test_an_alias_of_merged_mappings_is_counted_too() -> None:
    lines = [b"a0: &a0 {k0: 1}"]
    lines += [b"a%d: &a%d {k: [*a%d, *a%d, *a%d], <<: *a%d}" % (n, n, n - 1, n - 1, n - 1, n - 1) for n in range(1, 60)]
    assert "aliases make more than" in refused(b"\n".join(lines))


@pytest.mark.parametrize("opening", [b"[", b"{a: ", b'{"a": ', b"- "])
def test_nesting_without_end_is_refused(opening: bytes) -> None:
    assert refused(opening * 100_000)


@pytest.mark.parametrize(
    "text",
    [
        b"a: !!python/object/apply:os.system ['id']",
        b"a: !!python/object/new:subprocess.Popen [id]",
        b"!!map {a: !!binary x}",
        b"a: !!set {x}",
    ],
)
def test_tags_make_no_objects(text: bytes) -> None:
    assert "is not plain YAML" in refused(text)


def test_references_that_lead_in_a_circle_are_refused_at_every_place() -> None:
    loop = {"$ref": "#/components/x/b"}
    components: dict[str, Any] = {"x": {"a": {"$ref": "#/components/x/b"}, "b": {"$ref": "#/components/x/a"}}}
    ok = {"200": {"description": ""}}
    for paths in (
        {"/a": loop},
        {"/a": {"get": {"parameters": [loop], "responses": ok}}},
        {"/a": {"post": {"requestBody": loop, "responses": ok}}},
        {"/a": {"get": {"responses": {"200": loop}}}},
        {"/a": get(loop)},
    ):
        with pytest.raises(ContractUnsupported, match="leads back to itself"):
            JsonContract({"t.json": msgspec.json.encode(document(paths) | {"components": components})}, "t.json")


def test_alternatives_that_are_themselves_end() -> None:
    schemas = {"A": {"allOf": [{"$ref": "#/components/schemas/A"}], "anyOf": [{"$ref": "#/components/schemas/A"}]}}
    operation = operation_of({"/a": get({"$ref": "#/components/schemas/A"})}, schemas=schemas)
    operation.validate_reply(200, {"a": 1})


def test_alternatives_that_are_themselves_have_no_form_in_xml() -> None:
    schemas = {"A": {"allOf": [{"$ref": "#/components/schemas/A"}]}}
    path = post({"$ref": "#/components/schemas/A"}, "application/xml")
    with pytest.raises(ContractUnsupported):
        contract_of({"/a": path}, schemas=schemas)


def test_a_pattern_that_backtracks_is_matched_in_linear_time_or_refused() -> None:
    operation = operation_of({"/a": get({"type": "string", "pattern": "^(a+)+$"})})
    began = time.monotonic()
    with pytest.raises(ContractViolation):
        operation.validate_reply(200, "a" * 5000 + "!")
    assert time.monotonic() - began < QUICKLY_S


def test_a_large_document_of_many_operations_loads() -> None:
    person = {"type": "object", "properties": {f"field{n}": {"type": "string", "maxLength": 10} for n in range(40)}}
    paths = {
        f"/a{n}": {"get": {"responses": get({"$ref": "#/components/schemas/P"})["get"]["responses"]}}
        for n in range(400)
    }
    began = time.monotonic()
    contract = contract_of(paths, schemas={"P": person})
    assert len(contract.operations) == 400
    assert time.monotonic() - began < QUICKLY_S


# --- requests --------------------------------------------------------------------------------------------

FORM = {
    "parameters": [
        {"name": "n", "in": "query", "schema": {"type": "number"}},
        {"name": "ns", "in": "query", "schema": {"type": "array", "items": {"type": "number"}}},
        {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}},
        {"name": "X-H", "in": "header", "schema": {"type": "string"}},
        {"name": "c", "in": "cookie", "schema": {"type": "string"}},
    ]
}


def form() -> RequestForm:
    path = {"/x/{id}": {**get({}), "parameters": FORM["parameters"]}}
    return RequestForm(operation_of(path), base_url="http://h.example/api")


@pytest.mark.parametrize(
    "values",
    [
        {"id": "a", "n": Decimal("1e999999999")},
        {"id": "a", "ns": [1, Decimal("1e-999999999")]},
        {"id": "a", "n": Decimal("Infinity")},
        {"id": ".."},
        {"id": "a", "X-H": "a\r\nHost: evil"},
        {"id": "a", "X-H": "a\x00"},
    ],
)
def test_values_that_grow_or_break_out_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ContractViolation):
        form().pack(values)


@pytest.mark.parametrize("value", ["/../../admin", "a/b", "%2e%2e", "a?b=c#d", "a;b=c", "a\nb", "ə", "\\..\\x"])
def test_no_value_leaves_its_place_in_the_address(value: str) -> None:
    call = form().fill(form().pack({"id": value, "c": value}), traceparent=None)
    assert call.url.startswith("http://h.example/api/x/")
    assert call.url.isascii()
    assert not set(call.url.removeprefix("http://h.example/api/x/")) & set("/?#;\n \\")
    assert not set(call.headers["cookie"].removeprefix("c=")) & set(";,\n \\=")


def test_numbers_without_end_are_refused_in_xml_too() -> None:
    operation = operation_of(
        {"/a": post({"type": "object", "properties": {"n": {"type": "number"}}}, "application/xml")}
    )
    assert operation.body_form is not None
    with pytest.raises(ContractViolation) as caught:
        write(operation.body_form, {"n": Decimal("1e999999999")})
    assert caught.value.path == "/n"


# --- answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 1_000_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        json.dumps({"a": "\ud800"}).encode(),
        b'{"a": 1}' + b"\x00",
        b"\xff\xfe[]",
        b"",
    ],
)
def test_answers_that_are_not_json_are_refused(content: bytes) -> None:
    form = operation_of({"/a": get({"type": "object"})}).response(200).forms[0]
    with pytest.raises(ContractViolation):
        form.read(content)


@pytest.mark.parametrize(
    "content",
    [
        b'<!DOCTYPE r SYSTEM "file:///etc/passwd"><r/>',
        b'<!DOCTYPE r [<!ENTITY x SYSTEM "http://127.0.0.1:9/">]><r>&x;</r>',
        b"<r>" * 300 + b"</r>" * 300,
        b"<r>&#0;</r>",
        b"<?xml version='1.0' encoding='utf-7'?><r/>",
        b"<r><?php x ?></r>",
        b"<r",
    ],
)
def test_answers_that_are_not_safe_xml_are_refused(content: bytes) -> None:
    form = operation_of({"/a": get_xml({"type": "object"})}).response(200).forms[0]
    with pytest.raises(ContractViolation):
        form.read(content)


def get_xml(schema: Any) -> dict[str, Any]:
    content = {"application/xml": {"schema": schema}}
    return {"get": {"operationId": "Get", "responses": {"200": {"description": "", "content": content}}}}
