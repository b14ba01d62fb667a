"""Differences between two simple types of XSD: kind, facets, lists and unions."""

from __future__ import annotations

from typing import Final

from adapters.differences.changes import Changes, Direction, Shift, shift_of_limit, told
from esb.contracts.shapes import Bounds, Kind, SimpleShape

_LIMITS: Final = (
    ("min_length", "minLength", False),
    ("max_length", "maxLength", True),
    ("minimum", "minInclusive", False),
    ("above", "minExclusive", False),
    ("maximum", "maxInclusive", True),
    ("below", "maxExclusive", True),
    ("total_digits", "totalDigits", True),
    ("fraction_digits", "fractionDigits", True),
)


class SimpleTypes:
    """Compares into one list of changes."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def compare(self, old: SimpleShape, new: SimpleShape, path: str, direction: Direction) -> None:
        """Everything that differs between the two."""
        if old.kind is not new.kind or bool(old.members) != bool(new.members):
            self._changes.add(Shift.OTHER, direction, path, f"type {told(_name(old), _name(new))}")
            return
        if old.builtin != new.builtin:
            self._changes.add(_shift_of_builtin(old, new), direction, path, f"type {told(old.builtin, new.builtin)}")
        self._enumeration(old.bounds, new.bounds, path, direction)
        self._patterns(old.bounds, new.bounds, path, direction)
        for field, facet, upper in _LIMITS:
            before, after = getattr(old.bounds, field), getattr(new.bounds, field)
            if before != after:
                shift = shift_of_limit(before, after, upper=upper)
                self._changes.add(shift, direction, path, f"{facet} {told(before, after)}")
        if old.item is not None and new.item is not None:
            self.compare(old.item, new.item, f"{path}[]", direction)
        self._members(old, new, path, direction)

    def _enumeration(self, old: Bounds, new: Bounds, path: str, direction: Direction) -> None:
        before, after = old.enumeration, new.enumeration
        if before is None or after is None:
            if before is not after:
                shift = Shift.NARROWER if before is None else Shift.WIDER
                self._changes.add(shift, direction, path, f"values {told(_listed(before), _listed(after))}")
            return
        for value in sorted(set(after) - set(before)):
            self._changes.add(Shift.WIDER, direction, path, f"value {value!r} added")
        for value in sorted(set(before) - set(after)):
            self._changes.add(Shift.NARROWER, direction, path, f"value {value!r} removed")

    def _patterns(self, old: Bounds, new: Bounds, path: str, direction: Direction) -> None:
        before, after = set(old.patterns), set(new.patterns)
        if before == after:
            return
        shift = Shift.NARROWER if before < after else Shift.WIDER if after < before else Shift.OTHER
        self._changes.add(shift, direction, path, f"pattern {told(_pattern(old), _pattern(new))}")

    def _members(self, old: SimpleShape, new: SimpleShape, path: str, direction: Direction) -> None:
        if len(old.members) != len(new.members):
            shift = Shift.WIDER if len(new.members) > len(old.members) else Shift.NARROWER
            what = f"union of {told(len(old.members), len(new.members))} types"
            self._changes.add(shift, direction, path, what)
            return
        for before, after in zip(old.members, new.members, strict=True):
            self.compare(before, after, path, direction)


def _shift_of_builtin(old: SimpleShape, new: SimpleShape) -> Shift:
    if old.kind is Kind.INTEGER:
        return Shift.NEITHER  # int, long and the others differ in their limits, which are told by themselves
    if old.kind is Kind.TEXT and "string" in {old.builtin, new.builtin}:
        return Shift.NARROWER if old.builtin == "string" else Shift.WIDER
    if {old.builtin, new.builtin} == {"float", "double"}:
        return Shift.WIDER if new.builtin == "double" else Shift.NARROWER
    return Shift.OTHER


def _name(shape: SimpleShape) -> str:
    return "union" if shape.members else "list" if shape.kind is Kind.LIST else shape.builtin


def _listed(values: tuple[str, ...] | None) -> str | None:
    return None if values is None else ", ".join(values)


def _pattern(bounds: Bounds) -> str | None:
    return " and ".join("|".join(step) for step in bounds.patterns) or None
