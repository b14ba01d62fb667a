"""What can be read beside messages, and how little of it by somebody unknown."""

from __future__ import annotations

import asyncio
import re

import aiohttp
import pytest
from openapi_spec_validator import validate

from esb.errors import SettingInvalid
from esb.inbound import docs, openapi_paths
from tests.support.http_door import EESMN, KEY, PORTAL, RunningDoor, ScriptedBus, reply_of, running

NAMES_OF_ROUTES = ("person.identity", "credit.obligations")


async def test_a_caller_sees_the_routes_it_may_ask_and_no_others(portal: aiohttp.ClientSession) -> None:
    async with portal.get("/v1/routes", headers=EESMN) as response:
        listed = await reply_of(response)
    assert [route["id"] for route in listed["routes"]] == ["credit.obligations"]
    assert listed["routes"][0]["title"] == {"az": "Şəxsiyyət məlumatları", "en": "Identity of a person"}
    assert "request_schema" not in listed["routes"][0]


async def test_one_route_comes_with_schemas_and_samples(portal: aiohttp.ClientSession) -> None:
    async with portal.get("/v1/routes/person.identity", headers=PORTAL) as response:
        route = await reply_of(response)
    assert route["request_sample"] == {"subject": {"scheme": "FIN", "value": "7TESTX1"}}
    assert {"request_schema", "reply_schema", "reply_sample", "legal_basis", "audience"} <= route.keys()


@pytest.mark.parametrize("path", ["/v1/routes/person.identity", "/v1/routes/no.such"])
async def test_a_route_without_a_grant_looks_like_one_that_does_not_exist(
    portal: aiohttp.ClientSession, path: str
) -> None:
    async with portal.get(path, headers=EESMN) as response:
        reply = await reply_of(response)
    assert response.status == 404
    assert reply["faults"][0]["code"] == "route.unknown"


@pytest.mark.parametrize("path", ["/v1/routes", "/v1/routes/person.identity", "/v1/routes/no.such", "/v1/replies"])
async def test_somebody_unknown_is_told_nothing_about_routes(portal: aiohttp.ClientSession, path: str) -> None:
    async with portal.get(path) as response:
        reply = await reply_of(response)
    assert response.status == 401
    assert reply["faults"][0]["code"] == "caller.unknown"


@pytest.mark.parametrize("path", ["/openapi.json", "/docs", "/readyz", "/livez", "/.well-known/jwks.json"])
async def test_no_public_page_names_a_route(portal: aiohttp.ClientSession, path: str) -> None:
    async with portal.get(path) as response:
        text = await response.text()
    assert response.status == 200
    assert not [name for name in NAMES_OF_ROUTES if name in text]


async def test_the_public_description_is_valid_openapi(portal: aiohttp.ClientSession) -> None:
    async with portal.get("/openapi.json") as response:
        description = await response.json()
    validate(description)
    assert description["openapi"].startswith("3.1")
    assert set(description["paths"]) == set(openapi_paths.GENERIC)


async def test_a_callers_description_is_valid_and_holds_its_own_routes(portal: aiohttp.ClientSession) -> None:
    async with portal.get("/openapi.json", headers=EESMN) as response:
        description = await response.json()
    validate(description)
    assert "/v1/routes/credit.obligations" in description["paths"]
    assert "/v1/routes/person.identity" not in description["paths"]
    assert response.headers["Cache-Control"] == "private, no-store"


async def test_wrong_credentials_do_not_turn_into_the_public_description(portal: aiohttp.ClientSession) -> None:
    async with portal.get("/openapi.json", headers={"Authorization": "Bearer forged"}) as response:
        await reply_of(response)
    assert response.status == 401


async def test_the_door_answers_every_call_that_the_description_names(portal: aiohttp.ClientSession) -> None:
    async with portal.get("/openapi.json") as response:
        description = await response.json()
    for path, item in description["paths"].items():
        for method in item.keys() & {"get", "post"}:
            address = path.replace("{route}", "person.identity").replace(
                "{message_id}", "00000000-0000-4000-8000-000000000000"
            )
            async with portal.request(method, address, headers=PORTAL, data=b"{}" if method == "post" else None) as got:
                assert str(got.status) in item[method]["responses"], (method, path)
                assert got.status not in {405, 500}


