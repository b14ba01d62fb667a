"""Carries the outbox to RabbitMQ: what a transaction recorded to be sent is sent, however often it takes.

Started by the composition root; woken by the bus after each commit that has something to send. Sends at least once:
after a crash between confirm and mark the same message, with the same id, goes out again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from esb.amqp.pauses import pauses_s
from esb.amqp.publisher import Outcome, Publisher
from esb.errors import JournalUnavailable
from esb.ports import PendingOutgoing
from esb.telemetry.logging import BUS_DEFECT, OUTBOX_RETURNED, Logger

BATCH = 100
LEASE_S = 30.0
"""Much longer than the publisher waits for a confirm, so that no second relay sends what this one still tries."""

LOOK_AGAIN_S = 1.0


class Outbox(Protocol):
    """The three methods of `esb.ports.Journal` that the relay needs; each may raise JournalUnavailable."""

    async def pending_outgoing(self, *, limit: int, lease_s: float) -> Sequence[PendingOutgoing]:
        """Oldest rows that no relay holds, leased to this one."""
        ...

    async def outgoing_published(self, outbox_ids: Sequence[int]) -> None:
        """They never come again."""
        ...

    async def outgoing_returned(self, outbox_id: int) -> None:
        """The broker has no queue for it: the journal knows where else it goes."""
        ...


class Relay:
    """One loop between one journal and one publisher. Rows are never lost: until marked, they stay in the outbox."""

    def __init__(
        self, outbox: Outbox, publisher: Publisher, *, log: Logger, look_again_s: float = LOOK_AGAIN_S
    ) -> None:
        """`look_again_s`: how often to look without being woken, for what other workers left behind."""
        self._outbox = outbox
        self._publisher = publisher
        self._log = log
        self._look_again_s = look_again_s
        self._woken = asyncio.Event()
        self._stopping = False
        self._task: asyncio.Task[None] | None = None
        self._held: Sequence[PendingOutgoing] = ()
        self._held_until_s = 0.0
        self.published = 0
        self.returned = 0
        self.unconfirmed = 0

    async def start(self) -> None:
        """Begin; returns at once."""
        self._task = asyncio.create_task(self._run(), name="relay")

    def wake(self) -> None:
        """There is something to send. Cheap; call after every commit that put a message into the outbox."""
        self._woken.set()

    async def stop(self, *, grace_s: float = 5.0) -> None:
        """Send what is there if the broker takes it within `grace_s`; the rest stays in the outbox. Idempotent."""
        if self._task is None:
            return
        self._stopping = True
        self._woken.set()
        grace_s = 0.0 if self._publisher.problem else grace_s
        await asyncio.wait({self._task}, timeout=grace_s)
        self._task.cancel()
        await asyncio.wait({self._task})
        self._task = None

    async def _run(self) -> None:
        pauses = pauses_s()
        while True:
            self._woken.clear()
            try:
                progressed = await self._turn()
            except JournalUnavailable:
                await asyncio.sleep(next(pauses))
                continue
            except Exception:  # boundary: a relay that ends would leave every later reply unsent
                self._log.exception(BUS_DEFECT, operation="relay")
                await asyncio.sleep(next(pauses))
                continue
            if self._held:
                # The broker went away with these on the wire; it says when it is back.
                await asyncio.sleep(next(pauses))
                continue
            pauses = pauses_s()
            if progressed:
                continue
            if self._stopping:
                return
            await self._wait_for_work()

    async def _wait_for_work(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._look_again_s):
                await self._woken.wait()

    async def _turn(self) -> bool:
        """Send one batch and record what became of it; False when there was nothing to send."""
        # Taking rows while the broker is away would only keep them from a relay that can reach it.
        await self._publisher.wait_ready()
        rows = await self._rows()
        if not rows:
            return False
        outcomes = await self._publisher.publish_all([row.message for row in rows])
        self._held = [row for row, outcome in zip(rows, outcomes, strict=True) if outcome is Outcome.UNCONFIRMED]
        self.unconfirmed += len(self._held)
        await self._record(rows, outcomes)
        return True

    async def _rows(self) -> Sequence[PendingOutgoing]:
        loop = asyncio.get_running_loop()
        held, self._held = self._held, ()
        if held and loop.time() < self._held_until_s:
            return held
        # A lapsed lease may be another relay's by now: those rows come back from the journal if they still wait.
        self._held_until_s = loop.time() + LEASE_S
        return await self._outbox.pending_outgoing(limit=BATCH, lease_s=LEASE_S)

    async def _record(self, rows: Sequence[PendingOutgoing], outcomes: Sequence[Outcome]) -> None:
        published = [r.outbox_id for r, o in zip(rows, outcomes, strict=True) if o is Outcome.CONFIRMED]
        returned = [r for r, o in zip(rows, outcomes, strict=True) if o is Outcome.RETURNED]
        if published:
            await _until_recorded(partial(self._outbox.outgoing_published, published))
            self.published += len(published)
        if returned:
            # Side by side, so that they share a commit: of a caller that binds no queue, every reply comes back.
            await asyncio.gather(*(self._record_returned(row) for row in returned))

    async def _record_returned(self, row: PendingOutgoing) -> None:
        self._log.debug(OUTBOX_RETURNED, message_id=row.message.message_id, queue=row.message.routing_key)
        await _until_recorded(partial(self._outbox.outgoing_returned, row.outbox_id))
        self.returned += 1


async def _until_recorded(record: Callable[[], Awaitable[None]]) -> None:
    """Repeat until the journal has it: forgetting would send the message twice for no reason."""
    pauses = pauses_s()
    while True:
        try:
            await record()
        except JournalUnavailable:
            await asyncio.sleep(next(pauses))
        else:
            return
