"""What the messages of a WSDL become: styles, parts, headers, faults, attachments, addressing."""

from __future__ import annotations

from typing import Any

import pytest

from adapters import wsdl
from adapters.wsdl import Attachment, Header
from esb.errors import ContractUnsupported
from security.xml import parse
from tests.support import wsdls
from tests.support.wsdls import NS, bound, compiled, messages, operation

TYPED = '<wsdl:part name="pin" type="xs:string"/><wsdl:part name="pair" type="t:Pair"/>'
RPC = bound(
    request='<soap:body use="literal" namespace="urn:rpc"/>', reply='<soap:body use="literal" namespace="urn:rpc"/>'
)


def encoded(contract: Any, element: str, values: Any) -> str:
    content: bytes = contract.encoder(element).encode(values)
    assert contract.decoder(element).decode(content) == values
    return content.decode()


@pytest.mark.parametrize(("soap", "version"), [("soap", "1.1"), ("soap12", "1.2")])
def test_a_document_operation_is_its_two_elements(soap: str, version: str) -> None:
    op = operation(soap=soap)
    assert (op.soap_version, op.style, op.input, op.output) == (version, "document", NS + "Ask", NS + "Tell")
    assert (op.soap_action, op.address, op.one_way, op.encoded) == ("urn:act", "https://a.example/s", False, False)


def test_an_rpc_operation_gets_wrappers_with_unqualified_accessors() -> None:
    port = compiled(
        style="rpc", bound=RPC, messages=messages(request=TYPED, reply='<wsdl:part name="return" type="xs:int"/>')
    )
    op = port.operations["Op"]
    assert (op.style, op.input, op.output) == ("rpc", "{urn:rpc}Op", "{urn:rpc}OpResponse")
    document = encoded(port.contract, op.input, {"pin": "7TESTX1", "pair": {"a": 1, "b": 2}})
    assert [each.tag for each in parse(document.encode()).iter()] == ["{urn:rpc}Op", "pin", "pair", NS + "a", NS + "b"]


def test_the_style_of_an_operation_wins_over_that_of_its_binding() -> None:
    overridden = RPC.replace('soapAction="urn:act"', 'soapAction="urn:act" style="rpc"')
    assert operation(bound=overridden, messages=messages(request=TYPED)).style == "rpc"
    back = wsdls.BOUND.replace('soapAction="urn:act"', 'soapAction="urn:act" style="document"')
    assert operation(style="rpc", bound=back).style == "document"


def test_an_rpc_body_without_namespace_is_of_the_target_namespace() -> None:
    op = operation(style="rpc", messages=messages(request=TYPED))
    assert (op.input, op.output) == (NS + "Op", NS + "OpResponse")


def test_a_wrapper_wins_over_an_element_of_its_name() -> None:
    port = compiled(
        style="rpc",
        bound=RPC.replace("urn:rpc", "urn:t"),
        messages=messages(request=TYPED),
        extra='<xs:element name="Op" type="xs:int"/>',
    )
    encoded(port.contract, NS + "Op", {"pin": "7TESTX1", "pair": {"a": 1}})
    assert any("overruled" in hint for hint in port.hints)


def test_an_rpc_part_may_name_an_element() -> None:
    port = compiled(style="rpc", bound=RPC, messages=messages(request='<wsdl:part name="p" element="t:Ask"/>'))
    document = encoded(port.contract, "{urn:rpc}Op", {"Ask": {"Pin": "1"}})
    assert parse(document.encode())[0].tag == NS + "Ask"


@pytest.mark.parametrize(
    ("parts", "values"),
    [
        (
            '<wsdl:part name="x" element="t:Ask"/><wsdl:part name="y" element="t:Tell"/>',
            {"Ask": {"Pin": "1"}, "Tell": 2},
        ),
        ('<wsdl:part name="pin" type="xs:string"/>', {"pin": "1"}),
        ("", {}),
    ],
    ids=["several-elements", "a-type", "nothing"],
)
def test_a_document_body_that_is_not_one_element_is_spread(parts: str, values: dict[str, Any]) -> None:
    port = compiled(messages=messages(request=parts))
    op = port.operations["Op"]
    assert (op.input_spread, op.output_spread) == (True, False)
    encoded(port.contract, op.input, values)


