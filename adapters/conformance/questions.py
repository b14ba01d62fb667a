"""What a live agency is asked: golden cases where there are some, else the contract's own samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from adapters.cases import Case
from adapters.conformance.checks import Plan, Question
from adapters.contract_reading import ContractReading
from adapters.identifiers import accepts, leaves, scheme_of
from adapters.simulator import samples
from esb.model import Status
from esb.ports import FieldShape
from esb.routes.calls import DEFAULT_TIMEOUT_S
from esb.routes.shapes import dereferenced
from esb.routes.table import CallRoute

NOBODY: Final = {"FIN": samples.NOBODY, "VOEN": "1400000002"}
"""Whom no agency knows."""


def questions(
    reading: ContractReading, cases: Sequence[Case], routes: Mapping[str, CallRoute], plan: Plan
) -> list[Question]:
    """One for each operation, in order."""
    return [
        _question(name, shape, cases, routes, plan)
        for name, shape in sorted(reading.shapes.items())
        if not plan.operations or name in plan.operations
    ]


def _question(
    name: str, shape: FieldShape, cases: Sequence[Case], routes: Mapping[str, CallRoute], plan: Plan
) -> Question:
    own = [case for case in cases if case.route in routes and routes[case.route].operation_name == name]
    found = next((case for case in own if case.agency_request is not None and case.reply.status is Status.OK), None)
    missing = next((case for case in own if case.agency_request and case.reply.status is Status.NOT_FOUND), None)
    values = dict(found.agency_request or {}) if found is not None else dict(shape.request_sample)
    route = next((route for route in routes.values() if route.operation_name == name), None)
    if plan.subject is not None:
        values = with_subject(values, shape, *plan.subject)
    return Question(
        operation=name,
        values=values,
        golden=found is not None and plan.subject is None,
        nobody=dict(missing.agency_request or {}) if missing is not None else _nobody(values, shape),
        repeatable=name in plan.operations or (route is not None and route.idempotent),
        timeout_s=DEFAULT_TIMEOUT_S if route is None else route.timeout_s,
    )


def with_subject(values: Mapping[str, Any], shape: FieldShape, scheme: str, value: str) -> dict[str, Any]:
    """The values with this number at every place that seems to hold one of its scheme."""
    changed = dict(values)
    for leaf in leaves(dereferenced(shape.request_schema)):
        if scheme_of(leaf.name, leaf.schema) == scheme:
            changed = _put(changed, leaf.names, value)
    return changed


def _nobody(values: Mapping[str, Any], shape: FieldShape) -> dict[str, Any] | None:
    for leaf in leaves(dereferenced(shape.request_schema)):
        scheme = scheme_of(leaf.name, leaf.schema)
        if scheme in NOBODY and accepts(leaf.schema, NOBODY[scheme]):
            return with_subject(values, shape, scheme, NOBODY[scheme])
    return None


def _put(values: Mapping[str, Any], names: Sequence[str], value: Any) -> dict[str, Any]:
    """The values with one more at the place; unchanged where the way to it is not there."""
    name, *below = names
    if not below:
        return {**values, name: value} if name in values else dict(values)
    inner = values.get(name)
    return {**values, name: _put(inner, below, value)} if isinstance(inner, Mapping) else dict(values)
