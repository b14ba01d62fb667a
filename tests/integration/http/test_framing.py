"""Where one request ends and the next begins, byte for byte: what the door reads, and what it never takes for one."""

from __future__ import annotations

import asyncio
import itertools
import json

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from esb.inbound import http_connection
from tests.support.http_door import QUESTION, RunningDoor, ScriptedBus, running

HEAD = b"POST /v1/routes/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
ALIVE = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAA\r\n"


async def told(door: RunningDoor, *parts: bytes) -> list[tuple[int, dict[str, str], bytes]]:
    """Every answer on one connection until the door ends it, to these bytes."""
    host, _, port = door.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for part in parts:
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0)
    data = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return list(_answers(data))


def _answers(data: bytes, *, bodies: bool = True) -> list[tuple[int, dict[str, str], bytes]]:
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        length = int(headers.get("content-length", 0)) if bodies else 0
        found.append((int(first.split()[1]), headers, data[:length]))
        data = data[length:]
    return found


def statuses(answers: list[tuple[int, dict[str, str], bytes]]) -> list[int]:
    return [status for status, _, _ in answers]


@pytest.mark.parametrize(
    "framed",
    [
        b"Content-Length: %d\r\n\r\n%b" % (len(QUESTION), QUESTION),
        b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(QUESTION), QUESTION),
        b"Transfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%b\r\n0\r\nX-Trailer: y\r\n\r\n" % (len(QUESTION), QUESTION),
    ],
    ids=["length", "chunks", "chunks with extension and trailer"],
)
@pytest.mark.parametrize("upgrade", [b"", H2C], ids=["plain", "offering h2c"])
@pytest.mark.parametrize("pieces", [1, 7, 1000], ids=["at once", "in pieces", "byte by byte"])
async def test_body_is_the_body_however_it_is_framed_and_arrives(
    http_door: RunningDoor, bus: ScriptedBus, framed: bytes, upgrade: bytes, pieces: int
) -> None:
    request = HEAD + upgrade + framed + LAST
    size = -(-len(request) // pieces)
    answers = await told(http_door, *(request[at : at + size] for at in range(0, len(request), size)))
    assert statuses(answers) == [200, 200]
    assert [arrival.body for arrival in bus.arrivals] == [QUESTION]


@pytest.mark.parametrize(
    "request_head", [b"GET /livez HTTP/1.1\r\nHost: x\r\n", b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n"]
)
async def test_offer_of_another_protocol_is_declined_without_a_body_too(
    http_door: RunningDoor, request_head: bytes
) -> None:
    answers = await told(http_door, request_head + H2C + b"\r\n" + LAST)
    assert statuses(answers) == [200 if request_head.startswith(b"GET") else 404, 200]


UNCLEAR = {
    "another coding": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks in 1.0": HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two hosts": b"GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
    "two content types": HEAD + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
    "a version to come": b"GET /livez HTTP/2.0\r\nHost: x\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"GET /livez\r\n\r\n",
    "a bare line feed": b"GET /livez HTTP/1.1\nHost: x\n\n",
    "an unknown method": b"BREW /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    "bytes in the target": b"GET /\xc9\x99 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a head of many small fields": b"GET /livez HTTP/1.1\r\n"
    + b"".join(b"X-%d: 1\r\n" % n for n in range(65))
    + b"\r\n",
}


@pytest.mark.parametrize("name", UNCLEAR)
async def test_what_two_readers_could_read_differently_is_no_request(
    http_door: RunningDoor, bus: ScriptedBus, name: str
) -> None:
    ((status, headers, body),) = await told(http_door, UNCLEAR[name] + LAST)
    assert status == 400
    assert headers["connection"] == "close"
    assert json.loads(body)["faults"][0]["code"] == "request.malformed"
    assert not bus.arrivals


async def test_what_is_no_request_is_answered_in_its_turn(http_door: RunningDoor, bus: ScriptedBus) -> None:
    answers = await told(http_door, ALIVE + ALIVE + b"\x00\x00" + ALIVE)
    assert statuses(answers) == [200, 200, 400]
    assert not bus.arrivals


async def test_head_that_never_ends_is_refused_while_it_arrives(
    http_door: RunningDoor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "MAX_HEAD_BYTES", 4096)
    ((status, _, _),) = await told(http_door, b"GET /livez HTTP/1.1\r\nX: ", b"y" * 3000, b"y" * 3000)
    assert status == 400


@pytest.mark.parametrize("endless", [b"X: " + b"y" * 5000, b"X: y\r\n" * 1000, b"1;a=" + b"b" * 5000])
async def test_framing_that_never_ends_is_refused_while_it_arrives(
    http_door: RunningDoor, bus: ScriptedBus, monkeypatch: pytest.MonkeyPatch, endless: bytes
) -> None:
    monkeypatch.setattr(http_connection, "FRAMING_BYTES", 4096)
    start = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"" if endless.startswith(b"1") else b"1\r\nx\r\n0\r\n")
    ((status, _, _),) = await told(http_door, start, endless)
    assert status == 400
    assert not bus.arrivals


async def test_very_many_pipelined_requests_are_answered_in_order(http_door: RunningDoor) -> None:
    lines = [b"GET /livez?%d HTTP/1.1\r\nHost: x\r\n\r\n" % n if n % 2 else b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n
             for n in range(1000)]  # fmt: skip
    answers = await told(http_door, b"".join(lines) + LAST)
    assert statuses(answers) == [200 if n % 2 else 404 for n in range(1000)] + [200]


async def test_pipelined_body_that_arrives_late_is_waited_for(http_door: RunningDoor, bus: ScriptedBus) -> None:
    framed = HEAD + b"Content-Length: %d\r\n\r\n" % len(QUESTION)
    answers = await told(http_door, ALIVE * 20 + framed + QUESTION[:5], QUESTION[5:] + LAST)
    assert statuses(answers) == [200] * 22
    assert [arrival.body for arrival in bus.arrivals] == [QUESTION]


async def test_what_comes_behind_the_last_request_is_nobodys(http_door: RunningDoor, bus: ScriptedBus) -> None:
    framed = HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(QUESTION), QUESTION)
    assert statuses(await told(http_door, LAST + framed)) == [200]
    assert not bus.arrivals


