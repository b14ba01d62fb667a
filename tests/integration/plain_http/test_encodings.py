"""XML over HTTP in the encodings of older systems, under each way of proving."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.http_proof import HttpSignatures
from esb.errors import AgencyFault, ReplyInvalid
from esb.ports import AgencyAnswer, OutgoingCall, RawAnswer
from security.httpsig import HttpSigner, HttpVerifier
from tests.integration.plain_http.test_xml import VALUES, agency
from tests.support.plain_http import PlainAgency, running
from tests.support.soap_agency import NOW, certified_key

NAME = "AskHeating"


def turned(raw: RawAnswer, encoding: str, *, charset: str = "", status: int = 200) -> RawAnswer:
    """The same reply as a server of this encoding writes it; with `charset` it is the header alone that says so."""
    head = f'<?xml version="1.0" encoding="{encoding}"?>' if charset in {"", "utf-8"} else ""
    content_type = f"application/xml; charset={charset}" if charset else "application/xml"
    body = (head + raw.body.decode()).encode(encoding)
    return RawAnswer(http_status=status, headers={**raw.headers, "content-type": content_type}, body=body)


async def read(
    there: PlainAgency, encoding: str, *, pin: str = "7TESTX1", charset: str = "", status: int = 0
) -> AgencyAnswer:
    """One call whose reply is turned on its way."""
    operation, now = there.operation(NAME), datetime.now(UTC)
    document = operation.encode({"body": {"Pin": pin}})
    call = operation.sign(document, message_id="m", traceparent=None, now=now)
    raw = await operation.send(call, timeout_s=10)
    reply = turned(raw, encoding, charset=charset, status=status or raw.http_status)
    return operation.decode(operation.verify(reply, call, now=now))


@pytest.mark.parametrize("authentication", ["none", "xmldsig"])
async def test_document_in_another_encoding_is_proven_and_read(tmp_path: Path, authentication: str) -> None:
    async with running(agency(tmp_path, authentication)) as there:
        plain = await there.ask(NAME, {"body": VALUES[NAME]["body"]})
        for encoding in ("windows-1254", "ISO-8859-9", "utf-16"):
            assert (await read(there, encoding)).data == plain.data
            assert (await read(there, encoding, charset=encoding)).data == plain.data


async def test_words_of_an_error_keep_their_letters(tmp_path: Path) -> None:
    async with running(agency(tmp_path)) as there:
        with pytest.raises(Exception, match=r"HTTP 422|BUSINESS") as caught:
            await read(there, "utf-16", pin="7TESTXB", status=422)
    assert vars(caught.value)["agency_message"] == "Bağlıdır"


@pytest.mark.parametrize("authentication", ["none", "xmldsig"])
async def test_contradiction_is_the_agencys_fault(tmp_path: Path, authentication: str) -> None:
    async with running(agency(tmp_path, authentication)) as there:
        with pytest.raises(ReplyInvalid, match="HTTP 200: Content-Type says utf-8 and the document another encoding"):
            await read(there, "windows-1254", charset="utf-8")
        with pytest.raises(AgencyFault, match="HTTP 503"):
            await read(there, "windows-1254", charset="utf-8", status=503)


def test_signature_over_bytes_is_proven_before_they_are_turned() -> None:
    proof = HttpSignatures(
        agency="heat",
        signer=None,
        verifier=HttpVerifier([certified_key("agency").verifying()], clock_skew_s=30, max_age_s=300),
        missing="",
        claim_life_s=330,
    )
    body = '<?xml version="1.0" encoding="windows-1251"?><a>Лицо</a>'.encode("windows-1251")
    headers = {"content-type": "text/xml; charset=windows-1251"}
    call = OutgoingCall(method="POST", url="http://127.0.0.1:9/", headers={}, body=b"", proof=b"request")
    signature = HttpSigner(certified_key("agency")).sign_response(
        status=200, headers=headers, body=body, now=NOW, request_signature=call.proof
    )
    raw = RawAnswer(http_status=200, headers={**headers, **signature}, body=body)
    assert proof.verify(raw, call, now=NOW).content == '<?xml version="1.0"?><a>Лицо</a>'.encode()
