"""Operations that answer with a ticket first: what is asked stays as it is, and the answer is asked for later.

Made by `adapters/later.py` around two operations of an adapter of any kind. Pure; what is waited for is the journal's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adapters.manifest_interaction import LaterTerms
from esb.errors import AgencyFault, AgencyRejected, ReplyInvalid
from esb.model import AgencyCode, JsonObject
from esb.ports import (
    NO_ORIGIN,
    AgencyAnswer,
    AgencyOperation,
    AnswerIntake,
    Awaited,
    Courier,
    Origin,
    OutgoingCall,
    ProvenAnswer,
    RawAnswer,
)
from esb.routes.closures import is_true
from esb.routes.expressions import Expression, ExpressionFailed

LONGEST_KEY = 200
"""What a ticket may measure: it is stored, searched by and shown."""


class AcceptedOperation:
    """Sends as `asked` does, and takes its answer for a receipt. Base of the ways in which the answer comes."""

    def __init__(self, asked: AgencyOperation, terms: LaterTerms, *, look_every_s: float | None) -> None:
        """`look_every_s` None: the agency brings the answer itself."""
        self._asked = asked
        self._terms = terms
        self._look_every_s = look_every_s

    @property
    def agency(self) -> AgencyCode:
        """Owner of the system."""
        return self._asked.agency

    @property
    def name(self) -> str:
        """The name of the operation that is asked."""
        return self._asked.name

    def encode(self, values: JsonObject) -> bytes:
        """See the port."""
        return self._asked.encode(values)

    def sign(
        self,
        document: bytes,
        *,
        message_id: str,
        traceparent: str | None,
        now: datetime,
        origin: Origin = NO_ORIGIN,
    ) -> OutgoingCall:
        """See the port."""
        return self._asked.sign(document, message_id=message_id, traceparent=traceparent, now=now, origin=origin)

    async def send(self, call: OutgoingCall, *, timeout_s: float) -> RawAnswer:
        """See the port."""
        return await self._asked.send(call, timeout_s=timeout_s)

    def verify(self, answer: RawAnswer, call: OutgoingCall, *, now: datetime) -> ProvenAnswer:
        """See the port."""
        return self._asked.verify(answer, call, now=now)

    def decode(self, answer: ProvenAnswer) -> AgencyAnswer:
        """That the answer is awaited, or at once that there is no record. Raises as the port, and without a ticket."""
        receipt = self._asked.decode(answer)
        if not receipt.found:
            return receipt
        awaited = Awaited(key=self._ticket_of(receipt.data), for_s=self._terms.for_s, look_every_s=self._look_every_s)
        return AgencyAnswer(found=True, data={}, findings=receipt.findings, awaits=awaited)

    @property
    def courier(self) -> Courier | None:
        """Nothing is carried."""
        return None

    def _ticket_of(self, data: JsonObject) -> str | None:
        path = self._terms.ticket
        if path is None:
            return None
        ticket = at(data, path)
        if ticket is None:
            raise ReplyInvalid("the receipt has no ticket", agency=self.agency, operation=self.name, path=path)
        if len(ticket) > LONGEST_KEY:
            raise ReplyInvalid("the ticket is too long", agency=self.agency, operation=self.name, path=path)
        return ticket


class PolledOperation(AcceptedOperation):
    """Implements `esb.ports.LaterOperation`: the answer is asked for with the ticket."""

    def __init__(
        self, asked: AgencyOperation, answering: AgencyOperation, terms: LaterTerms, *, ready: Expression | None
    ) -> None:
        """`answering`: the operation that gives the answer."""
        super().__init__(asked, terms, look_every_s=terms.every_s)
        self._look = _Look(answering, terms, ready=ready)

    @property
    def look(self) -> AgencyOperation | None:
        """The operation that gives the answer."""
        return self._look

    @property
    def intake(self) -> AnswerIntake | None:
        """The agency brings nothing."""
        return None

    def decode_answer(self, answer: ProvenAnswer) -> AgencyAnswer:
        """See the port."""
        return self._look.decode(answer)


class _Look:
    """Asks for the answer, once."""

    def __init__(self, answering: AgencyOperation, terms: LaterTerms, *, ready: Expression | None) -> None:
        self._answering = answering
        self._terms = terms
        self._ready = ready

    @property
    def agency(self) -> AgencyCode:
        return self._answering.agency

    @property
    def name(self) -> str:
        return self._answering.name

    def encode(self, values: JsonObject) -> bytes:
        return self._answering.encode(request_for(str(values["key"]), self._terms))

    def sign(
        self,
        document: bytes,
        *,
        message_id: str,
        traceparent: str | None,
        now: datetime,
        origin: Origin = NO_ORIGIN,
    ) -> OutgoingCall:
        return self._answering.sign(document, message_id=message_id, traceparent=traceparent, now=now, origin=origin)

    async def send(self, call: OutgoingCall, *, timeout_s: float) -> RawAnswer:
        return await self._answering.send(call, timeout_s=timeout_s)

    def verify(self, answer: RawAnswer, call: OutgoingCall, *, now: datetime) -> ProvenAnswer:
        return self._answering.verify(answer, call, now=now)

    def decode(self, answer: ProvenAnswer) -> AgencyAnswer:
        try:
            came = self._answering.decode(answer)
        except (AgencyRejected, AgencyFault) as error:
            if self._terms.is_not_ready(error.agency_code):
                return self._not_yet()
            raise
        return came if not came.found or self._is_ready(came.data) else self._not_yet()

    def _is_ready(self, data: JsonObject) -> bool:
        if self._ready is None:
            return True
        try:
            return is_true(self._ready.evaluate(data))
        except ExpressionFailed as error:
            raise ReplyInvalid(str(error), agency=self.agency, operation=self.name) from error

    def _not_yet(self) -> AgencyAnswer:
        awaited = Awaited(key=None, for_s=self._terms.for_s, look_every_s=self._terms.every_s)
        return AgencyAnswer(found=True, data={}, awaits=awaited)


def request_for(key: str, terms: LaterTerms) -> dict[str, Any]:
    """The values of the request for the answer to what the agency accepted as `key`."""
    values: dict[str, Any] = {}
    for path, value in {**terms.values, terms.ticket_field or "": key}.items():
        names = path.split(".")
        place = values
        for name in names[:-1]:
            place = place.setdefault(name, {})
        place[names[-1]] = value
    return values


def at(data: JsonObject, path: str) -> str | None:
    """The text or whole number at a dotted path; None where there is neither."""
    place: Any = data
    for name in path.split("."):
        if not isinstance(place, Mapping) or name not in place:
            return None
        place = place[name]
    if isinstance(place, int) and not isinstance(place, bool):
        return str(place)
    return place if isinstance(place, str) and place else None
