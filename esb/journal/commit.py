"""Group commit: writes that arrive close together share one transaction, and so one fsync.

While a commit is in flight the next batch gathers. Knows nothing of exchanges or stores: it takes operations and
calls the one `execute` it was given, never twice at a time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from esb.errors import JournalUnavailable, StorageError
from esb.journal.draft import Unstorable
from esb.journal.operations import Operation
from esb.telemetry.logging import logger

Execute = Callable[[Sequence[Operation]], Awaitable[Sequence[Any]]]
"""Runs a batch in order, all or nothing; an outcome that is an exception is for its operation's caller alone.

After Unstorable nothing of the batch is written: one of its operations holds what the database cannot.
"""

QUEUE_LIMIT = 10_000
BATCH_LIMIT = 512
BATCH_BYTES = 8 * 1024 * 1024
COMPANY = 64
"""With so many waiting, gathering more would save nothing."""

COMMIT_DEFECT: Final = "journal.commit-defect"
UNSTORABLE: Final = "journal.unstorable"

_log = logger("journal")

_Waiting = tuple[Operation, "asyncio.Future[Any]"]


class GroupCommit:
    """A bounded queue and the one task that empties it. Belongs to the event loop it is made in."""

    def __init__(self, execute: Execute, *, window_s: float) -> None:
        """`window_s`: how long a commit waits for company, when the one before had any."""
        self.commits = 0
        self._execute = execute
        self._window_s = window_s
        self._queue: deque[_Waiting] = deque()
        self._arrived = asyncio.Event()
        self._closing = False
        self._last_size = 1
        self._task = asyncio.create_task(self._run(), name="journal-commit")

    async def submit(self, operation: Operation) -> Any:
        """The operation's outcome, once its transaction is durable.

        Cancelling a caller whose operation has not begun withdraws it; afterwards it takes effect unheard.

        Raises:
            JournalUnavailable: the transaction failed, the queue is full, or the journal is closed.
            StorageError: the operation holds a value that the database cannot; it had no effect.
        """
        if self._closing:
            raise JournalUnavailable("the journal is closed")
        if len(self._queue) >= QUEUE_LIMIT:
            raise JournalUnavailable(f"{QUEUE_LIMIT} writes are waiting")
        return await self._enqueue(operation)

    def submit_unheard(self, operation: Operation) -> None:
        """Housekeeping: it shares the next commit, and nobody learns what became of it."""
        if not self._closing:
            self._enqueue(operation).add_done_callback(_retrieve)

    def _enqueue(self, operation: Operation) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.append((operation, future))
        self._arrived.set()
        return future

    async def close(self) -> None:
        """Finish what was accepted; idempotent."""
        self._closing = True
        self._arrived.set()
        await self._task

    async def _run(self) -> None:
        while await self._gather():
            batch = self._take()
            if batch:
                await self._commit(batch)

    async def _gather(self) -> bool:
        """Wait for work, and a little for more of it; False when closed and empty."""
        if not self._queue:
            if self._closing:
                return False
            self._arrived.clear()
            await self._arrived.wait()
        # Somebody who is alone would wait for nobody: the window opens only when the last commit was shared.
        if self._last_size > 1 and len(self._queue) < COMPANY and not self._closing:
            await asyncio.sleep(self._window_s)
        return True

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        weight_bytes = 0
        while self._queue and len(batch) < BATCH_LIMIT and weight_bytes < BATCH_BYTES:
            operation, future = self._queue.popleft()
            if not future.done():
                batch.append((operation, future))
                weight_bytes += operation.weight_bytes
        self._last_size = len(batch)
        return batch

    async def _commit(self, batch: list[_Waiting]) -> None:
        try:
            outcomes = await self._execute([operation for operation, _ in batch])
        except JournalUnavailable as error:
            _fail(batch, error.reason, error)
        except Unstorable as error:
            await self._separate(batch, error)
        except Exception as error:  # boundary: the committer must outlive any defect in a batch
            _log.exception(COMMIT_DEFECT, count=len(batch))
            _fail(batch, "the commit failed", error)
        else:
            self.commits += 1
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                _resolve(future, outcome)

    async def _separate(self, batch: list[_Waiting], error: Unstorable) -> None:
        """Commit again without the one that cannot be stored: its neighbours have nothing to do with it."""
        if len(batch) > 1:
            # By halves and not one by one: a stranger who spoils one of 512 may cost some commits, and not 512.
            middle = len(batch) // 2
            await self._commit(batch[:middle])
            await self._commit(batch[middle:])
            return
        _log.warning(UNSTORABLE, operation=type(batch[0][0]).__name__)
        failure = StorageError("a value that the database cannot hold")
        failure.__cause__ = error
        _resolve(batch[0][1], failure)


def _resolve(future: asyncio.Future[Any], outcome: Any) -> None:
    if future.done():
        return
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


def _retrieve(future: asyncio.Future[Any]) -> None:
    # asyncio complains about exceptions that nobody looked at.
    if not future.cancelled():
        future.exception()


def _fail(batch: list[_Waiting], reason: str, cause: Exception) -> None:
    for _, future in batch:
        if not future.done():
            # One instance each: a shared one would collect the tracebacks of all its callers.
            failure = JournalUnavailable(reason)
            failure.__cause__ = cause
            future.set_exception(failure)
