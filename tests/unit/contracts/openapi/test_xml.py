"""XML bodies by OpenAPI's `xml` object: the examples of its own text, and that any value comes back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from esb.contracts.documents import XmlDocument
from esb.contracts.json_schema import JsonValidator
from esb.contracts.openapi_xml import XmlCodec
from esb.errors import ContractUnsupported, ContractViolation

STRING = {"type": "string"}


def codec(schema: dict[str, Any], name: str = "root") -> XmlCodec:
    return XmlCodec(schema, name=name)


def animals(array: dict[str, Any], item: dict[str, Any]) -> dict[str, Any]:
    items = {**STRING, **({"xml": item} if item else {})}
    return {
        "type": "object",
        "properties": {"animals": {"type": "array", "items": items, **({"xml": array} if array else {})}},
    }


# --- OpenAPI 3.1, XML Object: its own examples -----------------------------------------------------------


@pytest.mark.parametrize(
    ("array", "item", "written"),
    [
        ({}, {}, "<animals>a</animals><animals>b</animals>"),
        ({}, {"name": "animal"}, "<animal>a</animal><animal>b</animal>"),
        ({"name": "aliens"}, {"name": "animal"}, "<animal>a</animal><animal>b</animal>"),
        ({"wrapped": True}, {}, "<animals><animals>a</animals><animals>b</animals></animals>"),
        (
            {"name": "aliens", "wrapped": True},
            {"name": "animal"},
            "<aliens><animal>a</animal><animal>b</animal></aliens>",
        ),
        ({"name": "aliens", "wrapped": True}, {}, "<aliens><aliens>a</aliens><aliens>b</aliens></aliens>"),
    ],
)
def test_lists_are_written_as_the_specification_shows(
    array: dict[str, Any], item: dict[str, Any], written: str
) -> None:
    there = codec(animals(array, item))
    value = {"animals": ["a", "b"]}
    assert there.write(value).decode() == f"<root>{written}</root>"
    assert there.read(there.write(value)) == value


def test_attributes_namespaces_and_prefixes_are_those_of_the_schema() -> None:
    schema = {
        "type": "object",
        "xml": {"name": "Person", "namespace": "urn:p", "prefix": "p"},
        "properties": {
            "id": {"type": "integer", "xml": {"attribute": True}},
            "name": {"type": "string", "xml": {"name": "Name", "namespace": "urn:p"}},
        },
    }
    written = codec(schema).write({"id": 7, "name": "Əli"}).decode()
    assert written == '<p:Person xmlns:p="urn:p" id="7"><p:Name>Əli</p:Name></p:Person>'
    assert codec(schema).read(b'<Person id="7" xmlns="urn:p"><Name>\xc6\x8fli</Name></Person>') == {
        "id": 7,
        "name": "Əli",
    }


# --- whatever the contract says nothing about ------------------------------------------------------------


def test_unknown_content_is_kept_under_generic_names() -> None:
    there = codec({"type": "object", "properties": {"a": STRING}})
    content = b'<root x="1"><a>t</a><b c="2"><d/>u</b><n:e xmlns:n="urn:n">1</n:e><n:e xmlns:n="urn:n">2</n:e></root>'
    with pytest.raises(ContractViolation, match="has text between its child elements"):
        there.read(content)
    value = there.read(content.replace(b"<d/>u", b"u<d/>"))
    assert value == {"@x": "1", "a": "t", "b": {"@c": "2", "#text": "u", "d": ""}, "{urn:n}e": ["1", "2"]}
    assert there.read(there.write(value)) == value


def test_unknown_elements_are_a_violation_where_the_schema_is_closed_and_a_finding_for_a_lax_reader() -> None:
    schema = {"type": "object", "properties": {"a": STRING}, "additionalProperties": False}
    form = XmlDocument(schema, media_type="application/xml", name="root")
    content = b"<root><a>t</a><b>u</b></root>"
    with pytest.raises(ContractViolation) as caught:
        form.read(content)
    assert caught.value.path == "/b"
    assert form.read_lax(content) == ({"a": "t", "b": "u"}, ("/b: is not a known field",))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<other/>", "is another element than root"),
        (b"<root><a>1</a><a>2</a></root>", "stands twice"),
        (b"<root><a><b/></a></root>", "has child elements where only text may stand"),
        (b'<root><a x="1">1</a></root>', "has attributes that the contract does not describe"),
        (b"<root><l><x>1</x></l></root>", "is not a known element"),
        (b"<root><l>t<i>1</i></l></root>", "has more than its list"),
        (b"<root", "not well-formed XML"),
        (b'<!DOCTYPE r [<!ENTITY a "b">]><root><a>&a;</a></root>', "document has a DTD"),
        (b"<root>" + b"<x>" * 200 + b"</x>" * 200 + b"</root>", "more than 100 levels deep"),
    ],
)
def test_what_would_be_lost_is_refused(content: bytes, reason: str) -> None:
    items = {"type": "array", "items": {**STRING, "xml": {"name": "i"}}, "xml": {"wrapped": True}}
    with pytest.raises(ContractViolation) as caught:
        codec({"type": "object", "properties": {"a": STRING, "l": items}}).read(content)
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": "\x00"}, "/a"),
        ({"a": "\ud800"}, "/a"),
        ({"b": "\x1f"}, "/b"),
        ({"c d": "x"}, "/c d"),
        ({"<x>": "y"}, "/<x>"),
        ({"@": "y"}, "/@"),
        ({"x": [["y"]]}, "/x"),
        ({"b": None}, "/b"),
    ],
)
def test_what_xml_cannot_carry_is_refused(value: dict[str, Any], path: str) -> None:
    schema = {"type": "object", "properties": {"a": STRING, "b": {"type": "string", "xml": {"attribute": True}}}}
    with pytest.raises(ContractViolation) as caught:
        codec(schema).write(value)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"properties": {"a": {}, "b": {"xml": {"name": "a"}}}}, "have the same name"),
        ({"properties": {"a b": {}}}, "is not a name that XML can carry"),
        ({"type": "array", "prefixItems": [{}]}, "prefixItems have no form"),
        ({"type": "object", "additionalProperties": {"type": "array", "items": {}}}, "have no form in XML"),
    ],
)
def test_a_schema_without_a_form_in_xml_is_refused(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(ContractUnsupported) as caught:
        codec(schema)
    assert reason in caught.value.reason


def test_null_and_absent_and_empty_are_three_things() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": ["string", "null"]},
            "l": {**animals({"wrapped": True}, {})["properties"]["animals"]},
        },
    }
    for value in ({"a": None}, {}, {"a": ""}, {"a": "", "l": []}, {"l": ["x"]}):
        assert codec(schema).read(codec(schema).write(value)) == value


def test_alternatives_are_chosen_by_what_fits() -> None:
    schema = {
        "oneOf": [
            {
                "type": "object",
                "required": ["n"],
                "properties": {"n": {"type": "integer"}},
                "additionalProperties": False,
            },
            {
                "type": "object",
                "required": ["s"],
                "properties": {"s": {"type": "string"}},
                "additionalProperties": False,
            },
        ]
    }
    for value in ({"n": 5}, {"s": "5"}):
        assert codec(schema).read(codec(schema).write(value)) == value


# --- any value -------------------------------------------------------------------------------------------

_TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\ufffe\uffff", exclude_categories=("Cc", "Cs"))
    | st.sampled_from("\t\n\r")
)
_NUMBER = st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=4).filter(
    lambda n: n != n.to_integral_value()
)

SCHEMA: dict[str, Any] = {
    "type": "object",
    "xml": {"name": "R", "namespace": "urn:r"},
    "additionalProperties": False,
    "required": ["list", "rows"],
    "properties": {
        "text": STRING,
        "mark": {"type": "string", "xml": {"attribute": True}},
        "count": {"type": "integer", "xml": {"attribute": True}},
        "amount": {"type": "number"},
        "flag": {"type": "boolean"},
        "maybe": {"type": ["integer", "null"]},
        "list": {"type": "array", "items": {"type": "number"}},
        "rows": {"type": "array", "xml": {"wrapped": True}, "items": {"$ref": "#/$defs/Row"}},
        "lists": {
            "type": "array",
            "xml": {"wrapped": True},
            "items": {"type": "array", "items": {"type": "integer"}, "xml": {"name": "inner"}},
        },
    },
    "$defs": {
        "Row": {
            "type": "object",
            "additionalProperties": False,
            "required": ["rows"],
            "properties": {"v": STRING, "rows": {"type": "array", "items": {"$ref": "#/$defs/Row"}}},
        }
    },
}
_ROW: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.fixed_dictionaries({"rows": st.just([])}, optional={"v": _TEXT}),
    lambda inner: st.fixed_dictionaries({"rows": st.lists(inner, max_size=3)}, optional={"v": _TEXT}),
    max_leaves=6,
)
VALUES = st.fixed_dictionaries(
    {"list": st.lists(_NUMBER), "rows": st.lists(_ROW, max_size=3)},
    optional={
        "text": _TEXT,
        "mark": _TEXT,
        "count": st.integers(),
        "amount": _NUMBER,
        "flag": st.booleans(),
        "maybe": st.none() | st.integers(),
        "lists": st.lists(st.lists(st.integers(), max_size=3), max_size=3),
    },
)


@given(value=VALUES)
def test_any_value_of_a_contract_comes_back_from_xml(value: dict[str, Any]) -> None:
    there = codec(SCHEMA)
    JsonValidator(SCHEMA).validate(value)
    content = there.write(value)
    assert there.read(content) == value
    # A parser that is not ours sees the same, and the form is canonical already.
    tree = etree.fromstring(content)
    assert etree.tostring(tree, method="c14n", exclusive=True) == content
    assert [child.text for child in tree.findall("list")] == [
        format(n, "f") if isinstance(n, Decimal) else str(n) for n in value["list"]
    ]
