"""What a route demands of the request body, as JSON Schema and sample, derived from its mapping and the contract.

Called by the route compiler. The envelope itself is `esb.model.Request`; a gather demands what its members demand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from esb.routes.deployment import SCHEMES, STRENGTHS
from esb.routes.expressions import Expression
from esb.routes.mapping import Names
from esb.routes.shapes import Schema, is_required, nullable, property_names, property_of

_VALUE: Schema = {"type": "string", "minLength": 1, "maxLength": 64}

SUBJECT: Schema = {
    "type": "object",
    "properties": {"scheme": {"enum": list(SCHEMES)}, "value": _VALUE},
    "required": ["scheme", "value"],
    "additionalProperties": False,
}

USER: Schema = {
    "type": "object",
    "properties": {
        "scheme": {"enum": list(SCHEMES)},
        "value": _VALUE,
        "strength": {"enum": [*STRENGTHS, None]},
    },
    "required": ["scheme", "value"],
    "additionalProperties": False,
    # No contract speaks of the user; a FIN is written in one way everywhere.
    "if": {"properties": {"scheme": {"const": "FIN"}}},
    "then": {"properties": {"value": {"pattern": "^[0-9A-HJ-NP-Z]{7}$"}}},
}

_OPTIONAL: dict[str, Schema] = {
    "purpose": {"type": "string", "minLength": 1, "maxLength": 512},
    "legal_basis": {"type": "string", "minLength": 1, "maxLength": 512},
    "issue": {"type": "string", "minLength": 1, "maxLength": 128},
    "user": USER,
    "expires_at": {"type": "string", "format": "date-time"},
}

ENVELOPE: Schema = {
    "type": "object",
    "properties": {"subject": SUBJECT, "parameters": {"type": "object", "additionalProperties": True}, **_OPTIONAL},
    "additionalProperties": False,
}
"""The request of any route: what a mapping's expressions are checked against."""

SAMPLE_VALUES = {
    "FIN": "7TESTX1",
    "VPIN": "9TESTX1",
    "PASSPORT": "C01234567",
    "DYI": "DYI0123456",
    "MYI": "MYI0123456",
    "VOEN": "1412345662",
    "SSN": "1234567890123",
}
"""A fictitious identifier of each scheme."""


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What a request must and may hold for one route. Schemas of one place are all to be met.

    `required`: paths of the request that must be there. `parameters` None: any are taken.
    """

    schemes: tuple[str, ...]
    subject: tuple[Schema, ...] | None
    parameters: dict[str, tuple[Schema, ...]] | None
    required: frozenset[Names]
    sample: dict[str, Any]


def demand_of(
    fields: Sequence[tuple[Names, Expression]],
    contract: Schema,
    contract_sample: dict[str, Any],
    *,
    schemes: tuple[str, ...],
) -> Demand:
    """What a call demands. A plain path passes the contract's own rules for the field on to the caller."""
    read = {path for _, expression in fields for path in expression.references()}
    plain = [(names, expression.path) for names, expression in fields if expression.path]
    rules: dict[Names, tuple[Schema, ...]] = {}
    for names, path in plain:
        rules[path] = (*rules.get(path, ()), property_at(contract, names))
    return Demand(
        schemes=schemes,
        subject=rules.get(("subject", "value"), ()) if any(path[0] == "subject" for path in read) else None,
        parameters=_parameters(read, rules),
        required=frozenset(path for names, path in plain if is_required(contract, names)),
        sample={".".join(path): value for names, path in plain if (value := _at(contract_sample, names)) is not None},
    )


def with_rayon(demand: Demand) -> Demand:
    """The demand of a route that is piloted by rayons: a request may name its own."""
    if demand.parameters is None:
        return demand
    return msgspec.structs.replace(demand, parameters={"rayon": (_VALUE,), **demand.parameters})


def property_at(schema: Schema, names: Names) -> Schema:
    """The schema of a field below nested objects; `{}` where it is not declared."""
    for name in names:
        schema = property_of(schema, name)
    return schema


def field_names(contract: Schema, field: str) -> Names | None:
    """The names a mapping's key stands for: one that may hold dots itself, or a dotted path. None: no such field."""
    names: Names = (field,)
    if field not in property_names(contract):
        names = tuple(field.split("."))
    at = contract
    for name in names:
        if name not in property_names(at):
            return None
        at = property_at(at, (name,))
    return names


