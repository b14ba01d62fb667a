"""Fields that a contract requires and lets be null: what a request sends for them when there is no value.

Found by the route compiler, once, and put into the values of every question. An optional field is never among them:
there a null means that the field is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from esb.errors import ContractViolation
from esb.routes.envelope import property_at
from esb.routes.mapping import Build, Names
from esb.routes.shapes import Schema, is_required, requires
from esb.routes.table import RequestValidator


class Nil(msgspec.Struct, frozen=True, kw_only=True):
    """A field, or an object of which no mapped field has a value.

    `certain`: the objects around it are in every document. Otherwise it is null only where they are there anyway.
    """

    names: Names
    certain: bool


def nils_of(
    fields: Iterable[Names], contract: Schema, validator: Callable[[Schema], RequestValidator]
) -> tuple[Nil, ...]:
    """The outer ones first, so that an object that is null has nothing inside of it."""
    places = {names[:end] for names in fields for end in range(1, len(names) + 1)}
    return tuple(
        Nil(names=names, certain=is_required(contract, names))
        for names in sorted(places, key=lambda names: (len(names), names))
        if requires(property_at(contract, names[:-1]), names[-1])
        and _takes_null(property_at(contract, names), validator)
    )


def with_nils(build: Build, nils: Sequence[Nil]) -> Build:
    """The builder of the values, and after it the nulls that the contract requires."""
    if not nils:
        return build

    def build_all(document: Mapping[str, Any]) -> dict[str, Any]:
        values = build(document)
        for nil in nils:
            around = _around(values, nil)
            if around is not None:
                around.setdefault(nil.names[-1], None)
        return values

    return build_all


def _takes_null(schema: Schema, validator: Callable[[Schema], RequestValidator]) -> bool:
    """Asked of the validator that will judge the caller's null, so that both agree."""
    try:
        validator(schema).validate(None)
    except ContractViolation:
        return False
    return True


def _around(values: dict[str, Any], nil: Nil) -> dict[str, Any] | None:
    at: Any = values
    for name in nil.names[:-1]:
        at = at.setdefault(name, {}) if nil.certain else at.get(name)
        if type(at) is not dict:
            return None
    return at if type(at) is dict else None
