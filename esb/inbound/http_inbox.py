"""The reply inbox over HTTP: replies that wait for a caller, handed out until it says that it has them.

Part of the HTTP door. A caller without RabbitMQ gets every asynchronous reply here at least once.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from esb.codec import encode_json, known_message_id
from esb.errors import Throttled
from esb.inbound import http_headers as headers_of
from esb.inbound.http_message import Request, Response, credentials_of
from esb.model import CallerName, MessageId
from esb.ports import Door, InboxReply, Journal

MAX_REPLIES = 100
DEFAULT_REPLIES = 10
MAX_WAITING = 8
"""Long polls that one caller may hold at one worker: each asks the journal up to ten times a second."""

_BOUNDS: Mapping[str, tuple[int, int]] = {
    "wait": (0, headers_of.MAX_WAIT_S),
    "max": (DEFAULT_REPLIES, MAX_REPLIES),
}
_FIRST_LOOK_AGAIN_S = 0.1
_LONGEST_LOOK_AGAIN_S = 1.0


class WaitingReply(msgspec.Struct, frozen=True, kw_only=True):
    """One reply in the inbox. `signature` is the detached JWS over the UTF-8 bytes of the string `body`.

    A string and not an object, because a signature holds for bytes: any JSON library gives back exactly this text,
    none gives back the spacing and order of an object.
    """

    message_id: MessageId
    signature: str
    body: str


class WaitingReplies(msgspec.Struct, frozen=True, kw_only=True):
    """Replies that wait, oldest first; what is not acknowledged comes again."""

    replies: tuple[WaitingReply, ...]


class Acknowledgement(msgspec.Struct, frozen=True, kw_only=True):
    """`acknowledged` False: it did not wait any more, because it was acknowledged before or never was there."""

    message_id: MessageId
    acknowledged: bool


class Inbox:
    """The two endpoints of the inbox. One event loop only."""

    def __init__(
        self,
        *,
        door: Door,
        journal: Journal,
        sign: Callable[[bytes], str],
        closing: asyncio.Event,
        redeliver_after_s: float,
    ) -> None:
        """`closing`: set when the worker stops; long polls then end with what there is."""
        self._door = door
        self._journal = journal
        self._sign = sign
        self._closing = closing
        self._redeliver_after_s = redeliver_after_s
        self._waiting: Counter[CallerName] = Counter()

    async def replies(self, request: Request, _argument: str, query: str) -> Response:
        """`GET /v1/replies?wait=N&max=M`: up to M replies, at once or as soon as there are any, within N seconds."""
        headers_of.require_json_accepted(request.headers.get("Accept"))
        wanted = headers_of.read_query(query, bounds=_BOUNDS)
        caller = await self._door.identify(credentials_of(request))
        if self._waiting[caller] >= MAX_WAITING:
            raise Throttled("too many long polls", retry_after_s=_LONGEST_LOOK_AGAIN_S)
        self._waiting[caller] += 1
        try:
            entries = await self._wait(request, caller, wait_s=wanted["wait"], limit=max(wanted["max"], 1))
        finally:
            self._waiting[caller] -= 1
            if not self._waiting[caller]:
                del self._waiting[caller]
        replies = tuple(
            WaitingReply(message_id=entry.message_id, signature=entry.signature, body=entry.body.decode())
            for entry in entries
        )
        return signed_json(WaitingReplies(replies=replies), self._sign)

    async def acknowledge(self, request: Request, text: str, _query: str) -> Response:
        """`POST /v1/replies/{id}/ack`: the caller has this reply; it never comes again. Repeating is harmless."""
        headers_of.require_json_accepted(request.headers.get("Accept"))
        caller = await self._door.identify(credentials_of(request))
        message_id = known_message_id(text)
        acknowledged = await self._journal.acknowledge(caller, message_id)
        return signed_json(Acknowledgement(message_id=message_id, acknowledged=acknowledged), self._sign)

    async def _wait(self, request: Request, caller: CallerName, *, wait_s: float, limit: int) -> Sequence[InboxReply]:
        clock = asyncio.get_running_loop().time
        give_up_at = clock() + wait_s
        pause_s = _FIRST_LOOK_AGAIN_S
        # What is handed to a caller that has hung up would stay hidden from it until redelivery.
        while request.peer.is_connected:
            entries = await self._journal.inbox(caller, limit=limit, redeliver_after_s=self._redeliver_after_s)
            left_s = give_up_at - clock()
            if entries or left_s <= 0 or self._closing.is_set():
                return entries
            await self._pause(min(pause_s, left_s))
            pause_s = min(pause_s * 2, _LONGEST_LOOK_AGAIN_S)
        return ()

    async def _pause(self, pause_s: float) -> None:
        try:
            async with asyncio.timeout(pause_s):
                await self._closing.wait()
        except TimeoutError:
            return


def signed_json(value: object, sign: Callable[[bytes], str]) -> Response:
    """A 200 with this value as JSON, and the detached JWS over exactly these bytes."""
    body = encode_json(value)
    headers = {
        "Content-Type": headers_of.JSON,
        "Cache-Control": "no-store",
        "ESB-Signature": sign(body),
        "Server": "esb",
    }
    return Response(body=body, headers=headers)
