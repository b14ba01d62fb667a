"""SOAP-encoded operations: their literal form, and the way there and back."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.wsdl import EncodedForm, Wsdl
from esb.errors import ContractUnsupported, ContractViolation
from security.xml import parse
from tests.support.wsdls import bound, compiled, messages

ENCODING = 'use="encoded" namespace="urn:rpc" encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"'
BODY = (
    '<s:Body xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:enc="http://schemas.xmlsoap.org/soap/encoding/"'
    ' xmlns:t="urn:t" xmlns:r="urn:rpc">{}</s:Body>'
)
TYPES = (
    '<xs:schema targetNamespace="urn:t"><xs:import namespace="http://schemas.xmlsoap.org/soap/encoding/"/>'
    '<xs:complexType name="Person"><xs:all><xs:element name="pin" type="enc:string"/>'
    '<xs:element name="age" type="xs:int"/><xs:element name="phones" type="t:Phones"/>'
    '<xs:element name="parent" type="t:Person" minOccurs="0"/></xs:all></xs:complexType>'
    '<xs:complexType name="Phones"><xs:complexContent><xs:restriction base="enc:Array">'
    '<xs:attribute ref="enc:arrayType" wsdl:arrayType="xs:string[]"/></xs:restriction></xs:complexContent>'
    "</xs:complexType>"
    '<xs:complexType name="People"><xs:complexContent><xs:restriction base="enc:Array"><xs:sequence>'
    '<xs:element name="person" type="t:Person" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:restriction>'
    "</xs:complexContent></xs:complexType>"
    '<xs:complexType name="Grid"><xs:complexContent><xs:restriction base="enc:Array">'
    '<xs:attribute ref="enc:arrayType" wsdl:arrayType="xs:int[][]"/></xs:restriction></xs:complexContent>'
    "</xs:complexType></xs:schema>"
)


def port(reply: str = '<wsdl:part name="return" type="t:Person"/>', types: str = TYPES) -> Wsdl:
    return compiled(
        style="rpc",
        types=types,
        messages=messages(request='<wsdl:part name="who" type="t:Person"/>', reply=reply),
        bound=bound(request=f"<soap:body {ENCODING}/>", reply=f"<soap:body {ENCODING}/>"),
    )


def form(compiled_port: Wsdl) -> EncodedForm:
    found = compiled_port.operations["Op"].encoded_form
    assert found is not None
    return found


def read(body: str, compiled_port: Wsdl | None = None) -> Any:
    compiled_port = compiled_port or port()
    literal = form(compiled_port).literal(parse(BODY.format(body).encode()))
    return compiled_port.contract.decoder(compiled_port.operations["Op"].output).decode(literal)


PERSON = {"pin": "7TESTX1", "age": 40, "phones": {"item": ["1", "2"]}}


def test_an_encoded_operation_has_a_literal_form() -> None:
    op = port().operations["Op"]
    assert (op.encoded, op.use, op.style, op.input, op.output) == (
        True,
        "encoded",
        "rpc",
        "{urn:rpc}Op",
        "{urn:rpc}OpResponse",
    )


def test_types_and_arrays_are_written_for_servers_that_ask_for_them() -> None:
    compiled_port = port()
    literal = compiled_port.contract.encoder("{urn:rpc}Op").encode({"who": PERSON})
    root = parse(form(compiled_port).typed(literal))
    xsi = "{http://www.w3.org/2001/XMLSchema-instance}type"
    kinds = {each.tag: each.get(xsi, "").rpartition(":")[2] for each in root.iter()}
    assert kinds == {
        "{urn:rpc}Op": "",
        "who": "Person",
        "pin": "string",
        "age": "int",
        "phones": "Array",
        "item": "string",
    }
    phones = root.find(".//phones")
    assert phones is not None
    assert str(phones.get("{http://schemas.xmlsoap.org/soap/encoding/}arrayType")).endswith(":string[2]")


def test_types_and_array_notation_are_gone_from_a_reply() -> None:
    assert read(
        '<r:Whatever><return xsi:type="t:Person"><age xsi:type="xsd:int">40</age>'
        '<pin xsi:type="enc:string">7TESTX1</pin>'
        '<phones xsi:type="enc:Array" enc:arrayType="xsd:string[2]"><x>1</x><y>2</y></phones></return></r:Whatever>'
    ) == {"return": PERSON}


def test_references_are_written_out() -> None:
    assert read(
        '<r:OpResponse><return href="#1"/></r:OpResponse>'
        '<multiRef id="1" enc:root="0" xsi:type="t:Person"><pin href="#2"/><age>40</age><phones href="#3"/>'
        '<parent href="#4"/></multiRef><multiRef id="2">7TESTX1</multiRef>'
        '<multiRef id="3"><item>1</item><item>2</item></multiRef>'
        '<multiRef id="4"><pin href="#2"/><age xsi:nil="true"/><phones/></multiRef>'
    ) == {"return": {**PERSON, "parent": {"pin": "7TESTX1", "age": None, "phones": {"item": []}}}}


def test_a_member_that_is_nil_stays_nil() -> None:
    assert read('<r:OpResponse><return xsi:nil="1"/></r:OpResponse>') == {"return": None}
    assert read('<r:OpResponse><return xsi:null="true"/></r:OpResponse>') == {"return": None}


def test_an_array_may_name_its_items_and_hold_structs() -> None:
    compiled_port = port('<wsdl:part name="return" type="t:People"/>')
    assert read(
        '<r:OpResponse><return enc:arrayType="t:Person[1]"><item><pin>7TESTX1</pin><age>40</age>'
        "<phones><item>1</item><item>2</item></phones></item></return></r:OpResponse>",
        compiled_port,
    ) == {"return": {"person": [PERSON]}}


def test_arrays_of_arrays_are_nested() -> None:
    compiled_port = port('<wsdl:part name="return" type="t:Grid"/>')
    assert read(
        "<r:OpResponse><return><a><b>1</b><b>2</b></a><a><b>3</b></a></return></r:OpResponse>", compiled_port
    ) == {"return": {"item": [{"item": [1, 2]}, {"item": [3]}]}}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "the body is empty"),
        ('<r:OpResponse><return href="#1"/></r:OpResponse>', "leads nowhere"),
        (
            '<r:OpResponse><return href="#1"/></r:OpResponse><m id="1"><pin/><age/><parent href="#1"/></m>',
            "leads to itself",
        ),
        ('<r:OpResponse><return href="#1"/></r:OpResponse><m id="1" href="#1"/>', "leads to itself"),
    ],
)
def test_references_that_cannot_be_followed_are_refused(body: str, reason: str) -> None:
    with pytest.raises(ContractViolation, match=reason):
        read(body)


def test_references_that_multiply_are_bounded() -> None:
    levels = 30
    refs = "".join(f'<m id="{n}"><a href="#{n + 1}"/><b href="#{n + 1}"/></m>' for n in range(levels))
    with pytest.raises(ContractViolation, match="lead to too much"):
        read(f'<r:OpResponse><return href="#0"/></r:OpResponse>{refs}<m id="{levels}">x</m>')


def test_an_array_of_several_dimensions_is_refused_with_its_place() -> None:
    with pytest.raises(ContractUnsupported, match=r"s\.wsdl:\d+: arrays of several dimensions"):
        port(types=TYPES.replace("xs:int[][]", "xs:int[,]"))
