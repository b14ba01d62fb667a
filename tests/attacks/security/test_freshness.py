"""Messages from the wrong moment, and certificates out of their dates."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from security.errors import CertificateRejected, MessageStale, SignatureInvalid, SignatureMissing
from tests.support.keys import NOW, authority, issued_key, signing_key
from tests.support.soap import CONTENT, Forge, find, signed, signer, verifier, verify

SECOND = timedelta(seconds=1)


def verify_at(moment: datetime, envelope: bytes) -> None:
    assert verifier().verify(envelope, now=moment).content == CONTENT


def timed(created: str | None, expires: str | None = None) -> bytes:
    message = Forge()
    timestamp = find(message.security, "wsu:Timestamp")
    for part, value in zip(list(timestamp), (created, expires), strict=True):
        if value is None:
            timestamp.remove(part)
        else:
            part.text = value
    return message.sign()


def test_message_is_believed_within_age_and_skew_and_not_after() -> None:
    envelope = signer(ttl_s=100_000).sign(CONTENT, now=NOW).envelope
    verify_at(NOW + timedelta(seconds=330), envelope)
    with pytest.raises(MessageStale, match="too old"):
        verify_at(NOW + timedelta(seconds=331), envelope)


def test_message_from_a_fast_clock_is_believed_within_the_skew() -> None:
    envelope = signed()
    verify_at(NOW - timedelta(seconds=30), envelope)
    with pytest.raises(MessageStale, match="future"):
        verify_at(NOW - timedelta(seconds=31), envelope)


def test_expiry_that_the_sender_set_is_honoured() -> None:
    envelope = signer(ttl_s=10).sign(CONTENT, now=NOW).envelope
    verify_at(NOW + timedelta(seconds=40), envelope)
    with pytest.raises(MessageStale, match="expired"):
        verify_at(NOW + timedelta(seconds=41), envelope)


def test_message_without_expiry_lives_as_long_as_the_age_allows() -> None:
    verify_at(NOW + timedelta(seconds=300), timed("2026-11-21T12:00:00Z"))


@pytest.mark.parametrize(
    "created",
    [
        "2026-11-21T12:00:00.000Z",
        "2026-11-21T16:00:00+04:00",
        "2026-11-21T12:00:00.123456789Z",
        " 2026-11-21T12:00:00Z\n",
    ],
)
def test_every_spelling_of_a_moment_is_read(created: str) -> None:
    verify_at(NOW, timed(created))


@pytest.mark.parametrize(
    "created",
    [
        "",
        "now",
        "2026-11-21T12:00:00",
        "2026-11-21",
        "2026-02-31T12:00:00Z",
        "2026-11-21T25:00:00Z",
        "20261121T120000Z",
        "٢٠٢٦-11-21T12:00:00Z",
        "2026-11-21T12:00:00Z2026-11-21T12:00:00Z",
    ],
)
def test_moment_that_cannot_be_read_for_sure_is_refused(created: str) -> None:
    with pytest.raises(SignatureInvalid, match="timestamp"):
        verify_at(NOW, timed(created))


def test_timestamp_without_creation_is_refused() -> None:
    with pytest.raises(SignatureInvalid, match="timestamp"):
        verify_at(NOW, timed(None, "2026-11-21T12:05:00Z"))


def test_time_is_not_believed_unless_it_is_signed() -> None:
    message = Forge(now=NOW - timedelta(days=1))
    message.targets = ["body"]
    envelope = message.sign().replace(b"2026-11-20", b"2026-11-21")
    with pytest.raises(SignatureMissing):
        verify(envelope)


def test_stale_message_with_a_refreshed_timestamp_is_refused() -> None:
    envelope = signed(now=NOW - timedelta(days=1)).replace(b"2026-11-20", b"2026-11-21")
    with pytest.raises(SignatureInvalid):
        verify(envelope)


def test_pinned_certificate_is_believed_between_its_dates_only() -> None:
    certificate = signing_key().certificate
    assert certificate is not None
    for moment in (certificate.not_valid_before_utc - SECOND, certificate.not_valid_after_utc + SECOND):
        with pytest.raises(CertificateRejected, match=r"expired|not yet valid"):
            verifier().verify(signed(now=moment), now=moment)


def test_certificate_that_was_believed_before_is_refused_once_expired() -> None:
    checking = verifier()
    certificate = signing_key().certificate
    assert certificate is not None
    later = certificate.not_valid_after_utc + SECOND
    assert checking.verify(signed(), now=NOW).content == CONTENT
    with pytest.raises(CertificateRejected, match="expired"):
        checking.verify(signed(now=later), now=later)


def test_expired_authority_vouches_for_nobody() -> None:
    root, key = authority("short-lived"), issued_key("agency of it", "short-lived")
    assert root.certificate is not None
    later = root.certificate.not_valid_after_utc + SECOND
    envelope = signer(key).sign(CONTENT, now=later).envelope
    with pytest.raises(CertificateRejected, match="expired"):
        verifier(root).verify(envelope, now=later)
