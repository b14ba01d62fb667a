"""Takes the answers that agencies bring to the bus's own address after their call is over.

Called by the HTTP door; the ONE way in for agencies, as `Bus` is for callers. What an agency proves is in the journal
before the agency hears that it may forget it. Whoever proves nothing learns nothing, not even which agencies there are.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime

from esb.errors import (
    AnswerLate,
    AnswerTaken,
    AnswerUnexpected,
    AnswerUnreadable,
    EsbError,
    PusherUnproven,
    Refused,
    ReplyUnproven,
    Saturated,
    StorageError,
)
from esb.faults import policy_of
from esb.ports import (
    AnswerIntake,
    Channel,
    Clock,
    Journal,
    LateAnswer,
    ProvenPush,
    Push,
    RawAnswer,
    Reception,
    Refusal,
    StoredExchange,
)
from esb.telemetry.logging import ANSWER_BROUGHT, ANSWER_REFUSED, Logger
from esb.telemetry.metrics import Metrics
from security.errors import MessageReplayed

WAIT_FOR_WAITER_S = 3.0
"""How long an answer waits for its exchange: an agency may be faster than the record that it was asked."""

LOOK_EVERY_S = 0.1

AT_ONCE = 64
"""How many answers one worker takes at a time: proving costs time before it is known who sends."""

NOBODY = "-"
"""Stands for the agency in metrics where nothing is proven."""

Intakes = Mapping[str, tuple[AnswerIntake, ...]]
"""By agency; one for each contract version that is in use."""


class LateAnswers:
    """Verifies, correlates, journals. Safe for concurrent use from one event loop."""

    def __init__(
        self,
        *,
        intakes: Callable[[], Intakes],
        journal: Journal,
        wake: Callable[[], None],
        clock: Clock,
        metrics: Metrics,
        log: Logger,
    ) -> None:
        """`intakes` answers those of now, by agency; `wake` is told of every exchange that may go on."""
        self._intakes = intakes
        self._journal = journal
        self._wake = wake
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._in_hand = 0

    async def take(self, push: Push) -> RawAnswer:
        """The acknowledgement or the refusal, in the agency's protocol. Bringing an answer again is acknowledged again.

        Raises:
            PusherUnproven: nothing is known of the sender; it is on record.
            Saturated: too many at once; nothing was read.
            JournalUnavailable: nothing is known to be recorded, and the agency must bring it again.
        """
        if self._in_hand >= AT_ONCE:
            raise Saturated("too many answers at once")
        self._in_hand += 1
        try:
            return await self._take(push)
        finally:
            self._in_hand -= 1

    async def bring(self, agency: str, raw: bytes, proven: ProvenPush) -> None:
        """Take an answer that a courier fetched; see `esb.ports.Bring`. What is refused is on record."""
        try:
            await self._bring(agency, raw, proven, at=self._clock(), patience_s=0.0)
        except Refused as error:
            await self._on_record(raw, error, caller=agency)
            raise

    async def _take(self, push: Push) -> RawAnswer:
        intake, proven = await self._proven(push)
        try:
            await self._bring(push.agency, push.body, proven, at=push.received_at, patience_s=WAIT_FOR_WAITER_S)
        except PusherUnproven as error:
            await self._on_record(push.body, error, caller=None)
            raise
        except (Refused, Saturated) as error:
            await self._on_record(push.body, error, caller=push.agency)
            policy = policy_of(error)
            return intake.refuse(
                policy.code, policy.text.en, http_status=policy.http_status, proof=proven.proof, now=self._clock()
            )
        return intake.acknowledge(proven, now=self._clock())

    async def _proven(self, push: Push) -> tuple[AnswerIntake, ProvenPush]:
        reason = "no agency of this name brings answers"
        for intake in self._intakes().get(push.agency, ()):
            try:
                return intake, intake.verify(push, now=push.received_at)
            except ReplyUnproven as error:
                reason = error.reason
        unproven = PusherUnproven(reason)
        await self._on_record(push.body, unproven, caller=None)
        # Not the reason itself: what it is would tell a stranger which agencies there are.
        raise unproven

    async def _bring(self, agency: str, raw: bytes, proven: ProvenPush, *, at: datetime, patience_s: float) -> None:
        """Return when the answer is in the journal. Raises Refused, Saturated."""
        if proven.key is None:
            raise AnswerUnreadable(proven.problem)
        answer = LateAnswer(agency=agency, key=proven.key, raw=raw, proven=proven.answer, received_at=at)
        waiter, reception = await self._received(answer, patience_s=patience_s)
        if waiter is None:
            raise AnswerUnexpected("nothing waits for this answer")
        self._tell(waiter, answer, reception)
        if reception is Reception.BUSY:
            raise Saturated("the exchange is in hand")
        if reception is Reception.LATE:
            raise AnswerLate("the exchange has ended")
        if reception is Reception.OTHER:
            raise AnswerTaken("another answer was brought before")
        if reception is Reception.TAKEN:
            self._wake()

    async def _received(self, answer: LateAnswer, *, patience_s: float) -> tuple[StoredExchange | None, Reception]:
        give_up_s = time.monotonic() + patience_s
        while True:
            waiter = await self._journal.waiter(answer.agency, answer.key)
            reception = Reception.BUSY if waiter is None else await self._brought(waiter, answer)
            if reception is not Reception.BUSY or time.monotonic() >= give_up_s:
                return waiter, reception
            await asyncio.sleep(LOOK_EVERY_S)

    async def _brought(self, waiter: StoredExchange, answer: LateAnswer) -> Reception:
        try:
            return await self._journal.bring(waiter, answer)
        except MessageReplayed as error:
            # The agency's own words, said before about something else: whoever repeats them is not the agency.
            raise PusherUnproven("the message was seen before") from error

    def _tell(self, waiter: StoredExchange, answer: LateAnswer, reception: Reception) -> None:
        self._metrics.answer_brought(answer.agency, reception.value)
        self._log.info(
            ANSWER_BROUGHT,
            message_id=waiter.request.message_id,
            route=waiter.request.route,
            agency=answer.agency,
            outcome=reception.value,
        )

    async def _on_record(self, body: bytes, error: EsbError, *, caller: str | None) -> None:
        code = policy_of(error).code
        self._metrics.answer_brought(caller or NOBODY, code)
        self._log.warning(ANSWER_REFUSED, agency=caller, code=code, reason=error.reason)
        refusal = Refusal(
            caller=caller,
            message_id=str(uuid.uuid4()),
            route="",
            channel=Channel.HTTP,
            code=code,
            body_sha256=hashlib.sha256(body).digest(),
            at=self._clock(),
        )
        try:
            await self._journal.refuse(refusal)
        except StorageError:
            if caller is not None:
                raise
            # A stranger is told the same, whether or not it could be written down.
