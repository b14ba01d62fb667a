"""One HTTP connection: its limits, its client certificate, and an answer even to what is not HTTP.

Made by the server in `esb/inbound/http.py`. llhttp (through httptools) reads the framing, in its strict form; this adds
what a public door needs: bounded heads and bodies, bounded patience with slow senders, bounded connections, requests
answered one after the other, and no error page but the one reply body.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, cast

import httptools

from esb.errors import RequestMalformed, RequestTooLarge
from esb.inbound.http_message import Request, Response, require_clear_framing
from esb.telemetry.logging import HTTP_FAILED, HTTP_MALFORMED, logger

HEADER_TIMEOUT_S = 10.0
"""A head that is not whole so long after the connection or its first bytes ends it (and TLS must be up by then)."""

BODY_TIMEOUT_S = 30.0
"""How long one request's body may take: 5 MiB over a line of 1.4 Mbit/s."""

KEEP_ALIVE_S = 75.0
"""Longer than the usual 60 s of load balancers, so that they close idle connections and not we."""

SWEEP_S: Final = 5.0
"""How often idle connections are looked through."""

LINGERING_S = 2.0
"""How long the rest of a refused body is read and thrown away, so that its sender sees the answer."""

MAX_CONNECTIONS = 4096
MAX_HEADERS = 64
MAX_HEADER_BYTES = 8190
MAX_HEAD_BYTES = 128 * 1024
FRAMING_SHARE = 8
FRAMING_BYTES = 1024 * 1024
"""Chunked framing of an honest body costs less than so many times its bytes, and so many more."""

MAX_WAITING = 2
"""How many requests behind the one that is served are read before reading stops (pipelining, RFC 9112 §9.3.2)."""

Serve = Callable[[Request], Awaitable[Response]]
Malformed = Callable[[int], Response]

_log = logger(__name__)


