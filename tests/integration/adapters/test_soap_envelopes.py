"""Headers, styles and packages of SOAP between the bus and a running agency."""

from __future__ import annotations

import base64
import hashlib
from decimal import Decimal
from pathlib import Path

import pytest
from lxml import etree

from adapters import multipart
from adapters.addressing import WSA
from adapters.xroad import XROAD
from esb.errors import ReplyInvalid, ReplyUnproven, RequestUnencodable, RoutesInvalid
from security.wsse import SoapVersion
from tests.support.soap_dialects import HEAT, NAMESPACE, ORIGIN, RECORDS, running, written, wsdl

DEBT = {"Debt": Decimal("12.50"), "Bill": []}
X_ROAD = "x_road: {client: AZ/GOV/1000001/esb, service: AZ/GOV/1000002/heat}\n"
SIGNED_OR_NOT = pytest.mark.parametrize(
    ("authentication", "wsse"),
    [("none", ""), ("wsse-x509", ""), ("wsse-x509", "wsse: {sign_headers: [addressing, x-road, contract]}\n")],
    ids=["unsigned", "body signed", "headers signed"],
)


def header_of(body: bytes, tag: str) -> list[etree._Element]:
    """Header blocks of an envelope."""
    return etree.fromstring(body)[0].findall(tag)


# --- X-Road and WS-Addressing ----------------------------------------------------------------------------


@SIGNED_OR_NOT
async def test_x_road_headers_say_who_asks_for_whom(tmp_path: Path, authentication: str, wsse: str) -> None:
    settings = written(tmp_path, manifest=X_ROAD + wsse, authentication=authentication)
    async with running(settings) as asking:
        assert (await asking.ask()).data == DEBT
        body = asking.called({"Pin": "7TESTX1"}, origin=ORIGIN).body
    texts = {name: [each.text for each in header_of(body, f"{{{XROAD}}}{name}")] for name in ("userId", "issue")}
    assert texts == {"userId": ["AZ7TESTX1"], "issue": ["VEM-2026-000017"]}
    (service,) = header_of(body, f"{{{XROAD}}}service")
    assert [child.text for child in service] == ["AZ", "GOV", "1000002", "heat", "GetDebt"]
    assert [child.text for child in header_of(body, f"{{{XROAD}}}client")[0]] == ["AZ", "GOV", "1000001", "esb"]


@pytest.mark.parametrize("name", ["id", "client", "service", "userId", "protocolVersion"])
async def test_reply_must_repeat_the_x_road_headers(tmp_path: Path, name: str) -> None:
    async with running(written(tmp_path, manifest=X_ROAD, authentication="none")) as asking:
        call = asking.called({"Pin": "7TESTX1"}, origin=ORIGIN)
        raw = await asking.sent(call)
        root = etree.fromstring(raw.body)
        block = root[0].find(f"{{{XROAD}}}{name}")
        assert block is not None
        root[0].remove(block)
        gone = type(raw)(http_status=200, headers=raw.headers, body=etree.tostring(root))
        with pytest.raises(ReplyUnproven, match="does not repeat"):
            asking.proven(gone, call)


@pytest.mark.parametrize(("right", "algorithm"), [(True, "sha512"), (False, "sha512"), (True, "sha256")])
async def test_hash_of_the_request_must_be_the_requests(tmp_path: Path, *, right: bool, algorithm: str) -> None:
    async with running(written(tmp_path, manifest=X_ROAD, authentication="none")) as asking:
        call = asking.called({"Pin": "7TESTX1"})
        raw = await asking.sent(call)
        digest = hashlib.new(algorithm, call.body if right else b"x").digest()
        block = (
            f'<x:requestHash xmlns:x="{XROAD}" algorithmId="http://www.w3.org/2001/04/xmlenc#{algorithm}">'
            f"{base64.b64encode(digest).decode()}</x:requestHash>"
        ).encode()
        answered = type(raw)(
            http_status=200, headers=raw.headers, body=raw.body.replace(b"</s:Header>", block + b"</s:Header>")
        )
        assert answered.body != raw.body
        if right:
            assert asking.proven(answered, call).content
        else:
            with pytest.raises(ReplyUnproven, match="hash of another request"):
                asking.proven(answered, call)


