"""The bus's own token for each call, read by another implementation."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import ECKey, OctKey, RSAKey

from adapters.agency_keys import AgencyKeys
from adapters.transport import Transport
from security import keys
from security.errors import KeyUnavailable
from security.keys import Algorithm
from tests.support.credentials import BUS_KEYS, endpoint_with, send, set_secret
from tests.support.gateway import Gateway

SECRET = "0123456789abcdef0123456789abcdef"


def block(algorithm: str, **changes: Any) -> dict[str, Any]:
    secret = {"secret": "shared"} if algorithm == "HS256" else {}
    plain = {"header": "Authorization", "algorithm": algorithm, "issuer": "esb", "audience": "reg", "ttl_s": 60}
    return {**plain, **secret, **changes}


def key_of(algorithm: str) -> Any:
    if algorithm == "HS256":
        return OctKey.import_key(SECRET)
    pem = keys.public_pem(BUS_KEYS.signing[Algorithm(algorithm)].private.public_key())
    return ECKey.import_key(pem) if algorithm == "ES256" else RSAKey.import_key(pem)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "HS256"])
async def test_agency_believes_the_token(tmp_path: Path, gateway: Gateway, algorithm: str) -> None:
    set_secret(tmp_path, "shared", SECRET)
    async with Transport() as transport:
        terms = block(algorithm, subject="portal", claims={"role": "reader"})
        endpoint, findings = endpoint_with(tmp_path, gateway.url, transport, jwt=terms)
        assert findings == ()
        await send(endpoint)
    scheme, _, text = gateway.asked[0].headers["authorization"].partition(" ")
    token = jwt.decode(text, key_of(algorithm), algorithms=[algorithm])
    assert scheme == "Bearer"
    named = {name: token.claims[name] for name in ("iss", "aud", "sub", "role")}
    assert named == {"iss": "esb", "aud": "reg", "sub": "portal", "role": "reader"}
    assert token.claims["exp"] - token.claims["iat"] == 60
    assert abs(token.claims["iat"] - datetime.now(UTC).timestamp()) < 60


async def test_each_call_has_a_token_of_its_own(tmp_path: Path, gateway: Gateway) -> None:
    async with Transport() as transport:
        endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, jwt=block("ES256"))
        for _ in range(3):
            await send(endpoint)
    texts = [seen.headers["authorization"].split()[1] for seen in gateway.asked]
    names = {jwt.decode(text, key_of("ES256"), algorithms=["ES256"]).claims["jti"] for text in texts}
    assert len(names) == 3


async def test_token_in_a_header_of_the_agencys_own_stands_alone(tmp_path: Path, gateway: Gateway) -> None:
    async with Transport() as transport:
        terms = block("ES256", header="X-Bus-Token")
        endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, jwt=terms)
        await send(endpoint)
        scheme = {**terms, "scheme": "JWT"}
        endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, jwt=scheme)
        await send(endpoint)
    first, second = (seen.headers["x-bus-token"] for seen in gateway.asked)
    assert jwt.decode(first, key_of("ES256"), algorithms=["ES256"])
    assert second.startswith("JWT ")


async def test_token_of_another_secret_is_not_this_one(tmp_path: Path, gateway: Gateway) -> None:
    set_secret(tmp_path, "shared", SECRET[::-1])
    async with Transport() as transport:
        endpoint, _ = endpoint_with(tmp_path, gateway.url, transport, jwt=block("HS256"))
        await send(endpoint)
    with pytest.raises(BadSignatureError):
        jwt.decode(gateway.asked[0].headers["authorization"].split()[1], key_of("HS256"), algorithms=["HS256"])


async def test_bus_without_the_key_sends_nothing(tmp_path: Path, gateway: Gateway) -> None:
    async with Transport() as transport:
        endpoint, findings = endpoint_with(tmp_path, gateway.url, transport, keys=AgencyKeys(), jwt=block("RS256"))
        assert "esb keys new --algorithm RS256" in findings[0].message
        with pytest.raises(KeyUnavailable, match="RS256"):
            await send(endpoint)
    assert gateway.asked == []


def test_short_shared_secret_is_a_warning(tmp_path: Path) -> None:
    set_secret(tmp_path, "shared", "short")
    _, findings = endpoint_with(tmp_path, "http://127.0.0.1:9", Transport(), jwt=block("HS256"))
    assert "RFC 7518" in findings[0].message
    assert "short " not in findings[0].message
