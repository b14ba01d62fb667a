"""The proposed mapping of one operation: portal's request to contract, contract's answer to portal's reply.

Pure; works on the schemas that the route compiler checks the result against.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from adapters.contract_headers import KEY as HEADERS
from adapters.identifiers import GOOD_FIN, Leaf, accepts, kinds, leaves, scheme_of, snake
from adapters.placeholders import PLACEHOLDER
from esb.ports import FieldShape
from esb.routes.envelope import SAMPLE_VALUES
from esb.routes.shapes import dereferenced, property_names, property_of

_MAX_DEPTH: Final = 4
_IDENTIFIER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SUBJECT: Final = "subject.value"
_CODE: Final = re.compile(r"(result|response|return|status|error|netice|cavab)_?(code|status|kod)?|code|kod")
_SECRET: Final = re.compile(
    r"((user|client|service|auth|access|api|session|security|bearer|system|x)_)*(pass|passwd|password|pwd|parol|sifre|secret|token"
    r"|api_?key|access_?key|secret_?key|authorization)(_?(key|value|hash|text))?"
)
_USER: Final = re.compile(
    r"((client|service|auth|system)_)?(user|login|user_?name|user_?id|client_?id|istifadeci(_adi)?)"
)
_NONE: Final = re.compile(r"not.?found|no.?(data|record)|404", re.IGNORECASE)
_WIDTH: Final = 100
_ABOUT_XML: Final = "@xsi:"
"""How an element is written, as that it is nil: nothing that a portal asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What a route would say.

    `scheme`: of the subject, None where nothing seems to name one. `sample`: the portal's request for the contract's
    sample. `not_found`: guesses, likeliest first. `credentials`: paths that are left out, as they hold what the agency
    gave to the bus; no portal has it.
    """

    request: Mapping[str, str]
    reply: Mapping[str, str]
    scheme: str | None
    sample: Mapping[str, Any]
    not_found: tuple[str, ...]
    credentials: tuple[str, ...] = ()


def mapped(shape: FieldShape) -> Mapped:
    """The mapping of an operation with this shape."""
    request_schema, reply_schema = dereferenced(shape.request_schema), dereferenced(shape.reply_schema)
    every = list(leaves(request_schema))
    credentials = [leaf for leaf in every if _is_credential(leaf, every)]
    found = [leaf for leaf in every if leaf not in credentials]
    subject = subject_of(found)
    names = _distinct(leaf.name for leaf in found)
    request = {
        leaf.path: _SUBJECT if leaf is subject else f"parameters.{name}"
        for leaf, name in zip(found, names, strict=True)
    } | {
        leaf.path: _stand_in(leaf, shape.request_sample)
        for leaf in credentials
        if leaf.required or _is_needed(leaf, found, request_schema)
    }
    return Mapped(
        request=request,
        reply=_reply(reply_schema),
        scheme=None if subject is None else scheme_of(subject.name, subject.schema),
        sample=_sample(shape.request_sample, found, names, subject),
        not_found=tuple(_not_found(reply_schema)),
        credentials=tuple(leaf.path for leaf in credentials),
    )


def subject_of(found: Sequence[Leaf]) -> Leaf | None:
    """The field that says about whom the question is."""
    naming = [leaf for leaf in found if scheme_of(leaf.name, leaf.schema)]
    return next((leaf for leaf in naming if leaf.required), next(iter(naming), None))


def _is_credential(leaf: Leaf, every: Sequence[Leaf]) -> bool:
    """Whether a field seems to hold a secret, or the name of a user whose password stands beside it."""
    if _SECRET.fullmatch(snake(leaf.name)):
        return True
    beside = [snake(other.name) for other in every if other.names[:-1] == leaf.names[:-1]]
    return bool(_USER.fullmatch(snake(leaf.name))) and any(map(_SECRET.fullmatch, beside))


def _is_needed(leaf: Leaf, found: Sequence[Leaf], schema: dict[str, Any]) -> bool:
    """Whether something beside it is filled, which is not valid without it."""
    for name in leaf.names[:-1]:
        schema = property_of(schema, name)
    above = leaf.names[:-1]
    return leaf.names[-1] in schema.get("required", ()) and any(other.names[: len(above)] == above for other in found)


def _stand_in(leaf: Leaf, sample: Mapping[str, Any]) -> str:
    """A constant, where the contract wants something in the credential's place."""
    if accepts(leaf.schema, PLACEHOLDER):
        return f"'{PLACEHOLDER}'"
    return f"`{json.dumps(_at(sample, leaf.names), ensure_ascii=True)}`"


# --- request ---------------------------------------------------------------------------------------------


