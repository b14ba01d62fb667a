"""Lax reading of replies: what breaks the contract is found, and nothing that the agency said is lost."""

from __future__ import annotations

import re
from typing import Any

import pytest

from esb.contracts.contract import Contract, Decoder
from esb.errors import ContractViolation
from tests.support.contracts import DIN, din_reg, wild

RESPONSE = DIN + "GetPersonByPinResponse"


@pytest.fixture(scope="module")
def reader() -> Decoder:
    return din_reg().contract.decoder(RESPONSE, lax=True)


@pytest.fixture(scope="module")
def content() -> bytes:
    contract = din_reg().contract
    return contract.encoder(RESPONSE).encode(contract.sample(RESPONSE))


def read(reader: Decoder, content: bytes) -> tuple[Any, list[str]]:
    data, findings = reader.decode_lax(content)
    return data, [str(finding) for finding in findings]


def test_a_valid_reply_is_read_as_ever(reader: Decoder, content: bytes) -> None:
    assert reader.decode_lax(content) == (reader.decode(content), ())


def test_an_unknown_element_is_kept_beside_the_known_ones(reader: Decoder, content: bytes) -> None:
    plain = reader.decode(content)
    more = content.replace(b"<Sex>", b'<Blood rh="+"><Group>A</Group></Blood><Sex>')
    data, findings = read(reader, more)
    assert findings == ["Person/Blood: is not in the contract"]
    blood = data["Person"].pop(DIN + "Blood")
    assert blood == [{"@rh": "+", DIN + "Group": ["A"]}]
    assert data == plain


def test_a_missing_element_is_named(reader: Decoder, content: bytes) -> None:
    start, end = content.index(b"<Surname>"), content.index(b"</Surname>") + len(b"</Surname>")
    data, findings = read(reader, content[:start] + content[end:])
    assert findings == ["Person/Surname: is required"]
    assert "Surname" not in data["Person"]


def test_another_order_is_found_and_says_nothing_else(reader: Decoder, content: bytes) -> None:
    start, end = content.index(b"<Surname>"), content.index(b"</Surname>") + len(b"</Surname>")
    surname = content[start:end]
    moved = content[:start] + content[end:].replace(b"</Person>", surname + b"</Person>")
    assert read(reader, moved) == (
        reader.decode(content),
        ["Person: has its elements in another order than the contract"],
    )


def test_an_element_that_stands_once_too_often_is_kept(reader: Decoder, content: bytes) -> None:
    data, findings = read(reader, content.replace(b"<Sex>", b"<Sex>M</Sex><Sex>"))
    assert findings == ["Person/Sex[2]: stands more often than the contract allows"]
    assert (data["Person"]["Sex"], len(data["Person"][DIN + "Sex"])) == ("M", 1)


def test_unknown_attributes_are_kept_beside_the_value(reader: Decoder, content: bytes) -> None:
    changed = content.replace(b"<Surname>", b'<Surname lang="az">').replace(b"<Person>", b'<Person id="5">')
    data, findings = read(reader, changed)
    assert findings == ["Person/@id: is not in the contract", "Person/Surname/@lang: is not in the contract"]
    assert data["Person"]["#attributes"] == {"Surname": {"@lang": "az"}}
    assert data["Person"]["@id"] == "5"
    assert isinstance(data["Person"]["Surname"], str)


def test_text_between_elements_is_kept(reader: Decoder, content: bytes) -> None:
    data, findings = read(reader, content.replace(b"<Person>", b"<Person>note"))
    assert findings == ["Person: has text between its child elements"]
    assert data["Person"]["#text"] == "note"


def test_a_value_beyond_an_enumeration_is_kept(reader: Decoder, content: bytes) -> None:
    start, end = content.index(b"<Sex>"), content.index(b"</Sex>")
    data, findings = read(reader, content[:start] + b"<Sex>X" + content[end:])
    assert findings == ["Person/Sex: is not one of the allowed values"]
    assert data["Person"]["Sex"] == "X"


@pytest.mark.parametrize("order", [b"<Blood/>", b""])
def test_a_value_that_is_not_of_its_type_is_refused_as_ever(reader: Decoder, content: bytes, order: bytes) -> None:
    """libxml2 looks no further than an unknown element; a wrong value behind it is found all the same."""
    start, end = content.index(b"<BirthDate>"), content.index(b"</BirthDate>")
    wrong = content[:start] + b"<BirthDate>31.02.2015" + content[end:]
    with pytest.raises(ContractViolation) as caught:
        reader.decode_lax(wrong.replace(b"<Surname>", order + b"<Surname>"))
    assert (caught.value.path, "31.02" in str(caught.value)) == ("Person/BirthDate", False)


