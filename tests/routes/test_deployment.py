"""The deployment of this tree, compiled against the contracts it really uses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import jsonschema_rs
import pytest

from adapters import registry
from adapters.agency_keys import AgencyKeys
from adapters.transport import Transport
from esb import settings
from esb.model import CallerName, RouteId
from esb.routes import compiler
from esb.routes.table import CallRoute, GatherRoute, RouteTable

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def catalogue() -> AsyncIterator[registry.Catalogue]:
    """Every adapter of the tree, on a machine without keys."""
    found = settings.load(
        {"ESB_ADAPTERS": str(ROOT / "adapters/agencies"), "ESB_SCHEMAS": str(ROOT / "schemas")},
        file=ROOT / "no-such-file",
    )
    transport = Transport()
    yield registry.load(found, AgencyKeys(), transport)
    await transport.close()


@pytest.fixture
async def table(catalogue: registry.Catalogue) -> RouteTable:
    return compiler.load(ROOT / "routes.yaml", catalogue)


async def test_the_deployment_has_nothing_to_complain_about(catalogue: registry.Catalogue) -> None:
    assert compiler.check(ROOT / "routes.yaml", catalogue) == ()


async def test_the_deployment_holds_the_routes_of_the_portal(table: RouteTable) -> None:
    assert list(table.routes) == [
        "person.identity",
        "person.address",
        "diploma.by-person",
        "student.status",
        "credit.obligations",
        "person.overview",
    ]
    overview = table.routes[RouteId("person.overview")]
    assert isinstance(overview, GatherRoute)
    assert overview.require == "any"
    assert {name: member.id for name, member in overview.members.items()} == {
        "identity": "person.identity",
        "diplomas": "diploma.by-person",
        "credits": "credit.obligations",
    }


async def test_every_sample_fits_its_schema_and_its_contract(table: RouteTable) -> None:
    for route in table.routes.values():
        jsonschema_rs.meta.validate(route.request_schema)
        jsonschema_rs.meta.validate(route.reply_schema)
        route.validator.validate(route.request_sample)
        jsonschema_rs.validate(route.reply_schema, route.reply_sample)
        assert route.request_sample["subject"] == {"scheme": "FIN", "value": "7TESTX1"}
        if isinstance(route, CallRoute):
            assert route.operation.encode(route.build_request(route.request_sample))


async def test_every_field_of_the_contracts_reply_reaches_the_portal(
    table: RouteTable, catalogue: registry.Catalogue
) -> None:
    envelope = {"ResultCode", "ResultText", "AsOf", "asOf", "pin"}  # told by status, as_of and the request itself
    for route in table.routes.values():
        if isinstance(route, CallRoute):
            told = leaves(route.reply_sample)
            sample = catalogue.shape(route.agency, route.operation_name).reply_sample
            assert told >= leaves({name: value for name, value in sample.items() if name not in envelope})


def leaves(value: object) -> int:
    """How many plain values there are in all."""
    if isinstance(value, dict):
        return sum(leaves(inner) for inner in value.values())
    return sum(leaves(inner) for inner in value) if isinstance(value, list | tuple) else 1


async def test_the_ministry_may_ask_for_vemtas_alone(table: RouteTable) -> None:
    assert set(table.callers) == {CallerName("portal"), CallerName("eesmn")}
    assert table.grants.permits("eesmn", "credit.obligations", "VEMTAS application")
    assert not table.grants.permits("eesmn", "credit.obligations", "curiosity")
    assert not table.grants.permits("eesmn", "credit.obligations", None)
    assert not table.grants.permits("eesmn", "student.status", "VEMTAS application")
    assert all(table.grants.permits("portal", route, None) for route in table.routes)


async def test_no_credits_is_an_empty_list_and_never_not_found(table: RouteTable) -> None:
    route = table.routes[RouteId("credit.obligations")]
    assert isinstance(route, CallRoute)
    answer = {"AsOf": "2026-11-01", "Credits": {"Credit": []}}
    assert not route.says_not_found(answer)
    assert route.build_reply(answer) == {"as_of": "2026-11-01", "credits": []}


async def test_a_person_the_register_does_not_know_is_not_found(table: RouteTable) -> None:
    for name in ("person.identity", "person.address"):
        route = table.routes[RouteId(name)]
        assert isinstance(route, CallRoute)
        assert route.says_not_found({"ResultCode": "404", "ResultText": "tapılmadı"})
        assert not route.says_not_found({"ResultCode": "000", "ResultText": "ok"})
