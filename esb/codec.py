"""JSON bytes to and from the bus's values: the one codec of every door.

`decode` reads the request body, `encode` writes the reply body. Called by the bus, whichever door a request came
through. Never quotes what it read in an error: only where the error is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from esb.errors import RequestInvalid, RequestMalformed, RequestTooLarge, Rule
from esb.model import MessageId, Reply, Request

MAX_DEPTH = 32
"""How deep `parameters` may nest; contracts of agencies stay far below."""

MAX_NUMBER_DIGITS = 40
_MAX_EXPONENT = 40
_MAX_POINTER = 200

_MESSAGE_ID = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_VIOLATION = re.compile(r"(?P<what>.*?)(?: - at `(?P<where>[^`]*)`)?", re.DOTALL)
_NAMED_FIELD = re.compile(r"Object (?:contains unknown|missing required) field `(?P<name>.*)`", re.DOTALL)
_STEP = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<index>[^\]]*)\]")
_EXPECTED = re.compile(r"Expected `(?P<types>[^`]*)`")
_JSON_NAMES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_RULES = {
    "Object missing required field": Rule.REQUIRED,
    "Object contains unknown field": Rule.UNKNOWN,
    "Invalid RFC3339": Rule.TIME,
    "a number out of range": Rule.NUMBER,
    "Integer value out of range": Rule.NUMBER,
    "Number out of range": Rule.NUMBER,
}
"""How msgspec's sentences begin, and ours from its hooks."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")


def decode(body: bytes, max_bytes: int) -> Request:
    """The request that these bytes are, exactly one reading of them possible.

    Numbers with a fraction become `Decimal`; `expires_at` has an offset. No string holds a character that XML or a
    database cannot carry.

    Raises:
        RequestTooLarge: over `max_bytes`.
        RequestMalformed: not JSON in UTF-8 (RFC 8259), nested too deep, or a name stands twice in one object.
        RequestInvalid: JSON of another shape; `path` is the JSON pointer of the place.
    """
    if len(body) > max_bytes:
        raise RequestTooLarge(max_bytes=max_bytes)
    request = _typed(body)
    _refuse_duplicate_names(body)
    if request.expires_at is not None and request.expires_at.tzinfo is None:
        raise RequestInvalid("a time without an offset", path="/expires_at", rule=Rule.TIME)
    if b"[" in body or body.count(b"{") > MAX_DEPTH:
        _refuse_depth(request.parameters)
    # JSON has no raw control characters: without an escape there is none to find.
    if b"\\" in body:
        _refuse_control_characters(request)
    return request


def document_of(request: Request) -> dict[str, Any]:
    """The request as plain values, for expressions and schemas: what the caller did not give is not there."""
    document: dict[str, Any] = msgspec.to_builtins(request, builtin_types=(Decimal,))
    user = document["user"]
    if user is not None and user["strength"] is None:
        del user["strength"]
    return {name: value for name, value in document.items() if value is not None}


def encode(reply: Reply) -> bytes:
    """The canonical bytes of a reply: compact UTF-8 JSON, fields in the order of the model and of the route.

    `Decimal` as a string with the digits it has, times as RFC 3339 with `Z` for UTC, bytes as base64. Equal replies
    give equal bytes; these bytes are what is signed, journaled and sent.
    """
    return _ENCODER.encode(reply)


def encode_json(value: Any) -> bytes:
    """Any other body that a door writes, by the same conventions."""
    return _ENCODER.encode(value)


def read_message_id(text: str) -> MessageId:
    """The id in its one canonical form (RFC 9562, lower case), so that one id is never taken for two.

    Raises:
        RequestInvalid: not a UUID.
    """
    if _MESSAGE_ID.fullmatch(text) is None:
        raise RequestInvalid("the message id is not a UUID", path="/headers/message-id", rule=Rule.MESSAGE_ID)
    return MessageId(text.lower())


def known_message_id(text: str) -> MessageId:
    """The id to look a message up by: canonical when it is a UUID, else as it stands (then nothing has it)."""
    return MessageId(text.lower() if _MESSAGE_ID.fullmatch(text) else text)


def _typed(body: bytes) -> Request:
    try:
        return _DECODER.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RequestMalformed("not JSON in UTF-8") from error
    except RecursionError as error:
        raise RequestMalformed("nested too deep") from error


def _invalid(violation: str) -> RequestInvalid:
    match = _VIOLATION.fullmatch(violation)
    what, where = (match["what"], match["where"] or "$") if match else (violation, "$")
    named = _NAMED_FIELD.fullmatch(what)
    steps = [step["name"] or "*" for step in _STEP.finditer(where)]
    if named:
        steps.append(named["name"])
        what = what.partition(" `")[0]
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    rule, limit = _rule_of(what)
    return RequestInvalid(what, path=pointer[:_MAX_POINTER], rule=rule, limit=limit)


def _rule_of(what: str) -> tuple[Rule | None, str | None]:
    expected = _EXPECTED.match(what)
    if expected and "datetime" in expected["types"]:
        return Rule.TIME, None
    if expected:
        return Rule.TYPE, " | ".join(_JSON_NAMES.get(name, name) for name in expected["types"].split(" | "))
    return next((rule for words, rule in _RULES.items() if what.startswith(words)), None), None


def _refuse_duplicate_names(body: bytes) -> None:
    # msgspec keeps the last of two equal names, other parsers the first: a body that means one thing to the caller's
    # signature check and another to the bus is refused. The stdlib's C scanner is the cheapest exact way (4 µs).
    try:
        _NAMES.decode(body.decode())
    except _NameTwice as error:
        raise RequestMalformed("a name stands twice in one object") from error
    except (ValueError, RecursionError) as error:
        raise RequestMalformed("not JSON in UTF-8") from error


class _NameTwice(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > 1 and len({name for name, _ in pairs}) != len(pairs):
        raise _NameTwice


def _refuse_depth(value: Any, depth: int = 1) -> None:
    if depth > MAX_DEPTH:
        raise RequestMalformed("nested too deep")
    for member in _members(value):
        _refuse_depth(member, depth + 1)


def _members(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _refuse_control_characters(request: Request) -> None:
    for pointer, text in _texts(msgspec.to_builtins(request), ""):
        if _CONTROL.search(text):
            raise RequestInvalid("a control character", path=pointer[:_MAX_POINTER], rule=Rule.CONTROL_CHARACTER)


def _texts(value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield pointer, name
            yield from _texts(member, f"{pointer}/{name}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _texts(member, f"{pointer}/{index}")


def _decimal(text: str) -> Decimal:
    # A Decimal of 1e999999999 is small until somebody writes it out in full.
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError("not a number") from error
    exponent = number.as_tuple().exponent
    if len(text) > MAX_NUMBER_DIGITS or not isinstance(exponent, int) or abs(exponent) > _MAX_EXPONENT:
        raise ValueError("a number out of range")
    return number


_DECODER = msgspec.json.Decoder(Request, float_hook=_decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="string")
_NAMES = json.JSONDecoder(object_pairs_hook=_unique, parse_float=len, parse_int=len)