class Connection(asyncio.Protocol):
    """One client's connection. `certificate_der`: what it proved in the TLS handshake, if anything.

    `hears` False: nothing more of what it sends is looked at.
    """

    def __init__(self, server: Server) -> None:
        self.certificate_der: bytes | None = None
        self._idle_since_s = 0.0
        self._server = server
        self._loop = server.loop
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._head_due: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._wire_bytes = 0
        self._arriving: Request | None = None
        self._waiting: deque[Request | None] = deque()
        self._serving: asyncio.Task[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._is_paused = False
        self._is_upgrade = False
        self._is_resumed = False
        self.hears = True

    @property
    def is_connected(self) -> bool:
        """Somebody may still read an answer."""
        return self._transport is not None

    @property
    def is_serving(self) -> bool:
        """Somebody waits for an answer."""
        return self._serving is not None

    def is_idle(self, *, since_s: float) -> bool:
        """No request is served, none has begun to arrive, and so it was before `since_s`."""
        return self._serving is None and self._head_due is None and self._idle_since_s < since_s

    @property
    def address(self) -> str:
        """The peer's IP address."""
        peer = None if self._transport is None else self._transport.get_extra_info("peername")
        return str(peer[0]) if peer else ""

    @property
    def is_encrypted(self) -> bool:
        """TLS is up."""
        return self._transport is not None and self._transport.get_extra_info("ssl_object") is not None

    def send(self, data: bytes) -> None:
        """Write; nothing once the peer has gone."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """End it once what was written has left; idempotent."""
        self.hears = False
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End it now; idempotent."""
        self.hears = False
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, unless there are too many already."""
        self._transport = cast("asyncio.Transport", transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            self.certificate_der = tls.getpeercert(binary_form=True)
        self._server.connections.add(self)
        if self._server.is_full:
            self.abort()
            return
        self._expect_head()

    def connection_lost(self, exc: BaseException | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Forget the connection. What is served is served to its end; only its answer goes nowhere."""
        self.hears = False
        self._transport = None
        self._server.forget(self)
        self._hear()
        self._waiting.clear()
        if self._arriving is not None:
            self._arriving.finish(ConnectionResetError("the sender has gone"))
        self.resume_writing()

    def data_received(self, data: bytes) -> None:
        """Bytes of a head or a body."""
        if not self.hears:
            return
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            self._refuse(error)
            return
        self._refuse_endless(len(data))

    def pause_writing(self) -> None:
        """The peer does not read what it asked for."""
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """It does again, or has gone."""
        writable, self._writable = self._writable, None
        if writable is not None and not writable.done():
            writable.set_result(None)

    # --- llhttp ------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A head begins."""
        self._head_bytes = 1
        if not self._is_resumed:
            self._request = Request(self, limit_bytes=self._server.max_body_bytes)

    def on_url(self, url: bytes) -> None:
        """The target, or a part of it."""
        if self._is_resumed:
            return
        self._request.raw_path += url.decode("utf-8", "surrogateescape")
        if len(self._request.raw_path) > MAX_HEADER_BYTES:
            raise RequestMalformed("too long an address")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field of the head; trailers are not looked at."""
        if self._arriving is not None or self._is_resumed:
            return
        headers = self._request.headers
        if len(name) > MAX_HEADER_BYTES or len(value) > MAX_HEADER_BYTES or len(headers) >= MAX_HEADERS:
            raise RequestMalformed("too large a head")
        headers.add(name.decode("ascii"), value.decode("utf-8", "surrogateescape").strip(" \t"))

    def on_headers_complete(self) -> None:
        """A head is whole: it can be served, though its body may still be on its way."""
        self._head_bytes = self._wire_bytes = 0
        self._hear()
        if self._is_resumed:
            return
        request = self._request
        request.method = self._parser.get_method().decode("ascii")
        request.version = self._parser.get_http_version()
        request.keeps_alive = self._parser.should_keep_alive()
        self._is_upgrade = self._parser.should_upgrade()
        require_clear_framing(request)
        self._arriving = request
        self._enqueue(request)

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if self._arriving is not None:
            self._arriving.add_body(data)

    def on_message_complete(self) -> None:
        """The body is whole."""
        if self._is_upgrade:
            return
        self._is_resumed = False
        request, self._arriving = self._arriving, None
        if request is None:
            return
        request.finish()
        if not request.keeps_alive:
            # What comes behind its last request is nobody's.
            self.hears = False

    # --- reading -----------------------------------------------------------------------------------------

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            if self.hears:
                raise

    def _decline_upgrade(self, rest: bytes) -> None:
        # Whoever offers another protocol (Java's client offers h2c with each request) is answered in this one, and its
        # body is a body (RFC 9110 §7.8). llhttp takes it for the other protocol, so it is read by a parser of its own.
        self._is_upgrade, self._is_resumed = False, True
        self._parser = httptools.HttpRequestParser(self)
        request = self._arriving
        length = None if request is None else request.content_length
        chunked = request is not None and "transfer-encoding" in request.headers
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % (length or 0)
        self._parser.feed_data(b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n")
        if rest:
            self._feed(rest)

    def _refuse_endless(self, more_bytes: int) -> None:
        # llhttp knows no limits: a head, or trailers behind a body, could grow for ever.
        if self._arriving is not None:
            self._wire_bytes += more_bytes
            if self._wire_bytes > FRAMING_SHARE * self._arriving.body_bytes + FRAMING_BYTES:
                self._refuse(RequestMalformed("framing without end"))
        elif self._head_bytes:
            self._head_bytes += more_bytes
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(RequestMalformed("a head without end"))
            else:
                self._expect_rest_of_head()

    def _refuse(self, error: Exception) -> None:
        """After a framing error nobody knows where the next request would begin (RFC 9112 §11.2, smuggling)."""
        self.hears = False
        self._hear()
        _log.info(HTTP_MALFORMED, http_status=400, error=type(error).__name__)
        request, self._arriving = self._arriving, None
        if request is None:
            self._enqueue(None)
        else:
            request.keeps_alive = False
            request.finish(RequestMalformed("the body is not framed as HTTP"))

    def _expect_head(self) -> None:
        self._head_due = self._loop.call_later(HEADER_TIMEOUT_S, self.abort)

    def _expect_rest_of_head(self) -> None:
        # While a request is served the next one may wait as long as that takes.
        if self._head_bytes and self._head_due is None and self._serving is None:
            self._expect_head()

    def _hear(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _enqueue(self, request: Request | None) -> None:
        """`None` stands for what was no request, and is answered in its turn."""
        self._waiting.append(request)
        if self._serving is None:
            self._serving = self._loop.create_task(self._serve_all())
        elif len(self._waiting) > MAX_WAITING and not self._is_paused and self._transport is not None:
            self._transport.pause_reading()
            self._is_paused = True

    # --- answering ---------------------------------------------------------------------------------------

    async def _serve_all(self) -> None:
        try:
            while self._waiting:
                request = self._waiting.popleft()
                self._read_on()
                if not await self._answer(request):
                    await self._linger(request)
                    self.close()
                    return
        finally:
            self._serving = None
            self._idle_since_s = self._loop.time()
        self._expect_rest_of_head()

    def _read_on(self) -> None:
        if self._is_paused and len(self._waiting) <= MAX_WAITING and self._transport is not None:
            self._transport.resume_reading()
            self._is_paused = False

    async def _answer(self, request: Request | None) -> bool:
        """True when another request may follow."""
        if request is None:
            response, keeps_alive = self._server.malformed(400), False
        else:
            try:
                response = await self._server.serve(request)
            except ConnectionError:
                return False
            # boundary: even refusing failed, for instance for want of the bus's own key.
            except Exception as error:
                _log.error(HTTP_FAILED, error=type(error).__name__, exc_info=True)
                response = self._server.malformed(500)
                response.close = True
            keeps_alive = request.keeps_alive and request.is_whole and not response.close
        response.close = not keeps_alive
        try:
            self.send(response.written(request))
        except ValueError as error:
            _log.error(HTTP_FAILED, error=type(error).__name__)
            return False
        return await self._has_left() and keeps_alive

    async def _has_left(self) -> bool:
        if self._writable is None:
            return True
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                await self._writable
        except TimeoutError:
            self.abort()
            return False
        return True

    async def _linger(self, request: Request | None) -> None:
        """Take and throw away the rest of a body, for a while: closing before would destroy the answer on its way."""
        if request is None or request.is_whole or request.failure is not None or self._transport is None:
            return
        try:
            async with asyncio.timeout(LINGERING_S):
                await request.discarded()
        except TimeoutError:
            return


class Server:
    """The connections of one door. `max_body_bytes` bounds what of a body is taken into memory."""

    def __init__(self, serve: Serve, *, malformed: Malformed, max_body_bytes: int) -> None:
        self.serve = serve
        self.malformed = malformed
        self.max_body_bytes = max_body_bytes
        self.connections: set[Connection] = set()
        self._empty = asyncio.Event()
        self.loop = asyncio.get_running_loop()
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def is_full(self) -> bool:
        """One more connection would be one too many."""
        return len(self.connections) > MAX_CONNECTIONS

    def __call__(self) -> Connection:
        """A protocol for one more connection."""
        if self._sweep is None:
            self._sweep = self.loop.call_later(SWEEP_S, self._close_idle)
        return Connection(self)

    def forget(self, connection: Connection) -> None:
        """It has ended."""
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    async def shutdown(self, within_s: float) -> None:
        """Close every connection: those that are served once they are answered or `within_s` is over."""
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in tuple(self.connections):
            if not connection.is_serving:
                connection.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._emptied()
        for connection in tuple(self.connections):
            connection.abort()

    async def _emptied(self) -> None:
        while self.connections:
            self._empty.clear()
            await self._empty.wait()

    def _close_idle(self) -> None:
        since_s = self.loop.time() - KEEP_ALIVE_S
        for connection in tuple(self.connections):
            if connection.is_idle(since_s=since_s):
                # One that was closed and is still here has an answer that its peer does not take.
                connection.close() if connection.hears else connection.abort()
        self._sweep = self.loop.call_later(SWEEP_S, self._close_idle) if self.connections else None


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """The whole body as it was sent.

    Raises:
        RequestTooLarge: declared or found to be over `max_bytes`; the rest is not kept.
        RequestMalformed: it was not framed as HTTP, or took too long.
        ConnectionError: its sender has gone.
    """
    length = request.content_length
    if length is not None and length > max_bytes:
        raise RequestTooLarge(max_bytes=max_bytes)
    # Nearly always the body came with the head, and a timer would cost more than the read.
    if not request.is_whole:
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                await request.arrived()
        except TimeoutError as error:
            raise RequestMalformed("the body did not arrive whole") from error
    if request.failure is not None:
        raise request.failure
    body = request.body()
    if request.is_oversized or len(body) > max_bytes:
        raise RequestTooLarge(max_bytes=max_bytes)
    return body
