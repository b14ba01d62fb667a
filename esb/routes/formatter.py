"""The one canonical form of `routes.yaml`, and edits that keep it.

Called by `esb routes format` and `esb callers`. Changes layout, order of keys and quoting, never meaning, and loses no
comment. What is misspelt stays where it is: to say so is the linter's part.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from esb.errors import ConfigurationError, RoutesInvalid
from esb.model import Severity, Text
from esb.routes import document, layout
from esb.routes.deployment import FILE_FIELDS
from esb.routes.document import Shape
from esb.routes.fields import TEXT_FIELDS, Field, Fields, Kind
from esb.routes.layout import Piece

WIDTH = 120
INDENT = "  "

Edit = Callable[[str], str]
"""A text of `routes.yaml` into another."""


def format_text(text: str, *, fields: Fields = FILE_FIELDS, file: str = "routes.yaml") -> str:
    """The canonical form; formatting it again changes nothing, and it loads as `text` does.

    Raises:
        RoutesInvalid: the text cannot be read without loss: not YAML, or aliases, tags, keys that stand twice.
    """
    return _rendered(_tree(text, file), fields)


def add_caller(text: str, name: str, title: Text, *, contact: str | None = None) -> str:
    """The text with one more caller, in canonical form.

    Raises:
        ConfigurationError: the caller is there already. RoutesInvalid: the text cannot be read.
    """
    root = _tree(text, "routes.yaml")
    callers = _section(root, "callers", Shape.MAPPING)
    if callers.get(name) is not None:
        raise ConfigurationError(f"there is a caller {name!r} already")
    words = [layout.scalar(title.az, key="az"), layout.scalar(title.en, key="en")]
    row = [layout.mapping(words, key="title")]
    if contact:
        row.append(layout.scalar(contact, key="contact"))
    callers.children.append(layout.mapping(row, key=name))
    return _rendered(root, FILE_FIELDS)


def grant(text: str, caller: str, route: str, purposes: Sequence[str] = ()) -> str:
    """The text with the grant in it, in canonical form; unchanged but for the form when it is there already.

    Raises:
        ConfigurationError: no such caller. RoutesInvalid: the text cannot be read.
    """
    root = _tree(text, "routes.yaml")
    if _section(root, "callers", Shape.MAPPING).get(caller) is None:
        raise ConfigurationError(f"there is no caller {caller!r}; add it with: esb callers add {caller}")
    grants = _section(root, "grants", Shape.SEQUENCE)
    same = [row for row in _rows_of(grants, caller) if set(row.strings("purposes")) == set(purposes)]
    if not same:
        grants.children.append(_grant(caller, route, purposes))
    elif route not in same[0].strings("routes"):
        _section(same[0], "routes", Shape.SEQUENCE).children.append(layout.scalar(route))
    return _rendered(root, FILE_FIELDS)


def revoke(text: str, caller: str, route: str) -> str:
    """The text without any grant of exactly this route or pattern to the caller, in canonical form.

    Raises:
        ConfigurationError: there is none. A wider pattern that covers the route is named and kept: without it the
            caller would lose more than was asked. RoutesInvalid: the text cannot be read.
    """
    root = _tree(text, "routes.yaml")
    grants = _section(root, "grants", Shape.SEQUENCE)
    rows = _rows_of(grants, caller)
    held = [pattern for row in rows for pattern in row.strings("routes")]
    covering = [pattern for pattern in held if pattern != route and fnmatch.fnmatchcase(route, pattern)]
    if covering:
        raise ConfigurationError(f"{caller} may ask {route} by its grant of {covering[0]!r}; revoke that instead")
    if route not in held:
        raise ConfigurationError(f"{caller} has no grant of {route!r}")
    for row in rows:
        listed = _section(row, "routes", Shape.SEQUENCE)
        listed.children = [item for item in listed.children if item.text != route]
    empty = [row for row in rows if not row.strings("routes")]
    grants.children = [row for row in grants.children if not any(row is gone for gone in empty)]
    return _rendered(root, FILE_FIELDS)


def _grant(caller: str, route: str, purposes: Sequence[str]) -> Piece:
    row = [layout.scalar(caller, key="caller"), layout.strings([route], key="routes")]
    if purposes:
        row.append(layout.strings(purposes, key="purposes"))
    return layout.mapping(row)


def _rows_of(grants: Piece, caller: str) -> list[Piece]:
    return [row for row in grants.children if row.string("caller") == caller]


def _section(piece: Piece, key: str, shape: Shape) -> Piece:
    """The child with this key, made where there is none. Raises ConfigurationError when it is of another shape."""
    section = piece.get(key)
    if section is None:
        section = Piece(shape=shape, key=key)
        piece.children.append(section)
    if section.shape is not shape:
        raise ConfigurationError(f"{key} must be {shape.value}, not {section.shape.value}")
    return section


def _tree(text: str, file: str) -> Piece:
    read = document.parse(text, file=file)
    root = read.root
    if root is None or any(finding.severity is Severity.ERROR for finding in read.findings):
        raise RoutesInvalid(read.findings)
    return layout.pieces_of(read, root)


# --- rendering -------------------------------------------------------------------------------------------


def _rendered(root: Piece, fields: Fields) -> str:
    if root.shape is not Shape.MAPPING:
        return "\n".join([*_value_lines(root, "", None), *root.tail]) + "\n"
    lines = list(root.head)
    for child in _ordered(root, fields):
        if lines:
            lines.append("")
        lines += _entry(child, "", _field(fields, child.key))
    return "\n".join([*lines, *root.tail]) + "\n"


def _ordered(piece: Piece, fields: Fields) -> list[Piece]:
    """Children in the order of the field table; what the table does not know comes last, as it was."""
    rank = {field.name: at for at, field in enumerate(fields)}
    return sorted(piece.children, key=lambda child: rank.get(child.key or "", len(rank)))


def _field(fields: Fields, key: str | None) -> Field | None:
    return next((field for field in fields if field.name == key), None)


class _Children(Protocol):
    """Gives each child of a container the field that governs it."""

    def __call__(self, child: Piece) -> Field | None: ...


def _governing(field: Field | None) -> tuple[Fields, _Children]:
    """The order of a container's children and the field of each."""
    if field is None:
        return (), lambda _: None
    if field.kind is Kind.TEXT:
        return TEXT_FIELDS, lambda _: _QUOTED
    if field.kind in {Kind.TABLE, Kind.RECORDS}:
        row = Field(name="", kind=Kind.RECORD, description=_NOTHING, fields=field.fields, inline=field.inline)
        return (), lambda _: row
    if field.kind is Kind.RECORD:
        return field.fields, lambda child: _field(field.fields, child.key)
    return (), lambda _: None


