"""Reads what agency teams write beside the manifest, `simulator.yaml` and `cases.yaml`, into typed values.

The same strict YAML as `routes.yaml`. Every error names the file, and the line where it can be known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from esb.errors import ConfigurationError
from esb.model import Finding
from esb.routes import document
from esb.routes.document import Node, Shape
from esb.routes.fields import nearest

T = TypeVar("T")

_UNKNOWN_FIELD = re.compile("unknown field `([^`]+)`")


def read(path: Path, kind: type[T]) -> T:
    """The file as a value of `kind`. Numbers with a point are exact decimals, dates stay text.

    Raises:
        ConfigurationError: unreadable, not YAML, or with unknown (and which was meant) or ill-typed fields.
    """
    loaded = document.load(path)
    if loaded.root is None or loaded.findings:
        raise ConfigurationError("; ".join(str(finding) for finding in loaded.findings))
    try:
        return msgspec.convert(_plain(loaded.root), kind)
    except msgspec.ValidationError as error:
        raise ConfigurationError(str(_finding(path, loaded.root, kind, str(error)))) from error


def _plain(node: Node) -> Any:
    """The values below a node, without places. Money must not become a float, so its text is read again."""
    match node.shape:
        case Shape.MAPPING:
            return {name: _plain(child) for name, child in node.entries.items()}
        case Shape.SEQUENCE:
            return [_plain(item) for item in node.items]
        case Shape.SCALAR:
            return Decimal(node.text) if isinstance(node.value, float) else node.value


def _finding(path: Path, root: Node, kind: type, message: str) -> Finding:
    unknown = _UNKNOWN_FIELD.search(message)
    if unknown is None:
        return Finding(file=str(path), line=0, message=message)
    name = unknown.group(1)
    line = next((child.key_line for key, child in _entries(root) if key == name), 0)
    return Finding(file=str(path), line=line, message=message, suggestion=nearest(name, _field_names(kind)))


def _entries(node: Node) -> Iterator[tuple[str, Node]]:
    for name, child in node.entries.items():
        yield name, child
        yield from _entries(child)
    for item in node.items:
        yield from _entries(item)


def _field_names(kind: type) -> set[str]:
    """Every field of the struct and of those below it."""
    names: set[str] = set()
    left: list[Any] = [msgspec.inspect.type_info(kind)]
    while left:
        shape = left.pop()
        if isinstance(shape, msgspec.inspect.StructType):
            names.update(field.name for field in shape.fields)
            left += [field.type for field in shape.fields]
        for part in ("item_type", "value_type"):
            left += [getattr(shape, part)] if hasattr(shape, part) else []
        left += getattr(shape, "types", ())
    return names
