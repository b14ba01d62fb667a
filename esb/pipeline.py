"""One exchange from an arrival to an outcome: one straight, typed function. Knows no door, no journal, no broker.

`admit` is pure and decides whether anything may run; `run` asks the agency (or, for a gather, several) and never
raises for what an agency does: every ending is an `Outcome`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from esb.errors import (
    AgencyError,
    AgencyRejected,
    DeadlineExceeded,
    EsbError,
    Expired,
    PilotOnly,
    Saturated,
    StorageError,
)
from esb.faults import Disposition, fault_of, policy_of
from esb.model import Fault, Source, Status
from esb.ports import Arrival, Claim, Clock, Credentials, StoredExchange
from esb.resilience.deadline import Deadline
from esb.resilience.guard import Guards
from esb.resilience.retry import delays_s
from esb.routes.table import CallRoute, GatherRoute, RouteTable
from esb.stages.authenticate import Identified, authenticate, recall
from esb.stages.authorise import authorise
from esb.stages.call import BeforeSend, call
from esb.stages.normalise import Normalised, normalise
from esb.stages.sign import sign
from esb.stages.translate import translate
from esb.stages.validate import Valid, revalidate, validate
from esb.stages.verify import verify
from esb.telemetry.logging import AGENCY_FAILED, AGENCY_STRAYED, EXCHANGE_STAGES, Logger
from security.errors import SecurityError
from security.identity import CallerKeys

AgencyCalled = Callable[[Source], None]
"""Told of every agency call that ended, for metrics."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an exchange ended. `park`: no reply yet, a person has to look, and why. `retryable`: later may be better.

    `reasons`: why each of `sources` failed, None for one that did not; for operators, never for the caller.
    """

    status: Status
    http_status: int = 200
    retry_after_s: float | None = None
    data: Any = None
    sources: tuple[Source, ...] = ()
    reasons: tuple[str | None, ...] = ()
    faults: tuple[Fault, ...] = ()
    claims: tuple[Claim, ...] = ()
    park: str | None = None
    retryable: bool = False


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """What a reload exchanges as a whole: routes, callers' keys, and the guards of the agencies."""

    table: RouteTable
    caller_keys: CallerKeys
    guards: Guards


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

    def readmit(self, stored: StoredExchange) -> Valid:
        """The question of an exchange the journal holds, under the configuration of now. Raises Refused."""
        authorised = authorise(recall(stored), table=self.configuration.table, route_id=stored.request.route)
        return revalidate(authorised, stored, now=self._clock())

    async def run(self, valid: Valid, *, before_send: BeforeSend | None = None) -> Outcome:
        """Ask the agency or agencies of the route, within the route's deadline."""
        route = valid.authorised.route
        deadline = _deadline_of(valid, self._clock())
        if isinstance(route, GatherRoute):
            return await self._gather(valid, route, deadline)
        return await self._consult(valid, route, deadline, before_send)

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
        translated_s = time.perf_counter()
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
            translate_ms=_ms(began_s, translated_s),
            sign_ms=_ms(translated_s, signed_s),
            call_ms=_ms(signed_s, answered_s),
            verify_ms=_ms(answered_s, proven_s),
            normalise_ms=_ms(proven_s, time.perf_counter()),
        )
        return normalised

    def _ended(self, valid: Valid, attempt: _Attempts, answer: Normalised) -> Outcome:
        source = attempt.source(answer.status, as_of=answer.as_of)
        self._called(source)
        for finding in answer.findings:
            self._log.warning(
                AGENCY_STRAYED,
                message_id=valid.message_id,
                agency=source.agency,
                operation=source.operation,
                reason=finding,
            )
        return Outcome(status=answer.status, data=answer.data, sources=(source,), reasons=(None,), claims=answer.claims)

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
        return Source(
            agency=self.route.agency,
            operation=self.route.operation.name,
            status=status,
            as_of=as_of,
            elapsed_ms=round((time.monotonic() - self._began_s) * 1000),
            attempts=self.count + 1,
            version=self.route.contract_version,
        )


