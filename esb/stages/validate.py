"""Is this a question the route understands: size, type, shape, identifiers, time. Nothing below sees an invalid one."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from esb import codec
from esb.errors import (
    ContentTypeUnsupported,
    ContractViolation,
    Expired,
    NotPermitted,
    RequestInvalid,
    Rule,
)
from esb.model import Request
from esb.ports import Arrival, StoredExchange
from esb.routes.table import Route
from esb.stages.authorise import Authorised, for_version, require_purpose

JSON = "application/json"


class Valid(msgspec.Struct, frozen=True, kw_only=True):
    """A permitted, well-formed question. `document` is the body as plain values, for the route's expressions."""

    authorised: Authorised
    request: Request
    document: dict[str, Any]
    message_id: str
    correlation_id: str | None
    traceparent: str | None
    received_at: datetime


def validate(authorised: Authorised, arrival: Arrival, *, message_id: str, now: datetime) -> Valid:
    """The question in the arrival's body.

    Raises:
        ContentTypeUnsupported, RequestTooLarge, RequestMalformed: it was not read.
        RequestInvalid: it does not fit the route's schema; `path` says where.
        NotPermitted: no grant for its purpose, or the user's login is too weak for the route.
        PilotOnly: the agency's service is piloted with others.
        Expired: its `expires_at` has passed.
    """
    if arrival.content_type.partition(";")[0].strip().lower() != JSON:
        raise ContentTypeUnsupported("not application/json")
    return _valid(
        authorised,
        body=arrival.body,
        message_id=message_id,
        correlation_id=arrival.correlation_id,
        traceparent=arrival.traceparent,
        received_at=arrival.received_at,
        now=now,
    )


def revalidate(authorised: Authorised, stored: StoredExchange, *, now: datetime) -> Valid:
    """The question of an exchange that the journal holds, under today's routes and grants. Raises as `validate`."""
    request = stored.request
    return _valid(
        authorised,
        body=request.body,
        message_id=request.message_id,
        correlation_id=request.correlation_id,
        traceparent=request.traceparent,
        received_at=request.received_at,
        now=now,
    )


def _valid(
    authorised: Authorised,
    *,
    body: bytes,
    message_id: str,
    correlation_id: str | None,
    traceparent: str | None,
    received_at: datetime,
    now: datetime,
) -> Valid:
    request = codec.decode(body, authorised.route.max_body_bytes)
    document = codec.document_of(request)
    authorised = for_version(authorised, message_id=message_id, document=document)
    route = authorised.route
    _require_schema(route, document)
    require_purpose(authorised, request.purpose)
    _require_strength(route, request)
    if request.expires_at is not None and request.expires_at <= now:
        raise Expired("expires_at has passed", path="/expires_at")
    return Valid(
        authorised=authorised,
        request=request,
        document=document,
        message_id=message_id,
        correlation_id=correlation_id,
        traceparent=traceparent,
        received_at=received_at,
    )


def _require_schema(route: Route, document: dict[str, Any]) -> None:
    try:
        route.validator.validate(document)
    except ContractViolation as error:
        rule = Rule.FIN if _is_about_a_fin(error, document) else error.rule
        raise RequestInvalid(error.reason, path=error.path, rule=rule, limit=error.limit) from error


def _is_about_a_fin(error: ContractViolation, document: dict[str, Any]) -> bool:
    if error.rule not in _MISWRITTEN:
        return False
    person = {"/subject/value": "subject", "/user/value": "user"}.get(error.path or "")
    return person is not None and document[person]["scheme"] == "FIN"


_MISWRITTEN = frozenset({Rule.FORM, Rule.TOO_SHORT, Rule.TOO_LONG})


def _require_strength(route: Route, request: Request) -> None:
    if route.strength is None:
        return
    if request.user is None or request.user.strength != route.strength:
        raise NotPermitted("the route demands a stronger login of its user", path="/user/strength")
