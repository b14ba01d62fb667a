"""No proposal has a caller bring what the agency gave to the bus alone."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.placeholders import is_placeholder
from adapters.scaffolding.mapping import Mapped, mapped
from adapters.scaffolding.route_text import routes_text
from esb.ports import FieldShape

TEXT: dict[str, Any] = {"type": "string"}


def proposed(request: dict[str, Any], *, required: tuple[str, ...] = ()) -> Mapped:
    schema = {"type": "object", "properties": request, "required": list(required)}
    return mapped(
        FieldShape(
            request_schema=schema,
            reply_schema={"type": "object", "properties": {"ok": TEXT}},
            request_sample=dict.fromkeys(request, "text"),
            reply_sample={"ok": "text"},
        )
    )


@pytest.mark.parametrize(
    "name",
    ["token", "password", "Pwd", "userPassword", "apiKey", "api_key", "AccessToken", "authToken", "secret", "şifrə"],
)
def test_a_credential_is_left_out_of_the_mapping(name: str) -> None:
    proposal = proposed({"Pin": TEXT, name: TEXT})
    assert proposal.request == {"Pin": "subject.value"}
    assert proposal.credentials == (name,)
    assert "parameters" not in proposal.sample


def test_the_user_beside_a_password_is_left_out_too() -> None:
    assert proposed({"Pin": TEXT, "user": TEXT, "password": TEXT}).credentials == ("user", "password")
    assert proposed({"Pin": TEXT, "userId": TEXT}).request["userId"] == "parameters.user_id"


@pytest.mark.parametrize("name", ["passport", "passportNumber", "tokenised", "secretary", "keyword", "apiVersion"])
def test_a_field_that_only_begins_so_is_a_parameter(name: str) -> None:
    assert proposed({name: TEXT}).credentials == ()


def test_a_credential_of_a_header_is_proposed_for_the_manifest() -> None:
    header = {"type": "object", "properties": {"auth": {"type": "object", "properties": {"token": TEXT}}}}
    text, _ = routes_text("heat", {"Find": proposed({"Pin": TEXT, "$header": header})}, titles={})
    assert "soap_headers: {auth: {secrets: {token: NAME}}}" in text
    assert "parameters" not in text


def test_a_credential_that_the_contract_requires_is_a_constant_to_be_replaced() -> None:
    proposal = proposed({"Pin": TEXT, "token": TEXT}, required=("Pin", "token"))
    assert proposal.request == {"Pin": "subject.value", "token": "'FILL IN'"}
    assert is_placeholder(proposal.request["token"])
