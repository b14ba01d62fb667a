"""A running HTTP door over a scripted bus: real server, real sockets, real signatures, no agencies.

`ScriptedBus` is the `Door` of these tests: it knows two callers, answers what a test lays down and remembers what
arrived. Fixtures: `bus`, `http_door`, `url`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast

import aiohttp
import msgspec
import pytest

from esb import faults
from esb.codec import encode
from esb.errors import MessageUnknown, NotIdentified
from esb.inbound.http import HttpDoor
from esb.model import AgencyCode, CallerName, MessageId, Reply, RouteId, Status, Text
from esb.ports import AgencyOperation, Answer, Arrival, Credentials, InboxReply, Journal
from esb.routes.table import CallRoute, Retry, RouteTable
from esb.settings import Settings
from esb.telemetry.metrics import Metrics
from security import jws, keys
from security.policy import Grant, GrantTable

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)
MESSAGE_ID = "0b9f7c52-6f0e-4c3a-9a3e-0d1f5a7c2b10"
KEY = keys.generate(keys.Algorithm.ES256, NOW)

QUESTION = b'{"subject":{"scheme":"FIN","value":"7TESTX1"}}'
PORTAL = {"Authorization": "Bearer token-of-portal"}
EESMN = {"Authorization": "Bearer token-of-eesmn"}


@dataclass
class ScriptedBus:
    """Answers OK to everything, unless `script` says otherwise. `gate`: answers only when it is set."""

    arrivals: list[Arrival] = field(default_factory=list)
    refusals: list[Exception] = field(default_factory=list)
    certificates: dict[bytes, CallerName] = field(default_factory=dict)
    messages: dict[str, Answer] = field(default_factory=dict)
    waits: list[float] = field(default_factory=list)
    script: Callable[[Arrival], Answer] | None = None
    gate: asyncio.Event | None = None
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    keyless: bool = False

    async def ask(self, arrival: Arrival) -> Answer:
        self.arrivals.append(arrival)
        self.entered.set()
        if self.gate is not None:
            await self.gate.wait()
        return self.script(arrival) if self.script else self.answer(arrival)

    async def deliver(self, arrival: Arrival) -> None:  # noqa: ARG002 - the protocol's signature
        raise AssertionError("the HTTP door never delivers")

    async def identify(self, credentials: Credentials) -> CallerName:
        if credentials.bearer is not None and credentials.bearer.startswith("token-of-"):
            return CallerName(credentials.bearer.removeprefix("token-of-"))
        caller = self.certificates.get(credentials.certificate_der or b"")
        if caller is None:
            raise NotIdentified("no credentials")
        return caller

    async def message(self, caller: CallerName, message_id: str, *, wait_s: float) -> Answer:  # noqa: ARG002 - see above
        self.waits.append(wait_s)
        if message_id not in self.messages:
            raise MessageUnknown("no such message")
        return self.messages[message_id]

    async def turn_away(self, arrival: Arrival, error: Exception) -> Answer:
        return self.refuse(arrival, error)

    def refuse(self, arrival: Arrival, error: Exception) -> Answer:
        if self.keyless:
            raise RuntimeError("no key")
        self.refusals.append(error)
        policy = faults.policy_of(error)
        retry_after_s = getattr(error, "retry_after_s", None)
        return self.answer(
            arrival,
            status=policy.status,
            http_status=policy.http_status,
            faults=(faults.fault_of(error),),
            retry_after_s=None if retry_after_s is None else int(retry_after_s),
        )

    def answer(
        self,
        arrival: Arrival,
        *,
        status: Status = Status.OK,
        http_status: int = 200,
        faults: tuple[Any, ...] = (),
        **more: Any,
    ) -> Answer:
        message_id = arrival.message_id or MESSAGE_ID
        reply = Reply(
            message_id=message_id,
            correlation_id=arrival.correlation_id,
            route=arrival.route,
            version=1,
            status=status,
            data={"surname": "Əliyeva"} if status is Status.OK else None,
            faults=faults,
            received_at=NOW,
            completed_at=NOW,
        )
        body = encode(reply)
        return Answer(
            message_id=message_id, status=status, http_status=http_status, body=body, signature=sign(body), **more
        )


@dataclass
class WaitingRoom:
    """The inbox of the journal, in memory: the two methods that the door uses."""

    waiting: dict[CallerName, list[InboxReply]] = field(default_factory=dict)
    looks: int = 0
    looked: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    def lay(self, caller: str, reply: InboxReply) -> None:
        self.waiting.setdefault(CallerName(caller), []).append(reply)

    async def inbox(self, caller: CallerName, *, limit: int, redeliver_after_s: float) -> list[InboxReply]:
        assert redeliver_after_s > 0
        self.looks += 1
        self.looked.release()
        return self.waiting.get(caller, [])[:limit]

    async def acknowledge(self, caller: CallerName, message_id: MessageId) -> bool:
        before = self.waiting.get(caller, [])
        self.waiting[caller] = [reply for reply in before if reply.message_id != message_id]
        return len(self.waiting[caller]) < len(before)


@dataclass(kw_only=True)
class RunningDoor:
    """A door that listens. `health` is what `/readyz` finds."""

    door: HttpDoor
    url: str
    room: WaitingRoom
    metrics: Metrics
    health: dict[str, str | None]
    looks: Callable[[], int]
    table: RouteTable


sign = partial(jws.sign_detached, key=KEY)


def verified(body: bytes, signature: str) -> bytes:
    """The body, when the bus signed exactly it."""
    jws.verify_detached(body, signature, {KEY.kid: KEY.verifying()})
    return body


async def reply_of(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """The JSON of a response whose signature holds."""
    body = verified(await response.read(), response.headers["ESB-Signature"])
    reply: dict[str, Any] = msgspec.json.decode(body)
    return reply


class _NoOperation:
    agency = AgencyCode("din-reg")
    name = "GetPersonByPin"


class _AnyRequest:
    def validate(self, instance: Any) -> None:
        """Everything fits."""


def route(name: str, **changes: Any) -> CallRoute:
    """A compiled route as the HTTP door sees it."""
    values: dict[str, Any] = {
        "id": RouteId(name),
        "version": 1,
        "title": Text(az="Şəxsiyyət məlumatları", en="Identity of a person"),
        "audience": ("citizen",),
        "legal_basis": "Cabinet decision 191/2011",
        "agency": AgencyCode("din-reg"),
        "operation_name": "GetPersonByPin",
        "operation": cast("AgencyOperation", _NoOperation()),
        "request": (),
        "reply": (),
        "not_found": None,
        "timeout_s": 5.0,
        "deadline_s": 15.0,
        "idempotent": True,
        "retry": Retry(),
        "max_body_bytes": 65536,
        "signed_requests": False,
        "asynchronous": False,
        "strength": None,
        "subject_schemes": ("FIN",),
        "parameters": (),
        "request_schema": {
            "type": "object",
            "properties": {
                "subject": {
                    "type": "object",
                    "properties": {
                        "scheme": {"enum": ["FIN"]},
                        "value": {"type": "string", "pattern": "^[0-9A-HJ-NP-Z]{7}$"},
                    },
                    "required": ["scheme", "value"],
                    "additionalProperties": False,
                }
            },
            "required": ["subject"],
            "additionalProperties": False,
        },
        "reply_schema": {
            "type": "object",
            "properties": {"surname": {"type": ["string", "null"], "maxLength": 100}, "name": {"type": "string"}},
        },
        "request_sample": {"subject": {"scheme": "FIN", "value": "7TESTX1"}},
        "reply_sample": {"surname": "Əliyeva", "name": "Aygün"},
        "validator": _AnyRequest(),
        "pointers": {},
        "request_builder": dict,
        "reply_builder": dict,
        "digest": "0" * 64,
    }
    return CallRoute(**{**values, **changes})


def table() -> RouteTable:
    """Two routes, of which `portal` may ask both and `eesmn` one."""
    routes = {name: route(name) for name in map(RouteId, ("person.identity", "credit.obligations"))}
    grants = (Grant(caller="portal", route="person.*"), Grant(caller="portal", route="credit.obligations"))
    return RouteTable(
        routes=routes,
        callers={},
        grants=GrantTable((*grants, Grant(caller="eesmn", route="credit.obligations"))),
        digest="1" * 64,
        source=Path("routes.yaml"),
    )


@asynccontextmanager
async def running(bus: ScriptedBus, **settings: Any) -> AsyncIterator[RunningDoor]:
    """A door over `bus` that listens on a free port of the loopback."""
    room, metrics, routes = WaitingRoom(), Metrics(), table()
    health: dict[str, str | None] = {"journal": None}
    looks = 0

    async def look() -> Mapping[str, str | None]:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0)
        return health

    door = HttpDoor(
        door=bus,
        journal=cast("Journal", room),
        routes=lambda: routes,
        health=look,
        jwks=lambda: {"keys": [keys.jwk(KEY.verifying())]},
        sign=sign,
        metrics=metrics,
        settings=Settings(**settings),
        clock=lambda: NOW,
    )
    host, port = await door.listen("127.0.0.1:0")
    try:
        yield RunningDoor(
            door=door,
            url=f"http://{host}:{port}",
            room=room,
            metrics=metrics,
            health=health,
            looks=lambda: looks,
            table=routes,
        )
    finally:
        await door.close(grace_s=1)


@pytest.fixture
def bus() -> ScriptedBus:
    return ScriptedBus()


@pytest.fixture
async def http_door(bus: ScriptedBus) -> AsyncIterator[RunningDoor]:
    async with running(bus) as door:
        yield door


@pytest.fixture
async def portal(http_door: RunningDoor) -> AsyncIterator[aiohttp.ClientSession]:
    """A client with `http_door` as base address, and no credentials of its own."""
    async with aiohttp.ClientSession(http_door.url) as session:
        yield session
