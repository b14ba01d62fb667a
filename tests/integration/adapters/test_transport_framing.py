"""Answers whose end could be read in two ways, that never end, or that bring more than was asked for.

aiohttp is the oracle: whatever the transport takes for an answer, aiohttp reads the same.
"""

from __future__ import annotations

import asyncio
import itertools
import ssl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.transport import Destination, Transport
from adapters.transport_connection import MAX_HEAD_BYTES
from esb.errors import AgencyTimeout, AgencyUnreachable, ReplyInvalid
from esb.ports import OutgoingCall, RawAnswer
from tests.integration.adapters.test_transport import OK, Conversation, agency, answering, call, hang, read_request
from tests.support.aiohttp_client import read_by_aiohttp

DESTINATION = Destination(agency="din-reg", operation="GetPersonByPin", max_reply_bytes=10_000)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def ask(url: str, *, method: str = "POST", timeout_s: float = 2.0) -> RawAnswer:
    async with Transport() as transport:
        return await transport.send(call(url, method=method), DESTINATION, timeout_s=timeout_s)


AMBIGUOUS = {
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "the same length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    "a list of lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\nx",
    "a signed length": b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx",
    "a length beyond any number": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nx",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nx",
    "a folded header": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 1\r\n\r\nx",
    "a bare line feed": b"HTTP/1.1 200 OK\nContent-Length: 1\n\nx",
    "a zero byte in a header": b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 1\r\n\r\nx",
    "a header without a name": b"HTTP/1.1 200 OK\r\n: v\r\nContent-Length: 1\r\n\r\nx",
    "another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
    "two codings": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked within another coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "a length among the trailers": CHUNKED + b"1\r\nx\r\n0\r\nContent-Length: 5\r\n\r\n",
    "a space in a chunk size": CHUNKED + b"1 \r\nx\r\n0\r\n\r\n",
    "a signed chunk size": CHUNKED + b"+1\r\nx\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"1\r\nxy\r\n0\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx",
    "another version": b"HTTP/2.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
    "no status": b"HTTP/1.1 OK\r\nContent-Length: 1\r\n\r\nx",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_answer_that_could_be_read_in_two_ways_is_none(name: str) -> None:
    async with agency(answering(AMBIGUOUS[name], then=hang)) as there:
        with pytest.raises(AgencyTimeout, match="answer is not HTTP"):
            await ask(there.url)


@pytest.mark.parametrize(
    "behind", [OK, b"x", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["an answer", "a byte", "an interim answer"]
)
async def test_bytes_behind_the_answer_make_it_none(behind: bytes) -> None:
    async with agency(answering(OK + behind, then=hang)) as there:
        with pytest.raises(AgencyTimeout, match="answer is not HTTP"):
            await ask(there.url)


async def test_bytes_that_follow_an_answer_later_end_its_connection_and_are_not_the_next_answer() -> None:
    connections = 0
    dropped = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(OK)
        if connections > 1:
            await hang(reader, writer)
        await asyncio.sleep(0.05)
        writer.write(OK.replace(b"<ok/>", b"<no/>"))
        assert await reader.read() == b""
        dropped.set()

    async with agency(converse) as there, Transport() as transport:
        await transport.send(call(there.url), DESTINATION, timeout_s=5)
        await asyncio.wait_for(dropped.wait(), 10)
        assert (await transport.send(call(there.url), DESTINATION, timeout_s=5)).body == b"<ok/>"
    assert connections == 2


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_answer_without_a_body_ends_with_its_head(status: bytes) -> None:
    answer = b"HTTP/1.1 " + status + b"\r\nContent-Length: 500\r\n\r\n"
    async with agency(answering(answer, then=hang)) as there:
        if status.startswith(b"204"):
            assert (await ask(there.url)).body == b""
        else:
            with pytest.raises(ReplyInvalid, match="redirect"):
                await ask(there.url)


async def test_answer_to_a_head_request_ends_with_its_head() -> None:
    connections = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        assert (await read_request(reader)).startswith(b"HEAD ")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n")
        await hang(reader, writer)

    async with agency(converse) as there, Transport() as transport:
        for _ in range(2):
            answer = await transport.send(call(there.url, method="HEAD", body=b""), DESTINATION, timeout_s=5)
            assert (answer.http_status, answer.body) == (200, b"")
    assert connections == 2


async def test_interim_answers_are_passed_over() -> None:
    interim = b"HTTP/1.1 100 Continue\r\nContent-Length: 3\r\nX: no\r\n\r\n" + b"HTTP/1.1 103 Early Hints\r\n\r\n"
    async with agency(answering(interim, OK, then=hang)) as there:
        answer = await ask(there.url)
    assert (answer.http_status, answer.body) == (200, b"<ok/>")
    assert "x" not in answer.headers


async def test_interim_answers_without_end_are_none() -> None:
    async with agency(answering(b"HTTP/1.1 102 Processing\r\n\r\n" * MAX_HEAD_BYTES, then=hang)) as there:
        with pytest.raises(AgencyTimeout, match="answer is not HTTP"):
            await ask(there.url)


async def test_one_header_without_end_is_no_answer() -> None:
    async with agency(answering(b"HTTP/1.1 200 OK\r\nX: " + b"y" * (2 * MAX_HEAD_BYTES), then=hang)) as there:
        with pytest.raises(AgencyTimeout, match="answer is not HTTP"):
            await ask(there.url)


@pytest.mark.parametrize("endless", ["chunk extension", "trailers"])
async def test_framing_without_end_is_refused_as_too_large(endless: str) -> None:
    async def stream(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"x" * 0x10000 if endless == "chunk extension" else b"X: y\r\n" * 10_000)
            await writer.drain()

    start = CHUNKED + (b"1;a=" if endless == "chunk extension" else b"1\r\nx\r\n0\r\n")
    async with agency(answering(start, then=stream)) as there:
        with pytest.raises((ReplyInvalid, AgencyTimeout), match=r"over 10000 bytes|not HTTP"):
            await ask(there.url)


async def test_answer_without_a_length_ends_with_its_connection() -> None:
    async with agency(answering(b"HTTP/1.0 200 OK\r\n\r\n", b"<ok", b"/>")) as there:
        assert (await ask(there.url)).body == b"<ok/>"


async def test_answer_without_a_length_is_bounded_too() -> None:
    async with agency(answering(b"HTTP/1.0 200 OK\r\n\r\n", b"x" * 10_001, then=hang)) as there:
        with pytest.raises(ReplyInvalid, match="over 10000 bytes"):
            await ask(there.url)


async def test_answer_that_does_not_wait_for_its_request_is_taken_and_ends_the_connection() -> None:
    connections = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read(1)
        writer.write(OK.replace(b"200 OK", b"413 Content Too Large"))
        await hang(reader, writer)

    async with agency(converse) as there, Transport() as transport:
        big = OutgoingCall(method="POST", url=there.url, headers={}, body=b"x" * 20_000_000)
        for _ in range(2):
            assert (await transport.send(big, DESTINATION, timeout_s=5)).http_status == 413
    assert connections == 2


async def test_answer_that_ends_the_connection_is_followed_by_a_new_one() -> None:
    connections = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        await hang(reader, writer)

    async with agency(converse) as there, Transport() as transport:
        for _ in range(2):
            await transport.send(call(there.url), DESTINATION, timeout_s=5)
    assert connections == 2


async def test_a_header_that_is_repeated_keeps_its_first_value() -> None:
    answer = OK.replace(b"\r\n\r\n", b"\r\nSignature: one\r\nsignature: two\r\n\r\n")
    async with agency(answering(answer)) as there:
        assert (await ask(there.url)).headers["signature"] == "one"


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rb", "a\0b"])
async def test_header_that_would_break_out_of_its_line_is_never_sent(value: str) -> None:
    async with agency(answering(OK)) as there, Transport() as transport:
        broken = OutgoingCall(method="POST", url=there.url, headers={"X": value}, body=b"")
        with pytest.raises(AgencyUnreachable, match="endpoint cannot be used"):
            await transport.send(broken, DESTINATION, timeout_s=1)


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Host", "Connection"])
async def test_framing_is_never_left_to_a_call(name: str) -> None:
    async with agency(answering(OK)) as there, Transport() as transport:
        request = OutgoingCall(method="POST", url=there.url, headers={name: "1"}, body=b"")
        with pytest.raises(AgencyUnreachable, match="endpoint cannot be used"):
            await transport.send(request, DESTINATION, timeout_s=1)


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/a b",
        "http://127.0.0.1:{port}/\r\nX: y",
        "http://127.0.0.1:{port}/#part",
        "http://user:secret@127.0.0.1:{port}/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        "http://[::1/",
        "http://a..b/",
    ],
)
async def test_endpoint_that_cannot_stand_in_a_request_is_never_called(url: str) -> None:
    async with agency(answering(OK)) as there:
        with pytest.raises(AgencyUnreachable) as caught:
            await ask(url.format(port=there.port))
    assert "secret" not in str(caught.value)


