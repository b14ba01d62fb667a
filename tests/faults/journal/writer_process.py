"""A process that writes exchanges as fast as it can, and says on standard output what it was promised.

Arguments: database URL, home, number of the first exchange. Runs until it is killed.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from esb.journal import connect
from tests.support.journal import claim_of, completion_of, outgoing_of, request_of

WORKERS = 8


async def main(database_url: str, home: Path, first: int) -> None:
    journal = await connect(database_url, home, owner="node1/1", window_s=0.001, clock=lambda: datetime.now(UTC))
    await journal.release_own_leases()
    numbers = count(first)

    async def work() -> None:
        for number in numbers:
            exchange = request_of(number)
            await journal.receive(exchange, lease_s=3600, claims=[claim_of(f"jti-{number}")])
            promise(f"received {number}")
            await journal.begin_call(exchange.caller, exchange.message_id)
            await journal.complete(completion_of(exchange, to_inbox=True), outgoing=[outgoing_of(exchange)])
            promise(f"completed {number}")

    await asyncio.gather(*(work() for _ in range(WORKERS)))


def promise(line: str) -> None:
    # One write call past all buffers: what the kernel has taken survives the kill.
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])))
