"""HTTP messages whose signature should not be believed."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from http_message_signatures import ContentDigest, HTTPMessageSigner, HTTPSignatureKeyResolver
from http_message_signatures.algorithms import ECDSA_P256_SHA256, HMAC_SHA256
from hypothesis import given, settings
from hypothesis import strategies as st

from security.errors import CertificateRejected, MessageStale, SecurityError, SignatureInvalid, SignatureMissing
from security.httpsig import HttpSigner, HttpVerifier, VerifiedMessage
from security.keys import SigningKey, public_pem
from tests.support.keys import NOW, bare_key, signing_key

KEY = signing_key()
URL = "http://127.0.0.1:18103/diplomas/7TESTX1"
HEADERS = {"content-type": "application/json"}
BODY = b'{"pin":"7TESTX1"}'
REQUEST_SIGNATURE = b"esb=:c2lnbmF0dXJl:"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def request_headers(body: bytes = BODY, key: SigningKey = KEY, now: datetime = NOW) -> dict[str, str]:
    added = HttpSigner(key).sign_request(method="POST", url=URL, headers=HEADERS, body=body, now=now)
    return {**HEADERS, **added}


def verify_request(
    headers: dict[str, str], *, method: str = "POST", url: str = URL, body: bytes = BODY, now: datetime = NOW
) -> VerifiedMessage:
    checking = HttpVerifier([KEY.verifying()], clock_skew_s=30, max_age_s=300)
    return checking.verify_request(method=method, url=url, headers=headers, body=body, now=now)


def response_headers(request_signature: bytes = REQUEST_SIGNATURE) -> dict[str, str]:
    added = HttpSigner(KEY).sign_response(
        status=200, headers=HEADERS, body=BODY, now=NOW, request_signature=request_signature
    )
    return {**HEADERS, **added}


def verify_response(
    headers: dict[str, str], *, status: int = 200, body: bytes = BODY, request_signature: bytes = REQUEST_SIGNATURE
) -> VerifiedMessage:
    checking = HttpVerifier([KEY.verifying()], clock_skew_s=30, max_age_s=300)
    return checking.verify_response(
        status=status, headers=headers, body=body, now=NOW, request_signature=request_signature
    )


def test_messages_are_good_before_they_are_spoilt() -> None:
    assert verify_request(request_headers()).body == BODY
    assert verify_response(response_headers()).body == BODY


@pytest.mark.parametrize(
    "changed",
    [
        {"method": "PUT"},
        {"url": URL + "?x=1"},
        {"url": URL.replace("7TESTX1", "7TESTX9")},
        {"url": URL.replace("18103", "18104")},
        {"url": URL.replace("http:", "https:")},
        {"body": b'{"pin":"7TESTX9"}'},
        {"body": b""},
        {"method": "post"},
        {"url": "/diplomas/7TESTX1"},
        {"url": "http://127.0.0.1/ə"},
    ],
)
def test_request_that_is_another_than_was_signed_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(SignatureInvalid):
        verify_request(request_headers(), **changed)


@pytest.mark.parametrize(
    "changed",
    [{"status": 404}, {"body": b"[]"}, {"request_signature": b"esb=:b3RoZXI=:"}, {"request_signature": b""}],
)
def test_reply_that_is_another_than_was_signed_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(SecurityError):
        verify_response(response_headers(), **changed)


def test_reply_that_is_bound_to_no_request_is_refused() -> None:
    with pytest.raises(SignatureMissing, match="does not cover"):
        verify_response(response_headers(request_signature=b""))


def test_request_is_no_reply() -> None:
    with pytest.raises(SecurityError):
        verify_response(request_headers())


@pytest.mark.parametrize("name", ["signature", "signature-input"])
def test_message_without_signature_is_missing_it(name: str) -> None:
    headers = request_headers()
    del headers[name]
    with pytest.raises(SignatureMissing):
        verify_request(headers)


@pytest.mark.parametrize("name", ["content-digest", "content-type"])
def test_message_without_a_covered_header_is_refused(name: str) -> None:
    headers = request_headers()
    del headers[name]
    with pytest.raises(SignatureInvalid):
        verify_request(headers)


def test_changed_content_type_is_refused() -> None:
    with pytest.raises(SignatureInvalid):
        verify_request({**request_headers(), "content-type": "text/html"})


def test_unsigned_content_type_is_not_believed() -> None:
    added = HttpSigner(KEY).sign_request(method="POST", url=URL, headers={}, body=BODY, now=NOW)
    with pytest.raises(SignatureMissing, match="does not cover"):
        verify_request({**added, **HEADERS})


# --- a peer with a good key and no scruples -------------------------------------------------------------


@dataclass
class Message:
    method: str
    url: str
    headers: dict[str, str]


class Resolver(HTTPSignatureKeyResolver):
    def __init__(self, key: object) -> None:
        self.key = key

    def resolve_private_key(self, key_id: str) -> object:  # noqa: ARG002 - one key for every name
        return self.key


class UncheckedDigest(ContentDigest):
    @classmethod
    def prepare(cls, headers: object, body: object, *, use_existing_digest: bool) -> None:
        pass


class CarelessSigner(HTTPMessageSigner):
    content_digest_class = UncheckedDigest


ALL_PARTS = ("@method", "@target-uri", "content-digest", "content-type")


def forged(
    parts: Sequence[str] = ALL_PARTS,
    *,
    algorithm: Any = ECDSA_P256_SHA256,
    key: Any = KEY.private,
    body: bytes | None = BODY,
    kid: str = KEY.kid,
    **options: Any,
) -> dict[str, str]:
    message = Message("POST", URL, {**HEADERS})
    made = HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=Resolver(key))
    made.sign(message, key_id=kid, created=NOW, covered_component_ids=parts, body=body, **options)
    return {name.lower(): value for name, value in message.headers.items()}


def test_forge_makes_a_good_message_when_nothing_is_spoilt() -> None:
    assert verify_request(forged()).body == BODY


@pytest.mark.parametrize("left_out", ALL_PARTS)
def test_signature_that_leaves_a_needed_part_out_is_refused(left_out: str) -> None:
    parts = [part for part in ALL_PARTS if part != left_out]
    headers = forged(parts, body=None if left_out == "content-digest" else BODY)
    with pytest.raises((SignatureMissing, SignatureInvalid)):
        verify_request({"content-digest": request_headers()["content-digest"], **headers})


def test_hmac_keyed_with_the_public_key_is_refused() -> None:
    with pytest.raises(SignatureInvalid):
        verify_request(forged(algorithm=HMAC_SHA256, key=public_pem(KEY.private.public_key())))


def test_hmac_without_an_algorithm_parameter_is_refused() -> None:
    with pytest.raises(SignatureInvalid):
        verify_request(forged(algorithm=HMAC_SHA256, key=public_pem(KEY.private.public_key()), include_alg=False))


def test_stranger_under_a_known_name_or_its_own_is_refused() -> None:
    stranger = bare_key(name="stranger")
    for kid in (KEY.kid, stranger.kid):
        with pytest.raises(SignatureInvalid):
            verify_request(forged(key=stranger.private, kid=kid))


def test_two_signatures_are_refused() -> None:
    one, two = request_headers(), forged(label="second")
    both = {name: f"{one[name]}, {two[name]}" for name in ("signature", "signature-input")}
    with pytest.raises(SignatureInvalid):
        verify_request({**one, **both})


def test_key_named_in_a_component_does_not_choose_the_key() -> None:
    headers = request_headers()
    spoilt = headers["signature-input"].replace('("@method"', '("@method";keyid="x" "@method"')
    with pytest.raises(SignatureInvalid):
        verify_request({**headers, "signature-input": spoilt})


@pytest.mark.parametrize(
    "digest",
    ["", "sha-256=::", "sha-256=:AAAA:", "md5=:1B2M2Y8AsgTpgAmY7PhCfg==:", "sha-256=1", "sha-1=:AAAA:", "x"],
)
def test_digest_that_is_none_is_refused(digest: str) -> None:
    message = Message("POST", URL, {**HEADERS, "content-digest": digest})
    made = CarelessSigner(signature_algorithm=ECDSA_P256_SHA256, key_resolver=Resolver(KEY.private))
    made.sign(message, key_id=KEY.kid, created=NOW, covered_component_ids=ALL_PARTS)
    with pytest.raises(SignatureInvalid):
        verify_request({name.lower(): value for name, value in message.headers.items()})


# --- time ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-30, 0, 300, 330])
def test_message_is_believed_within_age_and_skew(seconds: int) -> None:
    assert verify_request(request_headers(), now=NOW + timedelta(seconds=seconds)).signed_at == NOW


@pytest.mark.parametrize("seconds", [-31, 331, 86_400])
def test_message_is_stale_outside_of_them(seconds: int) -> None:
    with pytest.raises(MessageStale):
        verify_request(request_headers(), now=NOW + timedelta(seconds=seconds))


def test_expiry_that_the_sender_set_is_honoured() -> None:
    headers = forged(expires=NOW + timedelta(seconds=10))
    assert verify_request(headers, now=NOW + timedelta(seconds=40)).body == BODY
    with pytest.raises(MessageStale):
        verify_request(headers, now=NOW + timedelta(seconds=41))


def test_signature_without_a_time_is_refused() -> None:
    headers = request_headers()
    spoilt = headers["signature-input"].replace(f"created={int(NOW.timestamp())};", "")
    assert spoilt != headers["signature-input"]
    with pytest.raises((SignatureMissing, SignatureInvalid)):
        verify_request({**headers, "signature-input": spoilt})


def test_key_is_believed_between_the_dates_of_its_certificate_only() -> None:
    later = NOW + timedelta(days=31)
    with pytest.raises(CertificateRejected):
        verify_request(request_headers(now=later), now=later)


# --- spelling --------------------------------------------------------------------------------------------


def test_second_spelling_of_an_ecdsa_signature_has_the_same_replay_key() -> None:
    headers = request_headers()
    value = base64.b64decode(headers["signature"].removeprefix("esb=:").removesuffix(":"))
    mirrored = value[:32] + (P256_ORDER - int.from_bytes(value[32:], "big")).to_bytes(32, "big")
    again = {**headers, "signature": f"esb=:{base64.b64encode(mirrored).decode()}:"}
    first, second = verify_request(headers), verify_request(again)
    assert first.signature_value != second.signature_value
    assert first.replay_key == second.replay_key


@settings(deadline=None)
@given(name=st.sampled_from(["signature", "signature-input", "content-digest"]), value=st.text(max_size=60))
def test_any_text_in_a_header_is_refused_and_never_crashes(name: str, value: str) -> None:
    with pytest.raises(SecurityError):
        verify_request({**request_headers(), name: value})


SIGNED = request_headers()


@settings(deadline=None, max_examples=300)
@given(name=st.sampled_from(["signature", "signature-input", "content-digest"]), data=st.data())
def test_header_with_one_letter_changed_never_proves_another_message(name: str, data: st.DataObject) -> None:
    value = SIGNED[name]
    at = data.draw(st.integers(0, len(value) - 1))
    letter = data.draw(st.characters(codec="latin-1"))
    try:
        verified = verify_request({**SIGNED, name: value[:at] + letter + value[at + 1 :]})
    except SecurityError:
        return
    assert (verified.body, verified.signed_at, verified.kid) == (BODY, NOW, KEY.kid)
