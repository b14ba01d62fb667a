from __future__ import annotations

import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from lxml import etree

from security.errors import XmlRefused
from security.keys import Algorithm
from security.wsse import SoapVersion
from security.wsse_terms import WSSE11, WSU
from security.xml import canonical, parse
from tests.support.keys import NOW, signing_key
from tests.support.soap import CONTENT, find, signer, tree, verifier

# Text that canonical form treats in a special way, and letters of the country: ə Ə İ ı, U+01DD, a combining dot.
TEXTS = st.text(
    st.one_of(
        st.sampled_from("<>&\"'\r\n\t əƏİıǝ̇ğx]𐊸:=/"),
        st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn")),
    ),
    max_size=20,
)
PREFIXES = st.sampled_from(["a", "b", "soap", "wsu", "ds", "wsse", None])
# libxml2 does not escape `&` in a namespace name, so no such name has a canonical form here; none is in use.
URIS = st.sampled_from(
    ["urn:az:gov:x", "urn:az:gov:y?a='2'", SoapVersion.SOAP11.namespace, SoapVersion.SOAP12.namespace, WSU]
)


@st.composite
def elements(draw: st.DrawFn, depth: int = 2) -> etree._Element:
    """Any element: own and inherited namespaces, redeclared prefixes, attributes, text and tails."""
    namespaces = draw(st.dictionaries(PREFIXES, URIS, max_size=3))
    tag = draw(st.sampled_from(["Reply", "Ad", "Şəxs", "_x.1-y"]))
    uri = draw(st.sampled_from([*namespaces.values(), None])) if namespaces else None
    element = etree.Element(f"{{{uri}}}{tag}" if uri else tag, nsmap=namespaces)  # type: ignore[arg-type]
    for name, value in draw(st.dictionaries(st.sampled_from(["b", "a", "type", "Z"]), TEXTS, max_size=3)).items():
        prefixed = [uri for prefix, uri in namespaces.items() if prefix]
        attribute_uri = draw(st.sampled_from([*prefixed, None]))
        element.set(f"{{{attribute_uri}}}{name}" if attribute_uri else name, value)
    element.text = draw(TEXTS)
    if depth:
        for child in draw(st.lists(elements(depth=depth - 1), max_size=2)):
            child.tail = draw(TEXTS)
            element.append(child)
    return element


def canonical_as_written(element: etree._Element) -> bytes:
    """The canonical form of the tree once it was text: lxml lets a tree made by hand hold what no text can say."""
    try:
        return canonical(parse(etree.tostring(element)))
    except XmlRefused:
        reject()


@settings(max_examples=150, deadline=None)
@given(element=elements(), version=st.sampled_from(SoapVersion), confirms=st.sampled_from([None, b"\x00\xff"]))
def test_what_is_signed_as_text_is_the_canonical_form_of_the_parsed_envelope(
    element: etree._Element, version: SoapVersion, confirms: bytes | None
) -> None:
    content = canonical_as_written(element)
    envelope = signer(version=version).sign(content, now=NOW, confirms=confirms).envelope
    root = parse(envelope)
    for part in (root[1], *list(root[0][0])[1:-1], root[0][0][-1][0]):
        assert canonical(part) in envelope
    verified = verifier(version=version).verify(envelope, now=NOW, confirms=confirms)
    assert verified.content == content


@given(text=TEXTS)
def test_azerbaijani_text_survives_signing_code_point_for_code_point(text: str) -> None:
    element = etree.Element("{urn:az:gov:x}Ad")
    element.text = text
    verified = verifier().verify(signer().sign(canonical(element), now=NOW).envelope, now=NOW)
    assert (parse(verified.content).text or "") == text


def test_every_header_block_is_signed_and_handed_out() -> None:
    blocks = (b'<t:Case xmlns:t="urn:t">VEM-1</t:Case>', b"<basis ><!-- x -->477/2015</basis>")
    envelope = signer().sign(CONTENT, now=NOW, header_blocks=blocks, confirms=b"x").envelope
    verified = verifier(require_confirmation=True).verify(envelope, now=NOW, confirms=b"x")
    assert [parse(block).text for block in verified.header_blocks] == ["VEM-1", "477/2015"]
    assert verified.content == CONTENT


def test_reply_names_the_requests_signature() -> None:
    request = signer().sign(CONTENT, now=NOW)
    reply = signer().sign(CONTENT, now=NOW, confirms=request.signature_value).envelope
    value = find(tree(reply), f"soap:Header/wsse:Security/{{{WSSE11}}}SignatureConfirmation").get("Value")
    assert value
    verified = verifier(require_confirmation=True).verify(reply, now=NOW, confirms=request.signature_value)
    assert verified.content == CONTENT


@pytest.mark.parametrize("version", SoapVersion)
def test_receiver_must_understand_the_security_header(version: SoapVersion) -> None:
    root = tree(signer(version=version).sign(CONTENT, now=NOW).envelope)
    assert root[0][0].get(f"{{{version.namespace}}}mustUnderstand") == "1"


@pytest.mark.parametrize("version", SoapVersion)
def test_signed_fault_is_a_body_and_comes_out_self_contained(version: SoapVersion) -> None:
    soap = version.namespace
    fault = canonical(parse(f'<soap:Fault xmlns:soap="{soap}"><soap:Code>x</soap:Code></soap:Fault>'.encode()))
    envelope = signer(version=version).sign(fault, now=NOW).envelope
    assert verifier(version=version).verify(envelope, now=NOW).content == fault


@pytest.mark.parametrize("algorithm", Algorithm)
def test_verification_names_certificate_time_and_signature(algorithm: Algorithm) -> None:
    key = signing_key(algorithm)
    message = signer(key).sign(CONTENT, now=NOW)
    verified = verifier(key).verify(message.envelope, now=NOW)
    assert verified.signed_at == NOW
    assert verified.signature_value == message.signature_value
    assert verified.certificate_sha256 in verifier(key)._anchors.pinned
