"""The guide to plain data (docs/plain-data.md): every example is read and written as it says."""

from __future__ import annotations

import json
import re

import jsonschema_rs
import msgspec
import pytest

from esb.contracts.contract import Contract
from tests.support.contracts import ROOT

BLOCK = re.compile(r"```(xsd|xml|json)\n(.*?)```", re.DOTALL)
BLOCKS = BLOCK.findall((ROOT / "docs" / "plain-data.md").read_text(encoding="utf-8"))
EXAMPLES = [tuple(text for _, text in BLOCKS[start : start + 3]) for start in range(0, len(BLOCKS), 3)]
SCHEMA = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="R"><xs:complexType>{}</xs:complexType>'
    "</xs:element></xs:schema>"
)
PREFIXES = '<R xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xs="http://www.w3.org/2001/XMLSchema"'


def test_examples_come_in_threes() -> None:
    assert [kind for kind, _ in BLOCKS] == ["xsd", "xml", "json"] * len(EXAMPLES)
    assert len(EXAMPLES) > 5


@pytest.mark.parametrize(("declared", "document", "data"), EXAMPLES)
def test_an_example_is_read_and_written_as_it_says(declared: str, document: str, data: str) -> None:
    contract = Contract.from_xsd({"t.xsd": SCHEMA.format(declared).encode()}, ["t.xsd"])
    values, decoder = json.loads(data), contract.decoder("R")
    read = decoder.decode(document.strip().replace("<R", PREFIXES, 1).encode())
    assert json.loads(msgspec.json.encode(read)) == values
    assert decoder.decode(contract.encoder("R").encode(values)) == read
    jsonschema_rs.validator_for(contract.json_schema("R")).validate(values)
