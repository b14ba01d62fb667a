"""The clock as a port, so that tests can stop it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Answers the present moment as an aware UTC datetime. Passed in, so that tests can stop it."""


def utc_now() -> datetime:
    """The clock of production."""
    return datetime.now(UTC)
