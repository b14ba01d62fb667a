"""WSDL to operations and a contract."""

from __future__ import annotations

import pytest

from adapters import wsdl
from esb.errors import ContractUnsupported
from tests.support.contracts import DIN, MKR, bundle_of, din_reg, mkr

DIN_FILE = "PopulationRegister.wsdl"


def test_a_soap_11_port_is_compiled() -> None:
    operation = din_reg().operations["GetPersonByPin"]
    assert operation == wsdl.WsdlOperation(
        name="GetPersonByPin",
        soap_version="1.1",
        soap_action="urn:az:gov:din:population-register:v1/GetPersonByPin",
        style="document",
        input=DIN + "GetPersonByPin",
        output=DIN + "GetPersonByPinResponse",
        faults={"RegisterFault": DIN + "RegisterFault"},
        address="https://reyestr.din.example/PopulationRegister",
    )
    assert sorted(din_reg().operations) == ["GetAddress", "GetPersonByPin"]


def test_a_soap_12_port_with_types_inside_is_compiled() -> None:
    operation = mkr().operations["GetCredits"]
    assert (operation.soap_version, operation.output) == ("1.2", MKR + "GetCreditsResponse")
    assert operation.faults == {"UnknownSubject": MKR + "UnknownSubject"}


def changed(*pairs: tuple[str, str]) -> dict[str, bytes]:
    text = bundle_of("din-reg")[DIN_FILE].decode()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return bundle_of("din-reg") | {DIN_FILE: text.encode()}


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ([('<wsdl:operation name="GetAddress">', '<wsdl:operation name="GetPersonByPin">')], ":[0-9]+: .*stands twice"),
        ([('element="reg:GetAddress"', 'element="reg:Nowhere"')], "element {urn:.*}Nowhere, which is declared nowhere"),
        ([('element="reg:GetAddress"', 'element="reg:GetAdress"')], "did you mean GetAddress?"),
        ([('message="reg:GetAddressReply"', 'message="reg:Nowhere"')], "names the message .*Nowhere"),
        (
            [('schemaLocation="PopulationRegister.xsd"', 'schemaLocation="a.xsd"'), ("v1", "v2")],
            ":[0-9]+ imports .* add a.xsd",
        ),
        ([("wsdl:definitions", "wsdl:description")], "is not a WSDL 1.1 document"),
        ([('http://schemas.xmlsoap.org/wsdl/"', 'http://www.w3.org/ns/wsdl"')], "WSDL 2.0"),
        ([("<wsdl:definitions", "<!DOCTYPE a><wsdl:definitions")], "wsdl:[0-9]+: document has a DTD"),
        ([("<wsdl:message name", "<wsdl:message nam")], "wsdl:[0-9]+: this message has no name"),
        ([("</wsdl:definitions>", "")], "wsdl:[0-9]+: not well-formed XML"),
        ([('binding="reg:PopulationRegisterSoap11"', 'binding="reg:Nothing"')], "names the binding .*Nothing"),
        (
            [('transport="http://schemas.xmlsoap.org/soap/http"', 'transport="urn:jms"')],
            "the transport urn:jms is not HTTP",
        ),
    ],
)
def test_a_wsdl_that_cannot_be_compiled_says_where(pairs: list[tuple[str, str]], reason: str) -> None:
    with pytest.raises(ContractUnsupported, match=reason) as caught:
        wsdl.compile(changed(*pairs), DIN_FILE)
    assert DIN_FILE in str(caught.value) or "among the contract's files" in str(caught.value)


def test_service_and_port_must_be_named_where_there_are_several() -> None:
    port = (
        '<wsdl:port name="Second" binding="reg:PopulationRegisterSoap11">'
        '<soap:address location="https://second.example/"/></wsdl:port></wsdl:service>'
    )
    bundle = changed(("</wsdl:service>", port))
    with pytest.raises(ContractUnsupported, match=r"name one service and port; .*PopulationRegister/Second"):
        wsdl.compile(bundle, DIN_FILE)
    chosen = wsdl.compile(bundle, DIN_FILE, service="PopulationRegister", port="Second")
    assert chosen.operations["GetAddress"].address == "https://second.example/"


def test_a_missing_entry_is_named() -> None:
    with pytest.raises(ContractUnsupported, match=r"Nowhere\.wsdl is not among"):
        wsdl.compile({}, "Nowhere.wsdl")


def test_an_imported_wsdl_is_read_from_the_bundle() -> None:
    bundle = bundle_of("din-reg")
    bundle["outer.wsdl"] = (
        b'<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" '
        b'xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" '
        b'xmlns:reg="urn:az:gov:din:population-register:v1" targetNamespace="urn:outer">'
        b'<wsdl:import namespace="urn:az:gov:din:population-register:v1" location="PopulationRegister.wsdl"/>'
        b'<wsdl:service name="Outer"><wsdl:port name="P" binding="reg:PopulationRegisterSoap11">'
        b'<soap:address location="https://outer.example/"/></wsdl:port></wsdl:service></wsdl:definitions>'
    )
    compiled = wsdl.compile(bundle, "outer.wsdl", service="Outer")
    assert compiled.operations["GetAddress"].address == "https://outer.example/"
