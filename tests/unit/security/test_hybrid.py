from __future__ import annotations

from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from security import hybrid, keys
from security.errors import CertificateRejected, KeyUnavailable, SignatureInvalid
from security.hybrid import Recipient, Unsealer
from security.keys import Algorithm
from tests.support.keys import NOW, bare_key, signing_key, weak_rsa_key

CONTEXT = b"bridge\nclient\noperation"


@cache
def agency() -> Unsealer:
    return hybrid.generate()


@settings(deadline=None)  # the machine may be busy
@given(content=st.binary(max_size=300), context=st.binary(max_size=50))
def test_recipient_opens_exactly_what_was_sealed(content: bytes, context: bytes) -> None:
    sealed = agency().recipient.seal(content, context=context, now=NOW)
    assert hybrid.open_with(agency().unwrap(sealed.encrypted_key), sealed.content, context=context) == content


def test_wire_form_is_what_another_implementation_reads() -> None:
    sealed = agency().recipient.seal(b"voen", context=CONTEXT, now=NOW)
    digest = hashes.SHA256()
    key = agency().private.decrypt(sealed.encrypted_key, padding.OAEP(padding.MGF1(digest), digest, None))
    iv, rest = sealed.content[:12], sealed.content[12:]
    assert len(key) == 32
    assert len(rest) == len(b"voen") + 16
    assert AESGCM(key).decrypt(iv, rest, CONTEXT) == b"voen"


def test_two_documents_have_nothing_in_common() -> None:
    first, second = (agency().recipient.seal(b"voen", context=CONTEXT, now=NOW) for _ in range(2))
    assert first.key != second.key
    assert first.content[:12] != second.content[:12]


@settings(deadline=None)  # the machine may be busy
@given(at=st.integers(min_value=0, max_value=43), bit=st.integers(min_value=0, max_value=7))
def test_content_with_one_bit_changed_does_not_open(at: int, bit: int) -> None:
    content = bytearray(hybrid.seal_with(b"k" * 32, b"sixteen letters.", context=CONTEXT))
    content[at] ^= 1 << bit
    with pytest.raises(SignatureInvalid):
        hybrid.open_with(b"k" * 32, bytes(content), context=CONTEXT)


def test_content_does_not_open_in_another_context() -> None:
    content = hybrid.seal_with(b"k" * 32, b"voen", context=CONTEXT)
    with pytest.raises(SignatureInvalid):
        hybrid.open_with(b"k" * 32, content, context=CONTEXT + b"2")


@pytest.mark.parametrize("length", [0, 12, 27])
def test_content_of_an_impossible_length_is_refused(length: int) -> None:
    with pytest.raises(SignatureInvalid, match="length"):
        hybrid.open_with(b"k" * 32, b"x" * length, context=CONTEXT)


@pytest.mark.parametrize("wrapped", [b"", b"x", b"x" * 384])
def test_key_that_cannot_be_unwrapped_fails_as_a_wrong_key_does(wrapped: bytes) -> None:
    content = hybrid.seal_with(b"k" * 32, b"voen", context=CONTEXT)
    with pytest.raises(SignatureInvalid, match="does not verify"):
        hybrid.open_with(agency().unwrap(wrapped), content, context=CONTEXT)


def test_wrapped_key_of_another_size_is_not_used() -> None:
    digest = hashes.SHA256()
    short = agency().private.public_key().encrypt(b"k" * 16, padding.OAEP(padding.MGF1(digest), digest, None))
    assert len(agency().unwrap(short)) == 32


def test_nothing_is_sealed_for_a_certificate_that_has_ended() -> None:
    key = signing_key(Algorithm.RS256, "rsa agency")
    assert key.certificate is not None
    recipient = Recipient(public=key.private.public_key(), certificate=key.certificate)  # type: ignore[arg-type]
    recipient.seal(b"", context=CONTEXT, now=NOW)
    with pytest.raises(CertificateRejected):
        recipient.seal(b"", context=CONTEXT, now=NOW + timedelta(days=60))


def test_keys_are_in_no_text() -> None:
    sealed = agency().recipient.seal(b"voen", context=CONTEXT, now=NOW)
    assert repr(sealed.key) not in repr(sealed)
    assert "private" not in repr(agency())


def test_public_key_and_certificate_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "public.pem").write_bytes(hybrid.public_pem(agency().recipient))
    assert hybrid.load_recipient(tmp_path / "public.pem").public == agency().recipient.public
    key = signing_key(Algorithm.RS256, "rsa agency")
    assert key.certificate is not None
    certified = key.certificate.public_bytes(serialization.Encoding.PEM)
    (tmp_path / "certificate.pem").write_bytes(certified)
    assert hybrid.load_recipient(tmp_path / "certificate.pem").certificate == key.certificate


def test_private_key_file_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "own.pem"
    path.touch(mode=0o600)
    path.write_bytes(hybrid.private_pem(agency(), passphrase="open"))
    assert hybrid.load_unsealer(path, passphrase="open").recipient.public == agency().recipient.public
    with pytest.raises(KeyUnavailable, match="PASSPHRASE"):
        hybrid.load_unsealer(path, passphrase="wrong")
    path.chmod(0o640)
    with pytest.raises(KeyUnavailable, match="chmod 600"):
        hybrid.load_unsealer(path, passphrase="open")


@pytest.mark.parametrize(
    ("pem", "reason"),
    [
        (b"", "not a PEM public key"),
        (b"-----BEGIN CERTIFICATE-----\n", "not a PEM certificate"),
        (keys.public_pem(weak_rsa_key().public_key()), "at least 2048 bits"),
        (keys.public_pem(bare_key().private.public_key()), "not an RSA key"),
    ],
)
def test_file_that_holds_no_usable_key_is_refused(tmp_path: Path, pem: bytes, reason: str) -> None:
    (tmp_path / "public.pem").write_bytes(pem)
    with pytest.raises(KeyUnavailable, match=reason):
        hybrid.load_recipient(tmp_path / "public.pem")


def test_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match=r"missing\.pem"):
        hybrid.load_recipient(tmp_path / "missing.pem")
