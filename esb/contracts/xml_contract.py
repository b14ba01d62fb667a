"""A contract that is nothing but an XSD: XML documents over HTTP, with what the XSD cannot say told beside it.

Made at load by the adapters. The operations are the same values as those of an OpenAPI contract.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from esb.contracts.contract import Contract
from esb.contracts.documents import XsdDocument
from esb.contracts.json_operation import JsonOperation, JsonResponse
from esb.contracts.openapi_parameters import JsonParameter
from esb.errors import ContractUnsupported

MEDIA_TYPE: Final = "application/xml"

_WITHOUT_BODY: Final = frozenset({"GET", "DELETE"})
_SCALARS: Final = frozenset({"string", "integer", "number", "boolean"})


@dataclass(frozen=True, slots=True, kw_only=True)
class XmlCall:
    """How one operation is called; elements are `{namespace}name`, or `name` where only one has it.

    `query`: values that go into the query. Without a method it is POST when there is a request document, else GET.
    """

    path: str
    method: str | None = None
    query: tuple[str, ...] = ()
    request: str | None = None
    reply: str | None = None
    fault: str | None = None


def operations(contract: Contract, calls: Mapping[str, XmlCall]) -> dict[str, JsonOperation]:
    """Every call as an operation. Raises ContractUnsupported, naming the operation."""
    compiled = {}
    for name, call in calls.items():
        try:
            compiled[name] = _operation(name, call, contract)
        except ContractUnsupported as error:
            raise ContractUnsupported(f"contract.operations.{name}: {error.reason}") from error
    return compiled


def element_named(contract: Contract, written: str) -> str:
    """The element's full name. Raises ContractUnsupported."""
    if written in contract.elements:
        return written
    alike = [name for name in contract.elements if name.rpartition("}")[2] == written.rpartition("}")[2]]
    if not written.startswith("{") and len(alike) == 1:
        return alike[0]
    known = ", ".join(alike or contract.elements[:10])
    reason = "stands for several elements" if len(alike) > 1 else "is not an element of the XSD"
    raise ContractUnsupported(f"{written} {reason}; there are {known}")


def xsd_document(contract: Contract, element: str, *, sent: bool, media_type: str = MEDIA_TYPE) -> XsdDocument:
    """The form of one element, to write and to read. Raises ContractUnsupported."""
    name = element_named(contract, element)
    return XsdDocument(
        media_type=media_type,
        schema=contract.json_schema(name, request=sent),
        encoder=contract.encoder(name),
        decoder=contract.decoder(name),
    )


def _operation(name: str, call: XmlCall, contract: Contract) -> JsonOperation:
    method = call.method or ("POST" if call.request else "GET")
    document = xsd_document(contract, call.request, sent=True) if call.request else None
    by_fields = document is not None and method in _WITHOUT_BODY
    parameters = _of_fields(call, document.schema) if document and by_fields else _of_names(call)
    return JsonOperation(
        name=name,
        method=method,
        path=call.path,
        parameters=parameters,
        body=None if by_fields else document,
        body_required=True,
        responses=_responses(call, contract),
        whole=document if by_fields else None,
    )


def _responses(call: XmlCall, contract: Contract) -> dict[str, JsonResponse]:
    reply = (xsd_document(contract, call.reply, sent=False),) if call.reply else ()
    fault = (xsd_document(contract, call.fault, sent=False),) if call.fault else ()
    return {
        "2XX": JsonResponse(status="2XX", forms=reply),
        "204": JsonResponse(status="204"),
        "default": JsonResponse(status="default", forms=fault),
    }


def _of_names(call: XmlCall) -> tuple[JsonParameter, ...]:
    """Values that no document describes are text."""
    in_path = _path_names(call)
    twice = next((name for name in call.query if name in in_path), None)
    if twice is not None:
        raise ContractUnsupported(f"{twice} stands in the path and in the query")
    return (
        *(_parameter(name, "path", {"type": "string", "minLength": 1}, required=True) for name in in_path),
        *(_parameter(name, "query", {"type": "string"}, required=False) for name in call.query),
    )


def _of_fields(call: XmlCall, schema: Mapping[str, Any]) -> tuple[JsonParameter, ...]:
    """The fields of the request element, which are sent in path and query instead of a document."""
    properties, in_path = schema.get("properties", {}), _path_names(call)
    unknown = next((name for name in (*in_path, *call.query) if name not in properties), None)
    if unknown is not None:
        raise ContractUnsupported(f"{unknown} is not a field of {call.request}")
    for name, part in properties.items():
        if not _is_flat(part):
            raise ContractUnsupported(f"field {name} of {call.request} has parts, which a query cannot say")
    required = schema.get("required", ())
    return tuple(
        _parameter(name, "path" if name in in_path else "query", part, required=name in required)
        for name, part in properties.items()
    )


def _is_flat(part: Mapping[str, Any]) -> bool:
    items = part.get("items")
    kinds = part.get("type", "string")
    named = {kinds} if isinstance(kinds, str) else set(kinds)
    return _is_flat(items) if isinstance(items, dict) else named <= _SCALARS


def _parameter(name: str, location: str, schema: dict[str, Any], *, required: bool) -> JsonParameter:
    style = "simple" if location == "path" else "form"
    return JsonParameter(
        name=name, location=location, required=required, schema=schema, style=style, explode=style == "form"
    )


def _path_names(call: XmlCall) -> tuple[str, ...]:
    return tuple(re.findall(r"{([^{}]*)}", call.path))