async def test_every_fault_of_the_table_is_described(portal: aiohttp.ClientSession) -> None:
    async with portal.get("/openapi.json") as response:
        responses = (await response.json())["components"]["responses"]
    codes = {fault["code"] for one in responses.values() for fault in one["x-faults"]}
    assert {"request.schema", "caller.token", "message.duplicate", "agency.timeout", "journal.failed"} <= codes


async def test_the_keys_of_the_bus_are_public(portal: aiohttp.ClientSession) -> None:
    async with portal.get("/.well-known/jwks.json") as response:
        keys = await response.json(content_type="application/jwk-set+json")
    assert [key["kid"] for key in keys["keys"]] == [KEY.kid]
    assert "d" not in keys["keys"][0]


async def test_readiness_names_each_dependency_and_its_state(
    portal: aiohttp.ClientSession, http_door: RunningDoor
) -> None:
    http_door.health["broker"] = "connection refused"
    async with portal.get("/readyz") as response:
        report = await response.json()
    assert response.status == 503
    assert report == {
        "status": "not ready",
        "dependencies": {"journal": {"state": "up"}, "broker": {"state": "down", "reason": "connection refused"}},
    }


async def test_reasons_and_numbers_are_for_trusted_networks_only(bus: ScriptedBus) -> None:
    async with running(bus, metrics_from="10.0.0.0/8") as door, aiohttp.ClientSession(door.url) as session:
        door.health["broker"] = "connection refused by 10.1.2.3"
        async with session.get("/readyz") as response:
            report = await response.json()
        async with session.get("/metrics") as numbers:
            reply = await reply_of(numbers)
    assert report["dependencies"]["broker"] == {"state": "down"}
    assert numbers.status == 404
    assert reply["faults"][0]["code"] == "route.unknown"


async def test_networks_that_cannot_be_read_keep_the_door_shut(bus: ScriptedBus) -> None:
    with pytest.raises(SettingInvalid, match="metrics_from"):
        async with running(bus, metrics_from="localhost"):
            pass


async def test_probes_at_one_time_share_one_look(bus: ScriptedBus) -> None:
    async with running(bus) as door, aiohttp.ClientSession(door.url) as session:
        responses = await asyncio.gather(*(session.get("/readyz") for _ in range(5)))
        assert [response.status for response in responses] == [200] * 5
        assert door.looks() == 1


async def test_numbers_are_prometheus_text(portal: aiohttp.ClientSession, http_door: RunningDoor) -> None:
    http_door.metrics.exchange_finished("person.identity", "OK", 0.02)
    async with portal.get("/metrics") as response:
        text = await response.text()
    assert response.content_type == "text/plain"
    assert 'esb_exchange_seconds_count{route="person.identity",status="OK"} 1.0' in text


async def test_the_documentation_page_loads_nothing_from_elsewhere(portal: aiohttp.ClientSession) -> None:
    async with portal.get("/docs") as response:
        html = await response.text()
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert policy.count("'sha256-") == 2
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?https?:""", html)
    assert "Azərbaycan" in html or "Elektron Hökumət" in html
    assert docs.page().body.decode() == html


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/docs"])
async def test_load_balancers_may_ask_for_the_head_alone(portal: aiohttp.ClientSession, path: str) -> None:
    async with portal.head(path) as response:
        assert response.status == 200
        assert await response.read() == b""


async def test_a_closed_door_does_not_fall_to_a_second_bus_on_the_same_port(bus: ScriptedBus) -> None:
    async with running(bus) as door:
        with pytest.raises(SettingInvalid, match="cannot listen"):
            await door.door.listen(door.url.removeprefix("http://"))


@pytest.mark.parametrize("address", ["8080", "127.0.0.1:", ":8080", "127.0.0.1:http", "127.0.0.1:99999"])
async def test_an_address_that_cannot_be_read_is_a_wrong_setting(http_door: RunningDoor, address: str) -> None:
    with pytest.raises(SettingInvalid):
        await http_door.door.listen(address)


async def test_workers_share_a_port_when_told_to(bus: ScriptedBus) -> None:
    async with running(bus) as first, running(bus) as second:
        host, port = await first.door.listen("127.0.0.1:0", share_port=True)
        assert await second.door.listen(f"{host}:{port}", share_port=True) == (host, port)
