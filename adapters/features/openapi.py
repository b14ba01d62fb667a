"""What an OpenAPI document may say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from esb.contracts.json_contract import JsonContract
from esb.errors import ContractUnsupported

Json = Mapping[str, Any]

_TEXT: Json = {"type": "string"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenApiFeature:
    """One thing that an OpenAPI document may say. `head`: its top-level fields; `operation`: fields of its one GET."""

    name: str
    reply: Json = field(default_factory=lambda: _TEXT)
    media_type: str = "application/json"
    operation: Json = field(default_factory=dict)
    path: str = "/a"
    method: str = "get"
    head: Json = field(default_factory=dict)
    files: tuple[tuple[str, str], ...] = ()

    def outcome(self) -> tuple[bool, str]:
        """Whether it is read, and the refusal in words."""
        bundle = {"openapi.json": json.dumps(self._document()).encode()}
        try:
            contract = JsonContract({**bundle, **{name: text.encode() for name, text in self.files}}, "openapi.json")
            for name in contract.operations:
                contract.json_schema(name, request=True)
                contract.sample(name)
        except ContractUnsupported as error:
            return False, error.reason
        return True, ""

    def _document(self) -> Json:
        answered = {"200": {"description": "", "content": {self.media_type: {"schema": self.reply}}}}
        asked = {self.method: {"operationId": "Get", "responses": answered, **self.operation}}
        frame = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {self.path: asked}}
        return {**frame, **self.head}


def _object(**properties: Json) -> Json:
    return {"type": "object", "properties": properties}


def _parameter(**more: Any) -> Json:
    return {"parameters": [{"name": "p", "schema": _TEXT, **more}]}


def _body(media_type: str, schema: Json) -> Json:
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


FEATURES: tuple[OpenApiFeature, ...] = (
    OpenApiFeature(name="OpenAPI 3.1"),
    OpenApiFeature(name="OpenAPI 3.0", head={"openapi": "3.0.3"}, reply={"type": "string", "nullable": True}),
    OpenApiFeature(name="Swagger 2.0", head={"swagger": "2.0"}),
    OpenApiFeature(name="OpenAPI of later versions", head={"openapi": "3.2.0"}),
    OpenApiFeature(name="path parameter", path="/a/{p}", operation=_parameter(**{"in": "path", "required": True})),
    OpenApiFeature(name="path without its parameter", path="/a/{p}"),
    OpenApiFeature(name="query parameter", operation=_parameter(**{"in": "query"})),
    OpenApiFeature(
        name="query parameter that is a list or an object",
        operation=_parameter(**{"in": "query", "style": "deepObject", "explode": True, "schema": _object(x=_TEXT)}),
    ),
    OpenApiFeature(name="header parameter", operation=_parameter(**{"in": "header"})),
    OpenApiFeature(name="cookie parameter", operation=_parameter(**{"in": "cookie"})),
    OpenApiFeature(
        name="parameter that is a JSON document",
        operation={"parameters": [{"name": "p", "in": "query", "content": {"application/json": {"schema": {}}}}]},
    ),
    OpenApiFeature(name="JSON body", method="post", operation=_body("application/json", _object(x=_TEXT))),
    OpenApiFeature(name="form", method="post", operation=_body("application/x-www-form-urlencoded", _object(x=_TEXT))),
    OpenApiFeature(name="multipart form", method="post", operation=_body("multipart/form-data", _object(x=_TEXT))),
    OpenApiFeature(name="bytes as body", method="post", operation=_body("application/octet-stream", {})),
    OpenApiFeature(
        name="XML body by its schema",
        method="post",
        operation=_body("application/xml", {**_object(x=_TEXT), "xml": {"name": "X"}}),
        media_type="application/xml",
        reply={**_object(y={"type": "array", "items": _TEXT, "xml": {"wrapped": True}}), "xml": {"name": "Y"}},
    ),
    OpenApiFeature(name="oneOf, anyOf, allOf", reply={"oneOf": [_TEXT, {"type": "integer"}]}),
    OpenApiFeature(
        name="discriminator",
        reply={
            "oneOf": [{"$ref": "#/components/schemas/Cat"}],
            "discriminator": {"propertyName": "kind"},
        },
        head={"components": {"schemas": {"Cat": {**_object(kind=_TEXT), "required": ["kind"]}}}},
    ),
    OpenApiFeature(
        name="recursion",
        reply={"$ref": "#/components/schemas/Node"},
        head={"components": {"schemas": {"Node": _object(next={"$ref": "#/components/schemas/Node"})}}},
    ),
    OpenApiFeature(
        name="$ref into another file of the bundle",
        reply={"$ref": "more.json#/T"},
        files=(("more.json", '{"T": {"type": "string"}}'),),
    ),
    OpenApiFeature(name="$ref into a file that is not there", reply={"$ref": "more.json#/T"}),
    OpenApiFeature(name="$ref to an address", reply={"$ref": "https://agency.example/more.json#/T"}),
    OpenApiFeature(name="$dynamicRef, $anchor", reply={"$dynamicRef": "#here"}),
    OpenApiFeature(name="another dialect of JSON Schema", head={"jsonSchemaDialect": "urn:dialect"}),
    OpenApiFeature(name="no response of success", operation={"responses": {"404": {"description": "nobody"}}}),
    OpenApiFeature(name="webhooks alone", head={"paths": {}, "webhooks": {}}),
)
"""In the order of the table."""