def test_soap_body_lists_its_parts() -> None:
    parts = '<wsdl:part name="x" element="t:Ask"/><wsdl:part name="y" element="t:Tell"/>'
    listed = bound(request='<soap:body use="literal" parts="y"/>')
    assert operation(messages=messages(request=parts), bound=listed).input == NS + "Tell"
    nothing = bound(request='<soap:body use="literal" parts=""/>')
    assert operation(messages=messages(request=parts), bound=nothing).input_spread
    with pytest.raises(ContractUnsupported, match=r"s\.wsdl:\d+: soap:body lists the part z"):
        operation(messages=messages(request=parts), bound=bound(request='<soap:body use="literal" parts="z"/>'))


def test_a_header_may_come_from_the_same_message() -> None:
    parts = '<wsdl:part name="x" element="t:Ask"/><wsdl:part name="h" element="t:Ticket"/>'
    op = operation(
        messages=messages(request=parts),
        bound=bound(request='<soap:body use="literal"/><soap:header message="t:In" part="h" use="literal"/>'),
    )
    assert (op.input, op.input_headers) == (NS + "Ask", (Header(part="h", element=NS + "Ticket", required=False),))


def test_headers_may_come_from_other_messages_be_several_and_have_faults() -> None:
    more = (
        '<wsdl:message name="H"><wsdl:part name="h" element="t:Ticket"/><wsdl:part name="i" type="xs:string"/>'
        '<wsdl:part name="bad" element="t:Wrong"/></wsdl:message>'
    )
    headers = (
        '<soap:header message="t:H" part="h" use="literal" wsdl:required="true">'
        '<soap:headerfault message="t:H" part="bad" use="literal"/>'
        '<soap:headerfault message="t:Nowhere" part="bad" use="literal"/></soap:header>'
        '<soap:header message="t:H" part="i" use="literal" namespace="urn:h"/><soap:body use="literal"/>'
    )
    port = compiled(
        messages=messages(request='<wsdl:part name="p" element="t:Ask"/>', more=more),
        bound=bound(request=headers, reply=headers),
    )
    op = port.operations["Op"]
    assert op.input_headers == op.output_headers
    assert op.input_headers == (
        Header(part="h", element=NS + "Ticket", required=True, faults=(NS + "Wrong",)),
        Header(part="i", element="{urn:h}i", required=False),
    )
    encoded(port.contract, "{urn:h}i", "7TESTX1")
    assert any("Nowhere" in hint for hint in port.hints)


def test_a_header_of_no_part_is_refused() -> None:
    with pytest.raises(ContractUnsupported, match=r"s\.wsdl:\d+: soap:header names the part z of In"):
        operation(bound=bound(request='<soap:body use="literal"/><soap:header message="t:In" part="z" use="literal"/>'))


def test_fault_details_are_elements_or_types() -> None:
    more = (
        '<wsdl:message name="F1"><wsdl:part name="fault" element="t:Wrong"/></wsdl:message>'
        '<wsdl:message name="F2"><wsdl:part name="detail" type="t:Pair"/></wsdl:message>'
    )
    faulty = wsdls.OPERATION.replace(
        "</wsdl:operation>",
        '<wsdl:fault name="One" message="t:F1"/><wsdl:fault name="Two" message="t:F2"/></wsdl:operation>',
    )
    port = compiled(
        messages=messages(request='<wsdl:part name="p" element="t:Ask"/>', more=more),
        operations=faulty,
        bound=bound(
            request='<soap:body use="literal"/>',
            extra='<wsdl:fault name="Two"><soap:fault name="Two" use="literal" namespace="urn:f"/></wsdl:fault>',
        ),
    )
    assert port.operations["Op"].faults == {"One": NS + "Wrong", "Two": "{urn:f}detail"}
    encoded(port.contract, "{urn:f}detail", {"a": 1})


def test_a_one_way_operation_has_an_empty_reply() -> None:
    port = compiled(
        operations='<wsdl:operation name="Op"><wsdl:input message="t:In"/></wsdl:operation>',
        bound='<wsdl:operation name="Op"><soap:operation soapAction=""/><wsdl:input><soap:body use="literal"/>'
        "</wsdl:input></wsdl:operation>",
    )
    op = port.operations["Op"]
    assert (op.one_way, op.output_spread) == (True, True)
    encoded(port.contract, op.output, {})


