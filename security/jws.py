"""JSON Web Signatures in two uses: detached over message bodies, and as short-lived bearer tokens of callers.

The bus signs every reply with `sign_detached` (RFC 7515 and 7797); callers prove themselves with tokens (RFC 7519, in
the style of `private_key_jwt`, RFC 7523). Only the closed set of algorithms exists here: there is nothing to confuse.
"""

from __future__ import annotations

import functools
import math
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from security.compact import decode, decode_json, encode, encode_json
from security.errors import SignatureInvalid, TokenInvalid
from security.keys import SigningKey, VerifyingKey

MAX_TOKEN_LENGTH = 4096
MAX_JTI_LENGTH = 128


# --- detached --------------------------------------------------------------------------------------------


def sign_detached(body: bytes, key: SigningKey) -> str:
    """The value of `ESB-Signature`: `header..signature` over exactly these bytes, unencoded (RFC 7797)."""
    header = _detached_header(key.algorithm, key.kid)
    signature = key.sign(b"".join((header.encode(), b".", body)))
    return f"{header}..{encode(signature)}"


def verify_detached(body: bytes, value: str, keys: Mapping[str, VerifyingKey]) -> str:
    """The `kid` of the key, out of `keys`, that signed exactly these bytes.

    Raises:
        SignatureInvalid: malformed, an unknown key, another algorithm than the key's, or another body.
    """
    header, separator, encoded = value.partition("..")
    if not separator or len(value) > MAX_TOKEN_LENGTH:
        raise SignatureInvalid("not a detached signature")
    algorithm, kid = _read_detached_header(header)
    key = keys.get(kid)
    if key is None:
        raise SignatureInvalid("signed with an unknown key")
    if key.algorithm != algorithm:
        raise SignatureInvalid("algorithm is not the key's")
    try:
        signature = decode(encoded)
    except ValueError as error:
        raise SignatureInvalid("not a detached signature") from error
    key.verify(signature, b"".join((header.encode(), b".", body)))
    return kid


# One header per key: a bus signs every reply with the same one.
@functools.lru_cache(maxsize=64)
def _detached_header(algorithm: str, kid: str) -> str:
    return encode_json({"alg": algorithm, "b64": False, "crit": ["b64"], "kid": kid})


@functools.lru_cache(maxsize=64)
def _read_detached_header(header: str) -> tuple[str, str]:
    try:
        values = decode_json(header)
    except ValueError as error:
        raise SignatureInvalid("not a detached signature") from error
    if values.get("b64") is not False or values.get("crit") != ["b64"]:
        raise SignatureInvalid("signature is not over the unencoded body")
    algorithm, kid = values.get("alg"), values.get("kid")
    if not isinstance(algorithm, str) or not isinstance(kid, str):
        raise SignatureInvalid("signature names no key")
    return algorithm, kid


# --- tokens ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A proven token. `jti` may be used once until `expires_at`: the journal sees to that."""

    issuer: str
    jti: str
    expires_at: datetime


def mint_token(key: SigningKey, *, issuer: str, audience: str, now: datetime, ttl_s: float = 60) -> str:
    """A bearer token with a fresh `jti`."""
    header = encode_json({"alg": str(key.algorithm), "kid": key.kid, "typ": "JWT"})
    issued = int(now.timestamp())
    claims = {
        "iss": issuer,
        "aud": audience,
        "iat": issued,
        "exp": issued + math.ceil(ttl_s),
        "jti": secrets.token_urlsafe(16),
    }
    signed = f"{header}.{encode_json(claims)}"
    return f"{signed}.{encode(key.sign(signed.encode()))}"


def verify_token(
    token: str,
    *,
    keys_of: Callable[[str], Sequence[VerifyingKey]],
    audience: str,
    now: datetime,
    max_ttl_s: float = 300,
    clock_skew_s: float = 30,
) -> Token:
    """Who made this token, proven with one of `keys_of(issuer)`.

    Raises:
        TokenInvalid: malformed, by an unknown issuer, wrongly signed, for another audience, or out of time.
    """
    if len(token) > MAX_TOKEN_LENGTH or token.count(".") != 2:  # noqa: PLR2004 - the compact form has three parts
        raise TokenInvalid("not a signed token")
    signed, _, encoded = token.rpartition(".")
    encoded_header, _, encoded_claims = signed.partition(".")
    try:
        header, claims, signature = _token_header(encoded_header), decode_json(encoded_claims), decode(encoded)
    except ValueError as error:
        raise TokenInvalid("not a signed token") from error
    issuer = claims.get("iss")
    if not isinstance(issuer, str) or not issuer or not _is_plain(issuer):
        raise TokenInvalid("token names no issuer")
    _prove(header, signed.encode(), signature, keys_of(issuer))
    if claims.get("aud") != audience:
        raise TokenInvalid("token is for another audience")
    expires_at = in_time(claims, now, timedelta(seconds=max_ttl_s), timedelta(seconds=clock_skew_s))
    return Token(issuer=issuer, jti=jti_of(claims), expires_at=expires_at)


# One header per key of a caller: all its tokens begin alike. Pure, so whatever strangers send only costs its place.
@functools.lru_cache(maxsize=64)
def _token_header(text: str) -> Mapping[str, Any]:
    return MappingProxyType(decode_json(text))


def _prove(header: Mapping[str, Any], signed: bytes, signature: bytes, keys: Sequence[VerifyingKey]) -> None:
    # RFC 7515, section 4.1.11: what `crit` names must be understood, and nothing is.
    if "crit" in header:
        raise TokenInvalid("token has a critical header that is not understood")
    kid = header.get("kid")
    for key in keys:
        if header.get("alg") != key.algorithm or kid not in {None, key.kid}:
            continue
        try:
            key.verify(signature, signed)
        except SignatureInvalid:
            continue
        return
    raise TokenInvalid("token is not signed by a key of its issuer")


def in_time(claims: Mapping[str, Any], now: datetime, max_ttl: timedelta, skew: timedelta) -> datetime:
    """When the claims end. Raises TokenInvalid when they do not hold now, or hold for longer than `max_ttl`."""
    expires_at = _moment(claims, "exp")
    if expires_at is None:
        raise TokenInvalid("token never expires")
    if now >= expires_at + skew:
        raise TokenInvalid("token is expired")
    if expires_at > now + max_ttl + skew:
        raise TokenInvalid(f"token lives longer than {max_ttl.total_seconds():.0f} s")
    for name in ("iat", "nbf"):
        moment = _moment(claims, name)
        if moment is not None and moment > now + skew:
            raise TokenInvalid("token is not yet valid")
    return expires_at


def _moment(claims: Mapping[str, Any], name: str) -> datetime | None:
    value = claims.get(name)
    if value is None:
        return None
    # bool is an int in Python, and JSON of Python reads NaN.
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TokenInvalid(f"claim {name} is not a time")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise TokenInvalid(f"claim {name} is not a time") from error


def jti_of(claims: Mapping[str, Any]) -> str:
    """The claims' own name, which is used once. Raises TokenInvalid when they have none that a database can hold."""
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI_LENGTH or not _is_plain(jti):
        raise TokenInvalid("token has no usable jti")
    return jti


def _is_plain(text: str) -> bool:
    """Printable ASCII: a zero byte or half a character in a claim would break a database later."""
    return text.isascii() and text.isprintable()
