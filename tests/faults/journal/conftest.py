"""Both stores, for every test in this folder."""

from __future__ import annotations

from tests.support.journal import place

__all__ = ["place"]
