"""How the bus proves itself to a token endpoint (RFC 6749, section 2.3; RFC 7523)."""

from __future__ import annotations

import base64
from typing import Final, Protocol
from urllib.parse import quote_plus

from adapters.manifest_credentials import OAuth2Terms
from esb.ports import Clock
from security import assertion
from security.keys import SigningKey

_ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_TTL_S: Final = 60


class Client(Protocol):
    """One of the ways."""

    def headers(self) -> dict[str, str]:
        """What the proof adds to the headers of a token request."""
        ...

    def form(self) -> dict[str, str]:
        """What the proof adds to its form."""
        ...


class SecretClient:
    """By a secret: in the header (`basic`), or in the form (`post`)."""

    def __init__(self, terms: OAuth2Terms, secret: str) -> None:
        """The secret is in no text that is made of this object."""
        self._headers: dict[str, str] = {}
        self._form: dict[str, str] = {}
        if terms.client_authentication == "post":
            self._form = {"client_id": terms.client_id, "client_secret": secret}
        else:
            # RFC 6749, section 2.3.1: both are form-encoded first, so that neither can hold the colon between them.
            pair = f"{quote_plus(terms.client_id)}:{quote_plus(secret)}"
            self._headers = {"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}

    def headers(self) -> dict[str, str]:
        """See `Client`."""
        return self._headers

    def form(self) -> dict[str, str]:
        """See `Client`."""
        return self._form


class JwtClient:
    """By a token signed with the bus's key (`private_key_jwt`); each request has its own."""

    def __init__(self, terms: OAuth2Terms, key: SigningKey, clock: Clock) -> None:
        """The audience is the token endpoint's address (RFC 7523, section 3)."""
        self._terms = terms
        self._key = key
        self._clock = clock

    def headers(self) -> dict[str, str]:
        """See `Client`."""
        return {}

    def form(self) -> dict[str, str]:
        """See `Client`."""
        client_id = self._terms.client_id
        claims = assertion.standard_claims(
            issuer=client_id,
            subject=client_id,
            audience=self._terms.token_url,
            now=self._clock(),
            ttl_s=_ASSERTION_TTL_S,
        )
        proof = assertion.mint(self._key, claims)
        return {"client_id": client_id, "client_assertion_type": _ASSERTION_TYPE, "client_assertion": proof}
