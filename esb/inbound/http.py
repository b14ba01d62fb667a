"""The HTTP door: a portal backend's request becomes an `Arrival`, the bus's `Answer` becomes the response.

Started by the composition root, one per worker. It never judges a request's content and knows no second error
format: whatever goes wrong here is given to the bus to be answered in the one reply body.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping

from esb.codec import known_message_id
from esb.errors import (
    DoorFailed,
    EsbError,
    MethodUnsupported,
    RequestInvalid,
    RequestMalformed,
    RouteUnknown,
    Rule,
    SettingInvalid,
)
from esb.inbound import http_agencies as agencies
from esb.inbound import http_headers as headers_of
from esb.inbound.http_connection import HEADER_TIMEOUT_S, Server, read_body
from esb.inbound.http_inbox import Inbox
from esb.inbound.http_message import Request, Response, credentials_of
from esb.inbound.http_pages import Health, Pages
from esb.late_answers import LateAnswers
from esb.ports import Answer, Arrival, Channel, Clock, Credentials, Door, Journal
from esb.routes.table import RouteTable
from esb.settings import Settings
from esb.telemetry import tracing
from esb.telemetry.logging import HTTP_CLOSED, HTTP_FAILED, HTTP_LISTENING, logger
from esb.telemetry.metrics import Metrics
from security.errors import SecurityError

BACKLOG = 1024
_TLS_SHUTDOWN_S = 5.0
_LAST_WORDS_S = 0.5

Endpoint = Callable[[Request, str, str], Awaitable[Response]]
"""Takes the request, the variable part of its path, and its query."""

_LAST_RESORT = (
    b'{"message_id":"","correlation_id":null,"route":"","version":0,"status":"FAILED","data":null,"sources":[],'
    b'"faults":[{"code":"door.failed","message":{"az":"\\u015ein cavab ver\\u0259 bilm\\u0259di.",'
    b'"en":"The bus could not answer."},"advice":"CONTACT_OPERATOR"}]}'
)

_log = logger(__name__)


class HttpDoor:
    """One worker's HTTP server. Many listeners (plain, mutual TLS) may share it; one event loop."""

    def __init__(
        self,
        *,
        door: Door,
        journal: Journal,
        routes: Callable[[], RouteTable],
        health: Health,
        jwks: Callable[[], Mapping[str, object]],
        sign: Callable[[bytes], str],
        metrics: Metrics,
        settings: Settings,
        clock: Clock,
        late_answers: LateAnswers | None = None,
    ) -> None:
        """`routes`: the table in use now. `sign`: detached JWS of a body. `health`: see `Health`.

        `late_answers`: takes what agencies bring; without it there is no address for that.
        """
        self._door = door
        self._clock = clock
        self._max_body_bytes = settings.max_body_bytes
        self._closing = asyncio.Event()
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._listeners: list[asyncio.AbstractServer] = []
        self._server = Server(self._serve, malformed=self._malformed, max_body_bytes=settings.max_body_bytes)
        inbox = Inbox(
            door=door, journal=journal, sign=sign, closing=self._closing, redeliver_after_s=settings.inbox_redeliver_s
        )
        pages = Pages(door=door, routes=routes, health=health, jwks=jwks, sign=sign, metrics=metrics, settings=settings)
        self._pages: Mapping[str, Mapping[str, Endpoint]] = {
            "/v1/routes": {"GET": pages.routes},
            "/v1/replies": {"GET": inbox.replies},
            **{path: {"GET": page, "HEAD": page} for path, page in pages.public.items()},
        }
        # Looked through in order, so the one that carries the traffic stands first.
        self._patterns: tuple[tuple[str, str, Mapping[str, Endpoint]], ...] = (
            ("/v1/routes/", "", {"POST": self._ask, "GET": pages.route}),
            ("/v1/messages/", "", {"GET": self._message}),
            ("/v1/replies/", "/ack", {"POST": inbox.acknowledge}),
        )
        if late_answers is not None:
            page = agencies.AgencyAnswers(answers=late_answers, clock=clock, max_body_bytes=settings.max_body_bytes)
            self._patterns += ((agencies.PREFIX, agencies.SUFFIX, {"POST": page.bring}),)

    async def listen(
        self, address: str, *, tls: ssl.SSLContext | None = None, share_port: bool = False
    ) -> tuple[str, int]:
        """Accept connections at `host:port`, from now until `close`; returns the address in use (port 0: any).

        `share_port`: other workers listen there too; without it a second listener is an error and not a surprise.

        Raises:
            SettingInvalid: not an address of this machine, or taken.
        """
        listener = _bind(address, share_port=share_port)
        host, port = listener.getsockname()[:2]
        self._listeners.append(
            await asyncio.get_running_loop().create_server(
                self._server,
                sock=listener,
                ssl=tls,
                backlog=BACKLOG,
                ssl_handshake_timeout=HEADER_TIMEOUT_S if tls else None,
                ssl_shutdown_timeout=_TLS_SHUTDOWN_S if tls else None,
            )
        )
        _log.info(HTTP_LISTENING, address=f"{host}:{port}", tls=tls is not None)
        return host, port

    async def close(self, grace_s: float) -> None:
        """Stop accepting, answer what was accepted for up to `grace_s`, then close every connection; idempotent."""
        for listener in self._listeners:
            listener.close()
        self._listeners.clear()
        self._closing.set()
        # Not the server's own shutdown first: that stops reading, and a body still on its way would never arrive.
        await self._drain(grace_s)
        unanswered = self._in_flight
        await self._server.shutdown(_LAST_WORDS_S)
        _log.info(HTTP_CLOSED, unanswered=unanswered)

    async def _drain(self, grace_s: float) -> None:
        try:
            async with asyncio.timeout(grace_s):
                while self._in_flight:
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            return

    async def _serve(self, request: Request) -> Response:
        self._in_flight += 1
        try:
            response = await self._answer(request)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()
        if self._closing.is_set():
            response.close = True
        return response

    async def _answer(self, request: Request) -> Response:
        try:
            path, _, query = request.raw_path.partition("?")
            endpoint, argument = self._find(request.method, path)
            return await endpoint(request, argument, query)
        except (EsbError, SecurityError) as error:
            return await self._refusal(request, error)
        except ConnectionError:
            raise
        # boundary: an unknown exception becomes an answer that says so, never silence.
        except Exception as error:
            _log.error(HTTP_FAILED, error=type(error).__name__, exc_info=True)
            return await self._refusal(request, DoorFailed("unforeseen"))

    def _find(self, method: str, path: str) -> tuple[Endpoint, str]:
        methods, argument = self._match(path)
        endpoint = methods.get(method)
        if endpoint is None:
            raise MethodUnsupported(allowed=tuple(methods))
        return endpoint, argument

    def _match(self, path: str) -> tuple[Mapping[str, Endpoint], str]:
        for prefix, suffix, methods in self._patterns:
            if path.startswith(prefix) and path.endswith(suffix):
                argument = headers_of.name_in_path(path[len(prefix) : len(path) - len(suffix)])
                if argument is not None:
                    return methods, argument
        page = self._pages.get(path)
        if page is None:
            raise RouteUnknown("no such page")
        return page, ""

    async def _ask(self, request: Request, route: str, query: str) -> Response:
        headers = request.headers
        if query:
            raise RequestInvalid("this call has no query parameters", path="/query", rule=Rule.QUERY, limit="-")
        headers_of.require_json(headers.get("Content-Type"), headers.get("Content-Encoding"))
        headers_of.require_json_accepted(headers.get("Accept"))
        preferences = _preferences(request)
        trace = tracing.enter(headers.get("traceparent")).header
        arrival = Arrival(
            route=route,
            body=await read_body(request, max_bytes=self._max_body_bytes),
            content_type=headers_of.JSON,
            channel=Channel.HTTP,
            credentials=credentials_of(request),
            received_at=self._clock(),
            message_id=_message_id(request),
            correlation_id=headers_of.read_correlation_id(headers.get("Correlation-Id")),
            traceparent=trace,
            asynchronous=preferences.asynchronous,
            wait_s=preferences.wait_s,
            signature=headers_of.read_signature(headers.get("ESB-Signature")),
        )
        return _response(await self._door.ask(arrival), trace, preferences)

    async def _message(self, request: Request, text: str, _query: str) -> Response:
        headers_of.require_json_accepted(request.headers.get("Accept"))
        preferences = _preferences(request)
        caller = await self._door.identify(credentials_of(request))
        answer = await self._door.message(caller, known_message_id(text), wait_s=preferences.wait_s or 0)
        return _response(answer, tracing.enter(request.headers.get("traceparent")).header, preferences)

    async def _refusal(self, request: Request, error: Exception) -> Response:
        trace = tracing.enter(request.headers.get("traceparent")).header
        arrival = Arrival(
            route=_route_named(request),
            body=b"",
            content_type="",
            channel=Channel.HTTP,
            credentials=Credentials(),
            received_at=self._clock(),
            message_id=_usable_id(request),
            traceparent=trace,
        )
        # A question that was stopped here is as much on record as one that the bus refuses; a stray GET is not.
        answer = await self._door.turn_away(arrival, error) if arrival.route else self._door.refuse(arrival, error)
        response = _response(answer, trace)
        if isinstance(error, MethodUnsupported):
            response.headers["Allow"] = ", ".join(error.allowed)
        return response

    def _malformed(self, status: int) -> Response:
        arrival = Arrival(
            route="",
            body=b"",
            content_type="",
            channel=Channel.HTTP,
            credentials=Credentials(),
            received_at=self._clock(),
        )
        error = RequestMalformed("not HTTP") if status < 500 else DoorFailed("unforeseen")  # noqa: PLR2004 - 5xx
        try:
            return _response(self._door.refuse(arrival, error), None)
        # boundary: reached when even refusing fails, for instance for want of the bus's own key.
        except Exception as failure:
            _log.error(HTTP_FAILED, error=type(failure).__name__, exc_info=True)
            return Response(status=500, body=_LAST_RESORT, headers={"Content-Type": headers_of.JSON})


