"""What every way of answering badly becomes, against real sockets on loopback."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from adapters.transport import Destination, Transport
from esb.errors import AgencyTimeout, AgencyUnreachable, ReplyInvalid
from esb.ports import OutgoingCall, RawAnswer

Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 5\r\n\r\n<ok/>"
PIN = "7TESTX1"
DESTINATION = Destination(agency="din-reg", operation="GetPersonByPin", max_reply_bytes=1_000_000)


class Agency:
    """A listening socket that answers each connection by a script and remembers what it was sent."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests: list[bytes] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/students/{PIN}?pin={PIN}"


@asynccontextmanager
async def agency(converse: Conversation) -> AsyncIterator[Agency]:
    running: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await converse(reader, writer)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            running.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    there = Agency(server.sockets[0].getsockname()[1])
    try:
        yield there
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.splitlines() if line.lower().startswith(b"content-length:")), 0)
    return head + await reader.readexactly(length)


def answering(*parts: bytes, then: Conversation | None = None) -> Conversation:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for part in parts:
            writer.write(part)
            await writer.drain()
        if then is not None:
            await then(reader, writer)

    return converse


async def hang(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


def call(url: str, *, method: str = "POST", body: bytes = b"<q/>") -> OutgoingCall:
    return OutgoingCall(method=method, url=url, headers={"content-type": "text/xml"}, body=body)


async def ask(url: str, *, timeout_s: float = 5.0, destination: Destination = DESTINATION, **parts: str) -> RawAnswer:
    async with Transport() as transport:
        return await transport.send(call(url, **parts), destination, timeout_s=timeout_s)  # type: ignore[arg-type]


async def test_an_answer_comes_back_with_status_body_and_lower_case_headers() -> None:
    async with agency(answering(OK)) as there:
        answer = await ask(there.url)
    assert answer == RawAnswer(
        http_status=200, headers={"content-type": "text/xml", "content-length": "5"}, body=b"<ok/>"
    )


async def test_an_error_status_is_an_answer_for_the_operation_to_read() -> None:
    async with agency(answering(OK.replace(b"200 OK", b"500 Internal Server Error"))) as there:
        assert (await ask(there.url)).http_status == 500


async def test_html_with_status_200_is_an_answer_for_the_operation_to_refuse() -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
    async with agency(answering(page)) as there:
        assert (await ask(there.url)).body == b"<html>"


async def test_only_the_headers_of_the_call_leave_and_the_url_leaves_as_it_was_signed() -> None:
    received: list[bytes] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(await read_request(reader))
        writer.write(OK)

    async with agency(converse) as there:
        await ask(f"http://127.0.0.1:{there.port}/a%2Fb%20c?x=%C9%99")
    lines = received[0].decode().split("\r\n")
    assert lines[0] == "POST /a%2Fb%20c?x=%C9%99 HTTP/1.1"
    names = {line.partition(":")[0].lower() for line in lines[1:] if ":" in line}
    assert names == {"host", "content-type", "content-length", "accept-encoding"}


async def test_chunked_answer_is_put_together() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n<ok\r\n2\r\n/>\r\n0\r\n\r\n"
    async with agency(answering(chunked)) as there:
        assert (await ask(there.url)).body == b"<ok/>"


async def test_cookies_are_not_sent_back() -> None:
    received: list[bytes] = []

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            received.append(await read_request(reader))
            writer.write(OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\n\r\n"))

    async with agency(converse) as there, Transport() as transport:
        for _ in range(2):
            await transport.send(call(there.url), DESTINATION, timeout_s=5)
    assert b"cookie" not in received[1].lower()


async def test_a_connection_is_used_again() -> None:
    connections = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        for _ in range(3):
            await read_request(reader)
            writer.write(OK)

    async with agency(converse) as there, Transport() as transport:
        for _ in range(3):
            await transport.send(call(there.url), DESTINATION, timeout_s=5)
    assert connections == 1


async def test_refused_connection_means_nothing_was_sent() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(AgencyUnreachable, match=f"127.0.0.1:{port}: no connection"):
            await ask(f"http://127.0.0.1:{port}/")


async def test_connection_that_is_never_accepted_means_nothing_was_sent() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:  # the kernel answers no SYN once the backlog is full
                filler.setblocking(False)
                filler.connect_ex(address)
            with pytest.raises(AgencyUnreachable, match="no connection in time"):
                await ask(f"http://127.0.0.1:{address[1]}/", timeout_s=0.5)
        finally:
            for filler in fillers:
                filler.close()


async def test_endpoint_that_speaks_no_tls_means_nothing_was_sent() -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with agency(converse) as there:
        with pytest.raises(AgencyUnreachable, match=r"TLS handshake refused|no connection"):
            await ask(there.url.replace("http:", "https:"))


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "http:///nowhere", "not a url"])
async def test_endpoint_that_is_no_http_url_means_nothing_was_sent(url: str) -> None:
    with pytest.raises(AgencyUnreachable):
        await ask(url)


