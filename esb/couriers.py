"""Sends the couriers of agencies that lay their answers down somewhere on their rounds, for as long as a worker runs.

One task per courier, so that a mount that hangs holds up nobody else's answers. Follows a reload within a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from esb.errors import StorageError
from esb.ports import Bring, Courier
from esb.telemetry.logging import COURIER_FAILED, Logger

LOOK_EVERY_S = 1.0
"""How often it is asked which couriers there are."""


class Couriers:
    """The rounds of one worker. Others may walk the same: a courier sees to it that each answer is brought once."""

    def __init__(self, *, couriers: Callable[[], Sequence[Courier]], bring: Bring, log: Logger) -> None:
        """`couriers` answers those of now."""
        self._couriers = couriers
        self._bring = bring
        self._log = log
        self._task: asyncio.Task[None] | None = None
        self._rounds: dict[int, tuple[Courier, asyncio.Task[None]]] = {}

    def start(self) -> None:
        """Begin; call once, inside a running event loop."""
        self._task = asyncio.get_running_loop().create_task(self._follow())

    async def stop(self) -> None:
        """End all rounds; what was taken and not brought is taken up by the next."""
        tasks = [task for _, task in self._rounds.values()]
        for task in (*tasks, *(() if self._task is None else (self._task,))):
            task.cancel()
        await asyncio.gather(*tasks, *(() if self._task is None else (self._task,)), return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            wanted = {id(courier): courier for courier in self._couriers()}
            for gone in self._rounds.keys() - wanted.keys():
                self._rounds.pop(gone)[1].cancel()
            for key, courier in wanted.items():
                if key not in self._rounds:
                    self._rounds[key] = (courier, asyncio.create_task(self._walk(courier)))
            await asyncio.sleep(LOOK_EVERY_S)

    async def _walk(self, courier: Courier) -> None:
        while True:
            try:
                await courier.carry(self._bring)
            except (OSError, StorageError) as error:
                self._log.warning(COURIER_FAILED, agency=courier.agency, error=type(error).__name__, reason=str(error))
            except Exception as error:  # boundary: a defect in one round must not end all of them
                self._log.exception(COURIER_FAILED, agency=courier.agency, error=type(error).__name__)
            await asyncio.sleep(courier.every_s)
