"""The bytes of one real exchange: what the bus sends, what the agency answers, what the caller gets.

Made once at the start through a running bus and a running agency; the floor and the bare proxy then work on exactly
these. Also proves that the floor does the same work: what it writes is believed, what it reads is the same.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from adapters.composition import Adapters
from bench.floor import Floor, Outcome
from bench.values import QUESTIONS, ROUTE, Question, Specimen
from esb.model import AgencyCode
from esb.ports import AgencyOperation, OutgoingCall
from esb.settings import Settings
from security import jws, keys
from security.certificates import anchors_of
from security.wsse import SoapVersion, WsseVerifier
from tests.support.bus import PURPOSE, LiveBus

AGENCY = AgencyCode("din-reg")
OPERATION = "GetPersonByPin"


def question_body(question: Question) -> bytes:
    """The portal's request body."""
    return json.dumps({"subject": {"scheme": "FIN", "value": question.fin}, **PURPOSE}).encode()


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """The agency's half of an exchange, as the real simulator believed and answered it; `content` is proven."""

    question: Question
    now: datetime
    document: bytes
    call: OutgoingCall
    reply_envelope: bytes
    content: bytes


def ask_agency(settings: Settings) -> list[Leg]:
    """Ask the agency of these settings each question, without a bus."""
    return asyncio.run(_ask_agency(settings))


def take(bus: LiveBus, legs: Sequence[Leg]) -> list[Specimen]:
    """One whole exchange per question."""
    return [_take(bus, leg) for leg in legs]


def check(specimen: Specimen) -> None:
    """Return when floor and product agree on this exchange.

    Raises:
        AssertionError: the floor leaves something out, or does something else.
    """
    outcome = Floor(specimen).exchange(with_token=True)
    ours, floors = json.loads(specimen.reply), json.loads(outcome.reply)
    assert outcome.document == specimen.document
    assert floors["data"] == ours["data"]
    assert floors.keys() == ours.keys()
    assert [source.keys() for source in floors["sources"]] == [source.keys() for source in ours["sources"]]
    _check_signatures(specimen, outcome)
    _check_refusals(specimen)


async def _ask_agency(settings: Settings) -> list[Leg]:
    adapters = Adapters()
    try:
        operation = adapters.load(settings).operation(AGENCY, OPERATION)
        return [await _leg(operation, question) for question in QUESTIONS]
    finally:
        await adapters.close()


async def _leg(operation: AgencyOperation, question: Question) -> Leg:
    now = datetime.now(UTC)
    document = operation.encode({"Pin": question.fin})
    call = operation.sign(document, message_id=str(uuid.uuid4()), traceparent=None, now=now)
    answer = await operation.send(call, timeout_s=10)
    proven = operation.verify(answer, call, now=now)
    return Leg(
        question=question,
        now=now,
        document=document,
        call=call,
        reply_envelope=answer.body,
        content=proven.content,
    )


def _take(bus: LiveBus, leg: Leg) -> Specimen:
    settings, home = bus.settings, Path(bus.settings.home)
    got = bus.verified(bus.post(ROUTE, question_body(leg.question)))
    assert got.status == 200, got.body.decode()
    return Specimen(
        question=leg.question,
        now=leg.now,
        token=bus.token(now=leg.now),
        caller_key_pem=keys.public_pem(bus.key_of("portal").private.public_key()),
        audience=settings.audience,
        message_id=str(uuid.uuid4()),
        request=question_body(leg.question),
        document=leg.document,
        bus_key_pem=_only(home / "keys" / "bus", "*.key.pem"),
        bus_certificate_pem=_only(home / "keys" / "bus", "*.crt.pem"),
        kid=keys.active(home / "keys" / "bus", passphrase="").kid,
        schema=str(Path(settings.schemas) / "agencies" / AGENCY / "v1" / "PopulationRegister.xsd"),
        envelope=leg.call.body,
        signature_value=leg.call.proof,
        agency_certificate_pem=_only(home / "simulator" / AGENCY, "*.crt.pem"),
        reply_envelope=leg.reply_envelope,
        reply=got.body,
    )


def _only(folder: Path, pattern: str) -> bytes:
    (path,) = folder.glob(pattern)
    return path.read_bytes()


def _check_signatures(specimen: Specimen, outcome: Outcome) -> None:
    certificate = x509.load_pem_x509_certificate(specimen.bus_certificate_pem)
    verifier = WsseVerifier(
        anchors_of([certificate]), SoapVersion.SOAP11, clock_skew_s=30, max_age_s=300, require_confirmation=False
    )
    verified = verifier.verify(outcome.envelope, now=specimen.now)
    assert verified.content == specimen.document
    assert verified.signature_value == outcome.signature_value
    public = keys.verifying_key(specimen.kid, certificate.public_key())
    jws.verify_detached(outcome.reply, outcome.reply_signature, {specimen.kid: public})


def _check_refusals(specimen: Specimen) -> None:
    """A floor that believed anything would be no floor."""
    forged_body = specimen.reply_envelope.replace(b"<Name>", b"<Name>X", 1)
    forged_time = specimen.reply_envelope.replace(b"</wsu:Created>", b"</wsu:Created> ", 1)
    for forged in (forged_body, forged_time):
        with pytest.raises(AssertionError):
            Floor(msgspec.structs.replace(specimen, reply_envelope=forged)).exchange(with_token=False)
    flipped = specimen.token[:-6] + ("A" if specimen.token[-6] != "A" else "B") + specimen.token[-5:]
    with pytest.raises(InvalidSignature):
        Floor(msgspec.structs.replace(specimen, token=flipped)).exchange(with_token=True)
