"""Signature wrapping: the signed part moved aside, another put in its place."""

from __future__ import annotations

from copy import deepcopy

import pytest
from lxml import etree

from security.errors import SignatureInvalid, SignatureMissing, XmlRefused
from security.wsse_terms import WSSE
from security.xmldsig import DS
from tests.support.keys import NOW
from tests.support.soap import CONTENT, SOAP, WSU_ID, Forge, find, signed, text, tree, verifier, verify

EVIL = CONTENT.replace(b"7TESTX1", b"7TESTX9")


def evil_body(**attributes: str) -> etree._Element:
    body = etree.Element(f"{{{SOAP}}}Body", attrib=attributes)
    body.append(etree.fromstring(EVIL))
    return body


def move_signed_body_into_header(root: etree._Element, replacement: etree._Element) -> None:
    body = find(root, "soap:Body")
    wrapper = etree.SubElement(find(root, "soap:Header"), "{urn:evil}Wrapper")
    wrapper.append(body)
    root.append(replacement)


def test_message_is_good_before_it_is_attacked() -> None:
    assert verify(signed()).content == CONTENT


def test_signed_body_in_the_header_with_an_unsigned_body_in_its_place_is_refused() -> None:
    root = tree(signed())
    move_signed_body_into_header(root, evil_body())
    with pytest.raises(SignatureInvalid):
        verify(text(root))


def test_signed_body_in_the_header_with_a_body_of_the_same_id_is_refused() -> None:
    root = tree(signed())
    move_signed_body_into_header(root, evil_body(**{WSU_ID: "esb-body"}))
    with pytest.raises(SignatureInvalid):
        verify(text(root))


def test_signed_body_as_its_own_header_block_is_refused() -> None:
    root = tree(signed())
    find(root, "soap:Header").append(find(root, "soap:Body"))
    root.append(evil_body())
    with pytest.raises(SignatureMissing):
        verify(text(root))


def test_signed_body_inside_the_evil_body_is_refused() -> None:
    root = tree(signed())
    body = find(root, "soap:Body")
    replacement = evil_body()
    root.replace(body, replacement)
    replacement.append(body)
    with pytest.raises(SignatureInvalid):
        verify(text(root))


@pytest.mark.parametrize("first", [True, False])
def test_two_bodies_are_refused(first: bool) -> None:  # noqa: FBT001 - a test's parameter
    root = tree(signed())
    root.insert(1 if first else 2, evil_body())
    with pytest.raises(SignatureInvalid, match="one header and one body"):
        verify(text(root))


@pytest.mark.parametrize(
    "name", [WSU_ID, "Id", "ID", "id", "AssertionID", f"{{{WSSE}}}Id", "{http://www.w3.org/XML/1998/namespace}id"]
)
@pytest.mark.parametrize("target", ["esb-body", "esb-time", "esb-token"])
def test_second_element_with_a_signed_id_under_any_id_attribute_is_refused(name: str, target: str) -> None:
    root = tree(signed())
    etree.SubElement(find(root, "soap:Header"), "{urn:evil}Block", attrib={name: target})
    with pytest.raises(SignatureInvalid, match="one Id"):
        verify(text(root))


def test_duplicate_id_is_found_however_the_attribute_is_spelt() -> None:
    for spelling in (
        b'Id="esb-body"',
        b"Id='esb-body'",
        b'Id  =  "esb-body"',
        b'Id\n="esb-body"',
        b'Id="&#101;sb-body"',
    ):
        envelope = signed().replace(b"</soap:Header>", b"<evil><deep " + spelling + b"/></evil></soap:Header>")
        with pytest.raises(SignatureInvalid, match="one Id"):
            verify(envelope)


def test_business_id_may_repeat_but_not_be_one_that_is_signed() -> None:
    content = b'<r:Reply xmlns:r="urn:r"><r:Row id="1"></r:Row><r:Row id="1"></r:Row></r:Reply>'
    assert verify(signed(content)).content == content
    with pytest.raises(SignatureInvalid, match="one Id"):
        verify(signed(content.replace(b'"1"', b'"esb-body"')))


def test_body_with_a_plain_id_instead_of_wsu_id_is_not_what_the_signature_means() -> None:
    message = Forge()
    del message.body.attrib[WSU_ID]
    message.body.set("Id", "body")
    with pytest.raises(SignatureInvalid, match="no place"):
        verify(message.sign())


def test_signature_over_an_element_inside_the_body_is_refused() -> None:
    message = Forge()
    message.body[0].set("Id", "inner")
    message.targets = ["time", "inner"]
    with pytest.raises(SignatureInvalid, match="no place"):
        verify(message.sign())


def test_timestamp_moved_out_of_the_security_header_is_refused() -> None:
    root = tree(signed())
    timestamp = find(root, "soap:Header/wsse:Security/wsu:Timestamp")
    find(root, "soap:Header").append(timestamp)
    with pytest.raises(SignatureMissing):
        verify(text(root))


def test_second_timestamp_is_refused() -> None:
    root = tree(signed())
    timestamp = find(root, "soap:Header/wsse:Security/wsu:Timestamp")
    copy = deepcopy(timestamp)
    copy.set(WSU_ID, "other")
    find(root, "soap:Header/wsse:Security").insert(0, copy)
    with pytest.raises(SignatureInvalid, match="twice"):
        verify(text(root))


def test_second_security_header_is_refused() -> None:
    root = tree(signed())
    copy = deepcopy(find(root, "soap:Header/wsse:Security"))
    find(root, "soap:Header").append(copy)
    with pytest.raises(SignatureInvalid, match="exactly one security header"):
        verify(text(root))


