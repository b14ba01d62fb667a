"""Access tokens of one agency by OAuth2 client credentials (RFC 6749, 4.4), kept until shortly before their end.

One request for a token runs at a time, whoever waits for it; it is repeated in good time, while the old token still
serves. A token endpoint that fails is told as an agency that was not reached: nothing was sent to the agency itself.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import Any, Final, NoReturn
from urllib.parse import urlencode

import msgspec

from adapters.credentials.client import Client
from adapters.manifest_credentials import OAuth2Terms
from adapters.transport import Destination, Transport
from esb.errors import AgencyError, AgencyUnreachable, CredentialsRefused
from esb.ports import OutgoingCall, RawAnswer

TOKEN_TIMEOUT_S: Final = 10.0
"""How long one request for a token may take, however long those who wait for it have."""

UNSTATED_LIFE_S: Final = 300.0
"""What a token is taken to last whose endpoint does not say."""

REFUSED_PAUSE_S: Final = 30.0
"""How long a refusal is believed without asking again: a wrong password repeated would lock the bus's account."""

_LONGEST_LIFE_S: Final = 24 * 3600.0
_MARGIN_S: Final = 5.0
_MARGIN_SHARE: Final = 0.1
_RENEW_AT_SHARE: Final = 0.8
_RENEW_PAUSE_S: Final = 1.0

_OK: Final = 200
_REFUSALS: Final = frozenset({400, 401, 403})
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,16384}")
_CODE: Final = re.compile(r"[a-z_]{1,40}")


class _Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token and, on the monotonic clock, when a new one is asked for and when this one may no longer be used."""

    text: str
    renew_at_s: float
    good_until_s: float


class _Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no token. `code` is set when the endpoint refused the bus itself."""

    reason: str
    code: str | None = None


class _Granted(msgspec.Struct, frozen=True, kw_only=True):
    """The endpoint's answer (RFC 6749, section 5.1)."""

    access_token: str
    token_type: str
    expires_in: Any = None


class _Denied(msgspec.Struct, frozen=True, kw_only=True):
    """The endpoint's refusal (RFC 6749, section 5.2)."""

    error: str = ""


class TokenSource:
    """The token of one agency. Used from one event loop."""

    def __init__(
        self,
        terms: OAuth2Terms,
        *,
        client: Client,
        transport: Transport,
        destination: Destination,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Nothing is asked before the first call."""
        self._terms = terms
        self._client = client
        self._transport = transport
        self._destination = destination
        self._monotonic_s = monotonic_s
        self._token: _Token | None = None
        self._renewal: asyncio.Task[_Token | _Failure] | None = None
        self._renew_not_before_s = 0.0
        self._refusal: _Failure | None = None
        self._refused_until_s = 0.0

    async def token(self, *, timeout_s: float) -> str:
        """A token that is good now; from memory, or after at most `timeout_s`.

        Raises:
            AgencyUnreachable: no token could be had.
            CredentialsRefused: the token endpoint does not know the bus.
        """
        now_s = self._monotonic_s()
        held = self._token
        if held is not None and now_s < held.good_until_s:
            if now_s >= max(held.renew_at_s, self._renew_not_before_s):
                self._renewed()
            return held.text
        if self._refusal is not None and now_s < self._refused_until_s:
            self._raise(self._refusal)
        renewal = self._renewed()
        # Not wait_for: whoever gives up, the others wait on.
        done, _ = await asyncio.wait({renewal}, timeout=timeout_s)
        if not done:
            self._raise(_Failure(reason="the token endpoint did not answer in time"))
        outcome = renewal.result()
        if isinstance(outcome, _Failure):
            self._raise(outcome)
        return outcome.text

    def discard(self, token: str) -> None:
        """Forget a token that was refused; one that took its place meanwhile stays."""
        if self._token is not None and self._token.text == token:
            self._token = None

    def _renewed(self) -> asyncio.Task[_Token | _Failure]:
        """The one request for a token that is under way, begun if there is none."""
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.get_running_loop().create_task(self._renew())
        return self._renewal

    async def _renew(self) -> _Token | _Failure:
        asked_s = self._monotonic_s()
        outcome = await self._ask(asked_s)
        if isinstance(outcome, _Token):
            self._token = outcome
            self._refusal = None
            return outcome
        self._renew_not_before_s = self._monotonic_s() + _RENEW_PAUSE_S
        if outcome.code is not None:
            self._refusal, self._refused_until_s = outcome, self._monotonic_s() + REFUSED_PAUSE_S
        return outcome

    async def _ask(self, asked_s: float) -> _Token | _Failure:
        try:
            answer = await self._transport.send(self._request(), self._destination, timeout_s=TOKEN_TIMEOUT_S)
        except AgencyError as error:
            return _Failure(reason=f"no token: {error.reason}")
        if answer.http_status in _REFUSALS:
            return _refusal_in(answer)
        if answer.http_status != _OK:
            return _Failure(reason=f"no token: the token endpoint answered with HTTP {answer.http_status}")
        return _token_in(answer, asked_s)

    def _request(self) -> OutgoingCall:
        terms = self._terms
        asked = {"grant_type": "client_credentials", "scope": terms.scope, "audience": terms.audience}
        form = {name: value for name, value in asked.items() if value} | self._client.form()
        headers = {"accept": "application/json", "content-type": "application/x-www-form-urlencoded"}
        return OutgoingCall(
            method="POST",
            url=terms.token_url,
            headers=headers | self._client.headers(),
            body=urlencode(form).encode(),
        )

    def _raise(self, failure: _Failure) -> NoReturn:
        agency, operation = self._destination.agency, self._destination.operation
        if failure.code is not None:
            raise CredentialsRefused(failure.reason, agency=agency, operation=operation, agency_code=failure.code)
        raise AgencyUnreachable(failure.reason, agency=agency, operation=operation)


def _token_in(answer: RawAnswer, asked_s: float) -> _Token | _Failure:
    try:
        granted = msgspec.json.decode(answer.body, type=_Granted)
    except (msgspec.MsgspecError, RecursionError):
        # Without the library's text: it may quote the answer, and the answer is a secret.
        return _Failure(reason="no token: the token endpoint's answer is not the JSON of RFC 6749")
    life_s = _life_s(granted.expires_in)
    if granted.token_type.lower() != "bearer" or not _TOKEN.fullmatch(granted.access_token) or life_s is None:
        return _Failure(reason="no token: the token endpoint's answer holds no bearer token with a lifetime")
    # From the moment of asking: the endpoint began to count at some time after it.
    return _Token(
        text=granted.access_token,
        renew_at_s=asked_s + life_s * _RENEW_AT_SHARE,
        good_until_s=asked_s + life_s - min(_MARGIN_S, life_s * _MARGIN_SHARE),
    )


def _life_s(stated: Any) -> float | None:
    if stated is None:
        return UNSTATED_LIFE_S
    if isinstance(stated, str) and stated.isascii() and stated.isdigit():  # some write "3600"
        stated = int(stated[:10])
    if isinstance(stated, bool) or not isinstance(stated, int | float) or stated <= 0:
        return None
    return min(float(stated), _LONGEST_LIFE_S)


def _refusal_in(answer: RawAnswer) -> _Failure:
    try:
        said = msgspec.json.decode(answer.body, type=_Denied).error
    except (msgspec.MsgspecError, RecursionError):
        said = ""
    code = said if _CODE.fullmatch(said) else f"HTTP {answer.http_status}"
    return _Failure(reason=f"the token endpoint refuses the bus: {code}", code=code)
