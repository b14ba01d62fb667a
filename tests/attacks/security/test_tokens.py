"""Bearer tokens and detached signatures that should not be believed."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security import jws, keys
from security.errors import SignatureInvalid, TokenInvalid
from security.jws import Token
from security.keys import Algorithm, SigningKey, VerifyingKey
from tests.support.keys import NOW, bare_key

KEY = bare_key(name="portal")
STRANGER = bare_key(name="stranger")
AT = int(NOW.timestamp())
HEADER = {"alg": "ES256", "kid": KEY.kid, "typ": "JWT"}
CLAIMS = {"iss": "portal", "aud": "esb", "iat": AT, "exp": AT + 60, "jti": "one"}


def encoded(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token(header: object = HEADER, claims: object = CLAIMS, key: SigningKey = KEY) -> str:
    signed = f"{encoded(header)}.{encoded(claims)}"
    return f"{signed}.{encoded(key.sign(signed.encode()))}"


def keys_of(issuer: str) -> list[VerifyingKey]:
    return [KEY.verifying()] if issuer == "portal" else []


def verify(text: str) -> Token:
    return jws.verify_token(text, keys_of=keys_of, audience="esb", now=NOW)


def test_token_is_good_before_it_is_spoilt() -> None:
    assert verify(token()) == Token(issuer="portal", jti="one", expires_at=NOW + timedelta(seconds=60))


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in CLAIMS.items() if key != name}


@pytest.mark.parametrize("issuer", ["portal\x00", "portal\n", "\ud800", "port\u0259l"])
def test_issuer_that_no_database_could_hold_is_refused_before_its_keys_are_looked_for(issuer: str) -> None:
    text = token(claims={**CLAIMS, "iss": issuer})
    with pytest.raises(TokenInvalid, match="no issuer"):
        jws.verify_token(text, keys_of=lambda _: pytest.fail("looked for"), audience="esb", now=NOW)


@pytest.mark.parametrize(
    "claims",
    [
        without("iss"),
        without("aud"),
        without("exp"),
        without("jti"),
        {**CLAIMS, "iss": ""},
        {**CLAIMS, "iss": ["portal"]},
        {**CLAIMS, "iss": "eesmn"},
        {**CLAIMS, "aud": "other"},
        {**CLAIMS, "aud": "esb "},
        {**CLAIMS, "aud": ["esb"]},
        {**CLAIMS, "aud": None},
        {**CLAIMS, "exp": AT - 30},
        {**CLAIMS, "exp": AT + 331},
        {**CLAIMS, "exp": str(AT + 60)},
        {**CLAIMS, "exp": True},
        {**CLAIMS, "exp": 10**400},
        {**CLAIMS, "exp": float("inf")},
        {**CLAIMS, "exp": float("nan")},
        {**CLAIMS, "exp": None},
        {**CLAIMS, "iat": AT + 31},
        {**CLAIMS, "nbf": AT + 31},
        {**CLAIMS, "nbf": "now"},
        {**CLAIMS, "jti": ""},
        {**CLAIMS, "jti": 1},
        {**CLAIMS, "jti": "x" * 129},
        {**CLAIMS, "jti": "one\x00"},
        {**CLAIMS, "jti": "one\n"},
        {**CLAIMS, "jti": "\ud800"},
        {**CLAIMS, "jti": "\u0259"},
        ["iss"],
        "portal",
        b"{",
        b"\xff",
        b'{"iss":"portal","aud":"esb","exp":%d,"jti":"one","jti":"two"}' % (AT + 60),
        b'{"iss":"eesmn","iss":"portal","aud":"esb","exp":%d,"jti":"one"}' % (AT + 60),
    ],
)
def test_token_with_these_claims_is_refused(claims: object) -> None:
    with pytest.raises(TokenInvalid):
        verify(token(claims=claims))


@pytest.mark.parametrize(
    "claims",
    [
        {**CLAIMS, "exp": AT - 29},
        {**CLAIMS, "exp": AT + 330},
        {**CLAIMS, "exp": AT + 60.5},
        {**CLAIMS, "iat": AT + 30},
        {**CLAIMS, "nbf": AT},
        without("iat"),
        {**CLAIMS, "jti": "x" * 128},
    ],
)
def test_token_at_the_border_of_its_time_is_believed(claims: object) -> None:
    assert verify(token(claims=claims)).issuer == "portal"


@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "alg": "none"},
        {**HEADER, "alg": "HS256"},
        {**HEADER, "alg": "RS256"},
        {**HEADER, "alg": "ES384"},
        {**HEADER, "alg": "es256"},
        {**HEADER, "alg": None},
        {**HEADER, "alg": ["ES256"]},
        {**HEADER, "kid": "other"},
        {**HEADER, "kid": 1},
        {**HEADER, "crit": ["exp"]},
        {**HEADER, "crit": []},
        {},
        [],
        b'{"alg":"ES256","alg":"none"}',
    ],
)
def test_token_with_this_header_is_refused(header: object) -> None:
    with pytest.raises(TokenInvalid):
        verify(token(header=header))


def test_key_that_the_token_brings_along_is_not_used() -> None:
    header = {"alg": "ES256", "jwk": keys.jwk(STRANGER.verifying())}
    with pytest.raises(TokenInvalid, match="not signed by a key"):
        verify(token(header=header, key=STRANGER))


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_token_of_deep_json_is_refused_like_any_other_text(opening: bytes) -> None:
    deep = base64.urlsafe_b64encode(opening * (2900 // len(opening))).rstrip(b"=").decode()
    with pytest.raises(TokenInvalid):
        verify(f"{deep}.e30.AA")


def test_token_signed_by_a_stranger_is_refused() -> None:
    with pytest.raises(TokenInvalid, match="not signed by a key"):
        verify(token(key=STRANGER))


def test_unsigned_token_is_refused() -> None:
    for signature in ("", encoded(b""), encoded(b"\0" * 64)):
        with pytest.raises(TokenInvalid):
            verify(f"{encoded({'alg': 'none'})}.{encoded(CLAIMS)}.{signature}")


def test_hmac_keyed_with_the_public_key_is_refused() -> None:
    signed = f"{encoded({**HEADER, 'alg': 'HS256'})}.{encoded(CLAIMS)}"
    mac = hmac.digest(keys.public_pem(KEY.private.public_key()), signed.encode(), "sha256")
    with pytest.raises(TokenInvalid):
        verify(f"{signed}.{encoded(mac)}")


@pytest.mark.parametrize("text", ["", ".", "..", "...", "a.b", "a.b.c", "a.b.c.d", "x" * 5000, "ə.ə.ə", "\0.\0.\0"])
def test_text_that_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(TokenInvalid):
        verify(text)


def test_token_has_one_spelling_only() -> None:
    good = token()
    for spelling in (f" {good}", f"{good} ", f"{good}=", f"{good}==", good.replace(".", ".\n"), f"{good}\n"):
        with pytest.raises(TokenInvalid):
            verify(spelling)


@given(at=st.integers(0, len(token()) - 1), letter=st.sampled_from("ABab09-_=. \n"))
def test_token_with_one_letter_changed_is_refused(at: int, letter: str) -> None:
    good = token()
    at = min(at, len(good) - 1)
    spoilt = good[:at] + letter + good[at + 1 :]
    if spoilt == good:
        return
    with pytest.raises(TokenInvalid):
        verify(spoilt)


# --- detached --------------------------------------------------------------------------------------------

BODY = b'{"status":"OK"}'
DETACHED = {"alg": "ES256", "b64": False, "crit": ["b64"], "kid": KEY.kid}
KNOWN = {KEY.kid: KEY.verifying()}


def detached(header: object = DETACHED, body: bytes = BODY, key: SigningKey = KEY) -> str:
    text = encoded(header)
    return f"{text}..{encoded(key.sign(text.encode() + b'.' + body))}"


def test_detached_signature_is_good_before_it_is_spoilt() -> None:
    assert jws.verify_detached(BODY, detached(), KNOWN) == KEY.kid


@pytest.mark.parametrize(
    "header",
    [
        {**DETACHED, "alg": "none"},
        {**DETACHED, "alg": "HS256"},
        {**DETACHED, "alg": "RS256"},
        {**DETACHED, "b64": True},
        {**DETACHED, "b64": 0},
        {**DETACHED, "crit": []},
        {**DETACHED, "crit": ["b64", "exp"]},
        {**DETACHED, "kid": "other"},
        {"alg": "ES256", "kid": KEY.kid},
        {"alg": "ES256", "b64": False, "crit": ["b64"]},
        [],
        b'{"alg":"ES256","alg":"ES256","b64":false,"crit":["b64"],"kid":"x"}',
    ],
)
def test_detached_signature_with_this_header_is_refused(header: object) -> None:
    with pytest.raises(SignatureInvalid):
        jws.verify_detached(BODY, detached(header), KNOWN)


@pytest.mark.parametrize("value", ["", "..", "a..b", "a.b.c", "..x", "x" * 5000 + "..", "ə..ə"])
def test_text_that_is_no_detached_signature_is_refused(value: str) -> None:
    with pytest.raises(SignatureInvalid):
        jws.verify_detached(BODY, value, KNOWN)


def test_detached_signature_by_a_stranger_or_over_another_body_is_refused() -> None:
    for value in (detached(key=STRANGER), detached(body=b"{}"), detached() + "=", detached().replace("..", ".e30.")):
        with pytest.raises(SignatureInvalid):
            jws.verify_detached(BODY, value, KNOWN)


def test_body_cannot_take_over_a_part_of_the_header() -> None:
    # RFC 7797, section 5.2: with b64=false a body may hold dots; the border is the first one of the signing input.
    header, _, signature = detached(body=b"a.b").partition("..")
    with pytest.raises(SignatureInvalid):
        jws.verify_detached(b"b", f"{header}.a..{signature}", KNOWN)


@pytest.mark.parametrize("algorithm", Algorithm)
def test_signature_of_one_use_does_not_serve_another(algorithm: Algorithm) -> None:
    key = bare_key(algorithm, "portal")
    minted = jws.mint_token(key, issuer="portal", audience="esb", now=NOW)
    header, claims, signature = minted.split(".")
    with pytest.raises(SignatureInvalid):
        jws.verify_detached(claims.encode(), f"{header}..{signature}", {key.kid: key.verifying()})
