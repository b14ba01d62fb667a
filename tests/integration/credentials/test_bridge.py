"""An agency behind the bridge, over real HTTP: sealed questions, sealed answers, and every way to spoil one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from adapters import agency_keys, registry
from adapters.simulator import parse
from adapters.transport import Transport
from esb.errors import (
    AgencyFault,
    AgencyRejected,
    AgencyTimeout,
    EsbError,
    ReplyInvalid,
    ReplyUnproven,
    RequestUnencodable,
)
from esb.ports import Claim
from security import secretfile
from security.errors import KeyUnavailable
from tests.support.guarded_agency import TAX_BRIDGE, Installation, running, taxes

OPERATION = "WS_AKB_GET_TAX_PAYER_INFO"
VOEN = {"body": {"voen": "1234567890"}}
OWN_KEY = TAX_BRIDGE + "  reply_key: own\n  private_key: bus.key.pem\n"


@pytest.fixture(params=[TAX_BRIDGE, OWN_KEY], ids=["key of the request", "key of the bus"])
async def bridged(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Installation]:
    async with running(tmp_path, taxes(tmp_path, request.param)) as there:
        yield there


async def test_question_is_answered_with_exact_values(bridged: Installation) -> None:
    claims: list[Claim] = []
    for _ in range(2):
        answer = await bridged.ask(OPERATION, VOEN, claims=claims)
        assert answer.data == {"voen": "1234567890", "name": "Əliyeva Ülviyyə", "debt": Decimal("10.10")}
    assert len({claim.key for claim in claims}) == 2
    assert all(claim.key.startswith("bridge:tax:") for claim in claims)


async def test_nobody_and_refusal_come_in_the_agencys_words(bridged: Installation) -> None:
    assert not (await bridged.ask(OPERATION, {"body": {"voen": "9999999999"}})).found
    with pytest.raises(AgencyRejected) as caught:
        await bridged.ask(OPERATION, {"body": {"voen": "0000000000"}})
    assert (caught.value.agency_code, caught.value.agency_message) == ("BUSINESS_CLOSED", "Bağlıdır")


async def test_value_outside_of_the_contract_is_not_sent(bridged: Installation) -> None:
    with pytest.raises(RequestUnencodable) as caught:
        await bridged.ask(OPERATION, {"body": {"voen": "x"}})
    assert caught.value.path == "body/voen"


SPOILT: list[tuple[str, type[EsbError]]] = [
    ("unsigned", ReplyUnproven),
    ("sign-wrong", ReplyUnproven),
    ("sign-other-body", ReplyUnproven),
    ("stale", ReplyUnproven),
    ("break-contract", ReplyInvalid),
    ("html", ReplyInvalid),
    ("garbage", ReplyInvalid),
    ("oversize=6", ReplyInvalid),
    ("status=503", AgencyFault),
    ("cut", AgencyTimeout),
]


@pytest.mark.parametrize(("behaviour", "error"), SPOILT, ids=[behaviour for behaviour, _ in SPOILT])
async def test_answer_that_is_wrong_in_one_way_is_told_apart(
    bridged: Installation, behaviour: str, error: type[EsbError]
) -> None:
    await bridged.simulator.behave([parse(f"{behaviour},next=1")])
    with pytest.raises(error) as caught:
        await bridged.ask(OPERATION, VOEN, timeout_s=2.0)
    assert type(caught.value) is error
    assert "1234567890" not in str(caught.value)
    assert (await bridged.ask(OPERATION, VOEN)).found, "and the next answer is believed again"


async def test_answer_to_an_earlier_question_is_not_believed(bridged: Installation) -> None:
    await bridged.ask(OPERATION, VOEN)
    await bridged.simulator.behave([parse("replay-previous,next=1")])
    with pytest.raises(ReplyUnproven):
        await bridged.ask(OPERATION, VOEN)


async def test_many_questions_at_a_time_get_their_own_answers(bridged: Installation) -> None:
    answers = await asyncio.gather(*(bridged.ask(OPERATION, VOEN) for _ in range(20)))
    assert all(answer.found for answer in answers)


async def test_agency_without_the_secret_is_not_believed(bridged: Installation) -> None:
    path = secretfile.path_of(Path(bridged.settings.home), "tax", "bridge-token")
    secretfile.write(path, b"another secret of thirty-two bytes")
    async with Transport() as transport:
        loaded = registry.load(bridged.settings, agency_keys.load(bridged.settings), transport)
        other = Installation(agency="tax", settings=bridged.settings, simulator=bridged.simulator, catalogue=loaded)
        with pytest.raises(ReplyUnproven):
            await other.ask(OPERATION, VOEN)
    assert bridged.simulator.refusals["TokenInvalid"] == 1


@pytest.mark.parametrize("missing", ["secrets/tax/bridge-token", "simulator/tax/bridge.pem"])
async def test_key_that_is_missing_is_a_warning_and_nothing_is_sent(bridged: Installation, missing: str) -> None:
    (Path(bridged.settings.home) / missing).unlink()
    async with Transport() as transport:
        loaded = registry.load(bridged.settings, agency_keys.load(bridged.settings), transport)
        assert [Path(missing).name in finding.message for finding in loaded.findings] == [True]
        poor = Installation(agency="tax", settings=bridged.settings, simulator=bridged.simulator, catalogue=loaded)
        with pytest.raises(KeyUnavailable, match=Path(missing).name):
            await poor.ask(OPERATION, VOEN)
    assert not bridged.simulator.calls


async def test_short_secret_is_not_used(bridged: Installation) -> None:
    secretfile.write(secretfile.path_of(Path(bridged.settings.home), "tax", "bridge-token"), b"short")
    async with Transport() as transport:
        loaded = registry.load(bridged.settings, agency_keys.load(bridged.settings), transport)
        poor = Installation(agency="tax", settings=bridged.settings, simulator=bridged.simulator, catalogue=loaded)
        with pytest.raises(KeyUnavailable, match="32 bytes"):
            await poor.ask(OPERATION, VOEN)
