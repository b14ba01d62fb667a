"""The JWT that the bus makes for each call: who it is, for whom, for how long."""

from __future__ import annotations

from datetime import datetime

from adapters.manifest_credentials import JwtTerms
from security import assertion
from security.assertion import SharedKey
from security.keys import SigningKey


class BusToken:
    """Makes the header of one call after the other. Safe for concurrent use."""

    def __init__(self, terms: JwtTerms, key: SigningKey | SharedKey) -> None:
        """`key` fits the algorithm of the terms."""
        self.header = terms.header.lower()
        self._terms = terms
        self._key = key

    def value(self, now: datetime) -> str:
        """The header's value, with a `jti` that no other call has."""
        terms = self._terms
        claims = assertion.standard_claims(
            issuer=terms.issuer, audience=terms.audience, subject=terms.subject or "", now=now, ttl_s=terms.ttl_s
        )
        return terms.prefix + assertion.mint(self._key, {**terms.claims, **claims})
