"""Reads children in the order of the contract, where the name of a child alone does not say where it belongs.

Used by `decoder` for types that need it. A content model is deterministic (XSD part 1, 3.8.6: Unique Particle
Attribution), so the next child always tells which way to go, without looking ahead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from esb.contracts.layout import Columns, Foreign, Layout, Lists, Node, Place, Rounds, Run
from esb.contracts.names import split
from esb.contracts.shapes import ElementShape, Order, Processing, Wildcard
from security.xml import Element

ReadLeaf = Callable[[Element], Any]
Walk = Callable[[Sequence[Element], int], tuple[dict[str, Any], int]]
"""From children and a position to plain data and the position of the first child that was not taken."""

_Step = Callable[[Sequence[Element], int, dict[str, Any]], int]


def compile_walk(
    layout: Layout,
    read_element: Callable[[ElementShape], ReadLeaf],
    read_foreign: Callable[[Processing], ReadLeaf],
) -> Walk:
    """The walk over one type's children."""
    compiler = _Compiler(read_element, read_foreign)
    return compiler.walk(layout)


@dataclass(frozen=True, slots=True)
class _First:
    """What a node can begin with. `empty`: it can be left out."""

    tags: frozenset[str]
    wildcards: tuple[Wildcard, ...]
    empty: bool

    def fits(self, child: Element) -> bool:
        tag = str(child.tag)
        return tag in self.tags or any(wildcard.admits(split(tag)[0]) for wildcard in self.wildcards)


class _Compiler:
    def __init__(
        self, read_element: Callable[[ElementShape], ReadLeaf], read_foreign: Callable[[Processing], ReadLeaf]
    ) -> None:
        self._read_element = read_element
        self._read_foreign = read_foreign

    def walk(self, layout: Layout) -> Walk:
        step = self._step(layout.node, layout)
        repeated = [key for key, place in layout.places.items() if place.repeated]
        items = list(layout.rounds)

        def walk(children: Sequence[Element], start: int) -> tuple[dict[str, Any], int]:
            values: dict[str, Any] = {key: [] for key in (*repeated, *items)}
            return values, step(children, start, values)

        return walk

    def _step(self, node: Node, layout: Layout) -> _Step:  # noqa: PLR0911 - one answer for each kind of node
        match node:
            case Place():
                return self._place(node)
            case Foreign():
                return self._one_foreign(node, layout)
            case Run(order=Order.SEQUENCE):
                return _in_turn([self._step(member, layout) for member in node.members])
            case Run():
                branches = [(_first(member), self._step(member, layout)) for member in node.members]
                return _any_order(branches) if node.order is Order.ALL else _one_of(branches)
            case Columns():
                steps = [self._one(place) for place in node.places]
                return _while(_first(node), _in_turn(steps), node.maximum)
            case Lists():
                return self._lists(node, layout)
            case Rounds():
                return self._rounds(node)

    def _place(self, place: Place) -> _Step:
        if not place.repeated:
            return self._one(place)
        return _while(_first(place), self._one(place), place.element.maximum)

    def _one(self, place: Place) -> _Step:
        key, tag, read, repeated = place.key, place.element.tag, self._read_element(place.element), place.repeated

        def step(children: Sequence[Element], at: int, values: dict[str, Any]) -> int:
            if at >= len(children) or children[at].tag != tag:
                return at
            if repeated:
                values[key].append(read(children[at]))
            else:
                values[key] = read(children[at])
            return at + 1

        return step

    def _one_foreign(self, foreign: Foreign, layout: Layout) -> _Step:
        first, read, key_of = _first(foreign), self._read_foreign(foreign.wildcard.processing), _keys(foreign, layout)

        def step(children: Sequence[Element], at: int, values: dict[str, Any]) -> int:
            if at >= len(children) or not first.fits(children[at]):
                return at
            values[key_of(children[at])] = read(children[at])
            return at + 1

        return step

    def _lists(self, node: Lists, layout: Layout) -> _Step:
        taken = self._taker(node, layout)
        most = node.maximum if all(_single(member) for member in node.members) else None

        def step(children: Sequence[Element], at: int, values: dict[str, Any]) -> int:
            order: list[tuple[int, str]] = []
            while at < len(children) and (most is None or len(order) < most):
                found = taken(children[at])
                if found is None:
                    break
                rank, key, value = found
                values.setdefault(key, []).append(value)
                order.append((rank, key))
                at += 1
            # Without the key, the encoder goes name by name.
            if order != sorted(order):
                values[node.order] = [key for _, key in order]
            return at

        return step

    def _taker(self, node: Lists, layout: Layout) -> Callable[[Element], tuple[int, str, Any] | None]:
        """Reads a child of a repeated choice: its place among the members, its key, its value."""
        places: dict[str, tuple[int, str, ReadLeaf]] = {}
        wild: list[tuple[int, _First, Callable[[Element], str], ReadLeaf]] = []
        for rank, member in enumerate(node.members):
            if isinstance(member, Place):
                places[member.element.tag] = rank, member.key, self._read_element(member.element)
            else:
                read = self._read_foreign(member.wildcard.processing)
                wild.append((len(node.members) + rank, _first(member), _keys(member, layout), read))

        def taken(child: Element) -> tuple[int, str, Any] | None:
            known = places.get(str(child.tag))
            if known is not None:
                return known[0], known[1], known[2](child)
            fitting = ((rank, key_of(child), read(child)) for rank, first, key_of, read in wild if first.fits(child))
            return next(fitting, None)

        return taken

    def _rounds(self, node: Rounds) -> _Step:
        walk, first, key, most = self.walk(node.scope), _first(node), node.key, node.maximum

        def step(children: Sequence[Element], at: int, values: dict[str, Any]) -> int:
            found = values[key]
            while at < len(children) and first.fits(children[at]) and (most is None or len(found) < most):
                item, reached = walk(children, at)
                if reached == at:
                    break
                found.append(item)
                at = reached
            return at

        return step


