"""JSON Schemas say what the decoder gives; samples are valid; patterns mean the same in both dialects."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from esb.contracts.contract import Contract
from esb.contracts.patterns import examples, to_json_schema
from esb.errors import ContractUnsupported
from tests.support.contracts import DIN, MKR, ZOO_NAMESPACE, contracts, din_reg, mkr, zoo
from tests.support.instances import instances

ELEMENTS = [
    (contract, qname) for _, contract in contracts() for qname in contract.elements if qname != "{urn:zoo}Shape"
]
IDS = [qname for _, qname in ELEMENTS]


@pytest.mark.parametrize(("contract", "qname"), ELEMENTS, ids=IDS)
def test_a_sample_fits_the_contract_and_the_schema(contract: Contract, qname: str) -> None:
    sample = contract.sample(qname)
    contract.validate(contract.encoder(qname).encode(sample))
    for request in (True, False):
        jsonschema_rs.validator_for(contract.json_schema(qname, request=request)).validate(sample)
    assert json.loads(json.dumps(sample)) == sample


@pytest.mark.parametrize(("contract", "qname"), ELEMENTS, ids=IDS)
@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_decoded_values_fit_the_schema(contract: Contract, qname: str, data: st.DataObject) -> None:
    values = data.draw(instances(contract.shape(qname)))
    decoded = contract.decoder(qname).decode(contract.encoder(qname).encode(values))
    as_json = json.loads(msgspec.json.encode(decoded))
    jsonschema_rs.validator_for(contract.json_schema(qname)).validate(as_json)


def test_a_schema_names_things_in_both_languages() -> None:
    surname = din_reg().contract.json_schema(DIN + "GetPersonByPinResponse")["properties"]["Person"]["properties"]
    assert surname["Surname"] == {
        "type": "string",
        "minLength": 1,
        "maxLength": 100,
        "title": "Surname",
        "description": "Soyad",
    }


def test_a_list_is_required_in_a_reply_and_not_in_a_request() -> None:
    reply = mkr().contract.json_schema(MKR + "GetCreditsResponse")["properties"]["Credits"]
    request = mkr().contract.json_schema(MKR + "GetCreditsResponse", request=True)["properties"]["Credits"]
    assert reply["required"] == ["Credit"]
    assert "required" not in request


def test_an_amount_is_text_in_json() -> None:
    credit = mkr().contract.json_schema(MKR + "GetCreditsResponse")["properties"]["Credits"]["properties"]["Credit"]
    amount = credit["items"]["properties"]["Principal"]
    assert (amount["type"], amount["format"]) == ("string", "decimal")
    for number in ("0.0000001", "12.50", "1E+2"):
        assert re.match(amount["pattern"], json.loads(msgspec.json.encode(Decimal(number))))


def test_a_type_that_contains_itself_is_defined_once() -> None:
    schema = zoo().json_schema(ZOO_NAMESPACE + "Types")
    assert schema["properties"]["Tree"] == {"$ref": "#/$defs/Node"}
    assert schema["$defs"]["Node"]["properties"]["Child"]["items"] == {"$ref": "#/$defs/Node"}


def test_a_choice_that_is_the_whole_content_is_said_in_the_schema() -> None:
    xsd = (
        b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t"><xs:element name="R">'
        b'<xs:complexType><xs:choice><xs:element name="a" type="xs:int"/><xs:element name="b" type="xs:int"/>'
        b"</xs:choice></xs:complexType></xs:element></xs:schema>"
    )
    schema = Contract.from_xsd({"t.xsd": xsd}, ["t.xsd"]).json_schema("{urn:t}R")
    assert schema["oneOf"] == [{"required": ["a"]}, {"required": ["b"]}]


# --- patterns --------------------------------------------------------------------------------------------

PATTERNS = [
    "[0-9A-HJ-NP-Z]{7}",
    "AZ-[A-Z]{2,3}",
    r"\d{3}",
    r"[0-9A-Z][0-9A-Z/\-]{2,39}",
    "(a|bc)+d?",
    "[^a-z]{2}",
    r"\.\*\+\?\(\)\[\]\{\}\\\|\^",
    "^$",
    "a{2,}",
    "x-(a|b)*",
    "[-a]",
    "[a-]",
    r"\s*\S",
    "ə[ƏI-İ]",
    "",
    ".",
    "[a-z-[aeiou]]+",
    "[^a-[b]]",
    r"[a-z\d-[5]]",
]
UNPORTABLE = [
    *(r"\i\c*", r"\p{Lu}{2}", r"\w+", r"\P{N}", r"\p{Sc}", r"\p{IsCyrillic}+", r"[\S]", r"[\w-[a]]"),
]


def xsd_matches(pattern: str, text: str) -> bool:
    escaped = pattern.replace("&", "&amp;").replace("<", "&lt;")
    schema = (
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="e"><xs:simpleType>'
        f'<xs:restriction base="xs:string"><xs:pattern value="{escaped}"/></xs:restriction>'
        "</xs:simpleType></xs:element></xs:schema>"
    )
    element = etree.Element("e")
    element.text = text
    return bool(etree.XMLSchema(etree.fromstring(schema)).validate(element))


@pytest.mark.parametrize("pattern", PATTERNS + UNPORTABLE)
def test_every_example_matches_its_pattern(pattern: str) -> None:
    for text, _ in zip(examples(pattern), range(3), strict=False):
        assert xsd_matches(pattern, text)


@pytest.mark.parametrize("pattern", PATTERNS)
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_a_pattern_means_the_same_in_json_schema(pattern: str, data: st.DataObject) -> None:
    translated = to_json_schema(pattern)
    assert translated is not None
    text = data.draw(st.text("ab0AZ-/.xd^$ƏIİ ", max_size=9) | st.from_regex(translated, fullmatch=True))
    if not re.search("[\x00-\x1f\ud800-\udfff\ufffe\uffff]", text):
        ours = jsonschema_rs.is_valid({"pattern": translated}, text)
        if text.isascii() or r"\d" not in pattern:
            assert ours == xsd_matches(pattern, text)


@pytest.mark.parametrize("pattern", UNPORTABLE)
def test_a_pattern_that_json_schema_cannot_say_is_left_out(pattern: str) -> None:
    assert to_json_schema(pattern) is None


@pytest.mark.parametrize("pattern", ["(a", "a{x}", "[a", "[a-[b]", "\\", r"\p{IsNowhere}", ")"])
def test_a_pattern_that_cannot_be_read_is_refused(pattern: str) -> None:
    with pytest.raises(ContractUnsupported):
        list(examples(pattern))


def sample_of(facets: str, base: str) -> Any:
    xsd = (
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t"><xs:element name="R">'
        f'<xs:simpleType><xs:restriction base="xs:{base}">{facets}</xs:restriction></xs:simpleType>'
        "</xs:element></xs:schema>"
    )
    contract = Contract.from_xsd({"t.xsd": xsd.encode()}, ["t.xsd"])
    sample = contract.sample("{urn:t}R")
    contract.encoder("{urn:t}R").encode(sample)
    return sample


@pytest.mark.parametrize(
    ("base", "facets", "sample"),
    [
        ("int", '<xs:minInclusive value="18"/>', 18),
        ("int", '<xs:maxExclusive value="-3"/>', -4),
        ("decimal", '<xs:minExclusive value="1"/><xs:fractionDigits value="2"/>', "1.01"),
        ("decimal", '<xs:maxInclusive value="0.5"/>', "0.5"),
        ("string", '<xs:minLength value="9"/>', "textxxxxx"),
        ("string", '<xs:maxLength value="2"/>', "te"),
        ("string", '<xs:pattern value="[a-z]+"/><xs:minLength value="3"/>', "aaa"),
        ("date", '<xs:minInclusive value="2030-01-01"/>', "2030-01-01"),
        ("hexBinary", '<xs:length value="3"/>', "000000"),
        ("base64Binary", '<xs:minLength value="2"/>', "AAA="),
        ("double", '<xs:maxInclusive value="0.25"/>', 0.25),
        ("boolean", "", True),
        ("duration", "", "P1D"),
    ],
)
def test_a_sample_keeps_to_its_facets(base: str, facets: str, sample: Any) -> None:
    assert sample_of(facets, base) == sample


MICROSOFT_DURATION = (
    r'<xs:pattern value="\-?P(\d*D)?(T(\d*H)?(\d*M)?(\d*(\.\d*)?S)?)?"/>'
    '<xs:minInclusive value="-P10675199DT2H48M5.4775808S"/><xs:maxInclusive value="P10675199DT2H48M5.4775807S"/>'
)


def _restricted(base: str, facets: str) -> Contract:
    schema = (
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="A"><xs:complexType><xs:sequence>'
        f'<xs:element name="value"><xs:simpleType><xs:restriction base="xs:{base}">{facets}</xs:restriction>'
        "</xs:simpleType></xs:element></xs:sequence></xs:complexType></xs:element></xs:schema>"
    )
    return Contract.from_xsd({"a.xsd": schema.encode()}, ["a.xsd"])


@pytest.mark.parametrize(
    ("base", "facets", "sample"),
    [
        ("duration", MICROSOFT_DURATION, "P1D"),
        ("duration", r'<xs:pattern value="PT(\d+H)?(\d+M)?"/>', "PT11H11M"),
        ("date", r'<xs:pattern value="\d{4}-\d{2}-\d{2}"/>', "2026-01-31"),
        ("dateTime", r'<xs:pattern value=".*Z"/>', "2026-01-31T12:00:00Z"),
        ("int", r'<xs:pattern value="\d*"/>', 1),
        ("decimal", r'<xs:pattern value="\d*\.\d{2}"/>', ".11"),
    ],
)
def test_a_sample_of_a_restricted_moment_or_number_is_one(base: str, facets: str, sample: Any) -> None:
    contract = _restricted(base, facets)
    assert contract.sample("A") == {"value": sample}
    contract.validate(contract.encoder("A").encode(contract.sample("A")))


def test_a_field_without_a_sample_is_named_with_the_reason() -> None:
    contract = _restricted("date", '<xs:pattern value="[A-Z]{3}"/>')
    with pytest.raises(ContractUnsupported, match="value: no date was found that fits the pattern"):
        contract.sample("A")
