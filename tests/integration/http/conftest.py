from __future__ import annotations

import asyncio

import pytest
import uvloop

from tests.support.http_door import bus, http_door, portal

__all__ = ["bus", "event_loop_policy", "http_door", "portal"]


@pytest.fixture(scope="session")
def event_loop_policy() -> asyncio.AbstractEventLoopPolicy:
    """The loop that the bus runs on: its transports and its TLS are not those of asyncio."""
    policy: asyncio.AbstractEventLoopPolicy = uvloop.EventLoopPolicy()
    return policy
