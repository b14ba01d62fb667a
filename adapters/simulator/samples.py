"""Records of an agency that has no data file: its contract's own samples, which echo who was asked about.

Called by `assembly` where there is no `simulator.yaml`, and by the scaffold, which writes the same records down.
"""

from __future__ import annotations

from typing import Any, Final

from adapters.contract_reading import ContractReading
from adapters.identifiers import Leaf, kinds, leaves, scheme_of
from adapters.simulator.register import RECORD, AgencyReply, OperationRecords, Register
from esb.contracts.json_sample import sample_of
from esb.ports import FieldShape
from esb.routes.shapes import dereferenced

TABLE: Final = "records"
KEY: Final = "$key"

NOBODY: Final = "7TESTX9"
"""The made-up person whom no agency knows."""

_NOT_FOUND: Final = 404


def register_of(agency: str, reading: ContractReading) -> Register:
    """Records in which everybody exists: each answer is the sample of its operation, with the key that was asked for.

    Where the contract has a 404, the made-up person whom no agency knows is not known here either.
    """
    operations = {
        name: OperationRecords(
            key=key_of(shape),
            table=TABLE,
            found=RECORD,
            missing=AgencyReply(document=echo_of(shape), http_status=reading.success_of(name)),
            special=_special(name, shape, reading),
        )
        for name, shape in reading.shapes.items()
    }
    return Register(agency=agency, tables={TABLE: {}}, operations=operations)


def knows_nobody(operation: str, reading: ContractReading) -> bool:
    """Whether such records say of anybody that there is no such record."""
    return NOBODY in _special(operation, reading.shapes[operation], reading)


def key_of(shape: FieldShape) -> str:
    """The request field that says about whom: a person's number, else the first text that must be there."""
    leaf = key_leaf(shape)
    return leaf.path if leaf is not None else ""


def key_leaf(shape: FieldShape) -> Leaf | None:
    """As `key_of`, with its rules; None where a request holds no text."""
    texts = [leaf for leaf in leaves(dereferenced(shape.request_schema)) if "string" in kinds(leaf.schema)]
    for wanted in (_names_somebody_and_required, _names_somebody, _is_required, _is_any):
        found = next((leaf for leaf in texts if wanted(leaf)), None)
        if found is not None:
            return found
    return None


def echo_of(shape: FieldShape) -> Any:
    """The sample of the reply, with the request's key at the places that seem to repeat it."""
    key = key_leaf(shape)
    return shape.reply_sample if key is None else _echoing(shape.reply_sample, key)


def _echoing(value: Any, key: Leaf) -> Any:
    if isinstance(value, dict):
        return {
            name: KEY if isinstance(part, str) and _repeats(name, key) else _echoing(part, key)
            for name, part in value.items()
        }
    return [_echoing(item, key) for item in value] if isinstance(value, list) else value


def _repeats(name: str, key: Leaf) -> bool:
    return name.removeprefix("@") == key.name


def _names_somebody_and_required(leaf: Leaf) -> bool:
    return leaf.required and _names_somebody(leaf)


def _names_somebody(leaf: Leaf) -> bool:
    return scheme_of(leaf.name, leaf.schema) is not None


def _is_required(leaf: Leaf) -> bool:
    return leaf.required


def _is_any(_leaf: Leaf) -> bool:
    return True


def _special(name: str, shape: FieldShape, reading: ContractReading) -> dict[str, AgencyReply]:
    success = AgencyReply(document=shape.reply_sample, http_status=reading.success_of(name))
    special = {"": success} if echo_of(shape) != shape.reply_sample and not _always_keyed(shape) else {}
    operation = reading.rest.get(name)
    if operation is None or str(_NOT_FOUND) not in operation.responses or key_leaf(shape) is None:
        return special
    schema = operation.responses[str(_NOT_FOUND)].schema
    document = None if schema is None else sample_of(schema)
    if isinstance(document, dict) and isinstance(document.get("status"), int):
        document = {**document, "status": _NOT_FOUND}  # RFC 9457, section 3.1.2: as in the HTTP answer
    return {**special, NOBODY: AgencyReply(document=document, http_status=_NOT_FOUND)}


def _always_keyed(shape: FieldShape) -> bool:
    key = key_leaf(shape)
    return key is not None and key.required
