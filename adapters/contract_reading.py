"""A contract read for people: every operation's schemas and samples, whatever kind of contract it is.

Called by the tools for agency teams and by simulated agencies without records; the same compilers as the bus's, without
keys, endpoints and routes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from adapters.identifiers import scheme_of
from adapters.manifest import Kind, Manifest
from adapters.rest_contract import compile_operations
from adapters.soap_compilation import compile_contract, shape_of
from adapters.wsdl import Wsdl
from esb.contracts.json_operation import JsonOperation
from esb.ports import FieldShape
from esb.routes.envelope import SAMPLE_VALUES
from esb.routes.shapes import dereferenced, property_of

_SUCCESS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class ContractReading:
    """`soap`: of a SOAP agency. `rest`: operations of the others. `shapes`: of all, with made-up persons in samples."""

    shapes: Mapping[str, FieldShape]
    soap: Wsdl | None = None
    rest: Mapping[str, JsonOperation] = field(default_factory=dict)

    def success_of(self, operation: str) -> int:
        """The HTTP status with which an operation succeeds."""
        if operation not in self.rest:
            return _SUCCESS
        succeeding = [one for one in self.rest[operation].responses.values() if one.status.startswith("2")]
        speaking = [one for one in succeeding if one.forms] or succeeding
        statuses = [one.status for one in sorted(speaking, key=lambda one: one.status)]
        return int(statuses[0]) if statuses and statuses[0].isdigit() else _SUCCESS


def read_contract(manifest: Manifest, bundle: Mapping[str, bytes]) -> ContractReading:
    """The contract of an adapter. Raises ContractUnsupported."""
    if manifest.kind is Kind.SOAP:
        return of_wsdl(compile_contract(manifest, bundle))
    operations = compile_operations(manifest, bundle)
    return ContractReading(rest=operations, shapes={name: made_up(_shape(one)) for name, one in operations.items()})


def of_wsdl(compiled: Wsdl) -> ContractReading:
    """The reading of a WSDL that is compiled already."""
    shapes = {
        name: made_up(shape_of(compiled.contract, operation, operation.input_headers))
        for name, operation in compiled.operations.items()
    }
    return ContractReading(soap=compiled, shapes=shapes)


def made_up(shape: FieldShape) -> FieldShape:
    """The shape with the numbers of made-up persons and companies in its samples, where the contract allows them."""
    return FieldShape(
        request_schema=shape.request_schema,
        reply_schema=shape.reply_schema,
        request_sample=_filled(shape.request_sample, dereferenced(shape.request_schema), ""),
        reply_sample=_filled(shape.reply_sample, dereferenced(shape.reply_schema), ""),
    )


def _filled(value: Any, schema: Mapping[str, Any], name: str) -> Any:
    if isinstance(value, dict):
        return {key: _filled(part, property_of(dict(schema), key), key) for key, part in value.items()}
    if isinstance(value, list):
        items = schema.get("items")
        return [_filled(item, items if isinstance(items, dict) else {}, name) for item in value]
    scheme = scheme_of(name.removeprefix("@"), schema) if isinstance(value, str) and schema else None
    return value if scheme is None else SAMPLE_VALUES[scheme]


def _shape(operation: JsonOperation) -> FieldShape:
    return FieldShape(
        request_schema=operation.request_schema,
        reply_schema=operation.reply_schema,
        request_sample=operation.request_sample,
        reply_sample=operation.reply_sample,
    )