@SIGNED_OR_NOT
async def test_addressed_reply_relates_to_its_request(tmp_path: Path, authentication: str, wsse: str) -> None:
    settings = written(tmp_path, manifest="addressing: true\n" + wsse, authentication=authentication)
    async with running(settings) as asking:
        assert (await asking.ask()).data == DEBT
        call, other = asking.called({"Pin": "7TESTX1"}), asking.called({"Pin": "7TESTX1"})
        (action,) = header_of(call.body, f"{{{WSA}}}Action")
        assert action.text == "urn:heat#GetDebt"
        raw = await asking.sent(call)
        with pytest.raises(ReplyUnproven):
            asking.proven(raw, other)


async def test_reply_to_another_message_id_is_refused_without_any_signature(tmp_path: Path) -> None:
    settings = written(tmp_path, manifest="addressing: true\n", authentication="none")
    async with running(settings) as asking:
        call, other = asking.called({"Pin": "7TESTX1"}), asking.called({"Pin": "7TESTX1"})
        raw = await asking.sent(call)
        with pytest.raises(ReplyUnproven, match="relates to another message"):
            asking.proven(raw, other)
        bare = type(raw)(http_status=200, headers=raw.headers, body=raw.body.replace(b"RelatesTo", b"ReplatesTo"))
        with pytest.raises(ReplyUnproven, match="does not say to which message"):
            asking.proven(bare, call)


async def test_forged_relation_outside_of_the_signature_counts_for_nothing(tmp_path: Path) -> None:
    manifest = "addressing: true\nsignature: {confirmation: false}\nwsse: {sign_headers: [addressing]}\n"
    async with running(written(tmp_path, manifest=manifest)) as asking:
        call, other = asking.called({"Pin": "7TESTX1"}), asking.called({"Pin": "7TESTX1"})
        raw = await asking.sent(call)
        (message_id,) = header_of(other.body, f"{{{WSA}}}MessageID")
        forged = f'<w:RelatesTo xmlns:w="{WSA}">{message_id.text}</w:RelatesTo>'.encode()
        replayed = type(raw)(
            http_status=200, headers=raw.headers, body=raw.body.replace(b"</soap:Header>", forged + b"</soap:Header>")
        )
        assert replayed.body != raw.body
        with pytest.raises(ReplyUnproven, match="relates to another message"):
            asking.proven(replayed, other)


async def test_header_that_must_be_understood_and_is_not_makes_the_reply_invalid(tmp_path: Path) -> None:
    namespace = SoapVersion.SOAP11.namespace
    async with running(written(tmp_path, manifest="")) as asking:
        call = asking.called({"Pin": "7TESTX1"})
        raw = await asking.sent(call)
        for marks, refused in (('s:mustUnderstand="1"', True), ('s:mustUnderstand="0"', False), ("", False)):
            block = f'<x:Odd xmlns:x="urn:x" xmlns:s="{namespace}" {marks}/>'.encode()
            marked = type(raw)(
                http_status=200,
                headers=raw.headers,
                body=raw.body.replace(b"</soap:Header>", block + b"</soap:Header>"),
            )
            if refused:
                with pytest.raises(ReplyInvalid, match="be understood"):
                    asking.proven(marked, call)
            else:
                assert asking.proven(marked, call).content


# --- headers of the contract -----------------------------------------------------------------------------

AUTH_HEADER = {
    "schema": (
        '<xs:element name="AuthHeader"><xs:complexType><xs:sequence><xs:element name="UserName" type="xs:string"/>'
        '<xs:element name="Password" type="xs:string"/><xs:element name="Level" type="xs:int" minOccurs="0"/>'
        '<xs:element name="CallBasis" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>'
        '<xs:element name="Served"><xs:complexType><xs:sequence><xs:element name="By" type="xs:string"/>'
        "</xs:sequence></xs:complexType></xs:element>"
    ),
    "messages": (
        '<message name="Auth"><part name="auth" element="t:AuthHeader"/></message>'
        '<message name="Who"><part name="served" element="t:Served"/></message>'
    ),
    "input": '<soap:header message="t:Auth" part="auth" use="literal"/>',
    "output": '<soap:header message="t:Who" part="served" use="literal"/>',
}
SERVED = RECORDS.replace("found: {Debt: $record.Debt}", "found: {Debt: $record.Debt, $header: {served: {By: baku-1}}}")
FILLED = """\
soap_headers:
  AuthHeader:
    values: {UserName: esb, Level: "3"}
    secrets: {Password: heat-password}
    origin: {CallBasis: legal_basis}
"""


