"""Schemas that contracts use without bringing them along, written here from their specifications.

Called by `gathering` for a namespace that the bundle has no file for. They are of the kind that every SOAP toolkit has
built in; a contract's own copy, when it brings one, goes before.
"""

from __future__ import annotations

XSD_NAMESPACE = "http://www.w3.org/2001/XMLSchema"
XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"
SOAP_ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
SOAP12_ENCODING = "http://www.w3.org/2003/05/soap-encoding"


def words(text: str) -> frozenset[str]:
    """The names in a line."""
    return frozenset(text.split())


BUILTIN_TYPES = words(
    "anyType anySimpleType string normalizedString token language Name NCName NMTOKEN NMTOKENS ID IDREF IDREFS ENTITY"
    " ENTITIES anyURI QName NOTATION decimal integer nonPositiveInteger negativeInteger long int short byte"
    " nonNegativeInteger unsignedLong unsignedInt unsignedShort unsignedByte positiveInteger float double boolean"
    " duration dateTime time date gYearMonth gYear gMonthDay gDay gMonth base64Binary hexBinary"
)
"""Every type of XSD 1.0."""

FACETS = words(
    "minExclusive minInclusive maxExclusive maxInclusive totalDigits fractionDigits length minLength maxLength"
    " enumeration whiteSpace pattern"
)
"""Every facet of XSD 1.0."""


def schema_for(namespace: str) -> bytes | None:
    """The built-in schema of a namespace; None when there is none."""
    write = _WRITERS.get(namespace)
    return None if write is None else _schema(namespace, write(namespace))


def _xml(_namespace: str) -> str:
    """XML 1.0 and XML Base: the attributes of the prefix xml."""
    return """
  <xs:attribute name="lang"><xs:simpleType><xs:union memberTypes="xs:language">
    <xs:simpleType><xs:restriction base="xs:string"><xs:enumeration value=""/></xs:restriction></xs:simpleType>
  </xs:union></xs:simpleType></xs:attribute>
  <xs:attribute name="space"><xs:simpleType><xs:restriction base="xs:NCName">
    <xs:enumeration value="default"/><xs:enumeration value="preserve"/>
  </xs:restriction></xs:simpleType></xs:attribute>
  <xs:attribute name="base" type="xs:anyURI"/>
  <xs:attribute name="id" type="xs:ID"/>
  <xs:attributeGroup name="specialAttrs">
    <xs:attribute ref="xml:base"/><xs:attribute ref="xml:lang"/>
    <xs:attribute ref="xml:space"/><xs:attribute ref="xml:id"/>
  </xs:attributeGroup>"""


def _soap_encoding(_namespace: str) -> str:
    """SOAP 1.1, section 5: every simple type as an element that may be a reference, and the array."""
    return """
  <xs:attribute name="root" type="xs:boolean"/>
  <xs:attribute name="arrayType" type="xs:string"/>
  <xs:attribute name="offset" type="xs:string"/>
  <xs:attribute name="position" type="xs:string"/>
  <xs:attributeGroup name="commonAttributes">
    <xs:attribute name="id" type="xs:ID"/><xs:attribute name="href" type="xs:anyURI"/>
    <xs:anyAttribute namespace="##other" processContents="lax"/>
  </xs:attributeGroup>
  <xs:attributeGroup name="arrayAttributes">
    <xs:attribute ref="tns:arrayType"/><xs:attribute ref="tns:offset"/>
  </xs:attributeGroup>
  <xs:attributeGroup name="arrayMemberAttributes"><xs:attribute ref="tns:position"/></xs:attributeGroup>
  <xs:simpleType name="base64"><xs:restriction base="xs:base64Binary"/></xs:simpleType>
  <xs:group name="Array"><xs:sequence>
    <xs:any namespace="##any" minOccurs="0" maxOccurs="unbounded" processContents="lax"/>
  </xs:sequence></xs:group>
  <xs:group name="Struct"><xs:sequence>
    <xs:any namespace="##any" minOccurs="0" maxOccurs="unbounded" processContents="lax"/>
  </xs:sequence></xs:group>
  <xs:complexType name="Array">
    <xs:group ref="tns:Array" minOccurs="0"/>
    <xs:attributeGroup ref="tns:arrayAttributes"/><xs:attributeGroup ref="tns:commonAttributes"/>
  </xs:complexType>
  <xs:complexType name="Struct">
    <xs:group ref="tns:Struct" minOccurs="0"/><xs:attributeGroup ref="tns:commonAttributes"/>
  </xs:complexType>
  <xs:element name="Array" type="tns:Array"/><xs:element name="Struct" type="tns:Struct"/>""" + _encoded_simple_types()


