"""A request that breaks its contract, made from one that keeps it; None where the contract forbids too little."""

from __future__ import annotations

from typing import Any

import msgspec

from adapters.contract_reading import ContractReading
from adapters.identifiers import accepts, leaves
from adapters.soap_envelope import RequestParts, divided
from esb.contracts.json_operation import BODY
from esb.errors import ContractViolation
from esb.routes.shapes import dereferenced
from security import xml

_NONSENSE = "!?" * 200


def spoilt(document: bytes, reading: ContractReading, operation: str) -> bytes | None:
    """`document`: of `AgencyOperation.encode`."""
    if reading.soap is not None:
        return _spoilt_soap(document, reading)
    return _spoilt_rest(document, reading, operation)


def _spoilt_soap(document: bytes, reading: ContractReading) -> bytes | None:
    assert reading.soap is not None  # noqa: S101 - asked by the caller; this tells the type checker
    parts = divided(document)
    root = xml.parse(parts.content)
    for child in list(root):
        root.remove(child)
    root.text = None
    content = xml.canonical(root)
    try:
        reading.soap.contract.validate(content)
    except ContractViolation:
        return RequestParts(content=content, blocks=parts.blocks, attachments=parts.attachments).joined()
    return None


def _spoilt_rest(document: bytes, reading: ContractReading, operation: str) -> bytes | None:
    called = reading.rest[operation]
    values: dict[str, Any] = msgspec.json.decode(document)
    if BODY in values and called.body is not None and called.body.get("required"):
        empty = "<nothing/>" if isinstance(values[BODY], str) else {}
        return msgspec.json.encode({**values, BODY: empty}, order="sorted")
    schema = dereferenced(called.request_schema)
    for leaf in leaves(schema):
        if len(leaf.names) == 1 and leaf.path in values and not accepts(leaf.schema, _NONSENSE):
            return msgspec.json.encode({**values, leaf.path: _NONSENSE}, order="sorted")
    return None
