"""OAuth2 client credentials over real HTTP: getting, keeping, renewing and losing tokens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from adapters.credentials import token_source
from adapters.credentials.client import SecretClient
from adapters.credentials.token_source import TokenSource
from adapters.manifest_credentials import OAuth2Terms
from adapters.transport import Destination, Transport
from esb.errors import AgencyTimeout, AgencyUnreachable, CredentialsRefused
from security import keys
from security.keys import Algorithm
from tests.support.credentials import BUS_KEYS, endpoint_with, send, set_secret
from tests.support.gateway import TOKEN_PATH, Gateway

SECRET = "p:ss wörd+"


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with Transport() as opened:
        yield opened


def block(gateway: Gateway, **changes: Any) -> dict[str, Any]:
    plain = {"client_id": "esb client", "client_authentication": "basic", "client_secret": "client"}
    return {"token_url": gateway.token_url, **plain, **changes}


class Watch:
    """A monotonic clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def source(gateway: Gateway, transport: Transport, watch: Watch) -> TokenSource:
    terms = OAuth2Terms(token_url=gateway.token_url, client_id="esb", client_authentication="post")
    return TokenSource(
        terms,
        client=SecretClient(terms, "s"),
        transport=transport,
        destination=Destination(agency="din-reg", operation="token"),
        monotonic_s=watch,
    )


# --- getting ---------------------------------------------------------------------------------------------


async def test_token_is_got_once_and_shown_with_every_call(
    tmp_path: Path, gateway: Gateway, transport: Transport
) -> None:
    set_secret(tmp_path, "client", SECRET)
    gateway.guarded = True
    terms = block(gateway, scope="a b", audience="reg")
    endpoint, findings = endpoint_with(tmp_path, gateway.url, transport, oauth2=terms)
    assert findings == ()
    for _ in range(3):
        assert (await send(endpoint)).http_status == 200
    assert [seen.headers["authorization"] for seen in gateway.asked] == ["Bearer token-1"] * 3
    assert len(gateway.token_requests) == 1
    assert gateway.token_requests[0].form == {"grant_type": "client_credentials", "scope": "a b", "audience": "reg"}
    assert gateway.token_requests[0].basic == "esb+client:p%3Ass+w%C3%B6rd%2B"


async def test_secret_in_the_form(tmp_path: Path, gateway: Gateway, transport: Transport) -> None:
    set_secret(tmp_path, "client", SECRET)
    terms = block(gateway, client_authentication="post")
    endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, oauth2=terms)
    await send(endpoint)
    asked = gateway.token_requests[0]
    assert asked.form == {"grant_type": "client_credentials", "client_id": "esb client", "client_secret": SECRET}
    assert "authorization" not in asked.headers


@pytest.mark.parametrize("algorithm", [Algorithm.ES256, Algorithm.RS256])
async def test_bus_proves_itself_with_its_key(
    tmp_path: Path, gateway: Gateway, transport: Transport, algorithm: Algorithm
) -> None:
    terms = block(gateway, client_authentication="private_key_jwt", client_secret=None, algorithm=algorithm.value)
    endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, oauth2=terms)
    await send(endpoint)
    form = gateway.token_requests[0].form
    pem = keys.public_pem(BUS_KEYS.signing[algorithm].private.public_key())
    key: Any = ECKey.import_key(pem) if algorithm is Algorithm.ES256 else RSAKey.import_key(pem)
    claims = jwt.decode(form["client_assertion"], key, algorithms=[algorithm.value]).claims
    assert form["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assert (claims["iss"], claims["sub"], claims["aud"]) == ("esb client", "esb client", gateway.token_url)
    assert claims["jti"]


async def test_token_endpoint_may_be_a_path_at_the_agencys_address(
    tmp_path: Path, gateway: Gateway, transport: Transport
) -> None:
    set_secret(tmp_path, "client", SECRET)
    terms = block(gateway, token_url=TOKEN_PATH)
    endpoint, _ = endpoint_with(tmp_path, f"{gateway.url}/services/v1", transport, oauth2=terms)
    await send(endpoint)
    assert len(gateway.token_requests) == 1


async def test_simulated_agency_is_never_a_reason_to_ask_the_real_token_endpoint(
    tmp_path: Path, gateway: Gateway, transport: Transport
) -> None:
    set_secret(tmp_path, "client", SECRET)
    terms = block(gateway, token_url=f"https://login.example{TOKEN_PATH}")
    endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, environment="simulated", oauth2=terms)
    await send(endpoint)
    assert len(gateway.token_requests) == 1


async def test_calls_at_a_time_wait_for_one_token(tmp_path: Path, gateway: Gateway, transport: Transport) -> None:
    set_secret(tmp_path, "client", SECRET)
    gateway.guarded, gateway.token_delay_s = True, 0.1
    endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, oauth2=block(gateway))
    answers = await asyncio.gather(*(send(endpoint) for _ in range(20)))
    assert {answer.http_status for answer in answers} == {200}
    assert len(gateway.token_requests) == 1


