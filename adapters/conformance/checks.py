"""What a test of a live agency says, check by check, and what it was asked to do."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any, Final

import msgspec

CALLS: Final = 10


class Outcome(enum.StrEnum):
    """How a check went. `WARNING`: a person should look; `SKIPPED`: it could not or must not be done."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was tried. `detail` never quotes what was asked or answered."""

    agency: str
    operation: str
    name: str
    outcome: Outcome
    detail: str = ""
    elapsed_ms: float = 0.0


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation is asked. `golden`: from a golden case, so that an answer is owed.

    `nobody`: values that ask about somebody who is not there, None where the contract names nobody.
    """

    operation: str
    values: dict[str, Any]
    golden: bool
    nobody: dict[str, Any] | None
    repeatable: bool
    timeout_s: float


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do. `subject`: scheme and value to ask about; `operations`: only these, and these even repeatedly."""

    subject: tuple[str, str] | None = None
    operations: tuple[str, ...] = ()
    calls: int = CALLS


def worst(checks: Iterable[Check]) -> Outcome:
    """The gravest outcome; PASSED for no check."""
    order = (Outcome.FAILED, Outcome.WARNING, Outcome.PASSED)
    found = {check.outcome for check in checks}
    return next((outcome for outcome in order if outcome in found), Outcome.PASSED)
