"""The operator's line to a running worker: one JSON line in, one out, over a socket only this user can open.

`esb routes reload` prepares in every worker and commits only when all are ready, so that a table is used everywhere
or nowhere. No message content ever passes here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from esb.errors import ConfigurationError, EsbError, RoutesInvalid
from security.errors import SecurityError

MAX_LINE_BYTES = 64 * 1024
ANSWER_TIMEOUT_S = 120.0
"""Compiling the contracts of all agencies takes seconds."""


class Controlled(Protocol):
    """What of a worker can be steered."""

    def prepare(self, digest: str | None = None) -> Any:
        """See `Worker.prepare`."""
        ...

    async def commit(self, candidate: Any) -> Mapping[str, object]:
        """See `Worker.commit`."""
        ...

    def status(self) -> Mapping[str, object]:
        """See `Worker.status`."""
        ...


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of an operator: `status`, `prepare`, `commit` or `abort`."""

    verb: str
    digest: str | None = None


class Control:
    """One worker's end of the line."""

    def __init__(self, folder: Path, *, slot: int, worker: Controlled) -> None:
        """The socket is `folder/worker-<slot>.sock`."""
        self._path = folder / f"worker-{slot}.sock"
        self._worker = worker
        self._candidate: Any = None
        self._server: asyncio.AbstractServer | None = None

    async def start(self) -> None:
        """Listen; a socket that a dead predecessor left is replaced."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            with _short(self._path) as short:
                self._server = await asyncio.start_unix_server(self._serve, short, limit=MAX_LINE_BYTES)
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Hang up."""
        if self._server is not None:
            self._server.close()
        self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            order = msgspec.json.decode(await reader.readline(), type=Order)
            answer = await self._obey(order)
        except RoutesInvalid as error:
            answer = {"error": "invalid", "findings": [str(finding) for finding in error.findings]}
        except (EsbError, SecurityError) as error:
            answer = {"error": error.reason, "findings": [error.reason]}
        except (msgspec.MsgspecError, ValueError):
            answer = {"error": "not an order", "findings": []}
        with contextlib.suppress(ConnectionError):
            writer.write(msgspec.json.encode(answer) + b"\n")
            await writer.drain()
            writer.close()
            await writer.wait_closed()

    async def _obey(self, order: Order) -> Mapping[str, object]:
        if order.verb == "status":
            return self._worker.status()
        if order.verb == "prepare":
            self._candidate = await asyncio.to_thread(self._worker.prepare, order.digest)
            return {"prepared": self._candidate.digest}
        if order.verb == "commit":
            if self._candidate is None or self._candidate.digest != order.digest:
                raise ConfigurationError("nothing is prepared with this digest")
            candidate, self._candidate = self._candidate, None
            return await self._worker.commit(candidate)
        if order.verb == "abort":
            self._candidate = None
            return {"aborted": True}
        raise ConfigurationError(f"unknown order {order.verb!r}")


async def order(socket: Path, verb: str, digest: str | None = None) -> dict[str, Any]:
    """Give one order to one worker.

    Raises:
        ConnectionError, FileNotFoundError: no worker listens there.
        TimeoutError: it did not answer.
    """
    async with asyncio.timeout(ANSWER_TIMEOUT_S):
        with _short(socket) as short:
            reader, writer = await asyncio.open_unix_connection(short, limit=16 * MAX_LINE_BYTES)
        writer.write(msgspec.json.encode(Order(verb=verb, digest=digest)) + b"\n")
        line = await reader.readline()
        writer.close()
    if not line:
        raise ConnectionError("the worker hung up")
    answer: dict[str, Any] = msgspec.json.decode(line)
    return answer


async def order_all(sockets: Sequence[Path], verb: str, digest: str | None = None) -> list[dict[str, Any]]:
    """Give the order to every worker that lives at once; one that does not answer answers with an `error` too.

    Where nobody listens a worker was killed: it needs no order, its successor begins with the files as they are.
    """
    answers = await asyncio.gather(*(_answer_or_error(order(path, verb, digest)) for path in sockets))
    return [answer for answer in answers if answer is not None]


async def reload(sockets: Sequence[Path], digest: str) -> dict[str, Any]:
    """Have every worker that lives prepare this table, and use it when all could; else none does.

    Answers `used`, how many `workers` there are and how many are `using` it, the `problems` and the `change`.
    """
    prepared = await order_all(sockets, "prepare", digest)
    problems = [answer for answer in prepared if "error" in answer]
    if problems:
        await order_all(sockets, "abort")
        return {"used": False, "workers": len(prepared), "using": 0, "problems": problems}
    committed = await order_all(sockets, "commit", digest)
    problems = [answer for answer in committed if "error" in answer]
    change = next((answer for answer in committed if "error" not in answer), {})
    using = len(committed) - len(problems)
    return {"used": not problems, "workers": len(prepared), "using": using, "problems": problems, "change": change}


def sockets(home: Path) -> list[Path]:
    """The workers that run, or did until they were killed."""
    return sorted((home / "run").glob("worker-*.sock"))


async def _answer_or_error(answer: Awaitable[dict[str, Any]]) -> dict[str, Any] | None:
    try:
        return await answer
    except (ConnectionRefusedError, FileNotFoundError):
        return None
    except (OSError, TimeoutError) as error:
        return {"error": f"no answer ({type(error).__name__})", "findings": []}


@contextlib.contextmanager
def _short(path: Path) -> Iterator[str]:
    # A socket address holds 107 bytes; through an open directory a deeper one is reached all the same.
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{descriptor}/{path.name}"
    finally:
        os.close(descriptor)
