"""One exchange from an arrival to an outcome: one straight, typed function. Knows no door, no journal, no broker.

`admit` is pure and decides whether anything may run; `run` asks the agency (or, for a gather, several) and never
raises for what an agency does: every ending is an `Outcome`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec

from esb.errors import (
    AgencyError,
    AgencyRejected,
    AnswerOverdue,
    ConfigurationError,
    DeadlineExceeded,
    EsbError,
    Expired,
    PilotOnly,
    Saturated,
    StorageError,
)
from esb.faults import Disposition, fault_of, policy_of
from esb.model import Source, Status
from esb.outcome import Outcome, aggregate, reason_of
from esb.ports import (
    AnswerIntake,
    Arrival,
    Awaited,
    Claim,
    Clock,
    Courier,
    Credentials,
    LateAnswer,
    LaterOperation,
    StoredExchange,
    Waiting,
)
from esb.resilience.deadline import Deadline
from esb.resilience.guard import Guards
from esb.resilience.retry import delays_s
from esb.routes.table import CallRoute, GatherRoute, RouteTable
from esb.stages.authenticate import Identified, authenticate, recall
from esb.stages.authorise import authorise
from esb.stages.call import BeforeSend, call
from esb.stages.normalise import Normalised, normalise, normalise_brought
from esb.stages.sign import sign
from esb.stages.translate import Translated, ask_for_answer, translate
from esb.stages.validate import Valid, revalidate, validate
from esb.stages.verify import verify
from esb.telemetry.logging import AGENCY_FAILED, AGENCY_STRAYED, EXCHANGE_STAGES, Logger
from security.errors import SecurityError
from security.identity import CallerKeys

AgencyCalled = Callable[[Source], None]
"""Told of every agency call that ended, for metrics."""


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """What a reload exchanges as a whole: routes, callers' keys, the agencies' guards, and how they bring answers."""

    table: RouteTable
    caller_keys: CallerKeys
    guards: Guards
    generation: int = 0
    intakes: Mapping[str, tuple[AnswerIntake, ...]] = {}
    couriers: tuple[Courier, ...] = ()


class Pipeline:
    """The stages in their order, over the configuration that is in force when an exchange begins."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        audience: str,
        clock: Clock,
        log: Logger,
        called: AgencyCalled = lambda _: None,
    ) -> None:
        """`audience`: the name of this bus in callers' tokens."""
        self.configuration = configuration
        self._audience = audience
        self._clock = clock
        self._called = called
        self._log = log

    def identify(self, credentials: Credentials) -> Identified:
        """Raises NotIdentified, TokenInvalid."""
        configuration = self.configuration
        return authenticate(
            credentials,
            keys=configuration.caller_keys,
            is_caller=configuration.table.callers.__contains__,
            audience=self._audience,
            now=self._clock(),
        )

    def admit(self, identified: Identified, arrival: Arrival, *, message_id: str) -> Valid:
        """The permitted question of this arrival. Raises Refused."""
        authorised = authorise(identified, table=self.configuration.table, route_id=arrival.route)
        return validate(authorised, arrival, message_id=message_id, now=self._clock())

    def readmit(self, stored: StoredExchange, *, at: datetime | None = None) -> Valid:
        """The question of an exchange the journal holds, under the configuration of now. Raises Refused.

        `at`: the moment that its `expires_at` is compared with, when that is not now.
        """
        authorised = authorise(recall(stored), table=self.configuration.table, route_id=stored.request.route)
        return revalidate(authorised, stored, now=at or self._clock())

    async def run(self, valid: Valid, *, before_send: BeforeSend | None = None) -> Outcome:
        """Ask the agency or agencies of the route, within the route's deadline."""
        route = valid.authorised.route
        deadline = _deadline_of(valid, self._clock())
        if isinstance(route, GatherRoute):
            return await self._gather(valid, route, deadline)
        return await self._consult(valid, route, deadline, before_send)

    # --- answers that come later -------------------------------------------------------------------------

    async def look(self, valid: Valid, waiting: Waiting) -> Outcome:
        """Ask for the answer that is awaited, once; where the agency brings it, only wait on."""
        route, operation = _later(valid, waiting)
        now = self._clock()
        if operation.look is None:
            return _wait_on(msgspec.structs.replace(waiting, look_at=waiting.until))
        deadline = Deadline(after_s=min(route.deadline_s, (waiting.until - now).total_seconds()))
        attempt = _Attempts(route)
        try:
            question = ask_for_answer(valid, route, operation.look, key=waiting.key)
            answer = await self._call(valid, question, deadline, None)
        except StorageError:
            raise
        except (EsbError, SecurityError) as error:
            failed = self._failed(valid, attempt, error)
            # Asking again harms nobody, whatever the question was: the agency's bad moment is not the end of the wait.
            return _wait_on(self._next_look(waiting, _LOOK_AFTER_FAILURE_S)) if failed.retryable else failed
        if answer.awaits is not None:
            every_s = answer.awaits.look_every_s or _LOOK_AFTER_FAILURE_S
            return _wait_on(self._next_look(waiting, every_s), claims=answer.claims)
        return self._ended(valid, attempt, answer, since=waiting.since)

    def settle(self, valid: Valid, waiting: Waiting, brought: LateAnswer) -> Outcome:
        """What the answer that the agency brought comes to."""
        route, operation = _later(valid, waiting)
        attempt = _Attempts(route)
        try:
            answer = normalise_brought(brought, route, operation)
        except (EsbError, SecurityError) as error:
            return self._failed(valid, attempt, error)
        return self._ended(valid, attempt, answer, since=waiting.since)

    def overdue(self, valid: Valid, waiting: Waiting) -> Outcome:
        """The end of the wait without an answer."""
        route, _ = _later(valid, waiting)
        error = AnswerOverdue("accepted and not answered in time", agency=waiting.agency, operation=waiting.operation)
        return self._failed(valid, _Attempts(route), error)

    def _next_look(self, waiting: Waiting, after_s: float) -> Waiting:
        return msgspec.structs.replace(waiting, look_at=min(waiting.until, self._clock() + timedelta(seconds=after_s)))

    def _awaiting(self, valid: Valid, route: CallRoute, awaited: Awaited) -> Waiting:
        now = self._clock()
        until = now + timedelta(seconds=awaited.for_s)
        if valid.request.expires_at is not None:
            until = min(until, valid.request.expires_at)
        first_look = until if awaited.look_every_s is None else now + timedelta(seconds=awaited.look_every_s)
        return Waiting(
            agency=route.agency,
            operation=route.operation.name,
            key=awaited.key or valid.message_id,
            version=route.contract_version,
            since=now,
            until=until,
            look_at=min(until, first_look),
        )

    # --- one agency --------------------------------------------------------------------------------------

    async def _gather(self, valid: Valid, route: GatherRoute, deadline: Deadline) -> Outcome:
        outcomes = await asyncio.gather(
            *(self._consult_member(valid, member, deadline) for member in route.members.values())
        )
        return aggregate(dict(zip(route.members, outcomes, strict=True)), require_all=route.require == "all")

    async def _consult_member(self, valid: Valid, member: CallRoute, deadline: Deadline) -> Outcome:
        caller = valid.authorised.identified.caller
        try:
            route = member.version_for(caller, valid.message_id, valid.document)
        except PilotOnly as error:
            return self._failed(valid, _Attempts(member), error)
        return await self._consult(valid, route, deadline, None)

    async def _consult(
        self, valid: Valid, route: CallRoute, deadline: Deadline, before_send: BeforeSend | None
    ) -> Outcome:
        attempt = _Attempts(route)
        pauses_s = delays_s(attempts=route.retry.attempts, first_delay_s=route.retry.first_delay_s)
        while True:
            try:
                answer = await self._attempt(valid, route, deadline, None if attempt.count else before_send)
                return self._ended(valid, attempt, answer)
            except StorageError:
                raise
            except (EsbError, SecurityError) as error:
                pause_s = next(pauses_s, None) if _may_retry(error, route) else None
                if pause_s is None or pause_s >= deadline.remaining_s():
                    return self._failed(valid, attempt, attempt.told_by(error))
                attempt.failure = error
            attempt.count += 1
            await asyncio.sleep(pause_s)

    async def _attempt(
        self, valid: Valid, route: CallRoute, deadline: Deadline, before_send: BeforeSend | None
    ) -> Normalised:
        began_s = time.perf_counter()
        translated = translate(valid, route)
        return await self._call(valid, translated, deadline, before_send, began_s=began_s)

    async def _call(
        self,
        valid: Valid,
        translated: Translated,
        deadline: Deadline,
        before_send: BeforeSend | None,
        *,
        began_s: float | None = None,
    ) -> Normalised:
        translated_s = time.perf_counter()
        route = translated.route
        signed = sign(translated, now=self._clock())
        signed_s = time.perf_counter()
        guard = self.configuration.guards[route.agency]
        answered = await call(signed, guard=guard, deadline=deadline, before_send=before_send)
        answered_s = time.perf_counter()
        proven = verify(answered, now=self._clock())
        proven_s = time.perf_counter()
        normalised = normalise(proven)
        self._log.debug(
            EXCHANGE_STAGES,
            message_id=valid.message_id,
            agency=route.agency,
            translate_ms=_ms(began_s or translated_s, translated_s),
            sign_ms=_ms(translated_s, signed_s),
            call_ms=_ms(signed_s, answered_s),
            verify_ms=_ms(answered_s, proven_s),
            normalise_ms=_ms(proven_s, time.perf_counter()),
        )
        return normalised

    def _ended(self, valid: Valid, attempt: _Attempts, answer: Normalised, *, since: datetime | None = None) -> Outcome:
        source = attempt.source(answer.status, as_of=answer.as_of)
        if since is not None:
            elapsed_ms = round((self._clock() - since).total_seconds() * 1000)
            source = msgspec.structs.replace(source, elapsed_ms=elapsed_ms)
        self._called(source)
        for finding in answer.findings:
            self._log.warning(
                AGENCY_STRAYED,
                message_id=valid.message_id,
                agency=source.agency,
                operation=source.operation,
                reason=finding,
            )
        return Outcome(
            status=answer.status,
            data=answer.data,
            sources=(source,),
            reasons=(None,),
            claims=answer.claims,
            evidence=answer.evidence,
            awaits=None if answer.awaits is None else self._awaiting(valid, attempt.route, answer.awaits),
        )

    def _failed(self, valid: Valid, attempt: _Attempts, error: EsbError | SecurityError) -> Outcome:
        policy, reason = policy_of(error), reason_of(error)
        source = attempt.source(policy.status, as_of=None)
        self._called(source)
        is_source = isinstance(error, AgencyError | Saturated | Expired)
        if not isinstance(error, AgencyRejected | Saturated | Expired):
            self._log.warning(
                AGENCY_FAILED,
                message_id=valid.message_id,
                agency=source.agency,
                operation=source.operation,
                code=policy.code,
                reason=reason,
            )
        return Outcome(
            status=policy.status,
            http_status=policy.http_status,
            retry_after_s=error.retry_after_s if isinstance(error, Saturated) else None,
            sources=(source,) if is_source else (),
            reasons=(reason,) if is_source else (),
            faults=(fault_of(error),),
            park=f"{policy.code}: {reason}" if _must_park(error, attempt.route) else None,
            retryable=isinstance(error, AgencyError | Saturated)
            and policy.disposition in {Disposition.RETRY, Disposition.RETRY_IF_IDEMPOTENT, Disposition.REPLY}
            and policy.status in {Status.UNAVAILABLE, Status.TIMEOUT},
        )