@SIGNED_OR_NOT
async def test_header_is_filled_from_constants_secrets_and_the_request(
    tmp_path: Path, authentication: str, wsse: str
) -> None:
    settings = written(
        tmp_path, manifest=FILLED + wsse, contract=wsdl(**AUTH_HEADER), authentication=authentication, records=SERVED
    )
    async with running(settings) as asking:
        answer = await asking.ask()
        (header,) = header_of(asking.called({"Pin": "1"}, origin=ORIGIN).body, f"{{{NAMESPACE}}}AuthHeader")
        password = (tmp_path / "home" / "secrets" / "heat" / "heat-password").read_text()
    assert [child.text for child in header] == ["esb", password, "3", "decree 477/2015"]
    signed_header_is_needed = authentication == "wsse-x509" and not wsse
    expected = {} if signed_header_is_needed else {"served": {"By": "baku-1"}}
    assert answer.data == {**DEBT, "$header": expected}


async def test_route_fills_the_headers_that_the_manifest_leaves(tmp_path: Path) -> None:
    settings = written(tmp_path, manifest="", contract=wsdl(**AUTH_HEADER), authentication="none", records=SERVED)
    async with running(settings) as asking:
        header = {"auth": {"UserName": "a", "Password": "b", "Level": 3}}
        answer = await asking.ask(beside={"$header": header})
        assert answer.data["$header"] == {"served": {"By": "baku-1"}}
        shape = asking.adapters.shape(HEAT, "GetDebt")
        assert set(shape.request_schema["properties"]["$header"]["properties"]) == {"auth"}
        assert set(shape.reply_schema["properties"]["$header"]["properties"]) == {"served"}
        for wrong, path in (
            ({"auth": {"UserName": "a"}}, "$header/auth/Password"),
            ({"other": {}}, "$header/other"),
        ):
            with pytest.raises(RequestUnencodable) as caught:
                asking.operation().encode({"Pin": "7TESTX1", "$header": wrong})
            assert caught.value.path == path


async def test_header_of_no_wsdl_needs_its_namespace(tmp_path: Path) -> None:
    manifest = 'soap_headers: {"{urn:gw}Caller": {values: {Name: esb, "@level": "2", "At.City": Bakı}}}\n'
    async with running(written(tmp_path, manifest=manifest)) as asking:
        await asking.ask()
        (header,) = header_of(asking.called({"Pin": "1"}).body, "{urn:gw}Caller")
    assert etree.tostring(header, method="c14n", exclusive=True).decode() == (
        '<Caller xmlns="urn:gw" level="2"><Name>esb</Name><At><City>Bakı</City></At></Caller>'
    )
    with pytest.raises(RoutesInvalid) as caught:
        async with running(written(tmp_path / "2", manifest="soap_headers: {Caller: {values: {Name: esb}}}\n")):
            pass
    assert "declares no such header; write it as {namespace}Caller" in str(caught.value.findings)


# --- styles ----------------------------------------------------------------------------------------------

ONE_WAY = {
    "schema": '<xs:element name="Note"><xs:complexType><xs:sequence><xs:element name="Pin" type="xs:string"/>'
    "</xs:sequence></xs:complexType></xs:element>",
    "messages": '<message name="NoteIn"><part name="body" element="t:Note"/></message>',
    "more": '<operation name="Notify"><input message="t:NoteIn"/></operation>',
    "bound": '<operation name="Notify"><soap:operation soapAction="urn:heat#Notify"/>'
    '<input><soap:body use="literal"/></input></operation>',
}
NOTED = RECORDS + "  Notify: {key: Pin, table: debts, found: {}, missing: {document: {}}}\n"


