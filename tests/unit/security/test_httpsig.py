from __future__ import annotations

from datetime import UTC, datetime

import pytest
from http_message_signatures import HTTPMessageVerifier, MappingKeyResolver
from http_message_signatures.algorithms import ECDSA_P256_SHA256, RSA_V1_5_SHA256
from hypothesis import given
from hypothesis import strategies as st
from requests import Request

from security.httpsig import HttpSigner, HttpVerifier
from security.keys import Algorithm
from tests.support.keys import NOW, bare_key, signing_key

ALGORITHMS = pytest.mark.parametrize("algorithm", Algorithm)
URL = "http://127.0.0.1:18103/students/7TESTX1?year=2026&q=%C9%99"
JSON = {"Content-Type": "application/json", "Accept": "*/*"}


@ALGORITHMS
@given(body=st.binary(max_size=200))
def test_request_and_reply_prove_each_other(algorithm: Algorithm, body: bytes) -> None:
    portal, agency = signing_key(algorithm, "portal"), signing_key(algorithm, "agency")
    sent = {**JSON, **HttpSigner(portal).sign_request(method="POST", url=URL, headers=JSON, body=body, now=NOW)}
    taking = HttpVerifier([portal.verifying()], clock_skew_s=30, max_age_s=300)
    request = taking.verify_request(method="POST", url=URL, headers=sent, body=body, now=NOW)
    assert (request.body, request.signed_at, request.kid) == (body, NOW, portal.kid)

    back = HttpSigner(agency).sign_response(
        status=200, headers=JSON, body=b"[]", now=NOW, request_signature=request.signature_value
    )
    believing = HttpVerifier([agency.verifying()], clock_skew_s=30, max_age_s=300)
    reply = believing.verify_response(
        status=200, headers={**JSON, **back}, body=b"[]", now=NOW, request_signature=sent["signature"].encode()
    )
    assert (reply.body, reply.kid) == (b"[]", agency.kid)
    assert reply.replay_key != request.replay_key


def test_messages_without_body_or_content_type_are_signed_too() -> None:
    key = signing_key()
    checking = HttpVerifier([key.verifying()], clock_skew_s=30, max_age_s=300)
    added = HttpSigner(key).sign_request(method="GET", url=URL, headers={}, body=b"", now=NOW)
    assert set(added) == {"content-digest", "signature-input", "signature"}
    request = checking.verify_request(method="GET", url=URL, headers=added, body=b"", now=NOW)
    back = HttpSigner(key).sign_response(
        status=404, headers={}, body=b"", now=NOW, request_signature=request.signature_value
    )
    reply = checking.verify_response(
        status=404, headers=back, body=b"", now=NOW, request_signature=request.signature_value
    )
    assert reply.body == b""


def test_case_of_header_names_does_not_matter() -> None:
    key = signing_key()
    added = HttpSigner(key).sign_request(method="POST", url=URL, headers=JSON, body=b"{}", now=NOW)
    shouted = {name.upper(): value for name, value in {**JSON, **added}.items()}
    checking = HttpVerifier([key.verifying()], clock_skew_s=30, max_age_s=300)
    assert checking.verify_request(method="POST", url=URL, headers=shouted, body=b"{}", now=NOW).body == b"{}"


@ALGORITHMS
def test_the_library_alone_verifies_what_we_sign(algorithm: Algorithm) -> None:
    key = bare_key(algorithm)
    now = datetime.now(UTC)
    added = HttpSigner(key).sign_request(method="POST", url=URL, headers=JSON, body=b"{}", now=now)
    message = Request(method="POST", url=URL, headers={**JSON, **added}, data=b"{}").prepare()
    resolver = MappingKeyResolver(public_keys={key.kid: key.private.public_key()}, private_keys={})
    verifier = HTTPMessageVerifier(
        signature_algorithm={Algorithm.ES256: ECDSA_P256_SHA256, Algorithm.RS256: RSA_V1_5_SHA256}[algorithm],
        key_resolver=resolver,
    )
    result = verifier.verify(message, body=b"{}")[0]
    covered = {'"@method"', '"@target-uri"', '"content-digest"', '"content-type"', '"@signature-params"'}
    assert result.covered_components.keys() == covered


def test_every_signature_has_a_nonce_of_its_own() -> None:
    key = signing_key()
    checking = HttpVerifier([key.verifying()], clock_skew_s=30, max_age_s=300)
    seen = set()
    for _ in range(20):
        added = HttpSigner(key).sign_request(method="GET", url=URL, headers={}, body=b"", now=NOW)
        seen.add(checking.verify_request(method="GET", url=URL, headers=added, body=b"", now=NOW).replay_key)
    assert len(seen) == 20
