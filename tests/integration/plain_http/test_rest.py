"""REST agencies over real HTTP: OpenAPI 3.0 and 3.1, every form of document, every way of saying no, strict and lax."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters import agency_keys, registry
from adapters.transport import Transport
from esb.errors import AgencyFault, AgencyRejected, ReplyInvalid, RoutesInvalid
from tests.support.plain_http import PlainAgency, running, write_agency

API = """\
openapi: 3.0.3
info: {title: Heat, version: "1"}
paths:
  /search:
    parameters:
      - {name: filter, in: query, style: deepObject, schema: {$ref: "#/components/schemas/Filter"}}
      - {name: ids, in: query, style: pipeDelimited, explode: false, schema: {type: array, items: {type: integer}}}
      - {name: X-Rayons, in: header, schema: {type: array, items: {type: string}}}
      - {name: session, in: cookie, schema: {type: string}}
      - {name: where, in: query, content: {application/json: {schema: {type: object}}}}
    get:
      operationId: Search
      parameters: [{name: pin, in: query, required: true, schema: {type: string}}]
      responses: {"200": {$ref: "#/components/responses/People"}}
  /{pin}/people:
    post:
      operationId: AddXml
      parameters: [{name: pin, in: path, required: true, schema: {type: string}}]
      requestBody: {required: true, content: {application/xml: {schema: {$ref: "#/components/schemas/Person"}}}}
      responses:
        "200": {description: "", content: {text/xml: {schema: {$ref: "#/components/schemas/Person"}}}}
        default: {description: "", content: {application/xml: {}}}
  /forms:
    post:
      operationId: AddForm
      requestBody:
        required: true
        content:
          application/x-www-form-urlencoded:
            schema:
              type: object
              required: [pin]
              properties:
                pin: {type: string}
                amount: {type: number}
                tags: {type: array, items: {type: string}}
                more: {type: object, properties: {a: {type: integer}}}
      responses: {"201": {description: "", content: {application/vnd.heat.v1+json: {schema: {type: object}}}}}
  /{pin}/photo:
    get:
      operationId: Photo
      parameters: [{name: pin, in: path, required: true, schema: {type: string}}]
      responses:
        "200": {description: "", content: {image/png: {schema: {type: string, format: binary}}}}
  /{pin}/note:
    put:
      operationId: Note
      parameters: [{name: pin, in: path, required: true, schema: {type: string}}]
      requestBody: {required: true, content: {text/plain: {schema: {type: string}}}}
      responses: {"200": {description: "", content: {text/plain: {schema: {type: string}}}}}
components:
  responses:
    People:
      description: ""
      content: {"*/*": {schema: {type: array, items: {$ref: "#/components/schemas/Person"}}}}
  schemas:
    Filter: {type: object, properties: {name: {type: string}, from: {type: integer}}}
    Person:
      type: object
      required: [pin, amount]
      xml: {name: Person, namespace: "urn:heat"}
      properties:
        pin: {type: string, xml: {attribute: true}}
        amount: {type: number}
        born: {type: string, format: date, nullable: true}
        parents: {type: array, items: {$ref: "#/components/schemas/Person"}, xml: {name: parents, wrapped: true}}
"""

PNG = base64.b64encode(bytes(range(256))).decode()
SIMULATOR = f"""\
operations:
  Search: {{key: pin, table: people, found: [$record], missing: {{raw: "[]"}}, special: {{NULL: {{raw: "null"}}}}}}
  AddXml: {{key: pin, table: people, found: $record, missing: {{http_status: 404, raw: "<e><code>NO</code></e>"}}}}
  AddForm: {{key: body.pin, table: done, found: $record, missing: {{http_status: 201, document: {{}}}}}}
  Photo: {{key: pin, table: photos, found: {{body: $record.png}}, missing: {{http_status: 404, raw: ""}}}}
  Note: {{key: pin, table: photos, found: {{body: $record.note}}, missing: {{http_status: 404, raw: ""}}}}
