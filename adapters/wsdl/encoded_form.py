"""SOAP-encoded messages on the wire, and their literal form that the contract knows.

Called by the SOAP adapter for operations whose use is `encoded` (SOAP 1.1 section 5, SOAP 1.2 part 2 section 3). Pure:
trees in, bytes out. References between elements are followed with bounds, because an answer of a few bytes may refer
its way to any size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from lxml import etree

from adapters.wsdl.encoded_schema import ARRAY_MARK, ENCODINGS
from esb.contracts.gathering import XSD, SchemaDocument
from esb.contracts.wellknown import SOAP12_ENCODING, SOAP_ENCODING, XSD_NAMESPACE
from esb.errors import ContractViolation
from security.xml import Element, parse

_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_MAX_DEPTH = 60
_MAX_ELEMENTS = 100_000
_ENVELOPES = {"1.1": "http://schemas.xmlsoap.org/soap/envelope/", "1.2": "http://www.w3.org/2003/05/soap-envelope"}
_FOREIGN = (*(f"{{{namespace}}}" for namespace in (*sorted(ENCODINGS), *_ENVELOPES.values(), _XSI)),)

Name = tuple[str, str]


@dataclass(slots=True, kw_only=True, eq=False)
class EncodedType:
    """A type as the encoding needs it. `name` None: anonymous. Filled in after it is made; types may be recursive."""

    name: Name | None
    array: bool = False
    members: dict[str, Member] = field(default_factory=dict)

    @property
    def open(self) -> bool:
        """Whether an instance must say its own type."""
        return self.name in {(XSD_NAMESPACE, "anyType"), (XSD_NAMESPACE, "anySimpleType")}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Member:
    """An element inside of a type, by the name that the contract knows."""

    tag: str
    type: EncodedType


class EncodedTypes:
    """The types and global elements of a contract in its literal form."""

    def __init__(self, documents: Iterable[SchemaDocument]) -> None:
        self._types: dict[Name, Element] = {}
        self._elements: dict[Name, tuple[SchemaDocument, Element]] = {}
        self._documents: dict[Name, SchemaDocument] = {}
        self._made: dict[Name, EncodedType] = {}
        for document in documents:
            for child in document.tree:
                name = (document.namespace, str(child.get("name")))
                if child.tag in {XSD + "complexType", XSD + "simpleType"}:
                    self._types[name], self._documents[name] = child, document
                elif child.tag == XSD + "element":
                    self._elements[name] = document, child

    def element(self, qname: str) -> Member:
        """A global element by `{namespace}local`."""
        name = _name(qname)
        if name not in self._elements:
            return Member(tag=qname, type=EncodedType(name=None))
        document, element = self._elements[name]
        return Member(tag=qname, type=self._type_of(document, element))

    def named(self, name: Name) -> EncodedType | None:
        """A type of the contract or of XSD; None when nobody declares it."""
        if name in self._made:
            return self._made[name]
        if name[0] == XSD_NAMESPACE:
            return self._made.setdefault(name, EncodedType(name=name))
        if name not in self._types:
            return None
        made = self._made[name] = EncodedType(name=name)
        self._fill(made, self._documents[name], self._types[name])
        return made

    def _type_of(self, document: SchemaDocument, element: Element) -> EncodedType:
        inline = element.find(XSD + "complexType")
        if inline is not None:
            made = EncodedType(name=None)
            self._fill(made, document, inline)
            return made
        written = element.get("type")
        name = _resolved(element, written) if written else (XSD_NAMESPACE, "anyType")
        return self.named(name) or EncodedType(name=name)

    def _fill(self, made: EncodedType, document: SchemaDocument, holder: Element) -> None:
        made.array = holder.get(ARRAY_MARK) is not None
        for child in holder:
            if child.tag == XSD + "extension" and child.get("base"):
                base = self.named(_resolved(child, child.get("base", "")))
                made.members.update({} if base is None else base.members)
            if child.tag == XSD + "element":
                member = self._member(document, child)
                made.members[_name(member.tag)[1]] = member
            elif child.tag not in {XSD + "annotation", XSD + "attribute"}:
                self._fill_inside(made, document, child)

    def _fill_inside(self, made: EncodedType, document: SchemaDocument, holder: Element) -> None:
        array = made.array
        self._fill(made, document, holder)
        made.array = array or made.array

    def _member(self, document: SchemaDocument, element: Element) -> Member:
        reference = element.get("ref")
        if reference is not None:
            namespace, local = _resolved(element, reference)
            return self.element(f"{{{namespace}}}{local}" if namespace else local)
        name = element.get("name", "")
        form = element.get("form") or document.tree.get("elementFormDefault", "unqualified")
        tag = f"{{{document.namespace}}}{name}" if form == "qualified" and document.namespace else name
        return Member(tag=tag, type=self._type_of(document, element))


class EncodedForm:
    """One operation's messages, from and to their encoded form. Safe for concurrent use."""

    def __init__(self, *, types: EncodedTypes, request: str, reply: str, version: Literal["1.1", "1.2"]) -> None:
        self._types = types
        self._version = version
        self._names = request, reply
        self._request = types.element(request)
        self._reply = types.element(reply)

    def turned(self) -> EncodedForm:
        """The same messages as the other side has them: it reads requests and writes replies."""
        request, reply = self._names
        return EncodedForm(types=self._types, request=reply, reply=request, version=self._version)

    def literal(self, body: Element) -> bytes:
        """The contract's reply element out of a SOAP Body, whatever the wrapper is called in it.

        References (`href`, `ref`) are written out, arrays hold what their type calls an item, members stand in the
        order of their type; types and encoding attributes are gone, except where the contract leaves the type open.

        Raises:
            ContractViolation: nothing in the Body, a reference that leads nowhere or to itself, or over the bounds.
        """
        first = next((child for child in body if isinstance(child.tag, str)), None)
        if first is None:
            raise ContractViolation("the body is empty")
        return etree.tostring(_Reading(body, self._types).read(first, self._reply))

    def typed(self, document: bytes) -> bytes:
        """A request in its literal form with the types that encoding servers ask for."""
        root = parse(document)
        root.set(f"{{{_ENVELOPES[self._version]}}}encodingStyle", self._encoding)
        for child in _elements(root):
            member = self._request.type.members.get(_name(str(child.tag))[1])
            if member is not None:
                self._write_type(child, member.type)
        return etree.tostring(root)

    @property
    def _encoding(self) -> str:
        return SOAP12_ENCODING if self._version == "1.2" else SOAP_ENCODING

    def _write_type(self, element: Element, kind: EncodedType) -> None:
        children = _elements(element)
        if kind.array:
            self._write_array(element, kind, len(children))
        elif kind.name is not None and not kind.open and element.get(f"{{{_XSI}}}type") is None:
            element.set(f"{{{_XSI}}}type", _written(element, kind.name))
        for child in children:
            member = kind.members.get(_name(str(child.tag))[1])
            if member is not None:
                self._write_type(child, member.type)

    def _write_array(self, element: Element, kind: EncodedType, size: int) -> None:
        item = next(iter(kind.members.values()), None)
        name = (XSD_NAMESPACE, "anyType") if item is None or item.type.name is None else item.type.name
        element.set(f"{{{_XSI}}}type", _written(element, (self._encoding, "Array")))
        if self._version == "1.2":
            element.set(f"{{{SOAP12_ENCODING}}}itemType", _written(element, name))
            element.set(f"{{{SOAP12_ENCODING}}}arraySize", str(size))
        else:
            element.set(f"{{{SOAP_ENCODING}}}arrayType", f"{_written(element, name)}[{size}]")