def reset(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Awaitable[None]:
    linger = struct.pack("ii", 1, 0)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.transport.abort()
    return asyncio.sleep(0)


async def drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def stream_for_ever(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        await writer.drain()


HEAD_OF_1000 = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"

EFFECT_UNKNOWN: dict[str, Conversation] = {
    "hangs before headers": answering(then=hang),
    "hangs within headers": answering(b"HTTP/1.1 200 OK\r\nContent-", then=hang),
    "hangs within body": answering(HEAD_OF_1000, b"<half>", then=hang),
    "drips": answering(HEAD_OF_1000, then=drip),
    "drips in chunks": answering(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", b"1\r\n", then=hang
    ),
    "closes without a word": answering(),
    "resets": answering(then=reset),
    "cuts the headers": answering(b"HTTP/1.1 200 OK\r\nContent-"),
    "cuts the body": answering(HEAD_OF_1000, b"<half>"),
    "resets within body": answering(HEAD_OF_1000, b"<half>", then=reset),
    "cuts the chunks": answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n<ok"),
    "garbage status line": answering(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", then=hang),
    "garbage length": answering(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", then=hang),
    "two lengths": answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx", then=hang),
    "endless headers": answering(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, then=hang),
}


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("name", EFFECT_UNKNOWN)
async def test_no_whole_answer_after_bytes_were_sent_leaves_the_effect_unknown(name: str, method: str) -> None:
    asked = 0

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        await EFFECT_UNKNOWN[name](reader, writer)

    async with agency(counted) as there:
        with pytest.raises(AgencyTimeout) as caught:
            await ask(there.url, method=method, timeout_s=0.5)
    assert asked == 1, "one attempt, never repeated by the HTTP library"
    assert PIN not in str(caught.value), "the URL holds an identifier"
    assert (caught.value.agency, caught.value.operation) == ("din-reg", "GetPersonByPin")


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_kept_alive_connection_that_dies_under_a_request_leaves_the_effect_unknown(method: str) -> None:
    asked = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        for answer in (OK, b""):
            await read_request(reader)
            asked += 1
            writer.write(answer)

    async with agency(converse) as there, Transport() as transport:
        await transport.send(call(there.url), DESTINATION, timeout_s=5)
        with pytest.raises(AgencyTimeout, match="connection lost"):
            await transport.send(call(there.url, method=method, body=b""), DESTINATION, timeout_s=5)
    assert asked == 2


async def test_kept_alive_connection_that_was_closed_while_idle_is_not_used_again() -> None:
    closed = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(OK)
        await writer.drain()
        writer.close()
        closed.set()

    async with agency(converse) as there, Transport() as transport:
        for _ in range(2):
            closed.clear()
            assert (await transport.send(call(there.url), DESTINATION, timeout_s=5)).body == b"<ok/>"
            await closed.wait()
            await asyncio.sleep(0.05)


async def test_answer_announced_over_the_limit_is_refused_without_reading_it() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 6291456\r\n\r\n"
    async with agency(answering(head, then=hang)) as there:
        with pytest.raises(ReplyInvalid, match="over 5242880 bytes"):
            await ask(there.url, destination=Destination(agency="din-reg", operation="GetPersonByPin"))


async def test_endless_chunked_answer_is_refused_at_the_limit() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with agency(answering(head, then=stream_for_ever)) as there:
        with pytest.raises(ReplyInvalid, match="over 1000000 bytes"):
            await ask(there.url)


async def test_answer_of_exactly_the_limit_is_read() -> None:
    body = b"x" * 1_000_000
    async with agency(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", body)) as there:
        assert (await ask(there.url)).body == body


async def test_redirect_is_refused_and_never_followed() -> None:
    asked: list[bytes] = []

    async def elsewhere(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await read_request(reader))
        writer.write(OK)

    async with agency(elsewhere) as other:
        moved = f"HTTP/1.1 307 Moved\r\nLocation: http://127.0.0.1:{other.port}/\r\nContent-Length: 0\r\n\r\n"
        async with agency(answering(moved.encode())) as there:
            with pytest.raises(ReplyInvalid, match="redirect"):
                await ask(there.url)
    assert asked == []


async def test_compressed_answer_is_refused_unopened() -> None:
    body = gzip.compress(b"x" * 10_000_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with agency(answering(head, body)) as there:
        with pytest.raises(ReplyInvalid, match="compressed"):
            await ask(there.url)


async def test_what_was_refused_does_not_come_out_as_the_next_answer() -> None:
    served = 0

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        served += 1
        await read_request(reader)
        writer.write(OK if served > 1 else b"HTTP/1.1 302 Moved\r\nContent-Length: 500\r\n\r\n<bad>")
        await hang(reader, writer)

    async with agency(converse) as there, Transport() as transport:
        with pytest.raises(ReplyInvalid):
            await transport.send(call(there.url), DESTINATION, timeout_s=5)
        assert (await transport.send(call(there.url), DESTINATION, timeout_s=5)).body == b"<ok/>"


async def test_cancelled_call_gives_its_connection_up() -> None:
    begun = asyncio.Event()
    ended = asyncio.Event()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        begun.set()
        assert await reader.read() == b""
        ended.set()

    async with agency(converse) as there, Transport() as transport:
        task = asyncio.create_task(transport.send(call(there.url), DESTINATION, timeout_s=30))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(ended.wait(), 10)


async def test_transport_opens_again_after_it_was_closed() -> None:
    async with agency(answering(OK)) as there, Transport() as transport:
        await transport.close()
        await transport.close()
        assert (await transport.send(call(there.url), DESTINATION, timeout_s=5)).http_status == 200
