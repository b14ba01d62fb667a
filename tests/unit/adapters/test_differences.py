"""What a new contract breaks: each kind of change, in each direction, by the path of its element."""

from __future__ import annotations

import pytest

from adapters.differences import Change, Direction, Effect, Side, compare
from esb.errors import ConfigurationError
from tests.support import wsdls

B, C, COSMETIC = Effect.BREAKING, Effect.COMPATIBLE, Effect.COSMETIC

FRAME = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:t" targetNamespace="urn:t" '
    'elementFormDefault="qualified">{0}</xs:schema>'
)
FIELD = '<xs:element name="F"{0}>{1}</xs:element>'
MESSAGE = '<xs:element name="{0}"><xs:complexType>{1}</xs:complexType></xs:element>'


def _xsd(content: str) -> Side:
    messages = "".join(MESSAGE.format(name, content) for name in ("AskRequest", "AskResponse"))
    return Side(name="x", kind="xsd", entry="x.xsd", bundle={"x.xsd": FRAME.format(messages).encode()})


def _limited(facet: str, base: str = "string") -> str:
    rule = f'<xs:simpleType><xs:restriction base="xs:{base}">{facet}</xs:restriction></xs:simpleType>'
    return f"<xs:sequence>{FIELD.format('', rule)}</xs:sequence>"


def _field(attributes: str) -> str:
    return f'<xs:sequence><xs:element name="F" {attributes}/></xs:sequence>'


def _effects(old: str, new: str) -> tuple[Effect | None, Effect | None, str]:
    """Effect in the request, effect in the reply, and what the request's change says."""
    changes = compare(_xsd(old), _xsd(new))
    by = {change.direction: change for change in changes}
    request, reply = by.get(Direction.REQUEST), by.get(Direction.REPLY)
    effects = request.effect if request else None, reply.effect if reply else None
    return *effects, request.what if request else ""


STRING = _field('type="xs:string"')
LENGTH = '<xs:maxLength value="{}"/>'


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (_limited(LENGTH.format(7)), _limited(LENGTH.format(6)), (B, C, "maxLength 7 → 6")),
        (_limited(LENGTH.format(6)), _limited(LENGTH.format(7)), (C, B, "maxLength 6 → 7")),
        (STRING, _limited(LENGTH.format(7)), (B, C, "maxLength none → 7")),
        (_limited('<xs:minLength value="1"/>'), _limited('<xs:minLength value="2"/>'), (B, C, "minLength 1 → 2")),
        (_limited('<xs:pattern value="a"/>'), STRING, (C, B, "pattern a → none")),
        (_limited('<xs:pattern value="a"/>'), _limited('<xs:pattern value="b"/>'), (B, B, "pattern a → b")),
        (
            _limited('<xs:maxInclusive value="9"/>', "decimal"),
            _limited('<xs:maxInclusive value="8.5"/>', "decimal"),
            (B, C, "maxInclusive 9 → 8.5"),
        ),
        (
            _limited('<xs:enumeration value="a"/>'),
            _limited('<xs:enumeration value="a"/><xs:enumeration value="b"/>'),
            (C, B, "value 'b' added"),
        ),
        (STRING, _field('type="xs:string" minOccurs="0"'), (C, B, "may be missing now")),
        (_field('type="xs:string" minOccurs="0"'), STRING, (B, C, "required now")),
        (STRING, _field('type="xs:string" maxOccurs="5"'), (B, B, "may be repeated")),
        (STRING, _field('type="xs:int"'), (B, B, "type string → int")),
        (STRING, _field('type="xs:string" nillable="true"'), (C, B, "nillable False → True")),
        (STRING, _field('type="xs:string" default="x"'), (B, B, "default none → x")),
        ("<xs:sequence/>", _field('type="xs:string" minOccurs="0"'), (C, C, "added, optional")),
        ("<xs:sequence/>", STRING, (B, C, "added, required")),
        (STRING, "<xs:sequence/>", (B, B, "removed")),
        (STRING, STRING, (None, None, "")),
    ],
)
def test_direction_decides_whom_a_change_of_an_xsd_breaks(
    old: str, new: str, expected: tuple[Effect | None, Effect | None, str]
) -> None:
    assert _effects(old, new) == expected


def test_path_leads_from_the_message_to_the_element() -> None:
    changes = compare(_xsd(_limited(LENGTH.format(7))), _xsd(_limited(LENGTH.format(6))))
    assert {change.path for change in changes} == {"AskRequest/F", "AskResponse/F"}
    assert str(changes[0]) == "breaking   request AskRequest/F: maxLength 7 → 6"


def test_order_on_the_wire_is_part_of_the_contract() -> None:
    one, other = FIELD.format(' type="xs:int"', ""), '<xs:element name="G" type="xs:int"/>'
    changes = compare(
        _xsd(f"<xs:sequence>{one}{other}</xs:sequence>"), _xsd(f"<xs:sequence>{other}{one}</xs:sequence>")
    )
    assert {change.effect for change in changes} == {B}
    assert "another order" in changes[0].what