def _in_turn(steps: list[_Step]) -> _Step:
    def step(children: Sequence[Element], at: int, values: dict[str, Any]) -> int:
        for each in steps:
            at = each(children, at, values)
        return at

    return step


def _one_of(branches: list[tuple[_First, _Step]]) -> _Step:
    def step(children: Sequence[Element], at: int, values: dict[str, Any]) -> int:
        if at < len(children):
            for first, each in branches:
                if first.fits(children[at]):
                    return each(children, at, values)
        return at

    return step


def _any_order(branches: list[tuple[_First, _Step]]) -> _Step:
    one = _one_of(branches)

    def step(children: Sequence[Element], at: int, values: dict[str, Any]) -> int:
        while (reached := one(children, at, values)) > at:
            at = reached
        return at

    return step


def _while(first: _First, each: _Step, most: int | None) -> _Step:
    def step(children: Sequence[Element], at: int, values: dict[str, Any]) -> int:
        rounds = 0
        while at < len(children) and first.fits(children[at]) and (most is None or rounds < most):
            reached = each(children, at, values)
            if reached == at:
                break
            at = reached
            rounds += 1
        return at

    return step


def _keys(foreign: Foreign, layout: Layout) -> Callable[[Element], str]:
    declared, suffix = layout.declared, foreign.suffix

    def key_of(child: Element) -> str:
        tag = str(child.tag)
        # Data of an unqualified stranger must not pass for an element of the contract.
        return (f"{{}}{tag}" if tag in declared else tag) + suffix

    return key_of


def _single(member: Place | Foreign) -> bool:
    return (member.element if isinstance(member, Place) else member.wildcard).maximum == 1


def _first(node: Node) -> _First:  # noqa: PLR0911 - one answer for each kind of node
    match node:
        case Place():
            return _First(frozenset({node.element.tag}), (), not node.element.minimum)
        case Foreign():
            return _First(frozenset(), (node.wildcard,), not node.wildcard.minimum)
        case Columns():
            return _First(frozenset({node.places[0].element.tag}), (), not node.minimum)
        case Lists():
            return _either([_first(member) for member in node.members], empty=not node.minimum)
        case Rounds():
            inner = _first(node.scope.node)
            return _First(inner.tags, inner.wildcards, inner.empty or not node.minimum)
        case Run(order=Order.SEQUENCE):
            return _first_of_sequence(node)
        case Run():
            return _either([_first(member) for member in node.members], empty=node.optional)


def _either(parts: list[_First], *, empty: bool) -> _First:
    return _First(
        frozenset().union(*(part.tags for part in parts)),
        tuple(wildcard for part in parts for wildcard in part.wildcards),
        empty or any(part.empty for part in parts),
    )


def _first_of_sequence(run: Run) -> _First:
    tags: frozenset[str] = frozenset()
    wildcards: tuple[Wildcard, ...] = ()
    for part in map(_first, run.members):
        tags |= part.tags
        wildcards += part.wildcards
        if not part.empty:
            return _First(tags, wildcards, run.optional)
    return _First(tags, wildcards, empty=True)
