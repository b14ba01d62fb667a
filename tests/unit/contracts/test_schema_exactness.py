"""JSON Schema takes what the encoder takes and refuses what it refuses, at the edges of what it can say."""

from __future__ import annotations

import functools
import json
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esb.contracts.contract import Contract, Encoder
from esb.errors import ContractViolation

FRAME = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t"><xs:element name="R">'
    '<xs:complexType><xs:sequence><xs:element name="v"{}>{}</xs:element></xs:sequence></xs:complexType>'
    "</xs:element></xs:schema>"
)


@functools.cache
def compiled(declared: str, particle: str = "") -> tuple[Encoder, jsonschema_rs.Validator]:
    contract = Contract.from_xsd({"t.xsd": FRAME.format(particle, declared).encode()}, ["t.xsd"])
    return contract.encoder("{urn:t}R"), jsonschema_rs.validator_for(contract.json_schema("{urn:t}R", request=True))


def restriction(base: str, facets: str = "") -> str:
    return f'<xs:simpleType><xs:restriction base="xs:{base}">{facets}</xs:restriction></xs:simpleType>'


def agree(declared: str, value: Any, particle: str = "") -> None:
    encoder, validator = compiled(declared, particle)
    try:
        encoder.encode({"v": value})
        encoded = True
    except ContractViolation:
        encoded = False
    assert validator.is_valid(json.loads(json.dumps({"v": value}))) is encoded, value


TEXTS = st.text(st.sampled_from("abcƏİı😀é\u0301-1"), max_size=6)
INTEGERS = st.integers(-300, 300) | st.integers(-(2**70), 2**70)


@pytest.mark.parametrize(
    "facets",
    [
        '<xs:length value="3"/>',
        '<xs:minLength value="1"/><xs:maxLength value="4"/>',
        '<xs:enumeration value="a"/><xs:enumeration value="Əİ"/>',
        '<xs:pattern value="[a-c]{2,3}"/>',
        '<xs:pattern value="a|b+"/><xs:maxLength value="2"/>',
        '<xs:pattern value="[a-cİ-[b]]*"/>',
    ],
)
@given(value=TEXTS)
@settings(max_examples=40, deadline=None)
def test_texts(facets: str, value: str) -> None:
    agree(restriction("string", facets), value)


@pytest.mark.parametrize(
    ("base", "facets"),
    [
        ("byte", ""),
        ("unsignedByte", ""),
        ("long", ""),
        ("positiveInteger", ""),
        ("integer", '<xs:minInclusive value="-5"/><xs:maxExclusive value="7"/>'),
        ("int", '<xs:minExclusive value="0"/>'),
        ("short", '<xs:enumeration value="3"/><xs:enumeration value="-4"/>'),
    ],
)
@given(value=INTEGERS | st.sampled_from([-128, 127, 128, 255, 256, -5, 7, 3, -4, 2**63, 2**63 - 1, 0, 1]))
@settings(max_examples=40, deadline=None)
def test_integers(base: str, facets: str, value: int) -> None:
    agree(restriction(base, facets), value)


@pytest.mark.parametrize("value", [1.5, "1", True, None, [1], {}])
def test_what_is_no_integer(value: Any) -> None:
    agree(restriction("int"), value)


@pytest.mark.parametrize("base", ["double", "float"])
@pytest.mark.parametrize("value", [1, 1.5, -0.0, "INF", "-INF", "NaN", "+INF", "1e5", "x", True, None])
def test_floating_point(base: str, value: Any) -> None:
    agree(restriction(base), value)


@pytest.mark.parametrize("value", ["1.50", "-0", "x", "", "1e3", 1.5, True, None])
def test_decimals(value: Any) -> None:
    agree(restriction("decimal"), value)


@pytest.mark.parametrize(
    ("base", "values"),
    [
        ("date", ["2015-02-28", "2015-13-01", "2015-00-01", "2015-01-32", "0000-01-01", "-0044-03-15", "99999-12-31Z"]),
        (
            "date",
            ["2015-02-28+14:00", "2015-02-28+14:01", "2015-02-28-15:00", "15-02-28", " 2015-02-28", "2015-02-28T"],
        ),
        ("dateTime", ["2015-02-28T24:00:00", "2015-02-28T24:00:01", "2015-02-28T23:59:60", "2015-02-28T23:59:59.5Z"]),
        ("time", ["12:00", "12:00:00", "23:59:60", "24:00:00", "25:00:00"]),
        ("gYear", ["2015", "0000", "-0044", "99999", "015", "2015Z"]),
        ("gYearMonth", ["2015-01", "2015-13"]),
        ("gMonthDay", ["--12-31", "--13-01", "--01-32"]),
        ("gMonth", ["--01", "--13", "01"]),
        ("gDay", ["---31", "---32", "31"]),
        ("duration", ["P", "PT", "P1Y", "P1YT", "-P1Y2M3DT4H5M6.7S", "P1M2Y", "P0D", "P1S"]),
        ("hexBinary", ["0aFF", "0", "", "0g"]),
        ("boolean", [True, False, "true", 1]),
    ],
)
def test_moments_and_others(base: str, values: list[Any]) -> None:
    for value in values:
        agree(restriction(base), value)


def test_hex_lengths() -> None:
    for value in ("", "00", "0000", "000000"):
        agree(restriction("hexBinary", '<xs:minLength value="1"/><xs:maxLength value="2"/>'), value)


@given(value=st.lists(st.integers(-200, 200), max_size=4))
@settings(max_examples=40, deadline=None)
def test_lists(value: list[int]) -> None:
    item = '<xs:simpleType><xs:list itemType="xs:byte"/></xs:simpleType>'
    declared = (
        f"<xs:simpleType><xs:restriction>{item}<xs:minLength value='1'/><xs:maxLength value='3'/></xs:restriction>"
        "</xs:simpleType>"
    )
    agree(declared, value)


@given(value=st.lists(st.integers(0, 1), max_size=5))
@settings(max_examples=30, deadline=None)
def test_counts(value: list[int]) -> None:
    agree(restriction("int"), value, ' minOccurs="2" maxOccurs="4"')


@pytest.mark.parametrize("value", [None, 5, "x", {}])
def test_nil(value: Any) -> None:
    agree(restriction("int"), value, ' nillable="true"')


@pytest.mark.parametrize("value", ["ə", "x", ""])
def test_fixed_values(value: Any) -> None:
    agree("", value, ' type="xs:string" fixed="ə"')
