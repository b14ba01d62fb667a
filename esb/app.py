"""The composition root: one worker of the bus, put together, started and stopped in the right order.

Called by `esb serve` (and by tests that want a whole bus in their own process). The only module that knows every
other; no rule of the bus is decided here.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from pathlib import Path

import msgspec

from esb import journal as journals
from esb.answers import Answers
from esb.broker_side import BrokerSide
from esb.bus import Bus
from esb.configuration import Agencies, compile_configuration, lanes
from esb.control import Control
from esb.couriers import Couriers
from esb.dispatcher import Dispatcher, Lanes
from esb.errors import EsbError, SettingInvalid, StorageError
from esb.exchanges import Exchanges
from esb.inbound.http import HttpDoor
from esb.inbound.tls import ServerTls
from esb.journal import GroupCommitJournal, registrations
from esb.late_answers import LateAnswers
from esb.model import Source
from esb.pipeline import Configuration, Pipeline
from esb.ports import utc_now
from esb.routes.table import difference
from esb.settings import Settings
from esb.telemetry.logging import (
    CHECKPOINT_FAILED,
    METRICS_UNWRITTEN,
    REGISTER_UNFOLLOWED,
    ROUTES_RELOADED,
    WORKER_STARTED,
    WORKER_STOPPED,
    WORKER_STOPPING,
    logger,
)
from esb.telemetry.metrics import Metrics
from security import keys
from security.errors import SecurityError
from security.keys import SigningKey

FLUSH_EVERY_S = 1.0
FOLLOW_EVERY_S = 2.0
"""How often the register of adapters is looked at for what another node's operator did."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that compiled and is not in force yet."""

    configuration: Configuration
    key: SigningKey
    tls: ssl.SSLContext | None = None

    @property
    def digest(self) -> str:
        """Names the configuration: SHA-256 over what it was compiled from."""
        return self.configuration.table.digest


