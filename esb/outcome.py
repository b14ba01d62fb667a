"""How an exchange ended, or that it has not yet; and several such endings as one. Values only.

Made by the pipeline; read by what runs exchanges and by what composes replies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from esb.errors import EsbError
from esb.model import Fault, Source, Status
from esb.ports import Claim, Evidence, Waiting
from security.errors import SecurityError


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an exchange ended. `park`: no reply yet, a person has to look, and why. `retryable`: later may be better.

    `awaits`: it has not ended, its agency answers later; `looked`: it awaited that before this attempt as well.

    `reasons`: why each of `sources` failed, None for one that did not; for operators, never for the caller.
    """

    status: Status
    http_status: int = 200
    retry_after_s: float | None = None
    data: Any = None
    sources: tuple[Source, ...] = ()
    reasons: tuple[str | None, ...] = ()
    faults: tuple[Fault, ...] = ()
    claims: tuple[Claim, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    park: str | None = None
    retryable: bool = False
    awaits: Waiting | None = None
    looked: bool = False


def aggregate(outcomes: Mapping[str, Outcome], *, require_all: bool) -> Outcome:
    """Several answers as one. A member that did not answer never looks like one that answered "nothing".

    With `require_all` one missing member leaves no data at all; without, the answer is PARTIAL and `faults` say who
    is missing. A member's *no record* is an answer: its data is null and its source says NOT_FOUND.
    """
    answered = {name: outcome for name, outcome in outcomes.items() if outcome.status in _ANSWERS}
    missing = {name: outcome for name, outcome in outcomes.items() if name not in answered}
    # The fault that names the whole comes first: a reply that is repeated later finds its HTTP status by it.
    by_severity = sorted(missing.items(), key=lambda item: _WORST_FIRST.index(item[1].status))
    faults = tuple(
        msgspec.structs.replace(fault, path=fault.path or f"/data/{name}")
        for name, outcome in by_severity
        for fault in outcome.faults
    )
    http_status = 200
    if not missing:
        status = Status.OK if any(o.status is not Status.NOT_FOUND for o in answered.values()) else Status.NOT_FOUND
    elif answered and not require_all:
        status = Status.PARTIAL
    else:
        worst = by_severity[0][1]
        status, http_status = worst.status, worst.http_status
    usable = status in _ANSWERS
    return Outcome(
        status=status,
        http_status=http_status,
        data={name: outcome.data for name, outcome in answered.items()} if usable else None,
        sources=tuple(source for outcome in outcomes.values() for source in outcome.sources),
        reasons=tuple(reason for outcome in outcomes.values() for reason in outcome.reasons),
        faults=faults,
        claims=tuple(claim for outcome in outcomes.values() for claim in outcome.claims),
        evidence=tuple(each for outcome in outcomes.values() for each in outcome.evidence),
        retryable=not usable and all(outcome.retryable for outcome in missing.values()),
    )


_ANSWERS = frozenset({Status.OK, Status.PARTIAL, Status.NOT_FOUND})
_WORST_FIRST = (
    Status.INVALID_REQUEST,
    Status.ACCESS_DENIED,
    Status.FAILED,
    Status.INVALID_REPLY,
    Status.UNAVAILABLE,
    Status.TIMEOUT,
    Status.REJECTED,
    Status.EXPIRED,
    Status.PENDING,
)
"""Which missing answer names the whole: what the caller can mend comes first."""


def reason_of(error: EsbError | SecurityError) -> str:
    """Why, for operators: the place in the contract, the reason, and those of what caused it. Never any value."""
    path = getattr(error, "path", None)
    reasons = [f"{path}: {error.reason}" if path else error.reason]
    cause = error.__cause__
    while isinstance(cause, EsbError | SecurityError):
        if cause.reason not in reasons[-1]:
            reasons.append(cause.reason)
        cause = cause.__cause__
    return "; ".join(reasons)
