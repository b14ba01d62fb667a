"""An agency with nothing but an XSD, over real HTTP: each way of signing, calling, answering and misbehaving."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters import agency_keys, registry
from adapters.transport import Transport
from esb.errors import AgencyFault, AgencyRejected, ReplyInvalid, ReplyUnproven, RequestUnencodable, RoutesInvalid
from esb.settings import Settings
from tests.support.plain_http import PlainAgency, running, write_agency

XSD = """\
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:heat" xmlns="urn:heat"
           elementFormDefault="qualified">
  <xs:simpleType name="Pin"><xs:restriction base="xs:string">
    <xs:pattern value="[0-9A-HJ-NP-Z]{7}"/></xs:restriction></xs:simpleType>
  <xs:element name="HeatingRequest"><xs:complexType><xs:sequence>
    <xs:element name="Pin" type="Pin"/><xs:element name="Year" type="xs:gYear" minOccurs="0"/>
    <xs:element name="Kind" type="xs:string" minOccurs="0" maxOccurs="unbounded"/>
  </xs:sequence></xs:complexType></xs:element>
  <xs:element name="HeatingReply"><xs:complexType><xs:sequence>
    <xs:element name="Pin" type="Pin"/><xs:element name="Debt" type="xs:decimal"/>
    <xs:element name="Bill" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:element name="Month" type="xs:gYearMonth"/></xs:sequence></xs:complexType></xs:element>
  </xs:sequence></xs:complexType></xs:element>
  <xs:element name="Problem"><xs:complexType><xs:sequence>
    <xs:element name="Code" type="xs:string"/><xs:element name="Message" type="xs:string" minOccurs="0"/>
    <xs:element name="Cause" minOccurs="0"><xs:complexType><xs:sequence>
      <xs:element name="Code" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
  </xs:sequence></xs:complexType></xs:element>
</xs:schema>
"""

OPERATIONS = """\
  operations:
    AskHeating: {path: /heating, request: HeatingRequest, reply: "{urn:heat}HeatingReply", fault: Problem}
    GetHeating: {method: GET, path: "/heating/{Pin}", request: HeatingRequest, reply: HeatingReply, fault: Problem}
    GetByName: {path: "/people/{pin}/heating", query: [year], reply: HeatingReply, fault: Problem}
"""

RECORDS = """\
table: debts
    found: {Pin: $key, Debt: $record.debt, Bill: $record.bills}
    missing: {http_status: 404, document: {Code: NO.RECORD}}"""

SIMULATOR = """\
operations:
  AskHeating:
    key: body.Pin
    <records>
    special:
      7TESTXB: {http_status: 422, document: {Code: BUSINESS.CLOSED, Message: "Bağlıdır", Cause: {Code: DB.LOCK}}}
      7TESTXC: {http_status: 500, document: {Code: GW.DOWN}}
  GetHeating:
    key: Pin
    <records>
  GetByName:
    key: pin
    <records>
tables:
  debts:
    7TESTX1: {debt: 12.50, bills: [{Month: "2026-01"}, {Month: "2026-02"}]}
    7TESTX2: {debt: 0, bills: []}