def _soap12_encoding(_namespace: str) -> str:
    """SOAP 1.2 part 2, section 3."""
    return """
  <xs:attribute name="itemType" type="xs:QName"/>
  <xs:attribute name="arraySize" type="xs:string"/>
  <xs:attribute name="nodeType" type="xs:NMTOKEN"/>
  <xs:attribute name="id" type="xs:ID"/>
  <xs:attribute name="ref" type="xs:IDREF"/>
  <xs:attributeGroup name="commonAttributes">
    <xs:attribute ref="tns:id"/><xs:attribute ref="tns:ref"/>
    <xs:anyAttribute namespace="##other" processContents="lax"/>
  </xs:attributeGroup>
  <xs:attributeGroup name="arrayAttributes">
    <xs:attribute ref="tns:arraySize"/><xs:attribute ref="tns:itemType"/>
  </xs:attributeGroup>
  <xs:complexType name="Array">
    <xs:sequence><xs:any namespace="##any" minOccurs="0" maxOccurs="unbounded" processContents="lax"/></xs:sequence>
    <xs:attributeGroup ref="tns:arrayAttributes"/><xs:attributeGroup ref="tns:commonAttributes"/>
  </xs:complexType>
  <xs:complexType name="Struct">
    <xs:sequence><xs:any namespace="##any" minOccurs="0" maxOccurs="unbounded" processContents="lax"/></xs:sequence>
    <xs:attributeGroup ref="tns:commonAttributes"/>
  </xs:complexType>
  <xs:element name="Array" type="tns:Array"/><xs:element name="Struct" type="tns:Struct"/>""" + _encoded_simple_types()


def _encoded_simple_types() -> str:
    names = sorted(BUILTIN_TYPES - {"anyType", "anySimpleType", "NOTATION"})
    return "".join(
        f'<xs:complexType name="{name}"><xs:simpleContent><xs:extension base="xs:{name}">'
        f'<xs:attributeGroup ref="tns:commonAttributes"/></xs:extension></xs:simpleContent></xs:complexType>'
        f'<xs:element name="{name}" type="tns:{name}"/>'
        for name in names
    )


def _media_types(_namespace: str) -> str:
    """Describing Media Content of Binary Data in XML (W3C note, 2005)."""
    return """
  <xs:attribute name="contentType"><xs:simpleType><xs:restriction base="xs:string">
    <xs:minLength value="3"/></xs:restriction></xs:simpleType></xs:attribute>
  <xs:attribute name="expectedContentTypes" type="xs:string"/>
  <xs:complexType name="base64Binary"><xs:simpleContent><xs:extension base="xs:base64Binary">
    <xs:attribute ref="tns:contentType"/></xs:extension></xs:simpleContent></xs:complexType>
  <xs:complexType name="hexBinary"><xs:simpleContent><xs:extension base="xs:hexBinary">
    <xs:attribute ref="tns:contentType"/></xs:extension></xs:simpleContent></xs:complexType>"""


def _optimised_packaging(_namespace: str) -> str:
    """XML-binary Optimized Packaging (2005), section 2.1."""
    return """
  <xs:element name="Include" type="tns:Include"/>
  <xs:complexType name="Include"><xs:sequence>
    <xs:any namespace="##other" minOccurs="0" maxOccurs="unbounded" processContents="lax"/></xs:sequence>
    <xs:attribute name="href" type="xs:anyURI" use="required"/>
    <xs:anyAttribute namespace="##other" processContents="lax"/>
  </xs:complexType>"""


def _attachment_references(_namespace: str) -> str:
    """WS-I Attachments Profile 1.0, section 4.4."""
    return '<xs:simpleType name="swaRef"><xs:restriction base="xs:anyURI"/></xs:simpleType>'


def _addressing(namespace: str) -> str:
    """WS-Addressing 1.0 core, and its submission of 2004, which has ReferenceProperties and ServiceName besides."""
    submission = namespace.endswith("2004/08/addressing")
    properties = '<xs:element ref="tns:ReferenceProperties" minOccurs="0"/>' if submission else ""
    metadata = "" if submission else '<xs:element ref="tns:Metadata" minOccurs="0"/>'
    bag = (
        '<xs:sequence><xs:any namespace="##any" minOccurs="0" maxOccurs="unbounded" processContents="lax"/>'
        '</xs:sequence><xs:anyAttribute namespace="##other" processContents="lax"/>'
    )
    bags = sorted(words("ReferenceParameters ReferenceProperties Metadata"))
    addresses = sorted(words("EndpointReference ReplyTo From FaultTo"))
    return "".join(
        [
            *(f'<xs:element name="{name}"><xs:complexType>{bag}</xs:complexType></xs:element>' for name in bags),
            *(f'<xs:element name="{name}" type="tns:EndpointReferenceType"/>' for name in addresses),
            *(f'<xs:element name="{name}" type="tns:AttributedURIType"/>' for name in ("MessageID", "To", "Action")),
            '<xs:element name="RelatesTo" type="tns:RelatesToType"/>',
            '<xs:complexType name="EndpointReferenceType"><xs:sequence>',
            f'<xs:element name="Address" type="tns:AttributedURIType"/>{properties}',
            f'<xs:element ref="tns:ReferenceParameters" minOccurs="0"/>{metadata}',
            '<xs:any namespace="##other" minOccurs="0" maxOccurs="unbounded" processContents="lax"/></xs:sequence>',
            '<xs:anyAttribute namespace="##other" processContents="lax"/></xs:complexType>',
            *(_attributed(name, "xs:anyURI", "") for name in ("AttributedURIType", "AttributedURI")),
            _attributed("AttributedQName", "xs:QName", ""),
            _attributed("RelatesToType", "xs:anyURI", '<xs:attribute name="RelationshipType" type="xs:anyURI"/>'),
        ]
    )