async def test_caller_that_gives_up_does_not_take_the_token_from_the_others(
    tmp_path: Path, gateway: Gateway, transport: Transport
) -> None:
    set_secret(tmp_path, "client", SECRET)
    gateway.guarded, gateway.token_delay_s = True, 0.2
    endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, oauth2=block(gateway))
    hasty = asyncio.create_task(send(endpoint, timeout_s=0.05))
    cancelled = asyncio.create_task(send(endpoint))
    patient = asyncio.create_task(send(endpoint))
    await asyncio.sleep(0.1)
    cancelled.cancel()
    assert (await patient).http_status == 200
    with pytest.raises(AgencyUnreachable, match="did not answer in time"):
        await hasty
    assert len(gateway.token_requests) == 1
    assert len(gateway.asked) == 1


# --- keeping and renewing --------------------------------------------------------------------------------


@pytest.mark.parametrize(("stated", "life_s"), [(100, 100), ("100", 100), (100.0, 100), (None, 300)])
async def test_token_is_used_until_shortly_before_its_end(
    gateway: Gateway, transport: Transport, stated: Any, life_s: int
) -> None:
    gateway.expires_in = stated
    watch = Watch()
    tokens = source(gateway, transport, watch)
    assert await tokens.token(timeout_s=5) == "token-1"
    watch.now_s += life_s * 0.79
    assert await tokens.token(timeout_s=5) == "token-1"
    assert len(gateway.token_requests) == 1
    watch.now_s += life_s * 0.2
    assert await tokens.token(timeout_s=5) == "token-2"


async def test_old_token_serves_while_the_new_one_is_fetched(gateway: Gateway, transport: Transport) -> None:
    gateway.expires_in = 100
    watch = Watch()
    tokens = source(gateway, transport, watch)
    await tokens.token(timeout_s=5)
    gateway.token_delay_s = 0.1
    watch.now_s += 85
    assert [await tokens.token(timeout_s=5) for _ in range(3)] == ["token-1"] * 3
    await asyncio.sleep(0.3)
    assert await tokens.token(timeout_s=5) == "token-2"
    assert len(gateway.token_requests) == 2


async def test_renewal_that_fails_is_not_felt_before_the_token_ends(gateway: Gateway, transport: Transport) -> None:
    gateway.expires_in = 100
    watch = Watch()
    tokens = source(gateway, transport, watch)
    await tokens.token(timeout_s=5)
    gateway.token_answer = lambda: web.Response(status=503)
    watch.now_s += 85
    for _ in range(5):
        assert await tokens.token(timeout_s=5) == "token-1"
        await asyncio.sleep(0.02)
    assert len(gateway.token_requests) == 2, "and is tried again only after a pause"
    watch.now_s += 15
    with pytest.raises(AgencyUnreachable, match="503"):
        await tokens.token(timeout_s=5)


async def test_token_that_was_refused_gives_way_once_for_all(gateway: Gateway, transport: Transport) -> None:
    tokens = source(gateway, transport, Watch())
    first = await tokens.token(timeout_s=5)
    tokens.discard(first)
    second = await tokens.token(timeout_s=5)
    tokens.discard(first)
    assert await tokens.token(timeout_s=5) == second


# --- losing ----------------------------------------------------------------------------------------------


async def test_revoked_token_is_replaced_and_the_call_repeated_once(
    tmp_path: Path, gateway: Gateway, transport: Transport
) -> None:
    set_secret(tmp_path, "client", SECRET)
    gateway.guarded = True
    endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, oauth2=block(gateway))
    await send(endpoint)
    gateway.revoke()
    answers = await asyncio.gather(*(send(endpoint) for _ in range(5)))
    assert {answer.http_status for answer in answers} == {200}
    assert len(gateway.token_requests) == 2


async def test_call_is_repeated_once_and_no_more(tmp_path: Path, gateway: Gateway, transport: Transport) -> None:
    set_secret(tmp_path, "client", SECRET)
    gateway.guarded = True
    gateway.token_answer = lambda: web.json_response({"access_token": "never-good", "token_type": "bearer"})
    endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, oauth2=block(gateway))
    with pytest.raises(CredentialsRefused) as caught:
        await send(endpoint)
    assert caught.value.agency_code == "invalid_token"
    assert (len(gateway.asked), len(gateway.token_requests)) == (2, 2)


REFUSALS = [
    (401, 'Bearer error="invalid_token"', 2),
    (401, "Bearer", 2),
    (401, 'Basic realm="x", Bearer realm="y"', 2),
    (401, 'Bearer error="insufficient_scope"', 1),
    (401, 'Basic realm="bearer"', 1),
    (401, "", 1),
    (403, 'Bearer error="invalid_token"', 1),
    (500, 'Bearer error="invalid_token"', 1),
]


