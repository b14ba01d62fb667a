"""An agency that costs nearly nothing: it signs its one reply for each request, and does nothing else.

Stands in for the simulator, which verifies, validates and looks up on the same two cores, so that exchanges per second
say what the bus can do. Its replies are the simulator's own, freshly signed with the same key and bound to the request;
that requests are good was proven by the real simulator when the specimens were taken. As a program it prints its
address.
"""

from __future__ import annotations

import asyncio
import base64
import sys
from datetime import UTC, datetime
from pathlib import Path

import uvloop
from aiohttp import web

from security import keys
from security.wsse import SoapVersion, WsseSigner

TTL_S = 300
_VALUE_OPEN, _VALUE_CLOSE = b"<ds:SignatureValue>", b"</ds:SignatureValue>"
_PIN_OPEN, _PIN_CLOSE = b"<Pin>", b"</Pin>"


class Agency:
    """Signed replies by FIN."""

    def __init__(self, signer: WsseSigner, contents: dict[bytes, bytes]) -> None:
        """`contents`: the canonical child of the reply's Body, by FIN."""
        self._signer = signer
        self._contents = contents

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        """One reply that confirms the request's signature."""
        asked = await request.read()
        value = base64.b64decode(_between(asked, _VALUE_OPEN, _VALUE_CLOSE))
        content = self._contents[_between(asked, _PIN_OPEN, _PIN_CLOSE)]
        signed = self._signer.sign(content, now=datetime.now(UTC), confirms=value)
        return web.Response(body=signed.envelope, content_type="text/xml")


def _between(text: bytes, opening: bytes, closing: bytes) -> bytes:
    start = text.index(opening) + len(opening)
    return text[start : text.index(closing, start)]


async def _run(agency: Agency) -> None:
    server = await asyncio.get_running_loop().create_server(web.Server(agency.serve, access_log=None), "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


def main(key_folder: str, contents: str) -> None:
    """Serve until ended. `contents`: a folder with one file per FIN."""
    signer = WsseSigner(keys.active(Path(key_folder), passphrase=""), SoapVersion.SOAP11, TTL_S)
    uvloop.run(_run(Agency(signer, {path.name.encode(): path.read_bytes() for path in Path(contents).iterdir()})))


if __name__ == "__main__":
    main(*sys.argv[1:])
