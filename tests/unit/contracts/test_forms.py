"""The forms of plain data where one key per element name is not enough, in both directions."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from lxml import etree

from esb.contracts.contract import Contract, Decoder, Encoder
from esb.errors import ContractViolation
from security.errors import XmlRefused
from security.xml import Element, canonical, parse
from tests.support.contracts import wild
from tests.support.instances import AZERBAIJANI

XSI = "http://www.w3.org/2001/XMLSchema-instance"
SCHEMA = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t">{}'
    '<xs:element name="R"><xs:complexType>{}</xs:complexType></xs:element></xs:schema>'
)


def compiled(content: str, declared: str = "") -> tuple[Encoder, Decoder]:
    contract = Contract.from_xsd({"t.xsd": SCHEMA.format(declared, content).encode()}, ["t.xsd"])
    return contract.encoder("{urn:t}R"), contract.decoder("{urn:t}R")


@functools.cache
def of_wild(name: str) -> tuple[Encoder, Decoder]:
    return wild().encoder("{urn:wild}" + name), wild().decoder("{urn:wild}" + name)


def both_ways(name: str, inside: str, values: Any, start: str = "") -> None:
    """The document is read as these values, and these values are written as that document."""
    encoder, decoder = of_wild(name)
    document = f'<w:{name} xmlns:w="urn:wild" xmlns:xsi="{XSI}" xmlns:f="urn:wild:far"{start}>{inside}</w:{name}>'
    assert decoder.decode(document.encode()) == values
    assert same_tree(parse(encoder.encode(values)), parse(document.encode()))


def same_tree(one: Element, other: Element) -> bool:
    """The same names, attributes and texts; prefixes are free, but for names in xsi:type."""
    return (
        one.tag == other.tag
        and plain_attributes(one) == plain_attributes(other)
        and (one.text or "") == (other.text or "")
        and (one.tail or "") == (other.tail or "")
        and len(one) == len(other)
        and all(same_tree(*pair) for pair in zip(one, other, strict=True))
    )


def plain_attributes(element: Element) -> dict[str, str]:
    found = {str(name): str(text) for name, text in element.attrib.items()}
    chosen = found.get(f"{{{XSI}}}type")
    if chosen is not None:
        prefix, _, local = chosen.rpartition(":")
        found[f"{{{XSI}}}type"] = f"{{{element.nsmap.get(prefix or None, '')}}}{local}"
    return found


# --- places, rounds, order -------------------------------------------------------------------------------


def test_an_element_at_a_second_place_has_a_key_of_its_own() -> None:
    first = "<w:A>1</w:A><w:B>2</w:B><w:A>3</w:A><w:A>4</w:A><f:B>x</f:B><w:First>5</w:First><w:Second>6</w:Second>"
    both_ways(
        "Places",
        first,
        {"A": 1, "{urn:wild}B": 2, "A#2": [3, 4], "{urn:wild:far}B": "x", "First": 5, "Second": 6, "Third": []}
        | {"@{urn:wild:far}seal": "y"},
        ' f:seal="y"',
    )


def test_a_branch_that_differs_in_its_order_only_has_keys_of_its_own() -> None:
    both_ways(
        "Places",
        "<w:B>2</w:B><f:B>x</f:B><w:Second>5</w:Second><w:First>6</w:First>",
        {"{urn:wild}B": 2, "A#2": [], "{urn:wild:far}B": "x", "Second#2": 5, "First#2": 6, "Third": []},
    )


def test_rounds_are_objects_and_a_second_group_is_numbered() -> None:
    both_ways(
        "Rounds",
        "<w:Name>a</w:Name><w:Value>1</w:Value><w:Name>b</w:Name><w:Y>1</w:Y><w:Y>2</w:Y><w:Middle>0</w:Middle>"
        "<w:Both>1</w:Both><w:Left>2</w:Left><w:Right>3</w:Right><w:End></w:End>",
        {
            "#items": [{"Name": "a", "Value": "1", "Y": []}, {"Name": "b", "Y": [1, 2]}],
            "Middle": 0,
            "#items#2": [{"Both": 1}, {"Left": 2, "Right": 3}],
            "End": "",
            "Debit": [],
            "Credit": [],
        },
    )


_ONE = '<xs:element name="{}" type="xs:int"/>'
CHOICE = f'<xs:choice maxOccurs="unbounded">{_ONE.format("a")}{_ONE.format("b")}</xs:choice>'


@pytest.mark.parametrize(
    ("document", "values"),
    [
        ("<a>1</a><a>2</a><b>3</b>", {"a": [1, 2], "b": [3]}),
        ("<a>1</a><b>3</b><a>2</a>", {"a": [1, 2], "b": [3], "#order": ["a", "b", "a"]}),
        ("<b>3</b>", {"a": [], "b": [3]}),
    ],
)
def test_the_order_of_a_repeated_choice_is_kept_where_names_mix(document: str, values: Any) -> None:
    encoder, decoder = compiled(CHOICE)
    content = f'<n0:R xmlns:n0="urn:t">{document}</n0:R>'.encode()
    assert decoder.decode(content) == values
    assert encoder.encode(values) == content


@pytest.mark.parametrize("order", [["a"], ["a", "b", "b"], ["a", "c"], "ab", [1, 2]])
def test_an_order_that_does_not_fit_its_lists_is_refused(order: Any) -> None:
    encoder, _ = compiled(CHOICE)
    with pytest.raises(ContractViolation) as caught:
        encoder.encode({"a": [1], "b": [2], "#order": order})
    assert caught.value.path == "#order"


def test_an_optional_group_with_a_list_is_left_out_when_the_list_is_empty() -> None:
    """It was written, and then said to need at least one item."""
    content = (
        '<xs:sequence><xs:sequence minOccurs="0"><xs:element name="a" type="xs:int" maxOccurs="9"/>'
        '<xs:element name="b" type="xs:int"/></xs:sequence><xs:choice>'
        '<xs:element name="c" type="xs:int" maxOccurs="9"/><xs:element name="d" type="xs:int"/></xs:choice>'
        "</xs:sequence>"
    )
    encoder, decoder = compiled(content)
    values = {"a": [], "c": [], "d": 1}
    assert decoder.decode(encoder.encode(values)) == values
    assert encoder.encode({"d": 1}) == encoder.encode(values)


# --- types that documents choose -------------------------------------------------------------------------


def test_a_chosen_type_is_named_and_read() -> None:
    encoder, decoder = of_wild("Choosing")
    document = (
        f'<Choosing xmlns="urn:wild" xmlns:i="{XSI}" xmlns:q="urn:wild:far">'
        '<Shape i:type="Group"><Part i:type="Circle"><Radius>1.50</Radius></Part></Shape>'
        '<Amount i:type="Sum" currency="AZN">1.0</Amount><Plain i:type="More" b="7" i:nil="1"/>'
        '<Far i:type="q:Derived"><q:One>1</q:One></Far></Choosing>'
    )
    values = decoder.decode(document.encode())
    assert str(values["Shape"][0]["Part"][0].pop("Radius")) == "1.50"
    values["Shape"][0]["Part"][0]["Radius"] = "1.50"
    assert values == {
        "Shape": [{"@xsi:type": "Group", "Part": [{"@xsi:type": "Circle", "Radius": "1.50"}]}],
        "Amount": {"@xsi:type": "Sum", "value": values["Amount"]["value"], "@currency": "AZN"},
        "Plain": {"@xsi:nil": True, "@xsi:type": "More", "@b": 7},
        "Far": {"@xsi:type": "Derived", "One": 1},
    }
    content = encoder.encode(values)
    assert decoder.decode(content)["Far"] == values["Far"]
    assert encoder.inclusive_prefixes(content) == ("q0",)
    assert canonical(parse(content), inclusive_prefixes=("q0",)) == content


@pytest.mark.parametrize("name", ["Circle", "{urn:wild}Circle"])
def test_a_type_may_be_named_shortly_or_in_full(name: str) -> None:
    encoder, _ = of_wild("Choosing")
    shape = {"@xsi:type": name, "Radius": 1}
    assert b'xsi:type="Circle"' in encoder.encode({"Shape": [shape], "Amount": 1, "Plain": None})


@pytest.mark.parametrize("chosen", [{}, {"@xsi:type": "Plain"}, {"@xsi:type": "Shape"}, {"@xsi:type": 5}])
def test_an_abstract_type_must_be_chosen_and_by_one_that_may_stand_there(chosen: dict[str, Any]) -> None:
    encoder, _ = of_wild("Choosing")
    with pytest.raises(ContractViolation) as caught:
        encoder.encode({"Shape": [{**chosen, "Radius": 1}], "Amount": 1, "Plain": None})
    assert caught.value.path == "Shape/@xsi:type"
    assert "Circle, Group" in caught.value.reason


def test_the_name_of_the_declared_type_says_nothing_and_goes() -> None:
    _, decoder = compiled('<xs:sequence><xs:element name="a" type="xs:decimal"/></xs:sequence>')
    for chosen in ("decimal", "int"):
        document = (
            f'<t:R xmlns:t="urn:t" xmlns:i="{XSI}" xmlns:x="http://www.w3.org/2001/XMLSchema">'
            f'<a i:type="x:{chosen}">5</a></t:R>'
        )
        assert decoder.decode(document.encode()) == {"a": 5}


# --- what the contract does not describe -----------------------------------------------------------------


def test_foreign_elements_and_attributes_are_kept() -> None:
    both_ways(
        "Wild",
        '<w:Before>b</w:Before><g:x xmlns:g="urn:g" g:p="1" q="2">t</g:x><g:y xmlns:g="urn:g"><z/><z>1</z></g:y>'
        '<g:x xmlns:g="urn:g"/><f:Declared><f:Number>5</f:Number></f:Declared><w:Between>1</w:Between>'
        "<local>m<b/>n</local>",
        {
            "Before": "b",
            "{urn:g}x": [{"@{urn:g}p": "1", "@q": "2", "#text": "t"}, ""],
            "{urn:g}y": [{"z": ["", "1"]}],
            "{urn:wild:far}Declared": [{"Number": 5}],
            "#order": ["{urn:g}x", "{urn:g}y", "{urn:g}x", "{urn:wild:far}Declared"],
            "Between": 1,
            "local#2": {"#content": ["m", {"b": ""}, "n"]},
            "@own": 3,
            "@{urn:g}mark": "ə",
        },
        ' xmlns:g="urn:g" own="3" g:mark="ə"',
    )


def test_a_stranger_that_is_called_as_an_element_of_the_contract_is_told_apart() -> None:
    both_ways(
        "Wild",
        "<w:Before>b</w:Before><w:Between>1</w:Between><Between>2</Between>",
        {"Before": "b", "Between": 1, "{}Between#2": "2"},
    )


@pytest.mark.parametrize(
    ("inside", "value"),
    [
        ("text", "text"),
        ("", ""),
        (' xsi:type="x:int">5', {"@xsi:type": "xs:int", "value": 5}),
        (' xsi:type="w:Circle"><w:Radius>2</w:Radius>', {"@xsi:type": "Circle", "Radius": 2}),
        ("<a> </a>", {"a": [" "]}),
        (" <a/> ", {"a": [""]}),
        (' xml:space="preserve"> <a/>', {"@xml:space": "preserve", "#content": [" ", {"a": ""}]}),
        (' when="p:x" xmlns:p="urn:p">', {"@when": "p:x", "@xmlns:p": "urn:p"}),
    ],
)
def test_any_type_holds_anything(inside: str, value: Any) -> None:
    start, _, rest = inside.partition(">") if inside.startswith((" x", " w")) else ("", "", inside)
    encoder, decoder = of_wild("Anything")
    document = (
        f'<w:Anything xmlns:w="urn:wild" xmlns:xsi="{XSI}" xmlns:x="http://www.w3.org/2001/XMLSchema">'
        f"<w:Any{start}>{rest}</w:Any></w:Anything>"
    )
    assert decoder.decode(document.encode()) == {"Any": value}
    content = encoder.encode({"Any": value})
    assert decoder.decode(content) == {"Any": value}
    assert canonical(parse(content), inclusive_prefixes=encoder.inclusive_prefixes(content)) == content


NAMES = st.sampled_from(["a", "Ə", "b-1"])
SPACES = st.sampled_from(["", "urn:g", "urn:wild:far", "urn:other"])
TEXTS = st.text(st.sampled_from(AZERBAIJANI + "ab \t\r\n<&>\"'"), max_size=5)


@st.composite
def trees(draw: st.DrawFn, depth: int = 0) -> Element:
    """An element as a stranger would send it: prefixes of its own, blanks for beauty, texts between."""

    def qualified() -> str:
        space = draw(SPACES)
        return f"{{{space}}}{draw(NAMES)}" if space else draw(NAMES)

    element = etree.Element(qualified(), nsmap={draw(st.sampled_from(["x", "n0", "f1"])): "urn:g"})
    for _ in range(draw(st.integers(0, 2))):
        element.set(qualified(), draw(TEXTS))
    element.text = draw(TEXTS)
    for _ in range(draw(st.integers(0, 3 - depth))):
        child = draw(trees(depth + 1))
        child.tail = draw(TEXTS)
        element.append(child)
    return element


def tidy(element: Element) -> Element:
    """Without the blanks between elements, which say nothing."""
    texts = [element.text or "", *(child.tail or "" for child in element)]
    if len(element) and not "".join(texts).strip(" \t\r\n"):
        element.text = None
        for child in element:
            child.tail = None
    for child in element:
        tidy(child)
    return element


def well_formed(tree: Element) -> bool:
    """lxml writes two attributes of one prefix where namespaces meet."""
    try:
        parse(etree.tostring(tree, encoding="unicode").encode())
    except XmlRefused:
        return False
    return True


@given(trees())
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_foreign_content_passes_through(tree: Element) -> None:
    encoder, decoder = of_wild("Anything")
    assume(well_formed(tree))
    document = (
        b'<w:Anything xmlns:w="urn:wild"><w:Any>%s</w:Any></w:Anything>'
        % etree.tostring(tree, encoding="unicode").encode()
    )
    values = decoder.decode(document)
    content = encoder.encode(values)
    assert same_tree(parse(content), tidy(parse(document)))
    assert canonical(parse(content), inclusive_prefixes=encoder.inclusive_prefixes(content)) == content


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a><b": [""]}, "Any/a><b"),
        ({"{urn:g}a b": [""]}, "Any/{urn:g}a b"),
        ({'{urn:g" x="}a': [""]}, 'Any/{urn:g" x="}a'),
        ({"{relative}a": [""]}, "Any/{relative}a"),
        ({"@a='": "x"}, "Any/@a='"),
        ({"@xmlns": "urn:x", "@xmlns:n0": "urn:x"}, "Any/@xmlns:n0"),
        ({"@xmlns:p": "relative"}, "Any/@xmlns:p"),
        ({"a": "x"}, "Any/a"),
        ({"a": [5]}, "Any/a"),
        ({"#text": "x", "a": ["y"]}, "Any/#text"),
        ({"#text": "\x00"}, "Any"),
        ({"a": ["x"], "#order": ["a", "a"]}, "Any/#order"),
        (5, "Any"),
        (None, "Any"),
    ],
)
def test_what_is_no_document_is_refused_with_its_place(value: Any, path: str) -> None:
    encoder, _ = of_wild("Anything")
    with pytest.raises(ContractViolation) as caught:
        encoder.encode({"Any": value})
    assert caught.value.path == path


# --- values ----------------------------------------------------------------------------------------------


def test_names_in_values_are_told_by_their_namespaces() -> None:
    encoder, decoder = compiled(
        '<xs:sequence><xs:element name="a" type="xs:QName" maxOccurs="3"/></xs:sequence>'
        '<xs:attribute name="k" type="xs:QName"/>'
    )
    document = (
        b'<t:R xmlns:t="urn:t" xmlns:x="urn:x" k="x:k"><a>t:b</a><a xmlns="">c</a><a xmlns:y="urn:y">y:d</a></t:R>'
    )
    values = {"a": ["{urn:t}b", "c", "{urn:y}d"], "@k": "{urn:x}k"}
    assert decoder.decode(document) == values
    content = encoder.encode(values)
    assert decoder.decode(content) == values
    assert canonical(parse(content), inclusive_prefixes=encoder.inclusive_prefixes(content)) == content


@pytest.mark.parametrize("items", [["a b"], [""], ["a", "\n"]])
def test_a_list_takes_no_item_that_would_come_back_as_another_list(items: list[str]) -> None:
    encoder, _ = compiled('<xs:attribute name="l" type="xs:NMTOKENS"/>')
    with pytest.raises(ContractViolation) as caught:
        encoder.encode({"@l": items})
    assert caught.value.path == "@l"


@pytest.mark.parametrize("text", ["007", "+5", " 5", "a b", "", "1e3", "true"])
def test_a_union_keeps_its_text(text: str) -> None:
    declared = '<xs:simpleType name="U"><xs:union memberTypes="xs:int xs:string"/></xs:simpleType>'
    encoder, decoder = compiled('<xs:sequence><xs:element name="u" type="t:U"/></xs:sequence>', declared)
    assert decoder.decode(encoder.encode({"u": text})) == {"u": text}


def test_an_empty_text_is_refused_where_the_contract_would_read_its_default() -> None:
    encoder, decoder = compiled('<xs:sequence><xs:element name="d" type="xs:string" default="x"/></xs:sequence>')
    assert decoder.decode(b'<t:R xmlns:t="urn:t"><d/></t:R>') == {"d": "x"}
    with pytest.raises(ContractViolation, match="must not be empty"):
        encoder.encode({"d": ""})


@pytest.mark.parametrize(
    ("builtin", "texts"),
    [
        ("integer", ["123456789012345678901234567890", "-0", "+5", "007"]),
        ("decimal", ["1.50", "-0.0", "123456789012345678901234567890.12", ".5", "5."]),
        ("date", ["-0044-03-15", "99999-01-01", "2015-02-28+14:00", "2015-02-28Z", "2015-02-28"]),
        ("dateTime", ["2016-12-31T24:00:00", "2016-12-31T23:59:59.123456789123+04:00"]),
        ("gYear", ["-0044", "99999Z", "2026"]),
        ("duration", ["-P1Y2M3DT4H5M6.7S", "P0D"]),
        ("double", ["INF", "-INF", "NaN", "1e400", "-0", "1E5"]),
        ("base64Binary", ["AA A=", "", "AAAA AAAA"]),
        ("hexBinary", ["0aFF", ""]),
        ("anyURI", ["a b", "https://e.example/ə?İ=ı"]),
    ],
)
def test_values_survive_exactly(builtin: str, texts: list[str]) -> None:
    encoder, decoder = compiled(f'<xs:sequence><xs:element name="v" type="xs:{builtin}"/></xs:sequence>')
    for text in texts:
        value = decoder.decode(f'<t:R xmlns:t="urn:t"><v>{text}</v></t:R>'.encode())
        assert decoder.decode(encoder.encode(value)) == value
        if isinstance(value["v"], str):
            assert value["v"] == text


@pytest.mark.parametrize(
    ("builtin", "text"),
    [
        ("date", "0000-01-01"),
        ("dateTime", "2016-12-31T23:59:60Z"),
        ("time", "23:59:60"),
        ("gYear", "0000"),
        ("date", "2015-02-30"),
        ("duration", "PT"),
    ],
)
def test_moments_that_xsd_does_not_know_are_refused(builtin: str, text: str) -> None:
    """There is no year 0000 in XSD 1.0, and no leap second."""
    encoder, _ = compiled(f'<xs:sequence><xs:element name="v" type="xs:{builtin}"/></xs:sequence>')
    with pytest.raises(ContractViolation):
        encoder.encode({"v": text})


def test_a_chain_of_types_may_be_longer_than_the_stack() -> None:
    links = "".join(
        f'<xs:complexType name="T{n}"><xs:sequence><xs:element name="e{n}" type="t:T{n + 1}" minOccurs="0"/>'
        "</xs:sequence></xs:complexType>"
        for n in range(400)
    )
    last = (
        '<xs:complexType name="T400"><xs:sequence><xs:element name="e" type="t:T0" minOccurs="0"/></xs:sequence>'
        "</xs:complexType>"
    )
    encoder, decoder = compiled('<xs:sequence><xs:element name="a" type="t:T0"/></xs:sequence>', links + last)
    values: dict[str, Any] = {}
    for number in reversed(range(60)):
        values = {f"e{number}": values}
    assert decoder.decode(encoder.encode({"a": values})) == {"a": values}


def test_a_signature_inside_of_a_document_is_kept_as_it_stands() -> None:
    """The W3C's schema has it mixed, which would be refused anywhere else."""
    ds = "http://www.w3.org/2000/09/xmldsig#"
    signature = (
        f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:ds="{ds}" targetNamespace="{ds}">'
        '<xs:element name="Signature" type="ds:SignatureType"/><xs:complexType name="SignatureType" mixed="true">'
        '<xs:sequence><xs:any processContents="skip" maxOccurs="9"/></xs:sequence></xs:complexType></xs:schema>'
    )
    document = (
        f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:ds="{ds}"><xs:import namespace="{ds}"'
        ' schemaLocation="ds.xsd"/><xs:element name="R"><xs:complexType><xs:sequence>'
        '<xs:element name="a" type="xs:int"/><xs:element ref="ds:Signature" minOccurs="0"/>'
        "</xs:sequence></xs:complexType></xs:element></xs:schema>"
    )
    contract = Contract.from_xsd({"t.xsd": document.encode(), "ds.xsd": signature.encode()}, ["t.xsd"])
    encoder, decoder = contract.encoder("R"), contract.decoder("R")
    signed = f'<R><a>1</a><s:Signature xmlns:s="{ds}"><s:V>AA</s:V></s:Signature></R>'.encode()
    values = {"a": 1, "Signature": {f"{{{ds}}}V": ["AA"]}}
    assert decoder.decode(signed) == values
    assert same_tree(parse(encoder.encode(values)), parse(signed))
    assert contract.sample("R") == {"a": 1}
