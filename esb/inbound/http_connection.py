"""One HTTP connection: its limits, its client certificate, and an answer even to what is not HTTP.

Made by the server in `esb/inbound/http.py`. aiohttp reads and writes the protocol; this adds what a public door
needs: bounded patience with slow senders, bounded connections, and no error page but the one reply body.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

from aiohttp import web, web_exceptions
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from esb.errors import RequestMalformed, RequestTooLarge
from esb.inbound.http_headers import read_bearer, read_single
from esb.ports import Credentials
from esb.telemetry.logging import HTTP_MALFORMED, logger

HEADER_TIMEOUT_S = 10.0
"""A head that is not whole so long after the connection or its first bytes ends it (and TLS must be up by then)."""

BODY_TIMEOUT_S = 30.0
"""How long one request's body may take: 5 MiB over a line of 1.4 Mbit/s."""

KEEP_ALIVE_S = 75.0
"""Longer than the usual 60 s of load balancers, so that they close idle connections and not we."""

LINGERING_S = 2.0
"""How long the rest of a refused body is read and thrown away, so that its sender sees the answer."""

MAX_CONNECTIONS = 4096
MAX_HEADERS = 64
MAX_HEADER_BYTES = 8190

Serve = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
Malformed = Callable[[int], web.StreamResponse]

_log = logger(__name__)


class Connection(web.RequestHandler):
    """One client's connection. `certificate_der`: what it proved in the TLS handshake, if anything."""

    __slots__ = ("_head_due", "_malformed", "certificate_der")

    def __init__(self, manager: Server, *, loop: asyncio.AbstractEventLoop, malformed: Malformed) -> None:
        super().__init__(
            manager,
            loop=loop,
            access_log=cast("Any", None),
            keepalive_timeout=KEEP_ALIVE_S,
            lingering_time=LINGERING_S,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
            # The bytes that were sent are what is signed, hashed and journaled; and nothing here can inflate.
            auto_decompress=False,
        )
        self._malformed = malformed
        self._head_due: asyncio.TimerHandle | None = None
        self.certificate_der: bytes | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are too many already."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self.certificate_der = tls.getpeercert(binary_form=True)
        if cast("Server", self._manager).is_full:
            self.force_close()
            return
        self._expect_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the connection."""
        self.hear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on; what begins a head while none is being served must become a whole one in time."""
        super().data_received(data)
        if self._head_due is None and self._waiter is not None and not self._waiter.done():
            self._expect_head()

    def hear(self) -> None:
        """A head has arrived whole."""
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - quotes the peer's bytes, which must not travel
    ) -> web.StreamResponse:
        """The answer to what the parser refused. Quotes nothing of it, in the reply or in the log."""
        _log.info(HTTP_MALFORMED, http_status=status, error=type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        response = self._malformed(status)
        # After a framing error nobody knows where the next request would begin (RFC 9112 §11.2, smuggling).
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:  # noqa: ARG002 - may quote the peer's bytes
        """Log what went wrong below the door, by its class alone."""
        _log.warning(HTTP_MALFORMED, error=type(kw.get("exc_info")).__name__)

    def _expect_head(self) -> None:
        self._head_due = self._loop.call_later(HEADER_TIMEOUT_S, self.force_close)


class Server(web.Server):
    """Makes connections and requests. `max_body_bytes` bounds what `request.read()` takes into memory."""

    def __init__(self, serve: Serve, *, malformed: Malformed, max_body_bytes: int) -> None:
        super().__init__(serve, request_factory=self._request)
        self._malformed = malformed
        self._max_body_bytes = max_body_bytes

    @property
    def is_full(self) -> bool:
        """One more connection would be one too many."""
        return len(self._connections) > MAX_CONNECTIONS

    def __call__(self) -> Connection:
        """A protocol for one more connection."""
        return Connection(self, loop=self._loop, malformed=self._malformed)

    def _request(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: asyncio.Task[None],
    ) -> web.BaseRequest:
        cast("Connection", protocol).hear()
        return web.BaseRequest(
            message, payload, protocol, writer, task, self._loop, client_max_size=self._max_body_bytes
        )


def credentials_of(request: web.BaseRequest) -> Credentials:
    """What the sender showed of itself, unproven: its certificate, its token, both or nothing.

    Raises:
        RequestInvalid: the `Authorization` header is there twice.
        NotIdentified: it is of another scheme.
        TokenInvalid: it holds nothing that could be a token.
    """
    header = read_single("Authorization", request.headers.getall("Authorization", ()))
    return Credentials(bearer=read_bearer(header), certificate_der=certificate_of(request))


def certificate_of(request: web.BaseRequest) -> bytes | None:
    """The client certificate of the connection, in DER; unproven but for the handshake."""
    return cast("Connection", request.protocol).certificate_der


async def read_body(request: web.BaseRequest, *, max_bytes: int) -> bytes:
    """The whole body as it was sent.

    Raises:
        RequestTooLarge: declared or found to be over `max_bytes`; the rest is not kept.
        RequestMalformed: it broke off, was not framed as HTTP, or took too long.
    """
    length = request.content_length
    if length is not None and length > max_bytes:
        raise RequestTooLarge(max_bytes=max_bytes)
    try:
        # Nearly always the body came with the head, and a timer would cost more than the read.
        if request.content.is_eof():
            return await request.read()
        async with asyncio.timeout(BODY_TIMEOUT_S):
            await _invite(request)
            return await request.read()
    except web_exceptions.HTTPRequestEntityTooLarge as error:
        raise RequestTooLarge(max_bytes=max_bytes) from error
    except (TimeoutError, web.RequestPayloadError) as error:
        raise RequestMalformed("the body did not arrive whole") from error


async def _invite(request: web.BaseRequest) -> None:
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        # aiohttp takes written bytes for a begun answer; this is not one (RFC 9110 §15.2).
        request.writer.output_size = 0
