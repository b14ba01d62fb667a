"""One change of a contract, and what kinds of change mean in which direction."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

import msgspec


class Direction(enum.StrEnum):
    """Which way a document travels, from where the bus stands. BOTH: the contract does not say."""

    REQUEST = "request"
    REPLY = "reply"
    BOTH = "both"


class Effect(enum.StrEnum):
    """Whom a change touches: who keeps to the old contract fails, need not care, or sees no difference at all."""

    BREAKING = "breaking"
    COMPATIBLE = "compatible"
    COSMETIC = "cosmetic"


class Shift(enum.Enum):
    """How the set of valid documents changes."""

    NARROWER = enum.auto()
    WIDER = enum.auto()
    OTHER = enum.auto()
    NEITHER = enum.auto()


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """`path`: elements with `/` between, from the operation or the message; `what`: `maxLength 7 → 6`."""

    effect: Effect
    direction: Direction
    path: str
    what: str

    def __str__(self) -> str:
        """`breaking request GetPersonByPin/Pin: maxLength 7 → 6`."""
        return f"{self.effect:10} {self.direction:7} {self.path}: {self.what}"


_BREAKING: Final[Mapping[Direction, frozenset[Shift]]] = {
    Direction.REQUEST: frozenset({Shift.NARROWER, Shift.OTHER}),
    Direction.REPLY: frozenset({Shift.WIDER, Shift.OTHER}),
    Direction.BOTH: frozenset({Shift.NARROWER, Shift.WIDER, Shift.OTHER}),
}


class Changes:
    """Changes as they are found; the same one is kept once."""

    def __init__(self) -> None:
        self._found: dict[Change, None] = {}

    def add(self, shift: Shift, direction: Direction, path: str, what: str) -> None:
        """One change, by what it does to the documents."""
        effect = Effect.BREAKING if shift in _BREAKING[direction] else Effect.COMPATIBLE
        if shift is Shift.NEITHER:
            effect = Effect.COSMETIC
        self.say(effect, direction, path, what)

    def say(self, effect: Effect, direction: Direction, path: str, what: str) -> None:
        """One change whose effect is known."""
        self._found.setdefault(Change(effect=effect, direction=direction, path=path, what=what))

    def __len__(self) -> int:
        """How many there are so far."""
        return len(self._found)

    def all(self) -> tuple[Change, ...]:
        """Breaking ones first, each kind in the order of the contract."""
        return tuple(sorted(self._found, key=lambda change: list(Effect).index(change.effect)))


def shift_of_limit(old: object, new: object, *, upper: bool) -> Shift:
    """What a limit does that was moved, set (None before) or taken away (None after)."""
    if old is None or new is None:
        return Shift.NARROWER if old is None else Shift.WIDER
    try:
        grew = bool(new > old)  # type: ignore[operator]  # limits of one kind; others are told apart below
    except TypeError:
        return Shift.OTHER
    return Shift.WIDER if grew is upper else Shift.NARROWER


def told(old: object, new: object) -> str:
    """`7 → 6`, `none → 6`."""
    return f"{_word(old)} → {_word(new)}"


def _word(value: object) -> str:
    return "none" if value is None else str(value)
