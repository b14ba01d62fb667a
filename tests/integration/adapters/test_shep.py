"""Agencies behind a gateway like SHEP: its SendMessage envelope around documents of an XSD, both channels."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from lxml import etree

from adapters.shep import ASYNC, SYNC
from esb.errors import AgencyFault, AgencyRejected, ContractUnsupported, ReplyUnproven
from esb.settings import Settings
from tests.support.soap_dialects import MESSAGE_ID, running, written

XSD = """\
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:az:gov:heat:v1"
    elementFormDefault="qualified">
  <xs:element name="AskDebt"><xs:complexType><xs:sequence><xs:element name="Pin" type="xs:string"/></xs:sequence>
    </xs:complexType></xs:element>
  <xs:element name="DebtReply"><xs:complexType><xs:sequence><xs:element name="Debt" type="xs:decimal"/></xs:sequence>
    </xs:complexType></xs:element>
</xs:schema>
"""
OPERATIONS = "  operations: {GetDebt: {request: AskDebt, reply: DebtReply}}\n"
SHEP = """\
shep:
  sender: ESB
  services: {{GetDebt: HEAT_DEBT}}
  route: BAKU
  password: gateway-password
  properties: {{region: AZ-BA}}
{more}
"""
WSSE = "wsse: {key_reference: certificate, timestamp: false}\nsignature: {confirmation: false}\n"
INNER = "inner_signature: {element: response/responseData/data/*}\n"
INNER_TEXT = "inner_signature: {element: response/responseData/data}\n"
RECORDS = """\
tables:
  debts: {7TESTX1: {Debt: 12.50}}
operations:
  GetDebt:
    key: Pin
    table: debts
    found: {Debt: $record.Debt}
    missing: {document: {$status: SCSE001, message: "məlumat yoxdur"}}
    special:
      7TESTXB: {document: {$status: SBF-VE-8, message: "imtina"}}
      7TESTXC:
        raw: >-
          <f:Fault xmlns:f="http://schemas.xmlsoap.org/soap/envelope/"><faultcode>f:Server</faultcode>
          <faultstring>xəta</faultstring><detail><t:SendMessageFault xmlns:t="http://bip.bee.kz/SyncChannel/v10/Types">
          <errorCode>SCE013</errorCode><errorMessage>göndərilmədi</errorMessage><errorDate>2026-11-21T12:00:00Z</errorDate>
          <subError><errorCode>VAL-R-004</errorCode><errorMessage>x</errorMessage><errorDate>2026-11-21T12:00:00Z</errorDate>
          <subError><errorCode>FAULT-015</errorCode><errorMessage>y</errorMessage><errorDate>2026-11-21T12:00:00Z</errorDate>
          </subError></subError></t:SendMessageFault></detail></f:Fault>
