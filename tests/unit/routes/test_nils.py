"""What a caller's null becomes, under contracts as agencies' tools write them."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esb.contracts.contract import Contract
from esb.errors import ContractViolation
from esb.model import RouteId
from esb.ports import FieldShape
from esb.routes import compiler
from esb.routes.table import CallRoute
from tests.support.deployment import ShapeCatalogue, write

TYPES = {
    "int": 7,
    "string": "x",
    "date": "2026-01-01",
    "dateTime": "2026-01-01T00:00:00Z",
    "boolean": True,
    "decimal": "1.50",
}
NILLABLE = {f"{name}{'' if required else 'Optional'}Nil": (name, required) for name in TYPES for required in (1, 0)}
FIELDS = "".join(
    f'<xs:element name="{field}" type="xs:{name}" minOccurs="{required}" nillable="true"/>'
    for field, (name, required) in NILLABLE.items()
) + "".join(f'<xs:element name="{name}Optional" type="xs:{name}" minOccurs="0"/>' for name in TYPES)
PLAIN = {**{field: name for field, (name, _) in NILLABLE.items()}, **{f"{name}Optional": name for name in TYPES}}
HOLDERS = {
    "Here": "",
    "Perhaps": 'minOccurs="0"',
    "Nothing": 'nillable="true"',
    "PerhapsNothing": 'minOccurs="0" nillable="true"',
}
XSD = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="Ask"><xs:complexType><xs:sequence>'
    '<xs:element name="Pin" type="xs:string"/><xs:element name="Codes" type="xs:int" nillable="true" maxOccurs="3"/>'
    + "".join(f'<xs:element name="{name}" type="Fields" {how}/>' for name, how in HOLDERS.items())
    + f'</xs:sequence></xs:complexType></xs:element><xs:complexType name="Fields"><xs:sequence>{FIELDS}</xs:sequence>'
    "</xs:complexType></xs:schema>"
)
CONTRACT = Contract.from_xsd({"t.xsd": XSD.encode()}, ["t.xsd"])
ENCODER, DECODER = CONTRACT.encoder("Ask"), CONTRACT.decoder("Ask")
SHAPE = FieldShape(
    request_schema=CONTRACT.json_schema("Ask", request=True),
    reply_schema=CONTRACT.json_schema("Ask"),
    request_sample=CONTRACT.sample("Ask"),
    reply_sample=CONTRACT.sample("Ask"),
)
PLACES = [(holder, field) for holder in HOLDERS for field in PLAIN]


def parameter(holder: str, field: str) -> str:
    return f"{holder}_{field}".lower()


@functools.cache
def the_route() -> CallRoute:
    request = {f"{holder}.{field}": f"parameters.{parameter(holder, field)}" for holder, field in PLACES}
    with tempfile.TemporaryDirectory() as folder:
        return route_of(Path(folder), {"Codes": "parameters.codes", **request})


def route_of(folder: Path, request: dict[str, str], shape: FieldShape = SHAPE) -> CallRoute:
    lines = "".join(f"      {key}: {text}\n" for key, text in {"Pin": "subject.value", **request}.items())
    text = (
        "callers: {}\ngrants: []\nroutes:\n  heat.debt:\n    title: {az: a, en: b}\n    audience: [citizen]\n"
        f"    legal_basis: x\n    adapter: heat\n    operation: Ask\n    request:\n{lines}    reply:\n      pin: Pin\n"
    )
    found = compiler.load(write(folder, text), ShapeCatalogue({("heat", "Ask"): shape})).routes[RouteId("heat.debt")]
    assert isinstance(found, CallRoute)
    return found


def asked(**parameters: Any) -> dict[str, Any]:
    return {"subject": {"scheme": "FIN", "value": "7TESTX1"}, "parameters": parameters}


REQUIRED = {parameter("Here", field): None for field, (_, required) in NILLABLE.items() if required}


def test_a_null_is_nil_where_the_contract_requires_the_field_and_left_out_where_it_does_not() -> None:
    route = the_route()
    document = asked(codes=[None, 1], **REQUIRED, here_intoptionalnil=None, here_intoptional=None)
    route.validator.validate(document)
    sent = DECODER.decode(ENCODER.encode(route.build_request(document)))
    assert sent["Here"] == {f"{name}Nil": None for name in TYPES}
    assert sent["Codes"] == [None, 1]
    assert sent["Nothing"] is None
    assert "Perhaps" not in sent


def test_a_field_that_the_contract_requires_must_be_said_even_when_it_is_null() -> None:
    route = the_route()
    for name in REQUIRED:
        document = asked(codes=[1], **{key: None for key in REQUIRED if key != name})
        with pytest.raises(ContractViolation):
            route.validator.validate(document)


def test_an_optional_object_is_not_made_by_nulls_and_has_its_nils_when_it_is_there() -> None:
    route = the_route()
    alone = asked(codes=[1], **REQUIRED, perhaps_intnil=None)
    assert "Perhaps" not in route.build_request(alone)
    both = asked(codes=[1], **REQUIRED, perhaps_intoptional=7)
    assert route.build_request(both)["Perhaps"] == {"intOptional": 7, **{f"{name}Nil": None for name in TYPES}}


GIVEN = {parameter(holder, field): st.sampled_from([TYPES[PLAIN[field]], None]) for holder, field in PLACES}
CODES = st.lists(st.none() | st.just(1), max_size=4)


@settings(max_examples=200, deadline=None)
@given(
    demanded=st.just({"codes": [1], **REQUIRED}) | st.just({}),
    more=st.fixed_dictionaries({}, optional={**GIVEN, "codes": CODES}),
)
def test_what_the_published_schema_takes_the_contract_takes(demanded: dict[str, Any], more: dict[str, Any]) -> None:
    route, document = the_route(), asked(**{**demanded, **more})
    try:
        route.validator.validate(document)
    except ContractViolation:
        return
    ENCODER.encode(route.build_request(document))
