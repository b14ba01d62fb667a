"""A running agency held against its contract: what it answers, refuses, signs, and how fast.

Called by `esb adapters test --url`; calls as the bus calls, over the same transport and with the same keys.
"""

from adapters.conformance.checks import Check, Outcome, Plan
from adapters.conformance.live import examine

__all__ = ["Check", "Outcome", "Plan", "examine"]
