"""A strict subset of YAML as a tree with line numbers, for `routes.yaml` and `adapter.yaml`.

Called by the route compiler, the formatter and the adapter registry. No aliases, anchors, tags, merge keys,
directives or second documents, and no key twice: what a person reads is what the bus runs. Never raises for what is
in the text; everything wrong comes back as findings.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from esb.model import Finding

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 16

# YAML counts these as line ends, editors do not: a finding's line would be wrong, and a comment could hide a key.
_HIDDEN_BREAK = re.compile("[\r\x85\u2028\u2029]")

Scalar = str | int | float | bool | None


class Shape(enum.Enum):
    """What a node is."""

    MAPPING = "a mapping"
    SEQUENCE = "a list"
    SCALAR = "a single value"


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One value of the document. `line` and `column` count from 1 and point at the value, `key_line` at its key.

    `text`: a scalar as the author meant it, before `value` became a number or a boolean. `quoted`: written in quotes or
    as a block. `flow`: written with braces or brackets.
    """

    shape: Shape
    line: int
    column: int
    key_line: int
    key_column: int
    value: Scalar = None
    text: str = ""
    quoted: bool = False
    flow: bool = False
    entries: dict[str, Node] = {}
    items: tuple[Node, ...] = ()

    def get(self, *names: str) -> Node | None:
        """The node at the end of these keys, or None where there is no such mapping or key."""
        node: Node | None = self
        for name in names:
            node = node.entries.get(name) if node is not None else None
        return node

    def line_of(self, *names: str) -> int:
        """The line of the deepest of these keys that exists."""
        node, line = self, self.key_line
        for name in names:
            child = node.entries.get(name)
            if child is None:
                break
            node, line = child, child.key_line
        return line


class Comment(msgspec.Struct, frozen=True, kw_only=True):
    """A comment, `#` included. `alone`: nothing but blanks stands before it on its line."""

    line: int
    column: int
    text: str
    alone: bool


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A parsed file. `root` is None when there is nothing that can be read; then a finding says why."""

    file: str
    root: Node | None
    comments: tuple[Comment, ...]
    findings: tuple[Finding, ...]


def load(path: Path, *, max_bytes: int = MAX_BYTES) -> Document:
    """The document of one file; a file that cannot be read or is too large is a finding."""
    try:
        content = read_bytes(path, max_bytes=max_bytes)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        finding = Finding(file=str(path), line=0, message=f"cannot be read: {reason}")
        return Document(file=str(path), root=None, comments=(), findings=(finding,))
    return parse_bytes(content, file=str(path))


def read_bytes(path: Path, *, max_bytes: int = MAX_BYTES) -> bytes:
    """The file's bytes, of which never more than the limit are read. Raises OSError; ValueError when it is larger."""
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"over {max_bytes} bytes")
    return content


