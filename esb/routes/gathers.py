"""Compiles a route that asks several other routes in parallel.

Called by the compiler once all calls are compiled: a gather has calls as members, never gathers, so no cycle can be.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from esb.model import RouteId
from esb.ports import LaterOperation
from esb.routes import envelope
from esb.routes.calls import Call
from esb.routes.document import Node
from esb.routes.findings import Findings
from esb.routes.shapes import Schema, nullable
from esb.routes.table import GatherRoute, RequestValidator

FOR_CALLS_ONLY = (
    "adapter",
    "operation",
    "request",
    "reply",
    "not_found",
    "timeout_s",
    "idempotent",
    "retry",
    "subject_schemes",
)


def check_gather(route_id: RouteId, node: Node, rows: Mapping[str, Mapping[str, Any]], findings: Findings) -> None:
    """Finds members that cannot be, and keys that mean nothing for a gather."""
    place = f"routes.{route_id}"
    for name in FOR_CALLS_ONLY:
        if name in node.entries:
            findings.error(node.line_of(name), f"{place}.{name} is for a call; this route is a gather")
    if "require" not in node.entries:
        findings.error(node.line_of("gather"), f"{place} has no 'require': say whether all must answer, or any")
    for name, member in (rows[route_id]["gather"] or {}).items():
        line, where = node.line_of("gather", name), f"{place}.gather.{name}"
        if member not in rows:
            findings.unknown(line, f"{where}: no route {member!r}", member, rows)
        elif member == route_id:
            findings.error(line, f"{where}: the route gathers itself")
        elif rows[member]["gather"] is not None:
            findings.error(line, f"{where}: {member} is a gather; a gather asks calls only")
        elif not rows[member]["idempotent"]:
            # A part that hangs leaves its effect unknown, and then a person must look: a gather cannot wait for that.
            findings.error(line, f"{where}: {member} is not idempotent, so it can only be asked on its own")


def compile_gather(
    route_id: RouteId,
    values: Mapping[str, Any],
    node: Node,
    *,
    calls: Mapping[str, Call],
    validator: Callable[[Schema], RequestValidator],
    findings: Findings,
) -> GatherRoute | None:
    """The route of a checked gather, or None when its members have no subject in common; then `findings` say so."""
    members = {name: calls[member] for name, member in values["gather"].items()}
    demand = envelope.joint(call.demand for call in members.values())
    if not demand.schemes:
        message = f"routes.{route_id}.gather: the members have no subject_schemes in common"
        findings.error(node.line_of("gather"), message)
        return None
    routes = {name: call.route for name, call in members.items()}
    for name, route in routes.items():
        if isinstance(route.operation, LaterOperation):
            message = (
                f"routes.{route_id}.gather.{name}: {route.id} is answered later, so it can only be asked on its own"
            )
            findings.error(node.line_of("gather", name), message)
    schema = envelope.request_schema(demand, title=values["title"].en)
    deadline_s = values["deadline_s"]
    return GatherRoute(
        id=route_id,
        version=values["version"],
        title=values["title"],
        audience=values["audience"],
        legal_basis=values["legal_basis"],
        members=routes,
        require=values["require"],
        deadline_s=max(route.deadline_s for route in routes.values()) if deadline_s is None else deadline_s,
        max_body_bytes=values["max_body_bytes"],
        signed_requests=values["signed_requests"],
        asynchronous=values["asynchronous"],
        strength=values["strength"],
        subject_schemes=demand.schemes if demand.subject is not None else (),
        parameters=tuple(demand.parameters or ()),
        request_schema=schema,
        reply_schema={
            "type": "object",
            # A member that gave no answer is not there at all; null means that it has no such record.
            "properties": {name: nullable(route.reply_schema) for name, route in routes.items()},
            "additionalProperties": False,
        },
        request_sample=envelope.request_sample(demand),
        reply_sample={name: route.reply_sample for name, route in routes.items()},
        validator=validator(schema),
        digest=_digest(route_id, values, [route.digest for route in routes.values()]),
    )


def _digest(route_id: str, values: Mapping[str, Any], members: list[str]) -> str:
    return hashlib.sha256(msgspec.json.encode([route_id, dict(values), members], order="sorted")).hexdigest()
