"""What is brought, told from what is not: forms, keys, proofs, and what is said back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapters.pushback import ACCEPTED_XML, CertificateProof, Form, Intake, WsseProof, key_of_json, key_of_xml
from adapters.soap_text import fault, unsigned_content, wrapped
from esb.errors import AgencyRejected, ReplyInvalid, ReplyUnproven
from esb.ports import AgencyAnswer, ProvenAnswer, Push
from security import certificates, keys, xml
from security.certificates import anchors_of, der_of
from security.errors import XmlRefused
from security.keys import Algorithm, SigningKey
from security.wsse import SoapVersion, WsseSigner, WsseVerifier

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
SOAP = SoapVersion.SOAP11
VERSIONS = [SoapVersion.SOAP11, SoapVersion.SOAP12]


def key_of(name: str) -> SigningKey:
    return certificates.self_signed(
        keys.generate(Algorithm.ES256, NOW), common_name=name, organisation="Test", now=NOW, valid_days=30
    )


AGENCY, STRANGER = key_of("dsmf"), key_of("dsmf")


def push(body: bytes, *, certificate: SigningKey | None = None) -> Push:
    der = None if certificate is None or certificate.certificate is None else der_of(certificate.certificate)
    return Push(agency="dsmf", url="", headers={}, body=body, received_at=NOW, certificate_der=der)


def decoded(answer: ProvenAnswer) -> AgencyAnswer:
    if b"<bad" in answer.content:
        raise ReplyInvalid("not of the contract", agency="dsmf", path="Sum")
    if b"<no" in answer.content:
        raise AgencyRejected("no", agency="dsmf")
    return AgencyAnswer(found=True, data={})


def intake(proof: CertificateProof | WsseProof) -> Intake:
    made = Intake("dsmf", proof, is_xml=True, say_no=lambda code, reason: fault(code, reason, SOAP))
    made.take(Form(decode=decoded, key="Head.Ticket", receipt=ACCEPTED_XML))
    return made


def by_certificate() -> Intake:
    assert AGENCY.certificate is not None
    return intake(CertificateProof(anchors=anchors_of([AGENCY.certificate]), soap=SOAP, media_type="text/xml"))


def by_signature() -> Intake:
    assert AGENCY.certificate is not None
    anchors = anchors_of([AGENCY.certificate])
    verifier = WsseVerifier(anchors, SOAP, clock_skew_s=30, max_age_s=300, require_confirmation=False)
    signer = WsseSigner(AGENCY, SOAP, ttl_s=300)
    return intake(WsseProof(agency="dsmf", version=SOAP, verifier=verifier, signer=signer, claim_life=timedelta(300)))


DOCUMENT = b"<a><Head><Ticket>T-1</Ticket></Head></a>"


def test_agency_that_signs_nothing_is_known_by_the_certificate_of_its_connection() -> None:
    brought = by_certificate().verify(push(wrapped(DOCUMENT, SOAP), certificate=AGENCY), now=NOW)
    assert (brought.key, brought.answer.content) == ("T-1", DOCUMENT)


@pytest.mark.parametrize("certificate", [None, STRANGER])
def test_connection_of_anybody_else_proves_nothing(certificate: SigningKey | None) -> None:
    with pytest.raises(ReplyUnproven):
        by_certificate().verify(push(wrapped(DOCUMENT, SOAP), certificate=certificate), now=NOW)


def test_certificate_proves_nothing_once_it_is_out_of_date() -> None:
    with pytest.raises(ReplyUnproven):
        by_certificate().verify(push(wrapped(DOCUMENT, SOAP), certificate=AGENCY), now=NOW + timedelta(days=31))


def test_signature_is_claimed_under_the_name_that_replies_have() -> None:
    envelope = WsseSigner(AGENCY, SOAP, ttl_s=300).sign(DOCUMENT, now=NOW).envelope
    (claim,) = by_signature().verify(push(envelope), now=NOW).answer.claims
    assert claim.key.startswith("wsse:dsmf:"), "a reply of this agency cannot be brought again as an answer"


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b"<a><Head></Head></a>", "Head.Ticket: says not which request it answers"),
        (b"<a><Head><Ticket> </Ticket></Head></a>", "says not which request"),
        (b"<a><Head><Ticket>1</Ticket><Ticket>2</Ticket></Head></a>", "says not which request"),
        (b"<a><Head><Ticket><b></b></Ticket></Head></a>", "says not which request"),
        (b"<a><Head><Ticket>%s</Ticket></Head></a>" % (b"x" * 201), "says not which request"),
        (b"<bad><Head><Ticket>T-1</Ticket></Head></bad>", "Sum: not of the contract"),
    ],
)
def test_agencys_own_word_that_is_no_answer_says_why(document: bytes, problem: str) -> None:
    envelope = WsseSigner(AGENCY, SOAP, ttl_s=300).sign(document, now=NOW).envelope
    brought = by_signature().verify(push(envelope), now=NOW)
    assert brought.key is None
    assert problem in brought.problem


def test_refusal_is_an_answer_when_it_says_to_what() -> None:
    envelope = WsseSigner(AGENCY, SOAP, ttl_s=300).sign(b"<no><Head><Ticket>T-1</Ticket></Head></no>", now=NOW).envelope
    assert by_signature().verify(push(envelope), now=NOW).key == "T-1"


@pytest.mark.parametrize("version", VERSIONS)
def test_fault_is_canonical_so_that_it_can_be_signed(version: SoapVersion) -> None:
    written = fault("answer.late", "<late> & lost", version)
    assert xml.canonical(xml.parse(written)) == written
    assert unsigned_content(wrapped(written, version), version) == written


@pytest.mark.parametrize(
    "envelope",
    [
        b"<a></a>",
        wrapped(b"<a></a>", SoapVersion.SOAP12),
        wrapped(b"<a></a><b></b>", SOAP),
        wrapped(b"", SOAP),
        wrapped(b"<a></a>", SOAP).replace(b"</s:Body>", b"</s:Body><s:Body><b></b></s:Body>"),
    ],
)
def test_only_an_envelope_with_one_document_is_read(envelope: bytes) -> None:
    with pytest.raises(XmlRefused):
        unsigned_content(envelope, SOAP)


def test_key_is_found_by_names_alone() -> None:
    assert key_of_xml(b'<p:a xmlns:p="urn:x"><p:Head><q:T xmlns:q="urn:y">1</q:T></p:Head></p:a>', "Head.T") == "1"
    assert key_of_json(b'{"head":{"t":7}}', "head.t") == "7"
    assert [key_of_json(text, "t") for text in (b"[]", b"{", b"{}", b'{"t":null}')] == [None] * 4
