"""An agency behind a gateway that wants to know who is calling: a token endpoint and a guarded resource.

Knows nothing of the bus's own code: what it believes it reads with other libraries, or plainly.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

TOKEN_PATH = "/oauth2/token"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request as it came. Header names are lower-case."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def basic(self) -> str:
        """What is inside of a Basic header."""
        scheme, _, text = self.headers["authorization"].partition(" ")
        assert scheme == "Basic"
        return base64.b64decode(text, validate=True).decode()


@dataclass(kw_only=True)
class Gateway:
    """What it is asked, and how it answers. `tokens` are those it believes; without any it lets everybody in."""

    url: str = ""
    asked: list[Seen] = field(default_factory=list)
    token_requests: list[Seen] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    guarded: bool = False
    expires_in: Any = 3600
    delay_s: float = 0.0
    token_delay_s: float = 0.0
    token_answer: Callable[[], web.Response] | None = None
    challenge: str = 'Bearer realm="agency", error="invalid_token"'
    refusal_status: int = 401

    @property
    def token_url(self) -> str:
        return self.url + TOKEN_PATH

    def revoke(self) -> None:
        """No token that was given is good any more."""
        self.tokens.clear()

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        seen = Seen(
            method=request.method,
            url=f"{request.scheme}://{request.host}{request.raw_path}",
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await request.read(),
        )
        if request.path == TOKEN_PATH:
            self.token_requests.append(seen)
            return await self._grant()
        self.asked.append(seen)
        await asyncio.sleep(self.delay_s)
        if self.guarded and seen.headers.get("authorization", "").removeprefix("Bearer ") not in self.tokens:
            headers = {"WWW-Authenticate": self.challenge} if self.challenge else {}
            return web.Response(status=self.refusal_status, headers=headers, text="go away")
        return web.json_response({"ok": True})

    async def _grant(self) -> web.Response:
        token = f"token-{len(self.token_requests)}"
        await asyncio.sleep(self.token_delay_s)
        if self.token_answer is not None:
            return self.token_answer()
        self.tokens.add(token)
        granted = {"access_token": token, "token_type": "Bearer", "expires_in": self.expires_in}
        return web.json_response({name: value for name, value in granted.items() if value is not None})


@asynccontextmanager
async def serving() -> AsyncIterator[Gateway]:
    gateway = Gateway()
    runner = web.ServerRunner(web.Server(gateway.respond, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    gateway.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield gateway
    finally:
        await runner.cleanup()
