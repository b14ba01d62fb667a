from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import uvloop

from tests.support.http_door import bus, http_door, portal

__all__ = ["bus", "http_door", "portal"]


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that the bus runs on: its transports and its TLS are not those of asyncio."""
    return {"uvloop": uvloop.new_event_loop}