def _sample(sample: Mapping[str, Any], found: Sequence[Leaf], names: Sequence[str], subject: Leaf | None) -> Any:
    request: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    for leaf, name in zip(found, names, strict=True):
        value = _at(sample, leaf.names)
        if leaf is subject:
            scheme = scheme_of(leaf.name, leaf.schema) or "FIN"
            made_up = SAMPLE_VALUES[scheme]
            request["subject"] = {"scheme": scheme, "value": made_up if accepts(leaf.schema, made_up) else value}
        elif value is not None:
            parameters[name] = _made_up(leaf, value)
    return {**request, **({"parameters": parameters} if parameters else {})}


def _made_up(leaf: Leaf, value: Any) -> Any:
    """The made-up person of the house in the place of what a pattern happens to allow."""
    return GOOD_FIN if scheme_of(leaf.name, leaf.schema) == "FIN" else value


def _at(values: Any, names: Sequence[str]) -> Any:
    for name in names:
        values = values.get(name) if isinstance(values, Mapping) else None
    return values


# --- reply -----------------------------------------------------------------------------------------------


def _reply(schema: dict[str, Any]) -> dict[str, str]:
    """A field of the reply for each field of the answer; wrappers that hold one thing only are left out."""
    above: tuple[str, ...] = ()
    names = _own_names(schema)
    while len(names) == 1 and _has_parts(property_of(schema, names[0])):
        above, schema = (*above, names[0]), property_of(schema, names[0])
        names = _own_names(schema)
    if not names:
        return {"answer": _path(above) if above else "@"}
    places = [(name, property_of(schema, name)) for name in names]
    return {
        field: _lines(_expression(_path((*above, name)), part, 1))
        for field, (name, part) in zip(_distinct(names), places, strict=True)
    }


def _own_names(schema: dict[str, Any]) -> list[str]:
    return [name for name in property_names(schema) if name != HEADERS and not name.startswith(_ABOUT_XML)]


def _expression(path: str, schema: dict[str, Any], depth: int) -> str:
    if depth >= _MAX_DEPTH:
        return path
    items = schema.get("items")
    if "array" in kinds(schema) and isinstance(items, dict) and _has_parts(items):
        return f"{path}[*].{_hash(items, depth)}"
    return f"{path}.{_hash(schema, depth)}" if _has_parts(schema) else path


def _hash(schema: dict[str, Any], depth: int) -> str:
    names = _own_names(schema)
    fields = (
        f"{field}: {_expression(_path((name,)), property_of(schema, name), depth + 1)}"
        for field, name in zip(_distinct(names), names, strict=True)
    )
    return f"{{{', '.join(fields)}}}"


def _lines(expression: str) -> str:
    """The expression in lines that can be read; a line end is a blank to JMESPath."""
    lines = [""]
    for piece in re.split(r"(?<=,) ", expression):
        if lines[-1] and len(lines[-1]) + len(piece) > _WIDTH:
            lines.append("  ")
        elif lines[-1]:
            lines[-1] += " "
        lines[-1] += piece
    return "\n".join(lines)


def _has_parts(schema: Mapping[str, Any]) -> bool:
    return "array" not in kinds(schema) and bool(property_names(dict(schema)))


def _path(names: Iterable[str]) -> str:
    return ".".join(name if _IDENTIFIER.fullmatch(name) else json.dumps(name) for name in names)


def _distinct(names: Iterable[str]) -> list[str]:
    """A name of ours for each name of a contract, none twice."""
    given: list[str] = []
    for name in names:
        plain = snake(name) or "value"
        plain = plain if plain[0].isalpha() else f"n{plain}"
        number, wanted = 2, plain
        while wanted in given:
            wanted, number = f"{plain}_{number}", number + 1
        given.append(wanted)
    return given


# --- not found -------------------------------------------------------------------------------------------


def _not_found(schema: dict[str, Any]) -> Iterable[str]:
    """Conditions under which an answer may say that there is no such record."""
    required = schema.get("required", ())
    places = [(name, property_of(schema, name)) for name in _own_names(schema)]
    for name, part in places:
        if _CODE.fullmatch(snake(name)) and "string" in kinds(part):
            yield f"{_path((name,))} == '{_missing_code(part)}'"
    for name, part in places:
        if _has_parts(part) and name not in required:
            yield f"{_path((name,))} == null"
        elif "array" in kinds(part):
            yield f"length({_path((name,))}) == `0`"


def _missing_code(schema: Mapping[str, Any]) -> str:
    listed = [str(value) for value in schema.get("enum", ())]
    return next((value for value in listed if _NONE.search(value)), "404")
