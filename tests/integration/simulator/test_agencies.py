"""The simulated agencies against the bus's own adapters over real HTTP: good answers, and every way to misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters import agency_keys, registry
from adapters.simulator import Kind
from adapters.simulator.behaviours import XML_ONLY
from adapters.transport import Transport
from esb.errors import AgencyFault, AgencyRejected, AgencyTimeout, AgencyUnreachable, ReplyInvalid, ReplyUnproven
from esb.model import AgencyCode
from esb.ports import AgencyAnswer, AgencyOperation, OutgoingCall, ProvenAnswer
from esb.settings import Settings
from tests.support.agencies import Agencies

QUESTIONS = {"din-reg": ("GetPersonByPin", "Pin"), "mkr": ("GetCredits", "Pin"), "tn-tm": ("GetDiploma", "pin")}


@dataclass(frozen=True, kw_only=True)
class Bus:
    """As much of a bus as calls an agency."""

    catalogue: registry.Catalogue

    def operation(self, agency: str, name: str | None = None) -> AgencyOperation:
        return self.catalogue.operation(AgencyCode(agency), name or QUESTIONS[agency][0])

    def call(self, agency: str, fin: str, *, at: datetime | None = None) -> OutgoingCall:
        operation = self.operation(agency)
        document = operation.encode({QUESTIONS[agency][1]: fin})
        return operation.sign(document, message_id="m", traceparent=None, now=at or datetime.now(UTC))

    async def send(self, agency: str, call: OutgoingCall, *, timeout_s: float = 10) -> ProvenAnswer:
        operation = self.operation(agency)
        return operation.verify(await operation.send(call, timeout_s=timeout_s), call, now=datetime.now(UTC))

    async def exchange(self, agency: str, call: OutgoingCall, *, timeout_s: float = 10) -> AgencyAnswer:
        return self.operation(agency).decode(await self.send(agency, call, timeout_s=timeout_s))

    async def ask(self, agency: str, fin: str, *, timeout_s: float = 10) -> AgencyAnswer:
        return await self.exchange(agency, self.call(agency, fin), timeout_s=timeout_s)


@pytest.fixture
async def bus(agencies: Agencies) -> AsyncIterator[Bus]:
    async with running_bus(agencies.settings) as running:
        yield running


@contextlib.asynccontextmanager
async def running_bus(settings: Settings) -> AsyncIterator[Bus]:
    async with Transport() as transport:
        yield Bus(catalogue=registry.load(settings, agency_keys.load(settings), transport))


# --- good answers ----------------------------------------------------------------------------------------


async def test_population_register_answers_signed_and_in_its_contract(bus: Bus) -> None:
    answer = await bus.ask("din-reg", "7TESTX1")
    assert answer.found
    assert answer.data["Person"]["Surname"] == "Əliyeva"
    assert answer.data["Person"]["PreviousAddress"] == []


@pytest.mark.parametrize(
    ("fin", "surname"),
    [
        ("7TESTX6", "K\u01ddng\u01ddrli"),
        ("7TESTX7", "I\u0307smay\u0131lov"),
        ("7TESTX4", "Ə'lizadə"),
        ("7TESTXC", "O’Brien & Ko <test>"),
    ],
)
async def test_names_come_through_code_point_for_code_point(bus: Bus, fin: str, surname: str) -> None:
    assert (await bus.ask("din-reg", fin)).data["Person"]["Surname"] == surname


async def test_credits_are_exact_decimals(bus: Bus) -> None:
    (credit,) = (await bus.ask("mkr", "7TESTX7")).data["Credits"]["Credit"]
    assert credit["Principal"] == Decimal("999999999999999.99")


async def test_empty_list_unknown_person_and_refusal_stay_three_things(bus: Bus) -> None:
    assert (await bus.ask("mkr", "7TESTXA")).data["Credits"]["Credit"] == []
    assert not (await bus.ask("mkr", "7TESTX9")).found
    with pytest.raises(AgencyRejected) as refusal:
        await bus.ask("mkr", "7TESTXB")
    assert refusal.value.agency_code == "Business.ConsentRequired"


async def test_register_says_not_found_in_the_body_and_refuses_by_a_typed_fault(bus: Bus) -> None:
    assert (await bus.ask("din-reg", "7TESTX9")).data["ResultCode"] == "404"
    with pytest.raises(AgencyRejected) as refusal:
        await bus.ask("din-reg", "7TESTXB")
    assert refusal.value.agency_code == "RecordBlocked"


async def test_diplomas_answer_signed_json_404_and_refusal(bus: Bus) -> None:
    assert [diploma["level"] for diploma in (await bus.ask("tn-tm", "7TESTX1")).data["diplomas"]] == [
        "bakalavr",
        "magistr",
    ]
    assert not (await bus.ask("tn-tm", "7TESTX5")).found
    with pytest.raises(AgencyRejected) as refusal:
        await bus.ask("tn-tm", "7TESTXB")
    assert refusal.value.agency_code == "BUSINESS_ARCHIVE_SEALED"


@pytest.mark.parametrize(("fin", "low", "high"), [("7TEST2K", 1_700, 2_600), ("7TEST1K", 9_000, 12_000)])
async def test_long_histories_have_the_sizes_their_names_promise(bus: Bus, fin: str, low: int, high: int) -> None:
    proven = await bus.send("din-reg", bus.call("din-reg", fin))
    assert low <= len(proven.content) <= high


# --- what the agency demands of the bus ------------------------------------------------------------------


@pytest.mark.parametrize("agency", QUESTIONS)
async def test_replayed_request_is_refused_by_a_proven_fault(bus: Bus, agencies: Agencies, agency: str) -> None:
    call = bus.call(agency, "7TESTX1")
    await bus.exchange(agency, call)
    with pytest.raises(AgencyFault):
        await bus.exchange(agency, call)
    assert sum((await agencies.calls(agency))[QUESTIONS[agency][0]].values()) == 1
    (code,) = await agencies.refusals(agency)
    assert code.endswith("MessageReplayed")


@pytest.mark.parametrize("agency", QUESTIONS)
async def test_stale_request_is_refused(bus: Bus, agencies: Agencies, agency: str) -> None:
    with pytest.raises((ReplyUnproven, AgencyFault)):
        await bus.exchange(agency, bus.call(agency, "7TESTX1", at=datetime.now(UTC) - timedelta(hours=1)))
    (code,) = await agencies.refusals(agency)
    assert code.endswith("MessageStale")


@pytest.mark.parametrize("agency", QUESTIONS)
async def test_unsigned_request_is_refused(bus: Bus, agencies: Agencies, agency: str) -> None:
    unsigned = _without_signature(bus.call(agency, "7TESTX1"))
    with pytest.raises((ReplyUnproven, AgencyFault)):
        await bus.exchange(agency, unsigned)
    (code,) = await agencies.refusals(agency)
    assert code.endswith("SignatureMissing")
    assert await agencies.calls(agency) == {}


def _without_signature(call: OutgoingCall) -> OutgoingCall:
    if call.body:
        start, end = call.body.index(b"<soap:Header>"), call.body.index(b"</soap:Header>") + len(b"</soap:Header>")
        return msgspec.structs.replace(call, body=call.body[:start] + call.body[end:])
    kept = {name: value for name, value in call.headers.items() if not name.lower().startswith("signature")}
    return msgspec.structs.replace(call, headers=kept)


@pytest.mark.parametrize(
    ("agency", "tamper"),
    [
        ("din-reg", lambda call: msgspec.structs.replace(call, body=call.body.replace(b"7TESTX1", b"7TESTX2"))),
        ("mkr", lambda call: msgspec.structs.replace(call, body=call.body.replace(b"7TESTX1", b"7TESTX2"))),
        ("tn-tm", lambda call: msgspec.structs.replace(call, url=call.url.replace("7TESTX1", "7TESTX2"))),
    ],
)
async def test_tampered_request_is_refused(
    bus: Bus, agencies: Agencies, agency: str, tamper: Callable[[OutgoingCall], OutgoingCall]
) -> None:
    with pytest.raises((ReplyUnproven, AgencyFault)):
        await bus.exchange(agency, tamper(bus.call(agency, "7TESTX1")))
    (code,) = await agencies.refusals(agency)
    assert code.endswith("SignatureInvalid")


# --- misbehaviour ----------------------------------------------------------------------------------------

MISBEHAVIOUR: list[tuple[str, type[Exception]]] = [
    ("hang", AgencyTimeout),
    ("slow=5000", AgencyTimeout),
    ("cut", AgencyTimeout),
    ("refuse", AgencyUnreachable),
    ("status=503", AgencyFault),
    ("garbage", ReplyInvalid),
    ("html", ReplyInvalid),
    ("unsigned", ReplyUnproven),
    ("sign-wrong", ReplyUnproven),
    ("sign-other-body", ReplyUnproven),
    ("stale", ReplyUnproven),
    ("replay-previous", ReplyUnproven),
    ("break-contract", ReplyInvalid),
    ("oversize=6", ReplyInvalid),
    ("dtd", ReplyInvalid),
    ("wrong-namespace", ReplyInvalid),
    ("expired-certificate", ReplyUnproven),
]


def _applicable() -> list[Any]:
    return [
        pytest.param(agency, text, error, id=f"{agency}-{text}")
        for agency in QUESTIONS
        for text, error in MISBEHAVIOUR
        if agency != "tn-tm" or text not in XML_ONLY
    ]


def test_every_behaviour_is_tried() -> None:
    assert {text.partition("=")[0] for text, _ in MISBEHAVIOUR} == set(Kind)


@pytest.mark.parametrize(("agency", "behaviour", "error"), _applicable())
async def test_misbehaviour_is_noticed_and_wears_off(
    bus: Bus, agencies: Agencies, agency: str, behaviour: str, error: type[Exception]
) -> None:
    before = await bus.ask(agency, "7TESTX1")
    await agencies.behave(agency, behaviour)
    with pytest.raises(error):
        await bus.ask(agency, "7TESTX2", timeout_s=0.5 if error is AgencyTimeout else 10)
    await agencies.behave_well(agency)
    assert await bus.ask(agency, "7TESTX1") == before


@pytest.mark.parametrize("agency", ["din-reg", "mkr"])
async def test_certificate_that_is_trusted_and_has_run_out_is_refused_for_its_age(
    agencies: Agencies, agency: str, tmp_path: Path
) -> None:
    shutil.copytree(agencies.home / "keys" / "bus", tmp_path / "keys" / "bus")
    known = tmp_path / "keys" / "agencies" / agency
    known.mkdir(parents=True)
    for certificate in (agencies.home / "simulator" / agency / "expired").glob("*.crt.pem"):
        shutil.copy(certificate, known)
    await agencies.behave(agency, "expired-certificate")
    async with running_bus(msgspec.structs.replace(agencies.settings, home=str(tmp_path))) as bus:
        with pytest.raises(ReplyUnproven, match="expired"):
            await bus.ask(agency, "7TESTX1")


async def test_call_is_counted_even_when_its_answer_is_lost(bus: Bus, agencies: Agencies) -> None:
    await agencies.behave("din-reg", "cut,next=1")
    with pytest.raises(AgencyTimeout):
        await bus.ask("din-reg", "7TESTX1")
    await bus.ask("din-reg", "7TESTX1")
    assert await agencies.calls("din-reg") == {"GetPersonByPin": {"7TESTX1": 2}}


async def test_behaviour_for_one_person_spares_the_others(bus: Bus, agencies: Agencies) -> None:
    await agencies.behave("mkr", "unsigned,key=7TESTX2")
    assert (await bus.ask("mkr", "7TESTX1")).found
    with pytest.raises(ReplyUnproven):
        await bus.ask("mkr", "7TESTX2")


async def test_slow_agency_serves_others_meanwhile(bus: Bus, agencies: Agencies) -> None:
    await agencies.behave("din-reg", "hang,key=7TESTX1")
    hanging = asyncio.create_task(bus.ask("din-reg", "7TESTX1", timeout_s=5))
    assert (await bus.ask("din-reg", "7TESTX2")).found
    assert not hanging.done()
    hanging.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hanging
