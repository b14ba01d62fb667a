"""POST /v1/routes/{route} and GET /v1/messages/{id}: what arrives at the bus, and what comes back."""

from __future__ import annotations

import asyncio
import json
import re

import aiohttp
import pytest

from esb.model import Status
from esb.ports import Channel
from tests.support.http_door import MESSAGE_ID, NOW, PORTAL, QUESTION, ScriptedBus, reply_of, running

JSON = {"Content-Type": "application/json"}
ASK = {**PORTAL, **JSON}
PATH = "/v1/routes/person.identity"


async def test_a_question_arrives_as_it_was_sent_and_its_answer_goes_back_signed(
    portal: aiohttp.ClientSession, bus: ScriptedBus
) -> None:
    sent = {**ASK, "Message-Id": MESSAGE_ID.upper(), "Correlation-Id": "VEM-17", "ESB-Signature": "a..b"}
    async with portal.post(PATH, data=QUESTION, headers=sent) as response:
        reply = await reply_of(response)

    arrival = bus.arrivals[0]
    assert (arrival.route, arrival.body, arrival.channel) == ("person.identity", QUESTION, Channel.HTTP)
    assert arrival.credentials.bearer == "token-of-portal"
    assert arrival.credentials.certificate_der is None
    assert (arrival.message_id, arrival.correlation_id, arrival.signature) == (MESSAGE_ID, "VEM-17", "a..b")
    assert arrival.received_at == NOW
    assert (arrival.asynchronous, arrival.wait_s) == (False, None)
    assert response.status == 200
    assert reply["data"] == {"surname": "Əliyeva"}
    assert response.headers["Message-Id"] == MESSAGE_ID
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Server"] == "esb"
    assert "Idempotent-Replay" not in response.headers


async def test_without_a_message_id_the_reply_names_the_one_the_bus_made(
    portal: aiohttp.ClientSession, bus: ScriptedBus
) -> None:
    async with portal.post(PATH, data=QUESTION, headers=ASK) as response:
        reply = await reply_of(response)

    assert bus.arrivals[0].message_id is None
    assert response.headers["Message-Id"] == reply["message_id"] == MESSAGE_ID


async def test_credentials_are_not_needed_to_reach_the_bus_which_then_says_who_may(
    portal: aiohttp.ClientSession, bus: ScriptedBus
) -> None:
    async with portal.post(PATH, data=QUESTION, headers=JSON):
        assert bus.arrivals[0].credentials.bearer is None


@pytest.mark.parametrize(
    ("prefer", "expected"),
    [
        (["respond-async"], (True, None, "respond-async")),
        (["wait=7"], (False, 7, "wait=7")),
        (["respond-async, wait=3"], (False, 3, "wait=3")),
        (["respond-async", "wait=3"], (False, 3, "wait=3")),
        (["wait=999999"], (False, 60, "wait=60")),
        (['Wait="2"'], (False, 2, "wait=2")),
        (["handling=lenient, depth-noroot"], (False, None, None)),
    ],
)
async def test_preferences_reach_the_bus_and_are_confirmed(
    portal: aiohttp.ClientSession, bus: ScriptedBus, prefer: list[str], expected: tuple[bool, float | None, str | None]
) -> None:
    bus.script = lambda arrival: bus.answer(
        arrival, status=Status.PENDING, http_status=202, location=f"/v1/messages/{MESSAGE_ID}"
    )
    headers = [*ASK.items(), *(("Prefer", value) for value in prefer)]
    async with portal.post(PATH, data=QUESTION, headers=headers) as response:
        await reply_of(response)

    arrival = bus.arrivals[0]
    assert (arrival.asynchronous, arrival.wait_s, response.headers.get("Preference-Applied")) == expected
    assert response.status == 202
    assert response.headers["Location"] == f"/v1/messages/{MESSAGE_ID}"


async def test_respond_async_is_not_confirmed_when_the_reply_came_at_once(
    portal: aiohttp.ClientSession, bus: ScriptedBus
) -> None:
    async with portal.post(PATH, data=QUESTION, headers={**ASK, "Prefer": "respond-async"}) as response:
        assert response.status == 200
        assert "Preference-Applied" not in response.headers


async def test_a_replayed_reply_says_so(portal: aiohttp.ClientSession, bus: ScriptedBus) -> None:
    bus.script = lambda arrival: bus.answer(arrival, replayed=True)
    async with portal.post(PATH, data=QUESTION, headers=ASK) as response:
        assert response.headers["Idempotent-Replay"] == "true"


async def test_the_bus_continues_the_callers_trace(portal: aiohttp.ClientSession, bus: ScriptedBus) -> None:
    trace_id, span_id = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    sent = {**ASK, "traceparent": f"00-{trace_id}-{span_id}-01"}
    async with portal.post(PATH, data=QUESTION, headers=sent) as response:
        told = response.headers["traceparent"]

    assert told == bus.arrivals[0].traceparent
    assert told.split("-")[1] == trace_id
    assert told.split("-")[2] != span_id


async def test_a_broken_trace_header_begins_a_new_trace(portal: aiohttp.ClientSession, bus: ScriptedBus) -> None:
    async with portal.post(PATH, data=QUESTION, headers={**ASK, "traceparent": "00-zz-1-01"}) as response:
        assert response.status == 200
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", response.headers["traceparent"])


