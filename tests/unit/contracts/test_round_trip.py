"""Encoder and decoder against each other and against independent readers: lxml's C14N, xmlschema and zeep."""

from __future__ import annotations

import datetime as dt
import functools
import math
import re
from decimal import Decimal
from typing import Any

import pytest
import xmlschema
import zeep.helpers
import zeep.wsdl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.wsdl import Wsdl
from esb.contracts.bundle import join
from esb.contracts.contract import Contract, Decoder, Encoder
from esb.contracts.names import TYPE_KEY
from security.xml import canonical, parse
from tests.support.contracts import SCHEMAS, contracts, din_reg, mkr, zoo_bundle
from tests.support.instances import instances

ELEMENTS = [(name, qname) for name, contract in contracts() for qname in contract.elements if qname != "{urn:zoo}Shape"]
AGENCY_ELEMENTS = [(name, qname) for name, qname in ELEMENTS if name not in {"zoo", "wild"}]

many = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
few = settings(many, max_examples=12)


@functools.cache
def contract_of(name: str) -> Contract:
    return dict(contracts())[name]


@functools.cache
def compiled(name: str, qname: str) -> tuple[Encoder, Decoder]:
    contract = contract_of(name)
    return contract.encoder(qname), contract.decoder(qname)


def drawn(data: st.DataObject, name: str, qname: str) -> Any:
    return data.draw(instances(contract_of(name).shape(qname)))


@pytest.mark.parametrize(("name", "qname"), ELEMENTS)
@given(data=st.data())
@many
def test_what_is_encoded_is_decoded_to_the_same_values(name: str, qname: str, data: st.DataObject) -> None:
    encoder, decoder = compiled(name, qname)
    values = drawn(data, name, qname)
    assert decoder.decode(encoder.encode(values)) == values


@pytest.mark.parametrize(("name", "qname"), ELEMENTS)
@given(data=st.data())
@few
def test_what_is_decoded_is_encoded_to_the_same_document(name: str, qname: str, data: st.DataObject) -> None:
    encoder, decoder = compiled(name, qname)
    content = encoder.encode(drawn(data, name, qname))
    assert encoder.encode(decoder.decode(content)) == content


@pytest.mark.parametrize(("name", "qname"), ELEMENTS)
@given(data=st.data())
@many
def test_encoded_text_is_its_own_exclusive_canonical_form(name: str, qname: str, data: st.DataObject) -> None:
    encoder, _ = compiled(name, qname)
    content = encoder.encode(drawn(data, name, qname))
    assert canonical(parse(content), inclusive_prefixes=encoder.inclusive_prefixes(content)) == content


@pytest.mark.parametrize(("name", "qname"), ELEMENTS)
@given(data=st.data())
@few
def test_encoded_text_stays_the_same_when_canonicalised_inside_of_an_envelope(
    name: str, qname: str, data: st.DataObject
) -> None:
    encoder, _ = compiled(name, qname)
    content = encoder.encode(drawn(data, name, qname))
    envelope = b'<s:Body xmlns:s="urn:s" xmlns:n0="urn:other" xmlns:xsi="urn:not-xsi">' + content + b"</s:Body>"
    assert canonical(parse(envelope)[0], inclusive_prefixes=encoder.inclusive_prefixes(content)) == content


@functools.cache
def explainer_of(name: str) -> xmlschema.XMLSchema10:
    if name in {"zoo", "wild"}:
        return join(zoo_bundle(), [f"{name}.xsd"]).components()
    return {
        "din-reg": lambda: xmlschema.XMLSchema10(str(SCHEMAS / "agencies/din-reg/v1/PopulationRegister.xsd")),
        "mkr": lambda: xmlschema.XMLSchema10(_inline_types("agencies/mkr/v1/CreditRegistry.wsdl")),
    }[name]()


def _inline_types(path: str) -> str:
    text = (SCHEMAS / path).read_text(encoding="utf-8")
    return text[text.index("<xs:schema") : text.index("</xs:schema>") + len("</xs:schema>")]


@pytest.mark.parametrize(("name", "qname"), ELEMENTS)
@given(data=st.data())
@few
def test_encoded_text_is_valid_to_xmlschema_too(name: str, qname: str, data: st.DataObject) -> None:
    encoder, _ = compiled(name, qname)
    explainer_of(name).validate(encoder.encode(drawn(data, name, qname)).decode())


