"""What an XSD may say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from esb.contracts.contract import Contract
from esb.errors import ContractUnsupported

_FRAME = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t" '
    'elementFormDefault="qualified">{globals}<xs:element name="E">{element}</xs:element></xs:schema>'
)
_SEQUENCE = "<xs:complexType><xs:sequence>{}</xs:sequence></xs:complexType>"
_A = '<xs:element name="a" type="xs:string"/>'
_B = '<xs:element name="b" type="xs:string"/>'
_MANY = '<xs:element name="c" type="xs:string" minOccurs="0" maxOccurs="unbounded"/>'
_BASE = f'<xs:complexType name="T"><xs:sequence>{_A}</xs:sequence></xs:complexType>'
_DERIVED = (
    f'{_BASE}<xs:complexType name="U"><xs:complexContent><xs:extension base="t:T"><xs:sequence>{_B}</xs:sequence>'
    "</xs:extension></xs:complexContent></xs:complexType>"
)
_OTHER = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:o">'
    '<xs:element name="a" type="xs:string"/></xs:schema>'
)
_MORE = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:simpleType name="More">'
    '<xs:restriction base="xs:int"/></xs:simpleType></xs:schema>'
)
ELEMENT: Final = "{urn:t}E"
"""Of every schema here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XsdFeature:
    """One thing that an XSD may say about the element `E`. `inside`: its sequence; `files`: others of the bundle."""

    name: str
    inside: str = ""
    element: str = ""
    declared: str = ""
    files: tuple[tuple[str, str], ...] = ()

    def outcome(self) -> tuple[bool, str]:
        """Whether it is read and written, and the refusal in words."""
        try:
            contract = self.contract()
            contract.encoder(ELEMENT)
            contract.decoder(ELEMENT)
            contract.json_schema(ELEMENT)
            contract.sample(ELEMENT)
        except ContractUnsupported as error:
            return False, error.reason
        return True, ""

    def contract(self) -> Contract:
        """The compiled schema. Raises ContractUnsupported."""
        return Contract.from_xsd(
            {"types.xsd": self._source(), **{name: text.encode() for name, text in self.files}}, ["types.xsd"]
        )

    def _source(self) -> bytes:
        return _FRAME.format(globals=self.declared, element=self.element or _SEQUENCE.format(self.inside)).encode()


def _typed(base: str, facets: str) -> str:
    return f'<xs:simpleType><xs:restriction base="{base}">{facets}</xs:restriction></xs:simpleType>'


def _field(name: str, inner: str) -> str:
    return f'<xs:element name="{name}">{inner}</xs:element>'


