"""Fixtures that every kind of test may ask for; each starts what it needs and stops only that."""

from __future__ import annotations

pytest_plugins = [
    "tests.support.postgres",
    "tests.support.rabbitmq",
    "tests.support.agencies",
    "tests.support.bus",
]
