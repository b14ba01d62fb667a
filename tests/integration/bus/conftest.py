from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.agencies import Agencies
from tests.support.bus import LiveBus, start
from tests.support.quick_bus import quick_bus, quick_settings, running_quick_bus

__all__ = ["quick_bus", "running_quick_bus"]


@pytest.fixture
def quick_again_bus(agencies: Agencies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBus]:
    """Hands a reply out again at once."""
    settings = quick_settings(agencies, tmp_path_factory.mktemp("again"), inbox_redeliver_s=0.1)
    bus = start(settings)
    yield bus
    bus.stop()
