"""A REST contract, compiled: the operations of an OpenAPI 3.0 or 3.1 document with its validators and forms.

Made at load by the adapters from files that are already in memory; nothing else is read and nothing is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from esb.contracts.contract import Contract
from esb.contracts.json_operation import BODY, JsonOperation, JsonResponse
from esb.contracts.openapi_bodies import Bodies
from esb.contracts.openapi_check import require_valid, version_of
from esb.contracts.openapi_files import OpenApiFiles, Place
from esb.contracts.openapi_parameters import STYLES, JsonParameter
from esb.contracts.openapi_schema import Schemas
from esb.contracts.references import References
from esb.errors import ContractUnsupported

__all__ = ["BODY", "JsonContract", "JsonOperation", "JsonParameter", "JsonResponse", "XmlElements"]

Schema = dict[str, Any]

_METHODS: Final = ("get", "put", "post", "delete", "patch")
_STATUS: Final = re.compile(r"[1-5](\d\d|XX)|DEFAULT")
_DIALECTS: Final = ("https://spec.openapis.org/oas/3.1/dialect/base", "https://json-schema.org/draft/2020-12/schema")


@dataclass(frozen=True, slots=True, kw_only=True)
class XmlElements:
    """Elements of an XSD that an OpenAPI contract's XML documents are, request and reply by operation."""

    contract: Contract
    elements: Mapping[str, tuple[str | None, str | None]]


class JsonContract:
    """The operations that one agency's OpenAPI document declares."""

    def __init__(self, bundle: Mapping[str, bytes], entry: str, *, xml: XmlElements | None = None) -> None:
        """Compile the entry file of a bundle (file name → content) and what it refers to in there.

        Raises:
            ContractUnsupported: names file, line and place, and what to do.
        """
        files = OpenApiFiles(bundle)
        root = files.root(entry)
        version = version_of(root, files)
        try:
            self._operations = _Compilation(files, root, version, xml).operations()
            require_valid(root, version, files)
        except RecursionError as error:
            raise ContractUnsupported(f"{entry}: schemas are nested too deeply") from error

    @property
    def operations(self) -> Mapping[str, JsonOperation]:
        """Every operation by its `operationId`, or by a name made of method and path where it has none."""
        return self._operations

    def operation(self, operation_id: str) -> JsonOperation:
        """One operation. Raises KeyError."""
        return self._operations[operation_id]

    def json_schema(self, operation_id: str, *, request: bool = False) -> Schema:
        """JSON Schema (2020-12) of an operation's values, or of its answer of success. Raises KeyError."""
        operation = self._operations[operation_id]
        return operation.request_schema if request else operation.reply_schema

    def sample(self, operation_id: str, *, request: bool = False) -> Any:
        """Sample values of an operation, or a sample of its answer of success. Raises KeyError."""
        operation = self._operations[operation_id]
        return operation.request_sample if request else operation.reply_sample


