"""The supervised connection to RabbitMQ: comes back by itself, and says at any moment whether it is there.

Made by the composition root, one for publishing and one for consuming (RabbitMQ throttles a connection that
publishes too fast, acknowledgements included). Never holds a message.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from urllib.parse import unquote, urlsplit

import msgspec
import pika

from esb.amqp.channel import CLOSE_TIMEOUT_S, Channel, Connection, open_channel, reason_of, settle
from esb.amqp.pauses import pauses_s
from esb.errors import BrokerError, BrokerUnavailable, SettingInvalid
from esb.telemetry.logging import BROKER_DOWN, BROKER_UP, Logger

UseChannel = Callable[[Channel], Awaitable[None]]

HEARTBEAT_S = 20
CONNECT_TIMEOUT_S = 5.0
STEADY_S = 30.0
"""A connection or channel that lived this long was good: the next failure starts with a short pause again."""


class BrokerState(msgspec.Struct, frozen=True, kw_only=True):
    """What readiness says: `problem` is None when messages can flow."""

    connected: bool
    problem: str | None


class Broker:
    """One connection, kept up in the background from `start` to `stop`. Used from one event loop."""

    def __init__(self, url: str, *, name: str, log: Logger) -> None:
        """`name` is shown in the broker's list of connections.

        Raises:
            SettingInvalid: the address cannot be used. The message does not quote it, it holds a password.
        """
        self._parameters = _parameters(url, name)
        self._name = name
        self._log = log
        self.user = unquote(urlsplit(url).username or "guest")
        self._setups: list[UseChannel] = []
        self._connection: Connection | None = None
        self._lost: asyncio.Future[str] | None = None
        self._problem: str | None = "not started"
        self._blocked: str | None = None
        self._ready = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.connects = 0

    @property
    def state(self) -> BrokerState:
        """Whether it is connected, and if messages do not flow, why not."""
        return BrokerState(connected=self._ready.is_set(), problem=self._problem or self._blocked)

    def on_connected(self, setup: UseChannel) -> None:
        """Run `setup` on a channel of its own after each connect and before anything else; call before `start`."""
        self._setups.append(setup)

    async def start(self) -> None:
        """Begin to connect; returns at once, whether the broker is there or not."""
        self._problem = "connecting"
        # pika logs every failed attempt several times over, with tracebacks; the state and our two lines say it once.
        logging.getLogger("pika").setLevel(logging.CRITICAL)
        self._task = asyncio.create_task(self._supervise(), name="broker")

    async def wait_ready(self, timeout_s: float | None = None) -> None:
        """Return when connected and set up.

        Raises:
            BrokerUnavailable: not within `timeout_s`; says what stands in the way.
        """
        try:
            async with asyncio.timeout(timeout_s):
                await self._ready.wait()
        except TimeoutError as error:
            raise BrokerUnavailable(self._problem or "no connection") from error

    async def open_channel(self) -> Channel:
        """A new channel. Raises BrokerUnavailable when there is no connection now."""
        if self._connection is None or self._lost is None:
            raise BrokerUnavailable(self._problem or "no connection")
        return await open_channel(self._connection, self._lost)

    def keep_channel(self, use: UseChannel, *, name: str) -> KeptChannel:
        """A channel that is opened again whenever it closes; `use` is called on each new one and then returns."""
        return KeptChannel(self, use, name=name, log=self._log)

    async def stop(self) -> None:
        """Close the connection and stay away; idempotent. What is unacknowledged goes back to the broker."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait({self._task})
        self._task = None
        self._problem = "stopped"

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        pauses = pauses_s()
        while True:
            begun_s = loop.time()
            try:
                await self._live()
            except BrokerError as error:
                self._report_loss(error.reason)
            if loop.time() - begun_s > STEADY_S:
                pauses = pauses_s()
            await asyncio.sleep(next(pauses))

    async def _live(self) -> None:
        """One connection from its opening to its loss; always raises."""
        lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        connection = await self._connect(lost)
        try:
            self._connection, self._lost = connection, lost
            for setup in self._setups:
                await self._run(setup)
            self._problem = None
            self.connects += 1
            self._ready.set()
            self._log.info(BROKER_UP, connection=self._name)
            raise BrokerUnavailable(await asyncio.shield(lost))
        finally:
            self._ready.clear()
            self._blocked = None
            self._connection = self._lost = None
            await _close(connection, lost)

    async def _run(self, setup: UseChannel) -> None:
        channel = await self.open_channel()
        await setup(channel)
        await channel.close()

    async def _connect(self, lost: asyncio.Future[str]) -> Connection:
        opened: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        connection = Connection(
            self._parameters,
            on_open_callback=lambda _connection: settle(opened, None),
            on_open_error_callback=lambda _connection, error: settle(opened, reason_of(error)),
            on_close_callback=lambda _connection, error: settle(lost, reason_of(error)),
        )
        connection.add_on_connection_blocked_callback(lambda _connection, frame: self._block(frame.method.reason))
        connection.add_on_connection_unblocked_callback(lambda _connection, _frame: self._block(None))
        try:
            refused = await opened
        except asyncio.CancelledError:
            connection.close()
            raise
        if refused is not None:
            raise BrokerUnavailable(refused)
        return connection

    def _report_loss(self, reason: str) -> None:
        if reason != self._problem:
            self._log.warning(BROKER_DOWN, connection=self._name, reason=reason)
        self._problem = reason

    def _block(self, reason: str | None) -> None:
        self._blocked = None if reason is None else f"blocked by the broker: {reason}"


