"""What a SOAP agency's answers mean: the ways of saying that there is no record, codes in replies, nested errors."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from adapters.simulator.behaviours import parse
from esb.errors import AgencyFault, AgencyRejected, ReplyInvalid
from esb.ports import RawAnswer
from tests.support.soap_dialects import RECORDS, running, written

MISSING = 'missing: {document: {Code: "404"}}'


def records(missing: str) -> str:
    """Where nobody is known, the agency says so in this way."""
    return RECORDS.replace(MISSING, f"missing: {missing}")


FAULT = "{fault: {code: %s, text: yoxdur}}"
WAYS = {
    "fault code": ("faults: {not_found: [Client.NoRecord]}\n", FAULT % "Client.NoRecord"),
    "dotted fault code": ("faults: {not_found: ['Client.*.NoRecord']}\n", FAULT % "Client.Register.NoRecord"),
    "code in the reply": (
        'faults: {success: ["000"], not_found: ["404"], code: [Code]}\n',
        '{document: {Code: "404", Message: yoxdur}}',
    ),
    "nil element": ("not_found: {answer: [all-null]}\n", "{document: {Debt: null}}"),
    "empty element": ("not_found: {answer: [all-null]}\n", "{document: {}}"),
    "empty list": ("not_found: {answer: [all-null]}\n", "{document: {Bill: []}}"),
}


@pytest.mark.parametrize("authentication", ["wsse-x509", "none"])
@pytest.mark.parametrize("way", WAYS)
async def test_no_record_is_understood_in_the_agencys_way(tmp_path: Path, way: str, authentication: str) -> None:
    manifest, missing = WAYS[way]
    found = 'found: {Code: "000", Debt: $record.Debt}'
    data = records(missing).replace("found: {Debt: $record.Debt}", found)
    settings = written(tmp_path, manifest=manifest, records=data, authentication=authentication)
    async with running(settings) as asking:
        assert not (await asking.ask("7TESTX9")).found
        known = await asking.ask()
        assert (known.found, known.data["Debt"]) == (True, Decimal("12.50"))


async def test_zero_debt_is_an_answer_and_no_absence(tmp_path: Path) -> None:
    async with running(written(tmp_path, manifest="not_found: {answer: [all-null]}\n")) as asking:
        assert (await asking.ask("7TESTX2")).data == {"Debt": Decimal("0.00"), "Bill": []}


@pytest.mark.parametrize("body", [b"", b"<html>404</html>"])
async def test_http_404_is_no_record_only_where_nothing_is_signed(tmp_path: Path, body: bytes) -> None:
    manifest = "not_found: {http_status: [404]}\n"
    raw = RawAnswer(http_status=404, headers={"content-type": "text/html"}, body=body)
    async with running(written(tmp_path / "none", manifest=manifest, authentication="none")) as asking:
        call = asking.called({"Pin": "7TESTX1"})
        assert not asking.operation().decode(asking.proven(raw, call)).found
    async with running(written(tmp_path / "signed", manifest=manifest)) as asking:
        call = asking.called({"Pin": "7TESTX1"})
        with pytest.raises(ReplyInvalid, match="HTTP 404 without SOAP"):
            asking.proven(raw, call)


async def test_fault_with_http_200_is_a_fault(tmp_path: Path) -> None:
    manifest = "faults: {rejected: ['Client.Business*']}\n"
    async with running(
        written(tmp_path, manifest=manifest, records=records(FAULT % "Client.Business.Closed"))
    ) as asking:
        call = asking.called({"Pin": "7TESTX9"})
        raw = await asking.sent(call)
        assert raw.http_status == 500
        as_success = RawAnswer(http_status=200, headers=raw.headers, body=raw.body)
        with pytest.raises(AgencyRejected) as caught:
            asking.operation().decode(asking.proven(as_success, call))
        assert (caught.value.agency_code, caught.value.agency_message) == ("Client.Business.Closed", "yoxdur")


async def test_code_in_a_reply_is_a_refusal_or_trouble_by_the_manifest(tmp_path: Path) -> None:
    manifest = 'faults: {success: ["000"], rejected: ["4*"], code: [Code], message: [Message]}\n'
    for code, kind in (("403", AgencyRejected), ("999", AgencyFault)):
        data = records(f'{{document: {{Code: "{code}", Message: "səbəb"}}}}')
        async with running(written(tmp_path / code, manifest=manifest, records=data)) as asking:
            with pytest.raises(kind) as caught:
                await asking.ask("7TESTX9")
            assert (caught.value.agency_code, caught.value.agency_message) == (code, "səbəb")


NESTED = """\
{raw: '<f:Fault xmlns:f="http://schemas.xmlsoap.org/soap/envelope/"><faultcode>f:Server.Chain</faultcode>
  <faultstring>x</faultstring><detail><Problem><Code>A.1</Code><Message>birinci</Message>
  <Cause><Error><Code>B.2</Code><InnerException><errorCode>C.3</errorCode></InnerException></Error></Cause></Problem>
  </detail></f:Fault>'}"""


async def test_nested_causes_are_kept_in_their_order(tmp_path: Path) -> None:
    async with running(written(tmp_path, manifest="", records=records(NESTED))) as asking:
        with pytest.raises(AgencyFault) as caught:
            await asking.ask("7TESTX9")
        assert caught.value.agency_code == "A.1"
        assert caught.value.causes == ("B.2", "C.3")
        assert caught.value.agency_message == "birinci"


async def test_cause_of_a_fault_can_say_that_there_is_no_record(tmp_path: Path) -> None:
    async with running(written(tmp_path, manifest="faults: {not_found: [C.3]}\n", records=records(NESTED))) as asking:
        assert not (await asking.ask("7TESTX9")).found


async def test_unproven_fault_says_nothing(tmp_path: Path) -> None:
    manifest = "faults: {not_found: [Client.NoRecord]}\n"
    async with running(written(tmp_path, manifest=manifest, records=records(FAULT % "Client.NoRecord"))) as asking:
        await asking.simulator.behave([parse("unsigned")])
        call = asking.called({"Pin": "7TESTX9"})
        with pytest.raises(Exception, match="no header"):
            asking.proven(await asking.sent(call), call)


STRAY = """\
{raw: '<r:DebtReply xmlns:r="urn:az:gov:heat:v1"><r:Debt>1.00</r:Debt>
  <r:Novelty a="b">yeni</r:Novelty></r:DebtReply>'}"""


async def test_strict_agency_may_not_answer_beside_its_contract(tmp_path: Path) -> None:
    async with running(written(tmp_path, manifest="", records=records(STRAY))) as asking:
        with pytest.raises(ReplyInvalid):
            await asking.ask("7TESTX9")


@pytest.mark.parametrize("authentication", ["wsse-x509", "none"])
async def test_lax_agency_may_and_what_it_adds_is_kept_and_told(tmp_path: Path, authentication: str) -> None:
    settings = written(tmp_path, manifest="validation: lax\n", records=records(STRAY), authentication=authentication)
    async with running(settings) as asking:
        answer = await asking.ask("7TESTX9")
        assert answer.data["Debt"] == Decimal("1.00")
        assert "yeni" in str(answer.data)
        assert len(answer.findings) == 1
        assert "Novelty" in answer.findings[0]
        assert "yeni" not in answer.findings[0]
