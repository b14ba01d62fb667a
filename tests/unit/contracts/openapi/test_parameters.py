"""Parameters on the wire: the tables of OpenAPI's own text, and that what is written is read back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esb.contracts.openapi_parameters import ABSENT, JsonParameter, raw_pairs
from esb.errors import ContractViolation

ARRAY = {"type": "array", "items": {"type": "string"}}
OBJECT = {
    "type": "object",
    "properties": {"R": {"type": "integer"}, "G": {"type": "integer"}, "B": {"type": "integer"}},
}
COLOURS = ["blue", "black", "brown"]
RGB = {"R": 100, "G": 200, "B": 150}


def parameter(location: str, style: str, *, explode: bool, schema: Any = None, **more: Any) -> JsonParameter:
    return JsonParameter(
        name="color", location=location, required=True, schema=schema or {}, style=style, explode=explode, **more
    )


@pytest.mark.parametrize(
    ("style", "explode", "colours", "rgb"),
    [
        ("simple", False, "blue,black,brown", "R,100,G,200,B,150"),
        ("simple", True, "blue,black,brown", "R=100,G=200,B=150"),
        ("label", False, ".blue,black,brown", ".R,100,G,200,B,150"),
        ("label", True, ".blue.black.brown", ".R=100.G=200.B=150"),
        ("matrix", False, ";color=blue,black,brown", ";color=R,100,G,200,B,150"),
        ("matrix", True, ";color=blue;color=black;color=brown", ";R=100;G=200;B=150"),
    ],
)
def test_a_path_is_written_and_read_as_the_specification_shows(
    style: str, *, explode: bool, colours: str, rgb: str
) -> None:
    array, mapping = (parameter("path", style, explode=explode, schema=schema) for schema in (ARRAY, OBJECT))
    assert (array.path_part(COLOURS), mapping.path_part(RGB)) == (colours, rgb)
    assert array.read_path(colours) == COLOURS
    if not (style == "label" and explode):
        assert mapping.read_path(rgb) == RGB


@pytest.mark.parametrize(
    ("style", "explode", "value", "text"),
    [
        ("form", True, COLOURS, "color=blue&color=black&color=brown"),
        ("form", False, COLOURS, "color=blue,black,brown"),
        ("form", True, RGB, "R=100&G=200&B=150"),
        ("form", False, RGB, "color=R,100,G,200,B,150"),
        ("spaceDelimited", False, COLOURS, "color=blue%20black%20brown"),
        ("pipeDelimited", False, COLOURS, "color=blue%7Cblack%7Cbrown"),
        ("deepObject", True, RGB, "color%5BR%5D=100&color%5BG%5D=200&color%5BB%5D=150"),
    ],
)
def test_a_query_is_written_and_read_as_the_specification_shows(
    style: str, *, explode: bool, value: Any, text: str
) -> None:
    there = parameter("query", style, explode=explode, schema=OBJECT if value is RGB else ARRAY)
    there.check(value)
    assert "&".join(there.query_pairs(value)) == text
    assert there.read_pairs(raw_pairs(text)) == value


@pytest.mark.parametrize(("explode", "text"), [(False, "R,100,G,200,B,150"), (True, "R=100,G=200,B=150")])
def test_a_header_is_written_and_read(text: str, *, explode: bool) -> None:
    there = parameter("header", "simple", explode=explode, schema=OBJECT)
    assert there.header_text(RGB) == text
    assert there.read_header(text) == RGB


def test_content_makes_a_parameter_one_json_text() -> None:
    there = parameter("query", "form", explode=True, as_json=True)
    value = {"a": [1, Decimal("0.10")], "b": {"c": "ə&="}}
    pairs = list(there.query_pairs(value))
    assert len(pairs) == 1
    assert there.read_pairs(raw_pairs(pairs[0])) == value


def test_a_json_header_is_ascii() -> None:
    there = parameter("header", "simple", explode=False, as_json=True)
    assert there.header_text({"ad": "Ə😀"}) == r'{"ad":"\u018f\ud83d\ude00"}'
    assert there.read_header(there.header_text({"ad": "Ə😀"})) == {"ad": "Ə😀"}


def test_reserved_characters_stand_only_where_the_contract_allows_them() -> None:
    assert list(parameter("query", "form", explode=True).query_pairs("a/b?c")) == ["color=a%2Fb%3Fc"]
    allowed = parameter("query", "form", explode=True, allow_reserved=True)
    assert list(allowed.query_pairs("a/b?c d")) == ["color=a/b?c%20d"]


@pytest.mark.parametrize("value", ["a&b=c", "a#b", "a+b"])
def test_reserved_characters_never_end_a_value(value: str) -> None:
    allowed = parameter("query", "form", explode=True, allow_reserved=True, schema={"type": "string"})
    (pair,) = allowed.query_pairs(value)
    assert allowed.read_pairs(raw_pairs(pair)) == value


@pytest.mark.parametrize(
    ("location", "style", "explode", "value"),
    [
        ("query", "spaceDelimited", False, ["a b"]),
        ("query", "pipeDelimited", False, ["a|b"]),
        ("query", "form", True, [["a"]]),
        ("query", "form", True, {"a": {"b": 1}}),
        ("query", "deepObject", True, {"a": {"b": 1}}),
        ("header", "simple", False, ["a,b"]),
        ("header", "simple", False, "Bakı"),
        ("header", "simple", False, "a\r\nX: 1"),
        ("header", "simple", False, []),
        ("path", "simple", False, ".."),
        ("path", "simple", False, ""),
        ("path", "simple", False, []),
        ("path", "label", True, ["a.b"]),
    ],
)
def test_what_cannot_be_told_apart_is_refused(location: str, style: str, value: Any, *, explode: bool) -> None:
    with pytest.raises(ContractViolation) as caught:
        parameter(location, style, explode=explode).check(value)
    assert caught.value.path == "/color"


def test_a_parameter_that_is_not_sent_is_absent() -> None:
    for style in ("form", "deepObject"):
        assert parameter("query", style, explode=True, schema=OBJECT).read_pairs(raw_pairs("x=1")) is ABSENT


SCALARS = {
    "string": st.text(st.characters(codec="utf-8"), min_size=1),
    "integer": st.integers(),
    "number": st.decimals(allow_nan=False, allow_infinity=False, places=3),
    "boolean": st.booleans(),
}


@pytest.mark.parametrize("kind", SCALARS)
@given(data=st.data())
def test_any_scalar_comes_back_from_path_and_query(kind: str, data: st.DataObject) -> None:
    value = data.draw(SCALARS[kind])
    in_query = parameter("query", "form", explode=True, schema={"type": kind})
    (pair,) = in_query.query_pairs(value)
    assert in_query.read_pairs(raw_pairs(pair)) == value
    in_path = parameter("path", "simple", explode=False, schema={"type": kind})
    if value not in (".", ".."):
        in_path.check(value)
        assert in_path.read_path(in_path.path_part(value)) == value


@pytest.mark.parametrize(("location", "style"), [("query", "form"), ("query", "pipeDelimited"), ("cookie", "form")])
@pytest.mark.parametrize("explode", [True, False])
@given(values=st.lists(st.text(st.characters(codec="utf-8")), min_size=1))
def test_any_list_comes_back_or_is_refused(location: str, style: str, values: list[str], *, explode: bool) -> None:
    there = parameter(location, style, explode=explode and style == "form", schema=ARRAY)
    try:
        there.check(values)
    except ContractViolation:
        assert any("|" in value for value in values)
        return
    separator = "; " if location == "cookie" else "&"
    text = separator.join(there.query_pairs(values))
    read = there.read_pairs(raw_pairs(text, separator.strip()))
    # One empty text and none at all look the same, once they are joined.
    assert read == values or (values == [""] and read == [])