async def test_name_that_nobody_knows_means_nothing_was_sent() -> None:
    with pytest.raises(AgencyUnreachable, match=r"nowhere\.invalid: no connection"):
        await ask("http://nowhere.invalid/")


async def test_no_more_connections_are_opened_to_one_host_than_allowed() -> None:
    open_now = most = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now, most
        open_now += 1
        most = max(most, open_now)
        try:
            while True:
                await read_request(reader)
                await asyncio.sleep(0.005)
                writer.write(OK)
        finally:
            open_now -= 1

    async with agency(converse) as there, Transport(max_connections_per_host=3) as transport:
        answers = await asyncio.gather(*(transport.send(call(there.url), DESTINATION, timeout_s=10) for _ in range(40)))
    assert {answer.body for answer in answers} == {b"<ok/>"}
    assert most == 3


async def test_call_that_finds_no_connection_free_in_time_sends_nothing() -> None:
    asked: list[bytes] = []
    was_asked = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await read_request(reader))
        was_asked.set()
        await hang(reader, writer)

    async with agency(converse) as there, Transport(max_connections_per_host=1) as transport:
        first = asyncio.create_task(transport.send(call(there.url), DESTINATION, timeout_s=30))
        await was_asked.wait()
        with pytest.raises(AgencyUnreachable, match="no connection in time"):
            await transport.send(call(there.url), DESTINATION, timeout_s=0.2)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        # The place of a call that was cancelled is free again.
        with pytest.raises(AgencyTimeout):
            await transport.send(call(there.url), DESTINATION, timeout_s=0.2)
    assert len(asked) == 2


