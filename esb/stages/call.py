"""One attempt at an agency, through its guard and within the deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from esb.errors import AgencyTimeout, AgencyUnreachable
from esb.ports import RawAnswer
from esb.resilience.deadline import Deadline
from esb.resilience.guard import Guard, Outcome
from esb.stages.sign import Signed


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes came back; nothing about them is known yet."""

    signed: Signed
    raw: RawAnswer


BeforeSend = Callable[[], Awaitable[None]]
"""Called once before the first byte of a call that must not be repeated leaves the bus."""


async def call(signed: Signed, *, guard: Guard, deadline: Deadline, before_send: BeforeSend | None = None) -> Answered:
    """Send once.

    Raises:
        AgencyError: see `AgencyOperation.send`.
        Saturated, Expired: the guard refused, or no time was left and nothing was sent; or the deadline and not the
            route's own timeout cut a call that may be repeated.
    """
    route = signed.translated.route
    await guard.enter(deadline)
    outcome = Outcome.UNTOLD
    timeout_s = route.timeout_s
    try:
        if before_send is not None:
            await before_send()
        timeout_s = deadline.shortened(route.timeout_s)
        raw = await signed.translated.operation.send(signed.call, timeout_s=timeout_s)
        outcome = Outcome.FAILED if raw.http_status in _OVERLOADED else Outcome.ANSWERED
    except (AgencyUnreachable, AgencyTimeout) as error:
        if timeout_s < route.timeout_s and deadline.remaining_s() <= timeout_s * _LAST_SHARE:
            # The agency had less time than its route grants, so its silence says nothing about its health.
            if isinstance(error, AgencyTimeout) and not route.idempotent:
                raise
            raise deadline.over(f"cut by the deadline: {error.reason}") from error
        outcome = Outcome.FAILED
        raise
    finally:
        guard.leave(outcome)
    return Answered(signed=signed, raw=raw)


_OVERLOADED = frozenset({502, 503, 504})
"""What proxies before an agency say when the agency itself does not answer. A SOAP fault is a 500, and an answer."""

_LAST_SHARE = 0.1
"""What may be left of a call's time when it was time that ended it: connecting is given up a little before the rest."""