@pytest.mark.parametrize("refusal", REFUSALS)
async def test_call_is_repeated_only_when_it_is_known_not_to_have_been_applied(
    tmp_path: Path, gateway: Gateway, transport: Transport, refusal: tuple[int, str, int]
) -> None:
    status, challenge, calls = refusal
    set_secret(tmp_path, "client", SECRET)
    gateway.guarded, gateway.refusal_status, gateway.challenge = True, status, challenge
    gateway.token_answer = lambda: web.json_response({"access_token": "never-good", "token_type": "bearer"})
    endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, oauth2=block(gateway))
    if status == 401 and challenge:
        with pytest.raises(CredentialsRefused):
            await send(endpoint)
    else:
        assert (await send(endpoint)).http_status == status
    assert len(gateway.asked) == calls


async def test_missing_scope_is_a_refusal_of_the_credentials(
    tmp_path: Path, gateway: Gateway, transport: Transport
) -> None:
    set_secret(tmp_path, "client", SECRET)
    gateway.guarded, gateway.refusal_status = True, 403
    gateway.challenge = 'Bearer error="insufficient_scope", scope="register.read"'
    gateway.token_answer = lambda: web.json_response({"access_token": "narrow", "token_type": "bearer"})
    endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, oauth2=block(gateway))
    with pytest.raises(CredentialsRefused, match="insufficient_scope"):
        await send(endpoint)


# --- endpoints that go wrong -----------------------------------------------------------------------------


async def test_wrong_secret_is_told_by_the_endpoints_code_and_not_tried_again_at_once(
    tmp_path: Path, gateway: Gateway, transport: Transport
) -> None:
    set_secret(tmp_path, "client", SECRET)
    gateway.token_answer = lambda: web.json_response({"error": "invalid_client"}, status=401)
    endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, oauth2=block(gateway))
    for _ in range(3):
        with pytest.raises(CredentialsRefused) as caught:
            await send(endpoint)
        assert caught.value.agency_code == "invalid_client"
        assert SECRET not in str(caught.value)
    assert (len(gateway.token_requests), gateway.asked) == (1, [])


async def test_refusal_is_forgotten_after_its_pause(gateway: Gateway, transport: Transport) -> None:
    watch = Watch()
    tokens = source(gateway, transport, watch)
    gateway.token_answer = lambda: web.json_response({"error": "invalid_client"}, status=400)
    with pytest.raises(CredentialsRefused):
        await tokens.token(timeout_s=5)
    gateway.token_answer = None
    watch.now_s += token_source.REFUSED_PAUSE_S
    assert await tokens.token(timeout_s=5) == "token-2"


def _json(content: object) -> Any:
    return lambda: web.json_response(content)


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(status=500),
        lambda: web.Response(status=429),
        lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:9/"}),
        lambda: web.Response(text="<html>"),
        lambda: web.Response(body=b"[" * 60000),
        lambda: web.Response(body=b"{" + b" " * 70000),
        _json([]),
        _json({"token_type": "bearer"}),
        _json({"access_token": "a", "token_type": "mac"}),
        _json({"access_token": "", "token_type": "bearer"}),
        _json({"access_token": "a\r\nX-Evil: 1", "token_type": "bearer"}),
        _json({"access_token": "a b", "token_type": "bearer"}),
        _json({"access_token": "x" * 20000, "token_type": "bearer"}),
        _json({"access_token": "a", "token_type": "bearer", "expires_in": 0}),
        _json({"access_token": "a", "token_type": "bearer", "expires_in": -5}),
        _json({"access_token": "a", "token_type": "bearer", "expires_in": True}),
        _json({"access_token": "a", "token_type": "bearer", "expires_in": "soon"}),
        _json({"access_token": "a", "token_type": "bearer", "expires_in": [1]}),
    ],
)
async def test_endpoint_that_gives_no_usable_token_means_that_the_agency_was_not_reached(
    tmp_path: Path, gateway: Gateway, transport: Transport, answer: Any
) -> None:
    set_secret(tmp_path, "client", SECRET)
    gateway.token_answer = answer
    endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, oauth2=block(gateway))
    with pytest.raises(AgencyUnreachable) as caught:
        await send(endpoint)
    assert "Evil" not in str(caught.value)
    assert gateway.asked == []


async def test_endpoint_that_is_not_there_means_that_the_agency_was_not_reached(
    tmp_path: Path, gateway: Gateway, transport: Transport
) -> None:
    set_secret(tmp_path, "client", SECRET)
    terms = block(gateway, token_url="http://127.0.0.1:9/token")
    endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, oauth2=terms)
    with pytest.raises(AgencyUnreachable, match="no token"):
        await send(endpoint)
    assert gateway.asked == []


async def test_agency_that_is_silent_after_the_token_came_has_an_unknown_effect(
    tmp_path: Path, gateway: Gateway, transport: Transport
) -> None:
    set_secret(tmp_path, "client", SECRET)
    gateway.delay_s = 1.0
    endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, oauth2=block(gateway))
    with pytest.raises(AgencyTimeout):
        await send(endpoint, timeout_s=0.3)
    assert len(gateway.asked) == 1
