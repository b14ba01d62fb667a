"""WSDLs with one habit each, written here in a few lines."""

from __future__ import annotations

from collections.abc import Mapping

from adapters import wsdl
from adapters.wsdl import Wsdl, WsdlOperation

NS = "{urn:t}"

FRAME = """<?xml version="1.0"?>
<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/{soap}/"
  xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" xmlns:mime="http://schemas.xmlsoap.org/wsdl/mime/"
  xmlns:enc="http://schemas.xmlsoap.org/soap/encoding/" {attributes} targetNamespace="urn:t">
{imports}
<wsdl:types>{types}</wsdl:types>
{messages}
<wsdl:portType name="PT">{operations}</wsdl:portType>
<wsdl:binding name="B" type="t:PT">
<soap:binding style="{style}" transport="http://schemas.xmlsoap.org/soap/http"/>
{bound}
</wsdl:binding>
{service}
</wsdl:definitions>"""

SERVICE = """<wsdl:service name="S"><wsdl:port name="P" binding="t:B"><soap:address location="https://a.example/s"/>
</wsdl:port></wsdl:service>"""

SCHEMA = (
    '<xs:schema targetNamespace="urn:t" elementFormDefault="qualified">'
    '<xs:element name="Ask"><xs:complexType><xs:sequence><xs:element name="Pin" type="xs:string"/></xs:sequence>'
    "</xs:complexType></xs:element>"
    '<xs:element name="Tell" type="xs:int"/><xs:element name="Wrong" type="xs:string"/>'
    '<xs:element name="Ticket" type="xs:string"/><xs:complexType name="Pair"><xs:sequence>'
    '<xs:element name="a" type="xs:int"/><xs:element name="b" type="xs:int" minOccurs="0"/></xs:sequence>'
    "</xs:complexType>{extra}</xs:schema>"
)

MESSAGES = (
    '<wsdl:message name="In"><wsdl:part name="p" element="t:Ask"/></wsdl:message>'
    '<wsdl:message name="Out"><wsdl:part name="p" element="t:Tell"/></wsdl:message>'
)
OPERATION = '<wsdl:operation name="Op"><wsdl:input message="t:In"/><wsdl:output message="t:Out"/></wsdl:operation>'
BOUND = (
    '<wsdl:operation name="Op"><soap:operation soapAction="urn:act"/>'
    '<wsdl:input><soap:body use="literal"/></wsdl:input><wsdl:output><soap:body use="literal"/></wsdl:output>'
    "</wsdl:operation>"
)


def text(**parts: str) -> str:
    """A WSDL of one operation; each part of the frame can be another one."""
    defaults = {
        "soap": "soap",
        "attributes": "",
        "imports": "",
        "types": SCHEMA.replace("{extra}", parts.pop("extra", "")),
        "messages": MESSAGES,
        "operations": OPERATION,
        "style": "document",
        "bound": BOUND,
        "service": SERVICE,
    }
    return FRAME.format(**{**defaults, **parts})


def bundle(files: Mapping[str, str] | None = None, /, **parts: str) -> dict[str, bytes]:
    """The WSDL as `s.wsdl`, with other files beside it."""
    return {"s.wsdl": text(**parts).encode(), **{name: content.encode() for name, content in (files or {}).items()}}


def compiled(files: Mapping[str, str] | None = None, /, **parts: str) -> Wsdl:
    """The compiled WSDL."""
    return wsdl.compile(bundle(files, **parts), "s.wsdl")


def operation(files: Mapping[str, str] | None = None, /, **parts: str) -> WsdlOperation:
    """Its one operation."""
    (only,) = compiled(files, **parts).operations.values()
    return only


def messages(*, request: str, reply: str = '<wsdl:part name="p" element="t:Tell"/>', more: str = "") -> str:
    """The two messages with these parts."""
    return f'<wsdl:message name="In">{request}</wsdl:message><wsdl:message name="Out">{reply}</wsdl:message>{more}'


def bound(*, request: str, reply: str = '<soap:body use="literal"/>', extra: str = "") -> str:
    """The operation's binding with this content."""
    return (
        f'<wsdl:operation name="Op"><soap:operation soapAction="urn:act"/><wsdl:input>{request}</wsdl:input>'
        f"<wsdl:output>{reply}</wsdl:output>{extra}</wsdl:operation>"
    )
