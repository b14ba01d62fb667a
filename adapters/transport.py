"""One HTTP call to an agency over pooled connections, and what became of it told in the bus's own errors.

Called by the operations of every adapter. The question answered here and nowhere else is whether bytes may have
left: that decides between `AgencyUnreachable` (safe to repeat) and `AgencyTimeout` (effect unknown). Never retries,
never follows a redirect, never decompresses, keeps no cookies, reads no proxy from the environment.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl as tls
from types import TracebackType
from typing import Final, NamedTuple, NoReturn, Self

import aiohappyeyeballs
import msgspec

from adapters.transport_connection import AnswerRefused, Connection, ConnectionFailed, reason_of
from esb.errors import AgencyError, AgencyTimeout, AgencyUnreachable, ReplyInvalid
from esb.ports import OutgoingCall, RawAnswer

KEEP_ALIVE_S: Final = 4.0
"""Below the five seconds after which Apache and Node close an idle connection: writing on a connection that the
agency closes at that moment has an unknown effect, so it is better never to try."""

MAX_CONNECTIONS_PER_HOST: Final = 256
"""A backstop. How many calls an agency gets at a time is the throttle's business, by `limits.concurrency`."""

_CONNECT_SHARE: Final = 0.9
"""Connecting ends before the whole call does, so that a call which never connected is known to be one."""

_NEXT_ADDRESS_S: Final = 0.25
"""How long one address of a name may keep its next one waiting (RFC 8305 §5)."""

_URL: Final = re.compile(
    r"(https?)://((\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?)([/?][\x21\x22\x24-\x7e]*)?"
)
_METHOD: Final = re.compile(r"[A-Z]{1,20}")
_PORTS: Final = {"http": 80, "https": 443}
_LAST_PORT: Final = 65535
_WITHOUT_LENGTH: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_FRAMING: Final = frozenset({"connection", "content-length", "host", "transfer-encoding"})


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
        """Opens nothing: connections are made by calls, inside the running loop."""
        self._max_connections_per_host = max_connections_per_host
        self._pools: dict[_Origin, _Pool] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._system_roots: tls.SSLContext | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every connection; idempotent. A later call opens new ones."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None

    async def send(self, call: OutgoingCall, destination: Destination, *, timeout_s: float) -> RawAnswer:
        """One attempt within `timeout_s`. Header names of the answer are lower-case.

        Raises:
            AgencyUnreachable: nothing was sent.
            AgencyTimeout: bytes may have been sent and no whole answer came; the effect is unknown.
            ReplyInvalid: the answer is over the size limit, compressed, or a redirect.
        """
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        connect_s = min(destination.connect_timeout_s, timeout_s * _CONNECT_SHARE)
        try:
            origin, request = self._written(call, destination)
            pool = self._pool_of(origin)
            connection = await pool.take(until_s=began_s + connect_s)
        except (_Unusable, OSError, UnicodeError) as error:
            _raise(AgencyUnreachable, _no_connection(error), call, destination, error)
        try:
            return await connection.ask(
                request, method=call.method, max_bytes=destination.max_reply_bytes, until_s=began_s + timeout_s
            )
        except ConnectionFailed as error:
            _raise(AgencyTimeout, str(error), call, destination, error)
        except AnswerRefused as error:
            _refuse(str(error), destination, error)
        finally:
            pool.give_back(connection)
            if self._sweep is None:
                self._sweep = loop.call_later(KEEP_ALIVE_S, self._close_idle)

    def _written(self, call: OutgoingCall, destination: Destination) -> tuple[_Origin, bytes]:
        """Where to, and the request in its bytes."""
        match = _URL.fullmatch(call.url)
        if match is None or _METHOD.fullmatch(call.method) is None:
            raise _Unusable
        scheme, authority, host, port, target = match.groups(default="")
        number = int(port) if port else _PORTS[scheme]
        if not 0 < number <= _LAST_PORT:
            raise _Unusable
        context = None if scheme == "http" else destination.ssl or self._roots()
        return _Origin(host.strip("[]"), number, context), _request(call, authority, target)

    def _roots(self) -> tls.SSLContext:
        if self._system_roots is None:
            self._system_roots = tls.create_default_context()
        return self._system_roots

    def _pool_of(self, origin: _Origin) -> _Pool:
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = _Pool(origin, places=self._max_connections_per_host)
        return pool

    def _close_idle(self) -> None:
        self._sweep = None
        for pool in self._pools.values():
            pool.close_idle()
        # A reload makes new TLS contexts, and with them new origins: the old ones are not kept.
        self._pools = {origin: pool for origin, pool in self._pools.items() if pool.in_use}
        if self._pools:
            self._sweep = asyncio.get_running_loop().call_later(KEEP_ALIVE_S, self._close_idle)


