"""One simulated agency as a value in the test's own loop: ports, control, start and stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from adapters.simulator import Simulator, launch, parse, provision
from esb.errors import ConfigurationError, SettingInvalid
from esb.settings import Settings
from security.errors import KeyUnavailable
from tests.support.agencies import ROOT, make_bus_key


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    make_bus_key(home)
    for agency in ("din-reg", "tn-tm"):
        provision(home, agency, now=datetime.now(UTC))
    return home


@pytest.fixture
def settings(home: Path) -> Settings:
    return Settings(home=str(home), adapters=str(ROOT / "adapters" / "agencies"), schemas=str(ROOT / "schemas"))


@pytest.fixture
async def simulator(home: Path, settings: Settings) -> AsyncIterator[Simulator]:
    running = await Simulator.start(agency="din-reg", settings=settings, home=home)
    yield running
    await running.stop()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def state_of(response: aiohttp.ClientResponse) -> dict[str, Any]:
    state: dict[str, Any] = await response.json()
    return state


async def has_been_asked(simulator: Simulator) -> None:
    while not simulator.refusals:  # noqa: ASYNC110 - a counter has no event
        await asyncio.sleep(0.01)


async def test_what_is_not_soap_gets_a_signed_fault(simulator: Simulator, client: aiohttp.ClientSession) -> None:
    async with client.post(simulator.url, data=b"hello") as response:
        body = await response.read()
    assert response.status == 500
    assert b"XmlRefused" in body
    assert b"SignatureValue" in body
    assert simulator.refusals == {"Client.Security.XmlRefused": 1}


async def test_control_switches_behaviour_and_tells_the_state(
    simulator: Simulator, client: aiohttp.ClientSession
) -> None:
    wanted = {"behaviours": ["status=418,next=2"]}
    async with client.post(f"{simulator.control_url}/behaviours", json=wanted) as response:
        state = await state_of(response)
    assert state["agency"] == "din-reg"
    assert [(on["kind"], on["amount"], on["next"]) for on in state["behaviours"]] == [("status", 418, 2)]
    async with client.post(simulator.url, data=b"hello") as response:
        assert response.status == 418
    async with client.delete(f"{simulator.control_url}/behaviours") as response:
        assert (await state_of(response))["behaviours"] == []
    async with client.delete(f"{simulator.control_url}/calls") as response:
        assert (await state_of(response))["refusals"] == {}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"behaviours": ["hnag"]}', "did you mean 'hang'"),
        ('{"behaviour": ["hang"]}', "unknown field"),
        ("hang", "malformed"),
    ],
)
async def test_control_refuses_what_it_does_not_understand(
    simulator: Simulator, client: aiohttp.ClientSession, body: str, said: str
) -> None:
    async with client.post(f"{simulator.control_url}/behaviours", data=body) as response:
        assert response.status == 400
        assert said in (await state_of(response))["error"]
    assert simulator.behaviours == ()


async def test_refusing_agency_keeps_its_port_and_comes_back_on_it(
    simulator: Simulator, client: aiohttp.ClientSession
) -> None:
    url = simulator.url
    await simulator.behave([parse("refuse")])
    with pytest.raises(aiohttp.ClientConnectorError):
        await client.post(url, data=b"hello")
    await simulator.behave_well()
    async with client.post(url, data=b"hello") as response:
        assert response.status == 500
    assert simulator.url == url


async def test_refusing_agency_drops_connections_that_are_open(
    simulator: Simulator, client: aiohttp.ClientSession
) -> None:
    await simulator.behave([parse("hang")])
    asked = asyncio.create_task(client.post(simulator.url, data=b"hello"))
    await has_been_asked(simulator)
    await simulator.behave([parse("refuse")])
    with pytest.raises(aiohttp.ClientConnectionError):
        await asked


async def test_stop_does_not_wait_for_a_hanging_call(
    home: Path, settings: Settings, client: aiohttp.ClientSession
) -> None:
    simulator = await Simulator.start(agency="din-reg", settings=settings, home=home, behaviours=[parse("hang")])
    asked = asyncio.create_task(client.post(simulator.url, data=b"hello"))
    await has_been_asked(simulator)
    await asyncio.wait_for(simulator.stop(), 10)
    await simulator.stop()
    with pytest.raises(aiohttp.ClientConnectionError):
        await asked


async def test_without_control_nothing_else_listens(home: Path, settings: Settings) -> None:
    simulator = await Simulator.start(agency="din-reg", settings=settings, home=home, control=False)
    assert simulator.control_url == ""
    await simulator.stop()


async def test_json_agency_says_that_it_has_no_dtd(home: Path, settings: Settings) -> None:
    with pytest.raises(SettingInvalid, match="tn-tm cannot do 'dtd'"):
        await Simulator.start(agency="tn-tm", settings=settings, home=home, behaviours=[parse("dtd")])


async def test_port_in_use_is_said_with_its_number(home: Path, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingInvalid, match=str(port)):
            await Simulator.start(agency="din-reg", settings=settings, home=home, port=port)


async def test_agency_without_files_is_refused(home: Path, settings: Settings) -> None:
    with pytest.raises(ConfigurationError):
        await Simulator.start(agency="no-such", settings=settings, home=home)


async def test_agency_without_keys_is_refused_with_advice(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(KeyUnavailable):
        await Simulator.start(agency="din-reg", settings=settings, home=tmp_path)


async def test_record_that_breaks_the_contract_is_found_at_start(
    home: Path, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "din-reg"
    folder.mkdir()
    for name in ("adapter.yaml", "simulator.yaml"):
        text = (ROOT / "adapters" / "agencies" / "din-reg" / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace("Sex: F", "Sex: X", 1), encoding="utf-8")
    broken = Settings(home=str(home), adapters=str(tmp_path), schemas=settings.schemas)
    with pytest.raises(ConfigurationError, match=r"GetPersonByPin for 7TESTX1: .*Sex"):
        await Simulator.start(agency="din-reg", settings=broken, home=home)


def test_provision_needs_the_bus_to_have_a_key(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="esb keys new"):
        provision(tmp_path, "din-reg", now=datetime.now(UTC))


def test_provision_twice_changes_no_key_and_follows_the_bus(tmp_path: Path) -> None:
    first = make_bus_key(tmp_path)
    provision(tmp_path, "din-reg", now=datetime.now(UTC))
    before = sorted((tmp_path / "simulator" / "din-reg").glob("*.pem"))
    second = make_bus_key(tmp_path)
    provision(tmp_path, "din-reg", now=datetime.now(UTC))
    assert sorted((tmp_path / "simulator" / "din-reg").glob("*.pem")) == before
    trusted = {path.name.removesuffix(".crt.pem") for path in (tmp_path / "simulator" / "din-reg" / "trust").iterdir()}
    assert trusted == {first.kid, second.kid}
    assert not (tmp_path / "keys" / "agencies").exists()


@pytest.mark.parametrize("environment", ["test", "live"])
def test_simulator_is_for_simulated_buses_and_makes_nothing_elsewhere(tmp_path: Path, environment: str) -> None:
    make_bus_key(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SettingInvalid, match=f"this is {environment}: nothing was made.*ESB_ENVIRONMENT=simulated"):
        launch.run(["din-reg"], settings=Settings(home=str(tmp_path), environment=environment), port=0)
    assert sorted(tmp_path.rglob("*")) == before


async def test_control_address_is_loopback(simulator: Simulator) -> None:
    assert urlsplit(simulator.control_url).hostname == "127.0.0.1"
