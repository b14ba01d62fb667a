"""A route's two mappings as functions: the request into contract values, the agency's answer into reply fields.

Built once at load; `Route` calls them for every message, so what can be decided before is decided here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from esb.routes.closures import Evaluate
from esb.routes.expressions import Expression

Names = tuple[str, ...]
Build = Callable[[Mapping[str, Any]], dict[str, Any]]


def request_builder(fields: Sequence[tuple[Names, Expression]]) -> Build:
    """Contract values, nested along the field paths. What gives null is left out; `nils` adds what must be there."""
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
    runs = tuple(_runs(fields))

    def build(data: Mapping[str, Any]) -> dict[str, Any]:
        values: list[Any] = []
        for values_of in runs:
            values += values_of(data)
        return dict(zip(names, values, strict=True))

    return build


Run = Callable[[Mapping[str, Any]], Iterable[Any]]


def _runs(fields: Sequence[tuple[str, Expression]]) -> Iterator[Run]:
    """Neighbouring fields of one parent share the way to it, and are then read without a Python call each."""
    for parent, group in itertools.groupby(fields, key=lambda field: field[1].path and field[1].path[:-1]):
        expressions = [expression for _, expression in group]
        if parent is None:
            yield from (_alone(expression.evaluate) for expression in expressions)
        else:
            yield _together(parent, tuple(expression.path[-1] for expression in expressions if expression.path))


def _alone(evaluate: Evaluate) -> Run:
    return lambda data: (evaluate(data),)


def _together(parent: Names, leaves: Names) -> Run:
    nothing = (None,) * len(leaves)

    def run(data: Mapping[str, Any]) -> Iterable[Any]:
        node: Any = data
        for name in parent:
            node = node.get(name) if type(node) is dict else None
        return map(node.get, leaves) if type(node) is dict else nothing

    return run