class _Compilation:
    """Compiles one document; every error says where."""

    def __init__(self, files: OpenApiFiles, root: Place, version: str, xml: XmlElements | None) -> None:
        self._root = root
        self._references = References(files)
        self._refuse_dialect()
        self._sent = Schemas(self._references, version=version, sent=True)
        self._received = Schemas(self._references, version=version, sent=False)
        self._xml = xml
        self._bodies = Bodies(self._references, xml.contract if xml else None)

    def operations(self) -> dict[str, JsonOperation]:
        """Every operation by its name."""
        found: dict[str, JsonOperation] = {}
        for path, method, item, place in self._declared():
            name = str(place.value.get("operationId") or _name_of(method, path))
            if name in found:
                raise self._references.refusal(place, f"operation {name} is declared twice; give another operationId")
            found[name] = self._operation(name, method, path, item, place)
        if not found:
            raise self._references.refusal(self._root.child("paths"), "there is no operation in the document")
        unknown = sorted(set(self._xml.elements) - set(found)) if self._xml else []
        if unknown:
            raise ContractUnsupported(f"contract.operations names {unknown[0]}, which {self._root.file} has not")
        return found

    def _declared(self) -> Iterator[tuple[str, str, Place, Place]]:
        paths = self._root.child("paths")
        if paths.value is not None and not isinstance(paths.value, dict):
            raise self._references.refusal(paths, "an object is expected")
        for path in paths.value or {}:
            if not path.startswith("/"):
                continue  # x-… extensions
            item = self._references.resolved(paths.child(path))
            for method in _METHODS:
                if method in item.value:
                    yield path, method, item, self._references.resolved(item.child(method))

    def _operation(self, name: str, method: str, path: str, item: Place, place: Place) -> JsonOperation:
        parameters = self._parameters(item, place)
        self._check_path(path, parameters, place)
        request, reply = self._xml.elements.get(name, (None, None)) if self._xml else (None, None)
        body, required = None, False
        if "requestBody" in place.value:
            holder = self._references.resolved(place.child("requestBody"))
            body, required = self._bodies.sent(holder, self._sent, request), holder.value.get("required") is True
        responses = dict(self._responses(place, reply))
        try:
            return JsonOperation(
                name=name,
                method=method.upper(),
                path=path,
                parameters=parameters,
                body=body,
                body_required=required,
                responses=responses,
            )
        except ContractUnsupported as error:
            raise self._references.refusal(place, error.reason) from error

    # --- parameters --------------------------------------------------------------------------------------

    def _parameters(self, item: Place, operation: Place) -> tuple[JsonParameter, ...]:
        found: dict[tuple[str, str], JsonParameter] = {}
        places: dict[tuple[str, str], Place] = {}
        for holder in (item, operation):
            declared = holder.child("parameters")
            for index in range(len(declared.value or ())):
                place = self._references.resolved(declared.child(str(index)))
                parameter = self._parameter(place)
                key = parameter.location, parameter.name
                found[key], places[key] = parameter, place
        names = [name for _, name in found]
        for (_, name), place in places.items():
            if name == BODY or names.count(name) > 1:
                raise self._references.refusal(place, f"the name of parameter {name} is taken; rename one of them")
        return tuple(found.values())

    def _parameter(self, place: Place) -> JsonParameter:
        value = place.value
        name, location = str(value.get("name", "")), str(value.get("in", ""))
        if not name or location not in STYLES:
            raise self._references.refusal(place, f"parameter {name!r} lies in {location!r}")
        style = str(value.get("style", STYLES[location][0]))
        if style not in STYLES[location]:
            raise self._references.refusal(place, f"parameter {name}: {location} parameters have no style {style!r}")
        schema, as_json = self._parameter_schema(place)
        if isinstance(value.get("description"), str):
            schema = {"description": value["description"], **schema}
        explode = value.get("explode")
        return JsonParameter(
            name=name,
            location=location,
            required=value.get("required") is True or location == "path",
            schema=schema,
            style=style,
            explode=explode if isinstance(explode, bool) else style in {"form", "deepObject"},
            allow_reserved=value.get("allowReserved") is True,
            as_json=as_json,
        )

    def _parameter_schema(self, place: Place) -> tuple[Schema, bool]:
        content = place.child("content")
        if isinstance(content.value, dict) and content.value:
            media_type = next(iter(content.value))
            if not self._bodies.is_json(media_type):
                raise self._references.refusal(content, f"a parameter that is {media_type} cannot be written")
            schema = content.child(media_type, "schema")
            return self._sent.closed(schema) if schema.value is not None else {}, True
        schema = place.child("schema")
        return (self._sent.closed(schema) if schema.value is not None else {}), False

    def _check_path(self, path: str, parameters: tuple[JsonParameter, ...], place: Place) -> None:
        named = set(re.findall(r"{([^{}]*)}", path))
        declared = {parameter.name for parameter in parameters if parameter.location == "path"}
        if named != declared:
            odd = ", ".join(sorted(named ^ declared))
            raise self._references.refusal(place, f"path {path} and its parameters differ: {odd}")

    # --- responses ---------------------------------------------------------------------------------------

    def _responses(self, operation: Place, element: str | None) -> Iterator[tuple[str, JsonResponse]]:
        declared = operation.child("responses")
        for written in declared.value or {}:
            status = str(written).upper()
            if status.startswith("X-"):
                continue
            if not _STATUS.fullmatch(status):
                raise self._references.refusal(declared.child(written), f"{written!r} is not an HTTP status")
            status = status.lower() if status == "DEFAULT" else status
            holder = self._references.resolved(declared.child(written))
            # What an agency says when it fails need not be readable: its status says enough.
            forms = self._bodies.received(holder, self._received, element if status[0] in "2d" else None, status)
            yield status, JsonResponse(status=status, forms=forms)

    def _refuse_dialect(self) -> None:
        dialect = self._root.child("jsonSchemaDialect")
        if dialect.value is not None and dialect.value not in _DIALECTS:
            raise self._references.refusal(dialect, "only the JSON Schema of OpenAPI 3.1 (2020-12) is read")


def _name_of(method: str, path: str) -> str:
    """`GET /diplomas/{pin}` is `getDiplomasPin`."""
    words = re.findall(r"[A-Za-z0-9]+", path)
    return method + "".join(word[0].upper() + word[1:] for word in words)
