"""Simulated agencies: whole running systems made of a manifest, a contract and a data file. See docs/simulator.md.

For agency teams (`esb adapters simulate`), the demo, tests and benches. Never part of a bus that serves callers.
"""

from __future__ import annotations

from adapters.simulator.behaviours import Behaviour, Kind, parse
from adapters.simulator.keys import provision
from adapters.simulator.launch import run
from adapters.simulator.server import Simulator

__all__ = ["Behaviour", "Kind", "Simulator", "parse", "provision", "run"]
