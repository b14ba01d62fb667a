"""An agency that cannot bind its reply to the request: what then catches an old answer is that each is taken once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agencies import Agencies
from tests.support.bus import LiveBus, start
from tests.support.quick_bus import quick_settings


@pytest.fixture(scope="module")
def unbound_bus(running_agencies: Agencies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBus]:
    settings = quick_settings(running_agencies, tmp_path_factory.mktemp("unbound"))
    manifest = Path(settings.adapters) / "din-reg" / "adapter.yaml"
    text = manifest.read_text(encoding="utf-8")
    assert "confirmation: true" in text
    manifest.write_text(text.replace("confirmation: true", "confirmation: false"), encoding="utf-8")
    bus = start(settings)
    yield bus
    bus.stop()


async def test_an_answer_is_taken_once_even_when_nothing_binds_it(unbound_bus: LiveBus, agencies: Agencies) -> None:
    assert unbound_bus.ask("person.address").status == 200
    await agencies.behave("din-reg", "replay-previous,next=1")
    got = unbound_bus.ask("person.address")
    assert (got.status, got.reply["status"], got.fault["code"]) == (502, "INVALID_REPLY", "agency.signature")
    assert got.reply["data"] is None
    assert unbound_bus.ask("person.address").status == 200


async def test_an_old_answer_to_what_must_not_be_repeated_needs_a_person(
    unbound_bus: LiveBus, agencies: Agencies
) -> None:
    assert unbound_bus.ask("record.once").status == 200
    await agencies.behave("din-reg", "replay-previous,next=1")
    got = unbound_bus.ask("record.once")
    assert (got.status, got.reply["status"]) == (202, "PENDING")
    shown = unbound_bus.esb("messages", "show", got.reply["message_id"], "--json")
    assert '"PARKED"' in shown.stdout
