"""The OpenAPI 3.1 description of the HTTP door, made from the compiled routes and the values themselves.

Called by the HTTP door for `/openapi.json` and the route listings. The generic part is the same for everybody; a
route appears only in a description made for somebody who may ask it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from esb import faults
from esb.inbound import openapi_paths as paths
from esb.inbound.http_inbox import Acknowledgement, WaitingReplies
from esb.inbound.openapi_fields import told_request, with_meanings
from esb.model import Reply, Request
from esb.routes.table import Route

VERSION = "1"
DIALECT = "https://json-schema.org/draft/2020-12/schema"

_REF = "#/components/schemas/{name}"


def document(routes: Iterable[Route], *, audience: str) -> dict[str, Any]:
    """The whole description: the generic calls, and one `POST` with its own schemas for each of `routes`.

    `audience`: what callers' tokens must name. Texts in Azerbaijani stand beside the English ones as `x-az`.
    """
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": DIALECT,
        "info": {
            "title": "Elektron Hökumət service bus",
            "version": VERSION,
            "summary": "One question in one format; one normalised, signed reply.",
            "description": paths.INTRODUCTION.en,
            "x-az": {"title": "Elektron Hökumət servis şini", "description": paths.INTRODUCTION.az},
        },
        "servers": [{"url": "/", "description": "this bus"}],
        "security": [{"token": []}, {"clientCertificate": []}],
        "tags": paths.TAGS,
        "paths": {**paths.GENERIC, **{f"/v1/routes/{route.id}": _path(route) for route in routes}},
        "components": {
            "securitySchemes": paths.security_schemes(audience),
            "parameters": paths.PARAMETERS,
            "headers": paths.HEADERS,
            "schemas": _schemas(),
            "responses": _responses(),
        },
    }


def summary(route: Route) -> dict[str, Any]:
    """One line of `GET /v1/routes`."""
    return {
        "id": route.id,
        "version": route.version,
        "title": route.title,
        "audience": list(route.audience),
        "legal_basis": route.legal_basis,
        "asynchronous": route.asynchronous,
        "deadline_s": route.deadline_s,
        "max_body_bytes": route.max_body_bytes,
        "signed_requests": route.signed_requests,
        "strength": route.strength,
        "subject_schemes": list(route.subject_schemes),
    }


def detail(route: Route) -> dict[str, Any]:
    """`GET /v1/routes/{route}`: the summary, and the JSON Schema and a sample of request and reply `data`."""
    return {
        **summary(route),
        "request_schema": route.request_schema,
        "reply_schema": route.reply_schema,
        "request_sample": route.request_sample,
        "reply_sample": route.reply_sample,
    }


def _path(route: Route) -> dict[str, Any]:
    return {
        "post": {
            "operationId": "ask_" + route.id.replace(".", "_").replace("-", "_"),
            "tags": ["routes"],
            "summary": route.title.en,
            "description": f"Audience: {', '.join(route.audience)}. Legal basis: {route.legal_basis}.",
            "x-az": {
                "summary": route.title.az,
                "description": f"Auditoriya: {', '.join(route.audience)}. Hüquqi əsas: {route.legal_basis}.",
            },
            "x-route": summary(route),
            "parameters": paths.ASK_PARAMETERS,
            "requestBody": {
                "required": True,
                "content": {"application/json": _media(told_request(route.request_schema), route.request_sample)},
            },
            "responses": paths.ask_responses(
                {"schema": _reply_schema(route), "examples": {"data": {"value": _reply_example(route)}}}
            ),
        }
    }


def _media(schema: Mapping[str, Any], sample: Any) -> dict[str, Any]:
    return {"schema": _embedded(schema), "examples": {"sample": {"value": sample}}}


def _embedded(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A route's schema holds no references (`esb/routes/shapes.py` writes them out), so it can stand anywhere."""
    return {name: value for name, value in schema.items() if name != "$schema"}


def _reply_schema(route: Route) -> dict[str, Any]:
    data = _embedded(route.reply_schema)
    return {
        "allOf": [
            {"$ref": _REF.format(name="Reply")},
            {
                "type": "object",
                "properties": {"route": {"const": route.id}, "data": {"anyOf": [data, {"type": "null"}]}},
            },
        ]
    }


def _reply_example(route: Route) -> dict[str, Any]:
    moment = "2026-11-21T08:00:00Z"
    return {
        "message_id": paths.SAMPLE_ID,
        "correlation_id": None,
        "route": route.id,
        "version": route.version,
        "status": "OK",
        "data": route.reply_sample,
        "sources": [],
        "faults": [],
        "received_at": moment,
        "completed_at": moment,
    }


def _schemas() -> dict[str, Any]:
    _, components = msgspec.json.schema_components([Request, Reply, WaitingReplies, Acknowledgement], ref_template=_REF)
    return {**with_meanings(components), **paths.SCHEMAS}


def _responses() -> dict[str, Any]:
    """One response per HTTP status of the fault table, so that this list can never lack one."""
    by_status: dict[int, list[faults.Policy]] = {}
    for policy in faults.TABLE.values():
        if policy.http_status >= HTTPStatus.BAD_REQUEST:
            by_status.setdefault(policy.http_status, []).append(policy)
    return {f"Status{status}": _response(status, rows) for status, rows in sorted(by_status.items())}


def _response(status: int, rows: list[faults.Policy]) -> dict[str, Any]:
    return {
        "description": f"{HTTPStatus(status).phrase}: " + ", ".join(sorted({row.code for row in rows})),
        "headers": paths.REPLY_HEADERS,
        "content": {"application/json": {"schema": {"$ref": _REF.format(name="Reply")}}},
        "x-faults": [
            {"code": row.code, "status": row.status, "advice": row.advice, "az": row.text.az, "en": row.text.en}
            for row in sorted({row.code: row for row in rows}.values(), key=lambda row: row.code)
        ],
    }
