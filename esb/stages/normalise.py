"""The agency's proven, validated answer becomes the portal's fields and one of the statuses."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from esb.model import Status
from esb.ports import Claim
from esb.stages.verify import Proven


class Normalised(msgspec.Struct, frozen=True, kw_only=True):
    """One agency's contribution. `data` is None exactly when `status` is NOT_FOUND."""

    status: Status
    data: dict[str, Any] | None
    as_of: datetime | None
    claims: tuple[Claim, ...]
    findings: tuple[str, ...] = ()


def normalise(proven: Proven) -> Normalised:
    """Raises ReplyInvalid, AgencyFault, AgencyRejected."""
    route = proven.answered.signed.translated.route
    answer = route.operation.decode(proven.answer)
    found = answer.found and not route.says_not_found(answer.data)
    return Normalised(
        status=Status.OK if found else Status.NOT_FOUND,
        data=route.build_reply(answer.data) if found else None,
        as_of=answer.as_of or proven.answer.signed_at,
        claims=proven.answer.claims,
        findings=answer.findings,
    )
