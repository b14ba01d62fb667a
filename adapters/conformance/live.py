"""A running agency asked as the bus would ask it, and as the bus never would: wrongly signed, stale, not by contract.

One operation after the other, and never faster than the adapter's limits allow. What may change something at the
agency is asked once: only routes that say `idempotent`, and operations that were named, are asked repeatedly.
"""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

import msgspec

from adapters import agency_keys, cases, registry
from adapters.conformance import tls
from adapters.conformance.checks import Check, Outcome, Plan, Question
from adapters.conformance.questions import questions
from adapters.conformance.spoiling import spoilt
from adapters.contract_reading import ContractReading, read_contract
from adapters.manifest import Authentication
from adapters.placing import Placed
from adapters.registry import Catalogue
from adapters.soap_fault import looks_like_fault
from adapters.transport import Transport
from esb.errors import (
    AgencyError,
    AgencyFault,
    AgencyPaused,
    AgencyRejected,
    ConfigurationError,
    EsbError,
    ReplyInvalid,
    ReplyUnproven,
    RequestUnencodable,
)
from esb.journal.registrations import Registered
from esb.model import AgencyCode
from esb.ports import AgencyAnswer, AgencyOperation, OutgoingCall, RawAnswer, utc_now
from esb.routes.table import CallRoute, RouteTable
from security import certificates, keys
from security.errors import KeyUnavailable, SecurityError
from security.keys import SigningKey

_LONG_AGO: Final = timedelta(hours=2)
_ERROR: Final = 400
_SLOW: Final = 0.5
"""Which part of the time that a route waits is worth a warning."""

_SIGNING: Final = frozenset({Authentication.WSSE_X509, Authentication.HTTP_SIGNATURE, Authentication.XMLDSIG})
_DATED: Final = frozenset({Authentication.WSSE_X509, Authentication.HTTP_SIGNATURE})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered:
    """What came of one question, and after how long."""

    raw: RawAnswer | None
    answer: AgencyAnswer | None
    proven: bool
    error: EsbError | SecurityError | None
    elapsed_ms: float


async def examine(there: Placed, *, table: RouteTable | None, plan: Plan) -> AsyncIterator[Check]:
    """Each check as it is done. `table`: in which the agency's routes are, where there are any.

    Raises:
        ConfigurationError: the adapter cannot be loaded, has no address in this environment, or an operation of the
            plan is unknown.
    """
    reading = read_contract(there.manifest, there.files())
    unknown = sorted(set(plan.operations) - reading.shapes.keys())
    if unknown:
        known = ", ".join(reading.shapes)
        raise ConfigurationError(f"{there.agency} has no operation {unknown[0]!r}; there are: {known}")
    written = there.folder / cases.FILE_NAME
    golden = cases.load(written) if written.is_file() else ()
    routes = _routes_of(there.agency, table)
    async with Transport() as transport:
        examination = _Examination(there, reading, routes, plan, transport)
        yield await tls.check(there.agency, examination.endpoint)
        for question in questions(reading, golden, routes, plan):
            async for check in examination.of(question):
                yield check


def _routes_of(agency: str, table: RouteTable | None) -> dict[str, CallRoute]:
    found = table.routes.values() if table is not None else ()
    return {route.id: route for route in found if isinstance(route, CallRoute) and route.agency == agency}


