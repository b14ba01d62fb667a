"""Runs an accepted exchange to its one end: COMPLETED with a reply, PARKED for a person, POSTPONED, or AWAITING.

Called by the bus for what just arrived and by the dispatcher for what the journal holds. An exception that nobody
foresaw parks the exchange; it never passes as success.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from esb import outgoing
from esb.answers import Answers
from esb.errors import (
    AgencyError,
    ConfigurationError,
    JournalUnavailable,
    LeaseLost,
    Refused,
    ReplyInvalid,
    ReplyUnproven,
    StorageError,
)
from esb.faults import UNFORESEEN, fault_of, policy_of
from esb.model import CallerName, Fault, MessageId, Status
from esb.outcome import Outcome
from esb.pipeline import Pipeline
from esb.ports import (
    Answer,
    Channel,
    Clock,
    Completion,
    Journal,
    LateAnswer,
    Outgoing,
    ReceivedExchange,
    State,
    StoredExchange,
    Waiting,
)
from esb.routes.table import CallRoute
from esb.stages.validate import Valid
from esb.telemetry.logging import AGENCY_FAILED, EXCHANGE_DEFECT, MESSAGE_AWAITS, MESSAGE_PARKED, Logger
from security.errors import MessageReplayed, SecurityError

TAKEN_UP_AT_MOST = 10
"""How many workers may lose an exchange (die, restart, fall silent) before it counts as what ails them."""

RECORD_AGAIN_S = 0.25
"""How often an ending that the journal could not take is tried again."""

SWEEP_AFTER_S = 60.0
"""When the journal's own sweep takes over work that was handed to the broker and did not come back."""


class Running(msgspec.Struct, kw_only=True):
    """What may change while an exchange runs: nobody waits any more, so its reply belongs into the inbox."""

    detached: bool