class _Attempts:
    """Counts and times the attempts of one consultation."""

    def __init__(self, route: CallRoute) -> None:
        self.route = route
        self.count = 0
        self.failure: EsbError | SecurityError | None = None
        self._began_s = time.monotonic()

    def told_by(self, error: EsbError | SecurityError) -> EsbError | SecurityError:
        """What tells why there is no answer: a last attempt without time to end says less than the one before."""
        return self.failure or error if isinstance(error, DeadlineExceeded | Expired) else error

    def source(self, status: Status, *, as_of: datetime | None) -> Source:
        route = self.route
        return Source(
            agency=route.agency,
            operation=route.operation.name,
            status=status,
            as_of=as_of,
            elapsed_ms=round((time.monotonic() - self._began_s) * 1000),
            attempts=self.count + 1,
            version=route.contract_version if route.is_variant and route.contract_version else msgspec.UNSET,
        )


def _ms(began_s: float, ended_s: float) -> float:
    return round((ended_s - began_s) * 1000, 2)


def _deadline_of(valid: Valid, now: datetime) -> Deadline:
    deadline_s = valid.authorised.route.deadline_s
    expires_at = valid.request.expires_at
    wanted_s = deadline_s if expires_at is None else (expires_at - now).total_seconds()
    return Deadline(after_s=min(deadline_s, wanted_s), by_caller=wanted_s < deadline_s)