class _Examination:
    """One run against one agency."""

    def __init__(
        self,
        there: Placed,
        reading: ContractReading,
        routes: Mapping[str, CallRoute],
        plan: Plan,
        transport: Transport,
    ) -> None:
        known = agency_keys.load(there.settings)
        self._agency = AgencyCode(there.agency)
        self._manifest = there.manifest
        self._routes = {route.operation_name: route for route in routes.values()}
        self._reading = reading
        self._plan = plan
        self._own = registry.load(there.settings, known, transport, registered=Registered())
        strange = replace(known, signing={key.algorithm: _stranger(key) for key in known.signing.values()})
        self._strange = registry.load(there.settings, strange, transport, registered=Registered())
        self.endpoint = self._own.adapters[self._agency].endpoint
        if not self.endpoint.url:
            raise ConfigurationError(f"{self.endpoint.unusable}; or give --url")
        self._pause_s = 1.0 / there.manifest.limits.rate_per_s

    async def of(self, question: Question) -> AsyncIterator[Check]:
        """Every check of one operation; only the first where the agency cannot be asked at all."""
        name = question.operation
        try:
            first = await self._asked(question, self._own)
        except (AgencyPaused, KeyUnavailable, RequestUnencodable) as error:
            yield self._check(name, "is asked", Outcome.SKIPPED, _said(error))
            return
        answered = self._of_answer(question, first)
        for check in answered:
            yield check
        if first.raw is None:
            return
        yield await self._about_nobody(question)
        if not question.repeatable:
            reason = "its route does not say `idempotent: true`; name it with --operation to ask it repeatedly"
            for skipped in (
                "time",
                "a wrong signature is refused",
                "a stale request is refused",
                "bad input is refused",
            ):
                yield self._check(name, skipped, Outcome.SKIPPED, reason)
            return
        yield await self._times(question)
        yield await self._wrongly_signed(question)
        yield await self._stale(question)
        yield await self._bad_input(question)

    # --- the answer --------------------------------------------------------------------------------------

    def _of_answer(self, question: Question, first: _Answered) -> list[Check]:
        name = question.operation
        if first.raw is None:
            return [self._check(name, "is reached", Outcome.FAILED, _said(first.error), first.elapsed_ms)]
        checks = [self._check(name, "is reached", Outcome.PASSED, f"HTTP {first.raw.http_status}", first.elapsed_ms)]
        if self._manifest.authentication is Authentication.NONE:
            checks.append(self._check(name, "reply is proven", Outcome.WARNING, "the agency signs nothing"))
        elif isinstance(first.error, ReplyUnproven):
            return [*checks, self._check(name, "reply is proven", Outcome.FAILED, _said(first.error))]
        elif first.proven:
            checks.append(self._check(name, "reply is proven", Outcome.PASSED))
        return [*checks, self._of_contract(question, first)]

    def _of_contract(self, question: Question, first: _Answered) -> Check:
        name = question.operation
        kept = "reply keeps the contract"
        if isinstance(first.error, AgencyFault | AgencyRejected):
            code = getattr(first.error, "agency_code", None) or "without code"
            grave = Outcome.FAILED if question.golden else Outcome.WARNING
            asked = "a golden case" if question.golden else "the contract's own sample; name a person with --subject"
            return self._check(name, kept, grave, f"a fault ({code}) to {asked}")
        if first.error is not None or first.answer is None:
            return self._check(name, kept, Outcome.FAILED, _said(first.error))
        if first.answer.findings:
            return self._check(name, kept, Outcome.WARNING, "; ".join(first.answer.findings))
        if first.answer.awaits is not None:
            return self._check(name, kept, Outcome.PASSED, "accepted; the answer comes later")
        said = "" if first.answer.found else "says: no such record"
        return self._check(name, kept, Outcome.PASSED, said)

    async def _about_nobody(self, question: Question) -> Check:
        name, what = question.operation, "nobody is not found"
        if question.nobody is None:
            return self._check(name, what, Outcome.SKIPPED, "no field of the request names a person or company")
        asked = await self._asked(msgspec.structs.replace(question, values=question.nobody), self._own)
        if isinstance(asked.error, AgencyFault | AgencyRejected):
            code = getattr(asked.error, "agency_code", None) or "without code"
            advice = f"a fault ({code}); if it means that there is no record, name it in faults.not_found"
            return self._check(name, what, Outcome.FAILED, advice, asked.elapsed_ms)
        if asked.answer is None:
            return self._check(name, what, Outcome.FAILED, _said(asked.error), asked.elapsed_ms)
        route = self._routes.get(name)
        if not asked.answer.found or (route is not None and route.says_not_found(asked.answer.data)):
            return self._check(name, what, Outcome.PASSED, "", asked.elapsed_ms)
        advice = "an answer like any other; if it says that there is no record, write not_found into its route"
        return self._check(name, what, Outcome.WARNING, advice, asked.elapsed_ms)

    # --- time --------------------------------------------------------------------------------------------

    async def _times(self, question: Question) -> Check:
        name, times = question.operation, []
        for _ in range(self._plan.calls):
            asked = await self._asked(question, self._own)
            if asked.raw is None:
                return self._check(name, "time", Outcome.FAILED, _said(asked.error), asked.elapsed_ms)
            times.append(asked.elapsed_ms)
        median = statistics.median(times)
        p95 = sorted(times)[max(0, round(0.95 * len(times)) - 1)]
        detail = (
            f"median {median:.0f} ms, p95 {p95:.0f} ms of {len(times)} calls; its route waits {question.timeout_s:g} s"
        )
        limit_ms = question.timeout_s * 1000
        outcome = Outcome.FAILED if p95 > limit_ms else Outcome.WARNING if p95 > _SLOW * limit_ms else Outcome.PASSED
        return self._check(name, "time", outcome, detail, median)

    # --- what must be refused ----------------------------------------------------------------------------

    async def _wrongly_signed(self, question: Question) -> Check:
        name, what = question.operation, "a wrong signature is refused"
        if self._manifest.authentication not in _SIGNING:
            return self._check(name, what, Outcome.SKIPPED, "requests are not signed")
        return await self._refuses(what, question, self._strange, answered="it believes anybody's key")

    async def _stale(self, question: Question) -> Check:
        name, what = question.operation, "a stale request is refused"
        if self._manifest.authentication not in _DATED:
            return self._check(name, what, Outcome.SKIPPED, "requests carry no signed time")
        return await self._refuses(
            what, question, self._own, ago=_LONG_AGO, answered="an old request can be sent again"
        )

    async def _bad_input(self, question: Question) -> Check:
        name, what = question.operation, "bad input is refused"
        operation = self._own.operation(self._agency, name)
        document = spoilt(operation.encode(question.values), self._reading, name)
        if document is None:
            return self._check(name, what, Outcome.SKIPPED, "the contract allows nearly anything here")
        call = operation.sign(document, message_id=str(uuid.uuid4()), traceparent=None, now=utc_now())
        await asyncio.sleep(self._pause_s)
        raw, error = await self._sent(operation, call, question.timeout_s)
        return self._judged(name, what, raw, error, answered="a request that breaks the contract was answered")

    async def _refuses(
        self, what: str, question: Question, catalogue: Catalogue, *, answered: str, ago: timedelta = timedelta()
    ) -> Check:
        operation = catalogue.operation(self._agency, question.operation)
        try:
            document = operation.encode(question.values)
            call = operation.sign(document, message_id=str(uuid.uuid4()), traceparent=None, now=utc_now() - ago)
        except (KeyUnavailable, RequestUnencodable) as error:
            return self._check(question.operation, what, Outcome.SKIPPED, _said(error))
        await asyncio.sleep(self._pause_s)
        raw, failed = await self._sent(operation, call, question.timeout_s)
        return self._judged(question.operation, what, raw, failed, answered=answered)

    def _judged(self, name: str, what: str, raw: RawAnswer | None, error: EsbError | None, *, answered: str) -> Check:
        if raw is None:
            return self._check(name, what, Outcome.FAILED, _said(error))
        if raw.http_status < _ERROR and not _is_fault(raw):
            return self._check(name, what, Outcome.FAILED, f"HTTP {raw.http_status}: {answered}")
        if raw.http_status in {502, 503, 504}:
            return self._check(
                name, what, Outcome.WARNING, f"HTTP {raw.http_status}: out of order rather than refusing"
            )
        return self._check(name, what, Outcome.PASSED, f"HTTP {raw.http_status}")

    # --- asking ------------------------------------------------------------------------------------------

    async def _asked(self, question: Question, catalogue: Catalogue) -> _Answered:
        """One whole question, as the pipeline asks it.

        Raises:
            AgencyPaused, KeyUnavailable, RequestUnencodable: it cannot be asked.
        """
        operation = catalogue.operation(self._agency, question.operation)
        document = operation.encode(question.values)
        call = operation.sign(document, message_id=str(uuid.uuid4()), traceparent=None, now=utc_now())
        await asyncio.sleep(self._pause_s)
        began = time.perf_counter()
        raw, error = await self._sent(operation, call, question.timeout_s)
        elapsed_ms = (time.perf_counter() - began) * 1000
        if raw is None:
            return _Answered(raw=None, answer=None, proven=False, error=error, elapsed_ms=elapsed_ms)
        proven = False
        try:
            seen = operation.verify(raw, call, now=utc_now())
            proven = True
            return _Answered(raw=raw, answer=operation.decode(seen), proven=True, error=None, elapsed_ms=elapsed_ms)
        except (AgencyError, SecurityError) as refused:
            return _Answered(raw=raw, answer=None, proven=proven, error=refused, elapsed_ms=elapsed_ms)

    async def _sent(
        self, operation: AgencyOperation, call: OutgoingCall, timeout_s: float
    ) -> tuple[RawAnswer | None, EsbError | None]:
        try:
            return await operation.send(call, timeout_s=timeout_s), None
        except (AgencyError, ReplyInvalid) as error:
            return None, error

    def _check(self, operation: str, name: str, outcome: Outcome, detail: str = "", elapsed_ms: float = 0.0) -> Check:
        return Check(
            agency=self._agency,
            operation=operation,
            name=name,
            outcome=outcome,
            detail=detail,
            elapsed_ms=round(elapsed_ms, 1),
        )


def _said(error: Exception | None) -> str:
    reason = getattr(error, "reason", "") or "no answer"
    path = getattr(error, "path", None)
    return f"{path}: {reason}" if path else str(reason)


def _is_fault(raw: RawAnswer) -> bool:
    body = raw.body
    return b":Fault" in body or b"<Fault" in body or looks_like_fault(body)


def _stranger(known: SigningKey) -> SigningKey:
    """A key that the agency cannot know, with the bus's own name on it."""
    fresh = keys.generate(known.algorithm, utc_now())
    return certificates.self_signed(fresh, common_name="esb", organisation="test", now=utc_now(), valid_days=1)
