"""The agency's document becomes a whole, signed call that nothing may change any more."""

from __future__ import annotations

from datetime import datetime

import msgspec

from esb.model import Request
from esb.ports import Origin, OutgoingCall
from esb.stages.translate import Translated


class Signed(msgspec.Struct, frozen=True, kw_only=True):
    """A call ready to be sent once. A further attempt is signed afresh: its timestamp and nonce are its own."""

    translated: Translated
    call: OutgoingCall


def sign(translated: Translated, *, now: datetime) -> Signed:
    """Raises KeyUnavailable when the bus has no key for this agency."""
    valid = translated.valid
    call = translated.operation.sign(
        translated.document,
        message_id=valid.message_id,
        traceparent=valid.traceparent,
        now=now,
        origin=_origin_of(valid.request),
    )
    return Signed(translated=translated, call=call)


def _origin_of(request: Request) -> Origin:
    user = request.user
    return Origin(
        user=f"{user.scheme}:{user.value}" if user else None,
        issue=request.issue,
        purpose=request.purpose,
        legal_basis=request.legal_basis,
    )
