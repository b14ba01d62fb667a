"""`POST /v1/agencies/{agency}/answers`: where agencies that answer later bring their answers.

Part of the HTTP door. The answer to the agency is in the agency's own protocol; whoever does not prove to be one gets
the bus's usual refusal.
"""

from __future__ import annotations

from esb.errors import PusherUnproven, RequestInvalid, Rule
from esb.inbound.http_connection import read_body
from esb.inbound.http_message import Request, Response, certificate_of
from esb.late_answers import LateAnswers
from esb.ports import Clock, Push, RawAnswer

PREFIX, SUFFIX = "/v1/agencies/", "/answers"


class AgencyAnswers:
    """The page of one worker's HTTP door."""

    def __init__(self, *, answers: LateAnswers, clock: Clock, max_body_bytes: int) -> None:
        self._answers = answers
        self._clock = clock
        self._max_body_bytes = max_body_bytes

    async def bring(self, request: Request, agency: str, query: str) -> Response:
        """One answer. Raises PusherUnproven, Saturated, RequestTooLarge, JournalUnavailable."""
        if query:
            raise RequestInvalid("this call has no query parameters", path="/query", rule=Rule.QUERY, limit="-")
        push = Push(
            agency=agency,
            url=f"{request.scheme}://{request.host}{request.raw_path}",
            headers=_single(request),
            body=await read_body(request, max_bytes=self._max_body_bytes),
            received_at=self._clock(),
            certificate_der=certificate_of(request),
        )
        return _response(await self._answers.take(push))


def _single(request: Request) -> dict[str, str]:
    """Header names in lower case. Raises PusherUnproven: of two of a name, which would be the signed one."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        lower = name.lower()
        if lower in headers:
            raise PusherUnproven("a header stands twice")
        headers[lower] = value
    return headers


def _response(answer: RawAnswer) -> Response:
    headers = {"Cache-Control": "no-store", **answer.headers, "Server": "esb"}
    return Response(status=answer.http_status, body=answer.body, headers=headers)