@pytest.mark.parametrize("authentication", ["none", "wsse-x509"])
async def test_one_way_operation_ends_when_the_agency_took_the_message(tmp_path: Path, authentication: str) -> None:
    settings = written(tmp_path, manifest="", contract=wsdl(**ONE_WAY), records=NOTED, authentication=authentication)
    async with running(settings) as asking:
        answer = await asking.ask(name="Notify")
        assert (answer.found, answer.data) == (True, {})
        assert asking.simulator.calls["Notify", "7TESTX1"] == 1
        assert (await asking.ask()).data == DEBT


RPC = """\
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
  xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:az:gov:heat:v1" targetNamespace="urn:az:gov:heat:v1">
  <message name="In"><part name="Pin" type="xs:string"/></message>
  <message name="Out"><part name="Debt" type="xs:decimal"/></message>
  <portType name="P"><operation name="GetDebt"><input message="t:In"/><output message="t:Out"/></operation></portType>
  <binding name="B" type="t:P"><soap:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="GetDebt"><soap:operation soapAction="urn:heat#GetDebt"/>
      <input><soap:body use="{use}" namespace="urn:az:gov:heat:v1"{encoding}/></input>
      <output><soap:body use="{use}" namespace="urn:az:gov:heat:v1"{encoding}/></output></operation></binding>
  <service name="S"><port name="Q" binding="t:B"><soap:address location="http://heat.example/"/></port></service>
</definitions>
"""
ENCODING = ' encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"'
RPC_RECORDS = RECORDS.replace('missing: {document: {Code: "404"}}', "missing: {document: {Debt: 0}}")


@pytest.mark.parametrize("authentication", ["none", "wsse-x509"])
@pytest.mark.parametrize(("use", "encoding"), [("literal", ""), ("encoded", ENCODING)])
async def test_rpc_styles_are_spoken(tmp_path: Path, authentication: str, use: str, encoding: str) -> None:
    contract = RPC.format(use=use, encoding=encoding)
    settings = written(tmp_path, manifest="", contract=contract, records=RPC_RECORDS, authentication=authentication)
    async with running(settings) as asking:
        assert (await asking.ask()).data == {"Debt": Decimal("12.50")}
        body = asking.called({"Pin": "7TESTX1"}).body
        assert (b"encodingStyle" in body) == (use == "encoded")
        if use == "encoded":
            (pin,) = etree.fromstring(body)[-1][0]
            prefix, _, local = (pin.get("{http://www.w3.org/2001/XMLSchema-instance}type") or "").partition(":")
            assert (pin.nsmap[prefix], local) == ("http://www.w3.org/2001/XMLSchema", "string")


CHOOSING = {
    "schema": (
        '<xs:complexType name="Base"><xs:sequence><xs:element name="No" type="xs:string"/></xs:sequence>'
        "</xs:complexType>"
        '<xs:complexType name="Card"><xs:complexContent><xs:extension base="t:Base"><xs:sequence>'
        '<xs:element name="Series" type="xs:string"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>'
    ),
}


@pytest.mark.parametrize("authentication", ["none", "wsse-x509"])
@pytest.mark.parametrize("more", ["", "wsse: {encrypt: body, encrypted_reply: true}\n"])
async def test_chosen_types_survive_signing_with_their_prefixes(tmp_path: Path, authentication: str, more: str) -> None:
    paper = '<xs:element name="Paper" type="t:Base" minOccurs="0"/>'
    contract = (
        wsdl(**CHOOSING)
        .replace('<xs:element name="Paper" type="xs:base64Binary" minOccurs="0"/>', paper)
        .replace('<xs:element name="Scan" type="xs:base64Binary" minOccurs="0"/>', paper)
    )
    card = '{"@xsi:type": "{urn:az:gov:heat:v1}Card", No: "7", Series: AZE}'
    records = RECORDS.replace("found: {Debt: $record.Debt}", f"found: {{Debt: $record.Debt, Paper: {card}}}")
    manifest = more if authentication == "wsse-x509" else ""
    settings = written(tmp_path, manifest=manifest, contract=contract, records=records, authentication=authentication)
    async with running(settings) as asking:
        chosen = {"@xsi:type": "{urn:az:gov:heat:v1}Card", "No": "1", "Series": "AA"}
        answer = await asking.ask(Paper=chosen)
        assert not asking.simulator.refusals
        assert answer.data["Paper"]["Series"] == "AZE"


