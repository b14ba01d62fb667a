"""Fixtures that every kind of test may ask for; each starts what it needs and stops only that."""

from __future__ import annotations

import signal

# Whoever starts the tests in the background has them ignore SIGINT, and every process inherits that: what is tested
# to end on Ctrl-C never would.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "tests.support.postgres",
    "tests.support.rabbitmq",
    "tests.support.agencies",
    "tests.support.bus",
]
