"""Names in the values of SOAP-encoded requests: whoever reads the envelope can tell what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from adapters import contract_reading, wsdl
from adapters.scaffolding import samples
from tests.support.soap_dialects import running, written

LISTED = "{http://www.w3.org/2001/10/xml-exc-c14n#}InclusiveNamespaces"
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
ENC = {"": "http://schemas.xmlsoap.org/soap/encoding/", "12": "http://www.w3.org/2003/05/soap-encoding"}
WSDL = """\
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap{suffix}/"
  xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:enc="http://schemas.xmlsoap.org/soap/encoding/"
  xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:az:gov:heat:v1" targetNamespace="urn:az:gov:heat:v1">
  <types><xs:schema targetNamespace="urn:az:gov:heat:v1">
    <xs:complexType name="Who"><xs:sequence><xs:element name="name" type="xs:string"/>
      <xs:element name="phones" type="t:Phones"/></xs:sequence></xs:complexType>
    <xs:complexType name="Phones"><xs:complexContent><xs:restriction base="enc:Array">
      <xs:attribute ref="enc:arrayType" wsdl:arrayType="xs:string[]"/></xs:restriction></xs:complexContent>
    </xs:complexType></xs:schema></types>
  <message name="In"><part name="Pin" type="xs:string"/><part name="Who" type="t:Who"/></message>
  <message name="Out"><part name="Debt" type="xs:decimal"/></message>
  <portType name="P"><operation name="GetDebt"><input message="t:In"/><output message="t:Out"/></operation></portType>
  <binding name="B" type="t:P"><soap:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="GetDebt"><soap:operation soapAction="urn:heat#GetDebt"/>
      <input><soap:body use="encoded" namespace="urn:az:gov:heat:v1" encodingStyle="{encoding}"/></input>
      <output><soap:body use="encoded" namespace="urn:az:gov:heat:v1" encodingStyle="{encoding}"/></output>
    </operation></binding>
  <service name="S"><port name="Q" binding="t:B"><soap:address location="http://heat.example/"/></port></service>
</definitions>
"""
RECORDS = """\
tables: {debts: {7TESTX1: {Debt: 12.50}}}
operations: {GetDebt: {key: Pin, table: debts, found: {Debt: $record.Debt}, missing: {document: {Debt: 0}}}}
"""
WHO = {"name": "Əli", "phones": {"item": ["1", "2"]}}
KINDS = {"Pin": "string", "Who": "Who", "name": "string", "phones": "Array", "item": "string"}


def contract(suffix: str) -> str:
    return WSDL.format(suffix=suffix, encoding=ENC[suffix])


def names_in(envelope: bytes) -> Iterator[tuple[str, str | None, str]]:
    """Element, namespace and local name of each name that stands in a value."""
    for element in etree.fromstring(envelope).iter():
        for attribute, value in element.attrib.items():
            if attribute == XSI_TYPE or str(attribute).endswith(("}arrayType", "}itemType")):
                prefix, _, local = str(value).rpartition(":")
                assert prefix in element.nsmap, f"{attribute!s} of {element.tag!s} is {value!s}"
                kind = "" if attribute == XSI_TYPE else "item of "
                yield kind + str(element.tag), element.nsmap[prefix], local.partition("[")[0]


def check(envelope: bytes, suffix: str) -> None:
    names = {place: (namespace, local) for place, namespace, local in names_in(envelope)}
    assert names.pop("item of phones") == ("http://www.w3.org/2001/XMLSchema", "string")
    assert {place: local for place, (_, local) in names.items()} == KINDS
    assert names["Who"][0] == "urn:az:gov:heat:v1"
    assert names["phones"][0] == ENC[suffix]
    assert {names[place][0] for place in ("Pin", "name", "item")} == {"http://www.w3.org/2001/XMLSchema"}


@pytest.mark.parametrize("suffix", ENC)
@pytest.mark.parametrize("authentication", ["none", "wsse-x509"])
async def test_prefix_of_every_type_is_declared_in_what_is_sent(
    tmp_path: Path, authentication: str, suffix: str
) -> None:
    settings = written(tmp_path, manifest="", contract=contract(suffix), records=RECORDS, authentication=authentication)
    async with running(settings) as asking:
        envelope = asking.called({"Pin": "7TESTX1", "Who": WHO}).body
        assert (await asking.ask(Who=WHO)).found
    check(envelope, suffix)
    # What the signature covers has to keep them bound: exclusive canonical form drops what no element uses.
    body = etree.fromstring(envelope)[-1]
    listed = {str(each.get("PrefixList")) for each in etree.fromstring(envelope).iter(LISTED)}
    assert len(listed) == (authentication == "wsse-x509")
    for prefixes in listed:
        kept = etree.tostring(body, method="c14n", exclusive=True, inclusive_ns_prefixes=prefixes.split())
        check(kept, suffix)


@pytest.mark.parametrize("suffix", ENC)
def test_prefix_of_every_type_is_declared_in_the_sample_request(suffix: str) -> None:
    reading = contract_reading.of_wsdl(wsdl.compile({"heat.wsdl": contract(suffix).encode()}, "heat.wsdl"))
    check(samples.made(reading)[0]["samples/GetDebt.request.xml"], suffix)
