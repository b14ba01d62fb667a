"""The generic half of the OpenAPI description: calls, headers and credentials that do not depend on any route.

Data for `esb/inbound/openapi.py`. A test asks the running door for every path that stands here.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from esb import faults
from esb.inbound.http_headers import MAX_WAIT_S
from esb.inbound.http_inbox import DEFAULT_REPLIES, MAX_REPLIES
from esb.inbound.openapi_fields import ROUTE_FIELDS, told
from esb.model import Text

SAMPLE_ID = "0b9f7c52-6f0e-4c3a-9a3e-0d1f5a7c2b10"

INTRODUCTION = Text(
    en=(
        "Ask a route with one request body; get one reply body, whatever happened. Every reply is signed: header "
        "`ESB-Signature` is a detached JWS (RFC 7515, RFC 7797 `b64=false`) over the exact bytes of the body, its key "
        "is at `/.well-known/jwks.json`. `NOT_FOUND` is an answer (200); no answer and an empty list are other things. "
        "Sending the same `Message-Id` with the same body again gives the same reply; with another body, 409. "
        "Fetched with credentials, this description also holds the routes that are open to the caller."
    ),
    az=(
        "Marşruta bir formatda sual verin; nə baş verirsə versin, cavab da bir formatda olur. Hər cavab imzalanır: "
        "`ESB-Signature` başlığı cavabın baytları üzərində ayrıca JWS imzasıdır (RFC 7515, RFC 7797), açarı "
        "`/.well-known/jwks.json` ünvanındadır. `NOT_FOUND` da cavabdır (200); cavabın olmaması və boş siyahı başqa "
        "şeylərdir. Eyni `Message-Id` eyni məzmunla təkrar göndərilsə, həmin cavab qaytarılır; başqa məzmunla 409. "
        "Giriş məlumatları ilə sorğulandıqda burada sizə açıq olan marşrutlar da göstərilir."
    ),
)

TAGS: list[dict[str, Any]] = [
    {"name": "asking", "description": "Asking and waiting for replies.", "x-az": "Sual vermək və cavabı gözləmək"},
    {"name": "routes", "description": "Routes open to you.", "x-az": "Sizə açıq marşrutlar"},
    {"name": "inbox", "description": "Replies that wait for you.", "x-az": "Sizi gözləyən cavablar"},
    {"name": "bus", "description": "About the bus itself.", "x-az": "Şinin özü haqqında"},
]

_JSON = "application/json"


def _schema_ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _header_refs(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _header(en: str, az: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"description": en, "x-az": az, "schema": schema or {"type": "string"}}


def _parameter(name: str, place: str, en: str, az: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "in": place, "description": en, "x-az": az, "schema": schema, **more}


HEADERS: dict[str, Any] = {
    "ESB-Signature": _header(
        "Detached JWS over the exact bytes of the body.", "Cavabın baytları üzərində ayrıca JWS imzası."
    ),
    "Message-Id": _header(
        "The id of this message.", "Bu mesajın identifikatoru.", {"type": "string", "format": "uuid"}
    ),
    "Idempotent-Replay": _header(
        "`true`: this is the reply that was given before.",
        "`true`: bu, əvvəl verilmiş cavabdır.",
        {"type": "string", "enum": ["true"]},
    ),
    "Location": _header("Where the reply will be.", "Cavabın olacağı ünvan."),
    "Retry-After": _header("Seconds after which a retry has a chance.", "Neçə saniyədən sonra təkrar etmək olar."),
    "Preference-Applied": _header("The preference that was followed.", "Nəzərə alınan üstünlük."),
    "traceparent": _header("W3C Trace Context of the bus's own span.", "Şinin öz izi (W3C Trace Context)."),
}

REPLY_HEADERS: dict[str, Any] = _header_refs("ESB-Signature", "Message-Id", "traceparent")
_ASK_HEADERS = {**REPLY_HEADERS, **_header_refs("Idempotent-Replay", "Preference-Applied")}

PARAMETERS: dict[str, Any] = {
    "MessageId": _parameter(
        "Message-Id",
        "header",
        "A UUID of your own; makes repeating harmless. The bus makes one when it is absent.",
        "Sizin UUID; təkrar göndərməyi zərərsiz edir. Yoxdursa, şin özü yaradır.",
        {"type": "string", "format": "uuid"},
        example=SAMPLE_ID,
    ),
    "CorrelationId": _parameter(
        "Correlation-Id",
        "header",
        "Any text of yours that the reply shall carry.",
        "Cavabda qaytarılacaq mətniniz.",
        {"type": "string", "maxLength": 128},
    ),
    "Prefer": _parameter(
        "Prefer",
        "header",
        f"`respond-async`: 202 at once. `wait=N`: 202 when there is no reply after N seconds (at most {MAX_WAIT_S}).",
        f"`respond-async`: dərhal 202. `wait=N`: cavab N saniyəyə (ən çoxu {MAX_WAIT_S}) olmasa, 202.",
        {"type": "string"},
        example="wait=5",
    ),
    "Traceparent": _parameter(
        "traceparent", "header", "W3C Trace Context.", "W3C Trace Context izi.", {"type": "string"}
    ),
    "Signature": _parameter(
        "ESB-Signature",
        "header",
        "Detached JWS over the body with your registered key; some routes demand it.",
        "Qeydiyyatda olan açarınızla sorğunun ayrıca JWS imzası; bəzi marşrutlar bunu tələb edir.",
        {"type": "string"},
    ),
}

ASK_PARAMETERS: list[dict[str, Any]] = [
    {"$ref": f"#/components/parameters/{name}"}
    for name in ("MessageId", "CorrelationId", "Prefer", "Traceparent", "Signature")
]

_LISTED_ROUTE: dict[str, Any] = {
    "type": "object",
    "required": ["id", "version", "title", "audience", "legal_basis"],
    "properties": {
        "id": {"type": "string"},
        "version": {"type": "integer"},
        "title": _schema_ref("Text"),
        "audience": {"type": "array", "items": {"type": "string"}},
        "legal_basis": {"type": "string"},
        "asynchronous": {"type": "boolean"},
        "deadline_s": {"type": "number"},
        "max_body_bytes": {"type": "integer"},
        "signed_requests": {"type": "boolean"},
        "strength": {"type": ["string", "null"]},
        "subject_schemes": {"type": "array", "items": {"type": "string"}},
    },
}

SCHEMAS: dict[str, Any] = {
    "ListedRoute": told(_LISTED_ROUTE, ROUTE_FIELDS),
    "ListedRoutes": {
        "type": "object",
        "required": ["routes"],
        "properties": {"routes": {"type": "array", "items": _schema_ref("ListedRoute")}},
    },
    "DescribedRoute": {
        "allOf": [
            _schema_ref("ListedRoute"),
            {
                "type": "object",
                "required": ["request_schema", "reply_schema", "request_sample", "reply_sample"],
                "properties": {
                    "request_schema": {"type": "object"},
                    "reply_schema": {"type": "object"},
                    "request_sample": {},
                    "reply_sample": {},
                },
            },
        ]
    },
    "Readiness": {
        "type": "object",
        "required": ["status", "dependencies"],
        "properties": {
            "status": {"enum": ["ready", "not ready"]},
            "dependencies": {
                "type": "object",
                "additionalProperties": {
                    "type": "object",
                    "required": ["state"],
                    "properties": {"state": {"enum": ["up", "down"]}, "reason": {"type": "string"}},
                },
            },
        },
    },
}


def security_schemes(audience: str) -> dict[str, Any]:
    """How callers say who they are; `audience` is the `aud` that tokens must have."""
    return {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": (
                f"A JWT signed by your registered key: `iss` your caller name, `aud` `{audience}`, `jti` used once, "
                "`exp` at most 5 minutes ahead."
            ),
        },
        "clientCertificate": {
            "type": "mutualTLS",
            "description": "A client certificate that the operator has registered for you.",
        },
    }


def ask_responses(media: dict[str, Any]) -> dict[str, Any]:
    """All that asking a route may answer; `media` describes the body of the 200."""
    statuses = sorted({policy.http_status for policy in faults.TABLE.values()})
    pending = {
        "description": "Not there yet: look at `Location`, or in the inbox.",
        "x-az": "Hələ yoxdur: `Location` ünvanına və ya gələn cavablara baxın.",
        "headers": {**_ASK_HEADERS, **_header_refs("Location")},
        "content": {_JSON: {"schema": _schema_ref("Reply")}},
    }
    return {
        "200": {"description": "The reply.", "x-az": "Cavab.", "headers": _ASK_HEADERS, "content": {_JSON: media}},
        "202": pending,
        **{str(status): _refused(status) for status in statuses if status >= HTTPStatus.BAD_REQUEST},
    }


def _refused(status: int) -> dict[str, Any]:
    return {"$ref": f"#/components/responses/Status{status}"}


def _call(name: str, tag: str, en: str, az: str, *, ok: dict[str, Any], **more: Any) -> dict[str, Any]:
    refusals = {"401": _refused(401), "503": _refused(503)} if more.get("security") != [] else {}
    return {
        "operationId": name,
        "tags": [tag],
        "summary": en,
        "x-az": {"summary": az},
        **{key: value for key, value in more.items() if key != "refusals"},
        "responses": {"200": ok, **refusals, **more.get("refusals", {})},
    }


def _ok(en: str, az: str, schema: dict[str, Any], content_type: str = _JSON, *, signed: bool = True) -> dict[str, Any]:
    headers = {"headers": _header_refs("ESB-Signature")} if signed else {}
    return {"description": en, "x-az": az, **headers, "content": {content_type: {"schema": schema}}}


_ROUTE = _parameter("route", "path", "Id of the route.", "Marşrutun adı.", {"type": "string"}, required=True)
_MESSAGE = _parameter(
    "message_id", "path", "Id of the message.", "Mesajın identifikatoru.", {"type": "string"}, required=True
)

_ASK: dict[str, Any] = {
    "operationId": "ask",
    "tags": ["asking"],
    "summary": "Ask a route",
    "x-az": {"summary": "Marşruta sual vermək"},
    "parameters": ASK_PARAMETERS,
    "requestBody": {"required": True, "content": {_JSON: {"schema": _schema_ref("Request")}}},
    "responses": ask_responses({"schema": _schema_ref("Reply")}),
}

GENERIC: dict[str, Any] = {
    "/v1/routes/{route}": {
        "parameters": [_ROUTE],
        "post": _ASK,
        "get": _call(
            "route", "routes", "One route that you may ask, with its schemas and samples",
            "Sizə açıq bir marşrut: sxemlər və nümunələr",
            ok=_ok("The route.", "Marşrut.", _schema_ref("DescribedRoute")), refusals={"404": _refused(404)},
        ),
    },
    "/v1/routes": {
        "get": _call(
            "routes", "routes", "Routes that you may ask", "Sizə açıq marşrutlar",
            ok=_ok("The routes.", "Marşrutlar.", _schema_ref("ListedRoutes")),
        )
    },
    "/v1/messages/{message_id}": {
        "parameters": [_MESSAGE],
        "get": _call(
            "message", "asking", "State and, when there, the reply of your message", "Mesajınızın vəziyyəti və cavabı",
            parameters=[{"$ref": "#/components/parameters/Prefer"}],
            ok=_ok("The reply.", "Cavab.", _schema_ref("Reply")),
            refusals={
                **ask_responses({}),
                "200": _ok("The reply, or `PENDING`.", "Cavab və ya `PENDING`.", _schema_ref("Reply")),
            },
        ),
    },
    "/v1/replies": {
        "get": _call(
            "replies", "inbox", "Replies that wait for you; unacknowledged ones come again",
            "Sizi gözləyən cavablar; təsdiqlənməyənlər yenidən gəlir",
            parameters=[
                _parameter(
                    "wait", "query", "Seconds to wait for the first reply.", "İlk cavabı gözləmə müddəti, saniyə.",
                    {"type": "integer", "minimum": 0, "maximum": MAX_WAIT_S, "default": 0},
                ),
                _parameter(
                    "max", "query", "How many replies at most.", "Ən çoxu neçə cavab.",
                    {"type": "integer", "minimum": 1, "maximum": MAX_REPLIES, "default": DEFAULT_REPLIES},
                ),
            ],
            ok=_ok(
                "Replies, oldest first; none after `wait` seconds is an empty list.",
                "Cavablar, köhnədən yeniyə; `wait` saniyə ərzində heç nə olmasa, boş siyahı.",
                _schema_ref("WaitingReplies"),
            ),
            refusals={"400": _refused(400), "429": _refused(429)},
        )
    },
    "/v1/replies/{message_id}/ack": {
        "parameters": [_MESSAGE],
        "post": _call(
            "acknowledge", "inbox", "You have this reply: it never comes again", "Cavabı aldınız: bir daha gəlməyəcək",
            ok=_ok("Done; repeating is harmless.", "Oldu; təkrar etmək zərərsizdir.", _schema_ref("Acknowledgement")),
        ),
    },
    "/openapi.json": {
        "get": _call(
            "description", "bus", "This description; with credentials, with your routes in it",
            "Bu təsvir; giriş məlumatları ilə marşrutlarınız da daxil",
            security=[{}, {"token": []}, {"clientCertificate": []}],
            ok=_ok("OpenAPI 3.1.", "OpenAPI 3.1.", {"type": "object"}, signed=False),
        )
    },
    "/.well-known/jwks.json": {
        "get": _call(
            "keys", "bus", "Keys that the bus signs with (RFC 7517)", "Şinin imza açarları (RFC 7517)",
            security=[], ok=_ok("JWK set.", "JWK dəsti.", {"type": "object"}, "application/jwk-set+json", signed=False),
        )
    },
    "/livez": {
        "get": _call(
            "live", "bus", "The process answers", "Proses işləyir", security=[],
            ok=_ok("Alive.", "İşləyir.", {"type": "object"}, signed=False),
        )
    },
    "/readyz": {
        "get": _call(
            "ready", "bus", "Every dependency and its state", "Hər asılılıq və onun vəziyyəti", security=[],
            ok=_ok("Ready.", "Hazırdır.", _schema_ref("Readiness"), signed=False),
            refusals={
                "503": _ok(
                    "A dependency is down.", "Asılılıqlardan biri işləmir.", _schema_ref("Readiness"), signed=False
                )
            },
        )
    },
}  # fmt: skip