def parse_bytes(content: bytes, *, file: str) -> Document:
    """The document of UTF-8 bytes; another encoding is a finding."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        finding = Finding(file=file, line=line, message="is not UTF-8")
        return Document(file=file, root=None, comments=(), findings=(finding,))
    return parse(text, file=file)


def parse(text: str, *, file: str) -> Document:
    """The document of a text."""
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    hidden = _HIDDEN_BREAK.search(text)
    if hidden:
        line = text.count("\n", 0, hidden.start()) + 1
        finding = Finding(file=file, line=line, message="holds a line break that editors do not show as one")
        return Document(file=file, root=None, comments=(), findings=(finding,))
    reader = _Reader(text, file)
    root = reader.root()
    comments = () if reader.broken else _comments(reader.text, reader.spans)
    return Document(file=file, root=root, comments=comments, findings=tuple(reader.findings))


class _BrokenError(Exception):
    """The text is not YAML from here on; the finding is recorded."""


class _Reader:
    """Turns the event stream of one text into nodes. Events, not ruamel's nodes: they still show tags and anchors."""

    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.findings: list[Finding] = []
        self.spans: list[tuple[int, int]] = []
        self.broken = False
        self._events: Iterator[Any] = iter(YAML(typ="safe", pure=True).parse(text))

    def root(self) -> Node | None:
        try:
            return self._document()
        except _BrokenError:
            self.broken = True
            return None

    def _document(self) -> Node | None:
        node: Node | None = None
        while not isinstance(event := self._next(), StreamEndEvent):
            if isinstance(event, DocumentStartEvent):
                self._check_start(event, first=node is None)
            elif node is None and not isinstance(event, DocumentEndEvent) and _is_content(event):
                node = self._node(event, key=None, depth=0)
        if node is None:
            self._say(1, "is empty")
        return node

    def _check_start(self, event: DocumentStartEvent, *, first: bool) -> None:
        line = event.start_mark.line + 1
        if not first:
            self._say(line, "only one document per file is read")
            raise _BrokenError
        if event.version or event.tags:
            self._say(line, "directives (`%`) are not used here")

    def _node(self, event: Any, *, key: Any, depth: int) -> Node:
        if depth > MAX_DEPTH:
            self._say(event.start_mark.line + 1, f"more than {MAX_DEPTH} levels deep")
            raise _BrokenError
        self._check_plainness(event)
        if isinstance(event, MappingStartEvent):
            return self._mapping(event, key=key, depth=depth)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(event, key=key, depth=depth)
        return self._scalar(event, key=key)

    def _check_plainness(self, event: Any) -> None:
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent):
            self._say(line, f"aliases are not used here: write out what *{event.anchor} stands for")
            raise _BrokenError
        if event.anchor:
            self._say(line, f"anchors are not used here: remove &{event.anchor}")
        if event.tag:
            self._say(line, f"tags are not used here: remove {event.tag}")

    def _mapping(self, event: Any, *, key: Any, depth: int) -> Node:
        entries: dict[str, Node] = {}
        while not isinstance(name_event := self._next(), MappingEndEvent):
            name = self._key(name_event)
            child = self._node(self._next(), key=name_event, depth=depth + 1)
            if name in entries:
                first = entries[name].key_line
                self._say(child.key_line, f"key {name!r} stands here twice, first on line {first}")
            else:
                entries[name] = child
        return Node(shape=Shape.MAPPING, entries=entries, flow=bool(event.flow_style), **_place(event, key))

    def _key(self, event: Any) -> str:
        line = event.start_mark.line + 1
        if not isinstance(event, ScalarEvent):
            self._say(line, "a key must be a single word")
            raise _BrokenError
        self._check_plainness(event)
        self._remember_span(event)
        if event.value == "<<" and not event.style:
            self._say(line, "merge keys (`<<`) are not used here: write the keys out")
        return str(event.value)

    def _sequence(self, event: Any, *, key: Any, depth: int) -> Node:
        items: list[Node] = []
        while not isinstance(item_event := self._next(), SequenceEndEvent):
            items.append(self._node(item_event, key=None, depth=depth + 1))
        return Node(shape=Shape.SEQUENCE, items=tuple(items), flow=bool(event.flow_style), **_place(event, key))

    def _scalar(self, event: Any, *, key: Any) -> Node:
        self._remember_span(event)
        text = str(event.value)
        value = text if event.style else _resolved(text)
        return Node(shape=Shape.SCALAR, value=value, text=text, quoted=bool(event.style), **_place(event, key))

    def _remember_span(self, event: Any) -> None:
        start, end = event.start_mark.index, event.end_mark.index
        if event.style in {"|", ">"}:
            # A comment may follow the `|` itself, so the scalar's own text begins on the next line.
            start = self.text.find("\n", start, end)
        if start >= 0 and "#" in self.text[start:end]:
            self.spans.append((start, end))

    def _next(self) -> Any:
        try:
            return next(self._events)
        except YAMLError as error:
            self._say(*_trouble(error))
            raise _BrokenError from error

    def _say(self, line: int, message: str) -> None:
        self.findings.append(Finding(file=self.file, line=line, message=message))


def _is_content(event: Any) -> bool:
    return isinstance(event, AliasEvent | ScalarEvent | SequenceStartEvent | MappingStartEvent)


def _place(event: Any, key: Any) -> dict[str, Any]:
    mark = event.start_mark
    named = mark if key is None else key.start_mark
    return {
        "line": mark.line + 1,
        "column": mark.column + 1,
        "key_line": named.line + 1,
        "key_column": named.column + 1,
    }


def _trouble(error: YAMLError) -> tuple[int, str]:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark is not None else 1
    column = f" at column {mark.column + 1}" if mark is not None else ""
    problem = getattr(error, "problem", None) or "a character that YAML does not allow"
    return line, f"is not YAML{column}: {problem}"


_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
# A leading zero, 0x, 0o, underscores and exponents stay text: postal codes and FINs are no numbers, and no setting
# needs such a number.
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}")


def _resolved(text: str) -> Scalar:
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _comments(text: str, spans: list[tuple[int, int]]) -> tuple[Comment, ...]:
    """Every `#` that begins a comment: after a blank or at a line's start, and not within a scalar."""
    if "#" not in text:
        return ()
    blanked = _without(text, spans)
    found = []
    for number, line in enumerate(blanked.split("\n"), start=1):
        match = re.search(r"(?:^|(?<=[ \t]))#", line)
        if match:
            start = match.start()
            alone = not line[:start].strip()
            found.append(Comment(line=number, column=start + 1, text=line[start:].rstrip(), alone=alone))
    return tuple(found)


def _without(text: str, spans: list[tuple[int, int]]) -> str:
    pieces, position = [], 0
    for start, end in sorted(spans):
        pieces += [text[position:start], re.sub(r"[^\n]", "x", text[start:end])]
        position = end
    return "".join([*pieces, text[position:]])
