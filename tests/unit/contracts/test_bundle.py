"""Bundles of schema files: what they may say of one another, what is mended, and what is refused with its place."""

from __future__ import annotations

import pytest
from lxml import etree

from esb.contracts.bundle import SchemaSet, join
from esb.errors import ContractUnsupported

HEAD = '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" xmlns:u="urn:u"{}>{}</xs:schema>'
TARGET = ' targetNamespace="urn:t"'
OTHER = ' targetNamespace="urn:u"'


def files(**schemas: tuple[str, str]) -> dict[str, bytes]:
    """Schema files, `a` as `a.xsd`, from their attributes and their content."""
    return {f"{name}.xsd": HEAD.format(*parts).encode() for name, parts in schemas.items()}


def joined(bundle: dict[str, bytes], *entries: str) -> SchemaSet:
    """The set as both compilers take it."""
    schemas = join(bundle, entries or ("a.xsd",))
    schemas.components()
    return schemas


def accepts(schemas: SchemaSet, document: str) -> bool:
    return schemas.validator().validate(etree.fromstring(document))


# --- files that refer to one another ----------------------------------------------------------------------


def test_files_that_include_each_other_are_read_once() -> None:
    schemas = joined(
        files(
            a=(TARGET, '<xs:include schemaLocation="b.xsd"/><xs:element name="A" type="t:B"/>'),
            b=(
                TARGET,
                (
                    '<xs:include schemaLocation="a.xsd"/><xs:complexType name="B"><xs:sequence>'
                    '<xs:element ref="t:A" minOccurs="0"/></xs:sequence></xs:complexType>'
                ),
            ),
        )
    )
    assert accepts(schemas, '<A xmlns="urn:t"><A/></A>')


def test_namespaces_that_import_each_other_are_read() -> None:
    schemas = joined(
        files(
            a=(TARGET, '<xs:import namespace="urn:u" schemaLocation="b.xsd"/><xs:element name="A" type="u:B"/>'),
            b=(
                OTHER,
                (
                    '<xs:import namespace="urn:t" schemaLocation="a.xsd"/><xs:complexType name="B"><xs:sequence>'
                    '<xs:element ref="t:A" minOccurs="0"/></xs:sequence></xs:complexType>'
                ),
            ),
        )
    )
    assert accepts(schemas, '<A xmlns="urn:t"><A/></A>')


def test_a_namespace_may_be_spread_over_files_that_are_imported_one_by_one() -> None:
    schemas = joined(
        files(
            a=(
                TARGET,
                (
                    '<xs:import namespace="urn:u" schemaLocation="b.xsd"/>'
                    '<xs:import namespace="urn:u" schemaLocation="c.xsd"/>'
                    '<xs:element name="A"><xs:complexType><xs:sequence><xs:element ref="u:B"/><xs:element ref="u:C"/>'
                    "</xs:sequence></xs:complexType></xs:element>"
                ),
            ),
            b=(OTHER, '<xs:element name="B" type="u:T"/>'),
            c=(
                OTHER,
                (
                    '<xs:element name="C" type="xs:int"/><xs:simpleType name="T"><xs:restriction base="xs:int"/>'
                    "</xs:simpleType>"
                ),
            ),
        )
    )
    assert accepts(schemas, '<A xmlns="urn:t"><B xmlns="urn:u">1</B><C xmlns="urn:u">2</C></A>')


def test_a_chameleon_takes_the_namespace_of_each_file_that_includes_it() -> None:
    common = (
        '<xs:simpleType name="Pin"><xs:restriction base="xs:string"/></xs:simpleType><xs:element name="P" type="Pin"/>'
    )
    schemas = joined(
        files(
            a=(
                TARGET,
                (
                    '<xs:include schemaLocation="c.xsd"/><xs:import namespace="urn:u" schemaLocation="b.xsd"/>'
                    '<xs:element name="A" type="t:Pin"/><xs:element name="X" type="u:Pin"/>'
                ),
            ),
            b=(OTHER, '<xs:include schemaLocation="c.xsd"/>'),
            c=("", common),
        )
    )
    assert accepts(schemas, '<P xmlns="urn:t">1</P>')
    assert accepts(schemas, '<P xmlns="urn:u">1</P>')
    assert not accepts(schemas, "<P>1</P>")


