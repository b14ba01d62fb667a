"""The ways in which a simulated agency can be told to misbehave, and which of them hold for the next call.

Read by the simulator's server for every call; written by the command line and by the control endpoint. Decides
only *what* goes wrong: the dialects and the server make it go wrong on the wire.
"""

from __future__ import annotations

import difflib
import enum
import random
from collections.abc import Iterable
from typing import Any

import msgspec

from esb.errors import SettingInvalid


class Kind(enum.StrEnum):
    """One way to misbehave; the value is its name on the command line."""

    SLOW = "slow"
    HANG = "hang"
    CUT = "cut"
    REFUSE = "refuse"
    STATUS = "status"
    GARBAGE = "garbage"
    HTML = "html"
    UNSIGNED = "unsigned"
    SIGN_WRONG = "sign-wrong"
    SIGN_OTHER_BODY = "sign-other-body"
    STALE = "stale"
    REPLAY_PREVIOUS = "replay-previous"
    BREAK_CONTRACT = "break-contract"
    WRONG_NAMESPACE = "wrong-namespace"
    OVERSIZE = "oversize"
    DTD = "dtd"
    EXPIRED_CERTIFICATE = "expired-certificate"


FAIL_FIRST = "fail-first"
"""Shorthand: `fail-first=N` is `status=503,next=N`."""

XML_ONLY = frozenset({Kind.WRONG_NAMESPACE, Kind.DTD, Kind.EXPIRED_CERTIFICATE})
"""What a JSON agency cannot do: no namespaces, no DTD, no certificate inside the message."""

_AMOUNTS = {Kind.SLOW: "milliseconds", Kind.STATUS: "an HTTP status", Kind.OVERSIZE: "megabytes"}


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """One misbehaviour and when it holds.

    `amount`: milliseconds for `slow`, the code for `status`, megabytes for `oversize`. `key`: only calls about this
    key. `next`: only so many further calls that it would hold for. `probability` with `seed`: only some of the calls,
    the same ones in every run.
    """

    kind: Kind
    amount: int | None = None
    key: str | None = None
    next: int | None = None
    probability: float | None = None
    seed: int = 0


def parse(text: str) -> Behaviour:
    """A behaviour from `kind[=amount][,key=…][,next=N][,p=0.3][,seed=7]`.

    Raises:
        SettingInvalid: an unknown name (with the likely one), or a value that is missing or out of range.
    """
    head, *options = text.split(",")
    name, _, amount = head.strip().partition("=")
    values = dict(_option(option, text) for option in options)
    if name == FAIL_FIRST:
        values["next"] = _number(amount, name)
        name, amount = Kind.STATUS, "503"
    values["kind"] = _kind(name)
    values["amount"] = _number(amount, name) if amount else None
    behaviour = msgspec.convert(values, Behaviour)
    _refuse_unusable(behaviour)
    return behaviour


class Conduct:
    """The behaviours that are switched on in one simulated agency. Used from one event loop only."""

    def __init__(self, behaviours: Iterable[Behaviour] = ()) -> None:
        """Start with `behaviours`, in the order in which they were given."""
        self._active: list[_Active] = []
        self.add(behaviours)

    def add(self, behaviours: Iterable[Behaviour]) -> None:
        """Switch on more; those already on stay on."""
        self._active += [_Active(behaviour) for behaviour in behaviours]

    def clear(self) -> None:
        """Behave well again."""
        self._active.clear()

    @property
    def active(self) -> tuple[Behaviour, ...]:
        """What is on now, with the calls still to come in `next`."""
        return tuple(active.now() for active in self._active)

    @property
    def refuses(self) -> bool:
        """True when no connection is to be accepted; holds for all calls, since no key is known before one."""
        return any(active.behaviour.kind is Kind.REFUSE for active in self._active)

    def choose(self, key: str | None) -> dict[Kind, int]:
        """What goes wrong in this call about `key`, with the amounts; counts the call for `next`."""
        if not self._active:
            return {}
        chosen = {active.behaviour.kind: active.behaviour.amount or 0 for active in self._active if active.holds(key)}
        self._active = [active for active in self._active if not active.used_up]
        return chosen


class _Active:
    """One behaviour with its count-down and its own random sequence."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self._left = behaviour.next
        self._random = random.Random(behaviour.seed)  # noqa: S311 - repeatable on purpose, protects nothing

    @property
    def used_up(self) -> bool:
        return self._left == 0

    def now(self) -> Behaviour:
        return msgspec.structs.replace(self.behaviour, next=self._left)

    def holds(self, key: str | None) -> bool:
        if self.behaviour.key not in (None, key):
            return False
        if self.behaviour.probability is not None and self._random.random() >= self.behaviour.probability:
            return False
        if self._left is not None:
            self._left -= 1
        return True


def _kind(name: str) -> Kind:
    try:
        return Kind(name)
    except ValueError as error:
        near = difflib.get_close_matches(name, [*Kind, FAIL_FIRST], n=1)
        hint = f" (did you mean {str(near[0])!r}?)" if near else ""
        raise SettingInvalid(f"unknown behaviour {name!r}{hint}") from error


def _option(option: str, text: str) -> tuple[str, Any]:
    name, _, value = option.strip().partition("=")
    match name:
        case "key":
            return "key", value
        case "next" | "seed":
            return name, _number(value, name)
        case "p":
            return "probability", _share(value)
    raise SettingInvalid(f"unknown option {name!r} in behaviour {text!r}: use key, next, p or seed")


def _number(value: str, name: str) -> int:
    if not value.isascii() or not value.isdigit():
        raise SettingInvalid(f"behaviour {name!r} needs a whole number, as in {name}=3")
    return int(value)


def _share(value: str) -> float:
    try:
        share = float(value)
    except ValueError as error:
        raise SettingInvalid("p needs a number between 0 and 1, as in p=0.3") from error
    return share


def _refuse_unusable(behaviour: Behaviour) -> None:
    kind = behaviour.kind
    if kind in _AMOUNTS and behaviour.amount is None:
        raise SettingInvalid(f"behaviour {str(kind)!r} needs {_AMOUNTS[kind]}, as in {kind}=503")
    if kind not in _AMOUNTS and behaviour.amount is not None:
        raise SettingInvalid(f"behaviour {str(kind)!r} takes no number")
    if kind is Kind.STATUS and not 200 <= (behaviour.amount or 0) <= 599:  # noqa: PLR2004 - final statuses of HTTP
        raise SettingInvalid("status needs a final HTTP status between 200 and 599")
    if kind is Kind.REFUSE and (behaviour.key, behaviour.next, behaviour.probability) != (None, None, None):
        raise SettingInvalid("refuse holds for every call: it takes no options")
    if behaviour.next == 0:
        raise SettingInvalid("next needs at least 1")
    if behaviour.probability is not None and not 0 <= behaviour.probability <= 1:
        raise SettingInvalid("p needs a number between 0 and 1, as in p=0.3")
