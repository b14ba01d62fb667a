"""Whatever a sender gets wrong, the answer is the one reply body: a fault, the right status, a signature that holds."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from esb.inbound import http_connection
from tests.support.http_door import MESSAGE_ID, PORTAL, QUESTION, RunningDoor, ScriptedBus, reply_of, running, verified

ASK = {**PORTAL, "Content-Type": "application/json"}
PATH = "/v1/routes/person.identity"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"Content-Type": "text/plain"}, (415, "request.content-type", "/headers/content-type")),
        ({"Content-Type": "application/json; charset=koi8-r"}, (415, "request.content-type", "/headers/content-type")),
        ({"Content-Type": "application/xml"}, (415, "request.content-type", "/headers/content-type")),
        ({"Content-Encoding": "gzip"}, (415, "request.content-type", "/headers/content-encoding")),
        ({"Accept": "application/xml"}, (406, "reply.content-type", "/headers/accept")),
        ({"Accept": "application/json;q=0"}, (406, "reply.content-type", "/headers/accept")),
        ({"Message-Id": "17"}, (400, "request.schema", "/headers/message-id")),
        ({"Message-Id": "{" + MESSAGE_ID + "}"}, (400, "request.schema", "/headers/message-id")),
        ({"Correlation-Id": "x" * 129}, (400, "request.schema", "/headers/correlation-id")),
        ({"Prefer": "wait=soon"}, (400, "request.schema", "/headers/prefer")),
        ({"Prefer": "wait=-1"}, (400, "request.schema", "/headers/prefer")),
        ({"Prefer": "wait"}, (400, "request.schema", "/headers/prefer")),
        ({"Prefer": "wait=\u0663"}, (400, "request.schema", "/headers/prefer")),
    ],
)
async def test_a_wrong_header_is_refused_by_name(
    portal: aiohttp.ClientSession, bus: ScriptedBus, changes: dict[str, str], expected: tuple[int, str, str]
) -> None:
    async with portal.post(PATH, data=QUESTION, headers={**ASK, **changes}, skip_auto_headers=["Accept"]) as response:
        reply = await reply_of(response)
    assert (response.status, reply["faults"][0]["code"], reply["faults"][0]["path"]) == expected
    assert set(reply["faults"][0]["message"]) == {"az", "en"}
    assert reply["route"] == "person.identity"
    assert not bus.arrivals


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("Basic cG9ydGFsOng=", "caller.unknown"),
        ("Bearerx abc", "caller.unknown"),
        ("Bearer", "caller.token"),
        ("Bearer a b", "caller.token"),
    ],
)
async def test_another_way_to_authorise_is_refused_with_the_right_one(
    portal: aiohttp.ClientSession, bus: ScriptedBus, value: str, code: str
) -> None:
    headers = {**ASK, "Authorization": value}
    for method, path in (("POST", PATH), ("GET", "/v1/routes"), ("GET", "/v1/replies")):
        body = QUESTION if method == "POST" else None
        async with portal.request(method, path, data=body, headers=headers) as response:
            reply = await reply_of(response)
        assert (response.status, reply["faults"][0]["code"]) == (401, code)
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="esb"'
    assert not bus.arrivals


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("Authorization", ("Bearer token-of-portal", "Bearer token-of-eesmn")),
        ("Authorization", ("Bearer token-of-portal", "Bearer token-of-portal")),
        ("Message-Id", (MESSAGE_ID, MESSAGE_ID.replace("0b9f", "0b9e"))),
    ],
)
async def test_a_header_that_says_who_or_which_is_refused_when_it_is_there_twice(
    http_door: RunningDoor, bus: ScriptedBus, name: str, values: tuple[str, ...]
) -> None:
    lines = "".join(f"{name}: {value}\r\n" for value in values)
    request = (
        f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n{lines}\r\n{{}}"
    )
    head, body = await _exchange(http_door, request.encode())
    assert _status(head) == 400
    assert (body["faults"][0]["code"], body["faults"][0]["path"]) == ("request.schema", f"/headers/{name.lower()}")
    assert not bus.arrivals


@pytest.mark.parametrize(
    "changes",
    [
        {"Content-Type": "application/json; charset=utf-8"},
        {"Content-Type": 'Application/JSON; charset="UTF-8"'},
        {"Content-Encoding": "identity"},
        {"Accept": "text/html, application/json;q=0.5"},
        {"Accept": "text/html, */*;q=0.1"},
    ],
)
async def test_other_spellings_of_json_are_taken(portal: aiohttp.ClientSession, changes: dict[str, str]) -> None:
    async with portal.post(PATH, data=QUESTION, headers={**ASK, **changes}) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/", 404, "route.unknown"),
        ("GET", "/v2/routes", 404, "route.unknown"),
        ("POST", "/v1/routes/", 404, "route.unknown"),
        ("POST", "/v1/routes/a/b", 404, "route.unknown"),
        ("POST", "/v1/routes/a%00b", 404, "route.unknown"),
        ("POST", "/v1/routes/a%2Fb", 404, "route.unknown"),
        ("POST", "/v1/routes/%ff", 404, "route.unknown"),
        ("POST", "/v1/routes/" + "a" * 201, 404, "route.unknown"),
        ("GET", "/v1/messages/%00", 404, "route.unknown"),
        ("POST", "/v1/replies//ack", 404, "route.unknown"),
        ("GET", "/docs/../livez", 404, "route.unknown"),
        ("PUT", PATH, 405, "request.method"),
        ("POST", "/livez", 405, "request.method"),
        ("DELETE", f"/v1/messages/{MESSAGE_ID}", 405, "request.method"),
        ("POST", PATH + "?wait=3", 400, "request.schema"),
    ],
)
async def test_a_wrong_address_or_method_is_refused(
    http_door: RunningDoor, method: str, path: str, status: int, code: str
) -> None:
    head, body = await _exchange(
        http_door, f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode()
    )
    assert _status(head) == status
    assert body["faults"][0]["code"] == code
    if status == 405:
        assert b"\r\nAllow: " in head


async def test_a_body_over_the_limit_is_refused_before_it_is_read(bus: ScriptedBus) -> None:
    async with running(bus, max_body_bytes=1000) as door:
        # No byte of the body is ever sent: the declared length is enough.
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1001\r\n\r\n"
        answer, body = await _exchange(door, head.encode())
    assert _status(answer) == 413
    assert body["faults"][0]["code"] == "request.too-large"


async def test_a_body_of_undeclared_length_over_the_limit_is_refused(bus: ScriptedBus) -> None:
    async def endless() -> Any:
        for _ in range(50):
            yield b" " * 100

    async with (
        running(bus, max_body_bytes=1000) as door,
        aiohttp.ClientSession(door.url) as session,
        session.post(PATH, data=endless(), headers=ASK) as response,
    ):
        reply = await reply_of(response)
    assert response.status == 413
    assert reply["faults"][0]["code"] == "request.too-large"


async def test_a_body_of_exactly_the_limit_is_taken(bus: ScriptedBus) -> None:
    async with (
        running(bus, max_body_bytes=len(QUESTION)) as door,
        aiohttp.ClientSession(door.url) as session,
        session.post(PATH, data=QUESTION, headers=ASK) as response,
    ):
        assert response.status == 200


async def test_a_door_that_breaks_down_says_so_without_saying_why(
    portal: aiohttp.ClientSession, bus: ScriptedBus, capfd: pytest.CaptureFixture[str]
) -> None:
    def crash(_: object) -> Any:
        raise KeyError("secret of the machine room")

    bus.script = crash
    async with portal.post(PATH, data=QUESTION, headers=ASK) as response:
        reply = await reply_of(response)
    assert response.status == 500
    assert reply["faults"][0]["code"] == "door.failed"
    assert "secret" not in json.dumps(reply)


async def test_a_bus_without_a_key_still_answers(portal: aiohttp.ClientSession, bus: ScriptedBus) -> None:
    bus.keyless = True
    async with portal.get("/nowhere") as response:
        reply = await response.json()
    assert response.status == 500
    assert reply["faults"][0]["code"] == "door.failed"
    assert "ESB-Signature" not in response.headers


@pytest.mark.parametrize(
    "bytes_sent",
    [
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="tls on the plain port"),
        pytest.param(b"HELO esb\r\n\r\n", id="not http"),
        pytest.param(
            b"POST /v1/routes/a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n{}  ",
            id="two lengths",
        ),
        pytest.param(
            b"POST /v1/routes/a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            id="length and chunks",
        ),
        pytest.param(b"POST /v1/routes/a HTTP/1.1\r\nHost: x\r\nContent-Length: -4\r\n\r\n", id="negative length"),
        pytest.param(b"POST /v1/routes/a HTTP/1.1\r\nHost: x\r\nContent-Length: +4\r\n\r\n{}  ", id="signed length"),
        pytest.param(
            b"POST /v1/routes/a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            id="unknown transfer coding",
        ),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A : 1\r\n\r\n", id="space before the colon"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", id="folded header"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: \x00\r\n\r\n", id="nul in a header"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 20_000 + b"\r\n\r\n", id="huge header"),
        pytest.param(b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", id="huge address"),
        pytest.param(
            b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(500)) + b"\r\n",
            id="very many headers",
        ),
    ],
)
async def test_what_is_not_clean_http_is_refused_and_the_connection_closed(
    http_door: RunningDoor, bus: ScriptedBus, bytes_sent: bytes
) -> None:
    head, body = await _exchange(http_door, bytes_sent)
    assert _status(head) == 400
    assert body["faults"][0]["code"] == "request.malformed"
    assert not bus.arrivals


async def test_a_request_smuggled_behind_a_framing_error_is_never_seen(
    http_door: RunningDoor, bus: ScriptedBus
) -> None:
    inner = (
        b"POST /v1/routes/stolen HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    outer = (
        b"POST /v1/routes/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (len(inner) + 5)
    )
    head, _ = await _exchange(http_door, outer + inner)
    assert _status(head) == 400
    assert [arrival.route for arrival in bus.arrivals] == []


@pytest.mark.parametrize("name", ["Authorization", "ESB-Signature", "Message-Id", "Correlation-Id", "Prefer", "Accept"])
@pytest.mark.parametrize("value", [b"\xff\xfe", b"\xc9\x99", b"\xed\xa0\x80"])
async def test_bytes_that_are_no_text_in_a_header_never_reach_the_bus(
    http_door: RunningDoor, bus: ScriptedBus, name: str, value: bytes
) -> None:
    lines = {"Host": b"x", "Content-Type": b"application/json", "Content-Length": b"2", name: value}
    head = b"".join(b"%s: %s\r\n" % (key.encode(), text) for key, text in lines.items())
    answer, _ = await _exchange(http_door, b"POST /v1/routes/a HTTP/1.1\r\n" + head + b"\r\n{}")
    # An unknown preference is to be ignored; all else is refused.
    assert _status(answer) in {"Prefer": {200}, "Authorization": {401}}.get(name, {400, 406})
    assert len(bus.arrivals) == (name == "Prefer")


async def test_a_broken_chunk_in_a_body_is_refused(http_door: RunningDoor, bus: ScriptedBus) -> None:
    head, body = await _exchange(
        http_door,
        b"POST /v1/routes/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"zz\r\n{}\r\n0\r\n\r\n",
    )
    assert _status(head) == 400
    assert body["faults"][0]["code"] == "request.malformed"
    assert not bus.arrivals


async def test_a_body_that_breaks_off_never_reaches_the_bus(http_door: RunningDoor, bus: ScriptedBus) -> None:
    reader, writer = await _connect(http_door)
    writer.write(
        b"POST /v1/routes/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    )
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert await reader.read() == b""
    async with aiohttp.ClientSession(http_door.url) as session, session.get("/livez") as response:
        assert response.status == 200
    assert not bus.arrivals


async def test_a_sender_that_never_finishes_its_head_is_cut_off(
    bus: ScriptedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "HEADER_TIMEOUT_S", 0.1)
    async with running(bus) as door:
        reader, writer = await _connect(door)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: ")
        await writer.drain()
        assert await reader.read() == b""
        writer.close()


async def test_a_sender_that_trickles_a_later_head_is_cut_off(
    bus: ScriptedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "HEADER_TIMEOUT_S", 0.2)
    async with running(bus) as door:
        reader, writer = await _connect(door)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(_header(answer, "Content-Length")))
        # Idle for longer than a head may take: that is allowed.
        await asyncio.sleep(0.4)
        ended = asyncio.create_task(reader.read())
        writer.write(b"GET /livez HTTP/1.1\r\nX-A: ")
        while not ended.done():
            writer.write(b"a")
            await asyncio.sleep(0.02)
        assert await ended == b""
        writer.close()


async def test_an_answer_that_takes_longer_than_a_head_may_is_given(
    bus: ScriptedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "HEADER_TIMEOUT_S", 0.1)
    bus.gate = asyncio.Event()
    async with running(bus) as door, aiohttp.ClientSession(door.url) as session:
        for _ in range(2):
            bus.gate.clear()
            asked = asyncio.create_task(session.post(PATH, data=QUESTION, headers=ASK))
            await asyncio.sleep(0.3)
            bus.gate.set()
            async with await asked as response:
                assert response.status == 200


async def test_a_sender_that_trickles_its_body_is_told_and_cut_off(
    bus: ScriptedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "BODY_TIMEOUT_S", 0.2)
    monkeypatch.setattr(http_connection, "LINGERING_S", 0.1)
    async with running(bus) as door:
        reader, writer = await _connect(door)
        writer.write(
            b"POST /v1/routes/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
        )
        ended = asyncio.create_task(reader.read())
        while not ended.done():
            writer.write(b" ")
            await asyncio.sleep(0.02)
        answer = await ended
        writer.close()
    assert _status(answer) == 400
    assert b'"request.malformed"' in answer
    assert not bus.arrivals


async def test_a_sender_that_never_finishes_its_body_is_told_and_cut_off(
    bus: ScriptedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "BODY_TIMEOUT_S", 0.1)
    monkeypatch.setattr(http_connection, "LINGERING_S", 0.1)
    async with running(bus) as door:
        head, body = await _exchange(
            door,
            b"POST /v1/routes/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
        )
    assert _status(head) == 400
    assert body["faults"][0]["code"] == "request.malformed"


async def test_more_connections_than_allowed_are_not_served(bus: ScriptedBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connection, "MAX_CONNECTIONS", 2)
    async with running(bus) as door:
        kept = [await _connect(door) for _ in range(2)]
        for reader, writer in kept:
            writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        reader, writer = await _connect(door)
        assert await reader.read() == b""
        for _, one in [*kept, (reader, writer)]:
            one.close()


async def test_pipelined_requests_are_answered_in_order(http_door: RunningDoor) -> None:
    reader, writer = await _connect(http_door)
    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answers = await reader.read()
    writer.close()
    assert [int(part[9:12]) for part in answers.split(b"HTTP/1.1 ")[1:] for part in [b"HTTP/1.1 " + part]] == [200, 404]


async def _connect(door: RunningDoor) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = door.url.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


async def _exchange(door: RunningDoor, data: bytes) -> tuple[bytes, dict[str, Any]]:
    """Send bytes; the head and the verified reply of what comes back."""
    reader, writer = await _connect(door)
    writer.write(data)
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(_header(head, "Content-Length"))
    body = verified(await reader.readexactly(length), _header(head, "ESB-Signature"))
    writer.close()
    reply: dict[str, Any] = json.loads(body)
    return head, reply


def _status(head: bytes) -> int:
    return int(head.split(b" ")[1])


def _header(head: bytes, name: str) -> str:
    lines = [line.partition(b": ") for line in head.split(b"\r\n")]
    return next(value.decode() for key, _, value in lines if key.lower() == name.lower().encode())