def test_a_redefined_type_is_the_new_one_everywhere() -> None:
    schemas = joined(
        files(
            a=(
                TARGET,
                (
                    '<xs:redefine schemaLocation="b.xsd"><xs:complexType name="T"><xs:complexContent>'
                    '<xs:extension base="t:T">'
                    '<xs:sequence><xs:element name="y" type="xs:int"/></xs:sequence></xs:extension></xs:complexContent>'
                    '</xs:complexType></xs:redefine><xs:include schemaLocation="b.xsd"/>'
                ),
            ),
            b=(
                TARGET,
                (
                    '<xs:complexType name="T"><xs:sequence><xs:element name="x" type="xs:int"/></xs:sequence>'
                    "</xs:complexType>"
                    '<xs:element name="E" type="t:T"/>'
                ),
            ),
        )
    )
    assert accepts(schemas, '<e:E xmlns:e="urn:t"><x>1</x><y>2</y></e:E>')
    assert not accepts(schemas, '<e:E xmlns:e="urn:t"><x>1</x></e:E>')


def test_a_redefinition_of_nothing_is_refused_with_its_place() -> None:
    bundle = files(
        a=(
            TARGET,
            (
                '<xs:redefine schemaLocation="b.xsd">\n<xs:simpleType name="T"><xs:restriction base="t:T"/>'
                "</xs:simpleType></xs:redefine>"
            ),
        ),
        b=(TARGET, ""),
    )
    with pytest.raises(ContractUnsupported, match=r"a\.xsd:2 redefines T, which the file it names does not declare"):
        joined(bundle)


@pytest.mark.parametrize(
    "location",
    ["http://agency.example/schemas/v1/B.xsd", "C:\\wsdl\\b.xsd", "file:///srv/b.xsd", "x/../b.xsd", "%62.xsd", "b"],
)
def test_an_address_is_only_ever_a_name_in_the_bundle(location: str) -> None:
    schemas = joined(
        files(
            a=(TARGET, f'<xs:import namespace="urn:u" schemaLocation="{location}"/><xs:element name="A" type="u:T"/>'),
            b=(OTHER, '<xs:simpleType name="T"><xs:restriction base="xs:int"/></xs:simpleType>'),
        )
    )
    assert accepts(schemas, '<A xmlns="urn:t">1</A>')


def test_an_import_without_location_is_found_by_namespace() -> None:
    schemas = joined(
        files(
            a=(TARGET, '<xs:import namespace="urn:u"/><xs:element name="A" type="u:T"/>'),
            b=(OTHER, '<xs:simpleType name="T"><xs:restriction base="xs:int"/></xs:simpleType>'),
        )
    )
    assert accepts(schemas, '<A xmlns="urn:t">1</A>')


@pytest.mark.parametrize(
    "used",
    [
        ("http://schemas.xmlsoap.org/soap/encoding/", '<xs:attribute ref="w:arrayType"/>', 'w:arrayType="x"'),
        ("http://www.w3.org/2003/05/soap-encoding", '<xs:attribute ref="w:arraySize"/>', 'w:arraySize="1"'),
        ("http://www.w3.org/2005/05/xmlmime", '<xs:attribute ref="w:contentType"/>', 'w:contentType="a/b"'),
        ("http://www.w3.org/2004/11/xmlmime", '<xs:attribute ref="w:contentType"/>', 'w:contentType="a/b"'),
        ("http://ws-i.org/profiles/basic/1.1/xsd", '<xs:attribute name="r" type="w:swaRef"/>', 'r="cid:1"'),
    ],
    ids=lambda used: used[0],
)
def test_well_known_namespaces_need_no_file(used: tuple[str, str, str]) -> None:
    namespace, attribute, written = used
    content = f'<xs:element name="A" xmlns:w="{namespace}"><xs:complexType>{attribute}</xs:complexType></xs:element>'
    assert accepts(joined(files(a=(TARGET, content))), f'<A xmlns="urn:t" xmlns:w="{namespace}" {written}/>')


def test_attributes_of_xml_need_no_file() -> None:
    content = '<xs:element name="A"><xs:complexType><xs:attribute ref="xml:lang"/></xs:complexType></xs:element>'
    assert accepts(joined(files(a=(TARGET, content))), '<A xmlns="urn:t" xml:lang="az"/>')