@pytest.mark.parametrize(("connection", "count"), [(b"", 1), (b"Connection: keep-alive\r\n", 2)])
async def test_old_version_is_kept_open_only_when_asked(http_door: RunningDoor, connection: bytes, count: int) -> None:
    old = b"GET /livez HTTP/1.0\r\n" + connection + b"\r\n"
    answers = await told(http_door, old + LAST)
    assert statuses(answers) == [200] * count
    assert answers[0][1]["connection"] == ("keep-alive" if connection else "close")


async def test_answer_to_head_has_the_length_and_not_the_body(http_door: RunningDoor) -> None:
    host, _, port = http_door.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(LAST.replace(b"GET", b"HEAD"))
    ((status, headers, _),) = _answers(await reader.read(), bodies=False)
    writer.close()
    assert status == 200
    assert int(headers["content-length"]) > 0
    assert headers["date"].endswith("GMT")


async def test_sender_that_waits_to_be_invited_is(http_door: RunningDoor, bus: ScriptedBus) -> None:
    host, _, port = http_door.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(QUESTION))
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(QUESTION)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    assert bus.arrivals[0].body == QUESTION


async def test_sender_that_is_too_long_for_an_invitation_is_told_at_once(bus: ScriptedBus) -> None:
    async with running(bus, max_body_bytes=10) as door:
        host, _, port = door.url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(HEAD + b"Expect: 100-continue\r\nContent-Length: 11\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")
        writer.close()


async def test_body_that_nobody_reads_is_thrown_away_and_the_answer_arrives(bus: ScriptedBus) -> None:
    async with running(bus, max_body_bytes=1000) as door:
        body = b"x" * 3_000_000
        ((status, headers, _),) = await told(door, HEAD + b"Content-Length: %d\r\n\r\n" % len(body), body)
    assert status == 413
    assert headers["connection"] == "close"


async def test_question_of_a_sender_that_hangs_up_is_finished_and_its_answer_goes_nowhere(
    http_door: RunningDoor, bus: ScriptedBus
) -> None:
    bus.gate = asyncio.Event()
    host, _, port = http_door.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(QUESTION), QUESTION))
    await bus.entered.wait()
    writer.transport.abort()
    await asyncio.sleep(0.05)
    bus.gate.set()
    assert statuses(await told(http_door, LAST)) == [200]


async def test_idle_connection_is_ended_and_a_served_one_is_not(
    bus: ScriptedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_connection, "KEEP_ALIVE_S", 0.1)
    monkeypatch.setattr(http_connection, "SWEEP_S", 0.05)
    bus.gate = asyncio.Event()
    async with running(bus) as door:
        host, _, port = door.url.removeprefix("http://").partition(":")
        served, writer = await asyncio.open_connection(host, int(port))
        writer.write(HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(QUESTION), QUESTION))
        assert statuses(await told(door, ALIVE)) == [200]
        bus.gate.set()
        assert (await served.readline()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_closing_door_ends_idle_connections_at_once_and_answers_the_others(bus: ScriptedBus) -> None:
    bus.gate = asyncio.Event()
    async with running(bus) as door:
        host, _, port = door.url.removeprefix("http://").partition(":")
        idle, quiet = await asyncio.open_connection(host, int(port))
        asked, writer = await asyncio.open_connection(host, int(port))
        writer.write(HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(QUESTION), QUESTION))
        await bus.entered.wait()
        closing = asyncio.create_task(door.door.close(grace_s=10))
        await asyncio.sleep(0.05)
        bus.gate.set()
        ((status, headers, _),) = _answers(await asked.read())
        assert (status, headers["connection"]) == (200, "close")
        assert await idle.read() == b""
        await closing
        quiet.close()
        writer.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    bodies=st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=4),
    chunk_bytes=st.lists(st.integers(0, 50), min_size=4, max_size=4),
    cuts=st.lists(st.integers(0, 1500), max_size=8),
)
def test_honest_requests_are_read_however_they_arrive(
    bodies: list[bytes], chunk_bytes: list[int], cuts: list[int]
) -> None:
    data = b"".join(_framed(body, size) for body, size in zip(bodies, chunk_bytes, strict=False)) + LAST
    places = sorted({0, *(cut for cut in cuts if cut < len(data)), len(data)})
    bus = ScriptedBus()

    async def check() -> None:
        async with running(bus) as door:
            answers = await told(door, *(data[start:end] for start, end in itertools.pairwise(places)))
        assert statuses(answers) == [200] * (len(bodies) + 1)

    uvloop.run(check())
    assert [arrival.body for arrival in bus.arrivals] == bodies


def _framed(body: bytes, chunk_bytes: int) -> bytes:
    if not chunk_bytes:
        return HEAD + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    chunks = (body[at : at + chunk_bytes] for at in range(0, len(body), chunk_bytes))
    framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + framed + b"0\r\n\r\n"