def _attributed(name: str, base: str, attributes: str) -> str:
    return (
        f'<xs:complexType name="{name}"><xs:simpleContent><xs:extension base="{base}">{attributes}'
        '<xs:anyAttribute namespace="##other" processContents="lax"/>'
        "</xs:extension></xs:simpleContent></xs:complexType>"
    )


def _signatures(_namespace: str) -> str:
    """XML Signature (RFC 3275), without its mixed content: what stands between elements is white space in practice."""
    anything = '<xs:any namespace="##any" minOccurs="0" maxOccurs="unbounded" processContents="lax"/>'
    named = '<xs:attribute name="Algorithm" type="xs:anyURI" use="required"/>'
    method = f"<xs:sequence>{anything}</xs:sequence>{named}"
    identified = '<xs:attribute name="Id" type="xs:ID"/>'
    kinds = {
        "Signature": '<xs:sequence><xs:element ref="tns:SignedInfo"/><xs:element ref="tns:SignatureValue"/>'
        '<xs:element ref="tns:KeyInfo" minOccurs="0"/>'
        f'<xs:element ref="tns:Object" minOccurs="0" maxOccurs="unbounded"/></xs:sequence>{identified}',
        "SignedInfo": '<xs:sequence><xs:element ref="tns:CanonicalizationMethod"/>'
        '<xs:element ref="tns:SignatureMethod"/>'
        f'<xs:element ref="tns:Reference" maxOccurs="unbounded"/></xs:sequence>{identified}',
        "CanonicalizationMethod": method,
        "SignatureMethod": method,
        "DigestMethod": method,
        "Transform": method,
        "Reference": '<xs:sequence><xs:element ref="tns:Transforms" minOccurs="0"/><xs:element ref="tns:DigestMethod"/>'
        f'<xs:element ref="tns:DigestValue"/></xs:sequence>{identified}'
        '<xs:attribute name="URI" type="xs:anyURI"/><xs:attribute name="Type" type="xs:anyURI"/>',
        "Transforms": '<xs:sequence><xs:element ref="tns:Transform" maxOccurs="unbounded"/></xs:sequence>',
        "KeyInfo": f"<xs:sequence>{anything}</xs:sequence>{identified}",
        "X509Data": f"<xs:sequence>{anything}</xs:sequence>",
        "Object": f'<xs:sequence>{anything}</xs:sequence>{identified}<xs:attribute name="MimeType" type="xs:string"/>'
        '<xs:attribute name="Encoding" type="xs:anyURI"/>',
    }
    complex_types = "".join(
        f'<xs:complexType name="{name}Type">{content}</xs:complexType><xs:element name="{name}" type="tns:{name}Type"/>'
        for name, content in kinds.items()
    )
    return (
        '<xs:simpleType name="CryptoBinary"><xs:restriction base="xs:base64Binary"/></xs:simpleType>'
        '<xs:simpleType name="DigestValueType"><xs:restriction base="xs:base64Binary"/></xs:simpleType>'
        '<xs:element name="DigestValue" type="tns:DigestValueType"/>'
        '<xs:element name="KeyName" type="xs:string"/><xs:element name="MgmtData" type="xs:string"/>'
        '<xs:element name="X509Certificate" type="xs:base64Binary"/>'
        '<xs:complexType name="SignatureValueType"><xs:simpleContent><xs:extension base="xs:base64Binary">'
        f"{identified}</xs:extension></xs:simpleContent></xs:complexType>"
        f'<xs:element name="SignatureValue" type="tns:SignatureValueType"/>{complex_types}'
    )


def _schema(namespace: str, content: str) -> bytes:
    own = "" if namespace == XML_NAMESPACE else f' xmlns:tns="{namespace}"'
    form = ' elementFormDefault="qualified"'
    return (
        f'<xs:schema xmlns:xs="{XSD_NAMESPACE}"{own} targetNamespace="{namespace}"{form}>{content}</xs:schema>'.encode()
    )


_WRITERS = {
    XML_NAMESPACE: _xml,
    SOAP_ENCODING: _soap_encoding,
    SOAP12_ENCODING: _soap12_encoding,
    "http://www.w3.org/2000/09/xmldsig#": _signatures,
    "http://www.w3.org/2005/05/xmlmime": _media_types,
    "http://www.w3.org/2004/11/xmlmime": _media_types,
    "http://www.w3.org/2004/08/xop/include": _optimised_packaging,
    "http://ws-i.org/profiles/basic/1.1/xsd": _attachment_references,
    "http://www.w3.org/2005/08/addressing": _addressing,
    "http://schemas.xmlsoap.org/ws/2004/08/addressing": _addressing,
}