@pytest.mark.parametrize(
    "namespace", ["http://www.w3.org/2005/08/addressing", "http://schemas.xmlsoap.org/ws/2004/08/addressing"]
)
def test_endpoint_references_need_no_file(namespace: str) -> None:
    content = f'<xs:element name="A" type="w:EndpointReferenceType" xmlns:w="{namespace}"/>'
    schemas = joined(files(a=(TARGET, content)))
    assert accepts(schemas, f'<A xmlns="urn:t"><w:Address xmlns:w="{namespace}">urn:x</w:Address></A>')
    assert schemas.namespaces == {"urn:t"}


def test_optimised_packaging_needs_no_file() -> None:
    namespace = "http://www.w3.org/2004/08/xop/include"
    content = f'<xs:element name="A" type="w:Include" xmlns:w="{namespace}"/>'
    assert accepts(joined(files(a=(TARGET, content))), '<A xmlns="urn:t" href="cid:1"/>')


# --- what is missing, broken or said twice ----------------------------------------------------------------


def test_an_import_that_nobody_uses_may_lead_nowhere() -> None:
    joined(
        files(
            a=(TARGET, '<xs:import namespace="urn:u" schemaLocation="gone.xsd"/><xs:element name="A" type="xs:int"/>')
        )
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            (
                '\n<xs:import namespace="urn:u" schemaLocation="http://a.example/gone.xsd"/>'
                '<xs:element name="A" type="u:T"/>'
            ),
            r"a\.xsd:2 imports the namespace urn:u from http://a\.example/gone\.xsd, .*; add gone\.xsd",
        ),
        (
            '\n<xs:import namespace="urn:u"/><xs:element name="A" type="u:T"/>',
            r"a\.xsd:2 imports the namespace urn:u, .*; add its XSD file",
        ),
        (
            '<xs:element name="A" type="u:T"/>',
            r"a\.xsd:1 refers to the type \{urn:u\}T, but no file .* has that namespace",
        ),
        ('\n<xs:include schemaLocation="x/gone.xsd"/>', r"a\.xsd:2 includes x/gone\.xsd, .*; add gone\.xsd"),
        ('\n\n<xs:element name="A" type="v:T"/>', r"a\.xsd:3: the prefix of v:T is not declared"),
        ('<xs:element name="A" type="t:A"/>', "there is a declaration of that name, but of another kind: element"),
        ('<xs:element name="A" type="xs:integr"/>', "declared nowhere; did you mean integer"),
        (
            (
                '<xs:element name="A" type="t:Pinn"/><xs:simpleType name="Pin"><xs:restriction base="xs:int"/>'
                "</xs:simpleType>"
            ),
            "did you mean Pin",
        ),
        ('<xs:override schemaLocation="a.xsd"/>', r"a\.xsd:1: xs:override is of XSD 1\.1"),
        ("<xs:element", r"a\.xsd:1: not well-formed XML"),
        (
            (
                '<xs:complexType name="T"><xs:sequence>\n<xs:element name="x" type="xs:int" minOccurs="0"/>'
                '<xs:element name="x" type="xs:int"/></xs:sequence></xs:complexType>'
            ),
            r"a\.xsd:1: XSD cannot be compiled: .*not determinist",
        ),
        (
            (
                '<xs:complexType name="T"><xs:sequence>\n<xs:sequence><xs:element name="x" type="xs:int"/>'
                "</xs:sequence>"
                '<xs:element name="x" type="xs:string"/></xs:sequence></xs:complexType>'
            ),
            r"a\.xsd:1: XSD cannot be understood: .*elements of one name in one type",
        ),
        (
            (
                '\n<xs:simpleType name="T"><xs:restriction base="xs:string"><xs:minLength value="5"/>'
                '<xs:maxLength value="2"/>'
                "</xs:restriction></xs:simpleType>"
            ),
            r"a\.xsd:2: XSD cannot be understood: 'maxLength' value is less than 'minLength'",
        ),
        (
            (
                '\n<xs:complexType name="T"><xs:complexContent><xs:extension base="t:T"/></xs:complexContent>'
                "</xs:complexType>"
            ),
            r"a\.xsd:2: .*circular",
        ),
    ],
)
def test_an_error_names_file_line_and_what_to_do(content: str, reason: str) -> None:
    with pytest.raises(ContractUnsupported, match=reason):
        joined(files(a=(TARGET, content)))


