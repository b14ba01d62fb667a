"""Records of an agency that has no data file: its contract's own samples, which echo who was asked about.

Called by `assembly` where there is no `simulator.yaml`, and by the scaffold, which writes the same records down.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from adapters.identifiers import Leaf, kinds, leaves, scheme_of
from adapters.simulator.register import AgencyReply, OperationRecords, Register
from esb.ports import FieldShape
from esb.routes.shapes import dereferenced

TABLE: Final = "records"
KEY: Final = "$key"


def register_of(agency: str, shapes: Mapping[str, FieldShape], statuses: Mapping[str, int]) -> Register:
    """Records in which everybody exists: each answer is the sample of its operation, with the key that was asked for.

    `statuses`: the HTTP status of success of operations that have another than 200.
    """
    operations = {
        name: OperationRecords(
            key=key_of(shape),
            table=TABLE,
            found=shape.reply_sample,
            missing=AgencyReply(document=echo_of(shape), http_status=statuses.get(name, 200)),
            special={"": AgencyReply(document=shape.reply_sample, http_status=statuses.get(name, 200))},
        )
        for name, shape in shapes.items()
    }
    return Register(agency=agency, tables={TABLE: {}}, operations=operations)


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