FEATURES: tuple[XsdFeature, ...] = (
    XsdFeature(name="sequence, optional and repeated elements", inside=_A + _MANY),
    XsdFeature(name="choice", inside=f"<xs:choice>{_A}{_B}</xs:choice>"),
    XsdFeature(name="choice, repeated", inside=f'<xs:choice maxOccurs="unbounded">{_A}{_B}</xs:choice>'),
    XsdFeature(name="all", element=f"<xs:complexType><xs:all>{_A}{_B}</xs:all></xs:complexType>"),
    XsdFeature(
        name="group",
        declared=f'<xs:group name="G"><xs:sequence>{_A}</xs:sequence></xs:group>',
        inside='<xs:group ref="t:G"/>',
    ),
    XsdFeature(name="group, repeated", inside=f'<xs:sequence maxOccurs="unbounded">{_A}{_B}</xs:sequence>'),
    XsdFeature(name="one name at two places", inside=_A + _B + _A),
    XsdFeature(
        name="one name in two namespaces",
        declared='<xs:import namespace="urn:o" schemaLocation="o.xsd"/>',
        inside=_A + '<xs:element ref="o:a" xmlns:o="urn:o"/>',
        files=(("o.xsd", _OTHER),),
    ),
    XsdFeature(name="recursion", inside='<xs:element ref="t:E" minOccurs="0"/>'),
    XsdFeature(name="recursion without end", inside='<xs:element ref="t:E"/>'),
    XsdFeature(name="nillable", inside='<xs:element name="a" type="xs:date" nillable="true"/>'),
    XsdFeature(
        name="nillable, with attributes that must be there",
        inside=(
            '<xs:element name="a" nillable="true"><xs:complexType><xs:attribute name="k" type="xs:string" '
            'use="required"/></xs:complexType></xs:element>'
        ),
    ),
    XsdFeature(name="default and fixed values", inside='<xs:element name="a" type="xs:int" default="1"/>'),
    XsdFeature(
        name="attributes, attribute groups",
        declared='<xs:attributeGroup name="K"><xs:attribute name="k" type="xs:int"/></xs:attributeGroup>',
        element='<xs:complexType><xs:attributeGroup ref="t:K"/></xs:complexType>',
    ),
    XsdFeature(
        name="text with attributes",
        element=(
            '<xs:complexType><xs:simpleContent><xs:extension base="xs:decimal"><xs:attribute name="k" '
            'type="xs:string"/></xs:extension></xs:simpleContent></xs:complexType>'
        ),
    ),
    XsdFeature(name="any attribute", element="<xs:complexType><xs:anyAttribute/></xs:complexType>"),
    XsdFeature(name="any element", inside='<xs:any processContents="lax" minOccurs="0"/>'),
    XsdFeature(name="anyType", inside='<xs:element name="a" type="xs:anyType"/>'),
    XsdFeature(name="anySimpleType", inside='<xs:element name="a" type="xs:anySimpleType"/>'),
    XsdFeature(name="extension, restriction", declared=_DERIVED, inside='<xs:element name="a" type="t:U"/>'),
    XsdFeature(name="type that others extend", declared=_DERIVED, inside='<xs:element name="a" type="t:T"/>'),
    XsdFeature(
        name="abstract type",
        declared=_DERIVED.replace('name="T"', 'name="T" abstract="true"'),
        inside='<xs:element name="a" type="t:T"/>',
    ),
    XsdFeature(
        name="substitution group",
        declared=(
            '<xs:element name="H" type="xs:string" abstract="true"/>'
            '<xs:element name="S" type="xs:string" substitutionGroup="t:H"/>'
        ),
        inside='<xs:element ref="t:H"/>',
    ),
    XsdFeature(
        name="list",
        inside=_field("a", '<xs:simpleType><xs:list itemType="xs:int"/></xs:simpleType>'),
    ),
    XsdFeature(
        name="union",
        inside=_field("a", '<xs:simpleType><xs:union memberTypes="xs:date xs:int"/></xs:simpleType>'),
    ),
    XsdFeature(name="enumeration", inside=_field("a", _typed("xs:string", '<xs:enumeration value="x"/>'))),
    XsdFeature(name="pattern", inside=_field("a", _typed("xs:string", '<xs:pattern value="[0-9A-HJ-NP-Z]{7}"/>'))),
    XsdFeature(
        name="pattern that subtracts characters",
        inside=_field("a", _typed("xs:string", '<xs:pattern value="[A-Z-[IO]]{7}"/>')),
    ),
    XsdFeature(
        name="decimal with digits; integers of any length",
        inside=_field("a", _typed("xs:decimal", '<xs:totalDigits value="14"/><xs:fractionDigits value="2"/>'))
        + '<xs:element name="b" type="xs:integer"/>',
    ),
    XsdFeature(
        name="date, time, dateTime, duration, gYear and its kin",
        inside="".join(
            f'<xs:element name="{kind}" type="xs:{kind}"/>'
            for kind in ("date", "time", "dateTime", "duration", "gYear", "gYearMonth", "gMonthDay", "gDay", "gMonth")
        ),
    ),
    XsdFeature(
        name="base64Binary, hexBinary",
        inside='<xs:element name="a" type="xs:base64Binary"/><xs:element name="b" type="xs:hexBinary"/>',
    ),
    XsdFeature(name="float, double", inside='<xs:element name="a" type="xs:double"/>'),
    XsdFeature(name="QName", inside='<xs:element name="a" type="xs:QName"/>'),
    XsdFeature(name="ID, IDREF", inside='<xs:element name="a" type="xs:ID"/><xs:element name="b" type="xs:IDREF"/>'),
    XsdFeature(
        name="key, unique",
        element=(
            f"<xs:complexType><xs:sequence>{_MANY}</xs:sequence></xs:complexType>"
            '<xs:unique name="K"><xs:selector xpath="t:c"/><xs:field xpath="."/></xs:unique>'
        ),
    ),
    XsdFeature(
        name="mixed content", element=f'<xs:complexType mixed="true"><xs:sequence>{_A}</xs:sequence></xs:complexType>'
    ),
    XsdFeature(
        name="include that is there",
        declared='<xs:include schemaLocation="more.xsd"/>',
        inside='<xs:element name="a" type="t:More"/>',
        files=(("more.xsd", _MORE),),
    ),
    XsdFeature(name="include that is not there", declared='<xs:include schemaLocation="more.xsd"/>', inside=_A),
    XsdFeature(name="override, assert (XSD 1.1)", declared='<xs:override schemaLocation="more.xsd"/>', inside=_A),
)
"""In the order of the table."""