async def test_retry_after_and_the_challenge_go_out_as_headers(portal: aiohttp.ClientSession, bus: ScriptedBus) -> None:
    bus.script = lambda arrival: bus.answer(arrival, status=Status.ACCESS_DENIED, http_status=401, retry_after_s=5)
    async with portal.post(PATH, data=QUESTION, headers=ASK) as response:
        assert response.headers["Retry-After"] == "5"
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_body_in_many_small_pieces_arrives_whole(portal: aiohttp.ClientSession, bus: ScriptedBus) -> None:
    async def pieces() -> object:
        for start in range(0, len(QUESTION), 5):
            yield QUESTION[start : start + 5]
            await asyncio.sleep(0)

    async with portal.post(PATH, data=pieces(), headers=ASK) as response:
        assert response.status == 200
    assert bus.arrivals[0].body == QUESTION


async def test_a_sender_that_expects_100_continue_is_invited_to_go_on(
    portal: aiohttp.ClientSession, bus: ScriptedBus
) -> None:
    async with portal.post(PATH, data=QUESTION, headers=ASK, expect100=True) as response:
        reply = await reply_of(response)
    assert reply["status"] == "OK"
    assert bus.arrivals[0].body == QUESTION


async def test_a_percent_encoded_route_is_the_same_route(portal: aiohttp.ClientSession, bus: ScriptedBus) -> None:
    async with portal.post("/v1/routes/person%2Eidentity", data=QUESTION, headers=ASK):
        assert bus.arrivals[0].route == "person.identity"


async def test_a_message_is_looked_up_for_the_caller_who_asks(portal: aiohttp.ClientSession, bus: ScriptedBus) -> None:
    async with portal.post(PATH, data=QUESTION, headers=ASK):
        bus.messages[MESSAGE_ID] = bus.answer(bus.arrivals[0], status=Status.OK)

    async with portal.get(f"/v1/messages/{MESSAGE_ID.upper()}", headers={**PORTAL, "Prefer": "wait=4"}) as response:
        reply = await reply_of(response)
    assert reply["message_id"] == MESSAGE_ID
    assert bus.waits == [4]
    assert response.headers["Preference-Applied"] == "wait=4"


@pytest.mark.parametrize("message_id", ["00000000-0000-4000-8000-000000000000", "nothing", "x" * 200])
async def test_an_unknown_message_is_a_404(portal: aiohttp.ClientSession, message_id: str) -> None:
    async with portal.get(f"/v1/messages/{message_id}", headers=PORTAL) as response:
        reply = await reply_of(response)
    assert response.status == 404
    assert reply["faults"][0]["code"] == "message.unknown"


async def test_a_message_is_told_to_nobody_without_credentials(portal: aiohttp.ClientSession) -> None:
    async with portal.get(f"/v1/messages/{MESSAGE_ID}") as response:
        reply = await reply_of(response)
    assert response.status == 401
    assert reply["faults"][0]["code"] == "caller.unknown"


async def test_closing_answers_what_was_accepted_and_takes_nothing_new(bus: ScriptedBus) -> None:
    bus.gate = asyncio.Event()
    async with running(bus) as door, aiohttp.ClientSession(door.url) as session:
        asked = asyncio.ensure_future(session.post(PATH, data=QUESTION, headers=ASK))
        await bus.entered.wait()
        closing = asyncio.ensure_future(door.door.close(grace_s=30))
        await asyncio.sleep(0)
        async with aiohttp.ClientSession(door.url) as other:
            with pytest.raises(aiohttp.ClientConnectionError):
                await other.post(PATH, data=QUESTION, headers=ASK)
        bus.gate.set()
        async with await asked as response:
            assert response.status == 200
            assert response.headers["Connection"] == "close"
        await closing


async def test_closing_waits_for_a_body_that_is_still_on_its_way(bus: ScriptedBus) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> object:
        yield QUESTION[:10]
        begun.set()
        await go_on.wait()
        yield QUESTION[10:]

    async with running(bus) as door, aiohttp.ClientSession(door.url) as session:
        asked = asyncio.ensure_future(session.post(PATH, data=slow(), headers=ASK))
        await begun.wait()
        await asyncio.sleep(0.05)  # lets the server read the head and the first part
        closing = asyncio.ensure_future(door.door.close(grace_s=30))
        await asyncio.sleep(0.05)
        go_on.set()
        async with await asked as response:
            assert response.status == 200
        await closing
    assert bus.arrivals[0].body == QUESTION


async def test_closing_gives_up_on_what_does_not_end_within_the_grace(bus: ScriptedBus) -> None:
    bus.gate = asyncio.Event()
    async with running(bus) as door, aiohttp.ClientSession(door.url) as session:
        asked = asyncio.ensure_future(session.post(PATH, data=QUESTION, headers=ASK))
        await bus.entered.wait()
        await door.door.close(grace_s=0.05)
        with pytest.raises(aiohttp.ClientConnectionError):
            await asked


async def test_a_reply_is_utf_8_json_that_any_parser_reads(portal: aiohttp.ClientSession) -> None:
    async with portal.post(PATH, data=QUESTION, headers=ASK) as response:
        assert json.loads((await response.read()).decode("utf-8"))["data"]["surname"] == "Əliyeva"
