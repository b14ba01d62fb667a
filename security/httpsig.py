"""HTTP Message Signatures (RFC 9421) with Content-Digest (RFC 9530), for agencies that speak REST.

The signature base is the library's; this module decides what must be covered, how old it may be and which key may
have made it. A reply covers the request's own signature (`"signature";req`, RFC 9421 section 2.4), which binds the two.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    HTTPSignatureAlgorithm,
    HTTPSignatureKeyResolver,
    VerifyResult,
)

from security.certificates import check_dates
from security.errors import MessageStale, SignatureInvalid, SignatureMissing
from security.keys import Algorithm, SigningKey, VerifyingKey

_REQUEST_PARTS = ("@method", "@target-uri", "content-digest")
_RESPONSE_PARTS = ("@status", "content-digest")
_BINDING = '"signature";req'
_CONTENT_TYPE = "content-type"
_TTL = timedelta(minutes=5)

_KEY_ID = re.compile(r';\s*keyid="([^"\\]+)"')
"""Only chooses whom to ask; the library reads the parameter again, and the key answers to its own kid alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedMessage:
    """What a signature has proven. `signature_value` is what a reply has to cover, `replay_key` what to remember.

    The headers that are proven besides: `content-type`, where the message has one.
    """

    body: bytes
    signed_at: datetime
    signature_value: bytes
    replay_key: bytes
    kid: str


