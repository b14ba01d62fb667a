"""The mutual-TLS listener: who gets past the handshake, and what the bus learns of it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from esb.errors import SettingInvalid
from esb.inbound.tls import ServerTls
from esb.model import CallerName
from security import certificates, keys
from tests.support.http_door import PORTAL, QUESTION, RunningDoor, ScriptedBus, reply_of, running

ASK = {"Content-Type": "application/json"}
PATH = "/v1/routes/person.identity"
NOW = datetime.now(UTC)


@dataclass(kw_only=True)
class Pair:
    """A certificate and its key on disk."""

    certificate: Path
    key: Path
    der: bytes


@dataclass(kw_only=True)
class TlsDoor:
    """A door with a TLS listener at `url`; `callers` is the folder of accepted client certificates."""

    door: RunningDoor
    tls: ServerTls
    url: str
    server: Pair
    callers: Path

    def client(self, pair: Pair | None, *, version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.server.certificate))
        context.check_hostname = False
        if version is not None:
            context.minimum_version = context.maximum_version = version
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        return context


def make_pair(folder: Path, name: str, *, since: datetime = NOW - timedelta(days=1), valid_days: float = 30) -> Pair:
    bare = keys.generate(keys.Algorithm.ES256, since)
    key = certificates.self_signed(
        bare, common_name=name, organisation="Test", now=since, valid_days=valid_days, san_ips=["127.0.0.1"]
    )
    keys.save(key, folder, passphrase="")
    certificate = folder / f"{key.kid}.crt.pem"
    return Pair(
        certificate=certificate,
        key=folder / f"{key.kid}.key.pem",
        der=ssl.PEM_cert_to_DER_cert(certificate.read_text()),
    )


@pytest.fixture
async def tls_door(bus: ScriptedBus, tmp_path: Path) -> AsyncIterator[TlsDoor]:
    server, callers = make_pair(tmp_path / "server", "esb"), tmp_path / "callers"
    callers.mkdir()
    tls = ServerTls(certificate=server.certificate, key=server.key, callers=callers)
    async with running(bus) as door:
        host, port = await door.door.listen("127.0.0.1:0", tls=tls.context)
        yield TlsDoor(door=door, tls=tls, url=f"https://{host}:{port}", server=server, callers=callers)


async def status_of(door: TlsDoor, pair: Pair | None, **headers: str) -> int:
    async with (
        aiohttp.ClientSession() as session,
        session.post(door.url + PATH, data=QUESTION, headers={**ASK, **headers}, ssl=door.client(pair)) as response,
    ):
        await reply_of(response)
        return response.status


async def test_the_certificate_of_a_caller_reaches_the_bus(tls_door: TlsDoor, bus: ScriptedBus) -> None:
    portal = make_pair(tls_door.callers / "portal", "portal")
    tls_door.tls.reload()
    assert await status_of(tls_door, portal) == 200
    assert bus.arrivals[0].credentials.certificate_der == portal.der
    assert bus.arrivals[0].credentials.bearer is None


async def test_a_certificate_identifies_its_caller_for_the_inbox(tls_door: TlsDoor, bus: ScriptedBus) -> None:
    portal = make_pair(tls_door.callers / "portal", "portal")
    tls_door.tls.reload()
    bus.certificates[portal.der] = CallerName("portal")
    async with (
        aiohttp.ClientSession() as session,
        session.get(tls_door.url + "/v1/replies", ssl=tls_door.client(portal)) as response,
    ):
        assert await reply_of(response) == {"replies": []}


async def test_both_credentials_reach_the_bus_when_both_are_shown(tls_door: TlsDoor, bus: ScriptedBus) -> None:
    portal = make_pair(tls_door.callers / "portal", "portal")
    tls_door.tls.reload()
    assert await status_of(tls_door, portal, **PORTAL) == 200
    credentials = bus.arrivals[0].credentials
    assert (credentials.certificate_der, credentials.bearer) == (portal.der, "token-of-portal")


async def test_a_client_without_a_certificate_may_come_with_a_token(tls_door: TlsDoor, bus: ScriptedBus) -> None:
    assert await status_of(tls_door, None, **PORTAL) == 200
    assert bus.arrivals[0].credentials.certificate_der is None


async def test_an_unknown_certificate_does_not_get_past_the_handshake(tls_door: TlsDoor, tmp_path: Path) -> None:
    make_pair(tls_door.callers / "portal", "portal")
    tls_door.tls.reload()
    # The same name as a caller's, another key.
    stranger = make_pair(tmp_path / "stranger", "portal")
    with pytest.raises(aiohttp.ClientError):
        await status_of(tls_door, stranger)


async def test_an_expired_certificate_does_not_get_past_the_handshake(tls_door: TlsDoor) -> None:
    old = make_pair(tls_door.callers / "portal", "portal", since=NOW - timedelta(days=60))
    tls_door.tls.reload()
    with pytest.raises(aiohttp.ClientError):
        await status_of(tls_door, old)


async def test_a_certificate_issued_by_an_accepted_one_is_not_accepted_itself(
    tls_door: TlsDoor, tmp_path: Path
) -> None:
    # A leaf cannot vouch for others, though OpenSSL is told to trust it.
    portal_folder = tls_door.callers / "portal"
    portal = make_pair(portal_folder, "portal")
    tls_door.tls.reload()
    issuer = keys.load_signing(portal.key, passphrase="")
    child = certificates.issue(
        issuer,
        keys.generate(keys.Algorithm.ES256, NOW),
        common_name="child",
        organisation="Test",
        now=NOW - timedelta(hours=1),
        valid_days=1,
    )
    keys.save(child, tmp_path / "child", passphrase="")
    pair = Pair(
        certificate=tmp_path / "child" / f"{child.kid}.crt.pem",
        key=tmp_path / "child" / f"{child.kid}.key.pem",
        der=b"",
    )
    with pytest.raises(aiohttp.ClientError):
        await status_of(tls_door, pair)


async def test_reload_lets_a_new_caller_in_and_a_removed_one_out(tls_door: TlsDoor, tmp_path: Path) -> None:
    first = make_pair(tls_door.callers / "portal", "portal")
    tls_door.tls.reload()
    assert await status_of(tls_door, first) == 200

    second = make_pair(tls_door.callers / "eesmn", "eesmn")
    first.certificate = first.certificate.rename(tmp_path / "removed.crt.pem")
    tls_door.tls.reload()
    assert await status_of(tls_door, second) == 200
    with pytest.raises(aiohttp.ClientError):
        await status_of(tls_door, first)


async def test_reload_that_fails_leaves_what_was_in_use(tls_door: TlsDoor) -> None:
    portal = make_pair(tls_door.callers / "portal", "portal")
    tls_door.tls.reload()
    (tls_door.callers / "portal" / "broken.crt.pem").write_text("not a certificate")
    with pytest.raises(SettingInvalid, match=r"broken\.crt\.pem"):
        tls_door.tls.reload()
    assert await status_of(tls_door, portal) == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_tls_before_1_2_is_refused(tls_door: TlsDoor) -> None:
    context = tls_door.client(None, version=ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("ALL:@SECLEVEL=0")
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(tls_door.url + "/livez", ssl=context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_current_tls_is_spoken_with_and_without_certificate(tls_door: TlsDoor, version: ssl.TLSVersion) -> None:
    portal = make_pair(tls_door.callers / "portal", "portal")
    tls_door.tls.reload()
    async with aiohttp.ClientSession() as session:
        for pair in (None, portal):
            async with session.get(tls_door.url + "/livez", ssl=tls_door.client(pair, version=version)) as response:
                assert response.status == 200


def test_a_server_without_its_key_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingInvalid, match="tls_certificate"):
        ServerTls(certificate=tmp_path / "no.pem", key=tmp_path / "no.pem", callers=tmp_path)


async def test_an_agency_comes_in_with_its_certificate_to_bring_answers(tls_door: TlsDoor, tmp_path: Path) -> None:
    agencies = tmp_path / "agencies"
    dsmf = make_pair(agencies / "dsmf", "dsmf")
    (agencies / "dsmf" / "broken.crt.pem").write_text("no certificate")
    server = tls_door.server
    with_agencies = ServerTls(
        certificate=server.certificate, key=server.key, callers=tls_door.callers, agencies=agencies
    )
    tls_door.tls.use(with_agencies.context)
    assert await status_of(tls_door, dsmf) in {200, 401}
    stranger = make_pair(tmp_path / "stranger", "dsmf")
    with pytest.raises(aiohttp.ClientError):
        await status_of(tls_door, stranger)