@pytest.mark.parametrize("broken", [b"<a/>", b"<a", b'<GetPersonByPinResponse xmlns="urn:other"/>'])
def test_another_document_is_refused_as_ever(reader: Decoder, broken: bytes) -> None:
    with pytest.raises(ContractViolation):
        reader.decode_lax(broken)


def test_a_decoder_that_is_not_lax_refuses_what_a_strict_one_refuses(content: bytes) -> None:
    with pytest.raises(ContractViolation):
        din_reg().contract.decoder(RESPONSE).decode_lax(content.replace(b"<Sex>", b"<Blood/><Sex>"))


def test_strangers_among_places_and_rounds_are_kept() -> None:
    contract, qname = wild(), "{urn:wild}Rounds"
    values = {
        "#items": [{"Name": "a", "Value": "1", "Y": []}],
        "Middle": 1,
        "#items#2": [{"Both": 2}],
        "End": "e",
        "Debit": [],
        "Credit": [],
    }
    content = contract.encoder(qname).encode(values)
    decoder = contract.decoder(qname, lax=True)
    assert decoder.decode(content) == values
    data, findings = read(decoder, re.sub(rb"(<\w+:Middle>)", rb"<Odd>x</Odd>\1", content))
    assert findings == ["Odd: does not stand where the contract has it, if it has it"]
    assert data == values | {"Odd": ["x"]}


def test_an_unknown_type_is_kept_by_its_name() -> None:
    contract, qname = wild(), "{urn:wild}Choosing"
    content = contract.encoder(qname).encode(contract.sample(qname))
    wrong = content.replace(b"<Plain>", b'<Plain xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:type="Z">')
    data, findings = read(contract.decoder(qname, lax=True), wrong)
    assert findings == ["Plain: chooses a type that the contract does not offer here (xsi:type)"]
    assert data["Plain"] == {"@xsi:type": "{urn:wild}Z", "A": 1}


FACETS = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t"><xs:element name="R">'
    "<xs:complexType><xs:sequence>"
    '<xs:element name="a" type="xs:int"/><xs:element name="v"><xs:simpleType>{}</xs:simpleType></xs:element>'
    "</xs:sequence></xs:complexType></xs:element></xs:schema>"
)


@pytest.mark.parametrize(
    ("declared", "good", "bad"),
    [
        ('<xs:restriction base="xs:byte"><xs:minExclusive value="3"/></xs:restriction>', "4", "128"),
        ('<xs:restriction base="xs:byte"><xs:minExclusive value="3"/></xs:restriction>', "4", "3"),
        ('<xs:restriction base="xs:decimal"><xs:fractionDigits value="2"/></xs:restriction>', "1.25", "1.255"),
        ('<xs:restriction base="xs:token"><xs:length value="2"/></xs:restriction>', " ab ", "abc"),
        ('<xs:restriction base="xs:string"><xs:pattern value="[a-z]&amp;&lt;"/></xs:restriction>', "a&amp;&lt;", "b"),
        (
            '<xs:restriction base="xs:date"><xs:minInclusive value="2020-01-01"/></xs:restriction>',
            "2020-01-01",
            "2019-12-31",
        ),
        ('<xs:list itemType="xs:int"/>', "1 2", "1 x"),
        ('<xs:union memberTypes="xs:int xs:boolean"/>', "true", "maybe"),
        (
            (
                '<xs:restriction><xs:simpleType><xs:restriction base="xs:string"><xs:pattern value="[0-9]+"/>'
                '</xs:restriction></xs:simpleType><xs:pattern value=".{3}"/></xs:restriction>'
            ),
            "123",
            "12",
        ),
    ],
)
def test_facets_are_checked_behind_a_stranger(declared: str, good: str, bad: str) -> None:
    decoder = Contract.from_xsd({"t.xsd": FACETS.format(declared).encode()}, ["t.xsd"]).decoder("{urn:t}R", lax=True)
    document = '<R xmlns="urn:t"><odd xmlns=""/><a xmlns="">1</a><v xmlns="">{}</v></R>'
    data, findings = read(decoder, document.format(good).encode())
    assert (findings, "v" in data) == (["odd: is not in the contract"], True)
    with pytest.raises(ContractViolation, match="is not a valid"):
        decoder.decode_lax(document.format(bad).encode())