def aggregate(outcomes: Mapping[str, Outcome], *, require_all: bool) -> Outcome:
    """Several answers as one. A member that did not answer never looks like one that answered "nothing".

    With `require_all` one missing member leaves no data at all; without, the answer is PARTIAL and `faults` say who
    is missing. A member's *no record* is an answer: its data is null and its source says NOT_FOUND.
    """
    answered = {name: outcome for name, outcome in outcomes.items() if outcome.status in _ANSWERS}
    missing = {name: outcome for name, outcome in outcomes.items() if name not in answered}
    # The fault that names the whole comes first: a reply that is repeated later finds its HTTP status by it.
    by_severity = sorted(missing.items(), key=lambda item: _WORST_FIRST.index(item[1].status))
    faults = tuple(
        msgspec.structs.replace(fault, path=fault.path or f"/data/{name}")
        for name, outcome in by_severity
        for fault in outcome.faults
    )
    http_status = 200
    if not missing:
        status = Status.OK if any(o.status is not Status.NOT_FOUND for o in answered.values()) else Status.NOT_FOUND
    elif answered and not require_all:
        status = Status.PARTIAL
    else:
        worst = by_severity[0][1]
        status, http_status = worst.status, worst.http_status
    usable = status in _ANSWERS
    return Outcome(
        status=status,
        http_status=http_status,
        data={name: outcome.data for name, outcome in answered.items()} if usable else None,
        sources=tuple(source for outcome in outcomes.values() for source in outcome.sources),
        reasons=tuple(reason for outcome in outcomes.values() for reason in outcome.reasons),
        faults=faults,
        claims=tuple(claim for outcome in outcomes.values() for claim in outcome.claims),
        retryable=not usable and all(outcome.retryable for outcome in missing.values()),
    )


_ANSWERS = frozenset({Status.OK, Status.PARTIAL, Status.NOT_FOUND})
_WORST_FIRST = (
    Status.INVALID_REQUEST,
    Status.ACCESS_DENIED,
    Status.FAILED,
    Status.INVALID_REPLY,
    Status.UNAVAILABLE,
    Status.TIMEOUT,
    Status.REJECTED,
    Status.EXPIRED,
    Status.PENDING,
)
"""Which missing answer names the whole: what the caller can mend comes first."""


def reason_of(error: EsbError | SecurityError) -> str:
    """Why, for operators: the place in the contract, the reason, and those of what caused it. Never any value."""
    path = getattr(error, "path", None)
    reasons = [f"{path}: {error.reason}" if path else error.reason]
    cause = error.__cause__
    while isinstance(cause, EsbError | SecurityError):
        if cause.reason not in reasons[-1]:
            reasons.append(cause.reason)
        cause = cause.__cause__
    return "; ".join(reasons)


def _ms(began_s: float, ended_s: float) -> float:
    return round((ended_s - began_s) * 1000, 2)


def _deadline_of(valid: Valid, now: datetime) -> Deadline:
    deadline_s = valid.authorised.route.deadline_s
    expires_at = valid.request.expires_at
    wanted_s = deadline_s if expires_at is None else (expires_at - now).total_seconds()
    return Deadline(after_s=min(deadline_s, wanted_s), by_caller=wanted_s < deadline_s)


def _may_retry(error: EsbError | SecurityError, route: CallRoute) -> bool:
    disposition = policy_of(error).disposition
    return disposition is Disposition.RETRY or (disposition is Disposition.RETRY_IF_IDEMPOTENT and route.idempotent)


def _must_park(error: EsbError | SecurityError, route: CallRoute) -> bool:
    disposition = policy_of(error).disposition
    return disposition is Disposition.PARK or (
        disposition in {Disposition.RETRY_IF_IDEMPOTENT, Disposition.REPLY_IF_IDEMPOTENT} and not route.idempotent
    )
