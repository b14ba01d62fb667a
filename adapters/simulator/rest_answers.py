"""What a simulated REST or XML agency says, before anybody signs it: its contract's documents as bytes.

Made once per agency; used by the REST dialects and, without any key, by the golden cases.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any
from urllib.parse import urlsplit

import msgspec

from adapters.simulator.answers import known_drafts
from adapters.simulator.dialect import Draft, Incoming, Question, Refusal
from adapters.simulator.register import AgencyReply, Register
from esb.contracts.documents import ANY_XML, DocumentForm
from esb.contracts.json_operation import BODY, JsonOperation
from esb.contracts.openapi_parameters import ABSENT, raw_pairs
from esb.errors import ContractViolation

JSON = "application/json"
PROBLEM = "application/problem+json"
XML = "application/xml"

_FIRST_ERROR = 400
_WRITER = msgspec.json.Encoder(decimal_format="number")


class RestAnswers:
    """One REST or XML agency's contract and records."""

    def __init__(self, *, operations: Mapping[str, JsonOperation], records: Register) -> None:
        """Write every answer once, so that a data file that breaks the contract is found now.

        Raises:
            ConfigurationError: names operation, key and field.
        """
        self._records = records
        self._operations = operations
        self._paths = [(operation.method, _path_pattern(operation), operation) for operation in self._served()]
        self._drafts = known_drafts(records, operations, self.draft)

    @property
    def speaks_xml(self) -> bool:
        """Whether answers are XML rather than JSON."""
        media_types = [name for operation in self._operations.values() for name in operation.reply_media_types]
        return bool(media_types) and all(ANY_XML.fullmatch(name) for name in media_types)

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
        """A reply as bytes, valid for its HTTP status.

        Raises:
            ContractViolation: the reply does not fit the contract.
        """
        status = reply.http_status
        if reply.raw is not None:
            content = reply.raw.encode()
            return Draft(
                http_status=status, content=content, content_type=reply.media_type or _guessed(status, content)
            )
        response = self._operations[name].response(status)
        if reply.document is None:
            if response.forms:
                raise ContractViolation("the contract has a document for this status; give one, or `raw`")
            return Draft(http_status=status, content=b"")
        form = response.form(reply.media_type)
        if form is None:
            raise ContractViolation("the contract has no document for this status")
        return Draft(http_status=status, content=_written(form, reply.document), content_type=form.media_type)

    def problem(self, refusal: Refusal) -> Draft:
        """A problem document (RFC 9457) with a code as agencies write them: `MESSAGE_STALE`."""
        code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", refusal.code).upper()
        status = refusal.http_status
        if self.speaks_xml:
            text = f"<problem><code>{escape(code)}</code><detail>{escape(refusal.reason)}</detail></problem>"
            return Draft(http_status=status, content=text.encode(), content_type=XML)
        document = {"type": "about:blank", "title": refusal.reason, "status": status, "code": code}
        return Draft(http_status=status, content=_WRITER.encode(document), content_type=PROBLEM)

    def _served(self) -> Iterable[JsonOperation]:
        return [operation for name, operation in self._operations.items() if name in self._records.operations]

    def _operation_of(self, incoming: Incoming, proof: bytes) -> tuple[JsonOperation, dict[str, str]]:
        path = urlsplit(incoming.url).path
        for method, pattern, operation in self._paths:
            found = pattern.search(path)
            if found is not None and method == incoming.method:
                return operation, dict(zip(_path_names(operation), found.groups(), strict=True))
        # Not 404: on this side of the contract that would say that a person has no record.
        raise Refusal("Operation", "no such operation", proof=proof)


def _written(form: DocumentForm, document: Any) -> bytes:
    """The document as the contract has it: the plain form of a list or a text lies under `body`."""
    try:
        return _checked(form, document)
    except ContractViolation:
        if not isinstance(document, dict) or document.keys() != {BODY}:
            raise
    return _checked(form, document[BODY])


def _checked(form: DocumentForm, document: Any) -> bytes:
    content = form.unpack(form.pack(document))
    form.read(content)
    return content


def _guessed(status: int, content: bytes) -> str:
    if content.lstrip()[:1] == b"<":
        return XML
    return JSON if status < _FIRST_ERROR else PROBLEM


def _path_pattern(operation: JsonOperation) -> re.Pattern[str]:
    """Matches the end of a path, whatever the endpoint's own path is; a group for each parameter."""
    pieces = re.split(r"\{[^{}]*\}", operation.path)
    return re.compile("([^/]+)".join(map(re.escape, pieces)) + "$")


def _path_names(operation: JsonOperation) -> list[str]:
    return re.findall(r"\{([^{}]*)\}", operation.path)


def _values(operation: JsonOperation, parts: Mapping[str, str], incoming: Incoming) -> dict[str, Any]:
    """The operation's values: parameters by name, the document under `body`."""
    query = raw_pairs(urlsplit(incoming.url).query)
    cookies = raw_pairs(incoming.headers.get("cookie", ""), ";")
    values: dict[str, Any] = {}
    for parameter in operation.parameters:
        name = parameter.name
        if parameter.location == "path":
            values[name] = parameter.read_path(parts[name])
        elif parameter.location == "header":
            given = incoming.headers.get(name.lower())
            values[name] = ABSENT if given is None else parameter.read_header(given)
        else:
            values[name] = parameter.read_pairs(query if parameter.location == "query" else cookies)
    values = {name: value for name, value in values.items() if value is not ABSENT}
    if incoming.body:
        values[BODY] = _document(operation.body_form, incoming.body)
    return values


def _document(form: DocumentForm | None, content: bytes) -> Any:
    if form is None:
        raise ContractViolation("is not asked for", path=f"/{BODY}")
    try:
        return form.read(content)
    except ContractViolation as error:
        path = f"/{BODY}/{error.path.lstrip('/')}" if error.path else f"/{BODY}"
        raise ContractViolation(error.reason, path=path) from error
