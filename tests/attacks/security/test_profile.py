"""Algorithms, transforms, references and keys outside the closed profile."""

from __future__ import annotations

import base64
import hmac

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from security.errors import CertificateRejected, SignatureInvalid, SignatureMissing
from security.keys import Algorithm, SigningKey
from security.wsse_terms import BASE64_BINARY, WSSE, X509V3
from security.xmldsig import DS, EXCLUSIVE_C14N, METHOD_URIS
from tests.support.keys import authority, issued_key, signing_key
from tests.support.soap import CONTENT, Forge, find, signed, text, tree, verify

INCLUSIVE_C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
ENVELOPED = f"{DS}enveloped-signature"
XSLT = "http://www.w3.org/TR/1999/REC-xslt-19991116"
XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
STR_TRANSFORM = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#STR-Transform"
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def transform(uri: str, inner: str = "") -> str:
    return f'<ds:Transform Algorithm="{uri}">{inner}</ds:Transform>'


@pytest.mark.parametrize("algorithm", Algorithm)
def test_forge_writes_a_good_message_when_nothing_is_spoilt(algorithm: Algorithm) -> None:
    key = signing_key(algorithm)
    assert verify(Forge(key).sign(), key).content == CONTENT


@pytest.mark.parametrize(
    "uri",
    [
        f"{DS}rsa-sha1",
        f"{DS}hmac-sha1",
        f"{DS}dsa-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256",
        "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
        "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
        "",
        "none",
    ],
)
def test_signature_method_outside_the_profile_is_refused(uri: str) -> None:
    message = Forge()
    message.method = uri
    with pytest.raises(SignatureInvalid, match="signature method"):
        verify(message.sign())


@pytest.mark.parametrize("algorithm", Algorithm)
def test_signature_method_of_another_kind_of_key_is_refused(algorithm: Algorithm) -> None:
    key = signing_key(algorithm)
    other = next(each for each in Algorithm if each is not algorithm)
    message = Forge(key)
    message.method = METHOD_URIS[other]
    with pytest.raises(SignatureInvalid, match="not the one of the certificate's key"):
        verify(message.sign(), key)


def test_hmac_keyed_with_the_public_certificate_is_refused() -> None:
    message = Forge()
    message.method = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
    root = etree.fromstring(message.sign())
    certificate = message.key.certificate
    assert certificate is not None
    signed_info = etree.tostring(find(root, ".//ds:SignedInfo"), method="c14n", exclusive=True)
    mac = hmac.digest(certificate.public_bytes(Encoding.PEM), signed_info, "sha256")
    find(root, ".//ds:SignatureValue").text = base64.b64encode(mac).decode()
    with pytest.raises(SignatureInvalid):
        verify(text(root))


@pytest.mark.parametrize(
    ("uri", "name"),
    [(f"{DS}sha1", "sha1"), ("http://www.w3.org/2001/04/xmldsig-more#md5", "md5"), ("", "sha256")],
)
def test_digest_outside_the_profile_is_refused(uri: str, name: str) -> None:
    message = Forge()
    message.digest_uri, message.digest = uri, name
    with pytest.raises(SignatureInvalid, match="digest is outside"):
        verify(message.sign())


@pytest.mark.parametrize(
    "transforms",
    [
        (),
        (transform(INCLUSIVE_C14N),),
        (transform(f"{EXCLUSIVE_C14N}WithComments"),),
        (transform(ENVELOPED), transform(EXCLUSIVE_C14N)),
        (transform(EXCLUSIVE_C14N), transform(EXCLUSIVE_C14N)),
        (transform(XPATH, "<ds:XPath>false()</ds:XPath>"),),
        (transform(XPATH, "<ds:XPath>false()</ds:XPath>"), transform(EXCLUSIVE_C14N)),
        (transform(XSLT, '<x:stylesheet xmlns:x="http://www.w3.org/1999/XSL/Transform" version="1.0"/>'),),
        (transform(STR_TRANSFORM),),
        (transform(EXCLUSIVE_C14N, "<ds:XPath>false()</ds:XPath>"),),
        (f'<ds:Transform Algorithm="{EXCLUSIVE_C14N}"/><evil/>',),
    ],
)
def test_transforms_other_than_one_exclusive_canonicalisation_are_refused(transforms: tuple[str, ...]) -> None:
    message = Forge()
    message.transforms = transforms
    with pytest.raises(SignatureInvalid):
        verify(message.sign())


