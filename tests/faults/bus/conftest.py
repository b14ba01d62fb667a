"""Servers that the tests of this folder may stop and kill; those of the session stay as they are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.portal import serve
from tests.support.postgres import PostgresNode, private_node
from tests.support.rabbitmq import RabbitNode

__all__ = ["own_rabbit_node", "serve", "stoppable_postgres"]


@pytest.fixture(scope="package")
def own_rabbit_node(rabbit_node: RabbitNode) -> Iterator[RabbitNode]:
    """A broker that may be stopped. `rabbit_node` is asked for only to skip, or fail, where there is no server."""
    with tempfile.TemporaryDirectory(prefix="esb-rabbitmq-") as name:
        node = RabbitNode(Path(name))
        node.start()
        yield node
        node.close()


@pytest.fixture(scope="package")
def stoppable_postgres() -> Iterator[PostgresNode]:
    """A database server that may be stopped."""
    with private_node() as node:
        yield node