_NOTHING = Text(az="", en="")
_QUOTED = Field(name="", kind=Kind.TEXT, description=_NOTHING)


def _entry(piece: Piece, indent: str, field: Field | None) -> list[str]:
    """`key: value` or `- value` with its comments, over as many lines as it needs."""
    label = f"{_scalar(piece.key)}:" if piece.key is not None else "-"
    above = [indent + line for line in _lifted(piece, field)]
    side = f"  {piece.side}" if piece.side else ""
    on_one_line = f"{indent}{label} {_inline(piece, field)}"
    if _fits(piece, field, on_one_line):
        return [*above, on_one_line + side]
    first, *rest = _block(piece, indent, field)
    if piece.key is None and piece.shape is not Shape.SCALAR:
        # The first line of a list item stands behind its dash, so a comment behind the dash goes above it.
        beside = [indent + piece.side] if piece.side else []
        return [*above, *beside, f"{indent}- {rest[0].lstrip()}", *rest[1:]]
    return [*above, f"{indent}{label}{first}{side}", *rest]


def _lifted(piece: Piece, field: Field | None) -> list[str]:
    """The comments above a piece; a list item has no line above its first key, so that key's come with its own."""
    head = piece.head
    while piece.key is None and piece.children:
        order, field_of = _governing(field)
        first = _ordered(piece, order)[0] if piece.shape is Shape.MAPPING else piece.children[0]
        head, first.head = [*head, *first.head], []
        piece, field = first, field_of(first)
    return head


