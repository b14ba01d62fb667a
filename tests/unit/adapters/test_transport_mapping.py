from __future__ import annotations

import inspect
from types import SimpleNamespace

import httptools
import pytest
from httptools.parser import errors

from adapters.transport_connection import Connection

CAUGHT = (httptools.HttpParserError, httptools.HttpParserUpgrade)


def exceptions_of_the_parser() -> list[type[Exception]]:
    return [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Exception)]


@pytest.mark.parametrize("kind", exceptions_of_the_parser(), ids=lambda kind: kind.__name__)
def test_every_exception_of_the_parser_is_caught(kind: type[Exception]) -> None:
    assert issubclass(kind, CAUGHT)


async def test_the_connection_has_every_callback_that_the_parser_may_need_for_framing() -> None:
    connection = Connection()
    for name in ("on_message_begin", "on_header", "on_headers_complete", "on_body", "on_message_complete"):
        assert callable(getattr(connection, name))


async def test_bytes_that_nobody_asked_for_end_the_connection() -> None:
    connection = Connection()
    aborted = []
    connection.connection_made(SimpleNamespace(abort=lambda: aborted.append(True), is_closing=lambda: bool(aborted)))  # type: ignore[arg-type]
    assert connection.is_usable
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert aborted
    assert not connection.is_usable
