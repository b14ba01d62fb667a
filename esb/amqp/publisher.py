"""Publishes with confirms: a message counts as sent only when the broker has it on disk in every replica it needs.

Used by the relay. Keeps a bounded number of messages outstanding, because waiting for each confirm by itself costs
the broker ten times more. Never retries and never remembers a message: that is the outbox's work.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Sequence

import msgspec
from pika.spec import BasicProperties

from esb.amqp.channel import Channel
from esb.amqp.connection import Broker, KeptChannel
from esb.errors import BrokerUnavailable, PublishUnconfirmed
from esb.ports import Outgoing

WINDOW = 100
CONFIRM_TIMEOUT_S = 10.0
PERSISTENT = 2
NO_CONFIRMS = "the broker does not confirm"


class Outcome(enum.Enum):
    """What the broker said about a message."""

    CONFIRMED = "confirmed"
    RETURNED = "returned"
    UNCONFIRMED = "unconfirmed"


class _Outstanding(msgspec.Struct):
    """A message sent and not yet answered for."""

    outcome: asyncio.Future[Outcome]
    message: Outgoing
    sent_at_s: float
    returned: bool = False


class Publisher:
    """One confirming channel with a window of outstanding messages. Safe for concurrent use from one event loop."""

    def __init__(self, broker: Broker, *, window: int = WINDOW, confirm_timeout_s: float = CONFIRM_TIMEOUT_S) -> None:
        """Nothing is sent before `start`."""
        self._broker = broker
        self._room = asyncio.Semaphore(window)
        self._confirm_timeout_s = confirm_timeout_s
        self._outstanding: dict[int, _Outstanding] = {}
        self._last_tag = 0
        self._stalled = False
        self._kept: KeptChannel | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the channel in the background and keep it open."""
        self._kept = self._broker.keep_channel(self._begin, name="publisher")
        self._watch = asyncio.create_task(self._watch_confirms(), name="publisher")

    async def stop(self) -> None:
        """Close the channel; whatever is still outstanding is unconfirmed. Idempotent."""
        if self._kept is None or self._watch is None:
            return
        self._watch.cancel()
        await asyncio.wait({self._watch})
        await self._kept.stop()
        self._fail_outstanding()

    @property
    def problem(self) -> str | None:
        """Why nothing can be published now; None when it can."""
        if self._kept is None:
            return "not started"
        return self._broker.state.problem or self._kept.problem or (NO_CONFIRMS if self._stalled else None)

    @property
    def outstanding(self) -> int:
        """Messages sent and not yet confirmed."""
        return len(self._outstanding)

    async def wait_ready(self) -> None:
        """Return when messages can be published. Raises BrokerUnavailable if not started."""
        if self._kept is None:
            raise BrokerUnavailable("the publisher is not started")
        await self._kept.wait_open()

    async def publish(self, message: Outgoing) -> Outcome:
        """CONFIRMED: the broker has it durably. RETURNED: it has no queue for it, or AMQP cannot name it.

        Raises:
            BrokerUnavailable: nothing was sent.
            PublishUnconfirmed: it was sent; whether the broker has it is unknown.
        """
        outcome = await (await self._send(message))
        if outcome is Outcome.UNCONFIRMED:
            raise PublishUnconfirmed("the broker did not confirm")
        return outcome

    async def publish_all(self, messages: Sequence[Outgoing]) -> list[Outcome]:
        """Publish in this order without waiting for each; the outcomes in the same order. Never raises BrokerError.

        What could not be sent at all is UNCONFIRMED as well.
        """
        sent: list[asyncio.Future[Outcome]] = []
        for message in messages:
            try:
                sent.append(await self._send(message))
            except BrokerUnavailable:
                break
        outcomes = [await outcome for outcome in sent]
        return outcomes + [Outcome.UNCONFIRMED] * (len(messages) - len(sent))

    async def _send(self, message: Outgoing) -> asyncio.Future[Outcome]:
        await self._room.acquire()
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Outcome] = loop.create_future()
        try:
            self._open_channel().publish(
                exchange=message.exchange,
                routing_key=message.routing_key,
                properties=self._properties(message),
                body=message.body,
            )
        except ValueError:
            # Sending it again would fail again, so it is answered like a message nobody can receive.
            self._room.release()
            outcome.set_result(Outcome.RETURNED)
            return outcome
        except BrokerUnavailable:
            self._room.release()
            raise
        # The broker counts the same way: the first message on a confirming channel is 1.
        self._last_tag += 1
        self._outstanding[self._last_tag] = _Outstanding(outcome=outcome, message=message, sent_at_s=loop.time())
        return outcome

    def _open_channel(self) -> Channel:
        channel = None if self._kept is None else self._kept.channel
        if channel is None or channel.closed.done():
            raise BrokerUnavailable(self.problem or "the channel has just closed")
        return channel

    def _properties(self, message: Outgoing) -> BasicProperties:
        return BasicProperties(
            content_type=message.content_type,
            headers=message.headers or None,
            delivery_mode=PERSISTENT,
            correlation_id=message.correlation_id,
            message_id=message.message_id,
            user_id=self._broker.user,
            app_id="esb",
        )

    async def _begin(self, channel: Channel) -> None:
        self._last_tag = 0
        channel.closed.add_done_callback(lambda _reason: self._fail_outstanding())
        await channel.confirm(self._on_confirm, self._on_return)

    def _on_confirm(self, tag: int, multiple: bool, taken: bool) -> None:  # noqa: FBT001 - the shape of pika's callback
        self._stalled = False
        if not multiple:
            self._settle(tag, taken=taken)
            return
        # Tags are inserted in order, so the covered ones come first.
        covered = []
        for outstanding_tag in self._outstanding:
            if outstanding_tag > tag:
                break
            covered.append(outstanding_tag)
        for covered_tag in covered:
            self._settle(covered_tag, taken=taken)

    def _on_return(self, method: object, properties: BasicProperties) -> None:
        # A return precedes the confirm of the same message and names it only by what was sent. Two outstanding
        # messages that look the same have the same fate, so marking both is right.
        key = (properties.message_id, getattr(method, "exchange", None), getattr(method, "routing_key", None))
        for outstanding in self._outstanding.values():
            message = outstanding.message
            if (message.message_id, message.exchange, message.routing_key) == key:
                outstanding.returned = True

    def _settle(self, tag: int, *, taken: bool) -> None:
        outstanding = self._outstanding.pop(tag, None)
        if outstanding is None:
            return
        self._room.release()
        if outstanding.outcome.done():
            return
        if not taken:
            outstanding.outcome.set_result(Outcome.UNCONFIRMED)
        else:
            outstanding.outcome.set_result(Outcome.RETURNED if outstanding.returned else Outcome.CONFIRMED)

    def _fail_outstanding(self) -> None:
        for tag in list(self._outstanding):
            self._settle(tag, taken=False)

    async def _watch_confirms(self) -> None:
        """Abandon a channel that does not confirm, and so fail what is outstanding on it.

        A quorum queue without a leader takes what it is sent and may never confirm it; a new channel asks anew.
        """
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._confirm_timeout_s / 4)
            oldest = next(iter(self._outstanding.values()), None)
            if oldest is None or loop.time() - oldest.sent_at_s < self._confirm_timeout_s:
                continue
            self._stalled = True
            if self._kept is not None and self._kept.channel is not None:
                self._kept.channel.abandon(NO_CONFIRMS)
