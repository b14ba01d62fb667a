"""What the bus sends over RabbitMQ, as values for the outbox: replies, notices of parked messages, work. Pure."""

from __future__ import annotations

import msgspec

from esb.amqp.topology import DELAY, PARKED, REPLIES, delay_key, work_queue
from esb.ports import Answer, Channel, Outgoing, ReceivedExchange


def replies(request: ReceivedExchange, answer: Answer) -> tuple[Outgoing, ...]:
    """The reply to the replies exchange, and to the caller's own `reply_to` queue where it named one.

    Whoever asked over AMQP and reads neither finds the reply in the HTTP inbox: it is never lost.
    """
    inbox_of = request.caller if request.channel is Channel.AMQP else None
    to_exchange = Outgoing(
        exchange=REPLIES,
        routing_key=f"{request.caller}.{request.route}",
        body=answer.body,
        message_id=request.message_id,
        correlation_id=request.correlation_id or request.message_id,
        headers={"esb-signature": answer.signature, "esb-status": answer.status, "esb-route": request.route},
        inbox_of=inbox_of if request.reply_to is None else None,
    )
    if request.reply_to is None:
        return (to_exchange,)
    to_queue = msgspec.structs.replace(to_exchange, exchange="", routing_key=request.reply_to, inbox_of=inbox_of)
    return (to_exchange, to_queue)


def parked_notice(request: ReceivedExchange, reason: str) -> tuple[Outgoing, ...]:
    """What `esb.parked` shows of a parked exchange: which and why, never its payload."""
    notice = {"caller": request.caller, "message_id": request.message_id, "route": request.route, "reason": reason}
    return (
        Outgoing(
            exchange="",
            routing_key=PARKED,
            body=msgspec.json.encode(notice),
            message_id=request.message_id,
            correlation_id=request.correlation_id,
        ),
    )


def work(request: ReceivedExchange, agency: str | None) -> tuple[Outgoing, ...]:
    """What brings an asynchronous exchange to a worker over its agency's work queue: a claim check, no payload."""
    return _work(request, exchange="", routing_key=work_queue(agency))


def delayed_work(request: ReceivedExchange, agency: str | None, pause_s: int) -> tuple[Outgoing, ...]:
    """The same, through a delay queue."""
    return _work(request, exchange=DELAY, routing_key=delay_key(agency, pause_s))


def _work(request: ReceivedExchange, *, exchange: str, routing_key: str) -> tuple[Outgoing, ...]:
    return (
        Outgoing(
            exchange=exchange,
            routing_key=routing_key,
            body=b"{}",
            message_id=request.message_id,
            correlation_id=request.correlation_id,
            headers={"esb-origin": "bus", "esb-caller": request.caller, "esb-route": request.route},
        ),
    )
