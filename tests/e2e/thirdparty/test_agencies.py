"""Agencies that run on SOAP servers of other people are asked by a portal through the whole bus."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from esb.settings import Settings
from tests.support.bus import LiveBus


def test_what_spyne_says_arrives_exactly(bus: LiveBus) -> None:
    got = bus.verified(bus.ask("vehicles.owned", parameters={"inspections": True}))
    (source,) = got.reply["sources"]
    assert (got.status, source["agency"], source["operation"]) == (200, "vehicles", "get_vehicles")
    first, second = got.reply["data"]["vehicles"]
    assert first == {
        "Plate": "10-ƏŞ-777",
        "Make": "Çinarə & Oğulları <İĞ>",
        "Fuel": "petrol",
        "EngineLitres": "1.600",
        "RegisteredOn": "2024-02-29",
        "PledgedUntil": None,
        "ChassisNumber": 123456789012345678901234567890,
        "Inspections": {
            "Inspection": [
                {
                    "@Number": "T-1",
                    "At": "2025-12-31T23:59:59.999999+04:00",
                    "Passed": False,
                    "Remarks": ["əyləc", "işıq"],
                },
                {"@Number": "T-2", "At": "2026-01-08T09:00:00+00:00", "Passed": True, "Remarks": []},
            ]
        },
    }
    assert "EngineLitres" not in second


def test_money_of_spyne_keeps_its_digits(bus: LiveBus) -> None:
    got = bus.ask("vehicles.tax")
    assert got.reply["data"] == {"amount": "120.50", "currency": "AZN", "as_of": "2026-11-20T23:00:00+04:00"}


def test_nobody_a_refusal_and_an_empty_list_stay_three_things_with_spyne(bus: LiveBus) -> None:
    empty, nobody, refused = (bus.ask("vehicles.owned", fin) for fin in ("7TESTX4", "7TESTX9", "7TESTXB"))
    assert (empty.reply["status"], empty.reply["data"]) == ("OK", {"vehicles": []})
    assert (nobody.status, nobody.reply["status"]) == (200, "NOT_FOUND")
    assert (refused.status, refused.fault["agency_code"]) == (422, "Client.NotEntitled")


def test_node_soap_takes_the_digest_of_the_password_and_its_documents_arrive(bus: LiveBus) -> None:
    got = bus.ask("notary.power", parameters={"number": "E-2026/1"})
    assert got.reply["data"] == {
        "valid_until": "2027-02-28",
        "attorneys": [
            {"Pin": "7TESTX1", "FullName": "Ülviyyə Əliyeva <vəkil> & Co", "Share": "0.50"},
            {"Pin": "7TESTX2", "FullName": "Işıq İsmayıl qızı"},
        ],
    }


def test_code_in_the_body_and_a_fault_of_node_soap_mean_not_found_and_refused(bus: LiveBus) -> None:
    assert bus.ask("notary.power", parameters={"number": "<&> Ə"}).reply["status"] == "NOT_FOUND"
    refused = bus.ask("notary.power", "7TESTXB", parameters={"number": "E-2026/1"})
    assert (refused.status, refused.fault["agency_code"]) == (422, "Client.Business.12")


def test_one_way_message_reaches_node_soap_once(bus: LiveBus, settings: Settings) -> None:
    assert bus.ask("notary.loss", parameters={"number": "İtdi № 7"}).reply["status"] == "OK"
    with urllib.request.urlopen(f"{settings.endpoints['notary']}/seen") as response:  # noqa: S310
        assert json.load(response).count("İtdi № 7") == 1


def test_xml_crypto_believes_the_signature_of_the_bus_and_rpc_parts_arrive(bus: LiveBus) -> None:
    got = bus.ask("customs.declarations", parameters={"since": "2026-02-28"})
    huge = "99999999999999999999.10"
    assert got.reply["data"] == {
        "total": huge,
        "declarations": [{"Number": "K/1", "Goods": "çay & qəhvə", "Value": huge, "Cleared": "2026-02-28"}],
    }
    nobody = bus.ask("customs.declarations", "7TESTX2", parameters={"since": "2026-02-28"})
    assert nobody.reply["data"] == {"total": "0", "declarations": []}


@pytest.mark.parametrize("agency", ["notary", "customs"])
def test_node_soap_refuses_whom_it_does_not_know(settings: Settings, agency: str) -> None:
    envelope = b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body/></s:Envelope>'
    asked = urllib.request.Request(settings.endpoints[agency], envelope, {"Content-Type": "text/xml"})  # noqa: S310
    with pytest.raises(urllib.error.HTTPError, match="401") as refused:
        urllib.request.urlopen(asked)  # noqa: S310
    refused.value.close()


def test_operators_are_told_that_replies_are_not_signed(bus: LiveBus) -> None:
    shown = json.loads(bus.esb("adapters", "show", "customs", "--json").stdout)
    assert "replies are not signed" in json.dumps(shown)
