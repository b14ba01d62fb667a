"""Callers by client certificate: the whole bus behind its mutual-TLS listener."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from security import certificates, keys
from security.keys import Algorithm, SigningKey
from tests.support.agencies import Agencies
from tests.support.bus import PURPOSE, Got, LiveBus, free_port, start
from tests.support.quick_bus import quick_settings
from tests.support.replies import check, check_form, recorded

BODY = json.dumps({"subject": {"scheme": "FIN", "value": "7TESTX1"}, **PURPOSE}).encode()


@dataclass(frozen=True, kw_only=True)
class TlsBus:
    """A bus with a plain and a mutual-TLS listener; `server` is its server certificate."""

    bus: LiveBus
    server: Path

    def ask(self, client: Path | None, *, route: str = "person.identity", token: str | None = None) -> Got:
        """One question; `client` is the folder of the certificate and key that the client shows."""
        context = ssl.create_default_context(cafile=str(self.server))
        context.check_hostname = False
        if client is not None:
            context.load_cert_chain(next(client.glob("*.crt.pem")), next(client.glob("*.key.pem")))
        host, _, port = self.bus.settings.https.partition(":")
        connection = HTTPSConnection(host, int(port), context=context, timeout=30)
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        try:
            connection.request("POST", f"/v1/routes/{route}", BODY, headers)
            response = connection.getresponse()
            got = {name.lower(): value for name, value in response.getheaders()}
            return Got(status=response.status, headers=got, body=response.read())
        finally:
            connection.close()

    def caller(self, name: str) -> Path:
        return Path(self.bus.settings.home) / "keys" / "callers" / name


def certified(name: str, folder: Path) -> SigningKey:
    now = datetime.now(UTC)
    key = certificates.self_signed(
        keys.generate(Algorithm.ES256, now),
        common_name=name,
        organisation="Test",
        now=now,
        valid_days=2,
        san_ips=["127.0.0.1"],
    )
    keys.save(key, folder, passphrase="")
    return key


@pytest.fixture(scope="module")
def shared_tls_bus(running_agencies: Agencies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsBus]:
    home = tmp_path_factory.mktemp("tls")
    server = certified("esb", home / "server")
    settings = quick_settings(
        running_agencies,
        home,
        https=f"127.0.0.1:{free_port()}",
        tls_certificate=str(home / "server" / f"{server.kid}.crt.pem"),
        tls_key=str(home / "server" / f"{server.kid}.key.pem"),
    )
    bus = start(settings)
    yield TlsBus(bus=bus, server=Path(settings.tls_certificate))
    bus.stop()


@pytest.fixture
def tls_bus(shared_tls_bus: TlsBus, agencies: Agencies) -> TlsBus:
    return shared_tls_bus


def test_a_client_certificate_says_who_is_calling(tls_bus: TlsBus) -> None:
    got = tls_bus.ask(tls_bus.caller("portal"))
    check_form(tls_bus.bus, got)
    assert (got.status, got.reply["status"]) == (200, "OK")
    assert recorded(tls_bus.bus, got)[0]["caller"] == "portal"


def test_a_certificate_gives_its_own_callers_grants_and_no_others(tls_bus: TlsBus) -> None:
    check(tls_bus.bus, tls_bus.ask(tls_bus.caller("eesmn"), route="person.address"), 403, "caller.no-grant")


def test_a_certificate_of_nobody_does_not_get_past_the_handshake(tls_bus: TlsBus, tmp_path: Path) -> None:
    certified("portal", tmp_path)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        tls_bus.ask(tmp_path)


def test_over_tls_a_token_alone_is_enough_and_nothing_is_not(tls_bus: TlsBus) -> None:
    assert tls_bus.ask(None, token=tls_bus.bus.token()).status == 200
    check(tls_bus.bus, tls_bus.ask(None), 401, "caller.unknown")


def test_a_token_and_a_certificate_of_one_caller_agree(tls_bus: TlsBus) -> None:
    assert tls_bus.ask(tls_bus.caller("portal"), token=tls_bus.bus.token()).status == 200


def test_a_token_and_a_certificate_of_different_callers_are_refused(tls_bus: TlsBus) -> None:
    got = tls_bus.ask(tls_bus.caller("eesmn"), token=tls_bus.bus.token("portal"))
    check(tls_bus.bus, got, 401, "caller.unknown", advice="FIX")
    got = tls_bus.ask(tls_bus.caller("portal"), token="a.b.c")
    check(tls_bus.bus, got, 401, "caller.token", advice="FIX")


def test_a_certificate_registered_while_the_bus_runs_is_known_after_a_reload(tls_bus: TlsBus, tmp_path: Path) -> None:
    certified("portal", tmp_path)
    registered = tls_bus.caller("portal") / "second.crt.pem"
    registered.write_bytes(next(tmp_path.glob("*.crt.pem")).read_bytes())
    assert tls_bus.bus.esb("routes", "reload").returncode == 0
    assert tls_bus.ask(tmp_path).status == 200
    registered.unlink()
    assert tls_bus.bus.esb("routes", "reload").returncode == 0
    with pytest.raises((ssl.SSLError, ConnectionError)):
        tls_bus.ask(tmp_path)


def test_a_reload_with_an_unusable_server_certificate_changes_nothing(tls_bus: TlsBus) -> None:
    before = tls_bus.server.read_bytes()
    tls_bus.server.write_bytes(b"not a certificate")
    try:
        done = tls_bus.bus.esb("routes", "reload")
        assert done.returncode == 1
        assert "the old table stays in use" in done.stderr
    finally:
        tls_bus.server.write_bytes(before)
    assert tls_bus.ask(tls_bus.caller("portal")).status == 200
