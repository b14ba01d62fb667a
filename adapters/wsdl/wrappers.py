"""Schemas for what a WSDL says without one: rpc wrappers, parts with types, bodies of several parts.

Called by `binding`; the trees go to `esb.contracts.bundle.join` beside the contract's own. Everything downstream then
sees elements. Each made declaration keeps the line of the part that it stands for, so that errors name that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lxml import etree

from adapters.wsdl.definitions import Definitions, Node
from esb.contracts.components import write_name
from esb.contracts.gathering import XSD, Embedded
from esb.contracts.intake import line_of
from esb.contracts.wellknown import XSD_NAMESPACE
from esb.errors import ContractUnsupported
from security.xml import Element

SPREAD_NAMESPACE = "urn:esb:soap-body"
"""Of elements whose children are the children of a Body; their own names are never sent."""

_PARTS_NAMESPACE = "urn:esb:wsdl-parts"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """One part of a message; it has either an element or a type."""

    node: Node

    @property
    def name(self) -> str:
        """Its name."""
        return self.node.name

    @property
    def has_element(self) -> bool:
        """Whether it names an element; otherwise it names a type."""
        return bool((self.node.element.get("element") or "").strip())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Named:
    """An element that the contract will have; its name is settled when the schemas are joined."""

    reference: Element | None = None
    made: str = ""

    @property
    def qname(self) -> str:
        """`{namespace}local`."""
        if self.reference is None:
            return self.made
        prefix, _, local = self.reference.get("ref", "").rpartition(":")
        namespace = self.reference.nsmap.get(prefix or None, "")
        return f"{{{namespace}}}{local}" if namespace else local


class Wrappers:
    """Declarations made so far, in one schema per file and namespace."""

    def __init__(self) -> None:
        self._roots: dict[tuple[str, str], Element] = {}
        self._fallbacks: dict[str, str] = {}
        self._typed: dict[tuple[str, str], str] = {}
        self._count = 0

    def schemas(self) -> Iterator[Embedded]:
        """The schemas, to be joined with the contract's own; they win where a name is taken twice."""
        for (file, _), root in self._roots.items():
            yield Embedded(file=file, tree=root, overrules=True, fallback=self._fallbacks[file])

    def element_of(self, part: Part) -> Named:
        """The element that a part names. It need not be there; joining says so when it is not."""
        self._count += 1
        holder = etree.SubElement(
            self._root(part.node, _PARTS_NAMESPACE), f"{XSD}complexType", name=f"part-{self._count}"
        )
        return Named(reference=_member(etree.SubElement(holder, f"{XSD}sequence"), part))

    def element_with_type(self, part: Part, namespace: str) -> Named:
        """A global element for a part that has a type, named as the part."""
        root = self._root(part.node, namespace)
        written = str(part.node.element.get("type"))
        if (namespace, part.name) in self._typed:
            if self._typed[namespace, part.name] != written:
                raise ContractUnsupported(
                    f"{part.node.place}: the header or fault {part.name} has another type here than elsewhere; "
                    "it needs a name of its own"
                )
            return Named(made=_clark(namespace, part.name))
        self._typed[namespace, part.name] = written
        made = etree.SubElement(root, f"{XSD}element", name=part.name)
        _refer(made, "type", part)
        return Named(made=_clark(namespace, part.name))

    def wrapper(self, node: Node, namespace: str, name: str, parts: Iterable[Part]) -> Named:
        """A global element that holds the parts in their order: unqualified accessors, and elements as they are."""
        made = etree.SubElement(self._root(node, namespace), f"{XSD}element", name=name)
        _place(made, node)
        sequence = etree.SubElement(etree.SubElement(made, f"{XSD}complexType"), f"{XSD}sequence")
        for part in parts:
            _member(sequence, part)
        return Named(made=_clark(namespace, name))

    def spread(self, node: Node, name: str, parts: Iterable[Part]) -> Named:
        """As `wrapper`, for a body whose children the parts themselves are."""
        return self.wrapper(node, SPREAD_NAMESPACE, name, parts)

    def _root(self, node: Node, namespace: str) -> Element:
        key = (node.file, namespace)
        self._fallbacks[node.file] = node.namespace
        if key not in self._roots:
            root = etree.Element(f"{XSD}schema", nsmap={"xs": XSD_NAMESPACE})
            if namespace:
                root.set("targetNamespace", namespace)
            self._roots[key] = root
        return self._roots[key]


def parts_of(message: Node, definitions: Definitions) -> dict[str, Part]:
    """The parts of a message, in order."""
    found: dict[str, Part] = {}
    for node in message.children("{http://schemas.xmlsoap.org/wsdl/}part"):
        if node.name in found:
            raise ContractUnsupported(f"{node.place}: message {message.name} has two parts {node.name}")
        part = Part(node=node)
        if not part.has_element and not (node.element.get("type") or "").strip():
            definitions.hints.append(f"{node.place}: part {node.name} has neither element nor type; it is left out")
            continue
        found[node.name] = part
    return found


def _member(sequence: Element, part: Part) -> Element:
    member = etree.SubElement(sequence, f"{XSD}element")
    if part.has_element:
        _refer(member, "element", part, attribute="ref")
    else:
        member.set("name", part.name)
        _refer(member, "type", part)
    return member


def _refer(element: Element, source: str, part: Part, *, attribute: str | None = None) -> None:
    namespace, local = part.node.qname(source)
    written = part.node.element.get(source)
    if namespace is None:
        raise ContractUnsupported(f"{part.node.place}: the prefix of {written} is declared nowhere")
    _place(element, part.node)
    target = attribute or source
    element.set(target, local)
    # A WSDL whose default namespace is WSDL's own writes unprefixed names and means its target namespace.
    if namespace == "http://schemas.xmlsoap.org/wsdl/":
        namespace = part.node.namespace
    if namespace:
        write_name(element, target, local, namespace, local)


def _place(element: Element, node: Node) -> None:
    element.sourceline = max(line_of(node.element), 1)  # type: ignore[assignment]  # the stubs take it for an ellipsis


def _clark(namespace: str, name: str) -> str:
    return f"{{{namespace}}}{name}" if namespace else name
