"""Where the values of a REST operation go: path, query, headers and body, compiled once from its OpenAPI parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

import msgspec

from esb.contracts.json_contract import BODY, JsonOperation, JsonParameter
from esb.errors import ContractUnsupported, ContractViolation
from esb.ports import OutgoingCall

_JSON: Final = "application/json"
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number", order="sorted")

_OURS: Final = frozenset({"accept", "content-type", "content-digest", "signature", "signature-input", "traceparent"})
"""Headers that the bus itself sets; a parameter of such a name would change what is signed."""

_HEADER_TEXT: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_DOT_SEGMENTS: Final = frozenset({"", ".", ".."})


class RequestForm:
    """One operation's request with the values left blank."""

    def __init__(self, operation: JsonOperation, *, base_url: str) -> None:
        """Raises ContractUnsupported for a header parameter that is the bus's own to set."""
        self._method = operation.method
        # {name} splits a path template into text at even places and names at odd ones.
        self._path = re.split(r"{([^{}]*)}", base_url.rstrip("/") + operation.path)
        self._path_names = frozenset(self._path[1::2])
        self._query = _names(operation.parameters, "query")
        self._headers = _names(operation.parameters, "header")
        taken = [name for name in self._headers if name.lower() in _OURS]
        if taken:
            raise ContractUnsupported(f"operation {operation.name}: header parameter {taken[0]} is set by the bus")

    def refuse_unsendable(self, values: Mapping[str, Any]) -> None:
        """Raises ContractViolation for valid values that would change the path, or break out of a header."""
        for name in self._path_names:
            if _written(values[name]) in _DOT_SEGMENTS:
                raise ContractViolation("cannot stand in a path", path=f"/{name}")
        for name in self._headers:
            if name in values and not _HEADER_TEXT.fullmatch(_written(values[name])):
                raise ContractViolation("cannot stand in a header", path=f"/{name}")

    def fill(self, values: Mapping[str, Any], *, traceparent: str | None) -> OutgoingCall:
        """The unsigned request for values that were validated."""
        headers = {"accept": _JSON}
        body = b""
        if BODY in values:
            body = _ENCODER.encode(values[BODY])
            headers["content-type"] = _JSON
        headers |= {name.lower(): _written(values[name]) for name in self._headers if name in values}
        if traceparent is not None:
            headers["traceparent"] = traceparent
        return OutgoingCall(method=self._method, url=self._url(values), headers=headers, body=body)

    def _url(self, values: Mapping[str, Any]) -> str:
        parts = [_quoted(values[part]) if place % 2 else part for place, part in enumerate(self._path)]
        pairs = [
            f"{quote(name, safe='')}={_quoted(item)}"
            for name in self._query
            if name in values
            for item in _items(values[name])
        ]
        return "".join(parts) + ("?" + "&".join(pairs) if pairs else "")


def _names(parameters: Iterable[JsonParameter], location: str) -> tuple[str, ...]:
    return tuple(parameter.name for parameter in parameters if parameter.location == location)


def _items(value: Any) -> Iterable[Any]:
    """OpenAPI's default for a query parameter (form, exploded): a list is the name several times."""
    return value if isinstance(value, list | tuple) else (value,)


def _quoted(value: Any) -> str:
    return quote(_written(value), safe="")


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return format(value, "f") if isinstance(value, Decimal) else str(value)
