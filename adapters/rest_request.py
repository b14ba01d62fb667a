"""Where the values of a REST or XML operation go: path, query, headers, cookies and body, compiled once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote

import msgspec

from esb.contracts.documents import JSON
from esb.contracts.json_operation import BODY, JsonOperation
from esb.contracts.openapi_parameters import JsonParameter
from esb.errors import ContractUnsupported, ContractViolation
from esb.ports import OutgoingCall

_OURS: Final = frozenset(
    {"accept", "content-digest", "content-type", "cookie", "signature", "signature-input", "traceparent"}
)
"""Headers that the bus itself sets; a parameter of such a name would change what is signed."""

_IGNORED: Final = frozenset({"accept", "content-type", "authorization"})
"""OpenAPI, Parameter Object: a header parameter of these names is to be ignored."""

_CONFINED: Final = frozenset({"path", "header"})
"""Where one plain text can already do harm; in a query and a cookie it is percent-encoded."""

_PATH: Final = "/%:@!$&'()*+,;=~"
"""What stands in a path as it is (RFC 3986, 3.3); the contract may have encoded the rest itself."""

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number", order="sorted")
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


class RequestForm:
    """One operation's request with the values left blank."""

    def __init__(self, operation: JsonOperation, *, base_url: str) -> None:
        """Raises ContractUnsupported for a header parameter that is the bus's own to set."""
        self._method = operation.method
        self._body = operation.body_form
        self._parameters = {parameter.name: parameter for parameter in operation.parameters}
        # {name} splits a path template into text at even places and names at odd ones.
        parts = re.split(r"{([^{}]*)}", operation.path)
        literal = [part if place % 2 else quote(part, safe=_PATH) for place, part in enumerate(parts)]
        self._path = [base_url.rstrip("/") + literal[0], *literal[1:]]
        self._query = _of(operation, "query")
        self._cookies = _of(operation, "cookie")
        self._headers = [each for each in _of(operation, "header") if each.name.lower() not in _IGNORED]
        self._accept = ", ".join(operation.reply_media_types) or JSON
        taken = [each.name for each in self._headers if each.name.lower() in _OURS]
        if taken:
            raise ContractUnsupported(f"operation {operation.name}: header parameter {taken[0]} is set by the bus")

    def pack(self, values: Mapping[str, Any]) -> bytes:
        """Validated values as canonical JSON, in which the request document has the form that `fill` sends.

        Raises:
            ContractViolation: valid values that would change the path, or break out of their place.
        """
        for name, value in values.items():
            parameter = self._parameters.get(name)
            if parameter is not None and (parameter.location in _CONFINED or not isinstance(value, str)):
                parameter.check(value)
        if self._body is None or BODY not in values:
            return _ENCODER.encode(values)
        try:
            packed = self._body.pack(values[BODY])
        except ContractViolation as error:
            raise ContractViolation(error.reason, path=_below_body(error.path)) from error
        return _ENCODER.encode({**values, BODY: packed})

    def fill(self, document: bytes, *, traceparent: str | None) -> OutgoingCall:
        """The unsigned request for a document of `pack`."""
        values = _DECODER.decode(document)
        headers = {"accept": self._accept}
        body = b""
        if self._body is not None and BODY in values:
            body = self._body.unpack(values[BODY])
            headers["content-type"] = self._body.media_type
        for parameter in self._headers:
            if parameter.name in values:
                headers[parameter.name.lower()] = parameter.header_text(values[parameter.name])
        if self._cookies and (cookies := self._cookies_of(values)):
            headers["cookie"] = cookies
        if traceparent is not None:
            headers["traceparent"] = traceparent
        return OutgoingCall(method=self._method, url=self._url(values), headers=headers, body=body)

    def _cookies_of(self, values: Mapping[str, Any]) -> str:
        there = [each for each in self._cookies if each.name in values]
        return "; ".join(pair for each in there for pair in each.cookie_pairs(values[each.name]))

    def _url(self, values: Mapping[str, Any]) -> str:
        path = "".join(
            self._parameters[part].path_part(values[part]) if place % 2 else part
            for place, part in enumerate(self._path)
        )
        if not self._query:
            return path
        pairs = [pair for each in self._query if each.name in values for pair in each.query_pairs(values[each.name])]
        return f"{path}?{'&'.join(pairs)}" if pairs else path


def _of(operation: JsonOperation, location: str) -> list[JsonParameter]:
    return [parameter for parameter in operation.parameters if parameter.location == location]


def _below_body(path: str | None) -> str:
    return f"/{BODY}/{path.lstrip('/')}" if path else f"/{BODY}"
