"""What a WSDL may say, each with a WSDL of a few lines: the table of the documentation is made by compiling them.

Called by the generator of documentation and by its test. Nothing here is data of an agency.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from adapters.wsdl.compiler import compile as compile_wsdl
from esb.errors import ContractUnsupported

_FRAME = """<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:t" targetNamespace="urn:t"
 xmlns:soap="http://schemas.xmlsoap.org/wsdl/{soap}/" xmlns:xs="http://www.w3.org/2001/XMLSchema"
 xmlns:mime="http://schemas.xmlsoap.org/wsdl/mime/" xmlns:enc="http://schemas.xmlsoap.org/soap/encoding/"
 xmlns:wsaw="http://www.w3.org/2006/05/addressing/wsdl" xmlns:http="http://schemas.xmlsoap.org/wsdl/http/">
{imports}<wsdl:types><xs:schema targetNamespace="urn:t"><xs:element name="Ask" type="xs:string"/>
<xs:element name="Tell" type="xs:string"/><xs:element name="Ticket" type="xs:string"/>{types}</xs:schema></wsdl:types>
<wsdl:message name="In">{parts}</wsdl:message>
<wsdl:message name="Out"><wsdl:part name="p" element="t:Tell"/></wsdl:message>
<wsdl:message name="H"><wsdl:part name="h" element="t:Ticket"/></wsdl:message>
<wsdl:portType name="PT">{operations}</wsdl:portType>
<wsdl:binding name="B" type="t:PT">{binding}{attached}{bound}</wsdl:binding>
<wsdl:service name="S"><wsdl:port name="P" binding="t:B"><soap:address location="https://a.example/"/></wsdl:port>
</wsdl:service></wsdl:definitions>"""

_PART = '<wsdl:part name="p" element="t:Ask"/>'
_TYPED = '<wsdl:part name="a" type="xs:string"/><wsdl:part name="b" type="xs:int"/>'
_OPERATION = '<wsdl:operation name="Op"><wsdl:input message="t:In"/><wsdl:output message="t:Out"/></wsdl:operation>'
_BODY = '<soap:body use="literal"/>'
_ENCODED = '<soap:body use="encoded" namespace="urn:r" encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"/>'
_TRANSPORT = '<soap:binding style="{}" transport="http://schemas.xmlsoap.org/soap/http"/>'
_ARRAY = (
    '<xs:complexType name="A"><xs:complexContent><xs:restriction base="enc:Array"><xs:attribute ref="enc:arrayType"'
    ' wsdl:arrayType="xs:string{}"/></xs:restriction></xs:complexContent></xs:complexType>'
)
_MTOM = (
    '<p:Policy xmlns:p="http://www.w3.org/ns/ws-policy"><m:OptimizedMimeSerialization p:Optional="true" '
    'xmlns:m="http://schemas.xmlsoap.org/ws/2004/09/policy/optimizedmimeserialization"/></p:Policy>'
)
_POLICY = (
    '<p:Policy xmlns:p="http://www.w3.org/ns/ws-policy"><s:UsernameToken '
    'xmlns:s="http://docs.oasis-open.org/ws-sx/ws-securitypolicy/200702"/></p:Policy>'
)
_MULTIPART = (
    f'<mime:multipartRelated><mime:part>{_BODY}</mime:part><mime:part><mime:content part="f" type="image/png"/>'
    "</mime:part></mime:multipartRelated>"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WsdlFeature:
    """One thing that a WSDL may say."""

    name: str
    parts: dict[str, str] = field(default_factory=dict)

    def outcome(self) -> tuple[bool, str]:
        """Whether it is read, and the hints or the refusal in words."""
        try:
            compiled = compile_wsdl({"service.wsdl": self._source()}, "service.wsdl")
        except ContractUnsupported as error:
            return False, error.reason
        return True, "; ".join(compiled.hints)

    def _source(self) -> bytes:
        defaults = {
            "soap": "soap",
            "imports": "",
            "types": "",
            "parts": _PART,
            "operations": _OPERATION,
            "binding": _TRANSPORT.format("document"),
            "attached": "",
            "bound": _bound(_BODY),
        }
        return _FRAME.format(**{**defaults, **self.parts}).encode()


def _bound(request: str, reply: str = _BODY) -> str:
    return (
        f'<wsdl:operation name="Op"><soap:operation soapAction=""/><wsdl:input>{request}</wsdl:input>'
        f"<wsdl:output>{reply}</wsdl:output></wsdl:operation>"
    )


_RPC = _TRANSPORT.format("rpc")

FEATURES: tuple[WsdlFeature, ...] = (
    WsdlFeature(name="SOAP 1.1, document/literal"),
    WsdlFeature(name="SOAP 1.2, document/literal", parts={"soap": "soap12"}),
    WsdlFeature(
        name="document/literal, several parts", parts={"parts": _PART + '<wsdl:part name="q" element="t:Tell"/>'}
    ),
    WsdlFeature(name="document/literal, parts with types", parts={"parts": _TYPED}),
    WsdlFeature(name="document/literal, no part", parts={"parts": ""}),
    WsdlFeature(name="rpc/literal", parts={"binding": _RPC, "parts": _TYPED}),
    WsdlFeature(name="rpc/encoded", parts={"binding": _RPC, "parts": _TYPED, "bound": _bound(_ENCODED, _ENCODED)}),
    WsdlFeature(
        name="rpc/encoded, arrays and arrays of arrays",
        parts={
            "binding": _RPC,
            "parts": '<wsdl:part name="a" type="t:A"/>',
            "types": _ARRAY.format("[][]"),
            "bound": _bound(_ENCODED, _ENCODED),
        },
    ),
    WsdlFeature(
        name="rpc/encoded, arrays of several dimensions",
        parts={
            "binding": _RPC,
            "parts": '<wsdl:part name="a" type="t:A"/>',
            "types": _ARRAY.format("[,]"),
            "bound": _bound(_ENCODED, _ENCODED),
        },
    ),
    WsdlFeature(
        name="soap:header of another message",
        parts={"bound": _bound(_BODY + '<soap:header message="t:H" part="h" use="literal"/>')},
    ),
    WsdlFeature(
        name="soap:body that lists its parts",
        parts={
            "parts": _PART + '<wsdl:part name="q" element="t:Tell"/>',
            "bound": _bound('<soap:body use="literal" parts="p"/>'),
        },
    ),
    WsdlFeature(
        name="one-way operation",
        parts={"operations": '<wsdl:operation name="Op"><wsdl:input message="t:In"/></wsdl:operation>'},
    ),
    WsdlFeature(
        name="operation without input",
        parts={"operations": '<wsdl:operation name="Op"><wsdl:output message="t:Out"/></wsdl:operation>'},
    ),
    WsdlFeature(name="overloaded operations", parts={"operations": _OPERATION * 2}),
    WsdlFeature(
        name="attachments (mime:multipartRelated)",
        parts={"parts": _PART + '<wsdl:part name="f" type="xs:base64Binary"/>', "bound": _bound(_MULTIPART)},
    ),
    WsdlFeature(name="MTOM policy", parts={"attached": _MTOM}),
    WsdlFeature(name="WS-Addressing", parts={"attached": "<wsaw:UsingAddressing/>"}),
    WsdlFeature(name="WS-SecurityPolicy", parts={"attached": _POLICY}),
    WsdlFeature(name="HTTP GET/POST binding", parts={"binding": '<http:binding verb="GET"/>'}),
    WsdlFeature(
        name="SOAP over another transport",
        parts={"binding": '<soap:binding transport="http://www.w3.org/2010/soapjms/"/>'},
    ),
    WsdlFeature(
        name="import that is not in the bundle, unused",
        parts={"imports": '<wsdl:import namespace="urn:x" location="http://a.example/x.wsdl"/>'},
    ),
    WsdlFeature(
        name="import that is not in the bundle, used",
        parts={
            "types": '<xs:element name="X" type="x:T" xmlns:x="urn:x"/>',
            "imports": '<wsdl:import namespace="urn:x" location="http://a.example/x.wsdl"/>',
        },
    ),
    WsdlFeature(
        name="type that nobody declares",
        parts={"types": '<xs:element name="X" type="t:Kind"/><xs:complexType name="Kinds"/>'},
    ),
    WsdlFeature(name="name declared twice, differently", parts={"types": '<xs:element name="Ask" type="xs:int"/>'}),
)
"""In the order of the table."""
