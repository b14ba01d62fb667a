"""Small OpenAPI documents for tests."""

from __future__ import annotations

from typing import Any

import msgspec

from esb.contracts.json_contract import JsonContract
from esb.contracts.json_operation import JsonOperation


def document(paths: dict[str, Any], *, version: str = "3.1.0", **components: Any) -> dict[str, Any]:
    """A whole document of these paths."""
    head = {"openapi": version, "info": {"title": "t", "version": "1"}}
    return head | {"paths": paths} | ({"components": components} if components else {})


def contract_of(
    paths: dict[str, Any], *, version: str = "3.1.0", files: dict[str, bytes] | None = None, **components: Any
) -> JsonContract:
    """The compiled contract; `files` lie beside it."""
    entry = {"t.json": msgspec.json.encode(document(paths, version=version, **components))}
    return JsonContract({**entry, **(files or {})}, "t.json")


def operation_of(paths: dict[str, Any], *, version: str = "3.1.0", **components: Any) -> JsonOperation:
    """The one operation of a contract."""
    return next(iter(contract_of(paths, version=version, **components).operations.values()))


def reply(schema: Any, media_type: str = "application/json") -> dict[str, Any]:
    """A response with one document."""
    return {"description": "", "content": {media_type: {"schema": schema}}}


def get(schema: Any, **more: Any) -> dict[str, Any]:
    """A path item with one GET that answers 200."""
    return {"get": {"operationId": "Get", "responses": {"200": reply(schema)}, **more}}


def post(schema: Any, media_type: str = "application/json", **more: Any) -> dict[str, Any]:
    """A path item with one POST of a document."""
    body = {"required": True, "content": {media_type: {"schema": schema, **more}}}
    return {"post": {"operationId": "Post", "requestBody": body, "responses": {"204": {"description": "done"}}}}
