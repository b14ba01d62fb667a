"""What people and editors need to know of a field table: its JSON Schema and its Markdown table.

Called when documents are generated; never on the message path.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from esb.routes.fields import TEXT_FIELDS, Field, Fields, Kind, range_of


def schema(fields: Fields) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a record; an editor that has it completes and checks the file while it is typed."""
    body: dict[str, Any] = {
        "type": "object",
        "properties": {field.name: _field_schema(field) for field in fields},
        "additionalProperties": False,
    }
    required = [field.name for field in fields if field.required]
    if required:
        body["required"] = required
    return body


def _field_schema(field: Field) -> dict[str, Any]:
    described: dict[str, Any] = {"title": field.description.az, "description": field.description.en}
    if field.default not in (None, {}, ()):
        described["default"] = msgspec.to_builtins(field.default)
    if field.example is not None:
        described["examples"] = [field.example]
    return {**_type_schema(field), **described}


def _type_schema(field: Field) -> dict[str, Any]:
    match field.kind:
        case Kind.STRING | Kind.CHOICE:
            return _string_schema(field)
        case Kind.INTEGER | Kind.NUMBER:
            return _number_schema(field)
        case Kind.STRINGS | Kind.INTEGERS | Kind.RECORDS:
            return _list_schema(field)
        case Kind.PAIRS | Kind.TABLE:
            return _map_schema(field)
        case Kind.TEXT | Kind.RECORD:
            return schema(TEXT_FIELDS if field.kind is Kind.TEXT else field.fields)
        case Kind.BOOLEAN:
            return {"type": "boolean"}


def _string_schema(field: Field) -> dict[str, Any]:
    if field.choices:
        return {"enum": list(field.choices)}
    return {"type": "string", "minLength": 1} | _anchored("pattern", field.pattern)


def _number_schema(field: Field) -> dict[str, Any]:
    bounds = {"minimum": field.minimum, "maximum": field.maximum}
    kept: dict[str, Any] = {name: bound for name, bound in bounds.items() if bound is not None}
    return {"type": "integer" if field.kind in {Kind.INTEGER, Kind.INTEGERS} else "number"} | kept


def _list_schema(field: Field) -> dict[str, Any]:
    if field.kind is Kind.RECORDS:
        return {"type": "array", "items": schema(field.fields)} | _least("minItems", field)
    item = _number_schema(field) if field.kind is Kind.INTEGERS else _string_schema(field)
    return {"type": "array", "items": item, "uniqueItems": True} | _least("minItems", field)


def _map_schema(field: Field) -> dict[str, Any]:
    value = schema(field.fields) if field.kind is Kind.TABLE else _string_schema(field)
    names: dict[str, Any] = {"propertyNames": _anchored("pattern", field.key_pattern)} if field.key_pattern else {}
    return {"type": "object", "additionalProperties": value} | names | _least("minProperties", field)


def _anchored(name: str, pattern: str | None) -> dict[str, str]:
    return {name: f"^(?:{pattern})$"} if pattern else {}


def _least(name: str, field: Field) -> dict[str, int]:
    return {name: 1} if field.non_empty else {}


def markdown(fields: Fields, *, prefix: str = "") -> str:
    """A Markdown table of the record and, dotted, the records within; `*` stands for a name the author chooses."""
    head = ["| key | kind | default | meaning | məna |", "|---|---|---|---|---|"]
    return "\n".join([*head, *_rows(fields, prefix)]) + "\n"


def _rows(fields: Fields, prefix: str) -> list[str]:
    rows = []
    for field in fields:
        rows.append(_row(field, prefix))
        rows += _rows(field.fields, f"{prefix}{field.name}{_STEP.get(field.kind, '')}.")
    return rows


_STEP = {Kind.TABLE: ".*", Kind.RECORDS: "[]"}


def _row(field: Field, prefix: str) -> str:
    kind = ", ".join(field.choices) if field.choices else field.kind.value
    if field.minimum is not None or field.maximum is not None:
        kind = f"{kind}, {range_of(field)}"
    default = "**required**" if field.required else _shown(field.default)
    texts = (_escaped(field.description.en), _escaped(field.description.az))
    cells: Sequence[str] = (f"`{prefix}{field.name}`", kind, default, *texts)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _escaped(text: str) -> str:
    # Markdown takes `<agency>` for a tag and shows nothing.
    return text.replace("<", "&lt;")


def _shown(default: Any) -> str:
    if default in (None, {}, ()):
        return "–"
    return f"`{msgspec.json.encode(default).decode()}`"