SPREAD = """\
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
  xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:az:gov:heat:v1" targetNamespace="urn:az:gov:heat:v1">
  <types><xs:schema targetNamespace="urn:az:gov:heat:v1"><xs:element name="Pin" type="xs:string"/>
    <xs:element name="Year" type="xs:int"/><xs:element name="Debt" type="xs:decimal"/>
    <xs:element name="Till" type="xs:date"/></xs:schema></types>
  <message name="In"><part name="pin" element="t:Pin"/><part name="year" element="t:Year"/></message>
  <message name="Out"><part name="debt" element="t:Debt"/><part name="till" element="t:Till"/></message>
  <portType name="P"><operation name="GetDebt"><input message="t:In"/><output message="t:Out"/></operation></portType>
  <binding name="B" type="t:P"><soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="GetDebt"><soap:operation soapAction="urn:heat#GetDebt"/>
      <input><soap:body use="literal"/></input><output><soap:body use="literal"/></output></operation></binding>
  <service name="S"><port name="Q" binding="t:B"><soap:address location="http://heat.example/"/></port></service>
</definitions>
"""
SPREAD_RECORDS = """\
tables:
  debts: {7TESTX1: {Debt: 12.50}}
operations:
  GetDebt:
    key: Pin
    table: debts
    found: {Debt: $record.Debt, Till: "2026-12-31"}
    missing: {fault: {code: Client.Unknown, text: yoxdur}}
"""


@pytest.mark.parametrize("authentication", ["none", "wsse-x509"])
async def test_body_of_several_elements_is_spoken(tmp_path: Path, authentication: str) -> None:
    manifest = "faults: {not_found: [Client.Unknown]}\n"
    settings = written(
        tmp_path, manifest=manifest, contract=SPREAD, records=SPREAD_RECORDS, authentication=authentication
    )
    async with running(settings) as asking:
        assert (await asking.ask(Year=2026)).data == {"Debt": Decimal("12.50"), "Till": "2026-12-31"}
        assert not (await asking.ask("7TESTX9", Year=2026)).found


# --- packages --------------------------------------------------------------------------------------------

MTOM = wsdl().replace(
    '<binding name="B" type="t:P">',
    '<binding name="B" type="t:P"><wsp:Policy><m:OptimizedMimeSerialization '
    'xmlns:m="http://schemas.xmlsoap.org/ws/2004/09/policy/optimizedmimeserialization"/></wsp:Policy>',
)
PAPER = base64.b64encode(bytes(range(256)) * 20).decode()
PAPERED = RECORDS.replace("found: {Debt: $record.Debt}", f"found: {{Debt: $record.Debt, Paper: {PAPER}}}")


@pytest.mark.parametrize("authentication", ["none", "wsse-x509"])
async def test_long_binary_content_travels_beside_the_envelope_and_is_signed_in_it(
    tmp_path: Path, authentication: str
) -> None:
    settings = written(tmp_path, manifest="", contract=MTOM, records=PAPERED, authentication=authentication)
    async with running(settings) as asking:
        call = asking.called({"Pin": "7TESTX1", "Scan": PAPER})
        assert call.headers["Content-Type"].startswith('multipart/related; type="application/xop+xml"')
        assert PAPER.encode() not in call.body
        assert bytes(range(256)) * 20 in call.body
        raw = await asking.sent(call)
        assert multipart.is_multipart(raw.headers["content-type"])
        assert asking.operation().decode(asking.proven(raw, call)).data["Paper"] == PAPER
        assert not asking.simulator.refusals


async def test_part_that_was_changed_on_the_way_breaks_the_signature(tmp_path: Path) -> None:
    async with running(written(tmp_path, manifest="", contract=MTOM, records=PAPERED)) as asking:
        call = asking.called({"Pin": "7TESTX1"})
        raw = await asking.sent(call)
        forged = type(raw)(
            http_status=200, headers=raw.headers, body=raw.body.replace(bytes(range(256)), b"x" * 256, 1)
        )
        assert forged.body != raw.body
        with pytest.raises(ReplyUnproven, match="digest"):
            asking.proven(forged, call)


