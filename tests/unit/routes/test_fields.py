"""The field table mechanism, over a small table that has every kind of field."""

from __future__ import annotations

import json
from typing import Any

import jsonschema_rs
import pytest

from esb.model import Finding, Text
from esb.routes import document, reference
from esb.routes.deployment import FILE_FIELDS
from esb.routes.fields import Field, Fields, Kind, defaults, read

WORDS = Text(az="söz", en="word")


def field(name: str, kind: Kind, **details: Any) -> Field:
    return Field(name=name, kind=kind, description=WORDS, **details)


INNER: Fields = (
    field("attempts", Kind.INTEGER, default=1, minimum=1, maximum=10),
    field("delay_s", Kind.NUMBER, default=0.5, minimum=0.1),
)
TABLE: Fields = (
    field("title", Kind.TEXT, required=True),
    field("owner", Kind.STRING, required=True, pattern="[a-z-]+", example="din-reg"),
    field("kind", Kind.CHOICE, choices=("soap", "rest")),
    field("count", Kind.INTEGER, default=3, maximum=10),
    field("ratio", Kind.NUMBER),
    field("on", Kind.BOOLEAN, default=False),
    field("codes", Kind.STRINGS, default=(), non_empty=True),
    field("days", Kind.STRINGS, choices=("mon", "tue")),
    field("ports", Kind.INTEGERS, minimum=1, maximum=65535),
    field("endpoints", Kind.PAIRS, key_pattern="[a-z]+"),
    field("retry", Kind.RECORD, default={}, fields=INNER),
    field("tls", Kind.RECORD, fields=INNER),
    field("windows", Kind.RECORDS, default=(), fields=INNER),
    field("rows", Kind.TABLE, key_pattern="[a-z]+", fields=INNER),
)


def read_text(text: str) -> tuple[dict[str, Any], list[str]]:
    root = document.parse(text, file="x.yaml").root
    assert root is not None
    values, findings = read(root, TABLE, "x.yaml")
    return values, [str(finding) for finding in findings]


REQUIRED = "title: {az: a, en: b}\nowner: din-reg\n"


def test_every_declared_field_is_in_the_values_and_defaults_fill_the_gaps() -> None:
    values, findings = read_text(REQUIRED)
    assert findings == []
    assert values == {
        "title": Text(az="a", en="b"),
        "owner": "din-reg",
        "kind": None,
        "count": 3,
        "ratio": None,
        "on": False,
        "codes": (),
        "days": None,
        "ports": None,
        "endpoints": None,
        "retry": {"attempts": 1, "delay_s": 0.5},
        "tls": None,
        "windows": (),
        "rows": None,
    }
    assert defaults(INNER) == {"attempts": 1, "delay_s": 0.5}


def test_every_kind_is_read_as_its_python_value() -> None:
    values, findings = read_text(
        REQUIRED
        + """\
kind: rest
count: 7
ratio: 2
on: true
codes: [a, "b c"]
days: [tue]
ports: [80, 443]
endpoints: {live: "http://x", test: y}
retry: {attempts: 2}
tls: {delay_s: 1}
windows: [{attempts: 4}]
rows: {one: {}, two: {attempts: 9}}
"""
    )
    assert findings == []
    assert values["ratio"] == 2.0
    assert isinstance(values["ratio"], float)
    assert (values["kind"], values["count"], values["on"]) == ("rest", 7, True)
    assert (values["codes"], values["days"], values["ports"]) == (("a", "b c"), ("tue",), (80, 443))
    assert values["endpoints"] == {"live": "http://x", "test": "y"}
    assert (values["retry"], values["tls"]) == ({"attempts": 2, "delay_s": 0.5}, {"attempts": 1, "delay_s": 1.0})
    assert values["windows"] == ({"attempts": 4, "delay_s": 0.5},)
    assert values["rows"]["two"]["attempts"] == 9


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("onwer: x", "x.yaml:3: error: unknown key 'onwer' (did you mean 'owner'?)"),
        ("zzzzzzz: x", "x.yaml:3: error: unknown key 'zzzzzzz'"),
        ("retry: {atempts: 2}", "x.yaml:3: error: retry: unknown key 'atempts' (did you mean 'attempts'?)"),
        ("rows: {one: {delay: 1}}", "x.yaml:3: error: rows.one: unknown key 'delay' (did you mean 'delay_s'?)"),
        ("windows: [{}, {delay: 1}]", "x.yaml:3: error: windows[1]: unknown key 'delay' (did you mean 'delay_s'?)"),
        ("kind: sopa", "x.yaml:3: error: kind: 'sopa' is not one of soap, rest (did you mean 'soap'?)"),
        ("days: [mon, tus]", "x.yaml:3: error: days[1]: 'tus' is not one of mon, tue (did you mean 'tue'?)"),
        ("count: many", "x.yaml:3: error: count must be a whole number, not 'many'"),
        ("count: 1.5", "x.yaml:3: error: count must be a whole number, not '1.5'"),
        ("count: true", "x.yaml:3: error: count must be a whole number, not 'true'"),
        ("count: 11", "x.yaml:3: error: count must be at most 10, not 11"),
        ("retry: {attempts: 0}", "x.yaml:3: error: retry.attempts must be from 1 to 10, not 0"),
        ("retry: {delay_s: 0}", "x.yaml:3: error: retry.delay_s must be at least 0.1, not 0"),
        ("ports: [80, 0]", "x.yaml:3: error: ports[1] must be from 1 to 65535, not 0"),
        ("ratio: '2'", "x.yaml:3: error: ratio must be a number, not '2'"),
        ("on: yes", "x.yaml:3: error: on must be true or false, not 'yes'"),
        ("codes: [a, a]", "x.yaml:3: error: codes names 'a' twice"),
        ("codes: []", "x.yaml:3: error: codes is empty"),
        ("codes: a", "x.yaml:3: error: codes must be a list, not a single value"),
        ("codes: [1]", "x.yaml:3: error: codes[0] must be text; write it in quotes: '1'"),
        ("codes: ['  ']", "x.yaml:3: error: codes[0] is empty"),
        ("endpoints: {Live: x}", "x.yaml:3: error: endpoints: the name 'Live' does not have the form [a-z]+"),
        ("endpoints: [a]", "x.yaml:3: error: endpoints must be a mapping, not a list"),
        ("retry: 3", "x.yaml:3: error: retry must be a mapping, not a single value"),
        ("rows: {one: 1}", "x.yaml:3: error: rows.one must be a mapping, not a single value"),
        ("count:", "x.yaml:3: error: count has no value; give one or remove the line"),
        ("kind: [soap]", "x.yaml:3: error: kind must be a single value, not a list"),
    ],
)
def test_each_mistake_is_told_with_its_line_and_leaves_the_default(line: str, message: str) -> None:
    values, findings = read_text(REQUIRED + line + "\n")
    assert findings == [message]
    assert values["count"] == 3
    assert values["kind"] is None


