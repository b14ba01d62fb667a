"""XML in other encodings than UTF-8."""

from __future__ import annotations

import pytest

from security.encodings import in_utf8
from security.errors import XmlRefused
from security.xml import parse
from tests.support.soap import CONTENT, signed, verify

CYRILLIC = ("windows-1251", "iso-8859-5", "koi8-r", "cp866")
TURKISH = ("iso-8859-9", "windows-1254")


def word_for(encoding: str) -> str:
    return "Лицо" if encoding in CYRILLIC else "Şəxs" if encoding.startswith("utf") else "Şəxs".replace("ə", "e")


def document(encoding: str, *, declared: bool = True) -> bytes:
    said = f' encoding="{encoding}"' if declared else ""
    return f'<?xml version="1.0"{said} standalone="yes"?><a>{word_for(encoding)}</a>'.encode(encoding)


@pytest.mark.parametrize("encoding", [*CYRILLIC, *TURKISH, "utf-16", "utf-16-le", "utf-16-be", "utf-8", "utf-8-sig"])
def test_declared_encoding_is_read(encoding: str) -> None:
    content = document(encoding.removesuffix("-sig"))
    content = b"\xef\xbb\xbf" + content if encoding == "utf-8-sig" else content
    assert parse(in_utf8(content)).text == word_for(encoding)


@pytest.mark.parametrize("encoding", [*CYRILLIC, *TURKISH])
def test_encoding_that_only_the_content_type_names_is_read(encoding: str) -> None:
    for quote in ("", '"'):
        content_type = f"text/xml; Charset={quote}{encoding.upper()}{quote}; action=x"
        for content in (document(encoding, declared=False), f"<a>{word_for(encoding)}</a>".encode(encoding)):
            assert parse(in_utf8(content, content_type)).text == word_for(encoding)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_may_be_named_by_both(encoding: str) -> None:
    for charset in ("utf-16", "UTF-16LE", "utf-16be"):
        assert parse(in_utf8(document(encoding), f"text/xml;charset={charset}")).text == "Şəxs"


def test_byte_order_mark_suffices() -> None:
    assert parse(in_utf8("<a>ə</a>".encode("utf-16"))).text == "ə"


def test_names_of_one_encoding_do_not_contradict() -> None:
    content = document("windows-1251").replace(b"windows-1251", b"cp1251")
    assert parse(in_utf8(content, "text/xml; charset=windows-1251")).text == "Лицо"
    assert in_utf8(b"<a/>", "text/xml; charset=us-ascii") == b"<a/>"
    utf_8 = '<?xml version="1.0" encoding="UTF8"?><a>ə</a>'.encode()
    assert in_utf8(utf_8, "text/xml; charset=utf-8") is utf_8


@pytest.mark.parametrize(
    ("content", "charset"),
    [
        (document("windows-1251"), "utf-8"),
        (document("windows-1251"), "windows-1254"),
        (document("utf-8"), "iso-8859-9"),
        (document("utf-16"), "utf-8"),
        (b"\xef\xbb\xbf<a/>", "iso-8859-1"),
        (b'<?xml version="1.0" encoding="utf-7"?><a/>', "iso-8859-1"),
    ],
)
def test_contradiction_is_refused(content: bytes, charset: str) -> None:
    with pytest.raises(XmlRefused, match=f"Content-Type says {charset} and the document another encoding"):
        in_utf8(content, f"text/xml; charset={charset}")


def test_charset_that_is_only_the_default_of_a_server_spoils_no_letters() -> None:
    with pytest.raises(XmlRefused, match="Content-Type says iso-8859-1 and the document is UTF-8"):
        in_utf8("<a>Əliyeva</a>".encode(), "text/xml;charset=ISO-8859-1")
    assert in_utf8(b"<a>Aliyeva</a>", "text/xml;charset=ISO-8859-1") == b"<a>Aliyeva</a>"


@pytest.mark.parametrize("charset", ["utf-7", "utf-32", "cp037", "rot13", "x", "utf-8;charset=windows-1251"])
def test_charset_outside_of_the_list_is_refused(charset: str) -> None:
    with pytest.raises(XmlRefused, match="an encoding that is not read"):
        in_utf8(b"<a/>", f"text/xml; charset={charset}")


@pytest.mark.parametrize("encoding", ["utf-7", "cp037", "rot13", "idna", "utf-32"])
def test_declared_encoding_outside_of_the_list_is_left_to_the_parser_that_refuses_it(encoding: str) -> None:
    content = f'<?xml version="1.0" encoding="{encoding}"?><a/>'.encode()
    assert in_utf8(content) is content
    with pytest.raises(XmlRefused, match="only UTF-8"):
        parse(in_utf8(content))


@pytest.mark.parametrize(
    "content",
    [
        b'<?xml version="1.0" encoding="windows-1252"?><a>\x81</a>',
        b'<?xml version="1.0" encoding="iso-8859-12"?><a/>',
        b"\xff\xfe<\x00a",
        b'<?xml version="1.0" encoding="utf-16"?><a/>',
        b"\xff\xfe\x00\xd8/\x00",
    ],
)
def test_bytes_that_are_not_what_they_say_are_refused(content: bytes) -> None:
    with pytest.raises(XmlRefused, match="though it says so"):
        in_utf8(content)


def test_utf_16_of_a_header_alone_needs_its_mark() -> None:
    with pytest.raises(XmlRefused, match="document is not utf-16"):
        in_utf8(b"<a/>", "text/xml; charset=utf-16")


def test_dtd_cannot_hide_in_another_encoding() -> None:
    content = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "ha">]><a>&x;</a>'
    for hidden in (content.encode("utf-16"), content.encode("utf-16-le")):
        with pytest.raises(XmlRefused, match="DTD"):
            parse(in_utf8(hidden))


def test_declaration_inside_of_a_text_stays() -> None:
    inner = '<?xml version="1.0" encoding="windows-1251"?>'
    content = f"<a><![CDATA[{inner}<b/>]]></a>"
    assert parse(in_utf8(content.encode("utf-16"))).text == f"{inner}<b/>"
    assert in_utf8(content.encode()) == content.encode()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_signed_message_in_another_encoding_verifies(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="utf-16"?>{signed().decode()}'
    assert verify(in_utf8(text.encode(encoding))).content == CONTENT
