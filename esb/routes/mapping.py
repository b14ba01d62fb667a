"""A route's two mappings as functions: the request into contract values, the agency's answer into reply fields.

Built once at load; `Route` calls them for every message, so what can be decided before is decided here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from esb.routes.closures import Evaluate
from esb.routes.expressions import Expression

Names = tuple[str, ...]
Build = Callable[[Mapping[str, Any]], dict[str, Any]]


def request_builder(fields: Sequence[tuple[Names, Expression]]) -> Build:
    """Contract values, nested along the field paths. A field whose expression gives null is left out."""
    steps = tuple((names[:-1], names[-1], expression.evaluate) for names, expression in fields)

    def build(document: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for parents, leaf, evaluate in steps:
            value = evaluate(document)
            if value is None:
                continue
            target = values
            for name in parents:
                target = target.setdefault(name, {})
            target[leaf] = value
        return values

    return build


def reply_builder(fields: Sequence[tuple[str, Expression]]) -> Build:
    """Every reply field, in the order of the mapping; null where the agency said nothing."""
    names = tuple(name for name, _ in fields)
    groups = _by_parent(fields)
    others = tuple((at, expression.evaluate) for at, (_, expression) in enumerate(fields) if not expression.path)
    empty = [None] * len(names)

    def build(data: Mapping[str, Any]) -> dict[str, Any]:
        values: list[Any] = empty.copy()
        # Fields of one parent share the way to it: that halves the cost of a reply of fifty fields.
        for parent, leaves in groups:
            node = parent(data)
            if type(node) is dict:
                get = node.get
                for at, leaf in leaves:
                    values[at] = get(leaf)
        for at, evaluate in others:
            values[at] = evaluate(data)
        return dict(zip(names, values, strict=True))

    return build


Leaves = tuple[tuple[int, str], ...]


def _by_parent(fields: Sequence[tuple[str, Expression]]) -> tuple[tuple[Evaluate, Leaves], ...]:
    grouped: dict[Names, list[tuple[int, str]]] = {}
    for at, (_, expression) in enumerate(fields):
        if expression.path:
            grouped.setdefault(expression.path[:-1], []).append((at, expression.path[-1]))
    return tuple((_walk(parent), tuple(leaves)) for parent, leaves in grouped.items())


def _walk(path: Names) -> Evaluate:
    def walk(node: Any) -> Any:
        for name in path:
            if type(node) is not dict:
                return None
            node = node.get(name)
        return node

    return walk
