"""The description made from the deployment that this tree ships, not from routes made for a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from openapi_spec_validator import validate

from adapters.composition import Adapters
from esb.codec import encode_json
from esb.inbound import openapi
from esb.routes import compiler
from esb.routes.table import RouteTable
from esb.settings import Settings

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> RouteTable:
    settings = Settings(
        home=str(tmp_path_factory.mktemp("home")),
        adapters=str(ROOT / "adapters" / "agencies"),
        schemas=str(ROOT / "schemas"),
    )
    return compiler.load(ROOT / "routes.yaml", Adapters().load(settings))


@pytest.fixture(scope="module")
def description(table: RouteTable) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.json.decode(encode_json(openapi.document(table.routes.values(), audience="esb")))
    return document


def test_the_description_of_every_route_is_valid_openapi(description: dict[str, Any], table: RouteTable) -> None:
    validate(description)
    assert {f"/v1/routes/{name}" for name in table.routes} <= set(description["paths"])


def test_every_sample_fits_the_schema_beside_it(description: dict[str, Any], table: RouteTable) -> None:
    for name in table.routes:
        post = description["paths"][f"/v1/routes/{name}"]["post"]
        asked = post["requestBody"]["content"]["application/json"]
        answered = post["responses"]["200"]["content"]["application/json"]
        jsonschema_rs.validator_for(asked["schema"]).validate(asked["examples"]["sample"]["value"])
        data = answered["schema"]["allOf"][1]["properties"]["data"]
        jsonschema_rs.validator_for(data).validate(answered["examples"]["data"]["value"]["data"])
