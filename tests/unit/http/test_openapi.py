"""The description of the HTTP door, held against the values it describes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from openapi_spec_validator import validate

from esb.codec import encode_json
from esb.inbound import openapi, openapi_fields
from esb.inbound.http_inbox import Acknowledgement, WaitingReplies, WaitingReply
from esb.model import Fault, Reply, Request, Source, Subject, User

DESCRIBED = (Request, Subject, User, Reply, Source, Fault, WaitingReply, WaitingReplies, Acknowledgement)


def test_every_field_has_a_meaning_and_every_meaning_a_field() -> None:
    fields = {kind.__name__: {field.encode_name for field in msgspec.structs.fields(kind)} for kind in DESCRIBED}
    assert {name: set(meanings) for name, meanings in openapi_fields.FIELDS.items()} == fields


@pytest.mark.parametrize("part", ["Request", "Reply", "Fault"])
def test_meanings_are_told_in_both_languages(part: str) -> None:
    schema = openapi.document([], audience="esb")["components"]["schemas"][part]
    assert all({"description", "x-az"} <= field.keys() for field in schema["properties"].values())


def test_the_envelope_of_a_routes_own_request_is_told_too() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "subject": {"type": "object", "properties": {"value": {"type": "string"}}},
            "purpose": {"type": "string", "description": "of this route"},
        },
    }
    told = openapi_fields.told_request(schema)["properties"]
    assert told["subject"]["properties"]["value"]["x-az"] == "İdentifikatorun özü."
    assert told["purpose"]["description"] == "of this route"
    assert "description" not in schema["properties"]["subject"]


def test_every_reference_of_the_description_leads_somewhere() -> None:
    document = openapi.document([], audience="esb")
    for reference in _references(document):
        node: Any = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
    validate(msgspec.json.decode(encode_json(document)))


def test_operation_ids_are_unique() -> None:
    document = openapi.document([], audience="esb")
    names = [
        operation["operationId"]
        for item in document["paths"].values()
        for method, operation in item.items()
        if method in {"get", "post"}
    ]
    assert len(names) == len(set(names))


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for member in node.values() for found in _references(member)]
    if isinstance(node, list):
        return [found for member in node for found in _references(member)]
    return []
