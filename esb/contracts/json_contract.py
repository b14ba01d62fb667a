"""A REST contract, compiled: the operations of an OpenAPI 3.1 document with validators, schemas and samples.

Made at load by the adapters from files that are already in memory. An operation's values are one mapping: parameters
by name, and the request document under `body`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from esb.contracts.json_sample import sample_of
from esb.contracts.json_schema import JsonValidator
from esb.contracts.json_shape import DIALECT
from esb.contracts.references import References
from esb.errors import ContractUnsupported, ContractViolation

Schema = dict[str, Any]

BODY = "body"

_METHODS = ("get", "put", "post", "delete", "patch")
_LOCATIONS = frozenset({"path", "query", "header"})
_JSON_TYPE = re.compile(r"application/(?:[\w.+-]+\+)?json(?:\s*;.*)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonParameter:
    """One parameter of an operation; `location` is `path`, `query` or `header`."""

    name: str
    location: str
    required: bool
    schema: Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonResponse:
    """What an operation may answer: `status` is `200`, `4XX` or `default`; `schema` None means no document."""

    status: str
    media_type: str | None
    schema: Schema | None
    validator: JsonValidator | None


class JsonOperation:
    """One operation, compiled. Safe for concurrent use."""

    def __init__(
        self,
        *,
        name: str,
        method: str,
        path: str,
        parameters: tuple[JsonParameter, ...],
        body: Schema | None,
        body_required: bool,
        responses: Mapping[str, JsonResponse],
    ) -> None:
        """`path` is the template, `/diplomas/{pin}`; `body` the schema of the request document, if there is one."""
        self.name = name
        self.method = method
        self.path = path
        self.parameters = parameters
        self.body = body
        self.responses = responses
        self.request_schema = _request_schema(parameters, body, required=body_required)
        self._request = JsonValidator(self.request_schema, formats=True)

    @property
    def reply_schema(self) -> Schema:
        """JSON Schema (2020-12) of the document of success; of an empty object where there is none."""
        return {"$schema": DIALECT, **(self._success().schema or {"type": "object", "properties": {}})}

    @property
    def request_sample(self) -> dict[str, Any]:
        """Values that `validate_request` accepts."""
        sample: dict[str, Any] = sample_of(self.request_schema)
        return sample

    @property
    def reply_sample(self) -> Any:
        """A document of success that `validate_reply` accepts."""
        return sample_of(self.reply_schema)

    def validate_request(self, values: Mapping[str, Any]) -> None:
        """Return when the values fit. Raises ContractViolation, `path` a JSON pointer: `/pin`, `/body/kind`."""
        self._request.validate(dict(values))

    def response(self, http_status: int) -> JsonResponse:
        """What the contract says about a status. Raises ContractViolation when it says nothing."""
        for key in (str(http_status), f"{http_status // 100}XX", "default"):
            if key in self.responses:
                return self.responses[key]
        raise ContractViolation(f"HTTP status {http_status} is not in the contract")

    def validate_reply(self, http_status: int, document: Any) -> None:
        """Return when a document fits the contract for that status. `path` of a violation is a JSON pointer."""
        validator = self.response(http_status).validator
        if validator is not None:
            validator.validate(document)

    def _success(self) -> JsonResponse:
        for status in sorted(self.responses):
            if status.startswith("2"):
                return self.responses[status]
        raise ContractUnsupported(f"operation {self.name} has no response of success")


class JsonContract:
    """The operations that one agency's OpenAPI document declares."""

    def __init__(self, bundle: Mapping[str, bytes], entry: str) -> None:
        """Compile the entry file of a bundle (file name → content).

        Raises:
            ContractUnsupported: names the file and, where one is at fault, the operation.
        """
        document = _loaded(bundle, entry)
        references = References(document, entry)
        self._operations: dict[str, JsonOperation] = {}
        for path, method, item, operation in _declared(document, references):
            compiled = _Compilation(entry, references).operation(path, method, item, operation)
            if compiled.name in self._operations:
                raise ContractUnsupported(f"{entry}: operation {compiled.name} is declared twice")
            self._operations[compiled.name] = compiled

    @property
    def operations(self) -> Mapping[str, JsonOperation]:
        """Every operation by its `operationId`."""
        return self._operations

    def operation(self, operation_id: str) -> JsonOperation:
        """One operation. Raises KeyError."""
        return self._operations[operation_id]

    def json_schema(self, operation_id: str, *, request: bool = False) -> Schema:
        """JSON Schema (2020-12) of an operation's values, or of its document of success. Raises KeyError."""
        operation = self._operations[operation_id]
        return operation.request_schema if request else operation.reply_schema

    def sample(self, operation_id: str, *, request: bool = False) -> Any:
        """Sample values of an operation, or a sample of its document of success. Raises KeyError."""
        operation = self._operations[operation_id]
        return operation.request_sample if request else operation.reply_sample