def test_a_declaration_that_is_there_twice_and_the_same_is_one() -> None:
    twin = '<xs:complexType name="T"><xs:sequence><xs:element name="x" type="xs:int"/></xs:sequence></xs:complexType>'
    other = twin.replace(
        "><xs:sequence", ">\n<xs:annotation><xs:documentation>Note</xs:documentation></xs:annotation> <xs:sequence"
    )
    joined(files(a=(TARGET, twin), b=(TARGET, other)), "a.xsd", "b.xsd")


@pytest.mark.parametrize(
    "other",
    [
        '<xs:complexType name="T"><xs:sequence><xs:element name="x" type="xs:long"/></xs:sequence></xs:complexType>',
        '<xs:simpleType name="T"><xs:restriction base="xs:int"/></xs:simpleType>',
    ],
)
def test_a_declaration_that_is_there_twice_and_different_is_refused_with_both_places(other: str) -> None:
    twin = '<xs:complexType name="T"><xs:sequence><xs:element name="x" type="xs:int"/></xs:sequence></xs:complexType>'
    with pytest.raises(
        ContractUnsupported, match=r"type \{urn:t\}T is declared twice and differently: at a\.xsd:1 and at b\.xsd:2"
    ):
        joined(files(a=(TARGET, twin), b=(TARGET, "\n" + other)), "a.xsd", "b.xsd")


def test_twins_whose_local_elements_are_qualified_differently_are_not_the_same() -> None:
    twin = '<xs:complexType name="T"><xs:sequence><xs:element name="x" type="xs:int"/></xs:sequence></xs:complexType>'
    with pytest.raises(ContractUnsupported, match="declared twice and differently"):
        joined(files(a=(TARGET, twin), b=(TARGET + ' elementFormDefault="qualified"', twin)), "a.xsd", "b.xsd")


def test_a_file_over_ten_megabytes_is_refused() -> None:
    with pytest.raises(ContractUnsupported, match=r"a\.xsd has \d+ bytes; files over 10485760 are not read"):
        joined({"a.xsd": b"<xs:schema/>" + b" " * 10 * 1024 * 1024})


@pytest.mark.parametrize("inside", ["", "[<!ENTITY e 'x'>]", "[<!ENTITY % p SYSTEM 'file:///etc/passwd'> %p;]"])
def test_a_dtd_is_refused_with_its_line(inside: str) -> None:
    content = b'<?xml version="1.0"?>\n<!DOCTYPE xs:schema ' + inside.encode() + b">\n" + files(a=(TARGET, ""))["a.xsd"]
    with pytest.raises(ContractUnsupported, match=r"a\.xsd:2: document has a DTD"):
        joined({"a.xsd": content})


