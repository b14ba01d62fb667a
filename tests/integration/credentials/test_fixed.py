"""Basic and API keys over real HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from adapters.transport import Transport
from esb.errors import CredentialsRefused, RequestUnencodable
from esb.model import Severity
from security import secretfile
from security.errors import KeyUnavailable
from tests.support.credentials import AGENCY, endpoint_with, send, set_secret
from tests.support.gateway import Gateway

SECRET = "şifrə: çox gizli"
BASIC = {"user": "esb", "password": "gateway"}


async def test_password_is_shown_with_every_call(tmp_path: Path, gateway: Gateway) -> None:
    set_secret(tmp_path, "gateway", SECRET)
    async with Transport() as transport:
        endpoint, findings = endpoint_with(tmp_path, gateway.url, transport, basic=BASIC)
        for _ in range(2):
            assert (await send(endpoint)).http_status == 200
    assert findings == ()
    assert [seen.basic for seen in gateway.asked] == [f"esb:{SECRET}"] * 2
    assert gateway.asked[0].body == b"<x/>"


async def test_api_key_goes_into_its_header(tmp_path: Path, gateway: Gateway) -> None:
    set_secret(tmp_path, "key", "k-1")
    async with Transport() as transport:
        block = {"in": "header", "name": "X-Api-Key", "secret": "key"}
        endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, api_key=block)
        await send(endpoint)
    assert gateway.asked[0].headers["x-api-key"] == "k-1"


@pytest.mark.parametrize(("path", "query"), [("/service", "?"), ("/service?a=1", "?a=1&")])
async def test_api_key_goes_into_the_query_and_cannot_break_it(
    tmp_path: Path, gateway: Gateway, path: str, query: str
) -> None:
    set_secret(tmp_path, "key", "a&b=c #?")
    async with Transport() as transport:
        block = {"in": "query", "name": "api_key", "secret": "key"}
        endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, api_key=block)
        await send(endpoint, path)
    assert gateway.asked[0].url == f"{gateway.url}/service{query}api_key=a%26b%3Dc%20%23%3F"


@pytest.mark.parametrize("path", ["/service?api_key=callers", "/service?a=1&API_KEY=callers"])
async def test_value_of_a_caller_never_stands_beside_the_key(tmp_path: Path, gateway: Gateway, path: str) -> None:
    set_secret(tmp_path, "key", "k-1")
    async with Transport() as transport:
        block = {"in": "query", "name": "api_key", "secret": "key"}
        endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, api_key=block)
        with pytest.raises(RequestUnencodable, match="API key"):
            await send(endpoint, path)
    assert gateway.asked == []


async def test_several_credentials_are_shown_together(tmp_path: Path, gateway: Gateway) -> None:
    set_secret(tmp_path, "gateway", SECRET)
    set_secret(tmp_path, "key", "k-1")
    async with Transport() as transport:
        key = {"in": "header", "name": "X-Api-Key", "secret": "key"}
        endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, basic=BASIC, api_key=key)
        await send(endpoint)
    assert gateway.asked[0].basic == f"esb:{SECRET}"
    assert gateway.asked[0].headers["x-api-key"] == "k-1"


async def test_header_of_the_call_never_stands_in_for_the_buss_own(tmp_path: Path, gateway: Gateway) -> None:
    set_secret(tmp_path, "key", "k-1")
    async with Transport() as transport:
        block = {"in": "header", "name": "X-Api-Key", "secret": "key"}
        endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, api_key=block)
        await send(endpoint, headers={"x-api-key": "a caller's"})
    assert gateway.asked[0].headers["x-api-key"] == "k-1"


async def test_gateway_that_does_not_know_the_password_is_told_as_such(tmp_path: Path, gateway: Gateway) -> None:
    set_secret(tmp_path, "gateway", SECRET)
    gateway.guarded, gateway.challenge = True, 'Basic realm="agency"'
    async with Transport() as transport:
        endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, basic=BASIC)
        with pytest.raises(CredentialsRefused) as caught:
            await send(endpoint)
    assert caught.value.agency_code == "HTTP 401"
    assert SECRET not in str(caught.value)
    assert len(gateway.asked) == 1, "a password is not tried twice"


async def test_answer_of_401_without_a_challenge_is_the_agencys_own(tmp_path: Path, gateway: Gateway) -> None:
    set_secret(tmp_path, "gateway", SECRET)
    gateway.guarded, gateway.challenge = True, ""
    async with Transport() as transport:
        endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, basic=BASIC)
        assert (await send(endpoint)).http_status == 401


BLOCKS: list[dict[str, Any]] = [
    {"basic": BASIC},
    {"api_key": {"in": "header", "name": "X-Api-Key", "secret": "gateway"}},
    {"api_key": {"in": "query", "name": "key", "secret": "gateway"}},
    {
        "jwt": {
            "header": "Authorization",
            "algorithm": "HS256",
            "secret": "gateway",
            "issuer": "e",
            "audience": "a",
            "ttl_s": 60,
        }
    },
    {
        "oauth2": {
            "token_url": "http://127.0.0.1:9/token",
            "client_id": "esb",
            "client_authentication": "basic",
            "client_secret": "gateway",
        }
    },
]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: next(iter(block)))
async def test_missing_secret_is_a_warning_at_load_and_sends_nothing(
    tmp_path: Path, gateway: Gateway, block: dict[str, Any]
) -> None:
    async with Transport() as transport:
        endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, **block)
        with pytest.raises(KeyUnavailable, match="esb keys secret set din-reg gateway"):
            await send(endpoint)
    assert gateway.asked == []


@pytest.mark.parametrize("value", ["k\u0259y", " key", "key "])
async def test_api_key_that_no_header_can_hold_is_a_warning_and_sends_nothing(
    tmp_path: Path, gateway: Gateway, value: str
) -> None:
    set_secret(tmp_path, "key", value)
    async with Transport() as transport:
        block = {"in": "header", "name": "X-Api-Key", "secret": "key"}
        endpoint, findings = endpoint_with(tmp_path, gateway.url, transport, api_key=block)
        assert [finding.severity for finding in findings] == [Severity.WARNING]
        assert value.strip() not in findings[0].message.replace("the secret key", "")
        with pytest.raises(KeyUnavailable, match="header"):
            await send(endpoint)


def test_secret_is_in_no_text_of_the_endpoint(tmp_path: Path) -> None:
    for block in BLOCKS:
        set_secret(tmp_path, "gateway", SECRET)
        endpoint, findings = endpoint_with(tmp_path, "http://127.0.0.1:9/", Transport(), **block)
        assert SECRET not in repr(endpoint)
        assert SECRET not in repr(findings)


def test_secret_lies_where_only_its_owner_reads(tmp_path: Path) -> None:
    set_secret(tmp_path, "gateway", SECRET)
    path = secretfile.path_of(tmp_path, AGENCY, "gateway")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
