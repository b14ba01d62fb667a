"""WSDLs in several files, names written sloppily, and what can be found out before a port is chosen."""

from __future__ import annotations

import pytest

from adapters import wsdl
from esb.errors import ContractUnsupported
from tests.support import wsdls
from tests.support.wsdls import NS, bundle, compiled, messages, operation

XSD = wsdls.SCHEMA.replace("{extra}", "").replace(
    "<xs:schema ", '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" '
)
BARE = (
    '<wsdl:definitions xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:t" targetNamespace="urn:t">'
    "{}</wsdl:definitions>"
)


def test_a_wsdl_may_lie_in_several_files_that_import_each_other() -> None:
    files = {
        "parts/messages.wsdl": BARE.format(
            '<wsdl:import namespace="urn:t" location="../s.wsdl"/><wsdl:types><xs:schema '
            'xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:include schemaLocation="t.xsd"/>'
            "</xs:schema></wsdl:types>" + wsdls.MESSAGES
        ),
        "parts/t.xsd": XSD,
    }
    imports = '<wsdl:import namespace="urn:t" location="http://agency.example/v1/parts/messages.wsdl"/>'
    assert operation(files, imports=imports, types="", messages="").input == NS + "Ask"


def test_a_wsdl_may_import_a_schema_directly() -> None:
    imports = '<wsdl:import namespace="urn:t" location="t.xsd"/>'
    assert operation({"t.xsd": XSD}, imports=imports, types="").input == NS + "Ask"


def test_a_schema_of_the_bundle_is_found_by_its_namespace() -> None:
    assert operation({"any-name.xsd": XSD}, types="").input == NS + "Ask"
    imported = '<xs:schema><xs:import namespace="urn:t"/></xs:schema>'
    assert operation({"any-name.xsd": XSD}, types=imported).input == NS + "Ask"


def test_a_missing_wsdl_is_named_with_the_import_and_the_file_to_add() -> None:
    imports = '<wsdl:import namespace="urn:t" location="http://a.example/messages.wsdl"/>'
    with pytest.raises(ContractUnsupported, match=r"names the message .*; s\.wsdl:\d+ imports .*; add messages\.wsdl"):
        compiled(imports=imports, messages="")
    assert operation(imports=imports).input == NS + "Ask"


def test_a_missing_schema_is_named_with_the_import_and_the_file_to_add() -> None:
    types = '<xs:schema>\n<xs:import namespace="urn:t" schemaLocation="http://a.example/x/t.xsd"/></xs:schema>'
    with pytest.raises(ContractUnsupported, match=r"s\.wsdl:7 imports the namespace urn:t from .*; add t\.xsd"):
        compiled(types=types)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('message="t:In"', 'message="In"'),
        ('message="t:In"', 'message="wsdl:In"'),
        ('binding="t:B"', 'binding="B"'),
        ('element="t:Ask"', 'element="Ask"'),
    ],
)
def test_a_name_without_its_prefix_is_found_where_only_one_can_be_meant(old: str, new: str) -> None:
    text = wsdls.text()
    assert old in text
    port = wsdl.compile({"s.wsdl": text.replace(old, new).encode()}, "s.wsdl")
    assert port.operations["Op"].input == NS + "Ask"
    assert port.hints


def test_prefixes_may_be_declared_on_the_definitions_only() -> None:
    types = (
        '<schema xmlns="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t"><element name="Ask" type="t:Kind"/>'
        '<complexType name="Kind"><sequence><element name="a" type="xs:int"/></sequence></complexType>'
        '<element name="Tell" type="xs:int"/></schema>'
    )
    port = compiled(types=types)
    port.contract.validate(b'<Ask xmlns="urn:t"><a xmlns="">1</a></Ask>')


def test_a_port_without_binding_is_surveyed_with_its_reason() -> None:
    service = wsdls.SERVICE.replace("</wsdl:service>", '<wsdl:port name="Q" binding="t:None"/></wsdl:service>')
    surveyed = wsdl.survey(bundle(service=service), "s.wsdl")
    assert [(each.service, each.port, each.operations) for each in surveyed.ports] == [
        ("S", "P", ("Op",)),
        ("S", "Q", ()),
    ]
    assert surveyed.ports[0].soap_version == "1.1"
    assert "names the binding {urn:t}None" in str(surveyed.ports[1].unreadable)


def test_a_wsdl_without_a_service_offers_its_bindings() -> None:
    assert operation(service="").input == NS + "Ask"
    with pytest.raises(ContractUnsupported, match="has no service and no binding"):
        wsdl.compile({"s.wsdl": BARE.format("").encode()}, "s.wsdl")


def test_an_http_binding_is_left_aside() -> None:
    http = (
        '<wsdl:binding name="H" type="t:PT"><http:binding xmlns:http="http://schemas.xmlsoap.org/wsdl/http/" '
        'verb="GET"/></wsdl:binding>'
    )
    service = wsdls.SERVICE.replace("</wsdl:service>", '<wsdl:port name="H" binding="t:H"/></wsdl:service>')
    files = bundle(service=http + service)
    assert wsdl.compile(files, "s.wsdl").operations["Op"].input == NS + "Ask"
    with pytest.raises(ContractUnsupported, match=r"port H cannot be used: .* HTTP GET/POST"):
        wsdl.compile(files, "s.wsdl", port="H")


