"""Credentials beside message signatures: the installed REST agency behind a simulated gateway, each kind for real."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from adapters import agency_keys, registry
from adapters.transport import Transport
from esb.errors import CredentialsRefused
from security import secretfile
from security.errors import KeyUnavailable
from tests.support.guarded_agency import Installation, running, students

PIN = {"pin": "7TESTX1"}
OAUTH2 = "token_url: https://login.example/oauth2/token, client_id: esb, scope: read"

BLOCKS = {
    "basic": "basic: {user: esb, password: gateway}",
    "api key": "api_key: {name: X-Api-Key, secret: key}",
    "jwt by key": "jwt: {issuer: esb, audience: students}",
    "jwt by secret": "jwt: {header: X-Bus, algorithm: HS256, secret: shared, issuer: esb, audience: students}",
    "oauth2 basic": f"oauth2: {{{OAUTH2}, client_secret: client}}",
    "oauth2 post": f"oauth2: {{{OAUTH2}, client_secret: client, client_authentication: post}}",
    "oauth2 by key": f"oauth2: {{{OAUTH2}, client_authentication: private_key_jwt}}",
    "several": f"api_key: {{name: X-Api-Key, secret: key}}, oauth2: {{{OAUTH2}, client_secret: client}}",
}


async def answered(there: Installation) -> bool:
    return (await there.ask("GetDiploma", PIN)).found


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
async def test_agency_lets_the_bus_in_and_believes_the_signature_too(tmp_path: Path, block: str) -> None:
    agency = students(tmp_path, f"credentials: {{{block}}}\n")
    async with running(tmp_path, agency) as there:
        for _ in range(2):
            assert await answered(there)
        assert there.simulator.entrance is not None
        assert there.simulator.entrance.refused == 0
        assert there.simulator.calls["GetDiploma", "7TESTX1"] == 2


@pytest.mark.parametrize("name", ["basic", "api key", "jwt by secret", "oauth2 basic", "oauth2 post"])
async def test_agency_does_not_let_in_who_has_another_secret(tmp_path: Path, name: str) -> None:
    agency = students(tmp_path, f"credentials: {{{BLOCKS[name]}}}\n")
    async with running(tmp_path, agency) as there, Transport() as transport:
        for found in list(secretfile.stored(Path(there.settings.home))):
            path = secretfile.path_of(Path(there.settings.home), found.agency, found.name)
            secretfile.write(path, b"another secret of thirty-two bytes")
        loaded = registry.load(there.settings, agency_keys.load(there.settings), transport)
        mistaken = Installation(agency=agency, settings=there.settings, simulator=there.simulator, catalogue=loaded)
        with pytest.raises(CredentialsRefused) as caught:
            await answered(mistaken)
        assert "another secret" not in str(caught.value)
        assert await answered(there)


async def test_secret_that_is_gone_is_a_warning_at_the_next_load_and_a_refusal_of_every_call(tmp_path: Path) -> None:
    agency = students(tmp_path, f"credentials: {{{BLOCKS['basic']}}}\n")
    async with running(tmp_path, agency) as there, Transport() as transport:
        secretfile.path_of(Path(there.settings.home), agency, "gateway").unlink()
        assert await answered(there), "a running bus has read it"
        loaded = registry.load(there.settings, agency_keys.load(there.settings), transport)
        assert ["esb keys secret set tn-tm gateway" in finding.message for finding in loaded.findings] == [True]
        poor = Installation(agency=agency, settings=there.settings, simulator=there.simulator, catalogue=loaded)
        with pytest.raises(KeyUnavailable):
            await answered(poor)


async def test_revoked_tokens_are_replaced_by_one_for_all(tmp_path: Path) -> None:
    agency = students(tmp_path, f"credentials: {{{BLOCKS['oauth2 basic']}}}\n")
    async with running(tmp_path, agency) as there:
        entrance = there.simulator.entrance
        assert entrance is not None
        assert await answered(there)
        entrance.revoke_tokens()
        assert all(await asyncio.gather(*(answered(there) for _ in range(10))))
        assert entrance.granted == 2
        assert there.simulator.calls["GetDiploma", "7TESTX1"] == 11
