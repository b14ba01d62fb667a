"""Differences between two JSON Schemas without references, as those of OpenAPI contracts are compiled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from adapters.differences.changes import Changes, Direction, Effect, Shift, shift_of_limit, told
from adapters.identifiers import kinds

Schema = Mapping[str, Any]

_LIMITS: Final = (
    ("minLength", False),
    ("maxLength", True),
    ("minimum", False),
    ("maximum", True),
    ("exclusiveMinimum", False),
    ("exclusiveMaximum", True),
    ("minItems", False),
    ("maxItems", True),
    ("minProperties", False),
    ("maxProperties", True),
)
_RULES: Final = ("pattern", "format", "multipleOf", "const", "contentEncoding")
_WORDS: Final = ("title", "description", "example", "examples", "deprecated")
_ALTERNATIVES: Final = ("anyOf", "oneOf")
_MAX_DEPTH: Final = 40


class JsonSchemas:
    """Compares into one list of changes."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes

    def compare(self, old: Schema, new: Schema, path: str, direction: Direction, depth: int = 0) -> None:
        """Everything that differs between the two."""
        if old == new or depth > _MAX_DEPTH:
            return
        self._kinds(old, new, path, direction)
        self._rules(old, new, path, direction)
        self._properties(old, new, path, direction, depth)
        self._alternatives(old, new, path, direction, depth)
        before, after = old.get("items"), new.get("items")
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            self.compare(before, after, f"{path}[]", direction, depth + 1)
        if any(old.get(word) != new.get(word) for word in _WORDS):
            self._changes.add(Shift.NEITHER, direction, path, "documentation")

    def _kinds(self, old: Schema, new: Schema, path: str, direction: Direction) -> None:
        before, after = _types(old), _types(new)
        if before == after:
            return
        wider = not after or (bool(before) and before < after)
        narrower = not before or (bool(after) and after < before)
        shift = Shift.WIDER if wider else Shift.NARROWER if narrower else Shift.OTHER
        self._changes.add(shift, direction, path, f"type {told(_written(before), _written(after))}")

    def _rules(self, old: Schema, new: Schema, path: str, direction: Direction) -> None:
        for name, upper in _LIMITS:
            before, after = old.get(name), new.get(name)
            if before != after:
                shift = shift_of_limit(before, after, upper=upper)
                self._changes.add(shift, direction, path, f"{name} {told(before, after)}")
        for name in _RULES:
            before, after = old.get(name), new.get(name)
            if before != after:
                shift = Shift.NARROWER if before is None else Shift.WIDER if after is None else Shift.OTHER
                self._changes.add(shift, direction, path, f"{name} {told(before, after)}")
        self._values(old.get("enum"), new.get("enum"), path, direction)

    def _values(self, old: Any, new: Any, path: str, direction: Direction) -> None:
        if old == new:
            return
        if old is None or new is None:
            shift = Shift.NARROWER if old is None else Shift.WIDER
            self._changes.add(shift, direction, path, f"values {told(old, new)}")
            return
        for value in [each for each in new if each not in old]:
            self._changes.add(Shift.WIDER, direction, path, f"value {value!r} added")
        for value in [each for each in old if each not in new]:
            self._changes.add(Shift.NARROWER, direction, path, f"value {value!r} removed")

    def _properties(self, old: Schema, new: Schema, path: str, direction: Direction, depth: int) -> None:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed, needs = set(old.get("required", ())), set(new.get("required", ()))
        for name, part in after.items():
            place = f"{path}/{name}"
            if name not in before:
                breaks = name in needs and direction is not Direction.REPLY
                what = "added, required" if name in needs else "added, optional"
                self._changes.say(Effect.BREAKING if breaks else Effect.COMPATIBLE, direction, place, what)
                continue
            if (name in needs) is not (name in needed):
                shift = Shift.NARROWER if name in needs else Shift.WIDER
                what = "required now" if name in needs else "may be missing now"
                self._changes.add(shift, direction, place, what)
            if isinstance(part, Mapping) and isinstance(before[name], Mapping):
                self.compare(before[name], part, place, direction, depth + 1)
        for name in before:
            if name not in after:
                self._changes.add(Shift.OTHER, direction, f"{path}/{name}", "removed")
        closed, closes = old.get("additionalProperties") is False, new.get("additionalProperties") is False
        if closed is not closes:
            shift = Shift.NARROWER if closes else Shift.WIDER
            self._changes.add(shift, direction, path, "closed to other fields" if closes else "open to other fields")

    def _alternatives(self, old: Schema, new: Schema, path: str, direction: Direction, depth: int) -> None:
        for word in (*_ALTERNATIVES, "allOf"):
            before, after = list(old.get(word, ())), list(new.get(word, ()))
            if len(before) == len(after):
                for one, other in zip(before, after, strict=True):
                    self.compare(one, other, path, direction, depth + 1)
            elif not before or not after or word == "allOf":
                self._changes.add(Shift.OTHER, direction, path, f"{word} of {told(len(before), len(after))}")
            else:
                shift = Shift.WIDER if len(after) > len(before) else Shift.NARROWER
                self._changes.add(shift, direction, path, f"{word} of {told(len(before), len(after))}")


def _types(schema: Schema) -> frozenset[str]:
    named = schema.get("type", ())
    own = {named} if isinstance(named, str) else set(named)
    return frozenset(own) | kinds(schema) if own else frozenset()


def _written(types: frozenset[str]) -> str | None:
    return " or ".join(sorted(types)) or None
