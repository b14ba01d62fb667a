"""One AMQP channel with awaitable methods, and the pika connection it lives on.

Maps every failure of pika to `BrokerUnavailable`. Opened by `Broker`; used by the topology, the publisher and the
consumers. Never reconnects.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Mapping
from typing import Any

import pika
import pika.exceptions
from pika import frame, spec
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.channel import Channel as PikaChannel
from pika.spec import BasicProperties

from esb.errors import BrokerUnavailable

OnMessage = Callable[["Channel", spec.Basic.Deliver, BasicProperties, bytes], None]
OnReturn = Callable[[spec.Basic.Return, BasicProperties], None]
OnConfirm = Callable[[int, bool, bool], None]
"""Delivery tag, whether it covers all tags up to it, and whether the broker took the message."""

PIKA_ERRORS = (pika.exceptions.AMQPError, pika.exceptions.ChannelError, pika.exceptions.ReentrancyError)
"""Everything pika raises of its own; a test finds each of its classes below one of these."""

CLOSE_TIMEOUT_S = 5.0
SEND_BYTES = 64 * 1024
_LONGEST_REASON = 300
_UNREADABLE = (pika.exceptions.AMQPError, ValueError, OverflowError, OSError, struct.error, RecursionError, KeyError)


class Connection(AsyncioConnection):  # type: ignore[misc]
    """pika's connection with one system call for many frames, and which no sender can break by odd properties."""

    def __init__(self, parameters: pika.URLParameters, **callbacks: Any) -> None:
        """Begins to connect at once; needs a running event loop. `callbacks` are pika's own."""
        self._loop = asyncio.get_running_loop()
        self._unsent: list[bytes] = []
        self._unsent_bytes = 0
        super().__init__(parameters, custom_ioloop=self._loop, **callbacks)

    def _adapter_emit_data(self, data: bytes) -> None:
        # pika calls send(2) for each of the three frames of a message, which costs more than all it does besides.
        # What one turn of the event loop emits goes out together.
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent.append(data)
        self._unsent_bytes += len(data)
        if self._unsent_bytes >= SEND_BYTES:
            self._flush()

    def _flush(self) -> None:
        data, self._unsent, self._unsent_bytes = b"".join(self._unsent), [], 0
        if data and self._transport is not None:
            self._transport.write(data)

    def _read_frame(self) -> tuple[int, Any]:
        # pika decodes headers while it reads from the socket, so a header that it cannot decode (a timestamp in the
        # year 300 000, tables nested 20 000 deep: RabbitMQ passes both on) would end the connection, again at each
        # redelivery, for everybody's messages. Such a message is handed out as if it had no properties at all: it
        # then has no sender either, and is refused.
        try:
            return super()._read_frame()  # type: ignore[no-any-return]
        except _UNREADABLE:
            if self._frame_buffer[0] != spec.FRAME_HEADER:
                raise
            return _bare_header(self._frame_buffer)

    def abort(self) -> None:
        """Drop the socket without a goodbye, for a broker that does not answer one."""
        if not self.is_closed:
            self._terminate_stream(pika.exceptions.StreamLostError("the broker did not answer the close"))


def _bare_header(data: bytes) -> tuple[int, frame.Header]:
    _, channel_number, size = struct.unpack_from(">BHL", data)
    _, _, body_size = struct.unpack_from(">HHQ", data, spec.FRAME_HEADER_SIZE)
    consumed = spec.FRAME_HEADER_SIZE + size + spec.FRAME_END_SIZE
    return consumed, frame.Header(channel_number, body_size, BasicProperties())


