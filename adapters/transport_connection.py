"""One HTTP/1.1 connection to an agency: a request goes out, and one whole answer comes back or the connection ends.

Made and pooled by `adapters/transport.py`. llhttp (through httptools) reads the framing, in its strict form. What
could be read in two ways is refused, and after anything but a clean answer the connection is never used again.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

import httptools

from esb.ports import RawAnswer

MAX_HEAD_BYTES: Final = 64 * 1024
"""Status line and headers, interim answers (1xx) included."""

FRAMING_BYTES: Final = 64 * 1024
FRAMING_SHARE: Final = 8
"""Chunked framing of an honest answer costs less than so many times its bytes, and so many more."""

NOT_HTTP: Final = "answer is not HTTP"
CUT: Final = "answer was cut"
LATE: Final = "no whole answer in time"
HUNG_UP: Final = "connection lost: closed without an answer"

_VERSIONS: Final = frozenset({"1.0", "1.1"})
_BODILESS: Final = frozenset({204, 304})
_REDIRECTS: Final = range(300, 400)
_FIRST_FINAL: Final = 200
_SWITCHING: Final = 101


class ConnectionFailed(Exception):
    """No whole answer came; bytes may have reached the agency. The text is for operators and quotes nothing."""


class AnswerRefused(Exception):
    """An answer came that is not taken, whatever it says. The text is for operators and quotes nothing."""


class Connection(asyncio.Protocol):
    """At most one call at a time. Used from one event loop.

    `idle_since_s` is the pool's, by the loop's clock.
    """

    def __init__(self) -> None:
        self.idle_since_s = 0.0
        self._transport: asyncio.Transport
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[str, str]
        self._body: list[bytes]
        self._waiter: asyncio.Future[RawAnswer] | None = None
        self._usable = False
        self._clear(max_bytes=0, method="")

    @property
    def is_usable(self) -> bool:
        """Another call may be made on it: the one before ended cleanly and the peer has not gone."""
        return self._usable and not self._transport.is_closing()

    async def ask(self, request: bytes, *, method: str, max_bytes: int, until_s: float) -> RawAnswer:
        """Write the request and read its answer, by `until_s` on the loop's clock. When cancelled, `abort` it.

        Raises:
            ConnectionFailed: bytes may have been sent, and no whole answer came.
            AnswerRefused: it is over `max_bytes`, compressed, or a redirect.
        """
        self._clear(max_bytes=max_bytes, method=method)
        self._waiter = self._loop.create_future()
        timer = self._loop.call_at(until_s, self._expire)
        self._usable = False
        try:
            self._transport.write(request)
            return await self._waiter
        finally:
            self._waiter = None
            timer.cancel()

    def abort(self) -> None:
        """Drop it without a goodbye; idempotent."""
        self._usable = False
        self._transport.abort()

    # --- asyncio -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = cast("asyncio.Transport", transport)
        self._usable = True

    def data_received(self, data: bytes) -> None:
        """Bytes came. Those that nobody asked for end the connection: they must not become the next answer."""
        if self._waiter is None or self._waiter.done():
            self.abort()
            return
        self._wire_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(ConnectionFailed(NOT_HTTP))
            return
        if self._is_whole:
            self._deliver()
        else:
            self._refuse_endless()

    def eof_received(self) -> None:
        """The agency says no more."""
        self._ended(None)

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is closed, by whomever."""
        self._ended(exc)

    # --- llhttp ------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A status line begins; behind a whole answer there must be none (RFC 9112 §6.3, response splitting)."""
        if self._is_whole:
            self._fail(ConnectionFailed(NOT_HTTP))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header field, or a trailer, which nobody reads. The first of several counts: they must not add up."""
        if not self._head_is_whole:
            text = value.decode("utf-8", "surrogateescape").strip(" \t")
            self._headers.setdefault(name.decode("ascii").lower(), text)

    def on_headers_complete(self) -> None:
        """The head of an answer is whole, or that of an interim one (RFC 9110 §15.2), which says nothing."""
        self._status = self._parser.get_status_code()
        if self._status < _FIRST_FINAL and self._status != _SWITCHING:
            self._headers = {}
            return
        self._head_is_whole = True
        fault = self._fault_of_head()
        if fault is not None:
            self._fail(fault)

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        self._body_bytes += len(data)
        if self._body_bytes > self._max_bytes:
            self._fail(self._oversized())
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self._head_is_whole:
            self._is_whole = True
            self._keeps_alive = self._parser.should_keep_alive()

    # --- inside ------------------------------------------------------------------------------------------

    def _clear(self, *, max_bytes: int, method: str) -> None:
        self._max_bytes = max_bytes
        self._method = method
        self._status = 0
        self._headers = {}
        self._body = []
        self._body_bytes = 0
        self._wire_bytes = 0
        self._head_is_whole = False
        self._is_whole = False
        self._keeps_alive = False
        self._ends_with_connection = False

    def _fault_of_head(self) -> Exception | None:
        headers, status = self._headers, self._status
        length, coding = headers.get("content-length"), headers.get("transfer-encoding")
        if status == _SWITCHING or self._parser.get_http_version() not in _VERSIONS:
            return ConnectionFailed(NOT_HTTP)
        if coding is not None and coding.lower() != "chunked":
            return ConnectionFailed(NOT_HTTP)
        if status in _REDIRECTS:
            return AnswerRefused("answered with a redirect, which is never followed")
        if headers.get("content-encoding", "identity").lower() != "identity":
            return AnswerRefused("answer is compressed although that was not offered")
        if self._method == "HEAD":
            # Its length is that of a body which does not come (RFC 9110 §9.3.2); llhttp would wait for it.
            self._is_whole = True
        elif status not in _BODILESS:
            if length is not None and int(length) > self._max_bytes:
                return self._oversized()
            self._ends_with_connection = length is None and coding is None
        return None

    def _refuse_endless(self) -> None:
        # What has no end shows in bytes on the wire: a head, interim answers, chunk extensions, trailers.
        if not self._head_is_whole:
            if self._wire_bytes > MAX_HEAD_BYTES:
                self._fail(ConnectionFailed(NOT_HTTP))
        elif self._wire_bytes > FRAMING_SHARE * self._max_bytes + MAX_HEAD_BYTES + FRAMING_BYTES:
            self._fail(self._oversized())

    def _oversized(self) -> AnswerRefused:
        return AnswerRefused(f"answer is over {self._max_bytes} bytes")

    def _deliver(self) -> None:
        if self._waiter is None or self._waiter.done():
            return
        # An answer that overtook its request leaves the rest of that on the wire: no next call could follow it.
        self._usable = self._keeps_alive and not self._transport.get_write_buffer_size()
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._waiter.set_result(RawAnswer(http_status=self._status, headers=self._headers, body=body))

    def _ended(self, error: BaseException | None) -> None:
        self._usable = False
        if self._waiter is None or self._waiter.done():
            return
        if error is None and self._ends_with_connection:
            self._deliver()
            self._usable = False
        elif error is not None:
            self._fail(ConnectionFailed(f"connection lost: {reason_of(error)}"))
        else:
            self._fail(ConnectionFailed(CUT if self._head_is_whole else HUNG_UP))

    def _expire(self) -> None:
        self._fail(ConnectionFailed(LATE))

    def _fail(self, error: Exception) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        self.abort()


def reason_of(error: BaseException) -> str:
    """What the system calls it, or its class: the text of an error may quote bytes or addresses."""
    strerror = getattr(error, "strerror", None)
    return strerror if isinstance(strerror, str) else type(error).__name__