"""
FAULTS = "faults: {not_found: [SCSE001], rejected: [SBF-*]}\n"


def settings_of(folder: Path, more: str = "", *, shep: str = "", authentication: str = "wsse-x509") -> Settings:
    wsse = WSSE if authentication == "wsse-x509" else ""
    manifest = SHEP.format(more=shep) + wsse + FAULTS + more
    return written(
        folder,
        manifest=manifest,
        records=RECORDS,
        authentication=authentication,
        files={"heat.xsd": XSD},
        file="heat.xsd",
        contract_lines=OPERATIONS,
    )


FORMS = pytest.mark.parametrize("data", ["element", "text"])


@FORMS
@pytest.mark.parametrize("authentication", ["wsse-x509", "none"])
async def test_document_goes_in_the_gateways_envelope_and_comes_back_in_it(
    tmp_path: Path, data: str, authentication: str
) -> None:
    async with running(settings_of(tmp_path, shep=f"  data: {data}\n", authentication=authentication)) as asking:
        assert (await asking.ask()).data == {"Debt": Decimal("12.50")}
        call = asking.called({"Pin": "7TESTX1"})
        assert call.headers["SOAPAction"] == '""'
        (sent,) = etree.fromstring(call.body)[-1]
        raw = await asking.sent(call)
        (reply,) = etree.fromstring(raw.body)[-1]
        password = (tmp_path / "home" / "secrets" / "heat" / "gateway-password").read_text()
    assert sent.tag == f"{{{SYNC}}}SendMessage"
    info = sent.find("request/requestInfo")
    assert info is not None
    assert [child.tag for child in info] == ["messageId", "serviceId", "messageDate", "routeId", "sender", "properties"]
    assert (info.findtext("messageId"), info.findtext("serviceId")) == (MESSAGE_ID, "HEAT_DEBT")
    assert [info.findtext(f"sender/{name}") for name in ("senderId", "password")] == ["ESB", password]
    assert [info.findtext(f"properties/{name}") for name in ("key", "value")] == ["region", "AZ-BA"]
    document = sent.find("request/requestData/data")
    assert document is not None
    assert len(document) == (data == "element")
    assert reply.findtext("response/responseInfo/messageId") == MESSAGE_ID
    assert reply.findtext("response/responseInfo/status/code") == "SCSS001"


async def test_status_of_the_gateway_is_no_record_or_a_refusal(tmp_path: Path) -> None:
    async with running(settings_of(tmp_path)) as asking:
        assert not (await asking.ask("7TESTX9")).found
        with pytest.raises(AgencyRejected) as caught:
            await asking.ask("7TESTXB")
        assert (caught.value.agency_code, caught.value.agency_message) == ("SBF-VE-8", "imtina")


async def test_error_inside_of_an_error_becomes_a_chain(tmp_path: Path) -> None:
    async with running(settings_of(tmp_path)) as asking:
        with pytest.raises(AgencyFault) as caught:
            await asking.ask("7TESTXC")
        assert caught.value.agency_code == "SCE013"
        assert caught.value.causes == ("VAL-R-004", "FAULT-015")
        assert caught.value.agency_message == "göndərilmədi"


async def test_wrong_password_is_refused_by_the_gateway(tmp_path: Path) -> None:
    async with running(settings_of(tmp_path, authentication="none")) as asking:
        call = asking.called({"Pin": "7TESTX1"})
        spoilt = call.body.replace(b"<senderId>ESB<", b"<senderId>EVE<")
        await asking.sent(type(call)(method="POST", url=call.url, headers=call.headers, body=spoilt))
        assert asking.simulator.refusals == {"Client.Sender": 1}


@pytest.mark.parametrize(("data", "inner"), [("element", INNER), ("text", INNER_TEXT)])
async def test_document_signed_by_the_agency_is_proven_and_kept_byte_for_byte(
    tmp_path: Path, data: str, inner: str
) -> None:
    settings = settings_of(tmp_path, inner, shep=f"  data: {data}\n  sign_document: true\n")
    async with running(settings) as asking:
        assert (await asking.ask()).data == {"Debt": Decimal("12.50")}
        call = asking.called({"Pin": "7TESTX1"})
        raw = await asking.sent(call)
        (evidence,) = asking.proven(raw, call).evidence
        assert b"SignatureValue" in evidence.content
        if data == "element":
            assert evidence.content in raw.body
        assert evidence.name == inner.partition("element: ")[2].strip("}\n")
        spoilt = raw.body.replace(b"12.50", b"12.60")
        with pytest.raises(ReplyUnproven):
            asking.proven(type(raw)(http_status=200, headers=raw.headers, body=spoilt), call)


async def test_inner_signature_is_verified_even_where_the_envelope_has_none(tmp_path: Path) -> None:
    async with running(settings_of(tmp_path, INNER, authentication="none")) as asking:
        call = asking.called({"Pin": "7TESTX1"})
        raw = await asking.sent(call)
        assert asking.proven(raw, call).evidence
        for old, new in ((b"12.50", b"12.60"), (b"Signature", b"Segnature")):
            spoilt = type(raw)(http_status=200, headers=raw.headers, body=raw.body.replace(old, new))
            with pytest.raises(ReplyUnproven):
                asking.proven(spoilt, call)


async def test_missing_document_is_refused_only_where_it_is_required(tmp_path: Path) -> None:
    async with running(settings_of(tmp_path, INNER)) as asking:
        with pytest.raises(ReplyUnproven, match="no document at response/responseData/data"):
            await asking.ask("7TESTX9")
    optional = INNER.replace("}", ", required: false}")
    async with running(settings_of(tmp_path / "2", optional)) as asking:
        assert not (await asking.ask("7TESTX9")).found


async def test_document_of_a_request_carries_a_signature_of_its_own(tmp_path: Path) -> None:
    async with running(settings_of(tmp_path, shep="  sign_document: true\n")) as asking:
        call = asking.called({"Pin": "7TESTX1"})
        document = etree.fromstring(call.body).find(".//{urn:az:gov:heat:v1}AskDebt")
        assert document is not None
        assert document[-1].tag.endswith("}Signature")
        assert (await asking.ask()).found


async def test_asynchronous_channel_gives_a_receipt_and_the_answer_is_fetched(tmp_path: Path) -> None:
    async with running(settings_of(tmp_path, shep="  channel: async\n")) as asking:
        receipt = await asking.ask()
        assert set(receipt.data) == {"messageId", "correlationId"}
        body = etree.fromstring(asking.called({"Pin": "7TESTX1"}).body)
        info = body.find(f".//{{{ASYNC}}}sendMessage/request/messageInfo")
        assert info is not None
        assert (info.findtext("messageType"), info.find("messageId")) == ("REQUEST", None)
        operation = asking.operation("GetDebt.answer")
        for key, expected in ((receipt.data["correlationId"], True), ("unknown", False)):
            call = asking.called({"correlationId": key}, "GetDebt.answer")
            proven = asking.proven(await asking.sent(call, "GetDebt.answer"), call, "GetDebt.answer")
            if expected:
                assert operation.decode(proven).data == {"Debt": Decimal("12.50")}
            else:
                with pytest.raises(AgencyFault) as caught:
                    operation.decode(proven)
                assert caught.value.agency_code == "NO_MESSAGE"


async def test_operation_without_service_is_refused_at_load(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    manifest = tmp_path / "adapters" / "heat" / "adapter.yaml"
    manifest.write_text(manifest.read_text().replace("{GetDebt: HEAT_DEBT}", "{Other: HEAT_DEBT}"))
    with pytest.raises(ContractUnsupported, match="no service id for GetDebt"):
        async with running(settings):
            pass