def test_attachments_travel_beside_the_body() -> None:
    parts = (
        '<wsdl:part name="p" element="t:Ask"/><wsdl:part name="scan" type="xs:base64Binary"/>'
        '<wsdl:part name="photo" type="xs:hexBinary"/>'
    )
    multipart = (
        '<mime:multipartRelated><mime:part><soap:body use="literal"/></mime:part>'
        '<mime:part><mime:content part="scan" type="application/pdf"/><mime:content part="scan" type="image/tiff"/>'
        '</mime:part><mime:part><mime:content part="photo" type="*/*"/></mime:part></mime:multipartRelated>'
    )
    op = operation(messages=messages(request=parts), bound=bound(request=multipart))
    assert (op.input, op.input_spread) == (NS + "Ask", False)
    assert op.input_attachments == (
        Attachment(part="scan", media_types=("application/pdf", "image/tiff")),
        Attachment(part="photo", media_types=()),
    )


POLICY = (
    '<wsp:Policy xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy" xmlns:wsu="http://docs.oasis-open.org/wss/2004/01/'
    'oasis-200401-wss-wssecurity-utility-1.0.xsd" wsu:Id="pol"><wsp:ExactlyOne><wsp:All>{}</wsp:All></wsp:ExactlyOne>'
    "</wsp:Policy>"
)
REFERENCE = '<wsp:PolicyReference xmlns:wsp="http://schemas.xmlsoap.org/ws/2004/09/policy" URI="#pol"/>'
MTOM = '<m:OptimizedMimeSerialization xmlns:m="http://schemas.xmlsoap.org/ws/2004/09/policy/optimizedmimeserialization"{}/>'


@pytest.mark.parametrize(
    ("optional", "mtom"),
    [("", "required"), (' xmlns:w="http://schemas.xmlsoap.org/ws/2004/09/policy" w:Optional="true"', "optional")],
)
def test_mtom_is_a_policy(optional: str, mtom: str) -> None:
    op = operation(imports=POLICY.format(MTOM.format(optional)), bound=REFERENCE + wsdls.BOUND)
    assert op.mtom == mtom


def test_a_demand_that_only_the_manifest_can_meet_is_told() -> None:
    token = '<sp:UsernameToken xmlns:sp="http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702"/>'
    port = compiled(imports=POLICY.format(token), bound=REFERENCE + wsdls.BOUND)
    assert any("UsernameToken; the manifest must configure one" in hint for hint in port.hints)


def test_addressing_actions_are_written_or_follow_from_the_names() -> None:
    assert operation().addressing is not None
    addressing = operation(
        bound='<w:UsingAddressing xmlns:w="http://www.w3.org/2006/05/addressing/wsdl" wsdl:required="true"/>'
        + wsdls.BOUND.replace('soapAction="urn:act"', 'soapAction=""'),
        operations='<wsdl:operation name="Op"><wsdl:input message="t:In" '
        'xmlns:w="http://www.w3.org/2007/05/addressing/metadata" w:Action="urn:my-action"/>'
        '<wsdl:output message="t:Out"/><wsdl:fault name="F" message="t:Out"/></wsdl:operation>',
    ).addressing
    assert addressing is not None
    assert (addressing.demand, addressing.action) == ("required", "urn:my-action")
    assert addressing.reply_action == "urn:t:PT:OpResponse"
    assert addressing.fault_actions == {"F": "urn:t:PT:Op:Fault:F"}
    plain = operation(bound=wsdls.BOUND.replace('soapAction="urn:act"', 'soapAction=""')).addressing
    assert plain is not None
    assert (plain.demand, plain.action) == ("none", "urn:t:PT:OpRequest")


def test_an_operation_twice_is_refused_with_both_places() -> None:
    with pytest.raises(
        ContractUnsupported, match=r"s\.wsdl:\d+: operation Op stands twice in PT, first at s\.wsdl:\d+"
    ):
        operation(operations=wsdls.OPERATION * 2)


def test_one_name_in_two_ports_is_fine() -> None:
    second = wsdls.SERVICE.replace(
        "</wsdl:service>",
        '<wsdl:port name="P2" binding="t:B"><soap:address location="https://b.example/"/></wsdl:port></wsdl:service>',
    )
    port = wsdl.compile(wsdls.bundle(service=second), "s.wsdl", port="P2")
    assert port.operations["Op"].address == "https://b.example/"
