"""Which event loop the tests of this folder run on: that of the workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from tests.support.gateway import Gateway, serving


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """As the workers."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """An agency behind a gateway."""
    async with serving() as running:
        yield running
