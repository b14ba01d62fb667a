"""Which exchanges, queues and bindings the bus needs: a value made from agencies and routes; and its declaration.

`esb topology` prints the value. Declaring is idempotent; nothing here ever deletes a queue or a message.

    esb.requests --route--> esb.work.<agency> --+--refused, expired or handed out too often--> esb.dead --> esb.parked
        +--no such route--> esb.unroutable -----+
    esb.delay --<s>.<agency>--> esb.delay.<s> --after s seconds--> esb.redeliver --> esb.work.<agency>
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import msgspec

from esb.amqp.channel import Channel
from esb.errors import ConfigurationError

REQUESTS = "esb.requests"
REPLIES = "esb.replies"
UNROUTABLE = "esb.unroutable"
DEAD = "esb.dead"
PARKED = "esb.parked"
DELAY = "esb.delay"
REDELIVER = "esb.redeliver"
GATHER = "gather"
"""Stands where an agency would for routes that gather others and so belong to no single one."""

DELAYS_S = (1, 5, 30, 120, 600)
DELIVERY_LIMIT = 10
"""How often the broker hands a message out before it counts as poison. A restart of bus or broker counts as one."""

_AGENCY = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_ROUTE = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)*")


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """A durable exchange. `alternate` gets what it cannot route."""

    name: str
    kind: str
    alternate: str | None = None

    @property
    def arguments(self) -> dict[str, object]:
        """As the broker wants them."""
        return {} if self.alternate is None else {"alternate-exchange": self.alternate}


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """A durable quorum queue. `dead_letters`: the exchange, or (exchange, routing key), that gets what dies in it."""

    name: str
    dead_letters: tuple[str, str | None] | None = None
    delivery_limit: int | None = None
    ttl_s: int | None = None

    @property
    def arguments(self) -> dict[str, object]:
        """As the broker wants them."""
        values: dict[str, object] = {"x-queue-type": "quorum"}
        if self.delivery_limit is not None:
            values["x-delivery-limit"] = self.delivery_limit
        if self.ttl_s is not None:
            values["x-message-ttl"] = self.ttl_s * 1000
        if self.dead_letters is not None:
            exchange, routing_key = self.dead_letters
            # at-least-once: the message leaves this queue only when the next one has confirmed it. RabbitMQ
            # grants that only together with reject-publish.
            values |= {
                "x-dead-letter-exchange": exchange,
                "x-dead-letter-strategy": "at-least-once",
                "x-overflow": "reject-publish",
            }
            if routing_key is not None:
                values["x-dead-letter-routing-key"] = routing_key
        return values


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """Messages of `exchange` whose routing key fits go to `queue`."""

    exchange: str
    queue: str
    routing_key: str


class CallerPermissions(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller's broker user may do: regular expressions for `rabbitmqctl set_permissions` and its topic twin.

    Without the topic permission a caller could bind a queue of its own to everybody's replies.
    """

    configure: str
    write: str
    read: str
    replies_write: str
    replies_read: str


