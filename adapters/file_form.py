"""What stands in the files that the bus and an agency exchange: documents under the ids of their messages.

XML where the contract is XML, else JSON lines. One document may also be a file of its own, whose name holds the id.
Pure: bytes in, bytes out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from xml.sax.saxutils import quoteattr

import msgspec

from security import xml
from security.errors import XmlRefused

NAMESPACE: Final = "urn:esb:files:1"
MAX_BYTES: Final = 64 * 1024 * 1024
MAX_ITEMS: Final = 100_000

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,199}")


class FileRefused(Exception):
    """A file, or one document of it, cannot be read; the reason quotes none of it."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One document. `operation` is empty in answers; `http_status` matters to JSON contracts only."""

    id: str
    content: bytes
    operation: str = ""
    http_status: int = 200


class Forms(msgspec.Struct, frozen=True, kw_only=True):
    """How files of one adapter are written and read."""

    is_xml: bool

    @property
    def suffix(self) -> str:
        """The ending of a file with many documents."""
        return ".xml" if self.is_xml else ".jsonl"

    def single_suffix(self) -> str:
        """The ending of a file that is one document."""
        return ".xml" if self.is_xml else ".json"

    def write(self, items: Iterable[Item]) -> bytes:
        """All documents in one file."""
        return _xml_file(items) if self.is_xml else b"".join(map(_json_line, items))

    def read(self, content: bytes) -> tuple[list[Item], list[str]]:
        """The documents, and what is wrong with those that cannot be read. Raises FileRefused."""
        return _read_xml(content) if self.is_xml else _read_lines(content)

    def is_single(self, name: str, content: bytes) -> bool:
        """Whether a file is one document, known by its name."""
        if not self.is_xml:
            return name.endswith(".json")
        return f"{{{NAMESPACE}}}" not in _root_of(content)

    def read_single(self, name: str, content: bytes) -> Item:
        """The one document of a file. Raises FileRefused."""
        key = id_in(name)
        if key is None:
            raise FileRefused("the file's name holds no message id: NAME.ID and the ending")
        return Item(id=key, content=_canonical(content) if self.is_xml else content)


def id_in(name: str) -> str | None:
    """The message id in a file's name: its last part before the ending."""
    parts = name.split(".")
    return parts[-2] if len(parts) > 2 and _ID.fullmatch(parts[-2]) else None  # noqa: PLR2004 - NAME.ID.ending


# --- XML -------------------------------------------------------------------------------------------------


def _xml_file(items: Iterable[Item]) -> bytes:
    # Not as the default namespace: a document without one must not come into ours.
    parts = [f'<f:Requests xmlns:f="{NAMESPACE}">'.encode()]
    for item in items:
        head = f"<f:Request id={quoteattr(item.id)} operation={quoteattr(item.operation)}>"
        parts += [head.encode(), item.content, b"</f:Request>"]
    parts.append(b"</f:Requests>")
    return b"".join(parts)


def _read_xml(content: bytes) -> tuple[list[Item], list[str]]:
    root = _parsed(content)
    if root.tag != f"{{{NAMESPACE}}}Answers":
        raise FileRefused(f"its element is not Answers of {NAMESPACE}")
    items, problems = [], []
    for place, child in enumerate(_elements(root), 1):
        documents = _elements(child)
        key = child.get("id") or ""
        if child.tag != f"{{{NAMESPACE}}}Answer" or not _ID.fullmatch(key) or len(documents) != 1:
            problems.append(f"answer {place}: not an Answer with an id and one document")
            continue
        items.append(Item(id=key, content=xml.canonical(documents[0])))
    return _bounded(items), problems


def _parsed(content: bytes) -> xml.Element:
    try:
        return xml.parse(content, max_bytes=MAX_BYTES)
    except XmlRefused as error:
        raise FileRefused(error.reason) from error


def _canonical(content: bytes) -> bytes:
    return xml.canonical(_parsed(content))


def _root_of(content: bytes) -> str:
    return str(_parsed(content).tag)


def _elements(parent: xml.Element) -> list[xml.Element]:
    return [child for child in parent if isinstance(child.tag, str)]


# --- JSON lines ------------------------------------------------------------------------------------------


class _Line(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    document: msgspec.Raw
    status: int = 200


def _json_line(item: Item) -> bytes:
    line: Mapping[str, Any] = {"id": item.id, "operation": item.operation, "document": msgspec.Raw(item.content)}
    return msgspec.json.encode(line) + b"\n"


def _read_lines(content: bytes) -> tuple[list[Item], list[str]]:
    items, problems = [], []
    for place, text in enumerate(content.split(b"\n"), 1):
        if not text.strip():
            continue
        try:
            line = msgspec.json.decode(text, type=_Line)
        except msgspec.MsgspecError:
            problems.append(f"line {place}: not JSON with id and document")
            continue
        if not _ID.fullmatch(line.id):
            problems.append(f"line {place}: its id is not a message id")
            continue
        items.append(Item(id=line.id, content=bytes(line.document), http_status=line.status))
    if not items and not problems:
        raise FileRefused("the file is empty")
    return _bounded(items), problems


def _bounded(items: list[Item]) -> list[Item]:
    if len(items) > MAX_ITEMS:
        raise FileRefused(f"over {MAX_ITEMS} documents")
    return items
