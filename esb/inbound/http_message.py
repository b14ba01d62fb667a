"""A request as it came in and a response as it goes out: plain values of the HTTP door, with their bytes.

Made by `esb/inbound/http_connection.py`, read and answered by the pages. Judges nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import Final, Protocol

from esb.errors import RequestMalformed
from esb.inbound.http_headers import read_bearer, read_single
from esb.ports import Credentials

_VERSIONS: Final = frozenset({"1.0", "1.1"})
_SINGLE: Final = ("host", "content-type")
"""Fields that two readers could read differently when they stand twice; llhttp sees to the lengths."""

_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
_BODILESS: Final = frozenset({204, 304})
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Headers:
    """Fields by name in any case; one name may stand several times."""

    __slots__ = ("_fields", "_values")

    def __init__(self) -> None:
        self._fields: list[tuple[str, str]] = []
        self._values: dict[str, list[str]] = {}

    def add(self, name: str, value: str) -> None:
        """One more field."""
        self._fields.append((name, value))
        self._values.setdefault(name.lower(), []).append(value)

    def get(self, name: str) -> str | None:
        """The first value, or None."""
        values = self._values.get(name.lower())
        return values[0] if values else None

    def getall(self, name: str) -> Sequence[str]:
        """Every value in the order they came; empty when there is none."""
        return self._values.get(name.lower(), ())

    def items(self) -> Iterator[tuple[str, str]]:
        """Every field as it came."""
        return iter(self._fields)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._values

    def __len__(self) -> int:
        return len(self._fields)


class Peer(Protocol):
    """The other end of the connection that a request came over."""

    certificate_der: bytes | None

    @property
    def is_connected(self) -> bool:
        """Somebody may still read an answer."""
        ...

    @property
    def address(self) -> str:
        """Its IP address."""
        ...

    @property
    def is_encrypted(self) -> bool:
        """It came over TLS."""
        ...

    def send(self, data: bytes) -> None:
        """Bytes before the answer."""
        ...


class Request:
    """A head, and a body that may still be arriving."""

    __slots__ = (
        "_body", "_limit_bytes", "_waiter", "body_bytes", "failure", "headers", "is_whole", "keeps_alive", "method",
        "peer", "raw_path", "version",
    )  # fmt: skip

    def __init__(self, peer: Peer, *, limit_bytes: int) -> None:
        """`limit_bytes`: what a body may have; more is not kept. `body_bytes`: how many came."""
        self.peer = peer
        self.method = ""
        self.raw_path = ""
        self.version = ""
        self.headers = Headers()
        self.keeps_alive = False
        self.is_whole = False
        self.failure: Exception | None = None
        self._limit_bytes = limit_bytes
        self._body: list[bytes] = []
        self.body_bytes = 0
        self._waiter: asyncio.Future[None] | None = None

    @property
    def content_length(self) -> int | None:
        """What the head announces."""
        length = self.headers.get("content-length")
        return None if length is None else int(length)

    @property
    def host(self) -> str:
        """What the sender calls the bus."""
        return self.headers.get("host") or ""

    @property
    def scheme(self) -> str:
        """`http` or `https`."""
        return "https" if self.peer.is_encrypted else "http"

    @property
    def is_oversized(self) -> bool:
        """More came than is kept."""
        return self.body_bytes > self._limit_bytes

    def add_body(self, data: bytes) -> None:
        """A piece of the body."""
        self.body_bytes += len(data)
        if not self.is_oversized:
            self._body.append(data)
        else:
            self._body.clear()
            self._wake()

    def finish(self, failure: Exception | None = None) -> None:
        """The body is whole, or never will be."""
        self.is_whole = failure is None
        self.failure = failure
        self._wake()

    async def arrived(self) -> None:
        """Return when the body is whole, failed or too large. A sender that waits to be invited is."""
        if self._is_settled or self.is_oversized:
            return
        if (self.headers.get("expect") or "").lower() == "100-continue" and not self.body_bytes:
            self.peer.send(_CONTINUE)
        await self._change()

    async def discarded(self) -> None:
        """Return when all of it has come, or nothing more will."""
        while not self._is_settled:
            await self._change()

    def body(self) -> bytes:
        """What came of the body."""
        return self._body[0] if len(self._body) == 1 else b"".join(self._body)

    @property
    def _is_settled(self) -> bool:
        return self.is_whole or self.failure is not None

    async def _change(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def require_clear_framing(request: Request) -> None:
    """Raises RequestMalformed for what this and another reader could take for two things."""
    headers = request.headers
    coding = headers.get("transfer-encoding")
    if request.version not in _VERSIONS:
        raise RequestMalformed("another version of HTTP")
    if coding is not None and (coding.lower() != "chunked" or request.version == "1.0"):
        raise RequestMalformed("another transfer coding than chunked")
    if any(len(headers.getall(name)) > 1 for name in _SINGLE):
        raise RequestMalformed("a field stands twice")


def credentials_of(request: Request) -> Credentials:
    """What the sender showed of itself, unproven: its certificate, its token, both or nothing.

    Raises:
        RequestInvalid: the `Authorization` header is there twice.
        NotIdentified: it is of another scheme.
        TokenInvalid: it holds nothing that could be a token.
    """
    header = read_single("Authorization", request.headers.getall("Authorization"))
    return Credentials(bearer=read_bearer(header), certificate_der=certificate_of(request))


def certificate_of(request: Request) -> bytes | None:
    """The client certificate of the connection, in DER; unproven but for the handshake."""
    return request.peer.certificate_der


class Response:
    """An answer. `close`: nothing else is served on its connection."""

    __slots__ = ("body", "close", "headers", "status")

    def __init__(self, *, status: int = 200, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.status = status
        self.body = body
        self.headers = headers or {}
        self.close = False

    def written(self, request: Request | None) -> bytes:
        """The bytes for this request; for None, that of somebody who did not speak HTTP.

        Raises:
            ValueError: a header would break out of its line.
        """
        lines = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, '')}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.status not in _BODILESS:
            lines.append(f"Content-Length: {len(self.body)}")
        lines.append(f"Date: {_date(int(time.time()))}")
        if self.close:
            lines.append("Connection: close")
        elif request is not None and request.version == "1.0":
            lines.append("Connection: keep-alive")
        ends = len(lines) + 1
        head = "\r\n".join([*lines, "", ""])
        if head.count("\r") != ends or head.count("\n") != ends:
            raise ValueError("a line break in a header")
        has_body = self.status not in _BODILESS and (request is None or request.method != "HEAD")
        return head.encode() + self.body if has_body else head.encode()


@lru_cache(maxsize=2)
def _date(now_s: int) -> str:
    return formatdate(now_s, usegmt=True)