class Channel:
    """An open channel. Used from its event loop only.

    `closed` gets the reason when the channel ends, whoever ended it; from then on every method raises
    BrokerUnavailable. What was delivered and not acknowledged goes back to the broker.
    """

    def __init__(self, raw: PikaChannel, closed: asyncio.Future[str]) -> None:
        """`closed` is resolved by whoever opened the channel."""
        self.closed = closed
        self._raw = raw

    @property
    def is_open(self) -> bool:
        """Whether a method may be called now."""
        return not self.closed.done() and bool(self._raw.is_open)

    async def declare_exchange(self, name: str, kind: str, *, arguments: Mapping[str, Any]) -> None:
        """Make a durable exchange, or check that it is as described."""
        await self._ask(
            self._raw.exchange_declare, exchange=name, exchange_type=kind, durable=True, arguments=dict(arguments)
        )

    async def declare_queue(self, name: str, *, arguments: Mapping[str, Any]) -> None:
        """Make a durable queue, or check that it is as described."""
        await self._ask(self._raw.queue_declare, queue=name, durable=True, arguments=dict(arguments))

    async def bind(self, *, exchange: str, queue: str, routing_key: str) -> None:
        """Idempotent."""
        await self._ask(self._raw.queue_bind, queue=queue, exchange=exchange, routing_key=routing_key)

    async def unbind(self, *, exchange: str, queue: str, routing_key: str) -> None:
        """Idempotent: a binding that is not there is no error."""
        await self._ask(self._raw.queue_unbind, queue=queue, exchange=exchange, routing_key=routing_key)

    async def limit(self, prefetch: int) -> None:
        """How many unacknowledged messages the broker hands out to each consumer opened after this."""
        await self._ask(self._raw.basic_qos, prefetch_count=prefetch)

    async def consume(self, queue: str, on_message: OnMessage, *, on_cancelled: Callable[[], None]) -> str:
        """Begin to receive; answers the consumer's tag. `on_cancelled`: the broker took the queue away."""
        self._raw.add_on_cancel_callback(lambda _frame: on_cancelled())
        answer = await self._ask(
            self._raw.basic_consume,
            queue=queue,
            on_message_callback=lambda _raw, method, properties, body: on_message(self, method, properties, body),
        )
        tag: str = answer.method.consumer_tag
        return tag

    async def cancel(self, tag: str) -> None:
        """Receive nothing more; what is unacknowledged stays so."""
        await self._ask(self._raw.basic_cancel, consumer_tag=tag)

    async def confirm(self, on_confirm: OnConfirm, on_return: OnReturn) -> None:
        """Ask the broker to confirm every message published from here on."""

        def confirmed(answer: Any) -> None:
            method = answer.method
            on_confirm(method.delivery_tag, method.multiple, isinstance(method, spec.Basic.Ack))

        self._raw.add_on_return_callback(lambda _raw, method, properties, _body: on_return(method, properties))
        await self._ask(self._raw.confirm_delivery, ack_nack_callback=confirmed)

    def publish(self, *, exchange: str, routing_key: str, properties: BasicProperties, body: bytes) -> None:
        """Send a mandatory message; nothing is known about it until it is confirmed.

        Raises:
            BrokerUnavailable: the channel is closed.
            ValueError: AMQP cannot express a name or property (over 255 bytes); nothing was sent.
        """
        try:
            self._raw.basic_publish(exchange, routing_key, body, properties, mandatory=True)
        except (pika.exceptions.ShortStringTooLong, pika.exceptions.UnsupportedAMQPFieldException) as error:
            raise ValueError("a name or property does not fit AMQP") from error
        except PIKA_ERRORS as error:
            raise BrokerUnavailable(reason_of(error)) from error

    def acknowledge(self, delivery_tag: int) -> None:
        """The broker may forget the message. On a closed channel nothing happens: it will come again."""
        if self.is_open:
            self._raw.basic_ack(delivery_tag)

    def reject(self, delivery_tag: int) -> None:
        """The broker moves the message to the queue's dead letters. On a closed channel: it will come again."""
        if self.is_open:
            self._raw.basic_nack(delivery_tag, requeue=False)

    async def close(self) -> None:
        """End the channel and wait for it; idempotent."""
        if self.is_open:
            self._raw.close()
        # A broker that no longer answers must not hold up a shutdown.
        await asyncio.wait({self.closed}, timeout=CLOSE_TIMEOUT_S)

    def abandon(self, reason: str) -> None:
        """End the channel here and now, whether the broker answers or not."""
        if self.is_open:
            self._raw.close()
        settle(self.closed, reason)

    async def _ask(self, method: Callable[..., Any], **arguments: Any) -> Any:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        try:
            method(callback=lambda result: settle(answer, result), **arguments)
        except PIKA_ERRORS as error:
            raise BrokerUnavailable(reason_of(error)) from error
        # A channel error arrives as a close instead of an answer: whichever comes first.
        await asyncio.wait({answer, self.closed}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise BrokerUnavailable(self.closed.result())
        return answer.result()


async def open_channel(connection: Connection, lost: asyncio.Future[str]) -> Channel:
    """A new channel on an open connection; `lost` is resolved when that connection ends.

    Raises:
        BrokerUnavailable: the connection ended, or the broker allows no further channel.
    """
    loop = asyncio.get_running_loop()
    opened: asyncio.Future[None] = loop.create_future()
    closed: asyncio.Future[str] = loop.create_future()
    try:
        raw = connection.channel(on_open_callback=lambda _raw: settle(opened, None))
    except PIKA_ERRORS as error:
        raise BrokerUnavailable(reason_of(error)) from error
    raw.add_on_close_callback(lambda _raw, reason: settle(closed, reason_of(reason)))
    ends: set[asyncio.Future[Any]] = {opened, closed, lost}
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    if not opened.done():
        raise BrokerUnavailable(closed.result() if closed.done() else lost.result())
    return Channel(raw, closed)


def settle(future: asyncio.Future[Any], result: object) -> None:
    """Give a future its result unless it has one or its waiter has gone."""
    if not future.done():
        future.set_result(result)


def reason_of(error: object) -> str:
    """What pika says about an end, short enough for a status line."""
    text = str(error) or type(error).__name__
    return text if len(text) <= _LONGEST_REASON else text[:_LONGEST_REASON] + "…"
