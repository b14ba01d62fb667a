"""The agency's proven, validated answer becomes the portal's fields and one of the statuses."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from esb.model import Status
from esb.ports import AgencyAnswer, Awaited, Claim, Evidence, LateAnswer, LaterOperation, ProvenAnswer
from esb.routes.table import CallRoute
from esb.stages.verify import Proven


class Normalised(msgspec.Struct, frozen=True, kw_only=True):
    """One agency's contribution. `data` is None exactly when `status` is NOT_FOUND, or PENDING while it is awaited."""

    status: Status
    data: dict[str, Any] | None
    as_of: datetime | None
    claims: tuple[Claim, ...]
    findings: tuple[str, ...] = ()
    awaits: Awaited | None = None
    evidence: tuple[Evidence, ...] = ()


def normalise(proven: Proven) -> Normalised:
    """Raises ReplyInvalid, AgencyFault, AgencyRejected."""
    translated = proven.answered.signed.translated
    return _normalised(translated.route, translated.operation.decode(proven.answer), proven.answer)


def normalise_brought(brought: LateAnswer, route: CallRoute, operation: LaterOperation) -> Normalised:
    """The same of an answer that was proven when the agency brought it."""
    # Its claims were used up when it was journaled.
    proven = msgspec.structs.replace(brought.proven, claims=())
    return _normalised(route, operation.decode_answer(proven), proven)


def _normalised(route: CallRoute, answer: AgencyAnswer, proven: ProvenAnswer) -> Normalised:
    if answer.awaits is not None:
        return Normalised(status=Status.PENDING, data=None, as_of=None, claims=proven.claims, awaits=answer.awaits)
    found = answer.found and not route.says_not_found(answer.data)
    return Normalised(
        status=Status.OK if found else Status.NOT_FOUND,
        data=route.build_reply(answer.data) if found else None,
        as_of=answer.as_of or proven.signed_at,
        claims=proven.claims,
        findings=answer.findings,
        evidence=proven.evidence,
    )
