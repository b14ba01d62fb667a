"""New routes are asked over RabbitMQ as soon as they are reloaded, without a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bus import LiveBus
from tests.support.portal import Portal

pytestmark = pytest.mark.rabbitmq


async def test_a_route_that_a_reload_adds_is_answered_over_rabbitmq(broker_bus: LiveBus, portal: Portal) -> None:
    routes = Path(broker_bus.settings.routes)
    before = routes.read_text(encoding="utf-8")
    added = before.replace("  person.address:\n", "  person.where:\n", 1)
    only_new = added[added.index("  person.where:\n") :].split("\n\n", 1)[0]
    routes.write_text(before.rstrip("\n") + "\n\n" + only_new + "\n", encoding="utf-8")
    try:
        reloaded = broker_bus.esb("routes", "reload")
        assert (reloaded.returncode, "person.where" in reloaded.stdout) == (0, True), reloaded.stderr
        assert (await portal.reply(portal.ask("person.where"))).status == "OK"
    finally:
        routes.write_text(before, encoding="utf-8")
        assert broker_bus.esb("routes", "reload").returncode == 0
    assert (await portal.reply(portal.ask("person.where"))).status == "INVALID_REQUEST"
