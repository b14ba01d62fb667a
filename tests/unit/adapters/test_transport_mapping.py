from __future__ import annotations

import inspect

import aiohttp
import pytest
from aiohttp import client_exceptions

from adapters import transport

NEVER_RAISED_BY_A_REQUEST = {
    # WebSocket and redirect classes: the transport opens no WebSocket and follows no redirect. They are still
    # ClientErrors, so the widest net catches all but this one.
    "WSMessageTypeError",
}

BEFORE_THE_FIRST_BYTE = {
    "ClientConnectorError",
    "ClientConnectorCertificateError",
    "ClientConnectorDNSError",
    "ClientConnectorSSLError",
    "ClientProxyConnectionError",
    "ClientSSLError",
    "ConnectionTimeoutError",
    "InvalidURL",
    "InvalidUrlClientError",
    "InvalidUrlRedirectClientError",
    "NonHttpUrlClientError",
    "NonHttpUrlRedirectClientError",
    "ServerFingerprintMismatch",
    "UnixClientConnectorError",
}


def aiohttp_exceptions() -> list[type[Exception]]:
    classes = inspect.getmembers(client_exceptions, inspect.isclass)
    return [kind for name, kind in classes if issubclass(kind, Exception) and name not in NEVER_RAISED_BY_A_REQUEST]


@pytest.mark.parametrize("kind", aiohttp_exceptions(), ids=lambda kind: kind.__name__)
def test_every_client_exception_of_aiohttp_is_mapped(kind: type[Exception]) -> None:
    assert issubclass(kind, (*transport.NOTHING_SENT, *transport.EFFECT_UNKNOWN))


@pytest.mark.parametrize("kind", aiohttp_exceptions(), ids=lambda kind: kind.__name__)
def test_only_classes_known_to_precede_the_first_byte_count_as_nothing_sent(kind: type[Exception]) -> None:
    assert issubclass(kind, transport.NOTHING_SENT) == (kind.__name__ in BEFORE_THE_FIRST_BYTE)


@pytest.mark.parametrize("name", sorted(client_exceptions.__all__))
def test_names_that_aiohttp_publishes_are_the_ones_that_are_checked(name: str) -> None:
    assert issubclass(getattr(aiohttp, name), (aiohttp.ClientError, TypeError))
