"""What a simulated REST agency says, before anybody signs it: its OpenAPI document's answers as JSON.

Made once per agency; used by the REST dialect and, without any key, by the golden cases.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from adapters.simulator.answers import known_drafts
from adapters.simulator.dialect import Draft, Incoming, Question, Refusal
from adapters.simulator.register import AgencyReply, Register
from esb.contracts.json_contract import BODY, JsonContract, JsonOperation, JsonParameter
from esb.errors import ContractViolation

_WRITER = msgspec.json.Encoder(decimal_format="number")


class RestAnswers:
    """One REST agency's contract and records."""

    def __init__(self, *, contract: JsonContract, records: Register) -> None:
        """Write every answer once, so that a data file that breaks the contract is found now.

        Raises:
            ConfigurationError: names operation, key and field.
        """
        self._records = records
        self._operations = contract.operations
        self._paths = [(operation.method, _path_pattern(operation), operation) for operation in self._served()]
        self._drafts = known_drafts(records, contract.operations, self.draft)

    def read(self, incoming: Incoming, proof: bytes) -> Question:
        """The question in a request.

        Raises:
            Refusal: a method and path that no operation has, or one without records.
            ContractViolation: parameters or document do not fit the contract.
        """
        operation, parts = self._operation_of(incoming, proof)
        values = _values(operation, parts, incoming)
        operation.validate_request(values)
        key = self._records.key_of(operation.name, values)
        return Question(operation=operation.name, key=key, values=values, proof=proof)

    def draft_for(self, operation: str, values: Mapping[str, Any]) -> Draft:
        """What the agency's records give for a request."""
        key = self._records.key_of(operation, values)
        return self._drafts.get((operation, key)) or self.draft(operation, self._records.answer(operation, key))

    def draft(self, name: str, reply: AgencyReply) -> Draft:
        """A reply as JSON, valid for its HTTP status.

        Raises:
            ContractViolation: the reply does not fit the contract.
        """
        if reply.raw is not None:
            return Draft(http_status=reply.http_status, content=reply.raw.encode())
        if reply.document is None:
            raise ContractViolation("a REST agency answers with a document")
        content = _WRITER.encode(reply.document)
        self._operations[name].validate_reply(reply.http_status, msgspec.json.decode(content))
        return Draft(http_status=reply.http_status, content=content)

    def problem(self, refusal: Refusal) -> Draft:
        """A problem document (RFC 9457) with a code as agencies write them: `MESSAGE_STALE`."""
        code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", refusal.code).upper()
        status = refusal.http_status
        document = {"type": "about:blank", "title": refusal.reason, "status": status, "code": code}
        return Draft(http_status=status, content=_WRITER.encode(document))

    def _served(self) -> Iterable[JsonOperation]:
        return [operation for name, operation in self._operations.items() if name in self._records.operations]

    def _operation_of(self, incoming: Incoming, proof: bytes) -> tuple[JsonOperation, dict[str, str]]:
        path = urlsplit(incoming.url).path
        for method, pattern, operation in self._paths:
            found = pattern.search(path)
            if found is not None and method == incoming.method:
                names = [parameter.name for parameter in _located(operation, "path")]
                return operation, dict(zip(names, map(unquote, found.groups()), strict=True))
        # Not 404: on this side of the contract that would say that a person has no record.
        raise Refusal("Operation", "no such operation", proof=proof)


def _path_pattern(operation: JsonOperation) -> re.Pattern[str]:
    """Matches the end of a path, whatever the endpoint's own path is; a group for each parameter."""
    pieces = re.split(r"\{[^{}]*\}", operation.path)
    return re.compile("([^/]+)".join(map(re.escape, pieces)) + "$")


def _values(operation: JsonOperation, parts: dict[str, str], incoming: Incoming) -> dict[str, Any]:
    """The operation's values: parameters by name, the document under `body`."""
    query = dict(parse_qsl(urlsplit(incoming.url).query, keep_blank_values=True))
    sources = {"path": parts, "query": query, "header": incoming.headers}
    values: dict[str, Any] = {}
    for parameter in operation.parameters:
        name = parameter.name.lower() if parameter.location == "header" else parameter.name
        if name in sources[parameter.location]:
            values[parameter.name] = _typed(sources[parameter.location][name], parameter)
    if incoming.body:
        values[BODY] = _decoded(incoming.body)
    return values


def _located(operation: JsonOperation, location: str) -> list[JsonParameter]:
    """In the order of the path template, for parameters of the path."""
    located = [parameter for parameter in operation.parameters if parameter.location == location]
    return sorted(located, key=lambda parameter: operation.path.find(f"{{{parameter.name}}}"))


def _typed(text: str, parameter: JsonParameter) -> Any:
    """A parameter as its schema wants it; left as text where it does not fit, which validation then says."""
    if parameter.schema.get("type") in {"integer", "number", "boolean"}:
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError:
            return text
    return text


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise ContractViolation("is not JSON", path=f"/{BODY}") from error
