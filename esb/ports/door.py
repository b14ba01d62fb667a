"""What a door gives the bus, and the bus as a door sees it. Implemented by `esb/bus.py`."""

from __future__ import annotations

import enum
from datetime import datetime
from typing import Protocol

import msgspec

from esb.model import CallerName, Status


class Channel(enum.StrEnum):
    """Through which door a request came."""

    HTTP = "http"
    AMQP = "amqp"


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A value that may be used once: a token's `jti`, the digest of an agency reply's signature."""

    key: str
    expires_at: datetime


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller showed of itself, unproven: exactly one is set, or none for a nobody.

    `certificate_der`: the client certificate of a completed TLS handshake. `broker_user`: the `user_id` property
    that RabbitMQ itself has checked.
    """

    bearer: str | None = None
    certificate_der: bytes | None = None
    broker_user: str | None = None


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One request as a door received it, nothing of it believed yet.

    `message_id` is None when the sender gave none. `asynchronous`: the sender does not wait. `wait_s`: how long it
    waits before a 202 is better than the reply; None means until the route's deadline. `signature`: the value of the
    sender's `ESB-Signature`, when it signed the body. `redelivered`: the broker has handed it out before.

    `on_behalf_of`: the bus itself put this claim check on a work queue, and this caller's stored exchange is what
    it stands for; set only when the broker has checked that the bus was the sender. `dead_letter`: why the broker
    took the message out of its queue (`expired`, `delivery_limit`, `rejected`, `maxlen`); None for a live one.
    """

    route: str
    body: bytes
    content_type: str
    channel: Channel
    credentials: Credentials
    received_at: datetime
    message_id: str | None = None
    correlation_id: str | None = None
    traceparent: str | None = None
    asynchronous: bool = False
    wait_s: float | None = None
    reply_to: str | None = None
    signature: str | None = None
    redelivered: bool = False
    on_behalf_of: str | None = None
    dead_letter: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the bus says back: `body` is the canonical JSON of one `Reply`, `signature` its detached JWS.

    `http_status` comes from the fault table. `location` is set when the reply is not there yet (202); `awaits` then
    says that the agency itself takes its time, and that nothing went wrong.
    """

    message_id: str
    status: Status
    http_status: int
    body: bytes
    signature: str
    replayed: bool = False
    location: str | None = None
    retry_after_s: int | None = None
    awaits: bool = False


class Door(Protocol):
    """The ONE door of the bus (`esb/bus.py`), as the inbound sides see it. Safe for concurrent use."""

    async def ask(self, arrival: Arrival) -> Answer:
        """Answer one request. Never raises for anything in the request; every outcome is an `Answer`.

        Cancelling the caller of this method does not cancel an exchange that was accepted.
        """
        ...

    async def deliver(self, arrival: Arrival) -> None:
        """Take one message from the broker to its end: COMPLETED, PARKED, POSTPONED or AWAITING, replies in the outbox.

        When it returns the message may be acknowledged.

        Raises:
            JournalUnavailable: nothing is known to be recorded; the message must stay with the broker.
        """
        ...

    async def identify(self, credentials: Credentials) -> CallerName:
        """Who this is, for calls that are not exchanges. Uses up a token. Raises NotIdentified."""
        ...

    async def message(self, caller: CallerName, message_id: str, *, wait_s: float) -> Answer:
        """State and, when there, the reply of a caller's own message; waits up to `wait_s` for it."""
        ...

    async def turn_away(self, arrival: Arrival, error: Exception) -> Answer:
        """As `refuse`, and on record: for a request that the door stopped before the bus saw it."""
        ...

    def refuse(self, arrival: Arrival, error: Exception) -> Answer:
        """The signed reply body for an error that a door itself found (too large, wrong type, no such page)."""
        ...