@pytest.mark.parametrize("actor", ["", "urn:other", "http://schemas.xmlsoap.org/soap/actor/next"])
def test_security_header_for_an_actor_is_refused(actor: str) -> None:
    root = tree(signed())
    find(root, "soap:Header/wsse:Security").set(f"{{{SOAP}}}actor", actor)
    with pytest.raises(SignatureInvalid, match="without actor"):
        verify(text(root))


def test_second_signature_is_refused() -> None:
    root = tree(signed())
    security = find(root, "soap:Header/wsse:Security")
    security.append(deepcopy(find(security, "ds:Signature")))
    with pytest.raises(SignatureInvalid, match="twice"):
        verify(text(root))


def test_signature_that_stands_in_the_body_proves_nothing() -> None:
    root = tree(signed())
    find(root, "soap:Body").append(find(root, "soap:Header/wsse:Security/ds:Signature"))
    with pytest.raises(SignatureMissing):
        verify(text(root))


def test_inner_signature_of_the_business_document_passes_through_untouched() -> None:
    content = f'<r:Reply xmlns:r="urn:r"><ds:Signature xmlns:ds="{DS}" Id="inner"></ds:Signature></r:Reply>'.encode()
    assert verify(signed(content)).content == content


def test_header_after_the_body_is_refused() -> None:
    root = tree(signed())
    root.append(find(root, "soap:Header"))
    with pytest.raises(SignatureInvalid):
        verify(text(root))


def test_element_after_the_body_is_refused() -> None:
    root = tree(signed())
    etree.SubElement(root, "{urn:evil}Trailer")
    with pytest.raises(SignatureInvalid):
        verify(text(root))


def test_body_in_the_other_soap_version_is_no_body() -> None:
    envelope = signed().replace(SOAP.encode(), b"http://www.w3.org/2003/05/soap-envelope")
    with pytest.raises(XmlRefused):
        verify(envelope)


def test_envelope_inside_an_envelope_is_refused() -> None:
    outer = f'<soap:Envelope xmlns:soap="{SOAP}"><soap:Body>'.encode() + signed() + b"</soap:Body></soap:Envelope>"
    with pytest.raises(SignatureMissing):
        verify(outer)


def test_unsigned_header_block_is_not_handed_out() -> None:
    root = tree(signed())
    etree.SubElement(find(root, "soap:Header"), "{urn:evil}Block").text = "evil"
    assert verify(text(root)).header_blocks == ()


def test_body_with_two_signed_children_is_refused() -> None:
    message = Forge(content=CONTENT + EVIL)
    with pytest.raises(XmlRefused, match="exactly one element"):
        verify(message.sign())


def test_body_with_signed_text_beside_its_child_is_refused() -> None:
    for content in (b"text" + CONTENT, CONTENT + b"text", b"", b"&#13;" + CONTENT):
        with pytest.raises(XmlRefused, match="exactly one element"):
            verify(Forge(content=content).sign())


def test_spaces_around_the_child_are_signed_and_harmless() -> None:
    assert verify(Forge(content=b"\n  " + CONTENT + b"\n").sign()).content == CONTENT


def test_confirmation_that_is_not_signed_is_missing() -> None:
    root = tree(signed(confirms=b"mine"))
    wanting = verifier(require_confirmation=True)
    assert wanting.verify(text(root), now=NOW, confirms=b"mine").content == CONTENT
    bare = Forge()
    etree.SubElement(
        bare.security,
        "{http://docs.oasis-open.org/wss/oasis-wss-wssecurity-secext-1.1.xsd}SignatureConfirmation",
        Value="bWluZQ==",
        attrib={WSU_ID: "confirmation"},
    )
    with pytest.raises(SignatureMissing, match="does not confirm"):
        wanting.verify(bare.sign(), now=NOW, confirms=b"mine")


def test_missing_confirmation_is_refused_where_it_is_required() -> None:
    with pytest.raises(SignatureMissing, match="does not confirm"):
        verifier(require_confirmation=True).verify(signed(), now=NOW, confirms=b"mine")


@pytest.mark.parametrize("required", [True, False])
def test_reply_to_another_request_is_refused(required: bool) -> None:  # noqa: FBT001 - a test's parameter
    with pytest.raises(SignatureInvalid, match="another request"):
        verifier(require_confirmation=required).verify(signed(confirms=b"theirs"), now=NOW, confirms=b"mine")


def test_requirement_without_a_request_is_never_met() -> None:
    with pytest.raises(SignatureMissing):
        verifier(require_confirmation=True).verify(signed(confirms=b""), now=NOW)


def test_two_confirmations_are_refused() -> None:
    root = tree(signed(confirms=b"mine"))
    security = find(root, "soap:Header/wsse:Security")
    copy = deepcopy(find(security, "wsse11:SignatureConfirmation"))
    copy.set(WSU_ID, "other")
    security.append(copy)
    with pytest.raises(SignatureInvalid, match="twice"):
        verifier(require_confirmation=True).verify(text(root), now=NOW, confirms=b"mine")


def test_unknown_part_of_the_security_header_is_refused() -> None:
    root = tree(signed())
    etree.SubElement(find(root, "soap:Header/wsse:Security"), f"{{{WSSE}}}UsernameToken")
    with pytest.raises(SignatureInvalid, match="outside the profile"):
        verify(text(root))


@pytest.mark.parametrize(
    "part",
    [
        "soap:Header",
        "soap:Header/wsse:Security",
        "soap:Header/wsse:Security/ds:Signature",
        "soap:Header/wsse:Security/wsu:Timestamp",
        "soap:Header/wsse:Security/wsse:BinarySecurityToken",
    ],
)
def test_message_without_a_needed_part_is_unsigned(part: str) -> None:
    root = tree(signed())
    element = find(root, part)
    parent = element.getparent()
    assert parent is not None
    parent.remove(element)
    with pytest.raises(SignatureMissing):
        verify(text(root))