def joint(demands: Iterable[Demand]) -> Demand:
    """What a gather demands: all that each member does. `schemes` are those that every member with a subject takes."""
    first, *others = demands
    for other in others:
        first = _both(first, other)
    return first


def _both(one: Demand, other: Demand) -> Demand:
    parameters = None
    if one.parameters is not None and other.parameters is not None:
        names = [*one.parameters, *(name for name in other.parameters if name not in one.parameters)]
        parameters = {name: _distinct(one.parameters.get(name, ()), other.parameters.get(name, ())) for name in names}
    if one.subject is None:
        schemes, subject = other.schemes, other.subject
    elif other.subject is None:
        schemes, subject = one.schemes, one.subject
    else:
        schemes = tuple(scheme for scheme in one.schemes if scheme in other.schemes)
        subject = _distinct(one.subject, other.subject)
    return Demand(
        schemes=schemes,
        subject=subject,
        parameters=parameters,
        required=one.required | other.required,
        sample={**other.sample, **one.sample},
    )


def _distinct(one: Sequence[Schema], other: Sequence[Schema]) -> tuple[Schema, ...]:
    return (*one, *(schema for schema in other if schema not in one))


def _parameters(read: Iterable[Names], rules: dict[Names, tuple[Schema, ...]]) -> dict[str, tuple[Schema, ...]] | None:
    paths = sorted(path for path in read if path[0] == "parameters")
    if ("parameters",) in paths:
        return None
    return {path[1]: rules.get(path[:2], ()) for path in paths}


# --- schema and sample -----------------------------------------------------------------------------------


def request_schema(demand: Demand, *, title: str) -> Schema:
    """The whole body's schema (2020-12). What is not demanded may be left out or null."""
    required_roots = {path[0] for path in demand.required}
    if demand.subject is not None:
        required_roots.add("subject")
    properties = {"subject": _subject_schema(demand), "parameters": _parameters_schema(demand), **_OPTIONAL}
    return {
        "title": title,
        "type": "object",
        "properties": {
            name: schema if name in required_roots or name == "parameters" else nullable(schema)
            for name, schema in properties.items()
        },
        "required": [name for name in properties if name in required_roots],
        "additionalProperties": False,
    }


def _subject_schema(demand: Demand) -> Schema:
    if demand.subject is None:
        return SUBJECT
    value = {**_VALUE, **_all_of([schema for schema in demand.subject if schema.get("type") == "string"])}
    properties = {"scheme": {"enum": list(demand.schemes)}, "value": value}
    return {**SUBJECT, "properties": properties}


def _parameters_schema(demand: Demand) -> Schema:
    if demand.parameters is None:
        return {"type": "object"}
    required = sorted(path[1] for path in demand.required if path[0] == "parameters" and len(path) > 1)
    schema = {
        "type": "object",
        "properties": {
            name: _all_of(schemas) if name in required else nullable(_all_of(schemas))
            for name, schemas in demand.parameters.items()
        },
        "additionalProperties": False,
    }
    return {**schema, "required": required} if required else schema


def _all_of(schemas: Sequence[Schema]) -> Schema:
    """One schema where the rules do not touch each other, `allOf` where they do."""
    merged: Schema = {}
    for schema in schemas:
        if any(merged.get(name, rule) != rule for name, rule in schema.items()):
            return {"allOf": list(schemas)}
        merged |= schema
    return merged


def request_sample(demand: Demand) -> dict[str, Any]:
    """A request that the route takes, with fictitious values."""
    sample: dict[str, Any] = {}
    if demand.subject is not None and demand.schemes:
        scheme = demand.schemes[0]
        sample["subject"] = {"scheme": scheme, "value": SAMPLE_VALUES[scheme]}
    sample["parameters"] = {
        name: demand.sample[f"parameters.{name}"]
        for name in demand.parameters or {}
        if f"parameters.{name}" in demand.sample
    }
    for path in sorted(demand.required):
        if path[0] in _OPTIONAL and len(path) == 1 and path[0] in demand.sample:
            sample[path[0]] = demand.sample[path[0]]
    return sample


def _at(values: Any, names: Names) -> Any:
    for name in names:
        values = values.get(name) if isinstance(values, dict) else None
    return values
