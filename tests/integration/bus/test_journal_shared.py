"""Operators look into the journal while a bus writes it: neither may take anything from the other."""

from __future__ import annotations

import json

from tests.support.bus import LiveBus


def test_an_operator_who_looks_takes_nothing_from_a_running_bus(bus: LiveBus) -> None:
    for _ in range(2):
        message_id = bus.ask("person.identity").reply["message_id"]
        traced = bus.esb("messages", "trace", message_id, "--json")
        assert traced.returncode == 0, traced.stderr
        assert [record["kind"] for record in json.loads(traced.stdout)] == ["RECEIVED", "COMPLETED"]


def test_a_journal_in_use_verifies(bus: LiveBus) -> None:
    before = bus.ask("person.identity")
    assert before.status == 200
    verified = bus.esb("journal", "verify", "--json")
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["problems"] == []
