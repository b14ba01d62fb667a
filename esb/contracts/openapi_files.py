"""The files of an OpenAPI contract as plain values, with the line of everything for messages.

Called at load. YAML 1.2 and JSON; nothing is fetched, no tag makes an object, and aliases are bounded before they are
written out.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from esb.errors import ContractUnsupported

MAX_FILE_BYTES: Final = 10 * 1024 * 1024
MAX_VALUES: Final = 1_000_000
_MAX_LOCATED_BYTES: Final = 1024 * 1024
"""A larger JSON file is not read a second time to find a line: YAML's reader takes seconds for it."""

_TAG: Final = "tag:yaml.org,2002:"
_PLAIN_TAGS: Final = frozenset(f"{_TAG}{name}" for name in ("str", "int", "float", "bool", "null", "timestamp"))
_PLAIN_HOLDERS: Final = frozenset({f"{_TAG}map", f"{_TAG}seq"})
_MERGE: Final = f"{_TAG}merge"


@dataclass(frozen=True, slots=True)
class Place:
    """A value of a file; `pointer` are the steps to it from the file's root."""

    value: Any
    file: str
    pointer: tuple[str, ...] = ()

    def child(self, *steps: str) -> Place:
        """What lies below; its value is None where there is nothing."""
        value = self.value
        for step in steps:
            value = _below(value, step)
        return Place(value, self.file, (*self.pointer, *steps))

    @property
    def address(self) -> tuple[str, tuple[str, ...]]:
        """What makes two places the same."""
        return self.file, self.pointer


class OpenApiFiles:
    """The readable files of one bundle (file name → content); each is read when it is first needed."""

    def __init__(self, bundle: Mapping[str, bytes]) -> None:
        """Nothing is read yet."""
        self._bundle = bundle
        self._roots: dict[str, Any] = {}
        self._nodes: dict[str, Node | None] = {}

    def __contains__(self, file: str) -> bool:
        """Whether the bundle has this file."""
        return file in self._bundle

    def root(self, file: str) -> Place:
        """The whole of a file. Raises ContractUnsupported."""
        if file not in self._roots:
            self._roots[file] = self._read(file)
        return Place(self._roots[file], file)

    def refusal(self, place: Place, reason: str) -> ContractUnsupported:
        """The error that names file, line and pointer."""
        line = self._line(place)
        where = place.file if line is None else f"{place.file}:{line}"
        return ContractUnsupported(
            f"{where}: {_written(place.pointer)}: {reason}" if place.pointer else f"{where}: {reason}"
        )

    def _read(self, file: str) -> Any:
        content = self._bundle.get(file)
        if content is None:
            raise ContractUnsupported(f"{file} is not among the contract's files")
        if len(content) > MAX_FILE_BYTES:
            raise ContractUnsupported(
                f"{file} is over {MAX_FILE_BYTES // 1024 // 1024} MB; split it or leave out parts"
            )
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ContractUnsupported(f"{file} is not UTF-8 text") from error
        try:
            return _from_json(text, file) if _is_json(text) else self._from_yaml(text, file)
        except RecursionError as error:
            raise ContractUnsupported(f"{file} is nested too deeply") from error

    def _from_yaml(self, text: str, file: str) -> Any:
        self._nodes[file] = node = _composed(text, file)
        return _Construction(file).value(node) if node is not None else None

    def _line(self, place: Place) -> int | None:
        if place.file not in self._nodes:
            self._nodes[place.file] = self._located_json(place.file)
        node = self._nodes[place.file]
        if node is None:
            return None
        line: int = node.start_mark.line + 1
        for step in place.pointer:
            found = _entry(node, step)
            if found is None:
                break
            line, node = found
        return line

    def _located_json(self, file: str) -> Node | None:
        content = self._bundle.get(file, b"")
        if len(content) > _MAX_LOCATED_BYTES:
            return None
        try:
            return _composed(content.decode("utf-8-sig"), file)
        except (ContractUnsupported, UnicodeDecodeError, RecursionError):
            return None


