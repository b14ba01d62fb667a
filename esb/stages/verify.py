"""The agency's answer is proven before anything reads it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from esb.ports import ProvenAnswer
from esb.stages.call import Answered


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes the agency's signature covers, and only those."""

    answered: Answered
    answer: ProvenAnswer


def verify(answered: Answered, *, now: datetime) -> Proven:
    """Raises ReplyUnproven, or ReplyInvalid when the answer is not even of the agency's protocol."""
    signed = answered.signed
    answer = signed.translated.operation.verify(answered.raw, signed.call, now=now)
    return Proven(answered=answered, answer=answer)
