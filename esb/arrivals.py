"""What the bus writes down of an arrival: the exchange it becomes, or the record of its refusal. Pure."""

from __future__ import annotations

from datetime import datetime

from esb import codec
from esb.answers import NO_ROUTE
from esb.errors import NotPermitted, RequestInvalid, Rule
from esb.model import CallerName, MessageId, RouteId
from esb.ports import Arrival, ReceivedExchange, Refusal
from esb.resilience.idempotency import digest
from esb.stages.authenticate import Identified
from esb.stages.validate import Valid


def received(identified: Identified, arrival: Arrival, valid: Valid) -> ReceivedExchange:
    """The exchange that an admitted question becomes."""
    route, request = valid.authorised.route, valid.request
    return ReceivedExchange(
        caller=identified.caller,
        message_id=MessageId(valid.message_id),
        route=route.id,
        body=arrival.body,
        body_sha256=digest(arrival.body),
        channel=arrival.channel,
        asynchronous=arrival.asynchronous or route.asynchronous,
        received_at=arrival.received_at,
        correlation_id=arrival.correlation_id,
        reply_to=arrival.reply_to,
        traceparent=arrival.traceparent,
        expires_at=request.expires_at,
        purpose=request.purpose,
        legal_basis=request.legal_basis,
        user=None if request.user is None else f"{request.user.scheme}:{request.user.value}",
        issue=request.issue,
    )


def unread(identified: Identified, arrival: Arrival, message_id: str) -> ReceivedExchange:
    """The exchange of a request whose body was not, or could not be, read."""
    return ReceivedExchange(
        caller=identified.caller,
        message_id=MessageId(message_id),
        route=RouteId(arrival.route or NO_ROUTE),
        body=arrival.body,
        body_sha256=digest(arrival.body),
        channel=arrival.channel,
        asynchronous=True,
        received_at=arrival.received_at,
        correlation_id=arrival.correlation_id,
        reply_to=arrival.reply_to if is_own_queue(arrival.reply_to, identified.caller) else None,
        traceparent=arrival.traceparent,
    )


def refusal(caller: str | None, arrival: Arrival, *, code: str, at: datetime) -> Refusal:
    """The record of a request that did not become one."""
    return Refusal(
        caller=caller,
        message_id=arrival.message_id or "",
        route=arrival.route,
        channel=arrival.channel,
        code=code,
        body_sha256=digest(arrival.body),
        at=at,
    )


def require_own_reply_queue(arrival: Arrival, identified: Identified) -> None:
    """Raises NotPermitted when `reply_to` names a queue of somebody else."""
    if arrival.reply_to is not None and not is_own_queue(arrival.reply_to, identified.caller):
        raise NotPermitted("reply_to names a queue that is not the caller's", path="/properties/reply_to")


def is_own_queue(queue: str | None, caller: CallerName) -> bool:
    """A caller's own queues are named `<caller>.…`; RabbitMQ's permissions say the same."""
    return queue is not None and queue.startswith(f"{caller}.")


def uuid_of(arrival: Arrival) -> str:
    """The message id in canonical form. Raises RequestInvalid."""
    if arrival.message_id is None:
        raise RequestInvalid(
            "a message over AMQP needs a message_id", path="/properties/message_id", rule=Rule.MESSAGE_ID
        )
    return codec.read_message_id(arrival.message_id)
