"""A bus with agencies on SOAP servers of other people."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from esb.settings import Settings
from tests.support import thirdparty
from tests.support.bus import LiveBus, start


@pytest.fixture(scope="package")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    yield from thirdparty.connected(tmp_path_factory.mktemp("thirdparty"))


@pytest.fixture(scope="package")
def bus(settings: Settings) -> Iterator[LiveBus]:
    running = start(settings)
    yield running
    running.stop()