# --- habits that are forgiven -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "document"),
    [
        ('<xs:element name="A" type="T"/><xs:simpleType name="T"><xs:restriction base="xs:int"/></xs:simpleType>', "1"),
        ('<xs:element name="A" type="int"/>', "1"),
        ('<xs:element name="A" type="xs:int" minOccurs="0" maxOccurs="unbounded"/>', "1"),
        ('<xs:element name="A" type="xs:int" nillable="True" foo="bar"/>', "1"),
        ('<xs:element name="A"><xs:complexType name="Local"/></xs:element>', ""),
        (
            (
                '<xs:element name="A"><xs:complexType><xs:attribute name="b" type="xs:int"/><xs:sequence>'
                '<xs:element name="c" type="xs:int" maxOccurs="*"/></xs:sequence></xs:complexType></xs:element>'
            ),
            "<c>1</c>",
        ),
        (
            (
                '<xs:element name="A"><xs:complexType><xs:sequence/><xs:annotation/><xs:annotation/></xs:complexType>'
                "</xs:element>"
            ),
            "",
        ),
        (
            (
                '<xs:element name="A"><xs:complexType><xs:all>'
                '<xs:element name="c" type="xs:int" maxOccurs="unbounded"/></xs:all>'
                "</xs:complexType></xs:element>"
            ),
            "<c>1</c><c>2</c>",
        ),
        (
            (
                '<xs:element name="A"><xs:complexType><xs:sequence><xs:all><xs:element name="c" type="xs:int"/>'
                "</xs:all>"
                "</xs:sequence></xs:complexType></xs:element>"
            ),
            "<c>1</c>",
        ),
        (
            (
                '<note xmlns="urn:n"/><xs:element name="A"><xs:complexType><xs:sequence>'
                '<xs:element ref="t:B" nillable="true"'
                ' type="xs:int"/></xs:sequence></xs:complexType></xs:element><xs:element name="B" type="xs:int"/>'
            ),
            '<B xmlns="urn:t">1</B>',
        ),
        (
            (
                '<xs:element name="A"><xs:complexType><xs:sequence><xs:element ref="xs:schema"/><xs:any/></xs:sequence>'
                '</xs:complexType></xs:element><xs:element name="D" type="xs:int"/>'
            ),
            '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"/><D xmlns="urn:t">1</D>',
        ),
        (
            (
                '<xs:element name="A" type="t:T"/><xs:simpleType name="T"><xs:restriction base="xs:string">'
                '<xs:pattern value="(?=x).*"/></xs:restriction></xs:simpleType>'
            ),
            "anything",
        ),
        (
            (
                '<xs:element name="A" type="t:T"/><xs:simpleType name="T"><xs:restriction base="xs:int">'
                '<xs:maxLength value="5"/></xs:restriction></xs:simpleType>'
            ),
            "1",
        ),
        (
            (
                '<xs:element name="A" type="t:T"/><xs:complexType name="S"><xs:sequence>'
                '<xs:element name="x" type="xs:int"/>'
                '</xs:sequence></xs:complexType><xs:complexType name="T"><xs:complexContent><xs:restriction base="t:S">'
                '<xs:sequence><xs:element name="y" type="xs:int"/></xs:sequence></xs:restriction></xs:complexContent>'
                "</xs:complexType>"
            ),
            "<y>1</y>",
        ),
        ('<xs:element name="A" type="xs:int" default=""/>', "1"),
        (
            (
                '<xs:element name="A"><xs:complexType><xs:sequence><xs:element name="a" type="xs:int" maxOccurs="0"/>'
                '</xs:sequence><xs:attribute name="b" type="xs:int" use="required" default="1"/></xs:complexType>'
                "</xs:element>"
            ),
            None,
        ),
        (
            (
                '<xs:element name="A"><xs:complexType><xs:sequence><xs:element name="a" type="xs:int" minOccurs="0"/>'
                '<xs:any minOccurs="0" processContents="lax"/></xs:sequence></xs:complexType></xs:element>'
            ),
            '<a>1</a><x xmlns="urn:x"/>',
        ),
        (
            (
                '<xs:complexType name="S"><xs:all><xs:element name="x" type="xs:int"/></xs:all></xs:complexType>'
                '<xs:element name="A"><xs:complexType><xs:complexContent><xs:extension base="t:S"><xs:sequence>'
                '<xs:element name="y" type="xs:int"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>'
                "</xs:element>"
            ),
            "<x>1</x><y>2</y>",
        ),
        (
            (
                '<xs:element name="A" type="t:T"/><xs:simpleType name="S"><xs:restriction base="xs:string"/>'
                "</xs:simpleType>"
                '<xs:complexType name="T"><xs:complexContent><xs:extension base="t:S"/></xs:complexContent>'
                "</xs:complexType>"
            ),
            "text",
        ),
        (
            (
                '<xs:element name="A" type="t:T"/><xs:simpleType name="S"><xs:restriction base="xs:string">'
                '<xs:enumeration value="abc"/></xs:restriction></xs:simpleType><xs:simpleType name="T">'
                '<xs:restriction base="t:S"><xs:maxLength value="9"/></xs:restriction></xs:simpleType>'
            ),
            "abc",
        ),
        ('<xs:import namespace="urn:t"/><xs:element name="A" type="xs:int"/><xs:import namespace="urn:gone"/>', "1"),
    ],
    ids=[
        "no-prefix",
        "no-prefix-of-xsd",
        "occurrence-of-a-global",
        "unknown-attribute",
        "name-of-a-local-type",
        "attributes-first",
        "annotations-last",
        "all-with-many",
        "all-inside",
        "type-beside-ref",
        "dataset",
        "pattern-of-another-language",
        "facet-of-another-type",
        "not-a-restriction",
        "empty-default",
        "never-occurs",
        "wildcard-that-competes",
        "extension-of-all",
        "complex-content-of-a-simple-type",
        "facet-after-enumeration",
        "imports-last",
    ],
)
def test_what_toolkits_forgive_is_forgiven(content: str, document: str | None) -> None:
    schemas = joined(files(a=(TARGET, content)))
    if document is None:
        assert accepts(schemas, '<e:A xmlns:e="urn:t" b="1"/>')
    else:
        assert accepts(schemas, f'<e:A xmlns:e="urn:t">{document}</e:A>')


