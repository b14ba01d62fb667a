"""Every way in which an agency answers later, against a real bus and the product's simulated agencies."""

from __future__ import annotations

import uuid

import pytest

from tests.support.bus import LiveBus
from tests.support.later_agencies import ended, facts_of

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
