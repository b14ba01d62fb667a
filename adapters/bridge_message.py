"""The messages of the bridge dialect: a JSON envelope around an encrypted document, and the token beside it.

Used by the bus's half (`bridge`) and by the simulated agency. What no published source fixes is decided in ADR 0016:
the claims of the token, the data that the encryption is bound to, the forms of keys and of text.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from security import assertion, compact
from security.assertion import SharedKey
from security.errors import MessageStale, SignatureInvalid, SignatureMissing

TOKEN_HEADER: Final = "x-bridge-authorization"  # noqa: S105 - a name
REQUEST: Final = b"request"
REPLY: Final = b"reply"

_PURPOSE: Final = b"esb-bridge-1"
_MAX_KEY_TEXT: Final = 1024


class Envelope(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The body of a request or reply. A reply under the request's own key has no `encrypted_key`."""

    client_id: str
    operation: str
    encrypted_payload: str
    encrypted_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parties:
    """Who speaks with whom about which operation: what tokens and encryption are bound to."""

    client_id: str
    identity: str
    operation: str

    def context(self, direction: bytes, request_id: str) -> bytes:
        """The associated data of an encryption: a reply never opens as a request, nor as the reply to another."""
        parts = (self.client_id.lower(), self.identity.lower(), self.operation, request_id)
        return b"\n".join((_PURPOSE, direction, *(part.encode() for part in parts)))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenEnvelope:
    """An envelope whose token holds. `jti` may be used once."""

    envelope: Envelope
    jti: str
    made_at: datetime
    claims: Mapping[str, Any] = field(repr=False)


def written(parties: Parties, *, encrypted_key: bytes, payload: bytes) -> bytes:
    """The body of a message."""
    return msgspec.json.encode(
        Envelope(
            client_id=parties.client_id,
            operation=parties.operation,
            encrypted_key=base64.b64encode(encrypted_key).decode(),
            encrypted_payload=base64.b64encode(payload).decode(),
        )
    )


def request_claims(parties: Parties, *, now: datetime, ttl_s: int) -> dict[str, Any]:
    """The claims of a request's token but for its body's digest; `jti` is the request's id."""
    claims = assertion.standard_claims(issuer=parties.client_id, audience=parties.identity, now=now, ttl_s=ttl_s)
    return {**claims, "operation": parties.operation}


def reply_claims(parties: Parties, *, request_id: str, http_status: int, now: datetime, ttl_s: int) -> dict[str, Any]:
    """The claims of a reply's token but for its body's digest: status and request are proven by it."""
    claims = assertion.standard_claims(issuer=parties.identity, audience=parties.client_id, now=now, ttl_s=ttl_s)
    return {**claims, "operation": parties.operation, "request": request_id, "status": http_status}


def sealed_token(key: SharedKey, claims: Mapping[str, Any], body: bytes) -> str:
    """The token that goes into the header beside this very body."""
    return assertion.mint(key, {**claims, "digest": _digest(body)})


def proven(
    headers: Mapping[str, str],
    body: bytes,
    key: SharedKey,
    *,
    issuer: str,
    audience: str,
    expected: Mapping[str, Any],
    now: datetime,
    max_age_s: float,
    clock_skew_s: float,
) -> ProvenEnvelope:
    """The envelope in `body`, when its token was made for it with this secret, and says what is `expected`.

    Header names are lower-case.

    Raises:
        SignatureMissing: no token. TokenInvalid: one that does not hold. MessageStale: one of another time.
        SignatureInvalid: a token for another body, operation, status or request; or no envelope.
    """
    token = headers.get(TOKEN_HEADER)
    if not token:
        raise SignatureMissing("message has no bridge token")
    claims = assertion.read_shared(
        token, key, issuer=issuer, audience=audience, now=now, max_ttl_s=max_age_s, clock_skew_s=clock_skew_s
    )
    if claims.get("digest") != _digest(body):
        raise SignatureInvalid("bridge token is for another body")
    for name, value in expected.items():
        # The type too: True is 1 in Python, and 200.0 is 200.
        if type(claims.get(name)) is not type(value) or claims[name] != value:
            raise SignatureInvalid(f"bridge token is for another {name}")
    try:
        envelope = msgspec.json.decode(body, type=Envelope)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise SignatureInvalid("bridge envelope cannot be read") from error
    return ProvenEnvelope(
        envelope=envelope, jti=claims["jti"], made_at=_made_at(claims, now, max_age_s + clock_skew_s), claims=claims
    )


def bytes_of(text: str, *, limit: int) -> bytes:
    """Base64 as it is defined, with padding and in one line (RFC 4648, section 4). Raises SignatureInvalid."""
    if len(text) > limit * 4 // 3 + 4:
        raise SignatureInvalid("bridge envelope holds text that is too long")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureInvalid("bridge envelope holds text that is not base64") from error


def key_of(envelope: Envelope) -> bytes:
    """The wrapped key. Raises SignatureInvalid."""
    return bytes_of(envelope.encrypted_key, limit=_MAX_KEY_TEXT)


def _digest(body: bytes) -> str:
    return compact.encode(hashlib.sha256(body).digest())


def _made_at(claims: Mapping[str, Any], now: datetime, max_age_s: float) -> datetime:
    made = claims.get("iat")
    if isinstance(made, bool) or not isinstance(made, int):
        raise SignatureInvalid("bridge token does not say when it was made")
    made_at = datetime.fromtimestamp(made, UTC)  # in range: read_shared has turned it into a moment already
    if (now - made_at).total_seconds() > max_age_s:
        raise MessageStale("message is too old")
    return made_at
