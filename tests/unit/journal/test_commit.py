"""The queue in front of the store: what shares a commit, what fails together, what is kept apart."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from esb.errors import JournalUnavailable, StorageError
from esb.journal import commit
from esb.journal.commit import GroupCommit
from esb.journal.draft import Unstorable
from esb.journal.errands import Pulse
from esb.journal.operations import Operation


class Recorder:
    """Stands where the writer stands: notes the batches, and does with them what it is told."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.begun = asyncio.Event()

    async def __call__(self, batch: Sequence[Operation]) -> Sequence[Any]:
        self.batches.append(len(batch))
        self.begun.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return list(range(len(batch)))


async def test_batch_gathers_while_a_commit_is_in_flight() -> None:
    recorder = Recorder()
    queue = GroupCommit(recorder, window_s=0)
    recorder.gate.clear()
    first = asyncio.create_task(queue.submit(Pulse()))
    await recorder.begun.wait()
    others = [asyncio.create_task(queue.submit(Pulse())) for _ in range(5)]
    await asyncio.sleep(0)
    recorder.gate.set()
    assert await asyncio.gather(first, *others) == [0, 0, 1, 2, 3, 4]
    assert recorder.batches == [1, 5]
    assert queue.commits == 2
    await queue.close()


async def test_failed_commit_fails_every_caller_with_an_exception_of_its_own() -> None:
    recorder = Recorder()
    queue = GroupCommit(recorder, window_s=0)
    recorder.failure = JournalUnavailable("disk full")
    outcomes = await asyncio.gather(*(queue.submit(Pulse()) for _ in range(3)), return_exceptions=True)
    assert [str(outcome) for outcome in outcomes] == ["disk full"] * 3
    assert len({id(outcome) for outcome in outcomes}) == 3
    await queue.close()


async def test_defect_in_a_batch_does_not_end_the_committer() -> None:
    recorder = Recorder()
    queue = GroupCommit(recorder, window_s=0)
    recorder.failure = ZeroDivisionError()
    with pytest.raises(JournalUnavailable):
        await queue.submit(Pulse())
    recorder.failure = None
    assert await queue.submit(Pulse()) == 0
    await queue.close()


async def test_what_cannot_be_stored_fails_alone_and_for_few_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "BATCH_LIMIT", 128)
    attempts: list[int] = []

    async def execute(batch: Sequence[Operation]) -> Sequence[Any]:
        attempts.append(len(batch))
        if any(operation.weight_bytes == 77 for operation in batch):
            raise Unstorable
        return [operation.weight_bytes for operation in batch]

    queue = GroupCommit(execute, window_s=0)
    weights = [0] * 100 + [77] + [1] * 27
    outcomes = await asyncio.gather(
        *(queue.submit(Pulse(weight_bytes=weight)) for weight in weights), return_exceptions=True
    )
    assert type(outcomes.pop(100)) is StorageError
    assert outcomes == [0] * 100 + [1] * 27
    assert attempts[0] == 128
    assert len(attempts) < 20
    await queue.close()


async def test_full_queue_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "QUEUE_LIMIT", 3)
    recorder = Recorder()
    queue = GroupCommit(recorder, window_s=0)
    recorder.gate.clear()
    waiting = [asyncio.create_task(queue.submit(Pulse())) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(JournalUnavailable, match="waiting"):
        await queue.submit(Pulse())
    recorder.gate.set()
    await asyncio.gather(*waiting)
    await queue.close()


async def test_commit_is_bounded_in_operations_and_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit, "BATCH_LIMIT", 4)
    monkeypatch.setattr(commit, "BATCH_BYTES", 100)
    recorder = Recorder()
    queue = GroupCommit(recorder, window_s=0)
    weights = [0] * 6 + [60] * 4
    await asyncio.gather(*(queue.submit(Pulse(weight_bytes=weight)) for weight in weights))
    assert recorder.batches == [4, 4, 2]
    await queue.close()


async def test_withdrawn_operation_is_not_run() -> None:
    recorder = Recorder()
    queue = GroupCommit(recorder, window_s=0)
    tasks = [asyncio.create_task(queue.submit(Pulse())) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert sum(recorder.batches) == 2
    await queue.close()
