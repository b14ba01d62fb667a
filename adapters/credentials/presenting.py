"""One call to an agency with the bus's credentials on it, and a refusal of them told as what it is.

Called by `Endpoint.send`. The call that the pipeline carries is never changed: a copy of it lives while it is sent.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Final

import msgspec

from adapters.credentials.bus_token import BusToken
from adapters.credentials.token_source import TokenSource
from adapters.transport import Destination, Transport
from esb.errors import AgencyUnreachable, CredentialsRefused, RequestUnencodable
from esb.ports import Clock, OutgoingCall, RawAnswer
from security.errors import KeyUnavailable

_UNAUTHORISED: Final = 401
_FORBIDDEN: Final = 403
_CHALLENGE: Final = "www-authenticate"

_BEARER: Final = re.compile(r"(?:^|,)\s*bearer(?:\s|,|$)", re.IGNORECASE)
_ERROR: Final = re.compile(r'\berror\s*=\s*"?([a-z_]{1,40})"?', re.IGNORECASE)


class Credentials:
    """What one agency asks for. Safe for concurrent use from one event loop."""

    def __init__(
        self,
        *,
        agency: str,
        clock: Clock,
        headers: Mapping[str, str] | None = None,
        query: str = "",
        bus_token: BusToken | None = None,
        tokens: TokenSource | None = None,
        unusable: str = "",
    ) -> None:
        """`headers` (names in lower case) and `query` are the same for each call. `unusable`: why none may be made."""
        self._agency = agency
        self._clock = clock
        self._headers = dict(headers or {})
        self._query = query
        self._query_name = re.compile(rf"[?&]{re.escape(query.partition('=')[0])}=", re.IGNORECASE)
        self._bus_token = bus_token
        self._tokens = tokens
        self._unusable = unusable

    async def send(
        self, call: OutgoingCall, destination: Destination, transport: Transport, *, timeout_s: float
    ) -> RawAnswer:
        """One attempt, as `Transport.send`; getting a token is within `timeout_s`.

        Raises:
            KeyUnavailable: a secret or key is missing; nothing was sent.
            RequestUnencodable: the URL has a parameter of the API key's name; nothing was sent.
            AgencyUnreachable: also when no token could be had; nothing was sent to the agency.
            CredentialsRefused: the token endpoint or the agency's gateway does not know the bus.
        """
        if self._unusable:
            raise KeyUnavailable(self._unusable)
        if self._tokens is None:
            answer = await transport.send(self._dressed(call, destination, {}), destination, timeout_s=timeout_s)
        else:
            answer = await self._send_with_token(call, destination, transport, self._tokens, timeout_s=timeout_s)
        _refuse_unauthorised(answer, destination)
        return answer

    async def _send_with_token(
        self,
        call: OutgoingCall,
        destination: Destination,
        transport: Transport,
        tokens: TokenSource,
        *,
        timeout_s: float,
    ) -> RawAnswer:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + timeout_s
        token = await tokens.token(timeout_s=timeout_s)
        answer = await self._send_within(call, token, destination, transport, until_s=until_s)
        if not _token_is_refused(answer):
            return answer
        # The agency's gateway says that this very token is why it did not apply the request (RFC 6750, section 3.1),
        # so one repetition cannot do anything twice.
        tokens.discard(token)
        if loop.time() >= until_s:
            return answer
        token = await tokens.token(timeout_s=until_s - loop.time())
        return await self._send_within(call, token, destination, transport, until_s=until_s)

    async def _send_within(
        self, call: OutgoingCall, token: str, destination: Destination, transport: Transport, *, until_s: float
    ) -> RawAnswer:
        left_s = until_s - asyncio.get_running_loop().time()
        if left_s <= 0:
            reason = "no time was left when the token came"
            raise AgencyUnreachable(reason, agency=self._agency, operation=destination.operation)
        dressed = self._dressed(call, destination, {"authorization": f"Bearer {token}"})
        return await transport.send(dressed, destination, timeout_s=left_s)

    def _dressed(self, call: OutgoingCall, destination: Destination, token: Mapping[str, str]) -> OutgoingCall:
        # Last wins: a value that a contract's own header parameter got from a caller never stands in for the bus's.
        headers = {**call.headers, **self._headers, **token}
        if self._bus_token is not None:
            headers[self._bus_token.header] = self._bus_token.value(self._clock())
        url = call.url
        if self._query:
            self._refuse_second_key(call, destination)
            url += ("&" if "?" in url else "?") + self._query
        return msgspec.structs.replace(call, url=url, headers=headers)

    def _refuse_second_key(self, call: OutgoingCall, destination: Destination) -> None:
        # Of two keys in a query a server takes whichever it likes: a caller's value could stand in for the bus's.
        if self._query_name.search(call.url):
            raise RequestUnencodable(
                "the contract's query parameter has the name of the API key",
                agency=self._agency,
                operation=destination.operation,
            )


def _token_is_refused(answer: RawAnswer) -> bool:
    """Whether the token, and nothing else, is why the request was not applied."""
    challenge = answer.headers.get(_CHALLENGE, "")
    if answer.http_status != _UNAUTHORISED or not _BEARER.search(challenge):
        return False
    return _error_of(challenge) in {None, "invalid_token"}


def _refuse_unauthorised(answer: RawAnswer, destination: Destination) -> None:
    """Raises CredentialsRefused for a challenge: RFC 9110, section 15.5.2, the request has not been applied.

    A 401 without a challenge is not by a gateway that knows HTTP; the operation reads it as any other answer.
    """
    challenge = answer.headers.get(_CHALLENGE, "")
    error = _error_of(challenge)
    scope = answer.http_status == _FORBIDDEN and error == "insufficient_scope"
    if not scope and not (answer.http_status == _UNAUTHORISED and challenge):
        return
    code = error or f"HTTP {answer.http_status}"
    raise CredentialsRefused(
        f"HTTP {answer.http_status}: the agency does not accept the credentials of the bus ({code})",
        agency=destination.agency,
        operation=destination.operation,
        agency_code=code,
    )


def _error_of(challenge: str) -> str | None:
    found = _ERROR.search(challenge)
    return found.group(1).lower() if found else None
