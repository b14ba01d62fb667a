"""Answers that are brought as a callback: an operation of the agency's own contract that the bus serves."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from adapters import later, manifest, wsdl
from adapters.agency_keys import AgencyKeys
from adapters.endpoint import Endpoint
from adapters.later import Parts, Spoken
from adapters.manifest import Manifest
from adapters.transport import Transport
from adapters.wsdl import Wsdl
from esb.errors import ConfigurationError
from esb.ports import AgencyOperation, FieldShape, LaterOperation, Push
from security import certificates, keys
from security.certificates import anchors_of
from security.keys import Algorithm, SigningKey
from security.wsse import SoapVersion, WsseSigner, WsseVerifier

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
WSDL = """<wsdl:definitions name="P" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"
    xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:p="urn:p" targetNamespace="urn:p">
  <wsdl:types><xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:p"
      elementFormDefault="qualified">
    <xs:element name="Submit"><xs:complexType><xs:sequence><xs:element name="Pin" type="xs:string"/></xs:sequence>
    </xs:complexType></xs:element>
    <xs:element name="Submitted"><xs:complexType><xs:sequence><xs:element name="Ticket" type="xs:string"/></xs:sequence>
    </xs:complexType></xs:element>
    <xs:element name="Notify"><xs:complexType><xs:sequence><xs:element name="Ticket" type="xs:string"/>
      <xs:element name="Sum" type="xs:decimal"/></xs:sequence></xs:complexType></xs:element>
    <xs:element name="Notified"><xs:complexType><xs:sequence><xs:element name="Code" type="xs:string"/></xs:sequence>
    </xs:complexType></xs:element>
  </xs:schema></wsdl:types>
  <wsdl:message name="a"><wsdl:part name="b" element="p:Submit"/></wsdl:message>
  <wsdl:message name="b"><wsdl:part name="b" element="p:Submitted"/></wsdl:message>
  <wsdl:message name="c"><wsdl:part name="b" element="p:Notify"/></wsdl:message>
  <wsdl:message name="d"><wsdl:part name="b" element="p:Notified"/></wsdl:message>
  <wsdl:portType name="P">
    <wsdl:operation name="Submit"><wsdl:input message="p:a"/><wsdl:output message="p:b"/></wsdl:operation>
    <wsdl:operation name="Notify"><wsdl:input message="p:c"/><wsdl:output message="p:d"/></wsdl:operation>
  </wsdl:portType>
  <wsdl:binding name="P" type="p:P">
    <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>
    <wsdl:operation name="Submit"><soap:operation soapAction=""/><wsdl:input><soap:body use="literal"/></wsdl:input>
      <wsdl:output><soap:body use="literal"/></wsdl:output></wsdl:operation>
    <wsdl:operation name="Notify"><soap:operation soapAction=""/><wsdl:input><soap:body use="literal"/></wsdl:input>
      <wsdl:output><soap:body use="literal"/></wsdl:output></wsdl:operation>
  </wsdl:binding>
  <wsdl:service name="P"><wsdl:port name="P" binding="p:P"><soap:address location="http://p.example/"/></wsdl:port>
  </wsdl:service>
</wsdl:definitions>
"""
MANIFEST = """\
agency: azsu
title: {az: "Azərsu", en: "Water company"}
owner: Azərsu
contact: {name: Dəstək, email: destek@azsu.example}
legal_basis: Cabinet decision 191/2011
kind: soap
contract: {version: v1, file: P.wsdl}
authentication: wsse-x509
lifecycle: test
interaction:
  operations:
    Submit: {how: push, answer: Notify, brings: request, ticket: Ticket, key: Ticket, acknowledge: {Code: "0"}}
