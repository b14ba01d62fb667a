"""SOAP replies in the encodings of older systems."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from esb.errors import AgencyFault, ReplyInvalid
from esb.ports import RawAnswer
from tests.support.soap_dialects import RECORDS, running, written, wsdl

NAMED = RECORDS.replace("found: {Debt: $record.Debt}", "found: {Debt: $record.Debt, Message: 'Müşteri çıxışı'}")
ASKED = {"Pin": "7TESTX1"}
ENCODINGS = ["ISO-8859-9", "windows-1254", "utf-16"]


def turned(raw: RawAnswer, encoding: str, *, declared: bool, charset: str = "", status: int = 200) -> RawAnswer:
    """The same reply as a server of this encoding writes it."""
    head = f'<?xml version="1.0" encoding="{encoding}"?>\n' if declared else ""
    content_type = f"text/xml; charset={charset}" if charset else "text/xml"
    body = (head + raw.body.decode()).encode(encoding)
    return RawAnswer(http_status=status, headers={**raw.headers, "content-type": content_type}, body=body)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("authentication", ["none", "wsse-x509"])
async def test_reply_in_another_encoding_is_proven_and_read(tmp_path: Path, authentication: str, encoding: str) -> None:
    settings = written(tmp_path, manifest="", records=NAMED, authentication=authentication)
    async with running(settings) as asking:
        call = asking.called(ASKED)
        raw = await asking.sent(call)
        replies = [turned(raw, encoding, declared=True), turned(raw, encoding, declared=False, charset=encoding)]
        for reply in [*replies, turned(raw, encoding, declared=True, charset=encoding)]:
            if authentication == "none":
                data = asking.operation().decode(asking.proven(reply, call)).data
                assert (data["Debt"], data["Message"]) == (Decimal("12.50"), "Müşteri çıxışı")
            else:
                assert asking.proven(reply, call).content == asking.proven(raw, call).content


async def test_reply_whose_header_and_declaration_contradict_is_refused(tmp_path: Path) -> None:
    async with running(written(tmp_path, manifest="", records=NAMED, authentication="none")) as asking:
        call = asking.called(ASKED)
        raw = await asking.sent(call)
        with pytest.raises(ReplyInvalid, match="Content-Type says utf-8 and the document another encoding"):
            asking.proven(turned(raw, "windows-1254", declared=True, charset="utf-8"), call)
        with pytest.raises(ReplyInvalid, match="Content-Type says iso-8859-1 and the document is UTF-8"):
            asking.proven(turned(raw, "utf-8", declared=False, charset="iso-8859-1"), call)
        with pytest.raises(AgencyFault, match="HTTP 503"):
            asking.proven(turned(raw, "windows-1254", declared=True, charset="utf-8", status=503), call)


@pytest.mark.parametrize("inner", ["text/xml", "text/xml; charset=windows-1254"])
async def test_envelope_of_a_package_has_an_encoding_of_its_own(tmp_path: Path, inner: str) -> None:
    settings = written(tmp_path, manifest="", contract=wsdl(), records=NAMED, authentication="none")
    async with running(settings) as asking:
        call = asking.called(ASKED)
        raw = turned(await asking.sent(call), "windows-1254", declared="charset" not in inner)
        body = b"--b\r\nContent-Type: " + inner.encode() + b"\r\n\r\n" + raw.body + b"\r\n--b--\r\n"
        package = RawAnswer(
            http_status=200,
            headers={"content-type": 'multipart/related; type="text/xml"; charset=utf-8; boundary=b'},
            body=body,
        )
        data = asking.operation().decode(asking.proven(package, call)).data
    assert data["Message"] == "Müşteri çıxışı"
