"""Documents with a signature of their own: ours believed by xmlsec and signxml, theirs by us, forgeries by nobody."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
import xmlsec as _xmlsec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, SignatureConstructionMethod
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, XMLVerifier

from security.certificates import TrustAnchors
from security.enveloped import INCLUSIVE_C14N, EnvelopedSigner, EnvelopedVerifier
from security.errors import CertificateRejected, SecurityError, SignatureInvalid, SignatureMissing, XmlRefused
from security.keys import Algorithm, SigningKey
from security.wsse import KeyReference
from security.wsse_keyinfo import key_info_text
from security.wsse_terms import WSSE
from security.xmldsig import DS, EXCLUSIVE_C14N
from tests.support.keys import NOW, anchors_for, signing_key

xmlsec: Any = _xmlsec

DOCUMENT = '<a:Decision xmlns:a="urn:a" a:no="7"><a:Name>Əliyeva</a:Name>\n  <b>100.00</b></a:Decision>'.encode()
ALGORITHMS = pytest.mark.parametrize("algorithm", Algorithm)
REFERENCES = [each for each in KeyReference if each is not KeyReference.DIRECT]
NAMES = {"ds": DS}


def verifier(*keys: SigningKey) -> EnvelopedVerifier:
    return EnvelopedVerifier(anchors_for(*(keys or (signing_key(),))))


def signed(document: bytes = DOCUMENT, key: SigningKey | None = None) -> bytes:
    return EnvelopedSigner(key or signing_key()).sign(document)


@ALGORITHMS
@pytest.mark.parametrize("reference", REFERENCES)
def test_document_verifies_by_any_reference(algorithm: Algorithm, reference: KeyReference) -> None:
    key = signing_key(algorithm)
    document = EnvelopedSigner(key, reference=reference).sign(DOCUMENT)
    assert verifier(key).verify(document, now=NOW).content == DOCUMENT


@ALGORITHMS
def test_xmlsec_believes_what_we_sign(algorithm: Algorithm) -> None:
    key = signing_key(algorithm)
    assert key.certificate is not None
    context = xmlsec.SignatureContext()
    pem = key.certificate.public_bytes(Encoding.PEM)
    context.key = xmlsec.Key.from_memory(pem, xmlsec.KeyFormat.CERT_PEM)
    context.verify(signature_of(etree.fromstring(signed(key=key))))


@ALGORITHMS
def test_signxml_believes_what_we_sign(algorithm: Algorithm) -> None:
    key = signing_key(algorithm)
    result = XMLVerifier().verify(
        signed(key=key), x509_cert=key.certificate, expect_config=SignatureConfiguration(location="./")
    )
    assert not isinstance(result, list)
    assert result.signed_xml is not None
    assert etree.tostring(result.signed_xml, method="c14n", exclusive=True) == DOCUMENT


@ALGORITHMS
@pytest.mark.parametrize("method", ["EXCL_C14N", "EXCL_C14N_COMMENTS", "C14N", "C14N_COMMENTS", None])
@pytest.mark.parametrize(
    ("document", "prefix"),
    [
        (DOCUMENT, "ds"),
        (b"<x><!-- of a clerk --><y xmlns='urn:y'/></x>", "ds"),
        (b"<x xmlns='urn:x'><y><z>1</z></y></x>", None),
    ],
)
def test_what_xmlsec_signs_we_believe(
    algorithm: Algorithm, method: str | None, document: bytes, prefix: str | None
) -> None:
    key = signing_key(algorithm)
    root = etree.fromstring(document)
    own = getattr(xmlsec.Transform, method or "C14N")
    kind = {Algorithm.ES256: xmlsec.Transform.ECDSA_SHA256, Algorithm.RS256: xmlsec.Transform.RSA_SHA256}[algorithm]
    template = xmlsec.template.create(root, own, kind, ns=prefix)
    root.append(template)
    reference = xmlsec.template.add_reference(template, xmlsec.Transform.SHA256, uri="")
    xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
    if method is not None:
        xmlsec.template.add_transform(reference, own)
    xmlsec.template.ensure_key_info(template)
    context = xmlsec.SignatureContext()
    pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    context.key = xmlsec.Key.from_memory(pem, xmlsec.KeyFormat.PEM)
    context.sign(template)
    assert b"clerk" not in verifier(key).verify(with_key_info(etree.tostring(root), key), now=NOW).content


@ALGORITHMS
@pytest.mark.parametrize("method", [EXCLUSIVE_C14N, INCLUSIVE_C14N])
def test_what_signxml_signs_we_believe(algorithm: Algorithm, method: str) -> None:
    key = signing_key(algorithm)
    assert key.certificate is not None
    maker = XMLSigner(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm={Algorithm.ES256: "ecdsa-sha256", Algorithm.RS256: "rsa-sha256"}[algorithm],
        digest_algorithm="sha256",
        c14n_algorithm=CanonicalizationMethod(method),
    )
    root = maker.sign(etree.fromstring(DOCUMENT), key=key.private, cert=[key.certificate])
    assert b"liyeva" in verifier(key).verify(with_key_info(etree.tostring(root), key), now=NOW).content


def test_white_space_around_the_signature_stays_signed() -> None:
    spaced = signed().replace(b"<ds:Signature ", b"\n<ds:Signature ", 1)
    with pytest.raises(SignatureInvalid, match="digest"):
        verifier().verify(spaced, now=NOW)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"100.00", b"900.00"), (b'a:no="7"', b'a:no="8"'), (b"</b>", b"</b><b>1</b>"), (b"\n  <b>", b"<b>")],
)
def test_changed_document_is_refused(old: bytes, new: bytes) -> None:
    forged = signed().replace(old, new, 1)
    assert forged != signed()
    with pytest.raises(SignatureInvalid, match="digest"):
        verifier().verify(forged, now=NOW)


def test_stranger_expiry_and_nobody_are_refused() -> None:
    for trusted in (anchors_for(signing_key(name="other")), TrustAnchors()):
        with pytest.raises(CertificateRejected):
            EnvelopedVerifier(trusted).verify(signed(), now=NOW)
    with pytest.raises(CertificateRejected, match="expired"):
        verifier().verify(signed(), now=NOW + timedelta(days=60))


def test_unsigned_document_is_refused() -> None:
    with pytest.raises(SignatureMissing):
        verifier().verify(DOCUMENT, now=NOW)


def test_signature_of_a_part_is_none_of_the_document() -> None:
    wrapped = b"<Forged><Amount>1</Amount>" + signed() + b"</Forged>"
    with pytest.raises(SignatureMissing):
        verifier().verify(wrapped, now=NOW)


def spoilt(path: str, name: str, value: str) -> bytes:
    root = etree.fromstring(signed())
    found = root.find(f".//{path}", NAMES)
    assert found is not None
    found.set(name, value)
    return etree.tostring(root)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("ds:SignatureMethod", f"{DS}rsa-sha1"),
        ("ds:SignatureMethod", f"{DS}hmac-sha1"),
        ("ds:DigestMethod", f"{DS}sha1"),
        ("ds:CanonicalizationMethod", "http://www.w3.org/2006/12/xml-c14n11"),
        ("ds:Transform[1]", EXCLUSIVE_C14N),
        ("ds:Transform[2]", "http://www.w3.org/TR/1999/REC-xpath-19991116"),
        ("ds:Transform[2]", "http://www.w3.org/TR/1999/REC-xslt-19991116"),
    ],
)
def test_algorithms_outside_the_profile_are_refused(path: str, value: str) -> None:
    with pytest.raises(SignatureInvalid):
        verifier().verify(spoilt(path, "Algorithm", value), now=NOW)


@pytest.mark.parametrize("uri", ["#x", "http://127.0.0.1/d", "file:///etc/passwd", "#xpointer(/)"])
def test_signature_must_cover_the_whole_document(uri: str) -> None:
    with pytest.raises(SignatureInvalid):
        verifier().verify(spoilt("ds:Reference", "URI", uri), now=NOW)


def test_two_signatures_are_refused() -> None:
    root = etree.fromstring(signed())
    root.append(etree.fromstring(etree.tostring(signature_of(root))))
    with pytest.raises(SignatureInvalid, match="outside the profile"):
        verifier().verify(etree.tostring(root), now=NOW)


@pytest.mark.parametrize(
    "document",
    [b"<?go away?><a/>", b"<a><?go away?></a>", b"<!DOCTYPE a><a/>", b"", b"<a>" * 200 + b"</a>" * 200],
)
def test_what_is_not_read_is_not_signed_or_believed(document: bytes) -> None:
    with pytest.raises(SecurityError):
        verifier().verify(document, now=NOW)
    if document != b"<?go away?><a/>":
        with pytest.raises(XmlRefused):
            EnvelopedSigner(signing_key()).sign(document)


def test_costly_signed_info_is_refused_before_it_is_canonicalised() -> None:
    root = etree.fromstring(signed())
    transforms = root.find(".//ds:Transforms", NAMES)
    assert transforms is not None
    for _ in range(200):
        etree.SubElement(transforms, f"{{{DS}}}Transform")
    with pytest.raises(SignatureInvalid, match="SignedInfo"):
        verifier().verify(etree.tostring(root), now=NOW)


def signature_of(root: etree._Element) -> etree._Element:
    found = root.find("ds:Signature", NAMES)
    assert found is not None
    return found


def with_key_info(document: bytes, key: SigningKey) -> bytes:
    """The document whose signature names its certificate as we read it; KeyInfo is not signed."""
    assert key.certificate is not None
    text = key_info_text(key.certificate, KeyReference.X509_DATA)
    holder = etree.fromstring(f'<x xmlns:ds="{DS}" xmlns:wsse="{WSSE}">{text}</x>')
    root = etree.fromstring(document)
    signature = signature_of(root)
    signature.remove(signature[2])
    signature.append(holder[0])
    assert base64.b64decode(signature.findtext("ds:SignatureValue", namespaces=NAMES) or "")
    return etree.tostring(root)
