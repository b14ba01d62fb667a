"""What the two kinds of agency have in common when they draft answers from records."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from adapters.simulator.dialect import Draft
from adapters.simulator.register import AgencyReply, Register
from esb.errors import ConfigurationError, ContractViolation


class Answers(Protocol):
    """An agency's contract and records, without keys."""

    def draft_for(self, operation: str, values: Mapping[str, Any]) -> Draft:
        """What the agency's records give for a request."""
        ...

    def draft(self, name: str, reply: AgencyReply) -> Draft:
        """One given reply in the contract's form. Raises ContractViolation."""
        ...


def known_drafts(
    records: Register, operations: Iterable[str], draft: Callable[[str, AgencyReply], Draft]
) -> dict[tuple[str, str], Draft]:
    """The answer for every key of every operation, by both; they are the same each time, only signatures differ.

    Raises:
        ConfigurationError: an operation that the contract has not, or a record that does not fit the contract.
    """
    names = set(operations)
    for name in records.operations:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise ConfigurationError(f"{records.agency}: the contract has no operation {name!r}{hint}")
    return {
        (name, key): _checked(records, name, key, draft)
        for name, rules in records.operations.items()
        for key in (*records.tables[rules.table], *rules.special)
    }


def require_fitting(
    records: Register, draft: Callable[[str, AgencyReply], Draft], sample: Callable[[str], Mapping[str, Any]]
) -> None:
    """What is said of keys that are not there fits the contract too, tried with the key of a sample of each request.

    Raises:
        ConfigurationError: names operation and field.
    """
    for name in records.operations:
        _checked(records, name, records.key_of(name, sample(name)), draft, whom="whom nobody knows (`missing`)")


def _checked(
    records: Register, name: str, key: str, draft: Callable[[str, AgencyReply], Draft], *, whom: str = ""
) -> Draft:
    try:
        return draft(name, records.answer(name, key))
    except ContractViolation as error:
        place = f"{records.agency}: {name} for {whom or key}"
        raise ConfigurationError(f"{place}: {error.path or 'document'}: {error.reason}") from error
