"""Mutual TLS towards an agency: who is believed, and who the bus says that it is."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from adapters.endpoint import Endpoint, resolve
from adapters.manifest import TlsFiles
from adapters.transport import Transport
from esb.errors import AgencyTimeout, AgencyUnreachable
from esb.ports import OutgoingCall, RawAnswer
from esb.settings import Settings
from security import certificates, keys
from security.keys import Algorithm, SigningKey
from tests.support.soap_agency import manifest_of

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<ok/>"


class Authority:
    """A certificate authority with a folder; names in it are what manifests point to."""

    def __init__(self, folder: Path, name: str) -> None:
        self._now = datetime.now(UTC)
        self._folder = folder
        self._name = name
        self.key = certificates.make_authority(
            keys.generate(Algorithm.ES256, self._now),
            common_name=name,
            organisation="test",
            now=self._now,
            valid_days=5,
        )
        self.ca = self._saved(self.key)[0]

    def issued(self, name: str, *, ip: str = "127.0.0.1") -> tuple[str, str]:
        """File names of a new certificate and its key."""
        return self._saved(
            certificates.issue(
                self.key,
                keys.generate(Algorithm.ES256, self._now),
                common_name=name,
                organisation="test",
                now=self._now,
                valid_days=5,
                san_ips=[ip],
            )
        )

    def _saved(self, key: SigningKey) -> tuple[str, str]:
        folder = self._folder / self._name
        keys.save(key, folder, passphrase="")
        return f"{self._name}/{key.kid}.crt.pem", f"{self._name}/{key.kid}.key.pem"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


@asynccontextmanager
async def agency(home: Path, certificate: tuple[str, str], *, clients: str | None = None) -> AsyncIterator[str]:
    """A TLS server that answers once per connection; `clients`: the authority whose clients it lets in."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(home / certificate[0], home / certificate[1])
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(home / clients)

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=context)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


async def ask(home: Path, url: str, files: TlsFiles) -> RawAnswer:
    manifest = msgspec.structs.replace(manifest_of("din-reg"), tls=files)
    async with Transport() as transport:
        settings = Settings(home=str(home), endpoints={"din-reg": url})
        endpoint, findings = resolve(manifest, settings, transport)
        assert findings == ()
        return await sent(endpoint, url)


async def sent(endpoint: Endpoint, url: str) -> RawAnswer:
    call = OutgoingCall(method="GET", url=url, headers={}, body=b"")
    return await endpoint.send(call, endpoint.destination("x"), timeout_s=5)


async def test_agency_with_a_certificate_of_the_named_authority_is_believed(
    tmp_path: Path, authority: Authority
) -> None:
    async with agency(tmp_path, authority.issued("agency")) as url:
        assert (await ask(tmp_path, url, TlsFiles(ca=authority.ca))).body == b"<ok/>"


async def test_agency_with_a_certificate_of_another_authority_is_sent_nothing(
    tmp_path: Path, authority: Authority
) -> None:
    stranger = Authority(tmp_path, "stranger")
    async with agency(tmp_path, stranger.issued("agency")) as url:
        with pytest.raises(AgencyUnreachable, match="TLS handshake refused"):
            await ask(tmp_path, url, TlsFiles(ca=authority.ca))


async def test_agency_with_a_certificate_for_another_address_is_sent_nothing(
    tmp_path: Path, authority: Authority
) -> None:
    async with agency(tmp_path, authority.issued("agency", ip="192.0.2.1")) as url:
        with pytest.raises(AgencyUnreachable, match="TLS handshake refused"):
            await ask(tmp_path, url, TlsFiles(ca=authority.ca))


async def test_bus_shows_its_client_certificate(tmp_path: Path, authority: Authority) -> None:
    certificate, key = authority.issued("bus")
    files = TlsFiles(ca=authority.ca, client_certificate=certificate, client_key=key)
    async with agency(tmp_path, authority.issued("agency"), clients=authority.ca) as url:
        assert (await ask(tmp_path, url, files)).body == b"<ok/>"


async def test_bus_without_the_client_certificate_gets_no_answer(tmp_path: Path, authority: Authority) -> None:
    async with agency(tmp_path, authority.issued("agency"), clients=authority.ca) as url:
        # In TLS 1.3 the client's half of the handshake is done before the server refuses, so bytes may have left.
        with pytest.raises((AgencyTimeout, AgencyUnreachable)):
            await ask(tmp_path, url, TlsFiles(ca=authority.ca))
