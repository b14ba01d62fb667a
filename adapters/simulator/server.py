"""A running simulated agency: an HTTP listener that answers like the real one, and a control listener beside it.

Used by `esb adapters simulate`, the demo, tests and benches. Counts every proven call before it answers, so that a
test can see whether something was asked twice even when the answer was lost.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Self

from aiohttp import web

from adapters.simulator import assembly, control
from adapters.simulator.behaviours import Behaviour, Conduct, Kind
from adapters.simulator.dialect import Chosen, Dialect, Draft, Incoming, Question, Refusal, Sealed, complain
from adapters.simulator.entrance import Entrance
from adapters.simulator.later import LaterDialect
from esb.errors import ContractViolation, EsbError, SettingInvalid
from esb.ports import Clock
from esb.settings import Settings

_BACKLOG = 512
_STOP_AFTER_S = 0.2
"""A hanging call must not hold up the stop."""

_HTML = b"<!DOCTYPE html><html><head><title>503</title></head><body><h1>Service Unavailable</h1></body></html>"
_GARBAGE = bytes(range(0x80, 0x100)) * 8


def _utc_now() -> datetime:
    return datetime.now(UTC)


Respond = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Simulator:
    """One running simulated agency. Made by `start`; used from the event loop that started it."""

    def __init__(self, *, agency: str, dialect: Dialect, clock: Clock, entrance: Entrance | None = None) -> None:
        """Not listening yet: use `start`."""
        self.entrance = entrance
        self.agency = agency
        self.url = ""
        self.control_url = ""
        self.calls: Counter[tuple[str, str]] = Counter()
        self.refusals: Counter[str] = Counter()
        self._conduct = Conduct()
        self._dialect = dialect
        self._clock = clock
        self._previous: Sealed | None = None
        self._listener = _Listener(self._handle)
        self._control: web.AppRunner | None = None

    @classmethod
    async def start(
        cls,
        *,
        agency: str,
        settings: Settings,
        home: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        control: bool = True,
        control_port: int = 0,
        behaviours: Iterable[Behaviour] = (),
        clock: Clock = _utc_now,
    ) -> Self:
        """The agency, answering on `url`; with `control`, told what to do on `control_url` (always loopback).

        Needs what `keys.provision` lays under `home`.

        Raises:
            ConfigurationError: manifest, contract or data file cannot be used, or the port is taken.
            KeyUnavailable: the agency's key or the bus's certificate is missing.
        """
        dialect = assembly.dialect_of(agency, settings=settings, home=home)
        entrance = assembly.entrance_of(agency, settings=settings, home=home)
        simulator = cls(agency=agency, dialect=dialect, clock=clock, entrance=entrance)
        try:
            simulator.url = await simulator._listener.open(host, port)
            if control:
                await simulator._start_control(control_port)
            await simulator.behave(behaviours)
            if isinstance(dialect, LaterDialect):
                dialect.start()
        except EsbError:
            await simulator.stop()
            raise
        return simulator

    async def stop(self) -> None:
        """Close both listeners and every connection; calls that hang are dropped. Idempotent."""
        await self._listener.close()
        if isinstance(self._dialect, LaterDialect):
            await self._dialect.stop()
        if self._control is not None:
            await self._control.cleanup()

    @property
    def behaviours(self) -> tuple[Behaviour, ...]:
        """What is switched on now."""
        return self._conduct.active

    async def behave(self, behaviours: Iterable[Behaviour]) -> None:
        """Switch misbehaviour on, beside what is on already.

        Raises:
            SettingInvalid: this agency's dialect cannot misbehave like that.
        """
        wanted = tuple(behaviours)
        for behaviour in wanted:
            if behaviour.kind in self._dialect.unable:
                raise SettingInvalid(f"{self.agency} cannot do {str(behaviour.kind)!r}")
        self._conduct.add(wanted)
        await self._listener.accept(accepting=not self._conduct.refuses)

    async def behave_well(self) -> None:
        """Switch all misbehaviour off."""
        self._conduct.clear()
        await self._listener.accept(accepting=True)

    def forget_calls(self) -> None:
        """Count from nought again."""
        self.calls.clear()
        self.refusals.clear()
        if self.entrance is not None:
            self.entrance.granted = self.entrance.refused = 0

    async def _start_control(self, port: int) -> None:
        self._control = web.AppRunner(control.application(self), access_log=None)
        await self._control.setup()
        site = web.TCPSite(self._control, "127.0.0.1", port)
        await site.start()
        self.control_url = f"http://127.0.0.1:{self._control.addresses[0][1]}/_control"

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        incoming = Incoming(
            method=request.method,
            url=f"{request.scheme}://{request.host}{request.raw_path}",
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
        )
        at_the_door = self.entrance.answer(incoming, now=self._clock()) if self.entrance is not None else None
        if at_the_door is not None:
            return web.Response(status=at_the_door.http_status, headers=at_the_door.headers, body=at_the_door.body)
        key, proof, draft = self._draft(incoming)
        chosen = self._conduct.choose(key)
        if Kind.SLOW in chosen:
            await asyncio.sleep(chosen[Kind.SLOW] / 1000)
        if Kind.HANG in chosen:
            await asyncio.get_running_loop().create_future()
        sealed = _not_the_agency(chosen) or self._seal(draft, proof, chosen)
        if Kind.CUT in chosen:
            return await _cut(request, sealed)
        return web.Response(status=sealed.http_status, headers=sealed.headers, body=sealed.body)

    def _draft(self, incoming: Incoming) -> tuple[str | None, bytes, Draft]:
        try:
            question = self._dialect.open(incoming, now=self._clock())
        except Refusal as refusal:
            self.refusals[refusal.code] += 1
            return None, refusal.proof, self._dialect.draft_refusal(refusal)
        self.calls[question.operation, question.key] += 1
        return question.key, question.proof, self._answer(question)

    def _answer(self, question: Question) -> Draft:
        try:
            return self._dialect.draft(question)
        except ContractViolation as error:
            # The contract's own sample, or a key that fits the request and not the reply that repeats it.
            reason = f"{question.operation}: {error.path or 'document'}: {error.reason}"
            complain(f"{self.agency}: the record for this question does not fit the contract: {reason}")
            return self._dialect.draft_refusal(Refusal("Server.Record", reason, proof=question.proof, http_status=500))

    def _seal(self, draft: Draft, proof: bytes, chosen: Chosen) -> Sealed:
        if Kind.REPLAY_PREVIOUS in chosen and self._previous is not None:
            return self._previous
        sealed = self._dialect.seal(draft, proof=proof, chosen=chosen, now=self._clock())
        if not chosen:
            self._previous = sealed
        return sealed


class _Listener:
    """A listening address that can refuse connections for a while and keep its port meanwhile."""

    def __init__(self, respond: Respond) -> None:
        server = web.Server(respond, handler_cancellation=True, access_log=None)
        self._server = server
        self._runner = web.ServerRunner(server, shutdown_timeout=_STOP_AFTER_S)
        self._site: web.SockSite | None = None
        self._reservation: socket.socket | None = None

    async def open(self, host: str, port: int) -> str:
        """Listen; answers the URL."""
        await self._runner.setup()
        if port:
            # SO_REUSEPORT would let a second simulator onto the same port unnoticed.
            _bind(host, port, share=False).close()
        # A second socket, bound but never listening, keeps the port while the agency refuses connections: the
        # kernel then answers with a reset, as it does for a stopped service.
        self._reservation = _bind(host, port)
        self._address = self._reservation.getsockname()[:2]
        await self.accept(accepting=True)
        return f"http://{self._address[0]}:{self._address[1]}"

    async def accept(self, *, accepting: bool) -> None:
        """Listen, or refuse and drop the connections that there are."""
        if accepting and self._site is None:
            self._site = web.SockSite(self._runner, _bind(*self._address), backlog=_BACKLOG)
            await self._site.start()
        if not accepting and self._site is not None:
            site, self._site = self._site, None
            await site.stop()
            for connection in list(self._server.connections):
                connection.force_close()
                if connection.transport is not None:
                    connection.transport.abort()
            # The abort happens in the loop's next turn; afterwards nobody holds a connection that seems alive.
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Give the port back."""
        self._site = None
        await self._runner.cleanup()
        if self._reservation is not None:
            self._reservation.close()