def _fits(piece: Piece, field: Field | None, line: str) -> bool:
    if piece.shape is Shape.SCALAR:
        return "\n" not in piece.text
    if not piece.children:
        return not piece.tail
    wanted = field.inline if field is not None else piece.flow
    return wanted and not piece.has_comments() and "\n" not in line and len(line) <= WIDTH


def _block(piece: Piece, indent: str, field: Field | None) -> list[str]:
    """What follows the label on its own line, then the lines below it."""
    if piece.shape is Shape.SCALAR:
        return _literal(piece.text, indent + INDENT)
    order, field_of = _governing(field)
    children = _ordered(piece, order) if piece.shape is Shape.MAPPING else piece.children
    lines: list[str] = [""]
    for child in children:
        entry = _entry(child, indent + INDENT, field_of(child))
        # Rows of a table that take several lines stand apart.
        if len(lines) > 1 and field is not None and field.kind is Kind.TABLE and field.name in _SPACED:
            lines.append("")
        lines += entry
    return [*lines, *(indent + INDENT + line for line in piece.tail)]


_SPACED = frozenset({"routes"})


def _value_lines(piece: Piece, indent: str, field: Field | None) -> list[str]:
    return [_inline(piece, field)] if piece.shape is Shape.SCALAR else _block(piece, indent, field)[1:]


def _inline(piece: Piece, field: Field | None) -> str:
    if piece.shape is Shape.SCALAR:
        return _scalar(piece.text, always=field is _QUOTED) if piece.is_text else piece.text or "null"
    order, field_of = _governing(field)
    if piece.shape is Shape.SEQUENCE:
        return f"[{', '.join(_inline(child, field_of(child)) for child in piece.children)}]"
    pairs = (f"{_scalar(child.key)}: {_inline(child, field_of(child))}" for child in _ordered(piece, order))
    return f"{{{', '.join(pairs)}}}"


_PLAIN = re.compile(r"[A-Za-z_](?:[A-Za-z0-9_./@+-]*[A-Za-z0-9_@+/])?")
_READ_AS_OTHER = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def _scalar(text: str | None, *, always: bool = False) -> str:
    """Plain where every reader of YAML takes it for text, else in quotes."""
    text = text or ""
    if not always and _PLAIN.fullmatch(text) and text.lower() not in _READ_AS_OTHER:
        return text
    if ('"' in text or "\\" in text) and text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(_escaped(text)) + '"'


def _escaped(text: str) -> Iterable[str]:
    for character in text:
        if character in {'"', "\\"}:
            yield "\\" + character
        elif character.isprintable():
            yield character
        else:
            yield _ESCAPES.get(character) or f"\\U{ord(character):08X}"


_ESCAPES = {"\n": "\\n", "\t": "\\t"}


def _literal(text: str, indent: str) -> list[str]:
    """A text of several lines as a block, where a block can hold it; else quoted on one line."""
    lines = text.split("\n")
    body, ending = (lines[:-1], "|") if lines[-1] == "" else (lines, "|-")
    # A block would lose or misread: leading blanks of its first line, blanks at line ends, several empty last lines.
    unsafe = body[0][:1] in {" ", ""} or not body[-1] or any(line != line.rstrip() for line in body)
    if unsafe or not all(line.isprintable() for line in body):
        return [f' "{"".join(_escaped(text))}"']
    return [f" {ending}", *(indent + line if line else "" for line in body)]