tables:
  people:
    7TESTX1:
      pin: 7TESTX1
      amount: 10.10
      born: null
      parents: [{{pin: 7TESTX2, amount: 0, parents: []}}]
  done: {{}}
  photos: {{7TESTX1: {{png: "{PNG}", note: "Salam, dünya"}}}}
"""
PERSON = {
    "pin": "7TESTX1",
    "amount": Decimal("10.1"),
    "born": None,
    "parents": [{"pin": "7TESTX2", "amount": 0, "parents": []}],
}


@pytest.fixture(params=["none", "http-signature"])
async def heat(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[PlainAgency]:
    more = "not_found: {http_status: [404], answer: [empty-list, null-body]}"
    settings = write_agency(
        tmp_path,
        {"api.yaml": API},
        kind="rest",
        file="api.yaml",
        authentication=request.param,
        simulator=SIMULATOR,
        more=more,
    )
    async with running(settings) as there:
        yield there


async def test_parameters_of_every_place_and_style_arrive(heat: PlainAgency) -> None:
    values = {
        "pin": "7TESTX1",
        "filter": {"name": "Əli & Co", "from": 3},
        "ids": [1, 2],
        "X-Rayons": ["Baki", "Quba"],
        "session": "a;b=c",
        "where": {"a": [1]},
    }
    answer = await heat.ask("Search", values)
    assert answer.data == {"body": [PERSON]}
    assert heat.simulator.refusals == {}


async def test_an_empty_list_and_a_null_are_not_found_where_the_manifest_says_so(heat: PlainAgency) -> None:
    for pin in ("7TESTX9", "NULL"):
        answer = await heat.ask("Search", {"pin": pin})
        assert (answer.found, answer.data) == (False, {})


async def test_xml_bodies_go_both_ways(heat: PlainAgency) -> None:
    person = {"pin": "7TESTX3", "amount": Decimal("0.30"), "born": "2001-02-03", "parents": []}
    answer = await heat.ask("AddXml", {"pin": "7TESTX1", "body": person})
    assert answer.data == PERSON
    assert not (await heat.ask("AddXml", {"pin": "7TESTX9", "body": person})).found


async def test_forms_are_written_and_other_json_types_read(heat: PlainAgency) -> None:
    body = {"pin": "Ə 1&2", "amount": Decimal("1.50"), "tags": ["a", "b+c"], "more": {"a": 1}}
    assert (await heat.ask("AddForm", {"body": body})).data == {}
    assert heat.simulator.calls == {("AddForm", "Ə 1&2"): 1}


async def test_bytes_come_as_base64_and_text_as_text(heat: PlainAgency) -> None:
    assert (await heat.ask("Photo", {"pin": "7TESTX1"})).data == {"body": PNG}
    assert (await heat.ask("Note", {"pin": "7TESTX1", "body": "Əlavə"})).data == {"body": "Salam, dünya"}
    assert not (await heat.ask("Photo", {"pin": "7TESTX9"})).found


# --- answers in words ------------------------------------------------------------------------------------

WORDS = """\
openapi: 3.1.0
info: {title: Heat, version: "1"}
paths:
  /people/{pin}:
    get:
      operationId: Get
      parameters: [{name: pin, in: path, required: true, schema: {type: string}}]
      responses:
        "200":
          description: ""
          content:
            application/json:
              schema:
                type: object
                required: [kind]
                additionalProperties: false
                properties: {kind: {enum: [a, b]}, code: {type: string}, name: {type: [string, "null"]}}
        "204": {description: nothing}
"""


def words(folder: Path, more: str, answers: dict[str, str]) -> Any:
    """An agency that answers keys with raw text, each under a status: `200 {}`."""
    special = "".join(f"      {key}: {{http_status: {text[:3]}, raw: '{text[4:]}'}}\n" for key, text in answers.items())
    simulator = f"""\
