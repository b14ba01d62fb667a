"""XML Signature's own schema, which contracts import and whose published file carries a DTD."""

from __future__ import annotations

import pytest
from lxml import etree

from esb.contracts.contract import Contract
from esb.errors import ContractUnsupported, ContractViolation

DSIG = "http://www.w3.org/2000/09/xmldsig#"
SIGNABLE = f"""\
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:ds="{DSIG}" targetNamespace="urn:a"
           elementFormDefault="qualified">
  <xs:import namespace="{DSIG}" schemaLocation="xmldsig-core-schema.xsd"/>
  <xs:element name="Extract"><xs:complexType><xs:sequence>
    <xs:element name="Number" type="xs:string"/><xs:element ref="ds:Signature" minOccurs="0"/>
  </xs:sequence></xs:complexType></xs:element>
</xs:schema>""".encode()
PUBLISHED = f"""\
<!DOCTYPE schema PUBLIC "-//W3C//DTD XMLSchema 200102//EN" "http://www.w3.org/2001/XMLSchema.dtd" [
  <!ENTITY dsig '{DSIG}'>
]>
<schema xmlns="http://www.w3.org/2001/XMLSchema" xmlns:ds="{DSIG}" targetNamespace="{DSIG}" version="0.1"/>""".encode()
SIGNATURE = f"""\
<ds:Signature xmlns:ds="{DSIG}"><ds:SignedInfo>
    <ds:CanonicalizationMethod Algorithm="urn:c"/><ds:SignatureMethod Algorithm="urn:s"/>
    <ds:Reference URI=""><ds:DigestMethod Algorithm="urn:d"/><ds:DigestValue>AA==</ds:DigestValue></ds:Reference>
  </ds:SignedInfo><ds:SignatureValue>AAAA</ds:SignatureValue>
  <ds:KeyInfo><ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data></ds:KeyInfo>
</ds:Signature>"""


@pytest.mark.parametrize("bundle", [{}, {"xmldsig-core-schema.xsd": PUBLISHED}], ids=["absent", "with-its-dtd"])
def test_a_contract_may_lean_on_the_schema_of_signatures(bundle: dict[str, bytes]) -> None:
    contract = Contract.from_xsd({"a.xsd": SIGNABLE, **bundle}, ["a.xsd"])
    document = f'<n:Extract xmlns:n="urn:a"><n:Number>7</n:Number>{SIGNATURE}</n:Extract>'.encode()
    read = contract.decoder("{urn:a}Extract").decode(document)
    assert read["Signature"]["SignedInfo"]["Reference"][0]["DigestValue"] == "AA=="
    again = etree.fromstring(contract.encoder("{urn:a}Extract").encode(read))
    assert again.findtext(f".//{{{DSIG}}}X509Certificate") == "AAAA"


def test_a_signature_without_its_parts_does_not_fit() -> None:
    contract = Contract.from_xsd({"a.xsd": SIGNABLE}, ["a.xsd"])
    document = f'<n:Extract xmlns:n="urn:a"><n:Number>7</n:Number><ds:Signature xmlns:ds="{DSIG}"/></n:Extract>'
    with pytest.raises(ContractViolation):
        contract.decoder("{urn:a}Extract").decode(document.encode())


def test_a_dtd_in_any_other_file_is_refused() -> None:
    files = {"a.xsd": SIGNABLE, "xmldsig-core-schema.xsd": PUBLISHED.replace(DSIG.encode(), b"urn:other")}
    with pytest.raises(ContractUnsupported, match=r"xmldsig-core-schema\.xsd:1: document has a DTD"):
        Contract.from_xsd(files, ["a.xsd"])