@pytest.mark.parametrize("uri", [INCLUSIVE_C14N, f"{EXCLUSIVE_C14N}WithComments", XSLT, ""])
def test_canonicalisation_outside_the_profile_is_refused(uri: str) -> None:
    message = Forge()
    message.canonicalisation = uri
    with pytest.raises(SignatureInvalid, match="exclusive canonicalisation"):
        verify(message.sign())


@pytest.mark.parametrize(
    "uri", ["", "body", "http://127.0.0.1/body", "file:///etc/passwd", "#", "#xpointer(/)", "cid:1"]
)
def test_reference_that_does_not_name_a_part_of_the_message_is_refused(uri: str) -> None:
    message = Forge()
    message.uris = {"body": uri}
    with pytest.raises(SignatureInvalid):
        verify(message.sign())


def test_reference_to_nothing_is_refused() -> None:
    message = Forge()
    message.targets = ["body", "time", "nowhere"]
    with pytest.raises(SignatureInvalid, match="no place"):
        verify(message.sign())


def test_two_references_to_one_part_are_refused() -> None:
    message = Forge()
    message.targets = ["body", "time", "body"]
    with pytest.raises(SignatureInvalid, match="no place"):
        verify(message.sign())


def test_more_references_than_the_profile_has_are_refused() -> None:
    message = Forge()
    message.targets = ["body", "time", *(f"x{number}" for number in range(1000))]
    with pytest.raises(SignatureInvalid, match="SignedInfo"):
        verify(message.sign())


def test_signature_over_nothing_is_refused() -> None:
    message = Forge()
    message.targets = []
    with pytest.raises(SignatureInvalid, match="SignedInfo"):
        verify(message.sign())


@pytest.mark.parametrize("left_out", ["body", "time"])
def test_signature_that_leaves_out_body_or_timestamp_is_refused(left_out: str) -> None:
    message = Forge()
    message.targets.remove(left_out)
    with pytest.raises(SignatureMissing, match="must be signed"):
        verify(message.sign())


def test_peer_may_sign_its_token_too() -> None:
    message = Forge()
    message.targets.append("token")
    assert verify(message.sign()).content == CONTENT


# --- keys ------------------------------------------------------------------------------------------------


def token_of(key: SigningKey) -> str:
    assert key.certificate is not None
    return base64.b64encode(key.certificate.public_bytes(Encoding.DER)).decode()


def test_stranger_with_a_certificate_of_its_own_is_refused() -> None:
    with pytest.raises(CertificateRejected, match="neither pinned nor issued"):
        verify(Forge(signing_key(name="stranger")).sign())


def test_trusted_certificate_over_a_strangers_signature_is_refused() -> None:
    message = Forge(signing_key(name="stranger"))
    find(message.security, "wsse:BinarySecurityToken").text = token_of(signing_key())
    with pytest.raises(SignatureInvalid, match="does not verify"):
        verify(message.sign())


def test_authority_does_not_sign_messages_itself() -> None:
    with pytest.raises(CertificateRejected, match="authority's"):
        verify(Forge(authority()).sign(), authority())


def test_certificate_of_the_authority_signs() -> None:
    assert verify(Forge(issued_key()).sign(), authority()).content == CONTENT


TO_TOKEN = '<wsse:Reference URI="#token"/>'
X509_DATA = f'<ds:X509Data xmlns:ds="{DS}"><ds:X509Certificate>AQAB</ds:X509Certificate></ds:X509Data>'


def token_reference(inner: str) -> str:
    return f'<wsse:SecurityTokenReference xmlns:wsse="{WSSE}">{inner}</wsse:SecurityTokenReference>'


@pytest.mark.parametrize(
    "key_info",
    [
        "",
        "<ds:KeyName>agency</ds:KeyName>",
        f'<ds:KeyValue><ds:RSAKeyValue xmlns:ds="{DS}"><ds:Modulus>AQAB</ds:Modulus></ds:RSAKeyValue></ds:KeyValue>',
        X509_DATA,
        token_reference(f'<wsse:Reference URI="#body" ValueType="{X509V3}"/>'),
        token_reference('<wsse:Reference URI="http://127.0.0.1/key"/>'),
        token_reference(TO_TOKEN + TO_TOKEN),
        token_reference(TO_TOKEN) + token_reference(TO_TOKEN),
        token_reference(TO_TOKEN) + X509_DATA,
        token_reference(TO_TOKEN + X509_DATA),
    ],
)
def test_key_info_that_names_anything_but_the_token_is_refused(key_info: str) -> None:
    message = Forge()
    message.key_info = key_info
    with pytest.raises(SignatureInvalid, match="KeyInfo"):
        verify(message.sign())


