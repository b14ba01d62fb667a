"""Tokens between the bus and agencies: JWTs (RFC 7519) signed by a key pair, or by a secret that both know (HS256).

Made for every call by the adapters; read by the dialects whose replies carry one. Callers' tokens are `security.jws`:
a shared secret proves nothing to a third party, so no caller may use one.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from security.compact import decode, decode_json, encode, encode_json
from security.errors import TokenInvalid
from security.jws import MAX_TOKEN_LENGTH, in_time, jti_of
from security.keys import SigningKey

HS256: Final = "HS256"

MIN_SECRET_BYTES: Final = 32
"""RFC 7518, section 3.2: a key of HS256 is at least as long as the hash."""

_TYPE: Final = "JWT"
_PARTS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedKey:
    """A secret that the bus and one agency know; it stands in no text that is made of this object."""

    secret: bytes = field(repr=False)

    @property
    def algorithm(self) -> str:
        """As JOSE names it."""
        return HS256

    @property
    def is_short(self) -> bool:
        """Whether it could be guessed from a token (RFC 7518, section 3.2)."""
        return len(self.secret) < MIN_SECRET_BYTES

    def sign(self, data: bytes) -> bytes:
        """The HMAC of the data."""
        return hmac.digest(self.secret, data, hashlib.sha256)


def mint(key: SigningKey | SharedKey, claims: Mapping[str, Any]) -> str:
    """The claims as a signed token; nothing is added to them."""
    header = {"alg": str(key.algorithm), "typ": _TYPE}
    if isinstance(key, SigningKey):
        header["kid"] = key.kid
    signed = f"{encode_json(header)}.{encode_json(claims)}"
    return f"{signed}.{encode(key.sign(signed.encode()))}"


def standard_claims(*, issuer: str, audience: str, now: datetime, ttl_s: int, subject: str = "") -> dict[str, Any]:
    """The registered claims of a token that is made now, with a fresh `jti`; those that are empty are left out."""
    issued = int(now.timestamp())
    said = {"iss": issuer, "sub": subject, "aud": audience}
    return {
        **{name: value for name, value in said.items() if value},
        "iat": issued,
        "exp": issued + ttl_s,
        "jti": secrets.token_urlsafe(16),
    }


def read_shared(
    token: str,
    key: SharedKey,
    *,
    issuer: str,
    audience: str,
    now: datetime,
    max_ttl_s: float = 300,
    clock_skew_s: float = 30,
) -> Mapping[str, Any]:
    """The claims of a token that was made with this very secret, by and for the named.

    `jti` is in them and usable; that it is used once is the caller's to see to.

    Raises:
        TokenInvalid: malformed, another algorithm, wrongly signed, by or for somebody else, or out of time.
    """
    if len(token) > MAX_TOKEN_LENGTH or token.count(".") != _PARTS - 1:
        raise TokenInvalid("not a signed token")
    signed, _, encoded = token.rpartition(".")
    encoded_header, _, encoded_claims = signed.partition(".")
    try:
        header, signature = decode_json(encoded_header), decode(encoded)
        # A closed set of one: neither `none` nor a public key taken for a secret can get past this.
        if header.get("alg") != HS256 or "crit" in header:
            raise TokenInvalid("token is not signed by HS256")
        if not hmac.compare_digest(signature, key.sign(signed.encode())):
            raise TokenInvalid("token is not signed with the shared secret")
        claims = decode_json(encoded_claims)
    except ValueError as error:  # half a character outside of ASCII is one too
        raise TokenInvalid("not a signed token") from error
    if claims.get("iss") != issuer or claims.get("aud") != audience:
        raise TokenInvalid("token is by or for somebody else")
    in_time(claims, now, timedelta(seconds=max_ttl_s), timedelta(seconds=clock_skew_s))
    jti_of(claims)
    return claims
