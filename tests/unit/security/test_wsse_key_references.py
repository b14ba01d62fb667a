"""Every way to name the certificate of a key: written, verified, and confused."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from security import certificates
from security.certificates import TrustAnchors, anchors_of
from security.errors import CertificateRejected, SignatureInvalid
from security.keys import Algorithm, SigningKey
from security.wsse import HeaderForm, HeaderTerms, KeyReference, SoapVersion, WsseSigner, WsseVerifier
from security.wsse_terms import X509_PATH
from tests.support import xmlsec_oracle
from tests.support.keys import NOW, anchors_for, authority, bare_key, issued_key, signing_key
from tests.support.soap import CONTENT, find, text, tree

REFERENCES = pytest.mark.parametrize("reference", KeyReference)
BY_NAME = [KeyReference.SUBJECT_KEY_IDENTIFIER, KeyReference.THUMBPRINT, KeyReference.ISSUER_SERIAL]


def signed(reference: KeyReference, key: SigningKey | None = None, *, confirms: bytes | None = None) -> bytes:
    form = HeaderForm(key_reference=reference)
    signer = WsseSigner(key or signing_key(), SoapVersion.SOAP11, ttl_s=300, form=form)
    return signer.sign(CONTENT, now=NOW, confirms=confirms).envelope


def verifier(anchors: TrustAnchors, *references: KeyReference) -> WsseVerifier:
    terms = HeaderTerms(key_references=frozenset(references or KeyReference))
    return WsseVerifier(
        anchors, SoapVersion.SOAP11, clock_skew_s=30, max_age_s=300, require_confirmation=False, terms=terms
    )


@REFERENCES
@pytest.mark.parametrize("algorithm", Algorithm)
def test_message_verifies_by_the_agreed_reference(reference: KeyReference, algorithm: Algorithm) -> None:
    key = signing_key(algorithm)
    verified = verifier(anchors_for(key), reference).verify(signed(reference, key), now=NOW)
    assert verified.content == CONTENT
    assert verified.certificate_sha256 in anchors_for(key).pinned


@REFERENCES
@pytest.mark.parametrize("algorithm", Algorithm)
def test_xmlsec_verifies_what_is_signed_under_any_reference(reference: KeyReference, algorithm: Algorithm) -> None:
    key = signing_key(algorithm)
    xmlsec_oracle.verify(tree(signed(reference, key, confirms=b"x")), key)


@REFERENCES
def test_other_references_than_the_agreed_one_are_refused(reference: KeyReference) -> None:
    others = [each for each in KeyReference if each is not reference]
    with pytest.raises(SignatureInvalid, match="not what was agreed"):
        verifier(anchors_for(signing_key()), *others).verify(signed(reference), now=NOW)


@REFERENCES
def test_stranger_is_refused_by_any_reference(reference: KeyReference) -> None:
    with pytest.raises(CertificateRejected):
        verifier(anchors_for(signing_key()), reference).verify(signed(reference, signing_key(name="x")), now=NOW)


@REFERENCES
def test_strangers_signature_under_a_good_certificates_name_is_refused(reference: KeyReference) -> None:
    forged, good = tree(signed(reference, signing_key(name="x"))), tree(signed(reference))
    security = find(forged, "soap:Header/wsse:Security")
    for path in (".//ds:KeyInfo", ".//wsse:BinarySecurityToken"):
        mine, theirs = security.find(path, NAMESPACES), good.find(path, NAMESPACES)
        if mine is not None and theirs is not None:
            parent = mine.getparent()
            assert parent is not None
            parent.replace(mine, theirs)
    with pytest.raises(SignatureInvalid, match="does not verify"):
        verifier(anchors_for(signing_key()), reference).verify(text(forged), now=NOW)


NAMESPACES = {
    "ds": "http://www.w3.org/2000/09/xmldsig#",
    "wsse": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
}


@pytest.mark.parametrize("reference", [KeyReference.DIRECT, KeyReference.CERTIFICATE, KeyReference.X509_DATA])
def test_certificate_that_an_authority_issued_is_believed_when_the_message_carries_it(reference: KeyReference) -> None:
    envelope = signed(reference, issued_key())
    assert verifier(anchors_for(authority()), reference).verify(envelope, now=NOW).content == CONTENT


@pytest.mark.parametrize("reference", BY_NAME)
def test_certificate_that_is_only_named_must_be_known(reference: KeyReference) -> None:
    with pytest.raises(CertificateRejected, match="not known here"):
        verifier(anchors_for(authority()), reference).verify(signed(reference, issued_key()), now=NOW)


def test_certificate_renewed_with_its_key_is_found_by_the_one_in_date() -> None:
    key = bare_key(name="renewed")
    old = certificates.self_signed(key, common_name="a", organisation="b", now=NOW - timedelta(days=40), valid_days=1)
    new = certificates.self_signed(key, common_name="a", organisation="b", now=NOW, valid_days=9)
    envelope = signed(KeyReference.SUBJECT_KEY_IDENTIFIER, new)
    both = verifier(anchors_for(old, new), KeyReference.SUBJECT_KEY_IDENTIFIER)
    assert both.verify(envelope, now=NOW).content == CONTENT
    with pytest.raises(CertificateRejected, match="expired"):
        verifier(anchors_for(old), KeyReference.SUBJECT_KEY_IDENTIFIER).verify(envelope, now=NOW)


@pytest.mark.parametrize(
    "issuer",
    [
        "CN=agency,O=Test,C=AZ",
        "CN=agency, O=Test, C=AZ",
        "C=AZ, O=Test, CN=agency",
        "cn=AGENCY,o=test,c=az",
        "2.5.4.3=agency, OID.2.5.4.10=Test, C = AZ",
        "  CN=agency,O=Test,C=AZ  ",
    ],
)
def test_issuer_is_recognised_in_the_spelling_of_other_toolkits(issuer: str) -> None:
    root = tree(signed(KeyReference.ISSUER_SERIAL))
    find(root, ".//ds:X509IssuerName").text = issuer
    verified = verifier(anchors_for(signing_key()), KeyReference.ISSUER_SERIAL).verify(text(root), now=NOW)
    assert verified.content == CONTENT


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("X509IssuerName", "CN=other,O=Test,C=AZ"),
        ("X509IssuerName", ""),
        ("X509IssuerName", "garbage"),
        ("X509IssuerName", "CN=agency,O=Test,C=AZ" + ",OU=x" * 1000),
        ("X509SerialNumber", "1"),
    ],
)
def test_other_issuer_or_serial_means_nobody(path: str, value: str) -> None:
    root = tree(signed(KeyReference.ISSUER_SERIAL))
    find(root, f".//ds:{path}").text = value
    with pytest.raises(CertificateRejected, match="not known here"):
        verifier(anchors_for(signing_key()), KeyReference.ISSUER_SERIAL).verify(text(root), now=NOW)


@pytest.mark.parametrize("serial", ["", "-1", "0x10", "١", "9" * 100])
def test_serial_that_is_no_number_is_refused(serial: str) -> None:
    root = tree(signed(KeyReference.ISSUER_SERIAL))
    find(root, ".//ds:X509SerialNumber").text = serial
    with pytest.raises(SignatureInvalid, match="KeyInfo"):
        verifier(anchors_for(signing_key()), KeyReference.ISSUER_SERIAL).verify(text(root), now=NOW)


def test_certificate_without_key_identifier_goes_by_the_computed_one() -> None:
    key = signing_key()
    assert key.certificate is not None
    bare = (
        x509.CertificateBuilder()
        .subject_name(key.certificate.subject)
        .issuer_name(key.certificate.issuer)
        .public_key(key.private.public_key())
        .serial_number(7)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key.private, hashes.SHA256())
    )
    envelope = signed(KeyReference.SUBJECT_KEY_IDENTIFIER)
    found = verifier(anchors_of([bare]), KeyReference.SUBJECT_KEY_IDENTIFIER).verify(envelope, now=NOW)
    assert found.content == CONTENT


def test_certificate_path_is_refused_with_the_advice_to_send_one_certificate() -> None:
    root = tree(signed(KeyReference.DIRECT))
    find(root, ".//wsse:BinarySecurityToken").set("ValueType", X509_PATH)
    with pytest.raises(SignatureInvalid, match=r"X509PKIPathv1.*send one certificate"):
        verifier(anchors_for(signing_key())).verify(text(root), now=NOW)


@pytest.mark.parametrize("reference", [each for each in KeyReference if each is not KeyReference.DIRECT])
def test_token_beside_another_reference_is_refused(reference: KeyReference) -> None:
    root, other = tree(signed(reference)), tree(signed(KeyReference.DIRECT))
    find(root, "soap:Header/wsse:Security").insert(0, find(other, ".//wsse:BinarySecurityToken"))
    with pytest.raises(SignatureInvalid, match="KeyInfo does not name"):
        verifier(anchors_for(signing_key())).verify(text(root), now=NOW)


@pytest.mark.parametrize("extra", ["X509SubjectName", "X509SKI", "X509CRL"])
def test_second_name_in_x509_data_is_refused(extra: str) -> None:
    root = tree(signed(KeyReference.X509_DATA))
    data = find(root, ".//ds:X509Data")
    etree.SubElement(data, f"{{{NAMESPACES['ds']}}}{extra}").text = "x"
    with pytest.raises(SignatureInvalid, match="KeyInfo"):
        verifier(anchors_for(signing_key())).verify(text(root), now=NOW)


def test_whole_certificate_stands_in_the_key_identifier() -> None:
    root = tree(signed(KeyReference.CERTIFICATE))
    certificate = signing_key().certificate
    assert certificate is not None
    identifier = find(root, ".//ds:KeyInfo/wsse:SecurityTokenReference/wsse:KeyIdentifier")
    assert etree.tostring(identifier).count(b"#X509v3") == 1
    assert x509.load_pem_x509_certificate(pem_of(identifier.text or "")) == certificate
    assert certificate.public_bytes(Encoding.DER)


def pem_of(text_: str) -> bytes:
    return f"-----BEGIN CERTIFICATE-----\n{text_}\n-----END CERTIFICATE-----\n".encode()