async def test_two_identities_never_share_a_connection() -> None:
    connections = 0

    async def converse(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await reader.read()

    one, other = (Destination(agency="a", operation="b", ssl=ssl.create_default_context()) for _ in range(2))
    async with agency(converse) as there, Transport() as transport:
        url = there.url.replace("http:", "https:")
        await asyncio.gather(
            *(transport.send(call(url), identity, timeout_s=0.3) for identity in (one, other)), return_exceptions=True
        )
    assert connections == 2


PIECES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 204 No Content\r\n", b"HTTP/1.1 100 Continue\r\n",
        b"HTTP/1.1 500 Oh\r\n", b"Content-Length: 3\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n", b"Connection: keep-alive\r\n", b"X: y\r\n", b" folded\r\n", b"\r\n", b"abc",
        b"3\r\nabc\r\n", b"0\r\n\r\n", b"0\r\n", b"\n", b"\0", b"\xff", b"3;a=b\r\nabc\r\n", b"Keep-Alive: 5\r\n",
    ]
)  # fmt: skip


def piecemeal(parts: list[bytes]) -> Conversation:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)

    return converse


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(parts=st.lists(PIECES, min_size=1, max_size=9))
def test_whatever_is_taken_for_an_answer_aiohttp_reads_the_same(parts: list[bytes]) -> None:
    asyncio.run(_compare(parts))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    body=st.binary(max_size=300),
    cuts=st.lists(st.integers(0, 400), max_size=6),
    chunk_bytes=st.integers(0, 40),
    closes=st.booleans(),
)
def test_an_honest_answer_is_read_however_it_arrives(
    *, body: bytes, cuts: list[int], chunk_bytes: int, closes: bool
) -> None:
    head = b"HTTP/1.1 200 OK\r\n" + (b"Connection: close\r\n" if closes else b"")
    if chunk_bytes:
        chunks = [body[at : at + chunk_bytes] for at in range(0, len(body), chunk_bytes)]
        framed = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
        answer = head + b"Transfer-Encoding: chunked\r\n\r\n" + framed
    else:
        answer = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    places = sorted({0, *(cut for cut in cuts if cut < len(answer)), len(answer)})
    parts = [answer[start:end] for start, end in itertools.pairwise(places)]

    async def check() -> None:
        async with agency(piecemeal(parts)) as there:
            assert (await ask(there.url, timeout_s=10)).body == body

    asyncio.run(check())


async def _compare(parts: list[bytes]) -> None:
    async with agency(piecemeal(parts)) as there:
        try:
            ours = await ask(there.url, timeout_s=5)
        except (AgencyTimeout, ReplyInvalid):
            return
        theirs = await read_by_aiohttp(call(there.url), timeout_s=5)
    assert theirs is not None
    assert (ours.http_status, ours.body) == (theirs.http_status, theirs.body)
