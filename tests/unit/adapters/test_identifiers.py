"""Which fields of a contract are taken for a person's or a company's number."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.identifiers import has_fin_rule, leaves, scheme_of, snake

TEXT: dict[str, Any] = {"type": "string"}
FIN_RULE: dict[str, Any] = {"type": "string", "pattern": "^[0-9A-HJ-NP-Z]{7}$"}


@pytest.mark.parametrize(
    "name",
    ["Pin", "PIN", "pin", "FIN", "finCode", "PinCode", "FinKod", "citizenPin", "personalNumber", "FİN", "fin_no"],
)
def test_field_named_like_a_fin_is_one(name: str) -> None:
    assert scheme_of(name, TEXT) == "FIN"
    assert scheme_of(name, FIN_RULE) == "FIN"


@pytest.mark.parametrize("name", ["voen", "VOEN", "Vöen", "TIN", "taxId"])
def test_field_named_like_a_voen_is_one(name: str) -> None:
    assert scheme_of(name, TEXT) == "VOEN"


@pytest.mark.parametrize("name", ["pinned", "final", "finish", "opinion", "spin", "name", "tinted"])
def test_field_that_only_holds_such_letters_is_none(name: str) -> None:
    assert scheme_of(name, TEXT) is None


@pytest.mark.parametrize(
    "schema", [{"type": "integer"}, {"type": "string", "maxLength": 4}, {"type": "string", "enum": ["a"]}, {}]
)
def test_field_whose_rules_refuse_every_fin_is_none(schema: dict[str, Any]) -> None:
    assert scheme_of("pin", schema) is None


def test_rule_of_a_fin_refuses_what_cannot_be_one() -> None:
    assert has_fin_rule(FIN_RULE)
    assert not has_fin_rule(TEXT)
    assert not has_fin_rule({"type": "string", "minLength": 7, "maxLength": 7})


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("GetPersonByPIN", "get_person_by_pin"),
        ("HTTPServer2", "http_server2"),
        ("Soyadı", "soyadi"),
        ("ÜnvanŞəhər", "unvan_seher"),
        ("Ф", ""),
    ],
)
def test_names_become_plain_words(name: str, plain: str) -> None:
    assert snake(name) == plain


def test_leaves_are_told_with_the_way_to_them() -> None:
    inner = {"type": "object", "properties": {"b": TEXT, "c": {"type": "array", "items": TEXT}}, "required": ["b"]}
    schema = {"type": "object", "properties": {"a": inner, "d": TEXT}, "required": ["a"]}
    assert [(leaf.path, leaf.required) for leaf in leaves(schema)] == [("a.b", True), ("a.c", False), ("d", False)]
