"""Every way in which an agency answers later, against a real bus and the product's simulated agencies."""

from __future__ import annotations

import asyncio
import json
import uuid
from pathlib import Path

import msgspec
import pytest

from tests.support.bus import LiveBus, run_esb
from tests.support.later_agencies import FINS, LaterAgencies, ended, facts_of

ROUTES = ("payout.poll", "payout.push", "payout.rest", "payout.file", "payout.batch")


@pytest.mark.parametrize("route", ROUTES)
def test_question_is_accepted_and_answered_later(later_bus: LiveBus, route: str) -> None:
    message_id = str(uuid.uuid4())
    got = later_bus.ask(route, "7TESTAA", headers={"Message-Id": message_id})
    assert got.status == 202, got.body
    assert got.headers["location"] == f"/v1/messages/{message_id}"
    reply = ended(later_bus, message_id)
    assert (reply["status"], reply["data"]) == ("OK", {"decision": "GRANTED-AA"}), reply
    kinds = [fact["kind"] for fact in facts_of(later_bus, message_id)]
    assert kinds.count("AWAITING") == 1
    assert kinds[-1] == "COMPLETED"


def test_waiting_caller_gets_the_answer_in_one_call(later_bus: LiveBus) -> None:
    got = later_bus.ask("payout.poll", "7TESTAB", headers={"Prefer": "wait=20"})
    assert (got.status, got.reply["status"], got.reply["data"]) == (200, "OK", {"decision": "GRANTED-AB"})


def test_caller_that_waits_too_short_is_told_to_wait_and_nothing_is_asked_twice(
    later: LaterAgencies, later_bus: LiveBus
) -> None:
    message_id = str(uuid.uuid4())
    for _ in range(3):
        got = later_bus.ask("payout.push", "7TESTAC", headers={"Message-Id": message_id, "Prefer": "wait=0"})
        assert got.status == 202
        assert got.fault["code"] == "message.pending"
    assert ended(later_bus, message_id)["data"] == {"decision": "GRANTED-AC"}
    assert asyncio.run(later.agencies.calls("pay-push"))["SubmitPayout"]["7TESTAC"] == 1


def test_reply_names_the_agency_and_how_long_it_took_in_all(later_bus: LiveBus) -> None:
    got = later_bus.ask("payout.push", "7TESTAD", headers={"Prefer": "wait=20"})
    (source,) = got.reply["sources"]
    assert (source["agency"], source["operation"], source["status"]) == ("pay-push", "SubmitPayout", "OK")
    assert source["elapsed_ms"] >= 400, "from the receipt to the answer, and not the last step alone"


def test_refusal_instead_of_a_receipt_ends_the_exchange_at_once(later_bus: LiveBus) -> None:
    got = later_bus.ask("payout.poll", "7TESTZZ")
    assert (got.status, got.reply["status"]) == (422, "REJECTED")
    kinds = [fact["kind"] for fact in facts_of(later_bus, got.reply["message_id"])]
    assert "AWAITING" not in kinds


def test_operator_sees_what_an_exchange_waits_for_and_until_when(later_bus: LiveBus) -> None:
    message_id = str(uuid.uuid4())
    later_bus.ask("payout.file", "7TESTAE", headers={"Message-Id": message_id})
    shown = json.loads(later_bus.esb("messages", "show", message_id, "--json").stdout)
    if shown["state"] == "AWAITING":
        assert "pay-file" in shown["awaits"]
        assert "until" in shown["awaits"]
    ended(later_bus, message_id)
    awaiting = next(fact for fact in facts_of(later_bus, message_id) if fact["kind"] == "AWAITING")
    assert "agency=pay-file" in awaiting["what"]
    assert "until=" in awaiting["what"]


def test_many_documents_travel_in_few_files(later: LaterAgencies, later_bus: LiveBus) -> None:
    asked = {str(uuid.uuid4()): fin for fin in FINS[20:50]}
    for message_id, fin in asked.items():
        assert later_bus.ask("payout.batch", fin, headers={"Message-Id": message_id}).status == 202
    for message_id, fin in asked.items():
        assert ended(later_bus, message_id)["data"] == {"decision": f"GRANTED-{fin[-2:]}"}
    for folder in ("in", "out"):
        left = (Path(later.settings.home) / "exchange" / "pay-batch" / folder).iterdir()
        assert [path.name for path in left if path.is_file()] == []


def test_gather_of_a_route_that_is_answered_later_is_refused(later: LaterAgencies, tmp_path: Path) -> None:
    routes = tmp_path / "routes.yaml"
    gather = (
        "\n  payout.both:\n    title: {az: Sınaq, en: Test}\n    audience: [citizen]\n    legal_basis: test\n"
        "    gather: {rest: payout.rest, batch: payout.batch}\n    require: all\n    deadline_s: 5\n"
    )
    routes.write_text(Path(later.settings.routes).read_text("utf-8") + gather, "utf-8")
    linted = run_esb(msgspec.structs.replace(later.settings, routes=str(routes)), "routes", "lint")
    assert linted.returncode == 1
    assert "payout.rest is answered later" in linted.stdout + linted.stderr
