from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws as joserfc_jws
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import import_key

from security import jws, keys
from security.errors import SignatureInvalid
from security.keys import Algorithm, SigningKey
from tests.support.keys import NOW, bare_key

ALGORITHMS = pytest.mark.parametrize("algorithm", Algorithm)


@ALGORITHMS
@given(body=st.binary())
def test_detached_signature_verifies_over_exactly_the_body(algorithm: Algorithm, body: bytes) -> None:
    key = bare_key(algorithm)
    value = jws.sign_detached(body, key)
    assert jws.verify_detached(body, value, {key.kid: key.verifying()}) == key.kid
    with pytest.raises(SignatureInvalid):
        jws.verify_detached(body + b" ", value, {key.kid: key.verifying()})


@ALGORITHMS
def test_joserfc_verifies_what_we_sign(algorithm: Algorithm) -> None:
    key = bare_key(algorithm)
    body = '{"data":"Əliyeva"}'.encode()
    found = joserfc_jws.deserialize_compact(
        jws.sign_detached(body, key), public(key), payload=body, algorithms=[str(algorithm)]
    )
    assert found.headers() == {"alg": algorithm, "b64": False, "crit": ["b64"], "kid": key.kid}


@ALGORITHMS
def test_what_joserfc_signs_we_verify(algorithm: Algorithm) -> None:
    key = bare_key(algorithm)
    header = {"alg": str(algorithm), "b64": False, "crit": ["b64"], "kid": key.kid}
    value = joserfc_jws.serialize_compact(header, b"{body}", private(key), algorithms=[str(algorithm)])
    assert jws.verify_detached(b"{body}", value, {key.kid: key.verifying()}) == key.kid


@ALGORITHMS
def test_joserfc_reads_our_tokens_and_we_read_its(algorithm: Algorithm) -> None:
    key = bare_key(algorithm)
    ours = jws.mint_token(key, issuer="portal", audience="esb", now=NOW)
    claims = joserfc_jwt.decode(ours, public(key), algorithms=[str(algorithm)]).claims
    assert (claims["iss"], claims["aud"], claims["exp"] - claims["iat"]) == ("portal", "esb", 60)
    theirs = joserfc_jwt.encode({"alg": str(algorithm)}, claims, private(key), algorithms=[str(algorithm)])
    token = jws.verify_token(theirs, keys_of=lambda _: [key.verifying()], audience="esb", now=NOW)
    assert (token.issuer, token.jti) == ("portal", claims["jti"])


def public(key: SigningKey) -> Any:
    return import_key({**keys.jwk(key.verifying())})


def private(key: SigningKey) -> Any:
    pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return import_key(pem, {Algorithm.ES256: "EC", Algorithm.RS256: "RSA"}[key.algorithm])  # type: ignore[call-overload]


def test_every_token_has_a_jti_of_its_own() -> None:
    minted = {jws.mint_token(bare_key(), issuer="portal", audience="esb", now=NOW) for _ in range(100)}
    read = [
        jws.verify_token(each, keys_of=lambda _: [bare_key().verifying()], audience="esb", now=NOW) for each in minted
    ]
    assert len({token.jti for token in read}) == 100


def test_token_is_proven_by_any_key_of_its_issuer_during_a_rotation() -> None:
    old, new = bare_key(name="old"), bare_key(Algorithm.RS256, "new")
    for key in (old, new):
        token = jws.mint_token(key, issuer="portal", audience="esb", now=NOW)
        found = jws.verify_token(token, keys_of=lambda _: [old.verifying(), new.verifying()], audience="esb", now=NOW)
        assert found.issuer == "portal"
