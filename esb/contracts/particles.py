"""The parts of an encoder that know how elements follow one another, and where a value was wrong.

Used by `encoder` only. A particle writer takes from a mapping what belongs to it; nothing here knows about tags,
namespaces or types.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from esb.contracts.layout import Foreign
from esb.contracts.lexical import sequence_of
from esb.contracts.names import split
from esb.contracts.output import Output
from esb.errors import ContractViolation

WriteElement = Callable[[Any, Output], None]
WriteParticle = Callable[[Mapping[str, Any], Output], int]
"""Writes what the mapping has for one particle; answers how many of its keys were used."""
WriteForeign = Callable[[str, Any, Output], None]
"""Writes one element of a wildcard, given its key."""
Present = Callable[[Mapping[str, Any]], frozenset[str] | set[str]]
"""The keys of a mapping that say something about one particle; those of a wildcard count as its own key."""


_ANOTHER = "an element that the contract does not name"


def nothing(values: Mapping[str, Any], output: Output) -> int:  # noqa: ARG001 - the signature of a particle
    """Empty content."""
    return 0


def in_turn(writers: list[WriteParticle]) -> WriteParticle:
    """One particle after the other."""
    if len(writers) == 1:
        return writers[0]
    return lambda values, output: sum([write(values, output) for write in writers])


def if_any(write: WriteParticle, present: Present, repeated: frozenset[str]) -> WriteParticle:
    """An optional group: left out when none of its keys is given. `repeated`: those of its keys that hold lists."""
    return lambda values, output: write(values, output) if present(values) else _given(repeated, values)


def one_of(
    branches: list[tuple[frozenset[str], frozenset[str], WriteParticle]],
    present: Present,
    repeated: frozenset[str],
    *,
    optional: bool,
) -> WriteParticle:
    """A choice; each branch comes with its possible and its needed keys. `repeated`: the keys that hold lists."""
    optional = optional or any(not needed for _, needed, _ in branches)
    expected = ", ".join(
        sorted({_ANOTHER if key.startswith("{*}") else key for known, _, _ in branches for key in known})
    )

    def write(values: Mapping[str, Any], output: Output) -> int:
        given = present(values)
        if not given:
            if optional:
                return _given(repeated, values)
            raise ContractViolation(f"one of {expected} is required")
        fitting = [branch for branch in branches if given <= branch[0]]
        if not fitting:
            raise ContractViolation(f"only one of {expected} may be given")
        # Two branches may share keys; the one whose needed elements are all there is meant.
        known, _, write_branch = next((branch for branch in fitting if branch[1] <= given), fitting[0])
        return write_branch(values, output) + _given(repeated - known, values)

    return write


def _given(repeated: frozenset[str], values: Mapping[str, Any]) -> int:
    """How many lists there are that hold nothing: they are used although nothing is written of them."""
    return sum(key in values for key in repeated)


def each(write: WriteElement, minimum: int) -> WriteElement:
    """A repeated element, from a list. More than the contract allows is left to the validator."""

    def write_each(value: Any, output: Output) -> None:
        if len(sequence_of(value)) < minimum:
            raise ContractViolation(f"needs at least {minimum}")
        for position, item in enumerate(value, 1):
            try:
                write(item, output)
            except ContractViolation as violation:
                raise at(position, len(value), violation) from violation

    return write_each


def columns(members: list[tuple[str, WriteElement]], minimum: int) -> WriteParticle:
    """A repeated sequence: lists of equal length, written round by round."""
    keys = [name for name, _ in members]

    def write(values: Mapping[str, Any], output: Output) -> int:
        found = [sequence_of(values.get(name, ())) for name in keys]
        if len({len(column) for column in found}) != 1 or len(found[0]) < minimum:
            raise ContractViolation(f"{', '.join(keys)} go together, at least {minimum} of each")
        for position, row in enumerate(zip(*found, strict=True), 1):
            for (name, write_element), value in zip(members, row, strict=True):
                try:
                    write_element(value, output)
                except ContractViolation as violation:
                    raise below(name, at(position, len(found[0]), violation)) from violation
        return sum(name in values for name in keys)

    return write


def rounds(key: str, write_round: WriteParticle, minimum: int) -> WriteParticle:
    """A repeated group: a list of objects."""

    def write(values: Mapping[str, Any], output: Output) -> int:
        if key not in values:
            if minimum:
                raise ContractViolation("is required", path=key)
            return 0
        try:
            write_all(sequence_of(values[key]), output)
        except ContractViolation as violation:
            raise below(key, violation) from violation
        return 1

    def write_all(items: Sequence[Any], output: Output) -> None:
        if len(items) < minimum:
            raise ContractViolation(f"needs at least {minimum}")
        for position, item in enumerate(items, 1):
            try:
                _write_round(item, output, write_round)
            except ContractViolation as violation:
                raise at(position, len(items), violation) from violation

    return write


def _write_round(item: Any, output: Output, write_round: WriteParticle) -> None:
    if not isinstance(item, Mapping):
        raise ContractViolation("must be an object")
    if not item:
        raise ContractViolation("must not be empty")
    if write_round(item, output) != len(item):
        raise ContractViolation("holds a key that is not in the contract")


def lists(
    places: list[tuple[str, WriteElement]], foreign: list[ForeignWriter], order_key: str, minimum: int
) -> WriteParticle:
    """A repeated choice: each member is a list, written name by name or in the order that the data gives."""
    writers = dict(places)
    expected = ", ".join((*writers, *(_ANOTHER for _ in foreign)))

    def write(values: Mapping[str, Any], output: Output) -> int:
        present = {key: write_element for key, write_element in writers.items() if key in values}
        for each_foreign in foreign:
            present |= {key: each_foreign.writer(key) for key in sorted(each_foreign.keys(values))}
        for key in present:
            if not isinstance(values[key], list | tuple):
                raise ContractViolation("must be a list", path=key)
        ordered = order_key in values
        order = _order(values, present, order_key) if ordered else [key for key in present for _ in values[key]]
        if len(order) < minimum:
            raise ContractViolation(f"at least {minimum} of {expected} required")
        written = dict.fromkeys(present, 0)
        for key in order:
            position = written[key] = written[key] + 1
            try:
                present[key](values[key][position - 1], output)
            except ContractViolation as violation:
                raise below(key, at(position, len(values[key]), violation)) from violation
        return len(present) + ordered

    return write


def _order(values: Mapping[str, Any], present: Mapping[str, WriteElement], order_key: str) -> list[str]:
    order = values[order_key]
    if not isinstance(order, list | tuple) or any(not isinstance(key, str) for key in order):
        raise ContractViolation("must be a list of names", path=order_key)
    if Counter(order) != Counter({key: len(values[key]) for key in present if values[key]}):
        raise ContractViolation("must name every item of the lists beside it, once", path=order_key)
    return list(order)


class ForeignWriter:
    """Writes the elements of one wildcard; knows which keys of a mapping are its own."""

    def __init__(self, foreign: Foreign, declared: frozenset[str], write: WriteForeign) -> None:
        self._foreign = foreign
        self._declared = declared
        self._write = write

    def keys(self, values: Mapping[str, Any]) -> Iterator[str]:
        """The keys of its elements."""
        suffix, wildcard = self._foreign.suffix, self._foreign.wildcard
        for key in values:
            if isinstance(key, str) and key not in self._declared and key[:1] not in "@#":
                tag, own = key_of_wildcard(key)
                if own == suffix and wildcard.admits(split(tag)[0]):
                    yield key

    def writer(self, key: str) -> WriteElement:
        """A writer of the elements under one key."""
        tag = key_of_wildcard(key)[0]
        return lambda value, output: self._write(tag, value, output)

    def one(self, values: Mapping[str, Any], output: Output) -> int:
        """A wildcard that stands for one element."""
        found = sorted(self.keys(values))
        if len(found) > 1:
            raise ContractViolation(f"only one of {', '.join(found)} may be given")
        if not found:
            if self._foreign.wildcard.minimum:
                raise ContractViolation("an element is required that the contract does not name: {namespace}local")
            return 0
        try:
            self.writer(found[0])(values[found[0]], output)
        except ContractViolation as violation:
            raise below(found[0], violation) from violation
        return 1


def key_of_wildcard(key: str) -> tuple[str, str]:
    """The name in the key of a wildcard's element, and which wildcard it is. A namespace may hold `#`."""
    brace, local = key[: key.rfind("}") + 1], key[key.rfind("}") + 1 :]
    name, hash_sign, number = local.partition("#")
    return ("" if brace == "{}" else brace) + name, hash_sign + number


def presence(known: frozenset[str], repeated: frozenset[str], foreign: Sequence[tuple[str, ForeignWriter]]) -> Present:
    """Which of these keys a mapping has; a list without items says nothing.

    `foreign` are wildcards by the key that stands for them.
    """
    if not foreign and not repeated:
        return lambda values: known & values.keys()

    def present(values: Mapping[str, Any]) -> set[str]:
        wild = {key for key, writer in foreign if any(True for _ in writer.keys(values))}
        return {key for key in known & values.keys() if key not in repeated or values[key]} | wild

    return present


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