@pytest.mark.parametrize(("name", "qname"), [("zoo", "{urn:zoo}Simple"), ("wild", "{urn:wild}Values")])
@given(data=st.data())
@few
def test_xmlschema_reads_the_same_values(name: str, qname: str, data: st.DataObject) -> None:
    encoder, decoder = compiled(name, qname)
    content = encoder.encode(drawn(data, name, qname))
    ours = decoder.decode(content)
    types = simple_types(name, qname)
    for child in parse(content):
        key = str(child.tag).rpartition("}")[2]
        if key in types and ours[key] is not None and child.text:
            assert alike(ours[key], types[key].decode(child.text)), key


@functools.cache
def simple_types(name: str, qname: str) -> dict[str, Any]:
    """By local name; without names, whose prefixes xmlschema would have to know."""
    declared: Any = explainer_of(name).maps.elements[qname]
    found = declared.type.content.iter_elements()
    return {each.local_name: each.type for each in found if each.type.is_simple() and "Name" not in each.local_name}


def alike(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, dict):
        ours = ours["value"]
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(alike(*pair) for pair in zip(ours, theirs, strict=True))
    if hasattr(theirs, "value"):
        return bool(theirs.value.decode() == ours)  # binary, as it was written
    if hasattr(theirs, "fromstring"):
        return bool(theirs == type(theirs).fromstring(ours))  # moments, which we leave as text
    if isinstance(theirs, float):
        return float(ours) == theirs or (math.isnan(theirs) and ours == "NaN")
    if isinstance(theirs, str):
        # To xmlschema a no-break space is white space, and to XML it is not.
        return "".join(theirs.split()) == "".join(str(ours).split())
    return bool(ours == theirs) or str(theirs) == ours


# --- zeep ------------------------------------------------------------------------------------------------


@functools.cache
def zeep_of(name: str) -> Any:
    path = {"din-reg": "din-reg/v1/PopulationRegister.wsdl", "mkr": "mkr/v1/CreditRegistry.wsdl"}[name]
    client: Any = zeep
    return client.wsdl.Document(str(SCHEMAS / "agencies" / path), client.Transport())


@pytest.mark.parametrize(("name", "qname"), AGENCY_ELEMENTS)
@given(data=st.data())
@few
def test_zeep_reads_the_same_values(name: str, qname: str, data: st.DataObject) -> None:
    encoder, _ = compiled(name, qname)
    values = drawn(data, name, qname)
    types = zeep_of(name).types
    read = types.get_element(qname).parse(parse(encoder.encode(values)), types)
    plain: Any = zeep.helpers
    assert same(values, plain.serialize_object(read, dict))


def same(ours: Any, theirs: Any) -> bool:  # noqa: PLR0911 - one answer for each kind of value
    if isinstance(ours, dict) and theirs is None:
        # zeep has no word for an element that is there and empty.
        return not any(ours.values())
    if isinstance(ours, dict):
        # zeep keeps the type that a document chose in the class of its value.
        ours = {key: value for key, value in ours.items() if key != TYPE_KEY}
        absent = [key for key in theirs if key not in ours]
        if len(ours) == 1 and not isinstance(theirs, dict):
            # zeep hands out the only child of an element in place of the element.
            return same(next(iter(ours.values())), theirs)
        return all(not theirs[key] for key in absent) and all(same(value, theirs[key]) for key, value in ours.items())
    if isinstance(ours, list):
        theirs = theirs or []
        return len(ours) == len(theirs) and all(same(*pair) for pair in zip(ours, theirs, strict=True))
    if isinstance(ours, str) and re.match(r"-[0-9]|[0-9]{5}", ours) and theirs is None:
        return True  # Python has no such year, and so zeep has none
    if isinstance(theirs, dt.datetime | dt.date | dt.time):
        # zeep drops the zone of a date and what is below a microsecond; the day and the second are enough here.
        return str(ours)[:10] == theirs.isoformat()[:10]
    if isinstance(theirs, Decimal | int):
        return bool(Decimal(ours) == theirs)
    return bool(ours == (theirs or ""))


@pytest.mark.parametrize("wsdl", [din_reg(), mkr()], ids=["din-reg", "mkr"])
def test_what_zeep_writes_is_decoded(wsdl: Wsdl) -> None:
    name = "din-reg" if "GetAddress" in wsdl.operations else "mkr"
    for operation in wsdl.operations.values():
        types = zeep_of(name).types
        holder = parse(b"<holder/>")
        element = types.get_element(operation.input)
        element.render(holder, element(Pin="7TESTX1"))
        assert wsdl.contract.decoder(operation.input).decode(canonical(holder[0])) == {"Pin": "7TESTX1"}