class _Reading:
    """Reads one Body."""

    def __init__(self, body: Element, types: EncodedTypes) -> None:
        self._types = types
        self._count = 0
        self._targets: dict[str, Element] = {}
        for element in body.iter():
            identity = element.get("id") or element.get(f"{{{SOAP12_ENCODING}}}id")
            if identity:
                self._targets[identity] = element

    def read(self, source: Element, member: Member) -> Element:
        """The literal form of an element."""
        root = etree.Element(member.tag)
        self._fill(root, source, member.type, frozenset(), 0)
        return root

    def _fill(self, target: Element, source: Element, kind: EncodedType, above: frozenset[str], depth: int) -> None:
        self._count += 1
        if self._count > _MAX_ELEMENTS or depth > _MAX_DEPTH:
            raise ContractViolation("the encoded references lead to too much")
        source, above = self._followed(source, above)
        if _is_nil(source):
            target.set(f"{{{_XSI}}}nil", "true")
            return
        kind = self._chosen(target, source, kind)
        children = _elements(source)
        if not children:
            target.text = source.text
        if kind.array or _says_array(source):
            self._fill_array(target, children, kind, above, depth)
        else:
            self._fill_struct(target, children, kind, above, depth)
        for key, value in source.attrib.items():
            if not str(key).startswith(_FOREIGN) and key not in {"id", "href"}:
                target.set(key, value)

    def _followed(self, source: Element, above: frozenset[str]) -> tuple[Element, frozenset[str]]:
        while (reference := _reference_of(source)) is not None:
            if reference in above:
                raise ContractViolation("an encoded reference leads to itself")
            if reference not in self._targets:
                raise ContractViolation("an encoded reference leads nowhere")
            above |= {reference}
            source = self._targets[reference]
        return source, above

    def _chosen(self, target: Element, source: Element, kind: EncodedType) -> EncodedType:
        """The type that the instance says, where the contract leaves it open or knows it as another struct."""
        written = source.get(f"{{{_XSI}}}type")
        if written is None:
            return kind
        name = _resolved(source, written)
        if name[0] in ENCODINGS:
            name = (XSD_NAMESPACE, name[1])
        said = self._types.named(name) if name != kind.name else None
        struct = (
            said is not None and bool(said.members) and not said.array and bool(kind.members) and kind.name is not None
        )
        if said is None or not (kind.open or struct):
            return kind
        target.set(f"{{{_XSI}}}type", _written(target, name))
        return said

    def _fill_array(
        self, target: Element, children: list[Element], kind: EncodedType, above: frozenset[str], depth: int
    ) -> None:
        item = next(iter(kind.members.values()), Member(tag="item", type=EncodedType(name=(XSD_NAMESPACE, "anyType"))))
        for child in children:
            self._fill(etree.SubElement(target, item.tag), child, item.type, above, depth + 1)

    def _fill_struct(
        self, target: Element, children: list[Element], kind: EncodedType, above: frozenset[str], depth: int
    ) -> None:
        # The names of members say which is which, their order says nothing (SOAP 1.1, section 5.4.1).
        order: Mapping[str, int] = {name: place for place, name in enumerate(kind.members)}
        for child in sorted(children, key=lambda each: order.get(_name(str(each.tag))[1], len(order))):
            member = kind.members.get(_name(str(child.tag))[1])
            tag = str(child.tag) if member is None else member.tag
            inner = EncodedType(name=None) if member is None else member.type
            self._fill(etree.SubElement(target, tag), child, inner, above, depth + 1)


