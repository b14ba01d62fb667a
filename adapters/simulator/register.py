"""A simulated agency's records: its data file, read once, and what it answers for a key.

Called by the dialects with a request that was proven and validated. Knows nothing of SOAP, HTTP or signatures: an
answer is a contract document, a fault in the agency's words, or an HTTP status with a document.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from adapters.simulator import written
from esb.errors import ConfigurationError

RECORD = "$record"


class FaultText(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A SOAP fault: `code` without prefix (`Client.Business`), and the typed `detail` by its name in the WSDL."""

    code: str
    text: str
    detail: dict[str, dict[str, Any]] = {}


class AgencyReply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an agency answers: a document of its contract, or a fault, or text that keeps to no contract.

    `raw`: the Body's child or the text of the answer. `http_status` and `media_type` matter over plain HTTP only.
    """

    document: dict[str, Any] | list[Any] | None = None
    fault: FaultText | None = None
    raw: str | None = None
    http_status: int = 200
    media_type: str | None = None


class OperationRecords(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one operation answers.

    `key`: the request field that is looked up in `table`, `Pin` or `body.pin`. `found`: the document around a record,
    where `$record`, `$record.Field` and `$key` stand for the record, a part of it and the key. `missing`: how this
    agency says that there is no such record. `special`: answers for some keys whatever the table holds.
    """

    key: str
    table: str
    found: Any
    missing: AgencyReply
    special: dict[str, AgencyReply] = {}


class LaterRecords(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When an operation is answered that the manifest says is answered later.

    `after_ms`: how long the answer takes; `pending`: what is said to who asks for it before; `times`: how often the
    answer is brought.
    """

    after_ms: int = 500
    pending: AgencyReply = AgencyReply()
    times: int = 1


class Register(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole data file of one agency. `callback`: the bus's address to which the agency brings answers."""

    agency: str
    tables: dict[str, dict[str, Any]]
    operations: dict[str, OperationRecords]
    later: dict[str, LaterRecords] = {}
    callback: str = ""

    def answer(self, operation: str, key: str) -> AgencyReply:
        """What the agency says about this key; the same every time."""
        rules = self.operations[operation]
        if key in rules.special:
            return _fill_reply(rules.special[key], key)
        if key not in self.tables[rules.table]:
            return _fill_reply(rules.missing, key)
        return AgencyReply(document=_fill(rules.found, self.tables[rules.table][key], key))

    def key_of(self, operation: str, values: Mapping[str, Any]) -> str:
        """The value that the operation looks up; "" when the request has none."""
        field = self.operations[operation].key
        # Some contracts have dots in element names, so the whole name comes before the path.
        found = values.get(field) if field in values else _part(values, field.split("."))
        return "" if found is _ABSENT else str(found)


def load(path: Path) -> Register:
    """The data file at `path`. Raises ConfigurationError as `written.read`, and for a table that is not there."""
    register = written.read(path, Register)
    for name, rules in register.operations.items():
        if rules.table not in register.tables:
            raise ConfigurationError(f"{path}: operation {name} names the table {rules.table!r}, which is not there")
    return register


def _fill_reply(reply: AgencyReply, key: str) -> AgencyReply:
    return msgspec.structs.replace(reply, document=_fill(reply.document, None, key))


def _fill(template: Any, record: Any, key: str) -> Any:
    """`template` with its placeholders replaced; a field whose part of the record is absent is left out."""
    match template:
        case dict():
            filled = {name: _fill(value, record, key) for name, value in template.items()}
            return {name: value for name, value in filled.items() if value is not _ABSENT}
        case list():
            return [_fill(item, record, key) for item in template]
        case "$key":
            return key
        case str() if template == RECORD or template.startswith(f"{RECORD}."):
            return _part(record, template.split(".")[1:])
    return template


def _part(record: Any, path: list[str]) -> Any:
    for name in path:
        if not isinstance(record, Mapping) or name not in record:
            return _ABSENT
        record = record[name]
    return record


_ABSENT = object()
