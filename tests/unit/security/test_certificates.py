from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from security import certificates
from security.certificates import TrustAnchors
from security.errors import CertificateRejected, KeyUnavailable
from tests.support.keys import NOW, anchors_for, authority, bare_key, issued_key, signing_key, weak_rsa_key


def certificate_of(name: str = "agency") -> x509.Certificate:
    certificate = signing_key(name=name).certificate
    assert certificate is not None
    return certificate


def issued_certificate() -> x509.Certificate:
    certificate = issued_key().certificate
    assert certificate is not None
    return certificate


def issue_by_hand(
    *, ca: bool = False, usage: x509.KeyUsage | None = None, critical: x509.ExtensionType | None = None
) -> x509.Certificate:
    parent = authority()
    assert parent.certificate is not None
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "by hand")]))
        .issuer_name(parent.certificate.subject)
        .public_key(bare_key(name="by hand").private.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if usage is not None:
        builder = builder.add_extension(usage, critical=True)
    if critical is not None:
        builder = builder.add_extension(critical, critical=True)
    return builder.sign(parent.private, hashes.SHA256())


def usage(**wanted: bool) -> x509.KeyUsage:
    names = [
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ]
    return x509.KeyUsage(**{name: wanted.get(name, False) for name in names})


def test_pinned_certificate_is_believed() -> None:
    certificates.check(certificate_of(), anchors_for(signing_key()), NOW)


def test_certificate_issued_by_a_root_is_believed() -> None:
    certificates.check(issued_certificate(), anchors_for(authority()), NOW)


def test_nobody_is_believed_without_anchors() -> None:
    for certificate in (certificate_of(), issued_certificate()):
        with pytest.raises(CertificateRejected):
            certificates.check(certificate, TrustAnchors(), NOW)


def test_authority_of_the_same_name_with_another_key_vouches_for_nobody() -> None:
    impostor = certificates.make_authority(
        bare_key(name="impostor"), common_name="authority", organisation="Test", now=NOW, valid_days=10
    )
    with pytest.raises(CertificateRejected, match="neither pinned nor issued"):
        certificates.check(issued_certificate(), anchors_for(impostor), NOW)


def test_leaf_cannot_issue() -> None:
    leaf = issued_key("leaf")
    below = certificates.issue(
        leaf, bare_key(name="below"), common_name="below", organisation="Test", now=NOW, valid_days=1
    ).certificate
    assert below is not None
    for anchors in (anchors_for(authority()), anchors_for(authority(), leaf)):
        with pytest.raises(CertificateRejected):
            certificates.check(below, anchors, NOW)


def test_root_that_may_not_issue_vouches_for_nobody() -> None:
    parent = authority()
    root = (
        certificates._builder(parent, certificates._name("authority", "Test"), now=NOW, valid_days=1)
        .issuer_name(certificates._name("authority", "Test"))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage(digital_signature=True), critical=True)
        .sign(parent.private, hashes.SHA256())
    )
    with pytest.raises(CertificateRejected, match="neither pinned nor issued"):
        certificates.check(issued_certificate(), certificates.anchors_of([root]), NOW)


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        (issue_by_hand(ca=True), "authority's"),
        (issue_by_hand(usage=usage(key_encipherment=True)), "not for signing"),
        (issue_by_hand(critical=x509.OCSPNoCheck()), "not understood"),
    ],
)
def test_issued_certificate_that_is_not_fit_is_refused(certificate: x509.Certificate, reason: str) -> None:
    with pytest.raises(CertificateRejected, match=reason):
        certificates.check(certificate, anchors_for(authority()), NOW)


@pytest.mark.parametrize("wanted", ["digital_signature", "content_commitment"])
def test_issued_certificate_for_signing_is_believed(wanted: str) -> None:
    certificates.check(issue_by_hand(usage=usage(**{wanted: True})), anchors_for(authority()), NOW)
    certificates.check(issue_by_hand(), anchors_for(authority()), NOW)


@pytest.mark.parametrize(
    "private",
    [weak_rsa_key(), ec.generate_private_key(ec.SECP384R1())],
    ids=["rsa-1024", "p-384"],
)
def test_pinned_certificate_of_a_weak_or_foreign_key_is_refused(
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
) -> None:
    key = dataclasses.replace(bare_key(), private=private)
    weak = certificates.self_signed(key, common_name="x", organisation="y", now=NOW, valid_days=1)
    with pytest.raises(CertificateRejected, match="key"):
        certificates.check(weak.certificate or certificate_of(), anchors_for(weak), NOW)


@pytest.mark.parametrize("der", [b"", b"\x30\x03\x02\x01\x01", b"\xff" * 100])
def test_bytes_that_are_no_certificate_are_refused(der: bytes) -> None:
    with pytest.raises(CertificateRejected, match="cannot be read"):
        anchors_for(signing_key()).leaf(der, NOW)


def test_bytes_after_the_certificate_make_it_another_one() -> None:
    der = certificate_of().public_bytes(Encoding.DER)
    with pytest.raises(CertificateRejected):
        anchors_for(signing_key()).leaf(der + b"\0", NOW)


def test_strangers_are_not_remembered_and_friends_not_for_ever() -> None:
    anchors = anchors_for(signing_key(), authority())
    for number in range(300):
        with pytest.raises(CertificateRejected):
            anchors.leaf(b"%d" % number, NOW)
    assert not anchors._remembered
    certificates.check(certificate_of(), anchors, NOW)
    certificates.check(certificate_of(), anchors, NOW)
    assert len(anchors._remembered) == 1


def test_folder_gives_roots_and_pins(tmp_path: Path) -> None:
    for name, certificate in (("root", authority().certificate), ("pin", certificate_of())):
        assert certificate is not None
        (tmp_path / f"{name}.crt.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (tmp_path / "notes.txt").write_text("not a certificate")
    anchors = certificates.load(tmp_path)
    assert anchors.roots == (authority().certificate,)
    assert anchors.pinned == {certificates.sha256_of(certificate_of())}
    assert certificates.load(tmp_path / "nowhere") == TrustAnchors()


def test_unreadable_anchor_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.crt.pem").write_text("not PEM")
    with pytest.raises(KeyUnavailable, match=r"x\.crt\.pem"):
        certificates.load(tmp_path)


def test_certificate_for_tls_names_its_hosts() -> None:
    key = certificates.self_signed(
        bare_key(),
        common_name="bus",
        organisation="y",
        now=NOW,
        valid_days=1,
        san_ips=["127.0.0.1"],
        san_dns=["bus.test"],
    )
    assert key.certificate is not None
    names = key.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["bus.test"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_key_without_certificate_cannot_issue() -> None:
    with pytest.raises(KeyUnavailable):
        certificates.issue(bare_key(), bare_key(), common_name="x", organisation="y", now=NOW, valid_days=1)