class KeptChannel:
    """Keeps one channel open and in use while its broker is connected, from creation to `stop`.

    A channel that the broker closes (a queue that is missing, an acknowledgement that came too late) is opened
    again after a growing pause and disturbs no other channel.
    """

    def __init__(self, broker: Broker, use: UseChannel, *, name: str, log: Logger) -> None:
        """Begins at once; needs a running event loop. `name` stands in log lines."""
        self._broker = broker
        self._use = use
        self._name = name
        self._log = log
        self.channel: Channel | None = None
        self.problem: str | None = "not open yet"
        self._opened = asyncio.Event()
        self._task = asyncio.create_task(self._keep(), name="channel")

    async def wait_open(self) -> Channel:
        """Return an open channel that `use` has been called on."""
        while self.channel is None:
            await self._opened.wait()
        return self.channel

    async def stop(self) -> None:
        """Close the channel and do not open it again; idempotent."""
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        pauses = pauses_s()
        while True:
            await self._broker.wait_ready()
            begun_s = loop.time()
            try:
                await self._live()
            except BrokerError as error:
                self._report_loss(error.reason)
            if loop.time() - begun_s > STEADY_S:
                pauses = pauses_s()
            await asyncio.sleep(next(pauses))

    def _report_loss(self, reason: str) -> None:
        # A lost connection is the broker's to report, once for all its channels.
        if self._broker.state.connected and reason != self.problem:
            self._log.warning(BROKER_DOWN, connection=self._name, reason=reason)
        self.problem = reason

    async def _live(self) -> None:
        """One channel from its opening to its end; always raises."""
        channel = await self._broker.open_channel()
        # Registered before `use` registers anything: whoever hears of the end then finds no channel here any more.
        channel.closed.add_done_callback(lambda _reason: self._withdraw())
        try:
            await self._use(channel)
            self.channel, self.problem = channel, None
            self._opened.set()
            raise BrokerUnavailable(await asyncio.shield(channel.closed))
        finally:
            self._withdraw()
            await channel.close()

    def _withdraw(self) -> None:
        self.channel = None
        self._opened.clear()


def _parameters(url: str, name: str) -> pika.URLParameters:
    if not url.startswith(("amqp://", "amqps://")):
        raise SettingInvalid("broker_url must begin with amqp:// or amqps://")
    try:
        parameters = pika.URLParameters(url)
    except (ValueError, TypeError, IndexError) as error:
        raise SettingInvalid("broker_url is not a usable AMQP address") from error
    parameters.heartbeat = HEARTBEAT_S
    parameters.connection_attempts = 1
    parameters.socket_timeout = CONNECT_TIMEOUT_S
    parameters.stack_timeout = CONNECT_TIMEOUT_S
    parameters.client_properties = {"connection_name": name}
    return parameters


async def _close(connection: Connection, lost: asyncio.Future[str]) -> None:
    if connection.is_open:
        connection.close()
    # A broker that no longer answers must not hold up a shutdown.
    await asyncio.wait({lost}, timeout=CLOSE_TIMEOUT_S)
    if not lost.done():
        connection.abort()
        await asyncio.wait({lost}, timeout=CLOSE_TIMEOUT_S)
