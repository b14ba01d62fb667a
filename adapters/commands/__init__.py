"""`esb adapters`: the agency systems that are connected. One file per group of verbs; `app` is the noun itself."""

from __future__ import annotations

from adapters.commands import comparing, linting, listing, registering, scaffolding, testing
from adapters.commands.noun import app
from adapters.commands.testing import run_route_cases

__all__ = ["app", "comparing", "linting", "listing", "registering", "run_route_cases", "scaffolding", "testing"]
