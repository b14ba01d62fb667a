"""The load generator: a portal backend that keeps a fixed number of questions in flight, over HTTP or RabbitMQ.

Runs in the bench's own process, whose CPU time is nobody's result. Every reply is looked at: one that is not OK ends
the bench.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

import aiohttp
import pika
import uvloop
from pika.adapters.blocking_connection import BlockingChannel

from bench.values import ROUTE, Load

CALLER = "portal"
QUEUE = f"{CALLER}.bench"
GIVE_UP_S = 60.0
_OK = b'"status":"OK"'


@dataclass(kw_only=True)
class Clock:
    """Latencies of one round."""

    seconds: float
    began_s: float = field(default_factory=time.perf_counter)
    latencies_s: list[float] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """No further question is asked; those on their way are waited for."""
        return time.perf_counter() - self.began_s >= self.seconds

    def answered(self, asked_s: float, reply: bytes) -> None:
        """Take one reply. Raises AssertionError when it is not a good one."""
        self.latencies_s.append(time.perf_counter() - asked_s)
        assert _OK in reply, reply[:500].decode()

    def load(self) -> Load:
        """What was seen."""
        elapsed_s = time.perf_counter() - self.began_s
        ordered = sorted(self.latencies_s)
        return Load(
            exchanges=len(ordered),
            elapsed_s=elapsed_s,
            p50_ms=ordered[len(ordered) // 2] * 1000,
            p99_ms=ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)] * 1000,
        )


def over_http(url: str, body: bytes, token: Callable[[], str], *, seconds: float, concurrency: int) -> Load:
    """Questions to one URL; each carries a token of its own, as the bus demands."""
    return uvloop.run(_over_http(url, body, token, seconds, concurrency))


async def _over_http(url: str, body: bytes, token: Callable[[], str], seconds: float, concurrency: int) -> Load:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        clock = Clock(seconds=seconds)
        await asyncio.gather(*(_asking(session, url, body, token, clock) for _ in range(concurrency)))
    return clock.load()


async def _asking(
    session: aiohttp.ClientSession, url: str, body: bytes, token: Callable[[], str], clock: Clock
) -> None:
    while not clock.is_over:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token()}"}
        asked_s = time.perf_counter()
        async with session.post(url, data=body, headers=headers) as response:
            reply = await response.read()
        clock.answered(asked_s, reply)


def prepare_queue(url: str) -> None:
    """The caller's own queue, bound to its replies."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.queue_declare(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})
    channel.queue_bind(QUEUE, "esb.replies", f"{CALLER}.#")
    connection.close()


def over_rabbitmq(url: str, body: bytes, *, seconds: float, concurrency: int) -> Load:
    """Questions to `esb.requests`, replies from the caller's own queue."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    clock = Clock(seconds=seconds)
    asked_s: dict[str, float] = {}

    def ask() -> None:
        message_id = str(uuid.uuid4())
        asked_s[message_id] = time.perf_counter()
        properties = pika.BasicProperties(
            message_id=message_id,
            correlation_id=message_id,
            user_id=CALLER,
            content_type="application/json",
            delivery_mode=2,
        )
        channel.basic_publish("esb.requests", ROUTE, body, properties)

    def take(channel: BlockingChannel, _: object, properties: pika.BasicProperties, reply: bytes) -> None:
        clock.answered(asked_s.pop(properties.correlation_id), reply)
        if not clock.is_over:
            ask()
        elif not asked_s:
            channel.stop_consuming()

    channel.basic_consume(QUEUE, take, auto_ack=True)
    timer = connection.call_later(seconds + GIVE_UP_S, channel.stop_consuming)
    for _ in range(concurrency):
        ask()
    channel.start_consuming()
    connection.remove_timeout(timer)
    connection.close()
    assert not asked_s, f"{len(asked_s)} questions were not answered"
    return clock.load()