def _elements(element: Element) -> list[Element]:
    return [child for child in element if isinstance(child.tag, str)]


def _name(qname: str) -> Name:
    namespace, _, local = qname.rpartition("}")
    return namespace.removeprefix("{"), local


def _resolved(element: Element, written: str) -> Name:
    prefix, _, local = written.strip().rpartition(":")
    return element.nsmap.get(prefix or None) or "", local


def _written(element: Element, name: Name) -> str:
    """A name as the value of an attribute, with a prefix that is declared where it stands."""
    namespace, local = name
    if not namespace:
        return local
    prefix = next((key for key, uri in element.nsmap.items() if key and uri == namespace), None)
    if prefix is None:
        # lxml declares a prefix for the name of an attribute, and keeps it when the attribute goes.
        element.set(f"{{{namespace}}}declared", "")
        del element.attrib[f"{{{namespace}}}declared"]
        prefix = next(key for key, uri in element.nsmap.items() if key and uri == namespace)
    return f"{prefix}:{local}"


def _reference_of(element: Element) -> str | None:
    href = element.get("href")
    if href is not None and href.startswith("#"):
        return href[1:]
    return element.get(f"{{{SOAP12_ENCODING}}}ref")


def _says_array(element: Element) -> bool:
    if element.get(f"{{{SOAP_ENCODING}}}arrayType") or element.get(f"{{{SOAP12_ENCODING}}}itemType"):
        return True
    written = element.get(f"{{{_XSI}}}type")
    return written is not None and _resolved(element, written) in {(each, "Array") for each in ENCODINGS}


def _is_nil(element: Element) -> bool:
    return "true" in {element.get(f"{{{_XSI}}}nil"), element.get(f"{{{_XSI}}}null")} or "1" in {
        element.get(f"{{{_XSI}}}nil"),
        element.get(f"{{{_XSI}}}null"),
    }