def test_missing_required_fields_and_several_mistakes_are_told_at_once() -> None:
    _, findings = read_text("title: {az: a}\nkind: x\n")
    assert findings == [
        "x.yaml:1: error: title has no 'en', which is required",
        "x.yaml:2: error: kind: 'x' is not one of soap, rest",
        "x.yaml:1: error: the file has no 'owner', which is required",
    ]
    assert read_text(REQUIRED.replace("din-reg", "Din"))[1] == [
        "x.yaml:2: error: owner: 'Din' does not have the form [a-z-]+"
    ]


def test_schema_takes_what_read_takes_and_refuses_what_it_refuses() -> None:
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **reference.schema(TABLE)}
    validator = jsonschema_rs.Draft202012Validator(schema)
    good: dict[str, Any] = {
        "title": {"az": "a", "en": "b"},
        "owner": "din-reg",
        "ports": [80],
        "rows": {"one": {"attempts": 1}},
    }
    assert validator.is_valid(good)
    mistakes: list[dict[str, Any]] = [
        {"owner": "X"},
        {"kind": "x"},
        {"count": 11},
        {"rows": {"One": {}}},
        {"codes": []},
        {"bogus": 1},
    ]
    for bad in mistakes:
        assert not validator.is_valid({**good, **bad})
    assert schema["properties"]["count"]["default"] == 3
    assert schema["properties"]["owner"]["examples"] == ["din-reg"]
    assert (schema["properties"]["on"]["title"], schema["properties"]["on"]["description"]) == ("söz", "word")


def test_markdown_has_a_row_for_every_field_however_deep() -> None:
    text = reference.markdown(TABLE)
    assert "| `owner` | string | **required** | word | söz |" in text
    assert "| `retry.attempts` | integer, from 1 to 10 | `1` | word | söz |" in text
    assert "| `rows.*.delay_s` | number, at least 0.1 | `0.5` | word | söz |" in text
    assert "| `windows[].attempts` |" in text
    assert "| `kind` | soap, rest | – | word | söz |" in text


def test_the_deployment_table_is_documented_in_both_languages_and_its_schema_is_json() -> None:
    def walk(fields: Fields) -> None:
        assert len({each.name for each in fields}) == len(fields)
        for each in fields:
            assert each.description.az
            assert each.description.en
            walk(each.fields)

    walk(FILE_FIELDS)
    jsonschema_rs.meta.validate(json.loads(json.dumps(reference.schema(FILE_FIELDS))))
    assert "`routes.*.retry.attempts`" in reference.markdown(FILE_FIELDS)


def test_finding_about_a_whole_file_names_no_line() -> None:
    assert str(Finding(file="a.yaml", line=0, message="is empty")) == "a.yaml: error: is empty"
    assert str(Finding(file="a.yaml", line=3, message="is empty")) == "a.yaml:3: error: is empty"