def _later(valid: Valid, waiting: Waiting) -> tuple[CallRoute, LaterOperation]:
    """The route as the contract version serves it that was asked, whatever a new question would be given to.

    Raises:
        ConfigurationError: the route asks something else by now.
    """
    route = valid.authorised.table.routes[valid.authorised.route.id]
    if isinstance(route, CallRoute) and route.rollout is not None:
        variants = (variant.route for variant in route.rollout.variants)
        route = next((variant for variant in variants if variant.contract_version == waiting.version), route)
    if not isinstance(route, CallRoute) or not isinstance(route.operation, LaterOperation):
        raise ConfigurationError("the route no longer asks an operation that answers later")
    return route, route.operation


def _wait_on(waiting: Waiting, *, claims: tuple[Claim, ...] = ()) -> Outcome:
    return Outcome(status=Status.PENDING, awaits=waiting, looked=True, claims=claims)


_LOOK_AFTER_FAILURE_S = 5.0
"""When an answer is asked for again after the agency could not be asked."""


def _may_retry(error: EsbError | SecurityError, route: CallRoute) -> bool:
    disposition = policy_of(error).disposition
    return disposition is Disposition.RETRY or (disposition is Disposition.RETRY_IF_IDEMPOTENT and route.idempotent)


def _must_park(error: EsbError | SecurityError, route: CallRoute) -> bool:
    disposition = policy_of(error).disposition
    return disposition is Disposition.PARK or (
        disposition in {Disposition.RETRY_IF_IDEMPOTENT, Disposition.REPLY_IF_IDEMPOTENT} and not route.idempotent
    )