class Topology(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the bus declares. Equal topologies are declared alike."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]
    agencies: tuple[str, ...]
    """Those with a work queue, `gather` included."""

    def as_rows(self) -> list[dict[str, str]]:
        """A table for `esb topology`: kind, name, details."""
        return [
            *(_row("exchange", exchange.name, exchange.kind, exchange.arguments) for exchange in self.exchanges),
            *(_row("queue", queue.name, "durable", queue.arguments) for queue in self.queues),
            *(_row("binding", f"{b.exchange} → {b.queue}", b.routing_key or "(all)", {}) for b in self.bindings),
        ]


def topology(agencies: Iterable[str], routes: Mapping[str, str | None]) -> Topology:
    """The topology for these agencies and routes; a route's value is its agency, or None when it gathers.

    Raises:
        ConfigurationError: a name that would be a wildcard or break the naming of queues.
    """
    names = sorted({*agencies, *(agency for agency in routes.values() if agency is not None)})
    _check(names, routes)
    owners = (*names, GATHER)
    return Topology(
        exchanges=(
            Exchange(name=REQUESTS, kind="topic", alternate=UNROUTABLE),
            Exchange(name=UNROUTABLE, kind="fanout"),
            Exchange(name=REPLIES, kind="topic"),
            Exchange(name=DELAY, kind="topic"),
            Exchange(name=REDELIVER, kind="topic"),
            Exchange(name=DEAD, kind="fanout"),
        ),
        queues=(
            *(_work(work_queue(owner)) for owner in owners),
            _work(UNROUTABLE),
            *(Queue(name=f"{DELAY}.{s}", dead_letters=(REDELIVER, None), ttl_s=s) for s in DELAYS_S),
            Queue(name=DEAD, dead_letters=("", PARKED), delivery_limit=DELIVERY_LIMIT),
            Queue(name=PARKED),
        ),
        bindings=(
            *(_request_binding(route, agency or GATHER) for route, agency in sorted(routes.items())),
            *(Binding(exchange=REDELIVER, queue=work_queue(o), routing_key=f"*.{o}") for o in owners),
            *(Binding(exchange=DELAY, queue=f"{DELAY}.{s}", routing_key=f"{s}.*") for s in DELAYS_S),
            Binding(exchange=UNROUTABLE, queue=UNROUTABLE, routing_key=""),
            Binding(exchange=DEAD, queue=DEAD, routing_key=""),
        ),
        agencies=owners,
    )


def work_queue(agency: str | None) -> str:
    """The queue of one agency's work; None for routes that gather."""
    return f"esb.work.{agency or GATHER}"


def delay_key(agency: str | None, delay_s: float) -> str:
    """Routing key on `esb.delay` that brings a message to the agency's work queue after at least `delay_s`.

    Delays above the longest queue's are cut to it: who receives the message too early delays it again.
    """
    seconds = next((s for s in DELAYS_S if s >= delay_s), DELAYS_S[-1])
    return f"{seconds}.{agency or GATHER}"


def caller_permissions(caller: str) -> CallerPermissions:
    """The least a caller's broker user needs: ask, and read its own replies from queues named `<caller>.…`."""
    own = re.escape(caller) + r"\."
    return CallerPermissions(
        configure=f"^{own}.*$",
        # Publishing to the default exchange is not among these, so nobody reaches a work queue directly.
        write=rf"^({re.escape(REQUESTS)}|{own}.*)$",
        read=rf"^({re.escape(REPLIES)}|{own}.*)$",
        replies_write="^$",
        replies_read=f"^{own}.*$",
    )


async def declare(channel: Channel, wanted: Topology, *, previous: Topology | None = None) -> None:
    """Make everything that is not there yet, and take away the bindings that only `previous` has.

    Safe to repeat and to run from several workers at once. New bindings come before old ones go, so that a request
    sent meanwhile may arrive twice but never nowhere.

    Raises:
        BrokerUnavailable: the connection ended, or something of that name exists with other arguments.
    """
    for exchange in wanted.exchanges:
        await channel.declare_exchange(exchange.name, exchange.kind, arguments=exchange.arguments)
    for queue in wanted.queues:
        await channel.declare_queue(queue.name, arguments=queue.arguments)
    for binding in wanted.bindings:
        await channel.bind(exchange=binding.exchange, queue=binding.queue, routing_key=binding.routing_key)
    for binding in stale_bindings(wanted, previous):
        await channel.unbind(exchange=binding.exchange, queue=binding.queue, routing_key=binding.routing_key)


def stale_bindings(wanted: Topology, previous: Topology | None) -> list[Binding]:
    """What `previous` bound and `wanted` does not."""
    return [] if previous is None else [b for b in previous.bindings if b not in set(wanted.bindings)]


def _work(name: str) -> Queue:
    return Queue(name=name, dead_letters=(DEAD, None), delivery_limit=DELIVERY_LIMIT)


def _request_binding(route: str, agency: str) -> Binding:
    return Binding(exchange=REQUESTS, queue=work_queue(agency), routing_key=route)


def _check(agencies: Iterable[str], routes: Iterable[str]) -> None:
    for agency in agencies:
        if agency == GATHER or not _AGENCY.fullmatch(agency):
            raise ConfigurationError(f"{agency!r} cannot be an agency with a work queue")
    for route in routes:
        if not _ROUTE.fullmatch(route):
            raise ConfigurationError(f"{route!r} cannot be a routing key")


def _row(kind: str, name: str, what: str, arguments: Mapping[str, object]) -> dict[str, str]:
    details = ", ".join((what, *(f"{key}={value}" for key, value in arguments.items())))
    return {"kind": kind, "name": name, "details": details}