def test_new_branch_of_a_choice_breaks_who_reads_it() -> None:
    one, other = FIELD.format(' type="xs:int"', ""), '<xs:element name="G" type="xs:int"/>'
    third = '<xs:element name="H" type="xs:int"/>'
    changes = compare(_xsd(f"<xs:choice>{one}{other}</xs:choice>"), _xsd(f"<xs:choice>{one}{other}{third}</xs:choice>"))
    assert {change.direction: change.effect for change in changes} == {Direction.REQUEST: C, Direction.REPLY: B}


def test_words_for_people_are_cosmetic() -> None:
    said = "<xs:annotation><xs:documentation>{}</xs:documentation></xs:annotation>"
    old, new = (
        f'<xs:sequence><xs:element name="F" type="xs:int">{said.format(words)}</xs:element></xs:sequence>'
        for words in ("a", "b")
    )
    assert {change.effect for change in compare(_xsd(old), _xsd(new))} == {COSMETIC}


def test_type_that_contains_itself_is_compared_once() -> None:
    tree = (
        '<xs:element name="AskRequest" type="T"/><xs:complexType name="T"><xs:sequence>'
        '<xs:element name="V" type="{}"/><xs:element name="T" type="T" minOccurs="0"/></xs:sequence></xs:complexType>'
    )
    sides = [
        Side(name="x", kind="xsd", entry="x.xsd", bundle={"x.xsd": FRAME.format(tree.format(kind)).encode()})
        for kind in ("xs:int", "xs:string")
    ]
    assert [change.path for change in compare(*sides)] == ["AskRequest/V"]


def _wsdl(text: str) -> Side:
    return Side(name="s", kind="wsdl", entry="s.wsdl", bundle={"s.wsdl": text.encode()})


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (
            "urn:act",
            "urn:other",
            Change(effect=B, direction=Direction.BOTH, path="Op", what="soapAction urn:act → urn:other"),
        ),
        ("https://a.example/s", "https://b.example/s", None),
        ('name="Op"', 'name="Other"', Change(effect=B, direction=Direction.BOTH, path="Op", what="removed")),
    ],
)
def test_what_a_wsdl_binds_is_compared(old: str, new: str, change: Change | None) -> None:
    text = wsdls.text()
    changes = compare(_wsdl(text), _wsdl(text.replace(old, new)))
    if change is None:
        assert {one.effect for one in changes} == {C}
    else:
        assert change in changes


OPENAPI = """openapi: 3.0.3
info: {title: t, version: "1"}
paths:
  /debts/{pin}:
    get:
      operationId: GetDebt
      parameters:
        - {name: pin, in: path, required: true, schema: {type: string, maxLength: 7}}
      responses:
        "200":
          description: ok
          content:
            application/json:
              schema:
                type: object
                required: [amount]
                properties:
                  amount: {type: string}
                  kind: {type: string, enum: [gas, heat]}
"""


def _openapi(text: str) -> Side:
    return Side(name="o", kind="openapi", entry="o.yaml", bundle={"o.yaml": text.encode()})


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("maxLength: 7", "maxLength: 6", (B, Direction.REQUEST, "GetDebt/pin", "maxLength 7 → 6")),
        ("maxLength: 7", "maxLength: 9", (C, Direction.REQUEST, "GetDebt/pin", "maxLength 7 → 9")),
        (
            "enum: [gas, heat]",
            "enum: [gas, heat, water]",
            (B, Direction.REPLY, "GetDebt 200/kind", "value 'water' added"),
        ),
        ("required: [amount]", "required: [kind]", (B, Direction.REPLY, "GetDebt 200/amount", "may be missing now")),
        ("/debts/{pin}", "/debt/{pin}", (B, Direction.REQUEST, "GetDebt", "path /debts/{pin} → /debt/{pin}")),
        (
            "amount: {type: string}",
            "amount: {type: number}",
            (B, Direction.REPLY, "GetDebt 200/amount", "type string → number"),
        ),
        ("operationId: GetDebt", "operationId: Debt", (B, Direction.BOTH, "GetDebt", "removed")),
    ],
)
def test_openapi_documents_are_compared_by_what_they_compile_to(
    old: str, new: str, said: tuple[Effect, Direction, str, str]
) -> None:
    effect, direction, path, what = said
    changes = compare(_openapi(OPENAPI), _openapi(OPENAPI.replace(old, new)))
    assert Change(effect=effect, direction=direction, path=path, what=what) in changes


def test_contracts_of_two_kinds_cannot_be_compared() -> None:
    with pytest.raises(ConfigurationError, match="both of one kind"):
        compare(_openapi(OPENAPI), _wsdl(wsdls.text()))