def test_missing_imports_are_completed_from_a_catalogue_by_name_and_by_namespace() -> None:
    entry = bundle(types='<xs:schema><xs:import namespace="urn:t" schemaLocation="xsd/t.xsd"/></xs:schema>')
    more = (
        XSD.replace("</xs:schema>", '<xs:element name="More" type="u:U"/></xs:schema>')
        .replace('<xs:element name="Ask">', '<xs:import namespace="urn:u"/><xs:element name="Ask">', 1)
        .replace("xmlns:t", 'xmlns:u="urn:u" xmlns:t')
    )
    other = (
        '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:u"><xs:simpleType name="U">'
        '<xs:restriction base="xs:int"/></xs:simpleType></xs:schema>'
    )
    catalogue = {"national/t.xsd": more.encode(), "national/codes.xsd": other.encode(), "unused.xsd": b"<broken"}
    completed = wsdl.complete(entry, "s.wsdl", catalogue)
    assert [(each.file, each.source) for each in completed.taken] == [
        ("xsd/t.xsd", "national/t.xsd"),
        ("codes.xsd", "national/codes.xsd"),
    ]
    assert completed.missing == ()
    assert wsdl.compile(completed.bundle, "s.wsdl").operations["Op"].input == NS + "Ask"


def test_what_no_catalogue_has_is_listed() -> None:
    entry = bundle(types='<xs:schema><xs:import namespace="urn:t" schemaLocation="../../etc/t.xsd"/></xs:schema>')
    completed = wsdl.complete(entry, "s.wsdl", {})
    assert completed.missing == ("s.wsdl:6 imports ../../etc/t.xsd, which is nowhere; add t.xsd",)
    catalogue = {"t.xsd": XSD.encode()}
    assert [each.file for each in wsdl.complete(entry, "s.wsdl", catalogue).taken] == ["t.xsd"]


IMPORT_BY_QUERY = '<wsdl:import namespace="urn:abstract" location="http://a.example/abstract?wsdl=1"/>'
ABSTRACT = BARE.replace('targetNamespace="urn:t"', 'targetNamespace="urn:abstract"').format(wsdls.MESSAGES)


def test_a_wsdl_whose_import_names_no_file_is_found_by_its_namespace() -> None:
    files = {"one.wsdl": ABSTRACT, "draft.wsdl": "<broken"}
    assert operation(files, imports=IMPORT_BY_QUERY, messages="").input == NS + "Ask"
    catalogue = {f"deep/{name}": content.encode() for name, content in files.items()}
    completed = wsdl.complete(bundle(imports=IMPORT_BY_QUERY, messages=""), "s.wsdl", catalogue)
    assert [(each.file, each.source) for each in completed.taken] == [("one.wsdl", "deep/one.wsdl")]
    assert wsdl.compile(completed.bundle, "s.wsdl").operations["Op"].input == NS + "Ask"


def test_a_port_that_cannot_be_read_begins_with_the_import_that_is_missing() -> None:
    binding = 'type="t:PT"'
    text = bundle(imports=IMPORT_BY_QUERY)["s.wsdl"].replace(binding.encode(), b'type="t:Elsewhere"')
    with pytest.raises(
        ContractUnsupported,
        match=r"\As\.wsdl:\d+ imports http://a\.example/abstract\?wsdl=1, .*add the WSDL of .* urn:abstract; ",
    ) as caught:
        wsdl.compile({"s.wsdl": text}, "s.wsdl")
    assert caught.value.reason.count("wsdl=1") == 1


def test_documentation_of_operations_is_surveyed() -> None:
    documented = wsdls.OPERATION.replace(
        'name="Op">', 'name="Op"><wsdl:documentation>\n  Finds\n  a person. </wsdl:documentation>'
    )
    surveyed = wsdl.survey(bundle(operations=documented), "s.wsdl")
    assert surveyed.ports[0].documentation == {"Op": "Finds a person."}
    assert surveyed.target_namespace == "urn:t"


def test_a_part_twice_is_refused() -> None:
    with pytest.raises(ContractUnsupported, match="has two parts p"):
        compiled(messages=messages(request='<wsdl:part name="p" element="t:Ask"/>' * 2))


def test_a_message_twice_beside_a_relative_namespace_is_refused_with_its_place() -> None:
    once = messages(request='<wsdl:part name="p" element="t:Ask"/>')
    note = '<wsdl:documentation xmlns:r="relative"><r:d/></wsdl:documentation><wsdl:part'
    with pytest.raises(ContractUnsupported, match=r":[0-9]+: document has no canonical form"):
        compiled(messages=once + once.replace("<wsdl:part", note, 1))