def _response(
    answer: Answer, trace: str | None, preferences: headers_of.Preferences = headers_of.NO_PREFERENCES
) -> Response:
    headers = {
        "Content-Type": headers_of.JSON,
        "Cache-Control": "no-store",
        "ESB-Signature": answer.signature,
        "Message-Id": answer.message_id,
        # aiohttp would name itself and Python with their versions.
        "Server": "esb",
    }
    if trace is not None:
        headers["traceparent"] = trace
    if answer.replayed:
        headers["Idempotent-Replay"] = "true"
    if answer.location is not None:
        headers["Location"] = answer.location
    if answer.retry_after_s is not None:
        headers["Retry-After"] = str(answer.retry_after_s)
    if preferences.applied is not None and (preferences.wait_s is not None or answer.http_status == _ACCEPTED):
        headers["Preference-Applied"] = preferences.applied
    if answer.http_status == _UNAUTHORISED:
        headers["WWW-Authenticate"] = 'Bearer realm="esb"'
    return Response(status=answer.http_status, body=answer.body, headers=headers)


_ACCEPTED = 202
_UNAUTHORISED = 401


def _preferences(request: Request) -> headers_of.Preferences:
    if "Prefer" not in request.headers:
        return headers_of.NO_PREFERENCES
    return headers_of.read_preferences(", ".join(request.headers.getall("Prefer")))


def _message_id(request: Request) -> str | None:
    return headers_of.read_id(headers_of.read_single("Message-Id", request.headers.getall("Message-Id")))


def _usable_id(request: Request) -> str | None:
    try:
        return _message_id(request)
    except RequestInvalid:
        return None


def _route_named(request: Request) -> str:
    path = request.raw_path.partition("?")[0]
    return (path.startswith("/v1/routes/") and headers_of.name_in_path(path.removeprefix("/v1/routes/"))) or ""


def _bind(address: str, *, share_port: bool) -> socket.socket:
    host, colon, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (colon and host and port.isdigit()):
        raise SettingInvalid(f"an address must read host:port, not {address!r}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only then; without it replies wait 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share_port:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, int(port)))
    except (OSError, OverflowError) as error:
        listener.close()
        raise SettingInvalid(f"cannot listen at {address}: {error}") from error
    listener.setblocking(False)
    return listener
