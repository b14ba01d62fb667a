"""The reply inbox: what waits is handed out with the bytes that were signed, until it is acknowledged."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from esb.inbound import http_inbox
from esb.model import MessageId
from esb.ports import InboxReply
from tests.support.http_door import (
    EESMN,
    MESSAGE_ID,
    PORTAL,
    RunningDoor,
    ScriptedBus,
    reply_of,
    running,
    sign,
    verified,
)

BODY = '{"data":{"surname":"Əliyeva"},  "status":"OK"}'.encode()


def waiting(message_id: str = MESSAGE_ID) -> InboxReply:
    return InboxReply(message_id=MessageId(message_id), body=BODY, signature=sign(BODY))


async def test_a_waiting_reply_comes_with_the_very_bytes_that_were_signed(
    portal: aiohttp.ClientSession, http_door: RunningDoor
) -> None:
    http_door.room.lay("portal", waiting())
    async with portal.get("/v1/replies", headers=PORTAL) as response:
        entry = (await reply_of(response))["replies"][0]
    assert entry["message_id"] == MESSAGE_ID
    assert verified(entry["body"].encode(), entry["signature"]) == BODY


async def test_an_acknowledged_reply_never_comes_again_and_repeating_is_harmless(
    portal: aiohttp.ClientSession, http_door: RunningDoor
) -> None:
    http_door.room.lay("portal", waiting())
    told = []
    for _ in range(2):
        async with portal.post(f"/v1/replies/{MESSAGE_ID.upper()}/ack", headers=PORTAL) as response:
            told.append((response.status, await reply_of(response)))
    assert told == [
        (200, {"message_id": MESSAGE_ID, "acknowledged": True}),
        (200, {"message_id": MESSAGE_ID, "acknowledged": False}),
    ]
    async with portal.get("/v1/replies", headers=PORTAL) as response:
        assert await reply_of(response) == {"replies": []}


async def test_replies_of_one_caller_are_not_handed_to_another(
    portal: aiohttp.ClientSession, http_door: RunningDoor
) -> None:
    http_door.room.lay("portal", waiting())
    async with portal.get("/v1/replies", headers=EESMN) as response:
        assert await reply_of(response) == {"replies": []}
    async with portal.post(f"/v1/replies/{MESSAGE_ID}/ack", headers=EESMN) as response:
        assert (await reply_of(response))["acknowledged"] is False
    assert http_door.room.waiting


async def test_at_most_as_many_as_wanted_are_handed_out(portal: aiohttp.ClientSession, http_door: RunningDoor) -> None:
    for number in range(12):
        http_door.room.lay("portal", waiting(f"00000000-0000-4000-8000-0000000000{number:02}"))
    sizes = []
    for query in ("", "?max=3", "?max=0", "?max=5000"):
        async with portal.get(f"/v1/replies{query}", headers=PORTAL) as response:
            sizes.append(len((await reply_of(response))["replies"]))
    assert sizes == [10, 3, 1, 12]


async def test_a_long_poll_ends_when_a_reply_arrives(portal: aiohttp.ClientSession, http_door: RunningDoor) -> None:
    poll = asyncio.ensure_future(portal.get("/v1/replies?wait=50", headers=PORTAL))
    await http_door.room.looked.acquire()
    http_door.room.lay("portal", waiting())
    async with await poll as response:
        assert len((await reply_of(response))["replies"]) == 1


async def test_a_long_poll_ends_empty_when_the_worker_stops(bus: ScriptedBus) -> None:
    async with running(bus) as door, aiohttp.ClientSession(door.url) as session:
        poll = asyncio.ensure_future(session.get("/v1/replies?wait=50", headers=PORTAL))
        await door.room.looked.acquire()
        await door.door.close(grace_s=20)
        async with await poll as response:
            assert await reply_of(response) == {"replies": []}


async def test_nothing_more_is_handed_to_a_caller_that_hung_up(
    http_door: RunningDoor,
) -> None:
    async with aiohttp.ClientSession(http_door.url) as session:
        poll = asyncio.ensure_future(session.get("/v1/replies?wait=50", headers=PORTAL))
        await http_door.room.looked.acquire()
        poll.cancel()
        await asyncio.gather(poll, return_exceptions=True)
    await asyncio.sleep(0.1)
    looks = http_door.room.looks
    await asyncio.sleep(0.8)
    assert http_door.room.looks == looks


async def test_one_caller_cannot_hold_any_number_of_polls(
    portal: aiohttp.ClientSession, http_door: RunningDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_inbox, "MAX_WAITING", 2)
    polls = [asyncio.ensure_future(portal.get("/v1/replies?wait=50", headers=PORTAL)) for _ in range(2)]
    for _ in polls:
        await http_door.room.looked.acquire()
    async with portal.get("/v1/replies", headers=PORTAL) as response:
        reply = await reply_of(response)
    assert response.status == 429
    assert response.headers["Retry-After"] == "1"
    assert reply["faults"][0]["code"] == "limit.reached"
    async with portal.get("/v1/replies", headers=EESMN) as response:
        assert response.status == 200
    http_door.room.lay("portal", waiting())
    for poll in polls:
        (await poll).release()


@pytest.mark.parametrize("query", ["wait=x", "wait=-1", "max=1.5", "wait=1&wait=2", "limit=3", "wait", "max=²"])
async def test_a_wrong_query_is_refused_by_name(portal: aiohttp.ClientSession, query: str) -> None:
    async with portal.get(f"/v1/replies?{query}", headers=PORTAL) as response:
        reply = await reply_of(response)
    assert response.status == 400
    assert reply["faults"][0]["path"].startswith("/query")
