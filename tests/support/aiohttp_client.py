"""The oracle of the transport: what aiohttp, an HTTP client of its own kin, reads in the bytes of an answer."""

from __future__ import annotations

import asyncio

import aiohttp
from yarl import URL

from esb.ports import OutgoingCall, RawAnswer


async def read_by_aiohttp(call: OutgoingCall, *, timeout_s: float) -> RawAnswer | None:
    """The answer, or None when aiohttp finds none."""
    try:
        async with (
            asyncio.timeout(timeout_s),
            aiohttp.ClientSession(auto_decompress=False, trust_env=False) as session,
            session.request(
                call.method, URL(call.url, encoded=True), headers=call.headers, data=call.body, allow_redirects=False
            ) as response,
        ):
            body = await response.read()
            headers = {name.lower(): response.headers[name] for name in response.headers}
            return RawAnswer(http_status=response.status, headers=headers, body=body)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None
