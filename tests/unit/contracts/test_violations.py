"""What breaks a contract is refused, with the place and the rule, and without the value."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest

from esb.contracts.contract import Decoder, Encoder
from esb.errors import ContractViolation
from tests.support.contracts import DIN, MKR, ZOO_NAMESPACE, din_reg, mkr, zoo

SECRET = "Gizli-7TESTX1"


@pytest.fixture(scope="module")
def person() -> Encoder:
    return din_reg().contract.encoder(DIN + "GetPersonByPinResponse")


@pytest.fixture(scope="module")
def person_reader() -> Decoder:
    return din_reg().contract.decoder(DIN + "GetPersonByPinResponse")


def person_values() -> dict[str, Any]:
    sample: dict[str, Any] = copy.deepcopy(din_reg().contract.sample(DIN + "GetPersonByPinResponse"))
    return sample


def violation(encoder: Encoder, values: Any) -> ContractViolation:
    with pytest.raises(ContractViolation) as caught:
        encoder.encode(values)
    return caught.value


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("Pin", SECRET, "does not match its pattern"),
        ("Pin", 7, "must be text"),
        ("Pin", None, "must be text"),
        ("Surname", "", "is too short"),
        ("Surname", SECRET * 20, "is too long"),
        ("Surname", "\x00", "holds a character that XML cannot carry"),
        ("Surname", "\ud800", "holds a character that XML cannot carry"),
        ("BirthDate", "31.02.2015", "is not a valid xs:date"),
        ("BirthDate", "2015-02-31", "is not a valid xs:date"),
        ("Sex", SECRET, "is not one of the allowed values"),
        ("Passport", SECRET, "is not in the contract"),
        ("IdDocument", SECRET, "must be an object"),
        ("PreviousAddress", {}, "must be a list"),
    ],
)
def test_a_wrong_field_is_named_and_its_value_is_not(person: Encoder, field: str, value: Any, reason: str) -> None:
    values = person_values()
    values["Person"][field] = value
    found = violation(person, values)
    assert (found.path, found.reason) == (f"Person/{field}", reason)
    assert SECRET not in str(found)


def test_a_missing_required_field_is_named(person: Encoder) -> None:
    values = person_values()
    del values["Person"]["RegisteredAddress"]["Rayon"]
    found = violation(person, values)
    assert (found.path, found.reason) == ("Person/RegisteredAddress/Rayon", "is required")


def test_an_item_of_a_list_is_counted_from_one(person: Encoder) -> None:
    values = person_values()
    former = values["Person"]["PreviousAddress"][0]
    values["Person"]["PreviousAddress"] = [former, former | {"Nope": "x"}]
    assert violation(person, values).path == "Person/PreviousAddress[2]/Nope"
    values["Person"]["PreviousAddress"] = [former, former | {"From": "x"}]
    assert violation(person, values).path == "Person/PreviousAddress[2]/From"


def test_too_many_items_are_refused(person: Encoder) -> None:
    values = person_values()
    values["Person"]["PreviousAddress"] *= 101
    assert violation(person, values).reason.startswith("is not allowed here")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (1.5, "must be a decimal number, as text or integer; floating point is not exact"),
        (Decimal("NaN"), "must be a decimal number of reasonable size"),
        (Decimal("1E+100000"), "must be a decimal number of reasonable size"),
        ("1,50", "must be a decimal number, as text or integer; floating point is not exact"),
        (True, "must be a decimal number, as text or integer; floating point is not exact"),
        ("1.234", "has too many digits after the point"),
        (-1, "is too small"),
    ],
)
def test_an_amount_that_is_not_exact_is_refused(value: Any, reason: str) -> None:
    encoder = mkr().contract.encoder(MKR + "GetCreditsResponse")
    values = copy.deepcopy(mkr().contract.sample(MKR + "GetCreditsResponse"))
    values["Credits"]["Credit"][0]["Principal"] = value
    found = violation(encoder, values)
    assert (found.path, found.reason) == ("Credits/Credit/Principal", reason)


@pytest.mark.parametrize("value", ["12.50", Decimal("12.50"), "12.5", 12, "+7", "1E+2"])
def test_an_exact_amount_may_be_text_number_or_decimal(value: Any) -> None:
    encoder = mkr().contract.encoder(MKR + "GetCreditsResponse")
    decoder = mkr().contract.decoder(MKR + "GetCreditsResponse")
    values = copy.deepcopy(mkr().contract.sample(MKR + "GetCreditsResponse"))
    values["Credits"]["Credit"][0]["Principal"] = value
    assert decoder.decode(encoder.encode(values))["Credits"]["Credit"][0]["Principal"] == Decimal(value)


def test_an_empty_list_of_credits_is_a_list_and_an_absent_one_is_refused() -> None:
    encoder = mkr().contract.encoder(MKR + "GetCreditsResponse")
    decoder = mkr().contract.decoder(MKR + "GetCreditsResponse")
    empty = {"AsOf": "2026-01-31", "Credits": {"Credit": []}}
    assert decoder.decode(encoder.encode(empty)) == empty
    assert violation(encoder, {"AsOf": "2026-01-31"}).path == "Credits"


ZOO_GROUPS: dict[str, Any] = {"Pin": "x", "Circle": "x", "Between": [1, 2]}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Series": "AA"}, "only one of Number, Pin, Series may be given"),
        ({"Pin": ...}, "one of Number, Pin, Series is required"),
        ({"Square": "y"}, "only one of Circle, Square may be given"),
        ({"Between": [1]}, "needs at least 2"),
        ({"Key": ["a", "b"], "Item": [1]}, "Key, Item go together, at least 0 of each"),
        ({"From": "2026-01-31"}, "is required"),
        ({"Shape": "z"}, "is not in the contract"),
    ],
)
def test_a_wrong_combination_is_explained(change: dict[str, Any], reason: str) -> None:
    values = {key: value for key, value in (ZOO_GROUPS | change).items() if value is not ...}
    assert violation(zoo().encoder(ZOO_NAMESPACE + "Groups"), values).reason == reason


def test_a_missing_attribute_is_named() -> None:
    values = zoo().sample(ZOO_NAMESPACE + "Types")
    del values["Bird"][0]["@tag"]
    assert violation(zoo().encoder(ZOO_NAMESPACE + "Types"), values).path == "Bird/@tag"


# --- reading ---------------------------------------------------------------------------------------------


def refused(decoder: Decoder, content: bytes) -> ContractViolation:
    with pytest.raises(ContractViolation) as caught:
        decoder.decode(content)
    return caught.value


def test_text_of_the_value_cannot_pose_as_a_rule(person: Encoder, person_reader: Decoder) -> None:
    forged = "x' is not a valid value of the atomic type 'xs:SECRET"
    content = person.encode(person_values()).replace(b"<BirthDate>2026-01-31", f"<BirthDate>{forged}".encode())
    found = refused(person_reader, content)
    assert (found.path, found.reason) == ("Person/BirthDate", "is not a valid xs:date")


def test_an_element_outside_of_the_contract_is_refused(person: Encoder, person_reader: Decoder) -> None:
    content = person.encode(person_values()).replace(b"<Person>", b"<Person><Extra>x</Extra>")
    found = refused(person_reader, content)
    assert (found.path, found.reason) == ("Person/Extra", "is not allowed here; expected is Pin")


@pytest.mark.parametrize(
    ("found", "put", "reason"),
    [
        (b"urn:az:gov:din:population-register:v1", b"urn:az:gov:din:population-register:v2", "is not an element"),
        (b"<Person>", b'<Person a="x">', "has an attribute that the contract does not allow"),
        (b"<Person>", b"<Person>text", "has text between its child elements"),
        (b"<Sex>", b"<Sex><b/>", "has child elements where only text may stand"),
        (b"</GetPersonByPinResponse>", b"", "not well-formed XML"),
        (b"<GetPersonByPinResponse", b"<!DOCTYPE a><GetPersonByPinResponse", "document has a DTD"),
        (b"<Person>", b'<Person xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true">', "is nil"),
    ],
)
def test_a_broken_reply_is_refused(
    person: Encoder, person_reader: Decoder, found: bytes, put: bytes, reason: str
) -> None:
    content = person.encode(person_values())
    assert found in content
    assert refused(person_reader, content.replace(found, put)).reason.startswith(reason)


def test_another_element_of_the_same_contract_is_refused(person_reader: Decoder) -> None:
    content = din_reg().contract.encoder(DIN + "GetPersonByPin").encode({"Pin": "7TESTX1"})
    assert refused(person_reader, content).reason == "is another element than GetPersonByPinResponse"


@pytest.mark.parametrize(
    "namespace",
    [b"http://www.w3.org/2001/XMLSchema-instance", b"http://www.w3.org/2001/XMLSchema&#45;instance"],
)
def test_a_document_that_chooses_a_type_is_read_as_that_type_or_refused(namespace: bytes) -> None:
    animal = b'<Animal tag="1">'
    decoder = zoo().decoder(ZOO_NAMESPACE + "Types")
    content = zoo().encoder(ZOO_NAMESPACE + "Types").encode(zoo().sample(ZOO_NAMESPACE + "Types"))
    chosen = content.replace(animal, b'<Animal xmlns:x="%s" x:type="Bird" tag="1">' % namespace)
    bird = chosen.replace(b"</Legs></Animal>", b"</Legs><Wings>2</Wings></Animal>")
    assert decoder.decode(bird)["Animal"] == {
        "@xsi:type": "Bird",
        "Name": "text",
        "Legs": 1,
        "Wings": 2,
        "@tag": 1,
        "@kind": "göy",
    }
    for wrong in (chosen, bird.replace(b'"Bird"', b'"Node"'), bird.replace(b'"Bird"', b'"Nowhere"')):
        refused(decoder, wrong)


def test_a_comment_cannot_cut_a_value_short(person: Encoder, person_reader: Decoder) -> None:
    content = person.encode(person_values() | {"ResultText": "ab"})
    assert person_reader.decode(content.replace(b">ab<", b">a<!-- x -->b<"))["ResultText"] == "ab"


def test_a_schema_location_in_a_document_is_never_followed(person: Encoder, person_reader: Decoder) -> None:
    hint = b' xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:schemaLocation="urn:x http://127.0.0.1:9/x.xsd"><R'
    content = person.encode(person_values()).replace(b"><R", hint, 1)
    assert person_reader.decode(content)["ResultCode"]


def test_a_number_with_thousands_of_digits_is_refused() -> None:
    encoder, decoder = zoo().encoder(ZOO_NAMESPACE + "Simple"), zoo().decoder(ZOO_NAMESPACE + "Simple")
    content = encoder.encode(zoo().sample(ZOO_NAMESPACE + "Simple"))
    content = content.replace(b"<Big>1", b"<Big>" + b"9" * 5000)
    with pytest.raises(ContractViolation):
        decoder.decode(content)
    with pytest.raises(ContractViolation):
        encoder.encode(zoo().sample(ZOO_NAMESPACE + "Simple") | {"Big": 10**5000})


def test_endless_nesting_is_refused() -> None:
    tree: dict[str, Any] = {"Label": "x"}
    for _ in range(5000):
        tree = {"Label": "x", "Child": [tree]}
    values = zoo().sample(ZOO_NAMESPACE + "Types") | {"Tree": tree}
    assert violation(zoo().encoder(ZOO_NAMESPACE + "Types"), values).reason == "nested too deeply"


def test_nil_beside_attributes_is_refused_because_plain_data_cannot_say_it() -> None:
    decoder = zoo().decoder(ZOO_NAMESPACE + "Types")
    content = zoo().encoder(ZOO_NAMESPACE + "Types").encode(zoo().sample(ZOO_NAMESPACE + "Types") | {"Empty": None})
    assert decoder.decode(content)["Empty"] is None
