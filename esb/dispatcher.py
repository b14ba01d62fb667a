"""Brings the journal's own work to the bus: accepted for later, postponed, left by a dead worker, replayed.

One lane per agency, so that a slow agency's backlog takes no place from another's. Several dispatchers may share a
journal: a lease says who has what. Waits when there is nothing to do; never drops an exchange.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from esb.errors import StorageError
from esb.model import RouteId
from esb.ports import Answer, Journal, StoredExchange
from esb.telemetry.logging import DISPATCH_FAILED, Logger

LOOK_EVERY_S = 1.0
"""How often a lane looks at the journal unasked: the precision of postponements and of taking over from the dead."""

Lanes = Mapping[str, Sequence[RouteId]]


class Dispatcher:
    """Claims and runs until stopped. One per worker process."""

    def __init__(
        self,
        *,
        journal: Journal,
        resume: Callable[[StoredExchange], Awaitable[Answer]],
        lanes: Callable[[], Lanes],
        lease_s: Callable[[], float],
        places: int,
        log: Logger,
    ) -> None:
        """`lanes` answers the routes of each agency as of now; `places` is how much one lane runs at a time."""
        self._journal = journal
        self._resume = resume
        self._lanes = lanes
        self._lease_s = lease_s
        self._places = places
        self._log = log
        self._wake = asyncio.Event()
        self._running: dict[str, set[asyncio.Task[None]]] = {}
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; call once, inside a running event loop."""
        self._loop = asyncio.get_running_loop().create_task(self._dispatch())

    def wake(self) -> None:
        """There is something new: look now."""
        self._wake.set()

    async def stop(self, *, grace_s: float) -> None:
        """Claim nothing more and wait for what runs, at most `grace_s`; the rest stays leased in the journal."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)
        running = {task for tasks in self._running.values() for task in tasks}
        if running:
            await asyncio.wait(running, timeout=grace_s)

    async def _dispatch(self) -> None:
        while True:
            self._wake.clear()
            for lane, routes in self._lanes().items():
                await self._fill(lane, routes)
            try:
                await asyncio.wait_for(self._wake.wait(), LOOK_EVERY_S)
            except TimeoutError:
                continue

    async def _fill(self, lane: str, routes: Sequence[RouteId]) -> None:
        running = self._running.setdefault(lane, set())
        free = self._places - len(running)
        if free <= 0:
            return
        try:
            claimed = await self._journal.claim_work(lease_s=self._lease_s(), limit=free, routes=routes)
        except StorageError:
            return  # the journal tells of itself; the next look may find it again
        for stored in claimed:
            task = asyncio.get_running_loop().create_task(self._run(stored))
            running.add(task)
            task.add_done_callback(running.discard)
            # A place that comes free may be filled at once.
            task.add_done_callback(lambda _: self._wake.set())

    async def _run(self, stored: StoredExchange) -> None:
        try:
            await self._resume(stored)
        except Exception as error:  # boundary: the lease lapses and the exchange is taken up again
            self._log.warning(
                DISPATCH_FAILED, message_id=stored.request.message_id, error=type(error).__name__, reason=str(error)
            )