class _Compilation:
    """Compiles one operation; every error says where."""

    def __init__(self, entry: str, references: References) -> None:
        self._entry = entry
        self._references = references

    def operation(self, path: str, method: str, item: Mapping[str, Any], operation: Mapping[str, Any]) -> JsonOperation:
        name = operation.get("operationId")
        if not name:
            raise ContractUnsupported(f"{self._entry}: {method.upper()} {path} has no operationId")
        where = f"{self._entry}: operation {name}"
        parameters = self._parameters([*item.get("parameters", ()), *operation.get("parameters", ())], where)
        _check_path(path, parameters, where)
        body = self._references.resolved(operation.get("requestBody", {}))
        media_type, body_schema = self._content(body, where)
        if body and media_type is None:
            raise ContractUnsupported(f"{where}: the request document is not JSON")
        return JsonOperation(
            name=str(name),
            method=method.upper(),
            path=path,
            parameters=parameters,
            body=body_schema,
            body_required=bool(body.get("required")),
            responses={
                str(status): self._response(str(status), response, where)
                for status, response in operation.get("responses", {}).items()
            },
        )

    def _parameters(self, declared: list[Any], where: str) -> tuple[JsonParameter, ...]:
        found: dict[str, JsonParameter] = {}
        for item in declared:
            parameter = self._references.resolved(item)
            name, location = str(parameter["name"]), str(parameter["in"])
            if location not in _LOCATIONS:
                raise ContractUnsupported(f"{where}: parameter {name} lies in the {location}")
            if name == BODY or (name in found and found[name].location != location):
                raise ContractUnsupported(f"{where}: the name of parameter {name} is taken")
            schema = self._references.inlined(parameter.get("schema", {}))
            if "description" in parameter:
                schema = {"description": parameter["description"], **schema}
            found[name] = JsonParameter(
                name=name, location=location, required=bool(parameter.get("required")), schema=schema
            )
        return tuple(found.values())

    def _response(self, status: str, declared: Any, where: str) -> JsonResponse:
        response = self._references.resolved(declared)
        media_type, schema = self._content(response, where)
        if response.get("content") and media_type is None and status.startswith("2"):
            raise ContractUnsupported(f"{where}: the document of response {status} is not JSON")
        validator = None if schema is None else JsonValidator(schema, formats=True)
        return JsonResponse(status=status, media_type=media_type, schema=schema, validator=validator)

    def _content(self, holder: Mapping[str, Any], where: str) -> tuple[str | None, Schema | None]:
        for media_type, content in holder.get("content", {}).items():
            if _JSON_TYPE.fullmatch(str(media_type)):
                try:
                    return str(media_type), self._references.inlined(content.get("schema", {}))
                except ContractUnsupported as error:
                    raise ContractUnsupported(f"{where}: {error.reason}") from error
        return None, None


def _declared(
    document: Mapping[str, Any], references: References
) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]:
    for path, declared in document.get("paths", {}).items():
        item = references.resolved(declared)
        for method in _METHODS:
            if method in item:
                yield str(path), method, item, item[method]


def _request_schema(parameters: tuple[JsonParameter, ...], body: Schema | None, *, required: bool) -> Schema:
    properties = {parameter.name: parameter.schema for parameter in parameters}
    needed = [parameter.name for parameter in parameters if parameter.required]
    if body is not None:
        properties[BODY] = body
        needed += [BODY] if required else []
    return {
        "$schema": DIALECT,
        "type": "object",
        "properties": properties,
        "required": needed,
        "additionalProperties": False,
    }


def _check_path(path: str, parameters: tuple[JsonParameter, ...], where: str) -> None:
    named = set(re.findall(r"{([^{}]*)}", path))
    declared = {parameter.name for parameter in parameters if parameter.location == "path"}
    if named != declared:
        raise ContractUnsupported(f"{where}: path {path} and its parameters differ: {', '.join(named ^ declared)}")


def _loaded(bundle: Mapping[str, bytes], entry: str) -> Mapping[str, Any]:
    if entry not in bundle:
        raise ContractUnsupported(f"{entry} is not among the contract's files")
    try:
        document = YAML(typ="safe", pure=True).load(bundle[entry].decode())
    except (YAMLError, UnicodeDecodeError) as error:
        raise ContractUnsupported(f"{entry} is not readable YAML or JSON: {error}") from error
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3.1"):
        raise ContractUnsupported(f"{entry} is not an OpenAPI 3.1 document")
    return document
