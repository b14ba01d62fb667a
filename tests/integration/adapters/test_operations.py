"""The installed operations against running simulated agencies: real HTTP, real signatures, real contracts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from adapters import agency_keys, registry
from adapters.registry import Catalogue
from adapters.transport import Transport
from esb.errors import (
    AgencyFault,
    AgencyRejected,
    AgencyTimeout,
    AgencyUnreachable,
    EsbError,
    ReplyInvalid,
    ReplyUnproven,
)
from esb.model import AgencyCode
from esb.ports import AgencyAnswer, Claim
from tests.support.agencies import Agencies

PIN = "7TESTX1"
UNKNOWN = "7TESTX9"
REFUSED = "7TESTXB"
NO_CREDITS = "7TESTX4"

IDENTITY = ("din-reg", "GetPersonByPin", "Pin")
CREDITS = ("mkr", "GetCredits", "Pin")
DIPLOMA = ("tn-tm", "GetDiploma", "pin")
ALL = [IDENTITY, CREDITS, DIPLOMA]

Question = tuple[str, str, str]


@pytest.fixture
async def catalogue(agencies: Agencies) -> AsyncIterator[Catalogue]:
    async with Transport() as transport:
        loaded = registry.load(agencies.settings, agency_keys.load(agencies.settings), transport)
        assert loaded.findings == ()
        yield loaded


async def ask(
    catalogue: Catalogue,
    question: Question,
    pin: str = PIN,
    *,
    timeout_s: float = 10.0,
    claims: list[Claim] | None = None,
) -> AgencyAnswer:
    """The pipeline's order: encode, sign, send, verify, decode."""
    agency, name, key = question
    operation = catalogue.operation(AgencyCode(agency), name)
    document = operation.encode({key: pin})
    call = operation.sign(document, message_id="m-1", traceparent=None, now=datetime.now(UTC))
    raw = await operation.send(call, timeout_s=timeout_s)
    proven = operation.verify(raw, call, now=datetime.now(UTC))
    if claims is not None:
        claims += proven.claims
    return operation.decode(proven)


async def test_register_answers_with_the_person(catalogue: Catalogue) -> None:
    answer = await ask(catalogue, IDENTITY)
    assert answer.found
    assert (answer.data["Person"]["Surname"], answer.data["Person"]["Name"]) == ("Əliyeva", "Ülviyyə")
    assert answer.as_of is not None


async def test_register_says_no_such_person_inside_of_an_answer(catalogue: Catalogue) -> None:
    answer = await ask(catalogue, IDENTITY, UNKNOWN)
    assert answer.found, "the route reads the code; for the adapter it is an answer"
    assert answer.data["ResultCode"] == "404"


async def test_credit_registry_answers_with_exact_amounts(catalogue: Catalogue) -> None:
    credits_of = (await ask(catalogue, CREDITS)).data["Credits"]["Credit"]
    assert all(isinstance(credit["Outstanding"], Decimal) for credit in credits_of)
    assert credits_of


async def test_no_credits_and_no_such_person_are_different(catalogue: Catalogue) -> None:
    none = await ask(catalogue, CREDITS, NO_CREDITS)
    assert none.found
    assert none.data["Credits"]["Credit"] == []
    assert not (await ask(catalogue, CREDITS, UNKNOWN)).found


async def test_education_answers_with_diplomas_and_says_404_where_there_is_none(catalogue: Catalogue) -> None:
    assert (await ask(catalogue, DIPLOMA)).data["diplomas"]
    assert not (await ask(catalogue, DIPLOMA, UNKNOWN)).found


@pytest.mark.parametrize("question", ALL, ids=lambda question: question[0])
async def test_business_refusal_comes_in_the_agencys_words(catalogue: Catalogue, question: Question) -> None:
    with pytest.raises(AgencyRejected) as caught:
        await ask(catalogue, question, REFUSED)
    assert caught.value.agency == question[0]
    assert caught.value.agency_code
    assert caught.value.agency_message


@pytest.mark.parametrize("question", ALL, ids=lambda question: question[0])
async def test_every_answer_has_a_claim_of_its_own(catalogue: Catalogue, question: Question) -> None:
    claims: list[Claim] = []
    for _ in range(3):
        await ask(catalogue, question, claims=claims)
    assert len({claim.key for claim in claims}) == 3


ONE_WAY_WRONG: list[tuple[str, type[EsbError]]] = [
    ("unsigned", ReplyUnproven),
    ("sign-wrong", ReplyUnproven),
    ("sign-other-body", ReplyUnproven),
    ("stale", ReplyUnproven),
    ("break-contract", ReplyInvalid),
    ("html", ReplyInvalid),
    ("oversize=6", ReplyInvalid),
    ("status=503", AgencyFault),
    ("status=500", AgencyFault),
    ("garbage", ReplyInvalid),
    ("cut", AgencyTimeout),
    ("hang", AgencyTimeout),
]

ONE_WAY_WRONG_IN_XML: list[tuple[str, type[EsbError]]] = [
    ("wrong-namespace", ReplyInvalid),
    ("dtd", ReplyInvalid),
    ("expired-certificate", ReplyUnproven),
]

CASES = [(question, *way) for question in ALL for way in ONE_WAY_WRONG] + [
    (question, *way) for question in (IDENTITY, CREDITS) for way in ONE_WAY_WRONG_IN_XML
]


@pytest.mark.parametrize(
    ("question", "behaviour", "error"), CASES, ids=[f"{question[0]} {behaviour}" for question, behaviour, _ in CASES]
)
async def test_agency_that_goes_wrong_in_one_way_is_told_apart(
    agencies: Agencies, catalogue: Catalogue, question: Question, behaviour: str, error: type[EsbError]
) -> None:
    await agencies.behave(question[0], f"{behaviour},next=1")
    with pytest.raises(error) as caught:
        await ask(catalogue, question, timeout_s=1.0 if error is AgencyTimeout else 10.0)
    assert type(caught.value) is error
    assert PIN not in str(caught.value)
    assert (await ask(catalogue, question)).found, "and the next answer is believed again"


@pytest.mark.parametrize("question", ALL, ids=lambda question: question[0])
async def test_answer_to_an_earlier_question_is_not_believed(
    agencies: Agencies, catalogue: Catalogue, question: Question
) -> None:
    await ask(catalogue, question)
    await agencies.behave(question[0], "replay-previous,next=1")
    with pytest.raises(ReplyUnproven):
        await ask(catalogue, question)


@pytest.mark.parametrize("question", ALL, ids=lambda question: question[0])
async def test_agency_that_accepts_no_connection_was_sent_nothing(
    agencies: Agencies, catalogue: Catalogue, question: Question
) -> None:
    await agencies.behave(question[0], "refuse")
    before = await agencies.calls(question[0])
    with pytest.raises(AgencyUnreachable):
        await ask(catalogue, question)
    assert await agencies.calls(question[0]) == before
    await agencies.behave_well(question[0])
    assert (await ask(catalogue, question)).found


async def test_many_questions_at_a_time_get_their_own_answers(catalogue: Catalogue) -> None:
    pins = ["7TESTX1", "7TESTX2", "7TESTX3", "7TESTX4"] * 8
    answers = await asyncio.gather(*(ask(catalogue, IDENTITY, pin) for pin in pins))
    assert [answer.data["Person"]["Pin"] for answer in answers] == pins


async def test_agency_is_asked_once_for_each_question(agencies: Agencies, catalogue: Catalogue) -> None:
    await ask(catalogue, IDENTITY)
    calls: dict[str, Any] = await agencies.calls("din-reg")
    assert calls["GetPersonByPin"] == {PIN: 1}
