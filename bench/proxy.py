"""The bare HTTP round trip: a raw aiohttp proxy on uvloop between the load generator and a server of fixed answers.

Carries the very bytes of the real exchange and looks at none of them: JSON question in, SOAP request out, SOAP reply
in, JSON reply out. As a program: `proxy` or `upstream`, each a process of its own that prints its address.
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

from bench.values import Specimen

Serve = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def proxy(specimens: dict[str, Specimen], upstream: str, session: aiohttp.ClientSession) -> Serve:
    """Read all, call the upstream once, read all, answer."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        specimen = specimens[request.path.rpartition("/")[2]]
        headers = {"Content-Type": "text/xml; charset=utf-8"}
        url = f"{upstream}/{specimen.question.fin}"
        async with session.post(url, data=specimen.envelope, headers=headers) as response:
            await response.read()
        return web.Response(body=specimen.reply, content_type="application/json")

    return serve


def upstream(specimens: dict[str, Specimen]) -> Serve:
    """The agency's real reply, always the same one."""

    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        await request.read()
        specimen = specimens[request.path.rpartition("/")[2]]
        return web.Response(body=specimen.reply_envelope, content_type="text/xml")

    return serve


async def _run(role: str, specimens: dict[str, Specimen], address: str) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        serve = upstream(specimens) if role == "upstream" else proxy(specimens, address, session)
        server = await asyncio.get_running_loop().create_server(web.Server(serve, access_log=None), "127.0.0.1", 0)
        sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await server.serve_forever()


def main(role: str, path: str, address: str = "") -> None:
    """Serve until ended. `path`: a JSON list of specimens; `address`: the upstream, for the proxy."""
    specimens = msgspec.json.decode(Path(path).read_bytes(), type=list[Specimen])
    uvloop.run(_run(role, {specimen.question.fin: specimen for specimen in specimens}, address))


if __name__ == "__main__":
    main(*sys.argv[1:])
