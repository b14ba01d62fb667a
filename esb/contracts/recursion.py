"""Which types of an element lead back into themselves.

Used by the JSON Schema writer, which has to refer to these, and by nothing on the path of a message.
"""

from __future__ import annotations

from esb.contracts.shapes import ComplexShape, ElementShape, elements_of


def recursive_types(root: ElementShape) -> frozenset[int]:
    """The ids of every type that contains itself, and of some that stand between two such types."""
    inner = _contained(root)
    remaining = _without_ends(inner)
    outer: dict[int, set[int]] = {shape: set() for shape in remaining}
    for shape in remaining:
        for contained in inner[shape] & remaining:
            outer[contained].add(shape)
    return frozenset(_without_ends(outer))


def _contained(root: ElementShape) -> dict[int, set[int]]:
    """Which types each type holds directly."""
    inner: dict[int, set[int]] = {}
    waiting = _types_of(root)
    while waiting:
        shape = waiting.pop()
        if id(shape) in inner:
            continue
        children = [] if shape.content is None else list(elements_of(shape.content))
        held = [each for child in children for each in _types_of(child)]
        inner[id(shape)] = {id(each) for each in held}
        waiting += held
    return inner


def _types_of(element: ElementShape) -> list[ComplexShape]:
    if isinstance(element.type, ComplexShape) and element.type.anything:
        return []
    return [shape for shape in (element.type, *element.choices.values()) if isinstance(shape, ComplexShape)]


def _without_ends(edges: dict[int, set[int]]) -> set[int]:
    """The nodes that remain when those without an edge to another remaining one are taken away, again and again."""
    into: dict[int, list[int]] = {}
    count = {node: len(targets) for node, targets in edges.items()}
    for node, targets in edges.items():
        for target in targets:
            into.setdefault(target, []).append(node)
    ends = [node for node, number in count.items() if number == 0]
    remaining = set(edges)
    while ends:
        node = ends.pop()
        remaining.discard(node)
        for source in into.get(node, ()):
            count[source] -= 1
            if count[source] == 0:
                ends.append(source)
    return remaining
