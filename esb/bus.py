"""The ONE door of the bus: every request of every channel comes in through `Bus`, and every reply leaves through it.

The journal is written before anything runs and again before the reply leaves; one reply per exchange. Knows no HTTP
and no AMQP: `esb/inbound` turns wires into `Arrival`s and `Answer`s into wires.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime, timedelta

import msgspec

from esb.answers import NO_ROUTE, Answers
from esb.arrivals import received, refusal, require_own_reply_queue, unread, uuid_of
from esb.errors import (
    ContentTypeUnsupported,
    Duplicate,
    Expired,
    JournalUnavailable,
    MessageUnknown,
    Refused,
    RequestMalformed,
    RequestTooLarge,
    Saturated,
)
from esb.exchanges import SWEEP_AFTER_S, Exchanges, Running
from esb.faults import policy_of
from esb.model import CallerName, MessageId
from esb.pipeline import Pipeline
from esb.ports import (
    Answer,
    Arrival,
    Channel,
    Clock,
    Credentials,
    Journal,
    Outgoing,
    ReceivedExchange,
    State,
    StoredExchange,
)
from esb.resilience.idempotency import bounded_s, patience_s, require_same
from esb.resilience.throttle import RateLimit
from esb.stages.authenticate import Identified
from esb.stages.validate import Valid
from esb.telemetry.logging import (
    BUS_DEFECT,
    EXCHANGE_UNRECORDED,
    MESSAGE_ANSWERED,
    MESSAGE_PARKED,
    MESSAGE_RECEIVED,
    Logger,
)
from esb.telemetry.metrics import Metrics
from security.errors import SecurityError

EXPIRED_IN_QUEUE = "expired"
"""What `Arrival.dead_letter` says of a message whose time to live was over before anybody took it."""

POLL_S = 0.25
"""How often the journal is asked for a reply that another worker is making."""


class Bus:
    """Implements `esb.ports.Door`. One per worker process."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        journal: Journal,
        exchanges: Exchanges,
        answers: Answers,
        clock: Clock,
        metrics: Metrics,
        log: Logger,
        max_in_flight: int,
        lease_margin_s: float,
        wake_dispatcher: Callable[[], None],
        with_broker: bool,
    ) -> None:
        """`wake_dispatcher` is told of every exchange that was accepted for later.

        `lease_margin_s`: how much longer than its deadline an exchange is leased, for signing and a slow journal.
        """
        self._pipeline = pipeline
        self._journal = journal
        self._exchanges = exchanges
        self._answers = answers
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._max_in_flight = max_in_flight
        self._lease_margin_s = lease_margin_s
        self._wake_dispatcher = wake_dispatcher
        self._with_broker = with_broker
        self._running: dict[tuple[CallerName, MessageId], asyncio.Task[Answer]] = {}
        self._rates: dict[CallerName, RateLimit] = {}

    # --- requests over HTTP ------------------------------------------------------------------------------

    async def ask(self, arrival: Arrival) -> Answer:
        """See `Door.ask`."""
        began_s = time.perf_counter()
        try:
            answer = await self._ask(arrival)
        except JournalUnavailable as error:
            answer = self.refuse(arrival, error)
        except Exception as error:  # boundary: the caller gets an answer, the operator the traceback
            self._log.exception(BUS_DEFECT, route=arrival.route, message_id=arrival.message_id)
            answer = self.refuse(arrival, error)
        self._tell(arrival, answer, time.perf_counter() - began_s)
        return answer

    async def _ask(self, arrival: Arrival) -> Answer:
        identified: Identified | None = None
        message_id = MessageId(arrival.message_id or str(uuid.uuid4()))
        arrival = msgspec.structs.replace(arrival, message_id=message_id)
        try:
            identified = self._pipeline.identify(arrival.credentials)
            self._take_rate(identified.caller)
            valid = self._pipeline.admit(identified, arrival, message_id=message_id)
            self._require_place()
            return await self._accept(identified, arrival, valid)
        except (Refused, Saturated, SecurityError) as error:
            return await self._refuse_for_the_record(identified, arrival, error)

    async def _accept(self, identified: Identified, arrival: Arrival, valid: Valid) -> Answer:
        request = received(identified, arrival, valid)
        self._log.info(MESSAGE_RECEIVED, message_id=request.message_id, route=request.route, caller=request.caller)
        route = valid.authorised.route
        stored = await self._journal.receive(
            request,
            lease_s=None if request.asynchronous else route.deadline_s + self._lease_margin_s,
            not_before=self._left_to_the_broker(request),
            claims=identified.claims,
            outgoing=self._exchanges.work(request) if request.asynchronous else (),
        )
        if stored is not None:
            require_same(stored, request)
            wait_s = patience_s(arrival.wait_s, request, stored, route.deadline_s)
            return await self._known(stored, wait_s=wait_s, until_parked=arrival.wait_s is None)
        if request.asynchronous:
            self._wake_dispatcher()
            return self._answers.pending(request)
        running = Running(detached=False)
        task = self._start(request, self._exchanges.run(request, valid, running))
        return await self._wait(task, request, running, wait_s=arrival.wait_s)

    async def _wait(
        self, task: asyncio.Task[Answer], request: ReceivedExchange, running: Running, *, wait_s: float | None
    ) -> Answer:
        # `wait` and not `wait_for`: neither the timeout nor a caller that goes away may cancel an accepted exchange.
        began_s = time.monotonic()
        await asyncio.wait({task}, timeout=None if wait_s is None else bounded_s(wait_s))
        if task.done():
            answer = task.result()
            if not answer.awaits or wait_s is None:
                return answer
            left_s = bounded_s(wait_s) - (time.monotonic() - began_s)
            return await self._awaited(request, wait_s=left_s, until_parked=True)
        running.detached = True
        return self._answers.pending(request)

    async def _known(self, stored: StoredExchange, *, wait_s: float, until_parked: bool) -> Answer:
        if stored.state is State.COMPLETED:
            return self._answers.earlier(stored)
        answer = await self._awaited(stored.request, wait_s=wait_s, until_parked=until_parked)
        return msgspec.structs.replace(answer, replayed=True)

    def _start(self, request: ReceivedExchange, work: Coroutine[None, None, Answer]) -> asyncio.Task[Answer]:
        key = (request.caller, request.message_id)
        task = asyncio.get_running_loop().create_task(work)
        self._running[key] = task
        task.add_done_callback(lambda done: self._ended(key, done))
        return task

    def _ended(self, key: tuple[CallerName, MessageId], task: asyncio.Task[Answer]) -> None:
        self._running.pop(key, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The waiter, while there is one, gets the exception as well; this line is for when there is none.
            self._log.warning(EXCHANGE_UNRECORDED, message_id=key[1], error=type(error).__name__)

    def _left_to_the_broker(self, request: ReceivedExchange) -> datetime | None:
        is_left = self._with_broker and request.asynchronous
        return self._clock() + timedelta(seconds=SWEEP_AFTER_S) if is_left else None

    # --- requests from the broker ------------------------------------------------------------------------

    async def deliver(self, arrival: Arrival) -> None:
        """See `Door.deliver`."""
        began_s = time.perf_counter()
        if arrival.on_behalf_of is not None:
            answer = await self._take_up(CallerName(arrival.on_behalf_of), MessageId(arrival.message_id or ""))
        else:
            answer = await self._deliver(arrival)
        if answer is not None:
            self._tell(arrival, answer, time.perf_counter() - began_s)

    async def _deliver(self, arrival: Arrival) -> Answer | None:
        identified: Identified | None = None
        try:
            identified = self._pipeline.identify(arrival.credentials)
            require_own_reply_queue(arrival, identified)
            if arrival.dead_letter is not None:
                return await self._take_out(identified, arrival, arrival.dead_letter)
            valid = self._pipeline.admit(identified, arrival, message_id=uuid_of(arrival))
            request = received(identified, arrival, valid)
            lease_s = valid.authorised.route.deadline_s + self._lease_margin_s
            stored = await self._journal.receive(request, lease_s=lease_s)
            if stored is None:
                return await self._start(request, self._exchanges.run(request, valid, Running(detached=False)))
            require_same(stored, request)
        except (RequestMalformed, RequestTooLarge, ContentTypeUnsupported) as error:
            return await self._park_unreadable(identified, arrival, error)
        except (Refused, SecurityError) as error:
            return await self._refuse_for_the_record(identified, arrival, error)
        if stored.state is State.COMPLETED:
            return await self._repeat_reply(stored, request, arrival)
        return await self._take_up(stored.request.caller, stored.request.message_id)

    async def _take_out(self, identified: Identified, arrival: Arrival, cause: str) -> Answer | None:
        """What the broker took out of its queue: expired there, or handed out so often that it counts as poison."""
        message_id = MessageId(uuid_of(arrival))
        stored = await self._journal.find(identified.caller, message_id)
        if stored is not None:
            # Accepted at an earlier delivery: what becomes of it is the journal's to say.
            return await self._take_up(stored.request.caller, message_id)
        if cause == EXPIRED_IN_QUEUE:
            raise Expired("expired in its queue", path="/properties/expiration")
        await self._park_unread(unread(identified, arrival, message_id), reason=f"broker.{cause}")
        return None

    async def _take_up(self, caller: CallerName, message_id: MessageId) -> Answer | None:
        """Run what the journal holds, unless somebody does already: then the journal's sweep watches over it."""
        stored = await self._journal.take_over(caller, message_id, lease_s=self.lease_s)
        return None if stored is None else await self.resume(stored)

    async def resume(self, stored: StoredExchange) -> Answer:
        """Run an exchange whose lease this worker has just taken from the journal."""
        return await self._start(stored.request, self._exchanges.resume(stored))

    async def _repeat_reply(self, stored: StoredExchange, request: ReceivedExchange, arrival: Arrival) -> Answer | None:
        if arrival.redelivered:
            return None  # the broker's doing, not the caller's: the reply is in the outbox since the first time
        answer = self._answers.earlier(stored)
        await self._journal.refuse(
            refusal(request.caller, arrival, code="message.repeated", at=self._clock()),
            # To where it is asked for now: the first time may have named another queue, or come over HTTP.
            outgoing=self._exchanges.replies(request, answer),
        )
        self._exchanges.committed()
        return answer

    async def _park_unreadable(self, identified: Identified | None, arrival: Arrival, error: Refused) -> Answer:
        answer = self.refuse(arrival, error)
        if identified is None:
            return await self._refuse_for_the_record(identified, arrival, error)
        request = unread(identified, arrival, answer.message_id)
        reason = f"{policy_of(error).code}: {error.reason}"
        is_new = await self._park_unread(request, reason=reason, outgoing=self._exchanges.replies(request, answer))
        if is_new or arrival.redelivered:
            return answer
        stored = await self._journal.find(request.caller, request.message_id)
        is_same = stored is not None and stored.request.body_sha256 == request.body_sha256
        repeated = error if is_same else Duplicate("message id was used before")
        return await self._refuse_for_the_record(identified, arrival, repeated)

    async def _park_unread(self, request: ReceivedExchange, *, reason: str, outgoing: Sequence[Outgoing] = ()) -> bool:
        notice = self._exchanges.parked_notice(request, reason)
        is_new = await self._journal.park_unreadable(request, reason=reason, outgoing=(*outgoing, *notice))
        if is_new:
            self._exchanges.committed()
            self._log.warning(MESSAGE_PARKED, message_id=request.message_id, route=request.route, reason=reason)
        return is_new

    # --- everything else ---------------------------------------------------------------------------------

    async def identify(self, credentials: Credentials) -> CallerName:
        """See `Door.identify`."""
        identified = self._pipeline.identify(credentials)
        if identified.claims:
            await self._journal.claim(identified.claims)
        return identified.caller

    async def message(self, caller: CallerName, message_id: str, *, wait_s: float) -> Answer:
        """See `Door.message`."""
        stored = await self._journal.find(caller, MessageId(message_id))
        if stored is None:
            return self._answers.refused(
                MessageUnknown("no such message"),
                message_id=message_id,
                correlation_id=None,
                route="",
                received_at=self._clock(),
            )
        is_there = stored.state is State.COMPLETED
        answer = (
            self._answers.earlier(stored) if is_there else await self._awaited(stored.request, wait_s=bounded_s(wait_s))
        )
        # Asking for the reply is what succeeded: 200, whatever the reply says. It repeats no question.
        return msgspec.structs.replace(answer, http_status=202 if answer.location else 200, replayed=False)

    async def _awaited(self, request: ReceivedExchange, *, wait_s: float, until_parked: bool = False) -> Answer:
        """The reply if it comes in time, be it made in this process, in another, or after an operator's replay.

        `until_parked`: once a person has to look, nobody waits on.
        """
        task = self._running.get((request.caller, request.message_id))
        end_s = time.monotonic() + wait_s
        while (left_s := end_s - time.monotonic()) > 0:
            if task is not None:
                await asyncio.wait({task}, timeout=left_s)
                task = None
            else:
                await asyncio.sleep(min(POLL_S, left_s))
            found = await self._journal.find(request.caller, request.message_id)
            if found is not None and found.state is State.COMPLETED:
                return self._answers.earlier(found)
            if until_parked and found is not None and found.state is State.PARKED:
                break
        return self._answers.pending(request)

    async def turn_away(self, arrival: Arrival, error: Exception) -> Answer:
        """See `Door.turn_away`."""
        try:
            return await self._refuse_for_the_record(None, arrival, error)
        except JournalUnavailable as unavailable:
            return self.refuse(arrival, unavailable)

    def refuse(self, arrival: Arrival, error: Exception) -> Answer:
        """See `Door.refuse`."""
        return self._answers.refused(
            error,
            message_id=arrival.message_id or str(uuid.uuid4()),
            correlation_id=arrival.correlation_id,
            route=arrival.route,
            received_at=arrival.received_at,
        )

    async def stop(self, *, grace_s: float) -> int:
        """Wait until what was accepted has ended, at most `grace_s`; answers how many were left to their leases."""
        if self._running:
            await asyncio.wait(set(self._running.values()), timeout=grace_s)
        return len(self._running)

    @property
    def in_flight(self) -> int:
        """How many exchanges run now."""
        return len(self._running)

    async def _refuse_for_the_record(self, identified: Identified | None, arrival: Arrival, error: Exception) -> Answer:
        answer = self.refuse(arrival, error)
        arrival = msgspec.structs.replace(arrival, message_id=answer.message_id)
        caller = None if identified is None else identified.caller
        record = refusal(caller, arrival, code=policy_of(error).code, at=self._clock())
        outgoing: Sequence[Outgoing] = ()
        if arrival.channel is Channel.AMQP and identified is not None:
            outgoing = self._exchanges.replies(unread(identified, arrival, answer.message_id), answer)
        await self._journal.refuse(record, outgoing=outgoing)
        if outgoing:
            self._exchanges.committed()
        self._metrics.refused(record.code)
        return answer

    def _require_place(self) -> None:
        if len(self._running) >= self._max_in_flight:
            raise Saturated("too many exchanges in flight")

    def _take_rate(self, caller: CallerName) -> None:
        rate_per_s = self._pipeline.configuration.table.callers[caller].rate_per_s
        if rate_per_s is None:
            return
        limit = self._rates.get(caller)
        if limit is None or limit.rate_per_s != rate_per_s:
            limit = self._rates[caller] = RateLimit(name=caller, rate_per_s=rate_per_s)
        limit.take()

    @property
    def lease_s(self) -> float:
        """How long an exchange of any route may be held before others take it for abandoned."""
        routes = self._pipeline.configuration.table.routes.values()
        return max((route.deadline_s for route in routes), default=0.0) + self._lease_margin_s

    def _tell(self, arrival: Arrival, answer: Answer, elapsed_s: float) -> None:
        known = arrival.route in self._pipeline.configuration.table.routes
        self._metrics.exchange_finished(arrival.route if known else NO_ROUTE, answer.status, elapsed_s)
        self._log.info(
            MESSAGE_ANSWERED,
            message_id=answer.message_id,
            channel=arrival.channel,
            route=arrival.route,
            status=answer.status,
            http_status=answer.http_status,
            elapsed_ms=round(elapsed_s * 1000, 1),
        )