SWA_REF = wsdl(
    schema='<xs:element name="Unused"><xs:complexType><xs:sequence><xs:element name="F" type="ref:swaRef" '
    'xmlns:ref="http://ws-i.org/profiles/basic/1.1/xsd"/></xs:sequence></xs:complexType></xs:element>'
)
PDF = "data:application/pdf;base64,JVBERi0xLjQK"


async def test_references_to_attachments_are_data_uris_in_values(tmp_path: Path) -> None:
    contract = SWA_REF.replace(
        '<xs:element name="Document" type="xs:string" minOccurs="0"/>',
        '<xs:element name="Document" minOccurs="0" type="ref:swaRef" '
        'xmlns:ref="http://ws-i.org/profiles/basic/1.1/xsd"/>',
    ).replace("<xs:schema xmlns:xs", '<xs:schema xmlns:ref="http://ws-i.org/profiles/basic/1.1/xsd" xmlns:xs')
    contract = contract.replace(
        'elementFormDefault="qualified">',
        'elementFormDefault="qualified"><xs:import namespace="http://ws-i.org/profiles/basic/1.1/xsd"/>',
    )
    records = RECORDS.replace("found: {Debt: $record.Debt}", f'found: {{Debt: $record.Debt, Document: "{PDF}"}}')
    settings = written(tmp_path, manifest="", contract=contract, records=records, authentication="none")
    async with running(settings) as asking:
        call = asking.called({"Pin": "7TESTX1"})
        raw = await asking.sent(call)
        assert b"%PDF-1.4" in raw.body
        assert b"cid:" in raw.body
        assert asking.operation().decode(asking.proven(raw, call)).data["Document"] == PDF
    with pytest.raises(RoutesInvalid) as caught:
        async with running(written(tmp_path / "2", manifest="", contract=contract, records=records)):
            pass
    assert "where no signature covers them; use MTOM" in str(caught.value.findings)


ATTACHED = (
    wsdl(messages="")
    .replace(
        '<message name="In"><part name="body" element="t:AskDebt"/></message>',
        '<message name="In"><part name="body" element="t:AskDebt"/><part name="scan" type="xs:base64Binary" '
        'xmlns:xs="http://www.w3.org/2001/XMLSchema"/></message>',
    )
    .replace(
        '<message name="Out"><part name="body" element="t:DebtReply"/></message>',
        '<message name="Out"><part name="body" element="t:DebtReply"/><part name="bill" type="xs:base64Binary" '
        'xmlns:xs="http://www.w3.org/2001/XMLSchema"/></message>',
    )
    .replace(
        '<input><soap:body use="literal"/></input><output><soap:body use="literal"/></output>',
        '<input><mime:multipartRelated><mime:part><soap:body use="literal"/></mime:part><mime:part>'
        '<mime:content part="scan" type="application/pdf"/></mime:part></mime:multipartRelated></input>'
        '<output><mime:multipartRelated><mime:part><soap:body use="literal"/></mime:part><mime:part>'
        '<mime:content part="bill" type="application/pdf"/></mime:part></mime:multipartRelated></output>',
    )
)


async def test_attachments_of_the_wsdl_are_values_beside_the_body(tmp_path: Path) -> None:
    records = RECORDS.replace(
        "found: {Debt: $record.Debt}", f'found: {{Debt: $record.Debt, $attachments: {{bill: "{PDF}"}}}}'
    )
    settings = written(tmp_path, manifest="", contract=ATTACHED, records=records, authentication="none")
    async with running(settings) as asking:
        answer = await asking.ask(beside={"$attachments": {"scan": PDF}})
        assert answer.data == {**DEBT, "$attachments": {"bill": PDF}}
        for wrong, path in (
            ({"scan": PDF.replace("pdf", "png")}, "$attachments/scan"),
            ({"scan": "text"}, "$attachments/scan"),
            ({"other": PDF}, "$attachments/other"),
        ):
            with pytest.raises(RequestUnencodable) as caught:
                asking.operation().encode({"Pin": "7TESTX1", "$attachments": wrong})
            assert caught.value.path == path