class Worker:
    """One process of the bus, from `start` to `stop`."""

    def __init__(self, settings: Settings, agencies: Agencies, *, slot: int = 0, share_port: bool = False) -> None:
        """`slot` numbers the workers of one node; each has a hash chain and leases of its own."""
        self.settings = settings
        self.home = Path(settings.home)
        self._agencies = agencies
        self._slot = slot
        self._share_port = share_port
        self._log = logger("esb.worker").bind(node=settings.node, worker=slot)
        self._stack = contextlib.AsyncExitStack()
        self.http_address: tuple[str, int] | None = None
        self.https_address: tuple[str, int] | None = None

    async def start(self) -> None:
        """Compile, connect, take over what a predecessor left, then open the doors: in this order.

        Raises:
            ConfigurationError: routes, adapters, keys or settings cannot be used.
            JournalUnavailable: the journal cannot be opened.
        """
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise

    async def stop(self) -> None:
        """Close the doors, finish what was accepted, then let go of broker and journal; idempotent."""
        self._log.info(WORKER_STOPPING)
        await self._stack.aclose()
        self._log.info(WORKER_STOPPED)

    # --- start -------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        settings, stack = self.settings, self._stack
        self._metrics = Metrics(folder=self.home / "run" / "metrics" if self._share_port else None)
        stack.push_async_callback(self._agencies.close)
        candidate = self._compile(previous=None)
        self._key = candidate.key
        self._configuration = candidate.configuration
        self.journal = await self._open_journal()
        stack.push_async_callback(self.journal.close)
        self._answers = Answers(key=lambda: self._key, clock=utc_now)
        self._pipeline = Pipeline(
            candidate.configuration,
            audience=settings.audience,
            clock=utc_now,
            log=self._log,
            called=self._agency_called,
        )
        self._exchanges = Exchanges(
            pipeline=self._pipeline,
            journal=self.journal,
            answers=self._answers,
            clock=utc_now,
            log=self._log,
            with_broker=bool(settings.broker_url),
            later_tries_s=settings.later_tries_s,
            lease_margin_s=settings.lease_margin_s,
            committed=self._committed,
        )
        self.bus = self._make_bus()
        self._dispatcher = self._make_dispatcher()
        self._late_answers = LateAnswers(
            intakes=lambda: self._pipeline.configuration.intakes,
            journal=self.journal,
            wake=self._wake_dispatcher,
            clock=utc_now,
            metrics=self._metrics,
            log=self._log,
        )
        self._broker: BrokerSide | None = None
        self._tls: ServerTls | None = None
        await self.journal.release_own_leases()
        # From here on in reverse order of stopping: doors are opened last and closed first.
        await self._start_checkpoints()
        self._start_following()
        await self._start_broker()
        self._dispatcher.start()
        stack.push_async_callback(self._dispatcher.stop, grace_s=settings.shutdown_grace_s)
        stack.push_async_callback(self.bus.stop, grace_s=settings.shutdown_grace_s)
        self._start_couriers()
        await self._open_http()
        await self._start_control()
        self._metrics.routes_loaded(len(self._pipeline.configuration.table.routes))
        self._log.info(WORKER_STARTED, digest=candidate.digest)

    async def _open_journal(self) -> GroupCommitJournal:
        return await journals.connect(
            self.settings.database_url,
            self.home,
            owner=f"{self.settings.node}/{self._slot}",
            window_s=self.settings.journal_window_ms / 1000,
            clock=utc_now,
            committed=self._metrics.journal_commit,
        )

    def _make_bus(self) -> Bus:
        return Bus(
            pipeline=self._pipeline,
            journal=self.journal,
            exchanges=self._exchanges,
            answers=self._answers,
            clock=utc_now,
            metrics=self._metrics,
            log=self._log,
            max_in_flight=self.settings.max_in_flight,
            lease_margin_s=self.settings.lease_margin_s,
            wake_dispatcher=self._wake_dispatcher,
            with_broker=bool(self.settings.broker_url),
        )

    def _make_dispatcher(self) -> Dispatcher:
        return Dispatcher(
            journal=self.journal,
            resume=self.bus.resume,
            lanes=self._lanes,
            lease_s=lambda: self.bus.lease_s,
            places=max(1, self.settings.max_in_flight // 8),
            log=self._log,
        )

    async def _start_broker(self) -> None:
        if not self.settings.broker_url:
            return
        self._broker = BrokerSide(
            self.settings.broker_url,
            name=f"esb {self.settings.node}/{self._slot}",
            door=self.bus,
            journal=self.journal,
            clock=utc_now,
            log=self._log,
        )
        self._stack.push_async_callback(self._broker.stop)
        await self._broker.start(self._pipeline.configuration)
        self._stack.push_async_callback(self._broker.stop_consuming, grace_s=self.settings.shutdown_grace_s)

    def _start_couriers(self) -> None:
        couriers = Couriers(
            couriers=lambda: self._pipeline.configuration.couriers, bring=self._late_answers.bring, log=self._log
        )
        couriers.start()
        self._stack.push_async_callback(couriers.stop)

    async def _open_http(self) -> None:
        settings = self.settings
        self._http = HttpDoor(
            door=self.bus,
            journal=self.journal,
            routes=lambda: self._pipeline.configuration.table,
            health=self.health,
            jwks=self._jwks,
            sign=self._answers.sign,
            metrics=self._metrics,
            settings=settings,
            clock=utc_now,
            late_answers=self._late_answers,
        )
        self._stack.push_async_callback(self._http.close, settings.shutdown_grace_s)
        if settings.http:
            self.http_address = await self._http.listen(settings.http, share_port=self._share_port)
        if settings.https:
            self._tls = ServerTls(
                certificate=Path(settings.tls_certificate),
                key=Path(settings.tls_key),
                callers=self.home / "keys" / "callers",
                agencies=self.home / "keys" / "agencies",
                passphrase=settings.key_passphrase or None,
            )
            self.https_address = await self._http.listen(
                settings.https, tls=self._tls.context, share_port=self._share_port
            )

    async def _start_control(self) -> None:
        control = Control(self.home / "run", slot=self._slot, worker=self)
        await control.start()
        self._stack.push_async_callback(control.stop)

    async def _start_checkpoints(self) -> None:
        task = asyncio.get_running_loop().create_task(self._tick())
        self._stack.push_async_callback(_cancelled, task)

    def _start_following(self) -> None:
        task = asyncio.get_running_loop().create_task(self._follow())
        self._stack.push_async_callback(_cancelled, task)

    async def _follow(self) -> None:
        """Notice what was done to the register elsewhere. Whoever does it on this machine orders a reload himself."""
        refused = -1
        while True:
            await asyncio.sleep(FOLLOW_EVERY_S)
            try:
                generation = await registrations.generation(self.journal)
                if generation not in {self._pipeline.configuration.generation, refused}:
                    refused = generation
                    await self.commit(await asyncio.to_thread(self.prepare))
            except StorageError:
                continue  # readiness says so, and the next look comes soon
            except (EsbError, SecurityError) as error:
                self._log.warning(REGISTER_UNFOLLOWED, reason=error.reason)
            except Exception:  # boundary: whatever a new adapter does to the compiler, the old table stays in use
                self._log.exception(REGISTER_UNFOLLOWED)

    async def _tick(self) -> None:
        next_checkpoint_s = 0.0
        loop = asyncio.get_running_loop()
        while True:
            self._flush_metrics()
            for agency, guard in self._pipeline.configuration.guards.items():
                self._metrics.breaker_state(agency, is_open=guard.breaker.state != "closed")
            # One worker of a node signs for all chains: checkpoints form one chain themselves.
            if self._slot == 0 and loop.time() >= next_checkpoint_s:
                next_checkpoint_s = loop.time() + self.settings.checkpoint_every_s
                await self._checkpoint()
            await asyncio.sleep(FLUSH_EVERY_S)

    def _flush_metrics(self) -> None:
        try:
            self._metrics.flush()
        except OSError as error:
            self._log.warning(METRICS_UNWRITTEN, error=type(error).__name__)

    async def _checkpoint(self) -> None:
        try:
            await self.journal.checkpoint(lambda content: (self._key.kid, self._key.sign(content)))
        except StorageError as error:
            self._log.warning(CHECKPOINT_FAILED, reason=error.reason)

    # --- configuration -----------------------------------------------------------------------------------

    def prepare(self, digest: str | None = None) -> Candidate:
        """Compile what is on disk now; nothing is used yet.

        Raises:
            ConfigurationError: it cannot be used, or (`digest`) it is not what was asked for.
        """
        candidate = self._compile(previous=self._pipeline.configuration)
        if digest is not None and candidate.digest != digest:
            raise SettingInvalid("the files changed while they were being loaded; reload again")
        if self._tls is None:
            return candidate
        return msgspec.structs.replace(candidate, tls=self._tls.prepare())

    async def commit(self, candidate: Candidate) -> Mapping[str, object]:
        """Use it whole, from the next exchange on; what runs finishes under the old one. Says what changed."""
        before = self._pipeline.configuration.table
        self._pipeline.configuration = candidate.configuration
        self._key = candidate.key
        if self._tls is not None and candidate.tls is not None:
            self._tls.use(candidate.tls)
        if self._broker is not None:
            await self._broker.follow(candidate.configuration)
        change = difference(before, candidate.configuration.table)
        self._metrics.routes_loaded(len(candidate.configuration.table.routes))
        self._log.info(ROUTES_RELOADED, digest=candidate.digest)
        return {
            "digest": candidate.digest,
            "added": list(change.added),
            "removed": list(change.removed),
            "changed": list(change.changed),
        }

    def _compile(self, *, previous: Configuration | None) -> Candidate:
        return Candidate(
            configuration=compile_configuration(self.settings, self._agencies, previous=previous),
            key=keys.active(self.home / "keys" / "bus", passphrase=self.settings.key_passphrase),
        )

    def _lanes(self) -> Lanes:
        return lanes(self._pipeline.configuration.table)

    # --- what others ask of a worker ---------------------------------------------------------------------

    async def health(self) -> Mapping[str, str | None]:
        """Every dependency, with what is wrong with it, or None."""
        return {
            "journal": await self._journal_problem(),
            **({} if self._broker is None else {"broker": self._broker.problem}),
            "routes": None,
        }

    def status(self) -> Mapping[str, object]:
        """What `esb doctor` shows of a running worker."""
        configuration = self._pipeline.configuration
        return {
            "worker": self._slot,
            "digest": configuration.table.digest,
            "routes": len(configuration.table.routes),
            "in_flight": self.bus.in_flight,
            "breakers": {agency: guard.breaker.state for agency, guard in configuration.guards.items()},
        }

    async def _journal_problem(self) -> str | None:
        try:
            await self.journal.ping()
        except StorageError as error:
            return error.reason
        return None

    def _jwks(self) -> Mapping[str, object]:
        public = keys.load_verifying_keys(self.home / "keys" / "bus")
        return {"keys": [keys.jwk(key) for key in public]}

    def _wake_dispatcher(self) -> None:
        self._dispatcher.wake()

    def _committed(self) -> None:
        if self._broker is not None:
            self._broker.wake()

    def _agency_called(self, source: Source) -> None:
        self._metrics.agency_call(source.agency, source.operation, source.status, source.elapsed_ms / 1000)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