def test_second_token_is_refused() -> None:
    message = Forge()
    etree.SubElement(message.security, f"{{{WSSE}}}BinarySecurityToken", EncodingType=BASE64_BINARY).text = token_of(
        signing_key(name="stranger")
    )
    with pytest.raises(SignatureInvalid, match="twice"):
        verify(message.sign())


@pytest.mark.parametrize("token", ["", "AQAB", "not base64!", "ə"])
def test_token_that_is_no_certificate_is_refused(token: str) -> None:
    message = Forge()
    find(message.security, "wsse:BinarySecurityToken").text = token
    with pytest.raises((CertificateRejected, SignatureInvalid)):
        verify(message.sign())


def test_pkcs7_token_is_refused() -> None:
    message = Forge()
    find(message.security, "wsse:BinarySecurityToken").set("ValueType", X509V3.replace("X509v3", "PKCS7"))
    with pytest.raises(SignatureInvalid, match="KeyInfo"):
        verify(message.sign())


# --- signature values ------------------------------------------------------------------------------------


def with_value(value: bytes) -> bytes:
    root = tree(signed())
    find(root, ".//ds:SignatureValue").text = base64.b64encode(value).decode()
    return text(root)


def good_value() -> bytes:
    return verify(signed()).signature_value


@pytest.mark.parametrize("value", [b"", b"\0" * 64, b"\xff" * 64, b"\0" * 63, b"\0" * 65])
def test_signature_value_of_wrong_shape_is_refused(value: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        verify(with_value(value))


def test_der_signature_in_place_of_the_raw_one_is_refused() -> None:
    message = Forge()
    root = etree.fromstring(message.sign())
    signed_info = etree.tostring(find(root, ".//ds:SignedInfo"), method="c14n", exclusive=True)
    private = message.key.private
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    der = private.sign(signed_info, ec.ECDSA(hashes.SHA256()))
    find(root, ".//ds:SignatureValue").text = base64.b64encode(der).decode()
    with pytest.raises(SignatureInvalid):
        verify(text(root))


def test_second_spelling_of_an_ecdsa_signature_has_the_same_replay_key() -> None:
    envelope = signed()
    first = verify(envelope)
    r, s = first.signature_value[:32], int.from_bytes(first.signature_value[32:], "big")
    root = tree(envelope)
    mirrored = r + (P256_ORDER - s).to_bytes(32, "big")
    find(root, ".//ds:SignatureValue").text = base64.b64encode(mirrored).decode()
    second = verify(text(root))
    assert second.signature_value != first.signature_value
    assert second.replay_key == first.replay_key


def test_pss_signature_under_the_pkcs1_method_is_refused() -> None:
    key = signing_key(Algorithm.RS256)
    message = Forge(key)
    root = etree.fromstring(message.sign())
    signed_info = etree.tostring(find(root, ".//ds:SignedInfo"), method="c14n", exclusive=True)
    assert isinstance(key.private, rsa.RSAPrivateKey)
    pss = key.private.sign(signed_info, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
    find(root, ".//ds:SignatureValue").text = base64.b64encode(pss).decode()
    with pytest.raises(SignatureInvalid):
        verify(text(root), key)


def test_white_space_inside_base64_changes_nothing() -> None:
    root = tree(signed())
    value = find(root, ".//ds:SignatureValue")
    assert value.text
    value.text = "\n\t " + "\r\n".join(value.text[at : at + 16] for at in range(0, len(value.text), 16)) + " \n"
    first = verify(signed())
    assert verify(text(root)).content == first.content


def test_digest_of_another_part_is_refused() -> None:
    root = tree(signed())
    digests = root.findall(f".//{{{DS}}}DigestValue")
    digests[0].text, digests[1].text = digests[1].text, digests[0].text
    with pytest.raises(SignatureInvalid, match="does not verify"):
        verify(text(root))


def test_element_inside_a_digest_is_refused_before_it_is_canonicalised() -> None:
    root = tree(signed())
    etree.SubElement(find(root, ".//ds:DigestValue"), "{urn:evil}Long")
    with pytest.raises(SignatureInvalid, match="digest is outside"):
        verify(text(root))


def test_changed_body_is_refused_by_its_digest() -> None:
    with pytest.raises(SignatureInvalid, match="digest"):
        verify(signed().replace(b"7TESTX1", b"7TESTX9"))
