"""Documents that attack the parser, and what may stand between the letters of a signed one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from security.errors import SecurityError, SignatureInvalid, XmlRefused
from security.xml import parse
from tests.support.soap import CONTENT, Forge, signed, verify

LAUGHS = b'<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;">]><a>&y;</a>'
EXTERNAL = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>'


@pytest.mark.parametrize(
    "document",
    [
        LAUGHS,
        EXTERNAL,
        b"<!DOCTYPE a><a/>",
        b'<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><a/>',
        b"<a>&undeclared;</a>",
        "<a/>".encode("utf-16"),
        "<a/>".encode("utf-16-le"),
        "<a/>".encode("utf-16-be"),
        '<?xml version="1.0"?><a/>'.encode("utf-16-le"),
        '<?xml version="1.0"?><a/>'.encode("utf-16-be"),
        "<a/>".encode("utf-32"),
        "<a/>".encode("utf-32-be"),
        "<a/>".encode("cp500"),
        b'<?xml version="1.0" encoding="UTF-7"?>+ADw-a/+AD4-',
        b"<?xml version='1.0'\n encoding = 'UTF-16'?><a/>",
        b'<?xml version="1.0" encoding="ISO-8859-1"?><a/>',
        b"<a>\xff</a>",
        b"<a>\xc0\xbc</a>",
        b"<a>\xed\xa0\x80</a>",
        b"<a>&#0;</a>",
        b"<a>\x00</a>",
        b"<a><?php evil?></a>",
        b"<a><b/>text<?x?></a>",
        b"",
        b" ",
        b"text",
        b"<a>",
        b"<a/><b/>",
        b"<a b='1' b='2'/>",
        b"<x:a/>",
        b'<a xmlns:x="u" xmlns:y="u" x:b="1" y:b="2"/>',
    ],
)
def test_document_is_refused(document: bytes) -> None:
    with pytest.raises(XmlRefused):
        parse(document)


def test_plain_document_is_read() -> None:
    assert parse('\ufeff<?xml version="1.0" encoding="utf-8"?><a>ə</a>'.encode()).text == "ə"


def test_depth_has_a_limit() -> None:
    assert parse(b"<a>" * 100 + b"</a>" * 100).tag == "a"
    for depth in (101, 300, 100_000):
        with pytest.raises(XmlRefused):
            parse(b"<a>" * depth + b"</a>" * depth)


def test_size_has_a_limit() -> None:
    with pytest.raises(XmlRefused, match="over"):
        parse(b"<a>" + b"x" * 10_000_000 + b"</a>")
    assert parse(b"<a>xxx</a>", max_bytes=10).text == "xxx"
    with pytest.raises(XmlRefused):
        parse(b"<a>xxx</a>", max_bytes=9)


def test_text_that_only_speaks_of_a_doctype_is_refused_to_be_sure() -> None:
    with pytest.raises(XmlRefused):
        parse(b"<a><![CDATA[<!DOCTYPE a>]]></a>")


def test_signed_document_with_a_dtd_is_refused() -> None:
    with pytest.raises(XmlRefused, match="DTD"):
        verify(b"<!DOCTYPE soap>" + signed())


def test_comment_inside_a_signed_value_does_not_cut_it() -> None:
    # The canonical form has no comments, so a comment changes nothing that is signed; a reader that stops at it would.
    verified = verify(signed().replace(b"7TESTX1", b"7TE<!-- -->STX1"))
    assert verified.content == CONTENT
    assert parse(verified.content)[0].text == "7TESTX1"


def test_comment_inside_the_signed_timestamp_does_not_cut_it() -> None:
    envelope = signed().replace(b"2026-11-21T12:00", b"2026-11<!-- -->-21T12:00")
    assert verify(envelope).signed_at == verify(signed()).signed_at


def test_cdata_in_place_of_text_is_the_same_content() -> None:
    assert verify(signed().replace(b"7TESTX1", b"<![CDATA[7TESTX1]]>")).content == CONTENT


def test_processing_instruction_in_a_signed_message_is_refused() -> None:
    with pytest.raises(XmlRefused):
        verify(signed().replace(b"7TESTX1", b"7TE<?x?>STX1"))


def test_character_reference_in_place_of_a_letter_is_the_same_content() -> None:
    assert verify(signed().replace(b"7TESTX1", b"&#55;TESTX1")).content == CONTENT


def test_html_is_not_soap() -> None:
    for page in (b"<html><body>503</body></html>", b"<!DOCTYPE html><html></html>", b"502 Bad Gateway"):
        with pytest.raises(XmlRefused):
            verify(page)


def test_cut_message_is_refused() -> None:
    envelope = signed()
    for end in range(0, len(envelope), 97):
        with pytest.raises(XmlRefused):
            verify(envelope[:end])


def test_long_namespace_cannot_multiply_what_is_canonicalised() -> None:
    message = Forge()
    message.root = etree.fromstring(
        etree.tostring(message.root).replace(b"<soap:Envelope ", f'<soap:Envelope xmlns:x="urn:{"x" * 2000}" '.encode())
    )
    with pytest.raises(SignatureInvalid, match="namespace name"):
        verify(message.sign())


def test_thousands_of_inclusive_prefixes_are_refused() -> None:
    message = Forge()
    prefixes = " ".join(f"p{number}" for number in range(10_000))
    uri = "http://www.w3.org/2001/10/xml-exc-c14n#"
    inclusive = f'<ec:InclusiveNamespaces xmlns:ec="{uri}" PrefixList="{prefixes}"/>'
    message.transforms = (f'<ds:Transform Algorithm="{uri}">{inclusive}</ds:Transform>',)
    with pytest.raises(SignatureInvalid, match="too many prefixes"):
        verify(message.sign())


# --- any byte --------------------------------------------------------------------------------------------

ENVELOPE = signed(confirms=b"mine")
FIRST = verify(ENVELOPE)


def same_or_refused(envelope: bytes) -> None:
    try:
        verified = verify(envelope)
    except SecurityError:
        return
    assert verified.content == FIRST.content
    assert verified.signed_at == FIRST.signed_at
    assert verified.replay_key == FIRST.replay_key


@settings(max_examples=600, deadline=None)
@given(at=st.integers(0, len(ENVELOPE) - 1), change=st.integers(1, 255))
def test_message_with_one_byte_changed_never_proves_other_content(at: int, change: int) -> None:
    same_or_refused(ENVELOPE[:at] + bytes([ENVELOPE[at] ^ change]) + ENVELOPE[at + 1 :])


@settings(max_examples=300, deadline=None)
@given(
    at=st.integers(0, len(ENVELOPE)),
    length=st.integers(0, 40),
    put=st.sampled_from(
        [b"", b" ", b"<!-- -->", b"<![CDATA[x]]>", b"<x/>", b"&lt;", b'"', b"Id='esb-body'", b"</soap:Body>", b"<?x?>"]
    ),
)
def test_message_with_a_piece_cut_out_and_another_put_in_never_proves_other_content(
    at: int, length: int, put: bytes
) -> None:
    same_or_refused(ENVELOPE[:at] + put + ENVELOPE[at + length :])


def test_flipping_each_byte_of_the_signed_body_is_always_refused() -> None:
    content = ENVELOPE.index(CONTENT)
    for at in range(content, content + len(CONTENT)):
        with pytest.raises(SecurityError):
            verify(ENVELOPE[:at] + bytes([ENVELOPE[at] ^ 1]) + ENVELOPE[at + 1 :])
