"""How the agency's address is protected on the way: version of TLS, and how long its certificate still holds."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from adapters.conformance.checks import Check, Outcome
from adapters.endpoint import Endpoint
from esb.ports import utc_now

SOON: Final = timedelta(days=30)

_TIMEOUT_S: Final = 10.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


async def check(agency: str, endpoint: Endpoint) -> Check:
    """One check of the address that is called."""
    address = urlsplit(endpoint.url)
    if address.scheme != "https":
        if address.hostname in _LOOPBACK:
            return _check(agency, Outcome.SKIPPED, "the address is on this machine")
        return _check(agency, Outcome.FAILED, "not https: personal data cross the network in clear")
    context = endpoint.ssl or ssl.create_default_context()
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            version, until = await _shaken(address.hostname or "", address.port or 443, context)
    except (OSError, TimeoutError) as error:
        return _check(agency, Outcome.FAILED, f"no TLS connection: {getattr(error, 'strerror', None) or error}")
    left = until - utc_now()
    outcome = Outcome.WARNING if left < SOON else Outcome.PASSED
    return _check(agency, outcome, f"{version}; its certificate holds {left.days} days more")


async def _shaken(host: str, port: int, context: ssl.SSLContext) -> tuple[str, datetime]:
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    try:
        shaken = writer.get_extra_info("ssl_object")
        certificate = shaken.getpeercert() or {}
        until = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
        return str(shaken.version()), until
    finally:
        writer.close()


def _check(agency: str, outcome: Outcome, detail: str) -> Check:
    return Check(agency=agency, operation="", name="TLS", outcome=outcome, detail=detail)
