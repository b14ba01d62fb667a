"""Every reply body the bus ever sends is composed and signed here, for both channels, for success and failure alike.

Used by the bus and by what runs exchanges. Pure but for the signature; never decides what happened.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime

import msgspec

from esb import codec
from esb.faults import NOT_ACCEPTED, Disposition, fault_of, policy_by_code, policy_of
from esb.model import Advice, Fault, Reply, Status, Text
from esb.outcome import Outcome
from esb.ports import Answer, Clock, ReceivedExchange, StoredExchange
from security import jws
from security.keys import SigningKey

WAITING = Fault(
    code="message.pending",
    message=Text(
        az="Sorğu qəbul olunub, cavab hələ hazır deyil.",
        en="The request is accepted; the reply is not there yet.",
    ),
    advice=Advice.WAIT,
)
RETRY_AFTER_S = 1.0
"""When nobody knows better."""

NO_ROUTE = "-"
"""Stands for the route in replies to requests that name none."""


class Answers:
    """Composes and signs. Safe for concurrent use."""

    def __init__(self, *, key: Callable[[], SigningKey], clock: Clock) -> None:
        """`key` answers the signing key in force, so that a rotation needs no restart."""
        self._key = key
        self._clock = clock

    def concluded(self, request: ReceivedExchange, outcome: Outcome, *, version: int) -> Answer:
        """The final reply of an exchange."""
        reply = Reply(
            message_id=request.message_id,
            correlation_id=request.correlation_id,
            route=request.route,
            version=version,
            status=outcome.status,
            data=outcome.data,
            sources=outcome.sources,
            faults=outcome.faults,
            received_at=request.received_at,
            completed_at=self._clock(),
        )
        return self._signed(reply, http_status=outcome.http_status, known_s=outcome.retry_after_s)

    def pending(self, request: ReceivedExchange, *, cause: Fault | None = None) -> Answer:
        """Accepted, no reply yet: where to ask for it is in `location`. `cause`: what the reply waits for, if known."""
        reply = self._bare(
            message_id=request.message_id,
            correlation_id=request.correlation_id,
            route=request.route,
            status=Status.PENDING,
            faults=(_to_wait_for(cause),),
            received_at=request.received_at,
        )
        answer = self._signed(reply, http_status=202)
        return msgspec.structs.replace(answer, location=f"/v1/messages/{request.message_id}")

    def refused(
        self, error: Exception, *, message_id: str, correlation_id: str | None, route: str, received_at: datetime
    ) -> Answer:
        """The reply to a request that was not accepted. An error nobody foresaw says only that there was one."""
        policy, fault = policy_of(error), fault_of(error)
        if policy.disposition is Disposition.PARK:
            policy = NOT_ACCEPTED
            fault = Fault(code=policy.code, message=policy.text, advice=policy.advice)
        reply = self._bare(
            message_id=message_id,
            correlation_id=correlation_id,
            route=route,
            status=policy.status,
            faults=(fault,),
            received_at=received_at,
        )
        return self._signed(reply, http_status=policy.http_status, known_s=getattr(error, "retry_after_s", None))

    def earlier(self, stored: StoredExchange) -> Answer:
        """The reply that a completed exchange already has, byte for byte."""
        if stored.reply_body is None or stored.reply_signature is None or stored.status is None:
            raise ValueError("exchange has no reply")
        http_status = _http_status(stored.status, stored.reply_body)
        return Answer(
            message_id=stored.request.message_id,
            status=stored.status,
            http_status=http_status,
            body=stored.reply_body,
            signature=stored.reply_signature,
            replayed=True,
            retry_after_s=_retry_after_s(http_status, None),
        )

    def sign(self, body: bytes) -> str:
        """The detached JWS of any other body that a door sends."""
        return jws.sign_detached(body, self._key())

    def _bare(
        self,
        *,
        message_id: str,
        correlation_id: str | None,
        route: str,
        status: Status,
        faults: tuple[Fault, ...],
        received_at: datetime,
    ) -> Reply:
        return Reply(
            message_id=message_id,
            correlation_id=correlation_id,
            route=route or NO_ROUTE,
            version=1,
            status=status,
            data=None,
            faults=faults,
            received_at=received_at,
            completed_at=self._clock(),
        )

    def _signed(self, reply: Reply, *, http_status: int, known_s: float | None = None) -> Answer:
        body = codec.encode(reply)
        return Answer(
            message_id=reply.message_id,
            status=reply.status,
            http_status=http_status,
            body=body,
            signature=self.sign(body),
            retry_after_s=_retry_after_s(http_status, known_s),
        )


def _to_wait_for(cause: Fault | None) -> Fault:
    # Whoever waits must not repeat, whatever a fault by itself would advise: the exchange is still to end.
    if cause is None or cause.advice is Advice.WAIT:
        return cause or WAITING
    return msgspec.structs.replace(WAITING, cause=cause)


def _retry_after_s(http_status: int, known_s: float | None) -> int | None:
    """Said with every 429 and 503 (RFC 9110 §10.2.3), in whole seconds."""
    return max(1, math.ceil(known_s or RETRY_AFTER_S)) if http_status in {429, 503} else None


class _Told(msgspec.Struct):
    code: str


class _Faults(msgspec.Struct):
    faults: list[_Told] = []


def _http_status(status: Status, body: bytes) -> int:
    if status in {Status.OK, Status.PARTIAL, Status.NOT_FOUND}:
        return 200
    told = msgspec.json.decode(body, type=_Faults).faults
    return policy_by_code(told[0].code).http_status if told else NOT_ACCEPTED.http_status