def _bind(host: str, port: int, *, share: bool = True) -> socket.socket:
    # proto is named, as asyncio sets TCP_NODELAY only on sockets that say they are TCP.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, share)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise SettingInvalid(f"{host}:{port} cannot be used: {error.strerror}") from error
    return bound


def _not_the_agency(chosen: Chosen) -> Sealed | None:
    """What comes from a server that is not speaking the agency's protocol at all."""
    if Kind.STATUS in chosen:
        phrase = HTTPStatus(chosen[Kind.STATUS]).phrase if chosen[Kind.STATUS] in set(HTTPStatus) else ""
        return Sealed(
            http_status=chosen[Kind.STATUS], headers={"Content-Type": "text/plain"}, body=phrase.encode("ascii")
        )
    if Kind.HTML in chosen:
        return Sealed(http_status=200, headers={"Content-Type": "text/html"}, body=_HTML)
    if Kind.GARBAGE in chosen:
        return Sealed(http_status=200, headers={"Content-Type": "application/octet-stream"}, body=_GARBAGE)
    return None


async def _cut(request: web.BaseRequest, sealed: Sealed) -> web.StreamResponse:
    """Announce the whole answer, send half of it, close the connection."""
    response = web.StreamResponse(status=sealed.http_status, headers=sealed.headers)
    response.content_length = len(sealed.body)
    response.force_close()
    await response.prepare(request)
    await response.write(sealed.body[: len(sealed.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
