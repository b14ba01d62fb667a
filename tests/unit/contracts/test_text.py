"""Azerbaijani text and awkward characters travel code point for code point."""

from __future__ import annotations

from typing import Any

import pytest

from security.xml import canonical, parse
from tests.support.contracts import DIN, ZOO_NAMESPACE, din_reg, zoo

TEXTS = [
    "Ülviyyə Əliyeva İlqar qızı",
    "Işıq",
    "I ı İ i",
    "i\u0307",
    "ǝ \u01dd \u0259 \u04d9",
    "e\u0301 is not é",
    "𝒜😀",
    "a\u00a0b\u2028c\u0085d",
    "line\nline\ttab\rreturn\r\nboth",
    "  two  spaces  ",
    "<&>\"']]>",
    "&amp;#13;",
]


@pytest.mark.parametrize("text", TEXTS)
def test_text_of_an_element_comes_back_exactly(text: str) -> None:
    contract, qname = din_reg().contract, DIN + "GetPersonByPinResponse"
    values: dict[str, Any] = contract.sample(qname)
    values["Person"]["Surname"] = text
    content = contract.encoder(qname).encode(values)
    assert canonical(parse(content)) == content
    assert contract.decoder(qname).decode(content)["Person"]["Surname"] == text


@pytest.mark.parametrize("text", TEXTS)
def test_text_of_an_attribute_comes_back_exactly(text: str) -> None:
    contract, qname = zoo(), ZOO_NAMESPACE + "Mixed"
    values: dict[str, Any] = contract.sample(qname) | {"@zebra": text, "@origin": text}
    content = contract.encoder(qname).encode(values)
    assert canonical(parse(content)) == content
    read = contract.decoder(qname).decode(content)
    assert (read["@zebra"], read["@origin"]) == (text, text)


def test_a_no_break_space_is_not_white_space() -> None:
    contract, qname = zoo(), ZOO_NAMESPACE + "Simple"
    values: dict[str, Any] = contract.sample(qname) | {"Token": "\u00a0a\u00a0"}
    assert contract.decoder(qname).decode(contract.encoder(qname).encode(values))["Token"] == "\u00a0a\u00a0"


def test_white_space_around_a_token_is_taken_away() -> None:
    contract, qname = zoo(), ZOO_NAMESPACE + "Simple"
    content = contract.encoder(qname).encode(contract.sample(qname))
    padded = content.replace(b"<Token>token", b"<Token>\n to \t ken ").replace(b"<Byte>1", b"<Byte> 1\n")
    read = contract.decoder(qname).decode(padded)
    assert (read["Token"], read["Byte"]) == ("to ken", 1)


def test_cdata_and_references_are_text() -> None:
    contract, qname = din_reg().contract, DIN + "GetPersonByPinResponse"
    content = contract.encoder(qname).encode(contract.sample(qname) | {"ResultText": "x"})
    written = content.replace(b"<ResultText>x", "<ResultText><![CDATA[<ə]]>&#601;&#x130;".encode())
    assert contract.decoder(qname).decode(written)["ResultText"] == "<əəİ"


def test_a_default_is_supplied_where_the_document_leaves_it_out() -> None:
    contract, qname = zoo(), ZOO_NAMESPACE + "Mixed"
    values = contract.sample(qname)
    del values["@kind"]
    content = contract.encoder(qname).encode(values)
    assert b"kind" not in content
    assert contract.decoder(qname).decode(content)["@kind"] == "göy"
