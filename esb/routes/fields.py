"""THE field table mechanism: a configuration field is declared once, and everything about it comes from there.

Parsing, defaults and unknown-key errors with "did you mean" are here; `reference.py` reads the JSON Schema and the
Markdown table off the same `Field` values. Used for `routes.yaml` and for `adapter.yaml`; knows nothing of either.
"""

from __future__ import annotations

import difflib
import enum
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from esb.model import Finding, Severity, Text
from esb.routes.document import Node, Shape


class Kind(enum.StrEnum):
    """What a field holds, and what `read` makes of it."""

    STRING = "string"
    TEXT = "text"  # {az, en} → esb.model.Text
    INTEGER = "integer"
    NUMBER = "number"  # → float
    BOOLEAN = "boolean"
    CHOICE = "choice"  # one of `choices`
    STRINGS = "list of strings"  # → tuple; each one of `choices` when there are any
    INTEGERS = "list of integers"  # → tuple
    PAIRS = "name: string"  # → dict
    RECORD = "record"  # `fields` → dict
    RECORDS = "list of records"  # `fields` → tuple of dict
    TABLE = "name: record"  # `fields` → dict of dict


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field. `default` is what `read` gives when it is absent; `{}` for a RECORD means its own fields' defaults.

    `pattern` binds a STRING, each of STRINGS and each value of PAIRS; `key_pattern` the names of PAIRS and TABLE.
    `secret_name`: what is written there names a secret; a person may write the secret itself, so no finding quotes it.
    `minimum` and `maximum` are inclusive. `inline`: the canonical form writes it on one line where it fits.
    """

    name: str
    kind: Kind
    description: Text
    required: bool = False
    default: Any = None
    example: Any = None
    choices: tuple[str, ...] = ()
    pattern: str | None = None
    key_pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    non_empty: bool = False
    inline: bool = False
    secret_name: bool = False
    fields: tuple[Field, ...] = ()


Fields = tuple[Field, ...]

NOT_A_SECRETS_NAME: Final = (
    "this is the name of a secret, in lower-case letters, digits and dashes, as gateway-password;"
    " set its value with: esb keys secret set"
)


def read(node: Node, fields: Fields, file: str, *, where: str = "") -> tuple[dict[str, Any], tuple[Finding, ...]]:
    """The values of one record, every declared field present, and everything that is wrong with it.

    A field that is wrong has its default (None without one) and a finding, so that one reading finds all mistakes.
    `where` is the dotted place of the record for messages.
    """
    reader = _Reader(file)
    values = reader.record(node, fields, where)
    return values, tuple(reader.findings)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, or None."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return near[0] if near else None


class _Reader:
    """Reads nodes against fields and collects findings."""

    def __init__(self, file: str) -> None:
        self._file = file
        self.findings: list[Finding] = []

    def record(self, node: Node, fields: Fields, where: str) -> dict[str, Any]:
        values = defaults(fields)
        if not self._is(node, Shape.MAPPING, where or "the file"):
            return values
        known = {field.name: field for field in fields}
        for name, child in node.entries.items():
            field = known.get(name)
            if field is None:
                self._unknown(name, child, known, where)
            else:
                values[name] = self._value(child, field, _joined(where, name))
        for field in fields:
            if field.required and field.name not in node.entries:
                self._say(node.key_line, f"{where or 'the file'} has no {field.name!r}, which is required")
        return values

    def _unknown(self, name: str, child: Node, known: Mapping[str, Field], where: str) -> None:
        place = f"{where}: " if where else ""
        near = nearest(name, known)
        self._say(child.key_line, f"{place}unknown key {name!r}", suggestion=near)

    def _value(self, node: Node, field: Field, where: str) -> Any:
        if node.shape is Shape.SCALAR and node.value is None:
            self._say(node.key_line, f"{where} has no value; give one or remove the line")
            return _default(field)
        value = _READERS[field.kind](self, node, field, where)
        return _default(field) if value is None else value

    def _string(self, node: Node, field: Field, where: str) -> str | None:
        if not self._is(node, Shape.SCALAR, where):
            return None
        if field.secret_name:
            return self._name_of_secret(node, field, where)
        if not isinstance(node.value, str):
            self._say(node.line, f"{where} must be text; write it in quotes: {node.text!r}")
            return None
        return self._fitting(node, field, where)

    def _fitting(self, node: Node, field: Field, where: str) -> str | None:
        text = node.text
        if not text.strip():
            self._say(node.line, f"{where} is empty")
            return None
        if field.pattern and not re.fullmatch(field.pattern, text):
            self._say(node.line, f"{where}: {text!r} does not have the form {field.pattern}")
            return None
        return text

    def _name_of_secret(self, node: Node, field: Field, where: str) -> str | None:
        if isinstance(node.value, str) and re.fullmatch(field.pattern or ".+", node.text):
            return node.text
        self._say(node.line, f"{where}: {NOT_A_SECRETS_NAME}")
        return None

    def _choice(self, node: Node, field: Field, where: str) -> str | None:
        if not self._is(node, Shape.SCALAR, where):
            return None
        if node.text not in field.choices:
            wanted = ", ".join(field.choices)
            near = nearest(node.text, field.choices)
            self._say(node.line, f"{where}: {node.text!r} is not one of {wanted}", suggestion=near)
            return None
        return node.text

    def _text(self, node: Node, _field: Field, where: str) -> Text | None:
        values = self.record(node, TEXT_FIELDS, where)
        az, en = values["az"], values["en"]
        return Text(az=az, en=en) if az and en else None

    def _integer(self, node: Node, field: Field, where: str) -> int | None:
        value = node.value
        if not self._is(node, Shape.SCALAR, where):
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            self._say(node.line, f"{where} must be a whole number, not {node.text!r}")
            return None
        return value if self._in_range(node, field, value, where) else None

    def _number(self, node: Node, field: Field, where: str) -> float | None:
        value = node.value
        if not self._is(node, Shape.SCALAR, where):
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            self._say(node.line, f"{where} must be a number, not {node.text!r}")
            return None
        return float(value) if self._in_range(node, field, value, where) else None

    def _in_range(self, node: Node, field: Field, value: float, where: str) -> bool:
        low, high = field.minimum, field.maximum
        if (low is None or value >= low) and (high is None or value <= high):
            return True
        self._say(node.line, f"{where} must be {range_of(field)}, not {node.text}")
        return False

    def _boolean(self, node: Node, _field: Field, where: str) -> bool | None:
        if not self._is(node, Shape.SCALAR, where):
            return None
        if not isinstance(node.value, bool):
            self._say(node.line, f"{where} must be true or false, not {node.text!r}")
            return None
        return node.value

    def _strings(self, node: Node, field: Field, where: str) -> tuple[str, ...] | None:
        read_one = self._choice if field.choices else self._string
        return self._list(node, field, where, read_one)

    def _integers(self, node: Node, field: Field, where: str) -> tuple[int, ...] | None:
        return self._list(node, field, where, self._integer)

    def _records(self, node: Node, field: Field, where: str) -> tuple[dict[str, Any], ...] | None:
        return self._list(node, field, where, lambda item, _, place: self.record(item, field.fields, place))

    def _list(
        self, node: Node, field: Field, where: str, read_one: Callable[[Node, Field, str], Any]
    ) -> tuple[Any, ...] | None:
        if not self._is(node, Shape.SEQUENCE, where) or not self._enough(node, field, where):
            return None
        values = []
        for index, item in enumerate(node.items):
            value = read_one(item, field, f"{where}[{index}]")
            if value is not None and not isinstance(value, dict) and value in values:
                self._say(item.line, f"{where} names {item.text!r} twice")
            elif value is not None:
                values.append(value)
        return tuple(values)

    def _pairs(self, node: Node, field: Field, where: str) -> dict[str, str] | None:
        if not self._is(node, Shape.MAPPING, where) or not self._enough(node, field, where):
            return None
        read_pairs = {}
        for name, child in node.entries.items():
            self._check_key(name, child, field, where)
            value = self._string(child, field, _joined(where, name))
            if value is not None:
                read_pairs[name] = value
        return read_pairs

    def _sub_record(self, node: Node, field: Field, where: str) -> dict[str, Any]:
        return self.record(node, field.fields, where)

    def _table(self, node: Node, field: Field, where: str) -> dict[str, dict[str, Any]] | None:
        if not self._is(node, Shape.MAPPING, where) or not self._enough(node, field, where):
            return None
        rows = {}
        for name, child in node.entries.items():
            self._check_key(name, child, field, where)
            rows[name] = self.record(child, field.fields, _joined(where, name))
        return rows

    def _check_key(self, name: str, child: Node, field: Field, where: str) -> None:
        if field.key_pattern and not re.fullmatch(field.key_pattern, name):
            self._say(child.key_line, f"{where}: the name {name!r} does not have the form {field.key_pattern}")

    def _enough(self, node: Node, field: Field, where: str) -> bool:
        if node.entries or node.items or not field.non_empty:
            return True
        self._say(node.key_line, f"{where} is empty")
        return False

    def _is(self, node: Node, shape: Shape, where: str) -> bool:
        if node.shape is shape:
            return True
        self._say(node.key_line, f"{where} must be {shape.value}, not {node.shape.value}")
        return False

    def _say(self, line: int, message: str, *, suggestion: str | None = None) -> None:
        finding = Finding(file=self._file, line=line, message=message, severity=Severity.ERROR, suggestion=suggestion)
        self.findings.append(finding)


_READERS: Mapping[Kind, Callable[[_Reader, Node, Field, str], Any]] = {
    Kind.STRING: _Reader._string,  # noqa: SLF001 - the table of the class above
    Kind.TEXT: _Reader._text,  # noqa: SLF001
    Kind.INTEGER: _Reader._integer,  # noqa: SLF001
    Kind.NUMBER: _Reader._number,  # noqa: SLF001
    Kind.BOOLEAN: _Reader._boolean,  # noqa: SLF001
    Kind.CHOICE: _Reader._choice,  # noqa: SLF001
    Kind.STRINGS: _Reader._strings,  # noqa: SLF001
    Kind.INTEGERS: _Reader._integers,  # noqa: SLF001
    Kind.PAIRS: _Reader._pairs,  # noqa: SLF001
    Kind.RECORD: _Reader._sub_record,  # noqa: SLF001
    Kind.RECORDS: _Reader._records,  # noqa: SLF001
    Kind.TABLE: _Reader._table,  # noqa: SLF001
}

TEXT_FIELDS: Fields = (
    Field(name="az", kind=Kind.STRING, required=True, description=Text(az="Azərbaycan dilində", en="in Azerbaijani")),
    Field(name="en", kind=Kind.STRING, required=True, description=Text(az="ingilis dilində", en="in English")),
)


def defaults(fields: Fields) -> dict[str, Any]:
    """What `read` gives for a record that is written down empty."""
    return {field.name: _default(field) for field in fields}


def _default(field: Field) -> Any:
    if field.kind is Kind.RECORD and field.default is not None:
        return {**defaults(field.fields), **field.default}
    return field.default


def _joined(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def range_of(field: Field) -> str:
    """The allowed numbers, in words."""
    low, high = field.minimum, field.maximum
    if low is None:
        return f"at most {high:g}"
    return f"at least {low:g}" if high is None else f"from {low:g} to {high:g}"
