"""The RabbitMQ door: takes requests from the work queues to the bus and acknowledges them when the journal has them.

Each agency's queue has a channel and a limit of its own, so that a slow agency fills only its own. Believes nothing
that a message says of itself but the sender's name, which the broker has checked. Never replies: replies leave
through the outbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from pika.spec import Basic, BasicProperties

from esb.amqp.channel import Channel
from esb.amqp.connection import Broker, KeptChannel
from esb.amqp.pauses import pauses_s
from esb.amqp.topology import DEAD, UNROUTABLE, work_queue
from esb.errors import BrokerUnavailable, JournalUnavailable
from esb.ports import Arrival, Clock, Credentials, Door
from esb.ports import Channel as Way
from esb.telemetry.logging import BUS_DEFECT, JOURNAL_DOWN, JOURNAL_UP, Logger

CALLER_HEADER = "esb-caller"
ORIGIN_HEADER = "esb-origin"
ROUTE_HEADER = "esb-route"
SIGNATURE_HEADER = "esb-signature"
TRACE_HEADER = "traceparent"
FROM_THE_BUS = "bus"

REFUSALS_PREFETCH = 8
"""For the queues of what has no route or has died: work without an agency call."""


class AmqpDoor:
    """Consumes all work queues from `start` to `stop`. Used from one event loop."""

    def __init__(self, *, door: Door, broker: Broker, clock: Clock, log: Logger) -> None:
        """The queues must have been declared when `broker` says it is ready."""
        self._door = door
        self._broker = broker
        self._clock = clock
        self._log = log
        self._consumers: dict[str, _Consumer] = {}
        self._leaving: dict[asyncio.Task[int], _Consumer] = {}
        self._journal_pause = _Pause()

    async def start(self, prefetch: Mapping[str, int]) -> None:
        """Begin to consume. `prefetch`: agency (or `gather`) → how many of its requests this worker runs at a time."""
        await self.follow(prefetch)

    async def follow(self, prefetch: Mapping[str, int]) -> None:
        """Consume exactly the queues of these agencies from now on: for a reload of routes or limits.

        Returns without waiting for what is in flight on a queue that goes away: it is finished and acknowledged.
        """
        wanted = {work_queue(agency): limit for agency, limit in prefetch.items()}
        wanted |= {UNROUTABLE: REFUSALS_PREFETCH, DEAD: REFUSALS_PREFETCH}
        leaving = [c for queue, c in self._consumers.items() if wanted.get(queue) != c.prefetch]
        for consumer in leaving:
            await consumer.pause()
            self._consumers.pop(consumer.queue)
        for queue, limit in wanted.items():
            if queue not in self._consumers:
                self._consumers[queue] = _Consumer(self, queue=queue, prefetch=limit, broker=self._broker)
        for consumer in leaving:
            task = asyncio.create_task(consumer.finish(grace_s=None), name=consumer.queue)
            self._leaving[task] = consumer
            task.add_done_callback(lambda done: self._leaving.pop(done, None))

    async def stop(self, *, grace_s: float) -> int:
        """Take nothing new, wait for what runs, leave the rest unacknowledged with the broker; answers how many.

        Idempotent. The exchanges behind what is left are not cancelled; they are known to the journal.
        """
        for task in self._leaving:
            task.cancel()
        consumers = [*self._consumers.values(), *self._leaving.values()]
        self._consumers.clear()
        self._leaving.clear()
        await asyncio.gather(*(consumer.pause() for consumer in consumers))
        return sum(await asyncio.gather(*(consumer.finish(grace_s=grace_s) for consumer in consumers)))

    @property
    def in_flight(self) -> int:
        """Messages taken and not yet acknowledged."""
        return sum(len(consumer.tasks) for consumer in self._consumers.values())

    @property
    def problem(self) -> str | None:
        """Why some queue is not consumed now; None when all are."""
        if self._broker.state.problem is not None:
            return self._broker.state.problem
        problems = (f"{c.queue}: {c.problem}" for c in self._consumers.values() if c.problem is not None)
        return next(problems, None)

    async def take(self, channel: Channel, method: Basic.Deliver, properties: BasicProperties, body: bytes) -> None:
        """Bring one message to its end and tell the broker so. Never raises."""
        try:
            arrival = _arrival(method, properties, body, bus_user=self._broker.user, clock=self._clock)
            await self._deliver(arrival)
        except Exception:  # boundary: a defect must neither lose the message nor have it come back for ever
            self._log.exception(BUS_DEFECT, operation="deliver", message_id=_text(properties.message_id))
            channel.reject(method.delivery_tag)
        else:
            channel.acknowledge(method.delivery_tag)

    async def _deliver(self, arrival: Arrival) -> None:
        # While the journal is away the message is held here, unacknowledged. Giving it back would have the broker
        # hand it out again at once, and count that towards its delivery limit until it takes it for poison. The
        # queue's prefetch keeps what is held small.
        while True:
            try:
                await self._door.deliver(arrival)
            except JournalUnavailable as error:
                if self._journal_pause.begin():
                    self._log.warning(JOURNAL_DOWN, reason=error.reason)
                await self._journal_pause.wait()
            else:
                if self._journal_pause.end():
                    self._log.info(JOURNAL_UP)
                return


class _Consumer:
    """One queue, one channel, at most `prefetch` messages in flight."""

    def __init__(self, door: AmqpDoor, *, queue: str, prefetch: int, broker: Broker) -> None:
        self.queue = queue
        self.prefetch = prefetch
        self.tasks: set[asyncio.Task[None]] = set()
        self._door = door
        self._loop = asyncio.get_running_loop()
        self._tag: tuple[Channel, str] | None = None
        self._paused = False
        self._kept: KeptChannel = broker.keep_channel(self._begin, name=queue)

    @property
    def problem(self) -> str | None:
        return self._kept.problem

    async def pause(self) -> None:
        """Take nothing new; what is in flight can still be acknowledged."""
        self._paused = True
        if self._tag is None:
            return
        channel, tag = self._tag
        try:
            await channel.cancel(tag)
        except BrokerUnavailable:
            return  # the channel has gone, and the consumer with it

    async def finish(self, *, grace_s: float | None) -> int:
        """Wait for what is in flight, then close the channel; answers how many were left unacknowledged."""
        left: set[asyncio.Task[None]] = set()
        if self.tasks:
            _, left = await asyncio.wait(self.tasks, timeout=grace_s)
        for task in left:
            task.cancel()
        await self._kept.stop()
        return len(left)

    async def _begin(self, channel: Channel) -> None:
        if self._paused:
            return
        await channel.limit(self.prefetch)
        tag = await channel.consume(self.queue, self._on_message, on_cancelled=partial(self._leave, channel))
        self._tag = (channel, tag)

    def _leave(self, channel: Channel) -> None:
        """The broker took the queue away: close the channel, so that it is opened and consumed again."""
        self._spawn(channel.close())

    def _on_message(self, channel: Channel, method: Basic.Deliver, properties: BasicProperties, body: bytes) -> None:
        # After a cancel the broker may still have had messages on the wire; unacknowledged, they go back to it.
        if not self._paused:
            self._spawn(self._door.take(channel, method, properties, body))

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = self._loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class _Pause:
    """One growing pause that all messages share while the journal is away."""

    def __init__(self) -> None:
        self._pauses: Iterator[float] | None = None
        self._current: asyncio.Task[None] | None = None

    def begin(self) -> bool:
        """True for the first failure after a success."""
        first = self._pauses is None
        if first:
            self._pauses = pauses_s(first_s=0.2)
        return first

    async def wait(self) -> None:
        """Sleep until the pause that runs now is over; begin one if none does."""
        if self._pauses is None:
            return
        if self._current is None or self._current.done():
            self._current = asyncio.create_task(asyncio.sleep(next(self._pauses)))
        await asyncio.shield(self._current)

    def end(self) -> bool:
        """True for the first success after a failure."""
        first = self._pauses is not None
        self._pauses = None
        return first


def _arrival(
    method: Basic.Deliver, properties: BasicProperties, body: bytes, *, bus_user: str, clock: Clock
) -> Arrival:
    headers: Mapping[str, Any] = properties.headers or {}
    user = _text(properties.user_id)
    # The broker lets nobody but the bus put the bus's name into user_id, so only then are these headers its own.
    from_the_bus = user == bus_user and headers.get(ORIGIN_HEADER) == FROM_THE_BUS
    return Arrival(
        route=(_text(headers.get(ROUTE_HEADER)) if from_the_bus else None) or _text(method.routing_key) or "",
        body=body,
        content_type=_text(properties.content_type) or "",
        channel=Way.AMQP,
        credentials=Credentials(broker_user=user),
        received_at=clock(),
        message_id=_text(properties.message_id),
        correlation_id=_text(properties.correlation_id),
        traceparent=_text(headers.get(TRACE_HEADER)),
        asynchronous=True,
        reply_to=_text(properties.reply_to),
        signature=_text(headers.get(SIGNATURE_HEADER)),
        redelivered=method.redelivered,
        on_behalf_of=_text(headers.get(CALLER_HEADER)) if from_the_bus else None,
        dead_letter=_cause_of_death(headers) if method.exchange == DEAD else None,
    )


def _cause_of_death(headers: Mapping[str, Any]) -> str:
    # The broker puts its latest entry first. Older entries, and x-first-death-reason, may be the sender's invention.
    deaths = headers.get("x-death")
    latest = deaths[0] if isinstance(deaths, list) and deaths else None
    reason = latest.get("reason") if isinstance(latest, dict) else None
    return _text(reason) or "rejected"


def _text(value: object) -> str | None:
    """A property or header as text. AMQP fields may hold bytes that are no UTF-8, or numbers: those are no values."""
    return value if isinstance(value, str) and value else None
