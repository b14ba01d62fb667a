"""The bus's side of RabbitMQ in tests: a connected broker with a declared topology, and a door that records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import structlog

from esb.amqp.connection import Broker
from esb.amqp.publisher import Publisher
from esb.amqp.topology import Topology, declare, topology
from esb.model import CallerName
from esb.ports import Answer, Arrival, Credentials, Outgoing
from esb.telemetry.logging import Logger

ROUTES: dict[str, str | None] = {
    "person.identity": "din-reg",
    "credit.obligations": "mkr",
    "person.overview": None,
}
LOG: Logger = structlog.get_logger()


def now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def connected(url: str, *, wanted: Topology | None = None) -> AsyncIterator[Broker]:
    """A broker that has declared a topology and is ready."""
    broker = Broker(url, name="tests", log=LOG)
    broker.on_connected(partial(_declare, wanted or topology([], ROUTES)))
    await broker.start()
    try:
        await broker.wait_ready(30)
        yield broker
    finally:
        await broker.stop()


@asynccontextmanager
async def publishing(broker: Broker, *, window: int = 100, confirm_timeout_s: float = 10.0) -> AsyncIterator[Publisher]:
    """A publisher that is ready."""
    publisher = Publisher(broker, window=window, confirm_timeout_s=confirm_timeout_s)
    await publisher.start()
    try:
        await publisher.wait_ready()
        yield publisher
    finally:
        await publisher.stop()


def message(number: int, *, exchange: str = "", routing_key: str = "esb.parked", body: bytes = b"{}") -> Outgoing:
    return Outgoing(exchange=exchange, routing_key=routing_key, body=body, message_id=f"m{number}")


class RecordingDoor:
    """A `Door` whose `deliver` is told by the test what to do; the other calls are no business of RabbitMQ."""

    def __init__(self, deliver: Callable[[Arrival], object] | None = None) -> None:
        self.arrivals: list[Arrival] = []
        self._deliver = deliver

    async def deliver(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)
        if self._deliver is not None:
            outcome = self._deliver(arrival)
            if hasattr(outcome, "__await__"):
                await outcome

    async def ask(self, arrival: Arrival) -> Answer:
        raise NotImplementedError

    async def identify(self, credentials: Credentials) -> CallerName:
        raise NotImplementedError

    async def message(self, caller: CallerName, message_id: str, *, wait_s: float) -> Answer:
        raise NotImplementedError

    async def turn_away(self, arrival: Arrival, error: Exception) -> Answer:
        return self.refuse(arrival, error)

    def refuse(self, arrival: Arrival, error: Exception) -> Answer:
        raise NotImplementedError


async def _declare(wanted: Topology, channel: object) -> None:
    await declare(channel, wanted)  # type: ignore[arg-type]
