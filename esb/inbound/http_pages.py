"""What can be read at the HTTP door beside messages: routes, descriptions, keys, health, numbers.

Part of the HTTP door. To somebody without credentials it says nothing from which a route could be learnt: no route in
the description, no numbers, no reasons of a failure.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import msgspec

from esb.codec import encode_json
from esb.errors import RouteUnknown, SettingInvalid
from esb.inbound import docs, openapi
from esb.inbound import http_headers as headers_of
from esb.inbound.http_inbox import signed_json
from esb.inbound.http_message import Request, Response, credentials_of
from esb.model import CallerName, RouteId
from esb.ports import Credentials, Door
from esb.routes.table import Route, RouteTable
from esb.settings import Settings
from esb.telemetry import metrics as numbers
from esb.telemetry.metrics import Metrics

Health = Callable[[], Awaitable[Mapping[str, str | None]]]
"""Answers every dependency by name: None when it works now, else the reason why not, for operators."""

HEALTH_TIMEOUT_S = 5.0
HEALTH_FRESH_S = 1.0
"""Two probes within this time share one look at the dependencies: a probe writes to the journal."""

_KNOWN_DESCRIPTIONS = 64

Page = Callable[[Request, str, str], Awaitable[Response]]


class Pages:
    """The endpoints that only read. One event loop only."""

    def __init__(
        self,
        *,
        door: Door,
        routes: Callable[[], RouteTable],
        health: Health,
        jwks: Callable[[], Mapping[str, object]],
        sign: Callable[[bytes], str],
        metrics: Metrics,
        settings: Settings,
    ) -> None:
        """Raises SettingInvalid when `metrics_from` is not a list of networks."""
        self._door = door
        self._table = routes
        self._readiness = _Readiness(health)
        self._jwks = jwks
        self._sign = sign
        self._metrics = metrics
        self._audience = settings.audience
        self._trusted = _networks(settings.metrics_from)
        self._descriptions: dict[tuple[str, CallerName | None], bytes] = {}

    @property
    def public(self) -> Mapping[str, Page]:
        """The pages that need no credentials, by path."""
        return {
            "/openapi.json": self._openapi,
            "/docs": self._docs,
            "/.well-known/jwks.json": self._keys,
            "/livez": self._live,
            "/readyz": self._ready,
            "/metrics": self._numbers,
        }

    async def routes(self, request: Request, _argument: str, query: str) -> Response:
        """`GET /v1/routes`: what this caller may ask."""
        headers_of.require_json_accepted(request.headers.get("Accept"))
        headers_of.read_query(query, bounds={})
        caller = await self._door.identify(credentials_of(request))
        return signed_json({"routes": [openapi.summary(route) for route in self._open_to(caller)]}, self._sign)

    async def route(self, request: Request, route_id: str, query: str) -> Response:
        """`GET /v1/routes/{route}`: the same with JSON Schemas and samples. RouteUnknown without a grant, too."""
        headers_of.require_json_accepted(request.headers.get("Accept"))
        headers_of.read_query(query, bounds={})
        caller = await self._door.identify(credentials_of(request))
        table = self._table()
        route = table.routes.get(RouteId(route_id))
        if route is None or not table.grants.routes_of(caller, (route.id,)):
            raise RouteUnknown("no such route for this caller")
        return signed_json(openapi.detail(route), self._sign)

    async def _openapi(self, request: Request, _argument: str, _query: str) -> Response:
        credentials = credentials_of(request)
        caller = None if credentials == _NOBODY else await self._door.identify(credentials)
        # What one caller may see must not be served to another from a cache in between.
        caching = "public, max-age=60" if caller is None else "private, no-store"
        return _page(self._description(caller), headers_of.JSON, caching, {"Vary": "Authorization"})

    async def _docs(self, _request: Request, _argument: str, _query: str) -> Response:
        page = docs.page()
        return _page(
            page.body,
            "text/html; charset=utf-8",
            "public, max-age=300",
            {
                "Content-Security-Policy": page.content_security_policy,
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
            },
        )

    async def _keys(self, _request: Request, _argument: str, _query: str) -> Response:
        return _page(encode_json(self._jwks()), "application/jwk-set+json", "public, max-age=300")

    async def _live(self, _request: Request, _argument: str, _query: str) -> Response:
        return _page(b'{"status":"alive"}', headers_of.JSON, "no-store")

    async def _ready(self, request: Request, _argument: str, _query: str) -> Response:
        dependencies = await self._readiness.look()
        is_ready = all(reason is None for reason in dependencies.values())
        report = {
            "status": "ready" if is_ready else "not ready",
            "dependencies": {
                name: _state(reason, tell=self._is_trusted(request)) for name, reason in dependencies.items()
            },
        }
        return _page(encode_json(report), headers_of.JSON, "no-store", status=200 if is_ready else 503)

    async def _numbers(self, request: Request, _argument: str, _query: str) -> Response:
        if not self._is_trusted(request):
            raise RouteUnknown("no such page")
        return _page(self._metrics.exposition(), numbers.CONTENT_TYPE, "no-store")

    def _open_to(self, caller: CallerName) -> list[Route]:
        table = self._table()
        return [table.routes[RouteId(name)] for name in table.grants.routes_of(caller, sorted(table.routes))]

    def _description(self, caller: CallerName | None) -> bytes:
        key = (self._table().digest, caller)
        known = self._descriptions.get(key)
        if known is None:
            if len(self._descriptions) >= _KNOWN_DESCRIPTIONS:
                self._descriptions.clear()
            routes = [] if caller is None else self._open_to(caller)
            known = self._descriptions[key] = encode_json(openapi.document(routes, audience=self._audience))
        return known

    def _is_trusted(self, request: Request) -> bool:
        try:
            peer: IPv4Address | IPv6Address = ip_address(request.peer.address)
        except ValueError:
            return False
        if isinstance(peer, IPv6Address) and peer.ipv4_mapped is not None:
            peer = peer.ipv4_mapped
        return any(peer in network for network in self._trusted)


class _Readiness:
    """One look at the dependencies at a time, shared by all who ask while it is fresh."""

    def __init__(self, health: Health) -> None:
        self._health = health
        self._look: asyncio.Task[Mapping[str, str | None]] | None = None
        self._fresh_until = 0.0

    async def look(self) -> Mapping[str, str | None]:
        loop = asyncio.get_running_loop()
        if self._look is None or (self._look.done() and loop.time() >= self._fresh_until):
            self._look = loop.create_task(self._ask())
        # Shielded: one probe that gives up must not take the answer from the others.
        return await asyncio.shield(self._look)

    async def _ask(self) -> Mapping[str, str | None]:
        try:
            async with asyncio.timeout(HEALTH_TIMEOUT_S):
                return await self._health()
        except TimeoutError:
            return {"health": f"no answer within {HEALTH_TIMEOUT_S:g} s"}
        # boundary: a check that breaks down is not readiness.
        except Exception as error:
            return {"health": type(error).__name__}
        finally:
            self._fresh_until = asyncio.get_running_loop().time() + HEALTH_FRESH_S


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One dependency in `/readyz`. `reason` only for those who may know."""

    state: str
    reason: str | None = None


def _state(reason: str | None, *, tell: bool) -> State:
    return State(state="up") if reason is None else State(state="down", reason=reason if tell else None)


def _page(
    body: bytes, content_type: str, caching: str, more: Mapping[str, str] | None = None, *, status: int = 200
) -> Response:
    headers = {"Content-Type": content_type, "Cache-Control": caching, "Server": "esb", **(more or {})}
    return Response(status=status, body=body, headers=headers)


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(item.strip()) for item in text.split(",") if item.strip())
    except ValueError as error:
        raise SettingInvalid(f"metrics_from: {error}") from error


_NOBODY = Credentials()
