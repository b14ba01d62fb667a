"""Every rule that a request can break has its sentence, in both languages, and none quotes what was sent."""

from __future__ import annotations

from typing import Any

import pytest

from esb.contracts.json_schema import JsonValidator
from esb.errors import ContractViolation, RequestInvalid, Rule
from esb.faults import fault_of, policy_of
from esb.rule_texts import TEXTS, text_of


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_has_a_sentence_in_both_languages(rule: Rule) -> None:
    text = TEXTS[rule]
    assert text.az.endswith(".")
    assert text.en.endswith(".")
    assert text.az != text.en
    assert ("{limit}" in text.az) == ("{limit}" in text.en)


def test_what_the_rule_allows_is_in_the_sentence() -> None:
    error = RequestInvalid("is too long", path="/purpose", rule=Rule.TOO_LONG, limit="512")
    message = fault_of(error).message
    assert "512" in message.az
    assert "512" in message.en


def test_a_violation_of_an_unknown_kind_has_the_general_sentence() -> None:
    error = RequestInvalid("does not fit", path="/x")
    assert text_of(error) is None
    assert fault_of(error).message == policy_of(error).text


def test_a_limit_with_braces_is_written_as_it_is_and_a_long_one_is_cut() -> None:
    braces = text_of(RequestInvalid("", rule=Rule.FORM, limit="^[0-9A-HJ-NP-Z]{7}{limit}$"))
    assert braces is not None
    assert "{7}{limit}$" in braces.en
    long = text_of(RequestInvalid("", rule=Rule.CHOICE, limit="x" * 5000))
    assert long is not None
    assert len(long.en) < 400


@pytest.mark.parametrize(
    ("schema", "value", "rule", "limit"),
    [
        ({"type": "integer"}, "7", Rule.TYPE, "integer"),
        ({"type": ["string", "null"]}, 7, Rule.TYPE, None),
        ({"enum": ["A", "B", None]}, "C", Rule.CHOICE, "A, B, null"),
        ({"const": 3}, 4, Rule.CHOICE, "3"),
        ({"type": "string", "pattern": "^x"}, "yz", Rule.FORM, "^x"),
        ({"type": "string", "format": "date"}, "yz", Rule.FORM, "date"),
        ({"minLength": 3}, "yz", Rule.TOO_SHORT, "3"),
        ({"maxLength": 1}, "yz", Rule.TOO_LONG, "1"),
        ({"minimum": 8}, 7, Rule.TOO_SMALL, "≥ 8"),
        ({"exclusiveMinimum": 7}, 7, Rule.TOO_SMALL, "> 7"),
        ({"maximum": 6}, 7, Rule.TOO_LARGE, "≤ 6"),
        ({"exclusiveMaximum": 7}, 7, Rule.TOO_LARGE, "< 7"),
        ({"multipleOf": 2}, 7, Rule.DIGITS, "2"),
        ({"minItems": 1}, [], Rule.TOO_FEW, "1"),
        ({"maxItems": 1}, [1, 2], Rule.TOO_MANY, "1"),
        ({"uniqueItems": True}, [1, 1], Rule.TWICE, None),
        ({"required": ["a"]}, {}, Rule.REQUIRED, None),
        ({"properties": {}, "additionalProperties": False}, {"a": 1}, Rule.UNKNOWN, None),
    ],
)
def test_a_schema_tells_which_rule_was_broken_and_what_it_allows(
    schema: dict[str, Any], value: object, rule: Rule, limit: str | None
) -> None:
    with pytest.raises(ContractViolation) as caught:
        JsonValidator(schema, formats=True).validate(value)
    assert caught.value.rule is rule
    if limit is not None:
        assert caught.value.limit == limit
