"""Bodies that are signed and then encrypted: ours opened by xmlsec, xmlsec's opened by us, and nothing else opened."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from security.errors import CertificateRejected, DecryptionFailed, KeyUnavailable, SecurityError, SignatureMissing
from security.keys import Algorithm, SigningKey
from security.wsse import HeaderTerms, KeyReference, SoapVersion, WsseSigner, WsseVerifier
from security.xml import canonical, parse, span_of
from security.xmlenc import XENC, XENC11, ContentCipher, Decryptor, Encryptor, KeyTransport
from tests.support import xmlenc_oracle
from tests.support.keys import NOW, anchors_for, signing_key
from tests.support.soap import CONTENT, Forge, find, signed, text, tree

CIPHERS = pytest.mark.parametrize("cipher", ContentCipher)
TRANSPORTS = pytest.mark.parametrize("transport", KeyTransport)
NAMES = {"xenc": XENC}


def receiver(name: str = "receiver") -> SigningKey:
    return signing_key(Algorithm.RS256, name)


def encrypted(content: bytes = CONTENT, to: SigningKey | None = None, **how: object) -> bytes:
    certificate = (to or receiver()).certificate
    assert certificate is not None
    encryptor = Encryptor(certificate, **how)  # type: ignore[arg-type]
    return WsseSigner(signing_key(), SoapVersion.SOAP11, 300, encryptor=encryptor).sign(content, now=NOW).envelope


def opened(envelope: bytes, *keys: SigningKey) -> bytes:
    verifier = WsseVerifier(
        anchors_for(signing_key()),
        SoapVersion.SOAP11,
        clock_skew_s=30,
        max_age_s=300,
        require_confirmation=False,
        terms=HeaderTerms(encrypted=True),
        decryptor=Decryptor(keys or (receiver(),)),
    )
    return verifier.verify(envelope, now=NOW).content


@CIPHERS
@TRANSPORTS
def test_what_we_encrypt_xmlsec_opens(cipher: ContentCipher, transport: KeyTransport) -> None:
    envelope = encrypted(cipher=cipher, transport=transport)
    assert b"7TESTX1" not in envelope
    assert canonical(find(xmlenc_oracle.opened(envelope, receiver()), "soap:Body")[0]) == CONTENT


@CIPHERS
@TRANSPORTS
def test_what_xmlsec_encrypts_we_open(cipher: ContentCipher, transport: KeyTransport) -> None:
    envelope = xmlenc_oracle.encrypted(signed(), receiver(), cipher=cipher, transport=transport)
    assert b"7TESTX1" not in envelope
    assert opened(envelope) == CONTENT


REFERENCES = [each for each in KeyReference if each is not KeyReference.DIRECT]


@pytest.mark.parametrize("reference", [each for each in REFERENCES if each is not KeyReference.X509_DATA])
def test_receivers_certificate_may_be_named_in_every_way(reference: KeyReference) -> None:
    assert opened(encrypted(reference=reference)) == CONTENT


def test_message_for_an_older_key_opens_while_that_key_is_there() -> None:
    envelope = encrypted(to=receiver("older"))
    assert opened(envelope, receiver(), receiver("older")) == CONTENT
    with pytest.raises(CertificateRejected, match="not known here"):
        opened(envelope, receiver())


@settings(deadline=None)
@given(content=st.binary(max_size=300), cipher=st.sampled_from(ContentCipher))
def test_any_text_survives(content: bytes, cipher: ContentCipher) -> None:
    element = etree.Element("{urn:x}a")
    element.text = base64.b64encode(content).decode()
    assert opened(encrypted(canonical(element), cipher=cipher)) == canonical(element)


def test_namespaces_of_the_envelope_hold_inside_of_what_was_encrypted() -> None:
    message = Forge(content=b"<t:Reply><t:Pin>7TESTX1</t:Pin></t:Reply>", declared={"t": "urn:t"}).sign()
    how = {"cipher": ContentCipher.AES_256_GCM, "transport": KeyTransport.RSA_OAEP}
    envelope = xmlenc_oracle.encrypted(message, receiver(), **how)  # type: ignore[arg-type]
    assert opened(envelope) == b'<t:Reply xmlns:t="urn:t"><t:Pin>7TESTX1</t:Pin></t:Reply>'


def key_of(security: etree._Element) -> etree._Element:
    """The EncryptedKey of a security header."""
    found = security.find("xenc:EncryptedKey", NAMES)
    assert found is not None
    return found


# --- what is not opened ----------------------------------------------------------------------------------


def test_body_in_clear_is_refused_where_encryption_was_agreed_on() -> None:
    with pytest.raises(DecryptionFailed, match="not encrypted"):
        opened(signed())


def test_encrypted_body_is_refused_where_it_was_not_agreed_on() -> None:
    plain = WsseVerifier(anchors_for(signing_key()), SoapVersion.SOAP11, 30, 300, require_confirmation=False)
    with pytest.raises(SecurityError, match="outside the profile"):
        plain.verify(encrypted(), now=NOW)


def spoilt(path: str, **changes: str) -> bytes:
    root = tree(encrypted())
    found = root.find(path, NAMES)
    assert found is not None
    for name, value in changes.items():
        if name == "text":
            found.text = value
        else:
            found.set(name, value)
    return text(root)


@pytest.mark.parametrize(
    ("path", "algorithm", "words"),
    [
        (".//xenc:EncryptedKey/xenc:EncryptionMethod", f"{XENC}rsa-1_5", "RSA 1.5 key transport is refused"),
        (".//xenc:EncryptedData/xenc:EncryptionMethod", f"{XENC}aes128-cbc", "CBC encryption is refused"),
        (".//xenc:EncryptedData/xenc:EncryptionMethod", f"{XENC}aes256-cbc", "CBC encryption is refused"),
        (".//xenc:EncryptedData/xenc:EncryptionMethod", f"{XENC}tripledes-cbc", "CBC encryption is refused"),
        (".//xenc:EncryptedData/xenc:EncryptionMethod", f"{XENC11}aes192-gcm", "outside the profile"),
        (".//xenc:EncryptedKey/xenc:EncryptionMethod", f"{XENC}kw-aes256", "outside the profile"),
    ],
)
def test_old_and_foreign_algorithms_are_refused_by_name(path: str, algorithm: str, words: str) -> None:
    with pytest.raises(DecryptionFailed, match=words):
        opened(spoilt(path, Algorithm=algorithm))


def flipped(path: str, at: int) -> bytes:
    root = tree(encrypted())
    found = root.find(path, NAMES)
    assert found is not None
    assert found.text
    data = bytearray(base64.b64decode(found.text))
    data[at] ^= 1
    found.text = base64.b64encode(bytes(data)).decode()
    return text(root)


KEY_VALUE = ".//xenc:EncryptedKey/xenc:CipherData/xenc:CipherValue"
DATA_VALUE = ".//xenc:EncryptedData/xenc:CipherData/xenc:CipherValue"


def test_wrong_padding_wrong_tag_and_wrong_key_give_one_error() -> None:
    reasons = set()
    bad = [flipped(KEY_VALUE, 100), flipped(DATA_VALUE, 0), flipped(DATA_VALUE, 40), flipped(DATA_VALUE, -1)]
    bad.append(spoilt(KEY_VALUE, text="AAAA"))
    bad.append(spoilt(DATA_VALUE, text=base64.b64encode(b"\0" * 40).decode()))
    for envelope in bad:
        with pytest.raises(DecryptionFailed) as caught:
            opened(envelope)
        reasons.add(caught.value.reason)
        assert caught.value.__cause__ is None
    assert reasons == {"encrypted content does not open"}


@pytest.mark.parametrize(
    ("path", "changes", "words"),
    [
        (".//xenc:DataReference", {"URI": "#other"}, "opens something else"),
        (".//xenc:EncryptedData", {"Id": "other"}, "opens something else"),
        (".//xenc:EncryptedKey", {"Id": "other"}, "names another key"),
        (".//xenc:EncryptedData", {"Type": f"{XENC}Element"}, "outside the profile"),
        (DATA_VALUE, {"text": "AAAA"}, "outside the profile"),
    ],
)
def test_key_and_content_belong_together(path: str, changes: dict[str, str], words: str) -> None:
    with pytest.raises(DecryptionFailed, match=words):
        opened(spoilt(path, **changes))


def test_body_that_was_encrypted_first_and_signed_then_is_refused() -> None:
    root = tree(encrypted())
    security = find(root, "soap:Header/wsse:Security")
    security.append(key_of(security))
    with pytest.raises(DecryptionFailed, match="signed first"):
        opened(text(root))


def test_signature_over_the_encrypted_body_is_no_signature_over_what_it_holds() -> None:
    certificate = receiver().certificate
    assert certificate is not None
    sealed = Encryptor(certificate).encrypt(CONTENT)
    outer = tree(WsseSigner(signing_key(), SoapVersion.SOAP11, 300).sign(sealed.data, now=NOW).envelope)
    find(outer, "soap:Header/wsse:Security").insert(0, etree.fromstring(sealed.key))
    with pytest.raises(SecurityError, match="digest"):
        opened(text(outer))


def test_unsigned_content_in_a_good_encryption_is_refused() -> None:
    # Whoever has the public certificate can encrypt: only the signature says who spoke.
    certificate = receiver().certificate
    assert certificate is not None
    sealed = Encryptor(certificate).encrypt(CONTENT.replace(b"7TESTX1", b"7TESTX9"))
    root = tree(encrypted())
    security, body = find(root, "soap:Header/wsse:Security"), find(root, "soap:Body")
    security.replace(key_of(security), etree.fromstring(sealed.key))
    body.replace(body[0], etree.fromstring(sealed.data))
    with pytest.raises(SecurityError, match="digest"):
        opened(text(root))


@pytest.mark.parametrize("extra", ["<a/>", "</r:Reply><r:Reply xmlns:r='urn:x'>", "<!DOCTYPE a>", "&x;", "]]>"])
def test_encrypted_markup_cannot_change_the_message_around_it(extra: str) -> None:
    certificate = receiver().certificate
    assert certificate is not None
    root = tree(encrypted())
    sealed = Encryptor(certificate).encrypt(CONTENT + extra.encode())
    security, body = find(root, "soap:Header/wsse:Security"), find(root, "soap:Body")
    security.replace(key_of(security), etree.fromstring(sealed.key))
    body.replace(body[0], etree.fromstring(sealed.data))
    with pytest.raises(SecurityError):
        opened(text(root))


def test_encrypted_signature_is_refused_with_the_advice_to_encrypt_the_body_alone() -> None:
    root = tree(encrypted())
    etree.SubElement(find(root, "soap:Header/wsse:Security"), f"{{{XENC}}}EncryptedData")
    with pytest.raises(DecryptionFailed, match="encrypt the body alone"):
        opened(text(root))


def test_second_encrypted_key_is_refused() -> None:
    root = tree(encrypted())
    security = find(root, "soap:Header/wsse:Security")
    security.insert(0, etree.fromstring(etree.tostring(key_of(security))))
    with pytest.raises(DecryptionFailed, match="one encrypted key"):
        opened(text(root))


def test_message_without_security_header_is_unsigned() -> None:
    root = tree(encrypted())
    header = find(root, "soap:Header")
    header.clear()
    with pytest.raises(SignatureMissing):
        opened(text(root))


def test_nothing_opens_without_a_key() -> None:
    verifier = WsseVerifier(
        anchors_for(signing_key()),
        SoapVersion.SOAP11,
        30,
        300,
        require_confirmation=False,
        terms=HeaderTerms(encrypted=True),
    )
    with pytest.raises(KeyUnavailable, match="no RSA key"):
        verifier.verify(encrypted(), now=NOW)


def test_certificate_that_cannot_encrypt_is_refused_at_load() -> None:
    certificate = signing_key().certificate
    assert certificate is not None
    with pytest.raises(KeyUnavailable, match="RSA key of at least 2048 bits"):
        Encryptor(certificate)


# --- where an element stands -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "path", "expected"),
    [
        (b"<a><b/><c>x</c></a>", [1], b"<c>x</c>"),
        (b"<a><b/><c>x</c></a>", [0], b"<b/>"),
        (b"<a><b x='>' y=\"/b>'\"><c/></b ></a>", [0], b"<b x='>' y=\"/b>'\"><c/></b >"),
        (b"<a><!-- <b> --><![CDATA[<b></b>]]><b\n>y</b></a>", [0], b"<b\n>y</b>"),
        (b'<?xml version="1.0"?>\n<!-- <x> -->\n<a ><b>1</b><b>2<d/></b></a >', [1, 0], b"<d/>"),
        (b"<a/>", [], b"<a/>"),
        (b"\xef\xbb\xbf<a>\xc6\x8f<b>\xc4\xb0</b></a>", [0], b"<b>\xc4\xb0</b>"),
    ],
)
def test_span_gives_the_bytes_of_an_element_as_they_were_written(
    document: bytes, path: list[int], expected: bytes
) -> None:
    parse(document)
    start, end = span_of(document, path)
    assert document[start:end] == expected


@pytest.mark.parametrize("path", [[2], [0, 0], [-1]])
def test_span_of_no_element_is_refused(path: list[int]) -> None:
    with pytest.raises(SecurityError, match="no such element"):
        span_of(b"<a><b/><c>x</c></a>", path)