operations:
  Get:
    key: pin
    table: none
    found: $record
    missing: {{http_status: 404, raw: ""}}
    special:
{special}tables: {{none: {{}}}}
"""
    return write_agency(folder, {"api.yaml": WORDS}, kind="rest", file="api.yaml", simulator=simulator, more=more)


NESTED = '422 {"error": {"code": "A.B.C", "message": "no", "cause": {"code": "D.E", "cause": {"code": 17}}}}'


async def test_dotted_codes_and_nested_causes_are_told_without_any_setting(tmp_path: Path) -> None:
    async with running(words(tmp_path, 'faults: {rejected: ["A.*"]}', {"X": NESTED})) as there:
        with pytest.raises(AgencyRejected) as caught:
            await there.ask("Get", {"pin": "X"})
    assert (caught.value.agency_code, caught.value.agency_message) == ("A.B.C", "no")
    assert caught.value.causes == ("D.E", "17")


async def test_places_of_code_message_and_cause_can_be_said(tmp_path: Path) -> None:
    more = "faults: {code: ['fail[0].no'], message: ['fail[0].words'], cause: ['fail[0].why'], not_found: ['1*']}"
    answers = {
        "X": '400 {"fail": [{"no": 12, "words": "yox"}], "code": "Z"}',
        "Y": '400 {"fail": [{"no": 2, "words": "no", "why": {"no": "deep"}}]}',
        "Z": '400 {"code": "elsewhere"}',
    }
    async with running(words(tmp_path, more, answers)) as there:
        assert not (await there.ask("Get", {"pin": "X"})).found
        for pin, code, causes in (("Y", "2", ("deep",)), ("Z", "HTTP 400", ())):
            with pytest.raises(AgencyFault) as caught:
                await there.ask("Get", {"pin": pin})
            assert (caught.value.agency_code, caught.value.causes) == (code, causes)


async def test_a_code_in_an_answer_of_success_means_what_the_manifest_says(tmp_path: Path) -> None:
    more = "faults: {success: ['0', OK], rejected: ['R*'], not_found: ['404'], code: [code]}"
    answers = {
        "OK": '200 {"kind": "a", "code": "0"}',
        "BARE": '200 {"kind": "a"}',
        "NONE": '200 {"code": "404"}',
        "NO": '200 {"code": "R7", "text": "x"}',
        "ODD": '200 {"kind": "a", "code": "57"}',
    }
    async with running(words(tmp_path, more, answers)) as there:
        assert (await there.ask("Get", {"pin": "OK"})).data == {"kind": "a", "code": "0"}
        assert (await there.ask("Get", {"pin": "BARE"})).found
        assert not (await there.ask("Get", {"pin": "NONE"})).found
        with pytest.raises(AgencyRejected):
            await there.ask("Get", {"pin": "NO"})
        with pytest.raises(AgencyFault) as caught:
            await there.ask("Get", {"pin": "ODD"})
        assert caught.value.agency_code == "57"


async def test_each_way_of_saying_not_found_counts_only_where_it_is_said(tmp_path: Path) -> None:
    answers = {"EMPTY": "204 ", "NULLS": '200 {"kind": "a", "name": null}'}
    async with running(words(tmp_path / "a", "not_found: {answer: [empty-body]}", answers)) as there:
        assert not (await there.ask("Get", {"pin": "EMPTY"})).found
        assert (await there.ask("Get", {"pin": "NULLS"})).found
    async with running(words(tmp_path / "b", "not_found: {http_status: [204]}", answers)) as there:
        assert not (await there.ask("Get", {"pin": "EMPTY"})).found
    async with running(words(tmp_path / "c", "", answers)) as there:
        assert (await there.ask("Get", {"pin": "EMPTY"})).data == {}


async def test_a_status_that_no_contract_describes_is_no_record_unless_a_page_comes_with_it(tmp_path: Path) -> None:
    answers = {"JSON": '404 {"anything": 1}', "EMPTY": "404 ", "PAGE": "404 <!DOCTYPE html><html></html>"}
    async with running(words(tmp_path, "not_found: {http_status: [404]}", answers)) as there:
        for pin in ("JSON", "EMPTY"):
            assert not (await there.ask("Get", {"pin": pin})).found
        with pytest.raises(ReplyInvalid):
            await there.ask("Get", {"pin": "PAGE"})


STRAYED = '200 {"kind": "c", "extra": {"deep": [1.50]}, "name": "x"}'


async def test_a_lax_adapter_keeps_what_is_unknown_and_tells_of_it(tmp_path: Path) -> None:
    answers = {"STRAYED": STRAYED, "WRONG": '200 {"kind": "a", "name": 5}', "LESS": '200 {"name": "x"}'}
    async with running(words(tmp_path, "validation: lax", answers)) as there:
        answer = await there.ask("Get", {"pin": "STRAYED"})
        assert answer.data == {"kind": "c", "extra": {"deep": [Decimal("1.50")]}, "name": "x"}
        assert answer.findings == ("/kind: is not one of a, b", "/extra: is not a known field")
        assert (await there.ask("Get", {"pin": "LESS"})).findings == ("/kind: is required",)
        with pytest.raises(ReplyInvalid) as caught:
            await there.ask("Get", {"pin": "WRONG"})
        assert caught.value.path == "/name"


async def test_a_strict_adapter_refuses_it(tmp_path: Path) -> None:
    async with running(words(tmp_path, "", {"STRAYED": STRAYED})) as there:
        with pytest.raises(ReplyInvalid):
            await there.ask("Get", {"pin": "STRAYED"})


# --- XML bodies by an XSD --------------------------------------------------------------------------------

XSD = """\
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:x" elementFormDefault="qualified">
  <xs:element name="Ask"><xs:complexType><xs:sequence><xs:element name="Pin" type="xs:string"/>
    <xs:element name="Day" type="xs:date"/></xs:sequence></xs:complexType></xs:element>
  <xs:element name="Told"><xs:complexType><xs:sequence>
    <xs:element name="Debt" type="xs:decimal" maxOccurs="unbounded"/></xs:sequence></xs:complexType></xs:element>
