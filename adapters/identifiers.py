"""Which fields of a contract hold a person's or a company's number, told from their names and their rules.

Called by the tools for agency teams: a guess that a person checks, never a rule that a message meets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from esb.contracts.json_schema import JsonValidator
from esb.errors import ContractUnsupported, ContractViolation
from esb.routes.envelope import SAMPLE_VALUES
from esb.routes.shapes import property_names, property_of

FIN: Final = "FIN"
VOEN: Final = "VOEN"

GOOD_FIN: Final = SAMPLE_VALUES[FIN]
BAD_FINS: Final = ("7TESTXO", "7TESTX", "7testx1")
"""A letter that is never used, one character too few, lower case."""

_MAX_DEPTH: Final = 8
_LETTERS: Final = str.maketrans("əƏğĞıİöÖşŞüÜçÇ", "eEgGiIoOsSuUcC")

_NAMES: Final[Mapping[str, re.Pattern[str]]] = {
    FIN: re.compile(
        r"((citizen|person|personal|subject|vetendas|sexs)_?)?(fin|pin|fincode|pincode|fin_code|pin_code|fin_kod|finkod"
        r"|personal_?(id_?)?(number|code|no)|personal_?id|ferdi_identifikasiya_nomresi)((_?(no|number|code|value))?)"
    ),
    VOEN: re.compile(r"(company_?|tax_?payer_?)?(voen|tin|tax_?id|tax_?number)(_?(no|number|code))?"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One value of a document that has no parts. `names`: the way to it; `required`: all of the way is."""

    names: tuple[str, ...]
    schema: Mapping[str, Any]
    required: bool

    @property
    def path(self) -> str:
        """The names with dots between."""
        return ".".join(self.names)

    @property
    def name(self) -> str:
        """The last of the names, without what marks an XML attribute."""
        return self.names[-1].removeprefix("@") if self.names else ""


def leaves(schema: Mapping[str, Any]) -> Iterator[Leaf]:
    """Every value of an object's schema (which holds no `$ref`), in order; an array counts as one."""
    yield from _leaves(dict(schema), (), required=True)


def scheme_of(name: str, schema: Mapping[str, Any]) -> str | None:
    """The scheme of the number that a field seems to hold: by its name, as long as its rules do not say otherwise."""
    if "string" not in kinds(schema):
        return None
    plain = snake(name)
    for scheme, pattern in _NAMES.items():
        if pattern.fullmatch(plain) and accepts(schema, SAMPLE_VALUES[scheme]):
            return scheme
    return None


def has_fin_rule(schema: Mapping[str, Any]) -> bool:
    """Whether the contract itself refuses what cannot be a FIN."""
    return not any(accepts(schema, text) for text in BAD_FINS)


def accepts(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether a value fits."""
    try:
        JsonValidator(dict(schema), formats=True).validate(value)
    except (ContractViolation, ContractUnsupported):
        return False
    return True


def kinds(schema: Mapping[str, Any]) -> frozenset[str]:
    """The JSON types that a schema names, over its alternatives; empty where it leaves them open."""
    named = schema.get("type", ())
    found = {named} if isinstance(named, str) else set(named)
    for keyword in ("allOf", "anyOf", "oneOf"):
        found.update(*(kinds(part) for part in schema.get(keyword, ()) if isinstance(part, Mapping)))
    return frozenset(found - {"null"})


def snake(name: str) -> str:
    """`GetPersonByPIN` as `get_person_by_pin`, in ASCII; "" when nothing of it is left."""
    plain = name.translate(_LETTERS)
    plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    return re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")


def _leaves(schema: dict[str, Any], above: tuple[str, ...], *, required: bool) -> Iterator[Leaf]:
    needed = schema.get("required", ())
    for name in property_names(schema):
        part = property_of(schema, name)
        here, holds = (*above, name), required and name in needed
        has_parts = "array" not in kinds(part) and property_names(part) and "." not in "".join(property_names(part))
        if has_parts and len(here) < _MAX_DEPTH:
            yield from _leaves(part, here, required=holds)
        else:
            yield Leaf(names=here, schema=part, required=holds)
