"""The parts of an encoder that know how elements follow one another, and where a value was wrong.

Used by `encoder` only. A particle writer takes from a mapping what belongs to it; nothing here knows about tags,
namespaces or types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from esb.contracts.shapes import ElementShape, GroupShape, Order
from esb.errors import ContractViolation

Output = list[str]
WriteElement = Callable[[Any, Output], None]
WriteParticle = Callable[[Mapping[str, Any], Output], int]
"""Writes what the mapping has for one particle; answers how many of its keys were used."""


def flattened(group: GroupShape) -> list[ElementShape | GroupShape]:
    """Members, with plain sequences inside a sequence (every extension makes one) dissolved."""
    members: list[ElementShape | GroupShape] = []
    for member in group.members:
        if isinstance(member, GroupShape) and member.order is Order.SEQUENCE and member.minimum == 1 == member.maximum:
            members += flattened(member)
        else:
            members.append(member)
    return members


def names(member: ElementShape | GroupShape) -> frozenset[str]:
    """Every key that the particle can use."""
    return member.names if isinstance(member, GroupShape) else frozenset({member.name})


def needed(member: ElementShape | GroupShape) -> frozenset[str]:
    """Names without which a branch of a choice cannot be written."""
    if not member.minimum:
        return frozenset()
    if isinstance(member, ElementShape):
        return frozenset({member.name})
    parts = [needed(part) for part in member.members]
    if member.order is Order.CHOICE:
        return frozenset.intersection(*parts) if parts else frozenset()
    return frozenset().union(*parts)


def nothing(values: Mapping[str, Any], output: Output) -> int:  # noqa: ARG001 - the signature of a particle
    """Empty content."""
    return 0


def in_turn(writers: list[WriteParticle]) -> WriteParticle:
    """One particle after the other."""
    return lambda values, output: sum([write(values, output) for write in writers])


def if_any(write: WriteParticle, known: frozenset[str]) -> WriteParticle:
    """An optional group: left out when none of its keys is given."""
    return lambda values, output: 0 if known.isdisjoint(values) else write(values, output)


def one_of(
    branches: list[tuple[frozenset[str], frozenset[str], WriteParticle]], known: frozenset[str], *, optional: bool
) -> WriteParticle:
    """A choice; each branch comes with its possible and its needed names."""
    optional = optional or any(not needed_names for _, needed_names, _ in branches)
    expected = ", ".join(sorted(known))

    def write(values: Mapping[str, Any], output: Output) -> int:
        present = known & values.keys()
        if not present:
            if optional:
                return 0
            raise ContractViolation(f"one of {expected} is required")
        fitting = [branch for branch in branches if present <= branch[0]]
        if not fitting:
            raise ContractViolation(f"only one of {expected} may be given")
        # Two branches may share names; the one whose needed elements are all there is meant.
        _, _, write_branch = next((branch for branch in fitting if branch[1] <= present), fitting[0])
        return write_branch(values, output)

    return write


def each(write: WriteElement, minimum: int) -> WriteElement:
    """A repeated element, from a list. More than the contract allows is left to the validator."""

    def write_each(value: Any, output: Output) -> None:
        if len(_list(value)) < minimum:
            raise ContractViolation(f"needs at least {minimum}")
        for position, item in enumerate(value, 1):
            try:
                write(item, output)
            except ContractViolation as violation:
                raise at(position, len(value), violation) from violation

    return write_each


def lists(members: list[tuple[str, WriteElement]], minimum: int) -> WriteParticle:
    """A repeated choice: each member is a list, written name by name."""
    writers = [(name, each(write, 0)) for name, write in members]
    expected = ", ".join(name for name, _ in members)

    def write(values: Mapping[str, Any], output: Output) -> int:
        used = total = 0
        for name, write_each in writers:
            if name in values:
                used += 1
                try:
                    write_each(values[name], output)
                except ContractViolation as violation:
                    raise below(name, violation) from violation
                total += len(values[name])
        if total < minimum:
            raise ContractViolation(f"at least {minimum} of {expected} required")
        return used

    return write


def rounds(members: list[tuple[str, WriteElement]], minimum: int) -> WriteParticle:
    """A repeated sequence: lists of equal length, written round by round."""
    keys = [name for name, _ in members]

    def write(values: Mapping[str, Any], output: Output) -> int:
        columns = [_list(values.get(name, ())) for name in keys]
        if len({len(column) for column in columns}) != 1 or len(columns[0]) < minimum:
            raise ContractViolation(f"{', '.join(keys)} go together, at least {minimum} of each")
        for position, row in enumerate(zip(*columns, strict=True), 1):
            for (name, write_element), value in zip(members, row, strict=True):
                try:
                    write_element(value, output)
                except ContractViolation as violation:
                    raise below(name, at(position, len(columns[0]), violation)) from violation
        return sum(name in values for name in keys)

    return write


def _list(value: Any) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ContractViolation("must be a list")
    return value


def below(key: str, violation: ContractViolation) -> ContractViolation:
    """The same violation, seen from one element further up."""
    inner = violation.path
    if not inner:
        return ContractViolation(violation.reason, path=key)
    return ContractViolation(violation.reason, path=key + inner if inner.startswith("[") else f"{key}/{inner}")


def at(position: int, length: int, violation: ContractViolation) -> ContractViolation:
    """The same violation, of one item of a list; counts from 1 as XPath does, and only where there are several."""
    if length == 1:
        return violation
    return ContractViolation(violation.reason, path=f"[{position}]" + (f"/{violation.path}" if violation.path else ""))