</xs:schema>
"""
BY_XSD = """\
openapi: 3.0.3
info: {title: Heat, version: "1"}
paths:
  /ask:
    post:
      operationId: Ask
      requestBody: {required: true, content: {application/xml: {schema: {type: object}}}}
      responses: {"200": {description: "", content: {application/xml: {schema: {type: object}}}}}
"""
BY_XSD_SIMULATOR = """\
operations: {Ask: {key: body.Pin, table: t, found: {Debt: $record}, missing: {http_status: 404, raw: "<e/>"}}}
tables: {t: {7TESTX1: ["1.50", "2"]}}
"""


async def test_xml_bodies_can_be_elements_of_an_xsd(tmp_path: Path) -> None:
    settings = write_agency(
        tmp_path,
        {"api.yaml": BY_XSD, "types.xsd": XSD},
        kind="rest",
        file="api.yaml",
        contract='  xsd: types.xsd\n  operations: {Ask: {request: "{urn:x}Ask", reply: Told}}',
        simulator=BY_XSD_SIMULATOR,
    )
    async with running(settings) as there:
        answer = await there.ask("Ask", {"body": {"Pin": "7TESTX1", "Day": "2026-01-31"}})
        assert answer.data == {"Debt": [Decimal("1.50"), Decimal(2)]}


@pytest.mark.parametrize(
    ("contract", "reason"),
    [
        ("  operations: {Ask: {request: Ask}}", "contract.operations names elements of contract.xsd, which is missing"),
        (
            "  xsd: types.xsd\n  operations: {Aks: {request: Ask}}",
            "contract.operations names Aks, which api.yaml has not",
        ),
        ("  xsd: types.xsd\n  operations: {Ask: {request: Axk}}", "Axk is not an element of the XSD"),
        ("  xsd: types.xsd\n  operations: {Ask: {path: /x}}", "the OpenAPI document says how it is called"),
        ("  xsd: nothing.xsd", "nothing.xsd"),
    ],
)
def test_elements_that_are_not_there_are_findings(tmp_path: Path, contract: str, reason: str) -> None:
    settings = write_agency(
        tmp_path, {"api.yaml": BY_XSD, "types.xsd": XSD}, kind="rest", file="api.yaml", contract=contract
    )
    with pytest.raises(RoutesInvalid) as caught:
        registry.load(settings, agency_keys.load(settings), Transport())
    assert reason in str(caught.value)