class Exchanges:
    """Runs exchanges. Safe for concurrent use from one event loop."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        journal: Journal,
        answers: Answers,
        clock: Clock,
        log: Logger,
        with_broker: bool,
        later_tries_s: Sequence[int],
        lease_margin_s: float,
        committed: Callable[[], None],
    ) -> None:
        """`committed` is called after a commit that may have filled the outbox.

        `later_tries_s`: pauses before later tries of an exchange that nobody waits for; after the last the failure
        itself is the reply. `lease_margin_s`: how long the lease outlasts the route's deadline.
        """
        self._pipeline = pipeline
        self._journal = journal
        self._answers = answers
        self._clock = clock
        self._log = log
        self._with_broker = with_broker
        self._later_tries_s = later_tries_s
        self._lease_margin_s = lease_margin_s
        self._unrecorded: set[asyncio.Task[Answer]] = set()
        self.committed = committed

    async def run(self, request: ReceivedExchange, valid: Valid, running: Running, *, attempts: int = 1) -> Answer:
        """Run an exchange whose lease this worker holds.

        Raises:
            JournalUnavailable: its end could not be recorded now. While the lease lasts that is tried further, and
            after that the exchange is taken up again.
        """
        before_send = None
        if not valid.authorised.route.idempotent:
            before_send = functools.partial(self._journal.begin_call, request.caller, request.message_id)
        work = self._pipeline.run(valid, before_send=before_send)
        return await self._carry_out(request, work, running, version=valid.authorised.route.version, attempts=attempts)

    async def _carry_out(
        self, request: ReceivedExchange, work: Awaitable[Outcome], running: Running, *, version: int, attempts: int
    ) -> Answer:
        try:
            outcome = await work
        except LeaseLost:
            return await self._elsewhere(request)
        except StorageError:
            raise
        except Exception as error:  # boundary: a defect parks the message, it never passes as success
            self._log.exception(EXCHANGE_DEFECT, message_id=request.message_id, route=request.route)
            outcome = _defect(error)
        return await self._conclude(request, outcome, running, version=version, attempts=attempts)

    async def resume(self, stored: StoredExchange) -> Answer:
        """Run an exchange that the journal handed out: for later, left by a dead worker, replayed, or awaiting."""
        request, waiting = stored.request, stored.waiting
        running = Running(detached=request.channel is Channel.HTTP)
        brought = None if waiting is None else await self._journal.brought(*_identity(request), waiting.key)
        try:
            # An answer that came before the question expired is in time, whenever it is taken up.
            valid = self._pipeline.readmit(stored, at=None if brought is None else brought.received_at)
        except (Refused, SecurityError) as error:
            outcome = Outcome(
                status=policy_of(error).status, http_status=policy_of(error).http_status, faults=(fault_of(error),)
            )
            return await self._conclude(request, outcome, running, version=1, attempts=stored.attempts)
        if stored.attempts > len(self._later_tries_s) + TAKEN_UP_AT_MOST:
            outcome = _parked(f"taken up {stored.attempts - 1} times and never finished")
            return await self._conclude(request, outcome, running, version=1, attempts=stored.attempts)
        if waiting is not None:
            work = self._continued(valid, waiting, brought)
            version = valid.authorised.route.version
            return await self._carry_out(request, work, running, version=version, attempts=stored.attempts)
        if stored.call_begun and not valid.authorised.route.idempotent:
            outcome = _parked("the effect of an earlier call is unknown")
            return await self._conclude(request, outcome, running, version=1, attempts=stored.attempts)
        return await self.run(request, valid, running, attempts=stored.attempts)

    async def _continued(self, valid: Valid, waiting: Waiting, brought: LateAnswer | None) -> Outcome:
        """What comes after the agency accepted the question: never the question again."""
        try:
            if brought is not None:
                return self._pipeline.settle(valid, waiting, brought)
            if self._clock() >= waiting.until:
                return self._pipeline.overdue(valid, waiting)
            return await self._pipeline.look(valid, waiting)
        except ConfigurationError as error:
            return _parked(error.reason)

    async def _conclude(
        self, request: ReceivedExchange, outcome: Outcome, running: Running, *, version: int, attempts: int
    ) -> Answer:
        def end() -> Awaitable[Answer]:
            return self._end(request, outcome, running, version=version, attempts=attempts)

        try:
            return await end()
        except JournalUnavailable:
            # The answer is in hand: it is kept until the journal is back. Asking again would burden the agency, and
            # for a question that must not be repeated it would take a person.
            later = asyncio.create_task(self._end_later(end, within_s=self._lease_margin_s))
            self._unrecorded.add(later)
            later.add_done_callback(self._unrecorded.discard)
            if not (request.asynchronous or running.detached):
                running.detached = True
                later.add_done_callback(_unheard)
                raise
            return await asyncio.shield(later)

    async def _end_later(self, end: Callable[[], Awaitable[Answer]], *, within_s: float) -> Answer:
        """Repeat `end`, whose effect is unknown, until the journal answers; JournalUnavailable after `within_s`."""
        give_up_s = time.monotonic() + within_s
        while True:
            await asyncio.sleep(RECORD_AGAIN_S)
            try:
                return await end()
            except JournalUnavailable:
                if time.monotonic() >= give_up_s:
                    raise

    async def _end(
        self, request: ReceivedExchange, outcome: Outcome, running: Running, *, version: int, attempts: int
    ) -> Answer:
        try:
            if outcome.park is not None:
                return await self._park(request, outcome, outcome.park)
            if outcome.awaits is not None:
                return await self._await(request, outcome, outcome.awaits, running, version=version)
            if self._is_worth_a_later_try(request, outcome, attempts):
                return await self._postpone(request, outcome, attempts)
            return await self._complete(request, outcome, running, version=version)
        except LeaseLost:
            return await self._elsewhere(request)
        finally:
            self.committed()

    async def _complete(self, request: ReceivedExchange, outcome: Outcome, running: Running, *, version: int) -> Answer:
        answer = self._answers.concluded(request, outcome, version=version)
        completion = Completion(
            caller=request.caller,
            message_id=request.message_id,
            status=answer.status,
            reply_body=answer.body,
            reply_signature=answer.signature,
            completed_at=self._clock(),
            to_inbox=running.detached and request.channel is Channel.HTTP,
            sources=_sources_for_operators(outcome),
            evidence=outcome.evidence,
        )
        replies = self.replies(request, answer) if request.asynchronous or running.detached else ()
        try:
            await self._journal.complete(completion, claims=outcome.claims, outgoing=replies)
        except MessageReplayed:
            source = outcome.sources[0]
            error = ReplyUnproven(_SEEN_BEFORE, agency=source.agency, operation=source.operation)
            return await self._end_unusable(request, outcome, error, running, version=version)
        return answer

    async def _await(
        self, request: ReceivedExchange, outcome: Outcome, waiting: Waiting, running: Running, *, version: int
    ) -> Answer:
        identity, claims = _identity(request), outcome.claims
        try:
            if outcome.looked:
                await self._journal.await_further(*identity, look_at=waiting.look_at, claims=claims)
            else:
                await self._journal.await_answer(*identity, waiting, claims=claims)
                self._log.info(
                    MESSAGE_AWAITS,
                    message_id=request.message_id,
                    route=request.route,
                    agency=waiting.agency,
                    operation=waiting.operation,
                )
        except MessageReplayed:
            error: AgencyError = ReplyUnproven(_SEEN_BEFORE, agency=waiting.agency, operation=waiting.operation)
            return await self._end_unusable(request, outcome, error, running, version=version)
        except ReplyInvalid as invalid:
            return await self._end_unusable(request, outcome, invalid, running, version=version)
        return msgspec.structs.replace(self._answers.pending(request), awaits=True)

    async def _park(self, request: ReceivedExchange, outcome: Outcome, reason: str) -> Answer:
        await self._journal.park(
            request.caller, request.message_id, reason=reason, outgoing=self.parked_notice(request, reason)
        )
        self._log.warning(MESSAGE_PARKED, message_id=request.message_id, route=request.route, reason=reason)
        return self._answers.pending(request, cause=next(iter(outcome.faults), None))

    def _is_worth_a_later_try(self, request: ReceivedExchange, outcome: Outcome, attempts: int) -> bool:
        if not (request.asynchronous and outcome.retryable and attempts <= len(self._later_tries_s)):
            return False
        until = self._clock() + timedelta(seconds=self._later_tries_s[attempts - 1])
        return request.expires_at is None or until < request.expires_at

    async def _postpone(self, request: ReceivedExchange, outcome: Outcome, attempts: int) -> Answer:
        pause_s = self._later_tries_s[attempts - 1]
        # With a broker its delay queue brings the work back; the journal's own date is the net below it.
        net_s = SWEEP_AFTER_S if self._with_broker else 0.0
        await self._journal.postpone(
            request.caller,
            request.message_id,
            until=self._clock() + timedelta(seconds=pause_s + net_s),
            reason=outcome.faults[0].code if outcome.faults else outcome.status,
            outgoing=self._delayed_work(request, pause_s),
        )
        return self._answers.pending(request, cause=next(iter(outcome.faults), None))

    async def _elsewhere(self, request: ReceivedExchange) -> Answer:
        stored = await self._journal.find(request.caller, request.message_id)
        if stored is not None and stored.state is State.COMPLETED:
            return self._answers.earlier(stored)
        return self._answers.pending(request)

    def replies(self, request: ReceivedExchange, answer: Answer) -> tuple[Outgoing, ...]:
        """What carries a reply over RabbitMQ; nothing where there is none."""
        return outgoing.replies(request, answer) if self._with_broker else ()

    def parked_notice(self, request: ReceivedExchange, reason: str) -> tuple[Outgoing, ...]:
        """What tells RabbitMQ's side of a parked exchange."""
        return outgoing.parked_notice(request, reason) if self._with_broker else ()

    def work(self, request: ReceivedExchange) -> tuple[Outgoing, ...]:
        """What hands an exchange that was accepted for later to the broker; without one the journal's sweep has it."""
        return outgoing.work(request, self._agency_of(request)) if self._with_broker else ()

    def _delayed_work(self, request: ReceivedExchange, pause_s: int) -> tuple[Outgoing, ...]:
        return outgoing.delayed_work(request, self._agency_of(request), pause_s) if self._with_broker else ()

    async def _end_unusable(
        self, request: ReceivedExchange, outcome: Outcome, error: AgencyError, running: Running, *, version: int
    ) -> Answer:
        """End with an answer that the journal refused: nothing that can be used, and an effect that is unknown."""
        policy = policy_of(error)
        self._log.warning(
            AGENCY_FAILED,
            message_id=request.message_id,
            agency=error.agency,
            operation=error.operation,
            code=policy.code,
            reason=error.reason,
        )
        again = Outcome(
            status=policy.status,
            http_status=policy.http_status,
            sources=outcome.sources,
            reasons=(error.reason,),
            faults=(fault_of(error),),
            park=None if self._is_idempotent(request) else f"{policy.code}: {error.reason}",
        )
        return await self._end(request, again, running, version=version, attempts=len(self._later_tries_s) + 1)

    def _is_idempotent(self, request: ReceivedExchange) -> bool:
        route = self._pipeline.configuration.table.routes.get(request.route)
        return route is not None and route.idempotent

    def _agency_of(self, request: ReceivedExchange) -> str | None:
        route = self._pipeline.configuration.table.routes.get(request.route)
        return route.agency if isinstance(route, CallRoute) else None


def _unheard(task: asyncio.Task[Answer]) -> None:
    # Its caller was told long ago, and asyncio complains about exceptions that nobody looked at.
    if not task.cancelled():
        task.exception()


_SEEN_BEFORE = "the agency's answer was seen before"


def _identity(request: ReceivedExchange) -> tuple[CallerName, MessageId]:
    return request.caller, request.message_id


def _defect(error: Exception) -> Outcome:
    fault = Fault(code=UNFORESEEN.code, message=UNFORESEEN.text, advice=UNFORESEEN.advice)
    return Outcome(status=Status.PENDING, faults=(fault,), park=f"{UNFORESEEN.code}: {type(error).__name__}")


def _parked(reason: str) -> Outcome:
    return Outcome(status=Status.PENDING, park=reason)


def _sources_for_operators(outcome: Outcome) -> tuple[dict[str, Any], ...]:
    """The sources of the reply, each with why it failed, which the reply does not say."""
    return tuple(
        {**msgspec.to_builtins(source), **({} if reason is None else {"reason": reason})}
        for source, reason in itertools.zip_longest(outcome.sources, outcome.reasons)
    )