class HttpSigner:
    """Signs requests and replies with one key. Safe for concurrent use."""

    def __init__(self, key: SigningKey) -> None:
        """`key`'s kid goes into the message as `keyid`."""
        self._kid = key.kid
        self._signer = HTTPMessageSigner(
            signature_algorithm=_ALGORITHMS[key.algorithm], key_resolver=_OneKey(kid=key.kid, signing=key)
        )

    def sign_request(
        self, *, method: str, url: str, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> dict[str, str]:
        """Headers to add (lower case): `content-digest`, `signature-input`, `signature`.

        Covered: method, the whole URL, the digest of the body (an empty one too) and `content-type` if there is one.
        The value of `signature` is what `verify_response` wants as `request_signature`.
        """
        message = _Request(method=method, url=url, headers=_lower(headers))
        return self._sign(message, (*_REQUEST_PARTS, *_content_type(message.headers)), body, now)

    def sign_response(
        self, *, status: int, headers: Mapping[str, str], body: bytes, now: datetime, request_signature: bytes
    ) -> dict[str, str]:
        """Headers to add, as of `sign_request`; covered are status, digest, `content-type` and the request's signature.

        An empty `request_signature` answers a request that had none; no caller that asked with one will believe it.
        """
        message = _response(status, _lower(headers), request_signature)
        binding = (_BINDING,) if request_signature else ()
        return self._sign(message, (*_RESPONSE_PARTS, *binding, *_content_type(message.headers)), body, now)

    def _sign(
        self, message: _Request | _Response, parts: tuple[str, ...], body: bytes, now: datetime
    ) -> dict[str, str]:
        before = set(message.headers)
        self._signer.sign(
            message,
            key_id=self._kid,
            created=now,
            expires=now + _TTL,
            nonce=secrets.token_urlsafe(16),
            label="esb",
            covered_component_ids=parts,
            body=body,
        )
        return {name.lower(): value for name, value in message.headers.items() if name not in before}


class HttpVerifier:
    """Proves messages of the holders of `keys`. Remembers no messages: replay is the journal's to notice."""

    def __init__(self, keys: Iterable[VerifyingKey], clock_skew_s: float, max_age_s: float) -> None:
        """A key with a certificate is believed between the certificate's dates only."""
        self._keys = {key.kid: key for key in keys}
        self._verifiers = {
            kid: _Verifier(signature_algorithm=_ALGORITHMS[key.algorithm], key_resolver=_OneKey(kid=kid, verifying=key))
            for kid, key in self._keys.items()
        }
        self._skew = timedelta(seconds=clock_skew_s)
        self._max_age = timedelta(seconds=max_age_s)

    def verify_request(
        self, *, method: str, url: str, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> VerifiedMessage:
        """The proven body of a request. `url` is the whole one that the sender called.

        Raises:
            SignatureMissing: no signature, or one that leaves a needed part out.
            SignatureInvalid: wrong, of an unknown key, or outside the profile.
            CertificateRejected: the key's certificate is out of date.
            MessageStale: well signed, at another time.
        """
        message = _Request(method=method, url=url, headers=headers)
        return self._verify(message, _REQUEST_PARTS, body, now)

    def verify_response(
        self, *, status: int, headers: Mapping[str, str], body: bytes, now: datetime, request_signature: bytes
    ) -> VerifiedMessage:
        """The proven body of the reply to the request with this signature. Raises as `verify_request`."""
        message = _response(status, headers, request_signature)
        return self._verify(message, (*_RESPONSE_PARTS, _BINDING), body, now)

    def _verify(
        self, message: _Request | _Response, parts: tuple[str, ...], body: bytes, now: datetime
    ) -> VerifiedMessage:
        fields = _lower(message.headers)
        if "signature" not in fields or "signature-input" not in fields:
            raise SignatureMissing("message is not signed")
        key = self._key_named(fields["signature-input"])
        proof = _prove(self._verifiers[key.kid], message, body)
        needed = {*map(_identifier, (*parts, *_content_type(fields)))}
        if not needed <= proof.covered_components.keys():
            raise SignatureMissing("signature does not cover what it must")
        return VerifiedMessage(
            body=body,
            signed_at=self._fresh(proof.parameters, key, now),
            signature_value=fields["signature"].encode(),
            replay_key=_fingerprint(proof),
            kid=key.kid,
        )

    def _key_named(self, signature_input: str) -> VerifyingKey:
        named = _KEY_ID.search(signature_input)
        key = self._keys.get(named.group(1)) if named else None
        if key is None:
            raise SignatureInvalid("signed with an unknown key")
        return key

    def _fresh(self, parameters: Mapping[str, Any], key: VerifyingKey, now: datetime) -> datetime:
        created, expires = _moment(parameters.get("created")), _moment(parameters.get("expires"))
        if created is None:
            raise SignatureMissing("signature does not say when it was made")
        if key.certificate is not None:
            check_dates(key.certificate, now)
        if created > now + self._skew:
            raise MessageStale("message is from the future")
        if now > created + self._max_age + self._skew:
            raise MessageStale("message is too old")
        if expires is not None and now > expires + self._skew:
            raise MessageStale("message has expired")
        return created


def _prove(verifier: HTTPMessageVerifier, message: _Request | _Response, body: bytes) -> VerifyResult:
    try:
        # The library's own limit of age reads the clock of the machine; `_fresh` decides with the clock passed in.
        proofs = verifier.verify(message, max_age=None, body=body)
    except (HTTPMessageSignaturesException, ValueError) as error:
        raise SignatureInvalid("signature or digest does not verify") from error
    if len(proofs) != 1:
        raise SignatureInvalid("message must have exactly one signature")
    return proofs[0]


def _fingerprint(proof: VerifyResult) -> bytes:
    # Over what was signed (nonce, time and the request's signature are in it) and not over the signature: of an ECDSA
    # signature anybody can make a second one that verifies.
    base = "\n".join(f"{name}: {value}" for name, value in proof.covered_components.items())
    return hashlib.sha256(base.encode()).digest()


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.fromtimestamp(int(str(value)), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise SignatureInvalid("signature's time is not a time") from error


# --- what the library is given ---------------------------------------------------------------------------


@dataclass(slots=True, kw_only=True)
class _Request:
    """A request as the library wants to see one; signing adds to `headers`."""

    method: str
    url: str
    headers: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class _Response:
    """A reply as the library wants to see one; signing adds to `headers`."""

    status_code: int
    headers: Mapping[str, str]
    request: _Request


def _response(status: int, headers: Mapping[str, str], request_signature: bytes) -> _Response:
    # Only the request's signature is ever read of it, yet the library insists on a method and a URL.
    asked = _Request(
        method="GET", url="http://request.invalid/", headers={"signature": request_signature.decode("latin-1")}
    )
    return _Response(status_code=status, headers=headers, request=asked)


class _OneKey(HTTPSignatureKeyResolver):
    """Answers to one kid, with keys of this package, which `_Ecdsa` and `_Rsa` use."""

    def __init__(self, *, kid: str, signing: SigningKey | None = None, verifying: VerifyingKey | None = None) -> None:
        self._kid = kid
        self._signing = signing
        self._verifying = verifying

    def resolve_private_key(self, key_id: str) -> SigningKey | None:
        """The signing key."""
        return self._signing if key_id == self._kid else None

    def resolve_public_key(self, key_id: str) -> VerifyingKey | None:
        """The verifying key; None for any other kid."""
        return self._verifying if key_id == self._kid else None


class _Ecdsa(HTTPSignatureAlgorithm):
    """Lets the library sign and verify with keys of this package."""

    algorithm_id = "ecdsa-p256-sha256"

    def __init__(self, public_key: VerifyingKey | None = None, private_key: SigningKey | None = None) -> None:
        self._public = public_key
        self._private = private_key

    def sign(self, message: bytes) -> bytes:
        """The signature."""
        if self._private is None:
            raise SignatureInvalid("no private key to sign with")
        return self._private.sign(message)

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises SignatureInvalid."""
        if self._public is None:
            raise SignatureInvalid("no public key to verify with")
        self._public.verify(signature, message)


class _Rsa(_Ecdsa):
    """The same with RSA; the key knows how."""

    algorithm_id = "rsa-v1_5-sha256"


_ALGORITHMS = {Algorithm.ES256: _Ecdsa, Algorithm.RS256: _Rsa}


class _Verifier(HTTPMessageVerifier):
    """The library's verifier without its own idea of time; see `_prove`."""

    def validate_created_and_expires(self, sig_input: object, max_age: timedelta | None = None) -> None:
        """Return always."""


# --- headers ---------------------------------------------------------------------------------------------


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _content_type(headers: Mapping[str, str]) -> tuple[str, ...]:
    return (_CONTENT_TYPE,) if _CONTENT_TYPE in headers else ()


def _identifier(part: str) -> str:
    """The component as the library names what it has covered."""
    return part if part.startswith('"') else f'"{part}"'