""".replace("<records>", RECORDS)

MORE = """\
not_found: {http_status: [404]}
faults: {rejected: ["BUSINESS*"]}
"""
VALUES: dict[str, dict[str, Any]] = {
    "AskHeating": {"body": {"Pin": "7TESTX1", "Year": "2026", "Kind": ["a", "b"]}},
    "GetHeating": {"Pin": "7TESTX1", "Year": "2026", "Kind": ["a", "b&c"]},
    "GetByName": {"pin": "7TESTX1", "year": "2026"},
}


def agency(folder: Path, authentication: str = "none", contract: str = OPERATIONS, more: str = MORE) -> Settings:
    return write_agency(
        folder,
        {"Heating.xsd": XSD},
        kind="xml",
        file="Heating.xsd",
        contract=contract,
        authentication=authentication,
        more=more,
        simulator=SIMULATOR,
    )


@pytest.fixture(params=["none", "http-signature", "xmldsig"])
async def heat(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[PlainAgency]:
    async with running(agency(tmp_path, request.param)) as there:
        yield there


@pytest.fixture
async def signed(tmp_path: Path) -> AsyncIterator[PlainAgency]:
    async with running(agency(tmp_path, "xmldsig")) as there:
        yield there


@pytest.mark.parametrize("name", VALUES)
async def test_an_agency_answers_however_it_is_called(heat: PlainAgency, name: str) -> None:
    answer = await heat.ask(name, VALUES[name])
    assert answer.data == {
        "Pin": "7TESTX1",
        "Debt": Decimal("12.5"),
        "Bill": [{"Month": "2026-01"}, {"Month": "2026-02"}],
    }
    assert heat.simulator.calls == {(name, "7TESTX1"): 1}


async def test_unknown_refused_and_failed_are_three_things(heat: PlainAgency) -> None:
    assert not (await heat.ask("AskHeating", {"body": {"Pin": "7TESTX9"}})).found
    assert (await heat.ask("AskHeating", {"body": {"Pin": "7TESTX2"}})).data["Bill"] == []
    with pytest.raises(AgencyRejected) as refusal:
        await heat.ask("AskHeating", {"body": {"Pin": "7TESTXB"}})
    assert (refusal.value.agency_code, refusal.value.agency_message) == ("BUSINESS.CLOSED", "Bağlıdır")
    assert refusal.value.causes == ("DB.LOCK",)
    with pytest.raises(AgencyFault) as fault:
        await heat.ask("AskHeating", {"body": {"Pin": "7TESTXC"}})
    assert fault.value.agency_code == "GW.DOWN"


@pytest.mark.parametrize(
    ("name", "values", "path"),
    [
        ("AskHeating", {"body": {"Pin": "7TESTO1"}}, "body/Pin"),
        ("AskHeating", {"body": {"Pin": "7TESTX1", "X": "1"}}, "body/X"),
        ("AskHeating", {}, "body"),
        ("GetHeating", {"Pin": "7TESTO1"}, "Pin"),
        ("GetHeating", {"Pin": "7TESTX1", "Year": "MMXX"}, "Year"),
        ("GetByName", {"pin": ".."}, "pin"),
        ("GetByName", {"pin": ""}, "pin"),
        ("GetByName", {"year": "2026"}, "pin"),
    ],
)
def test_values_outside_the_contract_are_refused_before_anything_is_sent(
    tmp_path: Path, name: str, values: dict[str, Any], path: str
) -> None:
    settings = agency(tmp_path)
    operation = registry.load(settings, agency_keys.load(settings), Transport()).adapters["heat"].operations[name]
    with pytest.raises(RequestUnencodable) as caught:
        operation.operation.encode(values)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ("sign-wrong", ReplyUnproven),
        ("sign-other-body", ReplyUnproven),
        ("unsigned", ReplyUnproven),
        ("expired-certificate", ReplyUnproven),
        ("dtd", ReplyUnproven),
        ("break-contract", ReplyInvalid),
        ("wrong-namespace", ReplyInvalid),
        ("html", ReplyInvalid),
        ("garbage", ReplyInvalid),
        ("status=503", AgencyFault),
    ],
)
async def test_a_reply_that_is_wrong_in_one_way_is_refused_for_it(
    signed: PlainAgency, behaviour: str, error: type[Exception]
) -> None:
    await signed.behave(behaviour)
    with pytest.raises(error):
        await signed.ask("AskHeating", VALUES["AskHeating"])


async def test_an_unsigned_agency_is_still_held_to_its_contract(tmp_path: Path) -> None:
    async with running(agency(tmp_path, "none")) as there:
        for behaviour in ("break-contract", "wrong-namespace", "dtd", "html"):
            await there.behave(f"{behaviour},next=1")
            with pytest.raises(ReplyInvalid):
                await there.ask("AskHeating", VALUES["AskHeating"])
        assert (await there.ask("AskHeating", VALUES["AskHeating"])).found


async def test_the_agency_refuses_what_the_bus_did_not_sign(signed: PlainAgency) -> None:
    operation, now = signed.operation("AskHeating"), datetime.now(UTC)
    call = operation.sign(operation.encode(VALUES["AskHeating"]), message_id="m", traceparent=None, now=now)
    forged = msgspec.structs.replace(call, body=call.body.replace(b"7TESTX1", b"7TESTX2"))
    answer = operation.verify(await operation.send(forged, timeout_s=10), forged, now=now)
    with pytest.raises(AgencyFault) as caught:
        operation.decode(answer)
    assert caught.value.agency_code == "SIGNATURE_INVALID"
    assert signed.simulator.refusals == {"SignatureInvalid": 1}


@pytest.mark.parametrize(
    ("contract", "reason"),
    [
        ("", "contract.operations is missing: an XSD does not say how it is called"),
        ("  operations: {A: {reply: HeatingReply}}", "contract.operations.A has no path"),
        ("  operations: {A: {path: /a, reply: Heating}}", "Heating is not an element of the XSD; there are"),
        ("  operations: {A: {path: '/{x}', query: [x], reply: HeatingReply}}", "x stands in the path and in the query"),
        (
            "  operations: {A: {path: '/{x}', method: GET, request: HeatingRequest}}",
            "x is not a field of HeatingRequest",
        ),
        ("  operations: {A: {path: /a, method: GET, request: HeatingReply}}", "Bill of HeatingReply has parts"),
        ("  operations: {A: {path: /a, methd: GET}}", "unknown key 'methd' (did you mean 'method'?)"),
        ("  operations: {A: {path: a}}", "does not have the form"),
        ("  operations: {A: {path: /a, request: 'x:y'}}", "does not have the form"),
    ],
)
def test_calls_that_cannot_be_made_are_findings(tmp_path: Path, contract: str, reason: str) -> None:
    settings = agency(tmp_path, contract=contract)
    with pytest.raises(RoutesInvalid) as caught:
        registry.load(settings, agency_keys.load(settings), Transport())
    assert reason in str(caught.value)
