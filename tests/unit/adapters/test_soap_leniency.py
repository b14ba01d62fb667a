"""Habits of other people's SOAP servers that are read: what they mean is clear, and nothing can be mistaken."""

from __future__ import annotations

import pytest

from adapters.soap_body import RpcElement
from adapters.soap_envelope import open_unsigned
from esb.errors import ContractViolation
from security import xml
from security.wsse import SoapVersion

SOAP = SoapVersion.SOAP11.namespace
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"


def body(content: str) -> xml.Element:
    return xml.parse(f'<s:Body xmlns:s="{SOAP}" xmlns:t="urn:t" xmlns:o="urn:o">{content}</s:Body>'.encode())


@pytest.mark.parametrize(
    "content",
    [
        "<t:OpResponse><a>1</a><b><t:c/></b></t:OpResponse>",
        "<t:OpResponse><t:a>1</t:a><t:b><t:c/></t:b></t:OpResponse>",
        '<OpResponse xmlns="urn:t"><a>1</a><b><c/></b></OpResponse>',
    ],
)
def test_rpc_parts_are_read_in_the_namespace_of_their_wrapper_too(content: str) -> None:
    got = xml.parse(RpcElement("{urn:t}OpResponse").read(body(content)))
    assert [child.tag for child in got] == ["a", "b"]
    assert [inner.tag for inner in got[1]] == ["{urn:t}c"]


def test_rpc_parts_of_another_namespace_and_other_wrappers_stay_what_they_are() -> None:
    form = RpcElement("{urn:t}OpResponse")
    assert [child.tag for child in xml.parse(form.read(body("<t:OpResponse><o:a/></t:OpResponse>")))] == ["{urn:o}a"]
    assert [child.tag for child in xml.parse(form.read(body("<t:Other><t:a/></t:Other>")))] == ["{urn:t}a"]
    with pytest.raises(ContractViolation, match="one element"):
        form.read(body("<t:OpResponse/><t:OpResponse/>"))


def test_security_header_of_a_reply_that_nobody_signs_demands_nothing() -> None:
    envelope = (
        f'<s:Envelope xmlns:s="{SOAP}"><s:Header><o:Security xmlns:o="{WSSE}" s:mustUnderstand="1"/>'
        f'<x:Other xmlns:x="urn:x"/></s:Header><s:Body><x:A xmlns:x="urn:x"/></s:Body></s:Envelope>'
    )
    opened = open_unsigned(envelope.encode(), SoapVersion.SOAP11, whole=False)
    assert [xml.parse(block).tag for block in opened.plain_blocks] == ["{urn:x}Other"]
    assert xml.parse(opened.content).tag == "{urn:x}A"
