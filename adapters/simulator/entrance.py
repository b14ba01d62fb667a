"""The gateway in front of a simulated agency: asks for the bus's credentials and has the token endpoint.

Stands before the dialect, as gateways do: what it refuses, the agency never sees.
"""

from __future__ import annotations

import base64
import hmac
import secrets as randomness
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl, unquote_plus, urlsplit

import msgspec

from adapters.manifest_credentials import ApiKeyTerms, BasicTerms, CredentialTerms, JwtTerms, OAuth2Terms
from adapters.simulator.dialect import Incoming, Sealed, SeenOnce
from security import assertion, jws
from security.assertion import HS256, SharedKey
from security.errors import SecurityError
from security.keys import VerifyingKey

TOKEN_LIFE_S: Final = 300

_CLOCK_SKEW_S: Final = 30
_ASSERTION_TTL_S: Final = 300
_JSON: Final = {"content-type": "application/json", "cache-control": "no-store"}


class Entrance:
    """The gateway of one agency. `granted` counts tokens, `refused` what was not let in."""

    def __init__(
        self,
        terms: CredentialTerms,
        *,
        secrets: Mapping[str, str],
        bus_keys: Sequence[VerifyingKey],
        token_life_s: int = TOKEN_LIFE_S,
    ) -> None:
        """`secrets`: values by name. `bus_keys`: whose tokens are believed."""
        self.granted = 0
        self.refused = 0
        self._terms = terms
        self._secrets = secrets
        self._bus_keys = bus_keys
        self._token_life = timedelta(seconds=token_life_s)
        self._tokens: dict[str, datetime] = {}
        self._seen = SeenOnce(keep_s=3600 + _CLOCK_SKEW_S)

    def answer(self, incoming: Incoming, *, now: datetime) -> Sealed | None:
        """A token or a refusal; None for a call that is let in."""
        oauth2 = self._terms.oauth2
        if oauth2 is not None and urlsplit(incoming.url).path == urlsplit(oauth2.token_url).path:
            return self._grant(oauth2, incoming, now)
        for challenge in self._challenges(incoming, now):
            self.refused += 1
            headers = {"www-authenticate": challenge, "content-type": "text/plain"}
            return Sealed(http_status=401, headers=headers, body=b"Unauthorized")
        return None

    def revoke_tokens(self) -> None:
        """Believe no token that was granted so far."""
        self._tokens.clear()

    # --- calls -------------------------------------------------------------------------------------------

    def _challenges(self, incoming: Incoming, now: datetime) -> Iterator[str]:
        """A challenge for each credential that does not hold."""
        terms, headers = self._terms, incoming.headers
        if terms.basic is not None and not self._basic_holds(terms.basic, headers):
            yield 'Basic realm="agency", charset="UTF-8"'
        if terms.api_key is not None and not self._key_holds(terms.api_key, incoming):
            yield 'ApiKey realm="agency"'
        if terms.jwt is not None and not self._jwt_holds(terms.jwt, headers, now):
            yield 'Bearer realm="agency", error="invalid_token"'
        if terms.oauth2 is not None and not self._token_holds(headers, now):
            yield 'Bearer realm="agency", error="invalid_token"'

    def _basic_holds(self, terms: BasicTerms, headers: dict[str, str]) -> bool:
        return _same(headers.get("authorization", ""), _basic(terms.user, self._value(terms.password)))

    def _key_holds(self, terms: ApiKeyTerms, incoming: Incoming) -> bool:
        shown = incoming.headers
        if terms.place == "query":
            shown = dict(parse_qsl(urlsplit(incoming.url).query))
            return _same(shown.get(terms.name, ""), self._value(terms.secret))
        return _same(shown.get(terms.name.lower(), ""), self._value(terms.secret))

    def _jwt_holds(self, terms: JwtTerms, headers: dict[str, str], now: datetime) -> bool:
        shown = headers.get(terms.header.lower(), "")
        if not shown.startswith(terms.prefix):
            return False
        token = shown.removeprefix(terms.prefix)
        try:
            return self._seen.first_time(self._jti(terms, token, now).encode(), now=now)
        except SecurityError:
            return False

    def _jti(self, terms: JwtTerms, token: str, now: datetime) -> str:
        if terms.algorithm == HS256:
            shared = SharedKey(secret=self._value(terms.secret or "").encode())
            claims = assertion.read_shared(
                token, shared, issuer=terms.issuer, audience=terms.audience, now=now, max_ttl_s=terms.ttl_s
            )
            return str(claims["jti"])
        return jws.verify_token(
            token,
            keys_of=lambda issuer: self._bus_keys if issuer == terms.issuer else (),
            audience=terms.audience,
            now=now,
            max_ttl_s=terms.ttl_s,
        ).jti

    def _token_holds(self, headers: dict[str, str], now: datetime) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return scheme == "Bearer" and token in self._tokens and now < self._tokens[token]

    def _value(self, name: str) -> str:
        return self._secrets[name]

    # --- tokens ------------------------------------------------------------------------------------------

    def _grant(self, terms: OAuth2Terms, incoming: Incoming, now: datetime) -> Sealed:
        form = dict(parse_qsl(incoming.body.decode("utf-8", "replace")))
        if form.get("grant_type") != "client_credentials" or form.get("scope") != terms.scope:
            return _token_answer({"error": "invalid_request"}, http_status=400)
        if not self._client_holds(terms, incoming, form, now):
            self.refused += 1
            return _token_answer({"error": "invalid_client"}, http_status=401)
        self.granted += 1
        self._tokens = {known: until for known, until in self._tokens.items() if now < until}
        token = randomness.token_urlsafe(32)
        self._tokens[token] = now + self._token_life
        life_s = int(self._token_life.total_seconds())
        return _token_answer({"access_token": token, "token_type": "Bearer", "expires_in": life_s})

    def _client_holds(self, terms: OAuth2Terms, incoming: Incoming, form: dict[str, str], now: datetime) -> bool:
        if terms.client_authentication == "private_key_jwt":
            return self._assertion_holds(terms, incoming, form.get("client_assertion", ""), now)
        secret = self._value(terms.client_secret or "")
        if terms.client_authentication == "post":
            return form.get("client_id") == terms.client_id and _same(form.get("client_secret", ""), secret)
        client, _, shown = _inside_basic(incoming.headers.get("authorization", "")).partition(":")
        return unquote_plus(client) == terms.client_id and _same(unquote_plus(shown), secret)

    def _assertion_holds(self, terms: OAuth2Terms, incoming: Incoming, proof: str, now: datetime) -> bool:
        try:
            token = jws.verify_token(
                proof,
                keys_of=lambda issuer: self._bus_keys if issuer == terms.client_id else (),
                audience=incoming.url,
                now=now,
                max_ttl_s=_ASSERTION_TTL_S,
            )
        except SecurityError:
            return False
        return self._seen.first_time(token.jti.encode(), now=now)


def _token_answer(content: dict[str, object], *, http_status: int = 200) -> Sealed:
    return Sealed(http_status=http_status, headers=dict(_JSON), body=msgspec.json.encode(content))


def _same(shown: str, wanted: str) -> bool:
    return hmac.compare_digest(shown.encode(), wanted.encode())


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _inside_basic(header: str) -> str:
    scheme, _, text = header.partition(" ")
    try:
        return base64.b64decode(text, validate=True).decode() if scheme == "Basic" else ""
    except ValueError:
        return ""