def test_what_is_left_out_is_told_with_its_place() -> None:
    content = (
        '<xs:simpleType name="T"><xs:restriction base="xs:string">\n<xs:pattern value="(?=x).*"/></xs:restriction>'
        "</xs:simpleType>"
    )
    (hint,) = joined(files(a=(TARGET, content))).hints
    assert hint.startswith("a.xsd:2: the facet pattern '(?=x).*' is left out")


@pytest.mark.parametrize("year", ["1999", "2000/10"])
def test_the_first_xsd_namespaces_are_read_as_the_last(year: str) -> None:
    content = files(a=(TARGET, '<xs:element name="A" type="xs:int"/>'))["a.xsd"].replace(b"2001", year.encode())
    assert accepts(joined({"a.xsd": content}), '<A xmlns="urn:t">1</A>')


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "iso-8859-9", "windows-1254", "windows-1251", "utf-8-sig"])
def test_files_of_old_encodings_are_read(encoding: str) -> None:
    word = "Şəxs" if encoding.startswith("utf") else "Лицо" if encoding == "windows-1251" else "Şexs"
    declared = "utf-16" if encoding.startswith("utf-16") else encoding.removesuffix("-sig")
    text = f'<?xml version="1.0" encoding="{declared}"?>' + HEAD.format(
        TARGET, f'<xs:element name="{word}" type="xs:int"/>'
    )
    assert accepts(joined({"a.xsd": text.encode(encoding)}), f'<{word} xmlns="urn:t">1</{word}>')


def test_utf8_that_declares_another_encoding_is_read_as_what_it_is() -> None:
    text = '<?xml version="1.0" encoding="ISO-8859-1"?>' + HEAD.format(
        TARGET, '<xs:element name="Şəxs" type="xs:int"/>'
    )
    assert accepts(joined({"a.xsd": text.encode()}), '<Şəxs xmlns="urn:t">1</Şəxs>')


def test_an_encoding_that_makes_control_characters_looks_wrong() -> None:
    content = b'<?xml version="1.0" encoding="iso-8859-1"?>\n<a>caf\xe9 \x93</a>'
    with pytest.raises(ContractUnsupported, match=r"a\.xsd:2: the encoding that the file declares looks wrong"):
        joined({"a.xsd": content})


def test_an_encoding_that_the_bytes_are_not_is_told() -> None:
    content = b'<?xml version="1.0" encoding="windows-1252"?><a>\x81</a>'
    with pytest.raises(
        ContractUnsupported, match=r"a\.xsd: document is not windows-1252, though it says so; save it as UTF-8"
    ):
        joined({"a.xsd": content})


@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html><html><body>404</body></html>",
        b"\n<!doctype HTML>\n<title>Sign in</title><br>",
        b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x.dtd">\n<html/>',
    ],
)
def test_a_saved_web_page_is_told_to_be_one_and_not_to_have_a_dtd(page: bytes) -> None:
    with pytest.raises(ContractUnsupported, match=r"a\.xsd: it looks like a web page that was saved instead; ask"):
        joined({"a.xsd": page})


@pytest.mark.parametrize("encoding", ["utf-7", "ebcdic-cp-us", "cp037"])
def test_other_encodings_are_refused(encoding: str) -> None:
    with pytest.raises(ContractUnsupported, match="only UTF-8 is read"):
        joined({"a.xsd": f'<?xml version="1.0" encoding="{encoding}"?><a/>'.encode()})
