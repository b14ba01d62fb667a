"""A bus with RabbitMQ, and callers on it."""

from __future__ import annotations

from tests.support.portal import (
    broker_bus,
    bus_vhost,
    eesmn,
    eesmn_url,
    operator,
    portal,
    portal_url,
    running_broker_bus,
)

__all__ = [
    "broker_bus",
    "bus_vhost",
    "eesmn",
    "eesmn_url",
    "operator",
    "portal",
    "portal_url",
    "running_broker_bus",
]