def beside(file: str, reference: str) -> str:
    """The bundle's name for a file that `file` refers to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), reference))


def _written(pointer: tuple[str, ...]) -> str:
    return "#" + "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in pointer)


def _below(value: Any, step: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(step)
    if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
        return value[int(step)]
    return None


# --- JSON ------------------------------------------------------------------------------------------------


def _is_json(text: str) -> bool:
    """A mapping in braces whose first key is quoted, or that is empty: YAML in braces hardly ever is."""
    return re.match(r'\s*\{\s*["}]', text) is not None


def _from_json(text: str, file: str) -> Any:
    # Not msgspec: only the standard library tells of a key that stands twice, of which any reader takes its own.
    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise ContractUnsupported(f"{file}: the key {twice!r} stands twice in one object")
        return values

    def constant(name: str) -> Any:
        raise ContractUnsupported(f"{file}: {name} is not JSON")

    try:
        return json.loads(text, object_pairs_hook=mapping, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise ContractUnsupported(f"{file}:{error.lineno}: not JSON: {error.msg}") from error
    except ValueError as error:
        raise ContractUnsupported(f"{file}: a number has too many digits") from error


# --- YAML ------------------------------------------------------------------------------------------------


def _composed(text: str, file: str) -> Node | None:
    try:
        node: Node | None = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = file if mark is None else f"{file}:{mark.line + 1}"
        raise ContractUnsupported(f"{where}: not YAML: {error.problem or error.context}") from error
    except YAMLError as error:
        raise ContractUnsupported(f"{file}: not YAML") from error
    return node


def _entry(node: Node, step: str) -> tuple[int, Node] | None:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key.start_mark.line + 1, value
    if isinstance(node, SequenceNode) and step.isdecimal() and int(step) < len(node.value):
        item = node.value[int(step)]
        return item.start_mark.line + 1, item
    return None


class _Construction:
    """Plain values of one file's nodes. What an alias repeats is built once and counted each time."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._built: dict[int, tuple[Any, int]] = {}
        self._open: set[int] = set()

    def value(self, node: Node) -> Any:
        """The value. Raises ContractUnsupported."""
        return self._counted(node)[0]

    def _counted(self, node: Node) -> tuple[Any, int]:
        known = self._built.get(id(node))
        if known is not None:
            return known
        if id(node) in self._open:
            raise self._refusal(node, "an alias contains itself")
        self._open.add(id(node))
        built = self._built[id(node)] = self._construct(node)
        self._open.discard(id(node))
        if built[1] > MAX_VALUES:
            raise self._refusal(node, f"aliases make more than {MAX_VALUES} values of this")
        return built

    def _construct(self, node: Node) -> tuple[Any, int]:
        if isinstance(node, ScalarNode):
            return self._scalar(node), 1
        if node.tag not in _PLAIN_HOLDERS:
            raise self._refusal(node, f"the tag {node.tag!r} is not plain YAML")
        if isinstance(node, SequenceNode):
            items = [self._counted(item) for item in node.value]
            return [value for value, _ in items], 1 + sum(count for _, count in items)
        return self._mapping(node)

    def _mapping(self, node: Node) -> tuple[dict[str, Any], int]:
        values: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        count = 1
        for key, child in node.value:
            value, size = self._counted(child)
            count += size
            if key.tag == _MERGE:
                merged |= self._merged(child, value)
            elif not isinstance(key, ScalarNode):
                raise self._refusal(key, "a key is not text")
            elif key.value in values:
                raise self._refusal(key, f"the key {key.value!r} stands twice")
            else:
                values[key.value] = value
        return {**merged, **values}, count

    def _merged(self, node: Node, value: Any) -> dict[str, Any]:
        parts = value if isinstance(value, list) else [value]
        if not all(isinstance(part, dict) for part in parts):
            raise self._refusal(node, "only mappings can be merged")
        return {name: part[name] for part in reversed(parts) for name in part}

    def _scalar(self, node: ScalarNode) -> Any:
        text: str = node.value
        match node.tag.removeprefix(_TAG) if node.tag in _PLAIN_TAGS else node.tag:
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int" | "float" as kind:
                return self._number(node, text, whole=kind == "int")
            case "str" | "timestamp":  # a date stays what its author wrote
                return text
        raise self._refusal(node, f"the tag {node.tag!r} is not plain YAML")

    def _number(self, node: Node, text: str, *, whole: bool) -> Any:
        try:
            if not whole:
                number = float(text)
                if number - number != 0:
                    raise self._refusal(node, f"{text} is not a number")
                return number
            return int(text, 0) if text.lstrip("+-")[:2].lower() in {"0x", "0o"} else int(text)
        except ValueError as error:
            raise self._refusal(node, f"{text[:40]} is not a number") from error

    def _refusal(self, node: Node, reason: str) -> ContractUnsupported:
        return ContractUnsupported(f"{self._file}:{node.start_mark.line + 1}: {reason}")
