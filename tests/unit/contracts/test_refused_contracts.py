"""A contract that cannot be compiled faithfully is refused at load, with the reason."""

from __future__ import annotations

import pytest

from esb.contracts.contract import Contract
from esb.errors import ContractUnsupported

SCHEMA = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:t" targetNamespace="urn:t"'
    ' elementFormDefault="qualified">{}</xs:schema>'
)
ROOT = '<xs:element name="Root"><xs:complexType{}>{}</xs:complexType></xs:element>'

MIXED = ROOT.format(' mixed="true"', "<xs:sequence/>")


def schema(content: str) -> dict[str, bytes]:
    return {"t.xsd": SCHEMA.format(content).encode()}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            ROOT.format(' mixed="true"', '<xs:sequence><xs:element name="b" type="xs:int"/></xs:sequence>'),
            "Root: an anonymous type has mixed content",
        ),
        (
            '<xs:complexType name="Note" mixed="true"><xs:sequence/></xs:complexType>'
            + ROOT.format("", '<xs:sequence><xs:element name="a" type="Note"/></xs:sequence>'),
            "Root/a: Note has mixed content",
        ),
        (
            '<xs:simpleType name="U"><xs:union memberTypes="xs:QName xs:int"/></xs:simpleType>'
            + ROOT.format("", '<xs:attribute name="a" type="U"/>'),
            "Root/@a: a union with xs:QName",
        ),
        ('<xs:element name="Root" type="xs:int" abstract="true"/>', "Root is abstract"),
        (
            '<xs:complexType name="Note" mixed="true"><xs:sequence/></xs:complexType>'
            + ROOT.format("", '<xs:sequence><xs:element name="a" type="Note"/></xs:sequence><xs:anyAttribute/>'),
            "Root/a: Note has mixed content",
        ),
    ],
)
def test_what_has_no_faithful_plain_form_is_refused_with_its_place(content: str, reason: str) -> None:
    contract = Contract.from_xsd(schema(content), ["t.xsd"])
    with pytest.raises(ContractUnsupported, match=reason):
        contract.encoder("{urn:t}Root")
    with pytest.raises(ContractUnsupported, match=reason.partition(": ")[2] or reason):
        contract.decoder("{urn:t}Root")


def test_an_unsupported_part_does_not_spoil_the_elements_beside_it() -> None:
    contract = Contract.from_xsd(schema(MIXED + '<xs:element name="Good" type="xs:int"/>'), ["t.xsd"])
    assert contract.encoder("{urn:t}Good").encode(5) == b'<Good xmlns="urn:t">5</Good>'


def test_a_type_that_must_contain_itself_has_no_sample() -> None:
    content = (
        '<xs:complexType name="N"><xs:sequence><xs:element name="n" type="N"/></xs:sequence></xs:complexType>'
        '<xs:element name="Root" type="N"/>'
    )
    with pytest.raises(ContractUnsupported, match="without end"):
        Contract.from_xsd(schema(content), ["t.xsd"]).sample("{urn:t}Root")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"t.xsd": b"<xs:schema"}, "t.xsd:1: not well-formed XML"),
        ({"t.xsd": b"<a/>"}, "t.xsd is not an XML Schema"),
        ({}, "t.xsd is not among the contract's files"),
        (
            schema('<xs:element name="a" type="Nowhere"/>'),
            "refers to the type {urn:t}Nowhere, which is declared nowhere",
        ),
        ({"t.xsd": b"<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>" + schema("")["t.xsd"]}, "has a DTD"),
    ],
)
def test_a_broken_file_is_named(files: dict[str, bytes], reason: str) -> None:
    with pytest.raises(ContractUnsupported, match=reason):
        Contract.from_xsd(files, ["t.xsd"])


@pytest.mark.parametrize("how", ["include", "import", "redefine"])
@pytest.mark.parametrize(
    "location", ["http://127.0.0.1:9/x.xsd", "file:///etc/hostname", "/etc/hostname", "../../x.xsd", "missing.xsd"]
)
def test_nothing_outside_of_the_bundle_is_read(how: str, location: str) -> None:
    namespace = ' namespace="urn:x"' if how == "import" else ""
    content = f'<xs:{how}{namespace} schemaLocation="{location}"/><xs:element name="a" xmlns:x="urn:x" type="x:T"/>'
    with pytest.raises(ContractUnsupported, match="is not among the contract's files"):
        Contract.from_xsd(schema(content), ["t.xsd"])


def test_several_files_of_one_namespace_are_read_together() -> None:
    part = SCHEMA.format('<xs:element name="{}" type="xs:int"/>')
    files = {"a.xsd": part.format("A").encode(), "b.xsd": part.format("B").encode()}
    contract = Contract.from_xsd(files, ["a.xsd", "b.xsd"])
    for name in "AB":
        contract.validate(f'<{name} xmlns="urn:t">1</{name}>'.encode())
    assert contract.elements == ("{urn:t}A", "{urn:t}B")


def test_an_element_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Contract.from_xsd(schema(""), ["t.xsd"]).encoder("{urn:t}Root")
