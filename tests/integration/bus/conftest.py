from __future__ import annotations

from tests.support.quick_bus import quick_bus, running_quick_bus

__all__ = ["quick_bus", "running_quick_bus"]
