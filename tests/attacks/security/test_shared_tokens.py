"""Tokens of a shared secret: what must not get past `assertion.read_shared`."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from security import assertion, keys
from security.assertion import SharedKey
from security.errors import TokenInvalid
from tests.support.keys import NOW, bare_key

SECRET = b"0123456789abcdef0123456789abcdef"
KEY = SharedKey(secret=SECRET)
HEADER: dict[str, Any] = {"alg": "HS256", "typ": "JWT"}
CLAIMS = assertion.standard_claims(issuer="agency", audience="bus", now=NOW, ttl_s=60)


def encoded(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(header: object = HEADER, claims: object = CLAIMS, secret: bytes = SECRET) -> str:
    signed = f"{encoded(header)}.{encoded(claims)}"
    return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def read(text: str, **how: Any) -> Mapping[str, Any]:
    return assertion.read_shared(text, KEY, issuer="agency", audience="bus", **{"now": NOW, **how})


def test_token_is_good_before_it_is_spoilt() -> None:
    assert read(token()) == CLAIMS


def test_minted_token_is_read_by_another_implementation() -> None:
    made = jwt.decode(assertion.mint(KEY, CLAIMS), OctKey.import_key(SECRET), algorithms=["HS256"])
    assert made.claims == CLAIMS
    assert "kid" not in made.header


def test_token_of_a_key_pair_is_read_by_another_implementation() -> None:
    key = bare_key()
    pem = keys.public_pem(key.private.public_key())
    made = jwt.decode(assertion.mint(key, CLAIMS), ECKey.import_key(pem), algorithms=["ES256"])
    assert (made.claims, made.header["kid"]) == (CLAIMS, key.kid)


def test_token_that_another_implementation_made_is_read() -> None:
    assert read(jwt.encode(HEADER, dict(CLAIMS), OctKey.import_key(SECRET))) == CLAIMS


@pytest.mark.parametrize(
    "claims",
    [
        {**CLAIMS, "iss": "other"},
        {**CLAIMS, "aud": "other"},
        {**CLAIMS, "aud": ["bus"]},
        {**CLAIMS, "exp": None},
        {**CLAIMS, "exp": CLAIMS["iat"] - 31},
        {**CLAIMS, "exp": CLAIMS["iat"] + 3600},
        {**CLAIMS, "iat": CLAIMS["iat"] + 31},
        {**CLAIMS, "nbf": CLAIMS["iat"] + 31},
        {**CLAIMS, "jti": ""},
        {**CLAIMS, "jti": "a\x00"},
        [CLAIMS],
        b"{",
        b'{"iss":"agency","iss":"agency"}',
    ],
)
def test_token_with_these_claims_is_refused(claims: object) -> None:
    with pytest.raises(TokenInvalid):
        read(token(claims=claims))


@pytest.mark.parametrize(
    "header", [{"alg": "none"}, {"alg": "ES256"}, {"alg": "HS512"}, {}, {**HEADER, "crit": ["b64"]}, [], b"x"]
)
def test_token_with_this_header_is_refused(header: object) -> None:
    with pytest.raises(TokenInvalid):
        read(token(header=header))


@pytest.mark.parametrize("secret", [b"", b"0" * 32, SECRET + b"\n"])
def test_token_of_another_secret_is_refused(secret: bytes) -> None:
    with pytest.raises(TokenInvalid, match="shared secret"):
        read(token(secret=secret))


def test_token_of_another_time_is_refused() -> None:
    for shift_s in (-3600, 3600):
        with pytest.raises(TokenInvalid):
            read(token(), now=NOW + timedelta(seconds=shift_s))


@settings(deadline=None)  # the machine may be busy
@given(text=st.text(max_size=200) | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True))
def test_text_that_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(TokenInvalid):
        read(text)


@settings(deadline=None)  # the machine may be busy
@given(at=st.integers(min_value=0, max_value=len(token()) - 1), letter=st.sampled_from("Ab0-_=. "))
def test_token_with_one_letter_changed_is_refused(at: int, letter: str) -> None:
    good = token()
    spoilt = good[:at] + letter + good[at + 1 :]
    if spoilt != good:
        with pytest.raises(TokenInvalid):
            read(spoilt)


def test_secret_is_in_no_text() -> None:
    assert SECRET.decode() not in repr(KEY)
    assert SharedKey(secret=b"short").is_short
    assert not KEY.is_short