"""


def key_of(name: str) -> SigningKey:
    return certificates.self_signed(
        keys.generate(Algorithm.ES256, NOW), common_name=name, organisation="Test", now=NOW, valid_days=30
    )


BUS, AGENCY = key_of("esb"), key_of("azsu")


def verifier(key: SigningKey, *, confirmation: bool) -> WsseVerifier:
    assert key.certificate is not None
    return WsseVerifier(
        anchors_of([key.certificate]),
        SoapVersion.SOAP11,
        clock_skew_s=30,
        max_age_s=300,
        require_confirmation=confirmation,
    )


def compiled() -> Wsdl:
    return wsdl.compile({"P.wsdl": WSDL.encode()}, "P.wsdl")


def made(folder: Path, text: str = MANIFEST) -> Spoken:
    path = folder / "azsu" / "adapter.yaml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    found, findings = manifest.read(path)
    assert findings == ()
    assert found is not None
    assert found.interaction is not None
    contract = compiled()

    def spoken(name: str) -> Spoken:
        operation = contract.operations[name]
        assert operation.output is not None
        schema = contract.contract.json_schema
        shape = FieldShape(
            request_schema=schema(operation.input),
            reply_schema=schema(operation.output),
            request_sample={},
            reply_sample={},
        )
        return Spoken(operation=cast("AgencyOperation", _Named(name)), shape=shape)

    return later.answered_later({name: spoken(name) for name in contract.operations}, found.interaction, _parts(found))[
        "Submit"
    ]


class _Named:
    def __init__(self, name: str) -> None:
        self.name, self.agency = name, "azsu"


def _parts(found: Manifest) -> Parts:
    return Parts(
        manifest=found,
        endpoint=Endpoint(manifest=found, url="http://p.example/", transport=Transport()),
        keys=AgencyKeys(),
        home=Path("/nowhere"),
        wsdl=compiled,
        wsse_signer=lambda _, version: WsseSigner(BUS, version, ttl_s=300),
        wsse_verifier=lambda one, _: verifier(AGENCY, confirmation=one.signature.confirmation),
    )


def test_what_is_brought_is_the_request_of_the_callback_and_its_reply_acknowledges_it(tmp_path: Path) -> None:
    spoken = made(tmp_path)
    operation = spoken.operation
    assert isinstance(operation, LaterOperation)
    assert operation.intake is not None
    assert set(spoken.shape.reply_schema["properties"]) == {"Ticket", "Sum"}

    content = b'<p:Notify xmlns:p="urn:p"><p:Ticket>T-1</p:Ticket><p:Sum>12.50</p:Sum></p:Notify>'
    brought = WsseSigner(AGENCY, SoapVersion.SOAP11, ttl_s=300).sign(content, now=NOW)
    push = Push(agency="azsu", url="", headers={}, body=brought.envelope, received_at=NOW)
    proven = operation.intake.verify(push, now=NOW)
    assert proven.key == "T-1"
    assert str(operation.decode_answer(proven.answer).data["Sum"]) == "12.50"

    said = operation.intake.acknowledge(proven, now=NOW)
    replied = verifier(BUS, confirmation=True).verify(said.body, now=NOW, confirms=brought.signature_value)
    decoder = compiled().contract.decoder("{urn:p}Notified")
    assert decoder.decode(replied.content) == {"Code": "0"}


def test_refusal_is_a_signed_fault_that_is_bound_to_what_was_brought(tmp_path: Path) -> None:
    operation = made(tmp_path).operation
    assert isinstance(operation, LaterOperation)
    assert operation.intake is not None
    refused = operation.intake.refuse("answer.late", "Too late", http_status=410, proof=b"AAAA", now=NOW)
    assert refused.http_status == 500
    replied = verifier(BUS, confirmation=True).verify(refused.body, now=NOW, confirms=b"AAAA")
    assert b"Client.answer.late" in replied.content


def test_acknowledgement_that_the_contract_does_not_take_is_told_at_load(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"interaction\.operations\.Submit\.acknowledge"):
        made(tmp_path, MANIFEST.replace('acknowledge: {Code: "0"}', "acknowledge: {Kod: x}"))
