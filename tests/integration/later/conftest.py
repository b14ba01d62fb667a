"""One bus and its agencies that answer later, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support import later_agencies
from tests.support.bus import LiveBus, free_port
from tests.support.later_agencies import LaterAgencies


@pytest.fixture(scope="package")
def later(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LaterAgencies]:
    made = later_agencies.make(tmp_path_factory.mktemp("later"), http=f"127.0.0.1:{free_port()}")
    yield made
    made.stop()


@pytest.fixture(scope="package")
def later_bus(later: LaterAgencies) -> Iterator[LiveBus]:
    bus = later_agencies.start_bus(later)
    yield bus
    bus.stop()
