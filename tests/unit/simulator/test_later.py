"""A simulated agency that answers later: tickets as its contract wants them, and failing pushes that are told."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import cast

import pytest

from adapters.manifest_interaction import How, InteractionTerms, LaterTerms
from adapters.simulator.dialect import Dialect, Draft, Question, Sealed
from adapters.simulator.later import LaterDialect
from adapters.simulator.register import AgencyReply, LaterRecords, OperationRecords, Register
from esb.errors import ContractViolation
from esb.ports import utc_now
from tests.support.bus import free_port

UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
ASKED = Question(operation="Submit", key="7TESTX1", values={}, proof=b"")


class Unsigned:
    """Brings a document as it is."""

    def seal(self, content: bytes, *, url: str, now: datetime) -> Sealed:  # noqa: ARG002 - nothing is signed
        return Sealed(http_status=0, headers={}, body=content)


def agency(sample: str | int, takes: Callable[[AgencyReply], bool], *, how: How = How.POLL) -> LaterDialect:
    """An agency whose receipt holds `sample` where the ticket goes, and whose contract takes what `takes` says."""

    def draft(_name: str, reply: AgencyReply) -> Draft:
        if not takes(reply):
            raise ContractViolation("is not of the type", path="ticket")
        return Draft(http_status=200, content=json.dumps(reply.document).encode())

    rules = OperationRecords(key="pin", table="all", found={}, missing=AgencyReply(document={"ticket": sample}))
    return LaterDialect(
        cast("Dialect", None),  # what is answered later never comes to it
        InteractionTerms(
            operations={
                "Submit": LaterTerms(how=how, for_s=9, every_s=1, answer="Submit", ticket="ticket", key="ticket")
            }
        ),
        Register(
            agency="pay",
            tables={"all": {}},
            operations={"Submit": rules},
            later={"Submit": LaterRecords(after_ms=0)},
            callback=f"http://127.0.0.1:{free_port()}/v1/agencies/pay/answers",
        ),
        draft_of=draft,
        carrier=Unsigned(),
        files=None,
        clock=utc_now,
    )


def ticket_of(reply: AgencyReply) -> object:
    assert isinstance(reply.document, dict)
    return reply.document["ticket"]


@pytest.mark.parametrize(
    ("sample", "wanted"),
    [
        ("", "T-[0-9a-f]{12}"),
        ("3fa85f64-5717-4562-b3fc-2c963f66afa6", UUID),
        ("APP-2026-000017", "APP-[0-9]{4}-[0-9]{6}"),
        ("AZE12x", "[A-Z]{3}[0-9]{2}[a-z]"),
    ],
)
def test_ticket_is_of_the_form_that_the_contract_wants(sample: str, wanted: str) -> None:
    told = agency(sample, lambda reply: re.fullmatch(wanted, str(ticket_of(reply))) is not None)
    tickets = {told.draft(ASKED).content for _ in range(5)}
    assert len(tickets) == 5


def test_ticket_may_be_a_number() -> None:
    told = agency(10000000, lambda reply: isinstance(ticket_of(reply), int))
    assert re.fullmatch(rb'\{"ticket": [0-9]{8}\}', told.draft(ASKED).content)


def test_ticket_that_cannot_be_made_up_is_a_violation_and_no_other_error() -> None:
    with pytest.raises(ContractViolation, match="is not of the type"):
        agency("x", lambda _: False).draft(ASKED)


async def test_push_that_fails_is_told_with_its_reason_for_each_try(capsys: pytest.CaptureFixture[str]) -> None:
    told = agency("x", lambda _: True, how=How.PUSH)
    told.draft(ASKED)
    lines: list[str] = []
    while len(lines) < 2:
        await asyncio.sleep(0.05)
        lines += capsys.readouterr().err.splitlines()
    await told.stop()
    assert all(
        re.match(r"pay: not delivered to http://127\.0\.0\.1:\d+/v1/agencies/pay/answers: .+", line) for line in lines
    )
