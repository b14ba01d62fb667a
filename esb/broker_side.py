"""All of RabbitMQ for one worker: two connections, the declared topology, the relay of the outbox, the consuming door.

Put together here so that the composition root starts, follows and stops it as one thing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from esb.amqp.channel import Channel
from esb.amqp.connection import Broker
from esb.amqp.publisher import Publisher
from esb.amqp.relay import Relay
from esb.amqp.topology import GATHER, Topology, declare, topology
from esb.errors import BrokerUnavailable
from esb.inbound.amqp import AmqpDoor
from esb.pipeline import Configuration
from esb.ports import Clock, Door, Journal
from esb.routes.table import CallRoute
from esb.telemetry.logging import Logger

GATHER_PREFETCH = 16


class BrokerSide:
    """From `start` to `stop`. Used from one event loop."""

    def __init__(self, url: str, *, name: str, door: Door, journal: Journal, clock: Clock, log: Logger) -> None:
        """`name` is shown in the broker's list of connections. Raises SettingInvalid for an unusable address."""
        # Two connections: RabbitMQ throttles one that publishes too fast, acknowledgements included.
        self._publishing = Broker(url, name=f"{name} out", log=log)
        self._consuming = Broker(url, name=f"{name} in", log=log)
        self._publisher = Publisher(self._publishing)
        self._relay = Relay(journal, self._publisher, log=log)
        self._door = AmqpDoor(door=door, broker=self._consuming, clock=clock, log=log)
        self._topology: Topology | None = None
        self._previous: Topology | None = None

    async def start(self, configuration: Configuration) -> None:
        """Begin to connect; returns at once, whether the broker is there or not."""
        self._topology = topology_of(configuration)
        for broker in (self._publishing, self._consuming):
            broker.on_connected(self._declare)
            await broker.start()
        await self._publisher.start()
        await self._relay.start()
        await self._door.start(prefetch_of(configuration))

    async def follow(self, configuration: Configuration) -> None:
        """Serve the routes of a new configuration; what cannot be declared now is when the broker is back."""
        self._previous, self._topology = self._topology, topology_of(configuration)
        with contextlib.suppress(BrokerUnavailable):
            channel = await self._consuming.open_channel()
            try:
                await self._declare(channel)
            finally:
                await channel.close()
        await self._door.follow(prefetch_of(configuration))

    async def stop_consuming(self, *, grace_s: float) -> None:
        """Take nothing new; what runs is finished and acknowledged within `grace_s`, the rest stays with the broker."""
        await self._door.stop(grace_s=grace_s)

    async def stop(self) -> None:
        """Send what is in the outbox, then disconnect."""
        await self._relay.stop()
        await self._publisher.stop()
        await self._consuming.stop()
        await self._publishing.stop()

    def wake(self) -> None:
        """The outbox has something."""
        self._relay.wake()

    @property
    def problem(self) -> str | None:
        """Why messages do not flow now; None when they do."""
        return self._publisher.problem or self._door.problem

    async def _declare(self, channel: Channel) -> None:
        if self._topology is not None:
            await declare(channel, self._topology, previous=self._previous)


def topology_of(configuration: Configuration) -> Topology:
    """What must be declared for these routes and agencies."""
    routes: dict[str, str | None] = {
        route.id: route.agency if isinstance(route, CallRoute) else None
        for route in configuration.table.routes.values()
    }
    return topology(configuration.guards, routes)


def prefetch_of(configuration: Configuration) -> Mapping[str, int]:
    """How much of each agency's queue one worker takes at a time: as much as the agency bears."""
    limits = {agency: guard.limits.concurrency for agency, guard in configuration.guards.items()}
    return {**limits, GATHER: GATHER_PREFETCH}
