"""The bare HTTP round trip: a raw aiohttp proxy on uvloop between the load generator and a server of fixed answers.

Carries the very bytes of the real exchange and looks at none of them: JSON question in, SOAP request out, SOAP reply
in, JSON reply out. `joined` is the same proxy that also does the straight line's work once per exchange: the smallest
program there could be. As a program: `proxy`, `joined` or `upstream`, each a process of its own that prints its
address.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import msgspec
import uvloop
from aiohttp import web

from bench.floor import Floor
from bench.values import Specimen

Serve = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def proxy(
    specimens: dict[str, Specimen],
    upstream: str,
    session: aiohttp.ClientSession,
    work: Callable[[Specimen], object] | None = None,
) -> Serve:
    """Read all, call the upstream once, read all, answer. `work` is done before the answer."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        specimen = specimens[request.path.rpartition("/")[2]]
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        url = f"{upstream}/{specimen.question.fin}"
        async with session.post(url, data=specimen.envelope, headers=headers) as response:
            await response.read()
        if work is not None:
            work(specimen)
        return web.Response(body=specimen.reply, content_type="application/json")

    return serve


def upstream(specimens: dict[str, Specimen]) -> Serve:
    """The agency's real reply, always the same one."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        specimen = specimens[request.path.rpartition("/")[2]]
        return web.Response(body=specimen.reply_envelope, content_type="text/xml")

    return serve


def straight_line(specimens: dict[str, Specimen]) -> Callable[[Specimen], object]:
    """The floor's work on one exchange."""
    floors = {fin: Floor(specimen) for fin, specimen in specimens.items()}
    return lambda specimen: floors[specimen.question.fin].exchange(with_token=True)


async def _run(role: str, specimens: dict[str, Specimen], address: str) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        work = straight_line(specimens) if role == "joined" else None
        serve = upstream(specimens) if role == "upstream" else proxy(specimens, address, session, work)
        server = await asyncio.get_running_loop().create_server(web.Server(serve, access_log=None), "127.0.0.1", 0)
        sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()


def main(role: str, path: str, address: str = "") -> None:
    """Serve until ended. `path`: a JSON list of specimens; `address`: the upstream, for both proxies."""
    specimens = msgspec.json.decode(Path(path).read_bytes(), type=list[Specimen])
    uvloop.run(_run(role, {specimen.question.fin: specimen for specimen in specimens}, address))


if __name__ == "__main__":
    main(*sys.argv[1:])
