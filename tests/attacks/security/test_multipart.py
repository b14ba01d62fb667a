"""Packages around an envelope that could be read in two ways, cost too much, or refer to what is not there."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import attachments, multipart
from adapters.attachments import XOP, XOP_TYPE
from adapters.multipart import Part
from esb.errors import ContractViolation
from security.errors import SecurityError
from security.wsse import SoapVersion

TYPE = f'multipart/related; type="{XOP_TYPE}"; start="<root>"; boundary="b"'
ROOT_HEAD = b'Content-Type: application/xop+xml; type="text/xml"\r\nContent-ID: <root>\r\n\r\n'


def include(identity: str = "a") -> bytes:
    return f'<x:Include xmlns:x="{XOP}" href="cid:{identity}"/>'.encode()


def package(*pieces: bytes, root: bytes | None = None, end: bytes = b"--b--\r\n") -> bytes:
    whole = root if root is not None else b"<e><f>" + include() + b"</f></e>"
    return b"".join(b"--b\r\n" + piece + b"\r\n" for piece in (ROOT_HEAD + whole, *pieces)) + end


def part(identity: str = "a", content: bytes = b"\x00\xff", more: bytes = b"") -> bytes:
    return f"Content-ID: <{identity}>\r\n".encode() + more + b"\r\n" + content


def opened(body: bytes, content_type: str = TYPE) -> bytes:
    return attachments.opened(content_type, body)[0]


def test_part_comes_into_its_place_as_base64() -> None:
    assert opened(package(part())) == b"<e><f>AP8=</f></e>"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (package(), "refers to a part that is not there"),
        (package(part(), part()), "two parts have one Content-ID"),
        (package(part(), part("spare")), "meant by nobody"),
        (package(part(), root=b"<e><f>" + include() + b"</f><g>" + include() + b"</g></e>"), "meant already"),
        (package(part(), root=b"<e><f>x" + include() + b"</f></e>"), "stand alone"),
        (package(part(), root=b"<e><f>" + include() + b"<y/></f></e>"), "stand alone"),
        (package(part(), root=include()), "stand alone"),
        (package(part(), root=b"<e><f>" + include().replace(b"cid:", b"http://127.0.0.1/") + b"</f></e>"), "not there"),
        (
            package(part(), root=b"<e><f>" + include().replace(b"cid:a", b"file:///etc/passwd") + b"</f></e>"),
            "not there",
        ),
        (b"preamble\r\n" + package(part()), "does not begin"),
        (package(part(), end=b"--b--\r\nafter"), "does not end"),
        (package(part(), end=b""), "does not end"),
        (package(part(), end=b"--b\r\n"), "does not end"),
        (package(part()).replace(b"\r\n", b"\n"), "does not begin"),
        (package(part(more=b"Content-ID: <b>\r\n")), "there twice"),
        (package(part(more=b"X-Folded: a\r\n b\r\n")), "cannot be read"),
        (package(part(more=b"no colon\r\n")), "cannot be read"),
        (package(part(more=b"".join(b"X-%d: a\r\n" % n for n in range(20)))), "too many headers"),
        (package(part(more=b"X: " + b"a" * 5000 + b"\r\n")), "or too many"),
        (package(part(more=b"Content-Transfer-Encoding: quoted-printable\r\n")), "is not read"),
        (package(part(content=b"!!!", more=b"Content-Transfer-Encoding: base64\r\n")), "is not base64"),
        (package(b"Content-ID: a\r\n\r\nx"), "Content-ID cannot be read"),
        (package(*(part(str(n)) for n in range(100))), "more than 64 parts"),
        (b"", "does not begin"),
    ],
)
def test_ambiguous_and_broken_packages_are_refused(body: bytes, words: str) -> None:
    with pytest.raises(ContractViolation, match=words):
        opened(body)


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/related",
        "multipart/related; boundary=",
        'multipart/related; boundary="b"; boundary="c"',
        "multipart/related; boundary=" + "b" * 80,
        'multipart/related; boundary="b\r\nX: y"',
        'multipart/related; boundary="b" junk',
        'multipart/related; boundary="b"; start="<elsewhere>"',
    ],
)
def test_content_type_that_cannot_be_relied_on_is_refused(content_type: str) -> None:
    with pytest.raises(ContractViolation):
        opened(package(part()), content_type)


def test_envelope_in_a_package_is_read_by_the_same_hardened_parser() -> None:
    with pytest.raises(SecurityError, match="DTD"):
        opened(package(part(), root=b'<!DOCTYPE e [<!ENTITY x "y">]><e>&x;</e>'))


@settings(deadline=None)
@given(contents=st.lists(st.binary(min_size=1500, max_size=3000), max_size=4), text=st.text("ab\r\n-=", max_size=40))
def test_what_is_packed_comes_back_the_same(contents: list[bytes], text: str) -> None:
    inner = "".join(f"<f>{base64.b64encode(content).decode()}</f>" for content in contents)
    escaped = text.replace("\r", "&#xD;")
    soap = SoapVersion.SOAP11.namespace
    envelope = f'<s:Envelope xmlns:s="{soap}"><s:Body><e>{inner}<t>{escaped}</t></e></s:Body></s:Envelope>'.encode()
    content_type, body = attachments.packed(envelope, SoapVersion.SOAP11, "")
    assert len(multipart.read(content_type, body).parts) == len(contents)
    assert opened(body, content_type) == envelope.replace(b"&#xD;", b"&#13;").replace(b"<t></t>", b"<t/>").replace(
        b"<e></e>", b"<e/>"
    )


def test_text_that_only_looks_like_base64_comes_back_letter_for_letter() -> None:
    soap = SoapVersion.SOAP11.namespace
    for looks in ("A" * 2001, "A" * 2000 + "=" * 4, "QUJD" * 500, "A" * 1999 + "B="):
        envelope = f'<s:Envelope xmlns:s="{soap}"><s:Body><e>{looks}</e></s:Body></s:Envelope>'.encode()
        content_type, body = attachments.packed(envelope, SoapVersion.SOAP11, "")
        assert opened(body, content_type) == envelope


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_fail_in_another_way(body: bytes) -> None:
    with pytest.raises((ContractViolation, SecurityError)):
        opened(b"--b\r\n" + body)


@pytest.mark.parametrize("text", ["", "data:,x", "data:a/b;base64,!", "data:a/b;base64,QQ", "data:a/b;base64,QR=="])
def test_values_that_are_no_data_uris_are_refused(text: str) -> None:
    with pytest.raises(ContractViolation, match="data: URI"):
        attachments.part_of(text, "x")


def test_data_uri_is_the_part() -> None:
    made = attachments.part_of("data:application/pdf;base64,QUI=", "x")
    assert made == Part(id="x@esb", media_type="application/pdf", content=b"AB")
    assert attachments.data_uri(made) == "data:application/pdf;base64,QUI="
