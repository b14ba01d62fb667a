"""Names and passwords in the security header: told, proven, signed, stale and wrong."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from security.certificates import TrustAnchors
from security.errors import MessageStale, SecurityError, SignatureInvalid, SignatureMissing, TokenInvalid
from security.wsse import HeaderForm, HeaderTerms, SoapVersion, UsernameToken, WsseSigner, WsseVerifier
from tests.support.keys import NOW, anchors_for, signing_key
from tests.support.soap import CONTENT, find, text, tree

TOKEN = UsernameToken(user="esb", password="pərdə <&>\r")
TOKENS = pytest.mark.parametrize("token", [TOKEN, replace(TOKEN, digest=False)], ids=["digest", "text"])


def written(token: UsernameToken, *, timestamp: bool = True) -> bytes:
    form = HeaderForm(username=token, timestamp=timestamp)
    return WsseSigner(None, SoapVersion.SOAP12, ttl_s=300, form=form).sign(CONTENT, now=NOW).envelope


def verifier(token: UsernameToken, *, signature: bool = False, timestamp: bool = True) -> WsseVerifier:
    return WsseVerifier(
        anchors_for(signing_key()) if signature else TrustAnchors(),
        SoapVersion.SOAP12,
        clock_skew_s=30,
        max_age_s=300,
        require_confirmation=False,
        terms=HeaderTerms(username=token, signature=signature, timestamp=timestamp),
    )


@TOKENS
@pytest.mark.parametrize("timestamp", [True, False])
def test_right_name_and_password_vouch_for_the_body(token: UsernameToken, *, timestamp: bool) -> None:
    envelope = written(token, timestamp=timestamp)
    verified = verifier(token, timestamp=timestamp).verify(envelope, now=NOW)
    assert verified.content == CONTENT
    assert verified.signature_value == b""


def test_password_is_told_only_where_that_was_agreed() -> None:
    assert b"<wsse:Password" in written(TOKEN)
    assert "pərdə".encode() not in written(TOKEN)
    assert "pərdə".encode() in written(replace(TOKEN, digest=False))
    assert "pərdə" not in repr(TOKEN)


def test_digest_is_the_one_of_the_profile() -> None:
    token = find(tree(written(TOKEN)), ".//wsse:UsernameToken")
    nonce = base64.b64decode(token.findtext("wsse:Nonce", namespaces=NAMES) or "")
    created = token.findtext("wsu:Created", namespaces=NAMES) or ""
    expected = hashlib.sha1(nonce + created.encode() + TOKEN.password.encode()).digest()  # noqa: S324 - the profile's
    assert token.findtext("wsse:Password", namespaces=NAMES) == base64.b64encode(expected).decode()


NAMES = {
    "wsse": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
    "wsu": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd",
}


@TOKENS
@pytest.mark.parametrize(("user", "password"), [("esb2", TOKEN.password), ("esb", "x"), ("", "")])
def test_wrong_name_and_wrong_password_look_the_same(token: UsernameToken, user: str, password: str) -> None:
    with pytest.raises(TokenInvalid, match=r"^name or password is wrong$"):
        verifier(replace(token, user=user, password=password)).verify(written(token), now=NOW)


def test_password_in_clear_does_not_pass_where_it_is_to_be_proven() -> None:
    with pytest.raises(TokenInvalid, match="does not prove"):
        verifier(TOKEN).verify(written(replace(TOKEN, digest=False)), now=NOW)
    with pytest.raises(TokenInvalid, match="no password text"):
        verifier(replace(TOKEN, digest=False)).verify(written(TOKEN), now=NOW)


def test_digest_of_another_nonce_or_time_is_refused() -> None:
    for path, value in (("wsse:Nonce", "AAAA"), ("wsu:Created", "2026-11-21T12:00:00.001Z")):
        root = tree(written(TOKEN))
        find(root, f".//wsse:UsernameToken/{path}").text = value
        with pytest.raises(TokenInvalid):
            verifier(TOKEN).verify(text(root), now=NOW)


@pytest.mark.parametrize("shift", [timedelta(minutes=-10), timedelta(minutes=10)])
def test_digest_of_another_time_is_stale(shift: timedelta) -> None:
    with pytest.raises(MessageStale):
        verifier(TOKEN, timestamp=False).verify(written(TOKEN, timestamp=False), now=NOW + shift)


def test_each_message_has_a_replay_key_of_its_own_and_keeps_it() -> None:
    first, second = written(TOKEN), written(TOKEN)
    key_of = [verifier(TOKEN).verify(envelope, now=NOW).replay_key for envelope in (first, first, second)]
    assert key_of[0] == key_of[1] != key_of[2]


@TOKENS
def test_message_without_the_token_is_refused(token: UsernameToken) -> None:
    bare = WsseSigner(None, SoapVersion.SOAP12, ttl_s=300).sign(CONTENT, now=NOW).envelope
    with pytest.raises(SignatureMissing, match="lacks UsernameToken"):
        verifier(token).verify(bare, now=NOW)


def test_token_that_nobody_agreed_on_is_refused() -> None:
    terms = HeaderTerms(signature=False)
    lone = WsseVerifier(TrustAnchors(), SoapVersion.SOAP12, 30, 300, require_confirmation=False, terms=terms)
    with pytest.raises(SignatureInvalid, match="outside the profile"):
        lone.verify(written(TOKEN), now=NOW)


def test_timestamp_alone_is_checked() -> None:
    terms = HeaderTerms(signature=False)
    lone = WsseVerifier(TrustAnchors(), SoapVersion.SOAP12, 30, 300, require_confirmation=False, terms=terms)
    envelope = WsseSigner(None, SoapVersion.SOAP12, ttl_s=300).sign(CONTENT, now=NOW).envelope
    assert lone.verify(envelope, now=NOW).signed_at == NOW
    with pytest.raises(MessageStale):
        lone.verify(envelope, now=NOW + timedelta(hours=1))


@TOKENS
def test_signed_token_is_covered_by_the_signature(token: UsernameToken) -> None:
    token = replace(token, signed=True)
    signer = WsseSigner(signing_key(), SoapVersion.SOAP12, ttl_s=300, form=HeaderForm(username=token))
    envelope = signer.sign(CONTENT, now=NOW).envelope
    assert verifier(token, signature=True).verify(envelope, now=NOW).content == CONTENT
    root = tree(envelope)
    find(root, ".//wsse:UsernameToken/wsse:Username").text = "other"
    with pytest.raises(SignatureInvalid, match="digest"):
        verifier(token, signature=True).verify(text(root), now=NOW)


@TOKENS
def test_unsigned_token_is_refused_where_it_is_to_be_signed(token: UsernameToken) -> None:
    signer = WsseSigner(signing_key(), SoapVersion.SOAP12, ttl_s=300, form=HeaderForm(username=token))
    with pytest.raises(SignatureMissing, match="must be signed"):
        verifier(replace(token, signed=True), signature=True).verify(signer.sign(CONTENT, now=NOW).envelope, now=NOW)


def test_signature_is_never_optional_where_it_was_agreed_on() -> None:
    with pytest.raises(SignatureMissing, match="lacks Signature"):
        verifier(TOKEN, signature=True).verify(written(TOKEN), now=NOW)


@settings(deadline=None)
@given(user=st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20))
def test_any_name_survives(user: str) -> None:
    token = replace(TOKEN, user=user)
    try:
        envelope = written(token)
        verified = verifier(token).verify(envelope, now=NOW)
    except SecurityError as error:  # code points that XML has not
        assert "well-formed" in error.reason  # noqa: PT017 - any other refusal is a defect
    else:
        assert verified.content == CONTENT