class _Origin(NamedTuple):
    """What connections may be shared for: the same host, port and identities. `ssl` None: no TLS."""

    host: str
    port: int
    ssl: tls.SSLContext | None


class _Unusable(Exception):
    """A call that cannot be written as HTTP."""


class _Pool:
    """Connections to one origin. The one that was used last is used next, so that the others can end."""

    def __init__(self, origin: _Origin, *, places: int) -> None:
        self._origin = origin
        self._room = asyncio.Semaphore(places)
        self._idle: list[Connection] = []
        self._taken = 0
        self._closed = False
        self._loop = asyncio.get_running_loop()

    @property
    def in_use(self) -> bool:
        """A call has or awaits a connection of it, or one waits for a call."""
        return bool(self._taken or self._idle)

    async def take(self, *, until_s: float) -> Connection:
        """A connection, kept or new, for one call; `give_back` must follow. Raises OSError, UnicodeError."""
        self._taken += 1
        try:
            if self._room.locked():
                async with asyncio.timeout_at(until_s):
                    await self._room.acquire()
            else:
                # Takes a place at once. Nearly always a connection is there too, so that no timer is made.
                await self._room.acquire()
        except BaseException:
            self._taken -= 1
            raise
        try:
            return self._kept() or await self._connected(until_s)
        except BaseException:
            self._leave()
            raise

    def give_back(self, connection: Connection) -> None:
        """The call has ended, however it did."""
        self._leave()
        if connection.is_usable and not self._closed:
            connection.idle_since_s = self._loop.time()
            self._idle.append(connection)
        else:
            connection.abort()

    def close_idle(self, *, all_of_them: bool = False) -> None:
        """End connections that nobody needed for a while."""
        oldest_s = self._loop.time() - KEEP_ALIVE_S
        kept = []
        for connection in self._idle:
            if all_of_them or connection.idle_since_s <= oldest_s or not connection.is_usable:
                connection.abort()
            else:
                kept.append(connection)
        self._idle = kept

    def close(self) -> None:
        """End all of them, those of running calls when these have ended."""
        self._closed = True
        self.close_idle(all_of_them=True)

    def _kept(self) -> Connection | None:
        oldest_s = self._loop.time() - KEEP_ALIVE_S
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable and connection.idle_since_s > oldest_s:
                return connection
            connection.abort()
        return None

    async def _connected(self, until_s: float) -> Connection:
        origin, loop = self._origin, self._loop
        async with asyncio.timeout_at(until_s):
            addresses = await loop.getaddrinfo(
                origin.host, origin.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
            )
            connected = await aiohappyeyeballs.start_connection(addresses, happy_eyeballs_delay=_NEXT_ADDRESS_S)
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _, connection = await loop.create_connection(
                Connection, sock=connected, ssl=origin.ssl, server_hostname=origin.host if origin.ssl else None
            )
        return connection

    def _leave(self) -> None:
        self._taken -= 1
        self._room.release()


def _request(call: OutgoingCall, authority: str, target: str) -> bytes:
    """The request in its bytes, the target byte for byte as it was signed."""
    target = target if target.startswith("/") else f"/{target}"
    lines = [f"{call.method} {target} HTTP/1.1", f"Host: {authority}"]
    lines += [f"{name}: {value}" for name, value in call.headers.items()]
    names = {name.lower() for name in call.headers}
    if not names.isdisjoint(_FRAMING):
        raise _Unusable
    if "accept-encoding" not in names:
        lines.append("Accept-Encoding: identity")
    if call.body or call.method not in _WITHOUT_LENGTH:
        lines.append(f"Content-Length: {len(call.body)}")
    ends = len(lines) + 1
    head = "\r\n".join([*lines, "", ""])
    # A line break in a value would be a header, or a request, of its own.
    if head.count("\r") != ends or head.count("\n") != ends or "\0" in head:
        raise _Unusable
    return head.encode() + call.body


def _refuse(reason: str, destination: Destination, cause: Exception) -> NoReturn:
    raise ReplyInvalid(reason, agency=destination.agency, operation=destination.operation) from cause


def _raise(
    kind: type[AgencyError], reason: str, call: OutgoingCall, destination: Destination, cause: Exception
) -> NoReturn:
    # Host and port only: the path of a REST call holds a person's identifier, what stands before @ a password.
    authority = re.split(r"[/?#]", call.url.partition("://")[2])[0].rpartition("@")[2]
    raise kind(f"{authority}: {reason}", agency=destination.agency, operation=destination.operation) from cause


def _no_connection(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, tls.SSLError):
        return "TLS handshake refused"
    if isinstance(error, OSError):
        return f"no connection: {reason_of(error)}"
    return "endpoint cannot be used"
