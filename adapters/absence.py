"""The ways in which an agency says "no such record" with an answer of success, and whether one is meant.

Called by the operations on validated data; which ways count is the manifest's `not_found.answer`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final


class _Nothing:
    """Stands for an answer without any body."""


NOTHING: Final = _Nothing()


def says_absent(document: Any, ways: Sequence[str]) -> bool:
    """Whether a document (or NOTHING) is one of these ways of saying that there is no record."""
    return any(_WAYS[way](document) for way in ways)


def _is_all_null(document: Any) -> bool:
    """An object, not empty, with nothing but nulls in it, at whatever depth."""
    return isinstance(document, Mapping) and bool(document) and all(map(_is_null, document.values()))


def _is_null(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(map(_is_null, value.values()))
    return value is None or value == []


_WAYS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "empty-body": lambda document: document is NOTHING,
    "null-body": lambda document: document is None,
    "empty-list": lambda document: document == [],
    "empty-object": lambda document: document == {},
    "all-null": _is_all_null,
}
"""By the names of `manifest_answers.ABSENCES`."""
