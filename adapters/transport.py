"""One HTTP call to an agency over pooled connections, and what became of it told in the bus's own errors.

Called by the operations of every adapter. The question answered here and nowhere else is whether bytes may have
left: that decides between `AgencyUnreachable` (safe to repeat) and `AgencyTimeout` (effect unknown). Never retries,
never follows a redirect, never decompresses, keeps no cookies, reads no proxy from the environment.
"""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import Mapping
from types import TracebackType
from typing import Final, NoReturn, Self

import aiohttp
import msgspec
from aiohttp import hdrs
from yarl import URL

from esb.errors import AgencyError, AgencyTimeout, AgencyUnreachable, ReplyInvalid
from esb.ports import OutgoingCall, RawAnswer

KEEP_ALIVE_S: Final = 4.0
"""Below the five seconds after which Apache and Node close an idle connection: writing on a connection that the
agency closes at that moment has an unknown effect, so it is better never to try."""

MAX_CONNECTIONS_PER_HOST: Final = 256
"""A backstop. How many calls an agency gets at a time is the throttle's business, by `limits.concurrency`."""

_CONNECT_SHARE: Final = 0.9
"""Connecting ends before the whole call does, so that a call which never connected is known to be one."""

_AUTO_HEADERS: Final = (hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE)

NOTHING_SENT: Final[tuple[type[Exception], ...]] = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ServerFingerprintMismatch,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
)
"""Raised by aiohttp before the first byte of the request is written, and only then."""

EFFECT_UNKNOWN: Final[tuple[type[Exception], ...]] = (aiohttp.ClientError, TimeoutError, OSError)
"""Everything else that aiohttp or the socket raises: some bytes may have reached the agency."""


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a call goes to and how much it may cost; made once per operation. `ssl` None: the system's roots."""

    agency: str
    operation: str
    connect_timeout_s: float = 2.0
    max_reply_bytes: int = 5 * 1024 * 1024
    ssl: tls.SSLContext | None = None


class Transport:
    """The connections of one process to all agencies. Safe for concurrent use from one event loop."""

    def __init__(self, *, max_connections_per_host: int = MAX_CONNECTIONS_PER_HOST) -> None:
        """Opens nothing: the session is made by the first call, inside the running loop."""
        self._max_connections_per_host = max_connections_per_host
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; idempotent. A later call opens new ones."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(self, call: OutgoingCall, destination: Destination, *, timeout_s: float) -> RawAnswer:
        """One attempt within `timeout_s`. Header names of the answer are lower-case.

        Raises:
            AgencyUnreachable: nothing was sent.
            AgencyTimeout: bytes may have been sent and no whole answer came; the effect is unknown.
            ReplyInvalid: the answer is over the size limit, compressed, or a redirect.
        """
        connect_s = min(destination.connect_timeout_s, timeout_s * _CONNECT_SHARE)
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._request(call, destination, connect_s=connect_s) as response,
            ):
                return await _read(response, destination)
        except NOTHING_SENT as error:
            _raise(AgencyUnreachable, _no_connection(error), call, destination, error)
        except EFFECT_UNKNOWN as error:
            _raise(AgencyTimeout, _no_answer(error), call, destination, error)

    def _request(
        self, call: OutgoingCall, destination: Destination, *, connect_s: float
    ) -> aiohttp.client._RequestContextManager:
        # aiohttp's own `total` cannot tell connecting from waiting, so only `connect` is set here; the deadline of
        # the whole call is asyncio.timeout in `send`.
        return self._opened().request(
            call.method,
            URL(call.url, encoded=True),  # byte for byte what was signed
            headers=call.headers,
            data=call.body or None,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, connect=connect_s),
            ssl=True if destination.ssl is None else destination.ssl,
            middlewares=() if call.method == hdrs.METH_POST else _ONCE,
        )

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, limit_per_host=self._max_connections_per_host, keepalive_timeout=KEEP_ALIVE_S
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={hdrs.ACCEPT_ENCODING: "identity"},
                skip_auto_headers=_AUTO_HEADERS,
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


async def _once(request: aiohttp.ClientRequest, proceed: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a GET (a POST it never does) when a kept-alive connection dies under it.

    A repeat would carry the same signature (which the agency must refuse as replayed) and is not counted as an
    attempt. aiohttp repeats on these two classes only, so the same fact travels as another class.
    """
    try:
        return await proceed(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise aiohttp.ClientConnectionError(_reason(error)) from error


_ONCE: Final = (_once,)


async def _read(response: aiohttp.ClientResponse, destination: Destination) -> RawAnswer:
    headers = response.headers
    if 300 <= response.status < 400:  # noqa: PLR2004 - the redirection class, RFC 9110 section 15.4
        _refuse("answered with a redirect, which is never followed", response, destination)
    if headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        _refuse("answer is compressed although that was not offered", response, destination)
    body = await _read_body(response, destination)
    return RawAnswer(http_status=response.status, headers=_lower(headers), body=body)


async def _read_body(response: aiohttp.ClientResponse, destination: Destination) -> bytes:
    limit = destination.max_reply_bytes
    length = response.content_length
    if length is not None and length > limit:
        _refuse(f"answer is over {limit} bytes", response, destination)
    if length is not None:
        return await response.read()
    chunks = bytearray()
    async for chunk in response.content.iter_any():
        chunks += chunk
        if len(chunks) > limit:
            _refuse(f"answer is over {limit} bytes", response, destination)
    return bytes(chunks)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    # A repeated header keeps its first value, as CIMultiDict gives it: two Signature headers must not add up.
    return {name.lower(): headers[name] for name in headers}


def _refuse(reason: str, response: aiohttp.ClientResponse, destination: Destination) -> NoReturn:
    response.close()  # what is left unread must not come out of the pool as the next answer
    raise ReplyInvalid(reason, agency=destination.agency, operation=destination.operation)


def _raise(
    kind: type[AgencyError], reason: str, call: OutgoingCall, destination: Destination, cause: Exception
) -> NoReturn:
    # Host and port only: the path of a REST call holds a person's identifier.
    authority = URL(call.url, encoded=True).authority
    raise kind(f"{authority}: {reason}", agency=destination.agency, operation=destination.operation) from cause


def _no_connection(error: Exception) -> str:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return "no connection in time"
    if isinstance(error, aiohttp.ClientSSLError):
        return "TLS handshake refused"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection: {_reason(error.os_error)}"
    return "endpoint cannot be used"


def _no_answer(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no whole answer in time"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "answer was cut"
    if isinstance(error, aiohttp.ClientResponseError):
        return "answer is not HTTP"
    return f"connection lost: {_reason(error)}"


def _reason(error: BaseException) -> str:
    # The text of an aiohttp error may hold the URL; the class and strerror never do.
    strerror = getattr(error, "strerror", None)
    return strerror if isinstance(strerror, str) else type(error).__name__
