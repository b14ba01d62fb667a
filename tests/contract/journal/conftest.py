"""Both stores, for every test in this folder."""

from __future__ import annotations

from tests.support.journal import journal, place

__all__ = ["journal", "place"]
