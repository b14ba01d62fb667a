"""What a set of schema documents declares and refers to, each with its place.

Called by `bundle.join` between gathering and compiling: twins are merged, references are resolved or refused with
file and line, long before a compiler would say the same with less. Names that are written in one of the frequent
sloppy ways are put right here.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree

from esb.contracts.gathering import XSD, Gathering, SchemaDocument, declarations
from esb.contracts.repairs import repair
from esb.contracts.wellknown import BUILTIN_TYPES, XML_NAMESPACE, XSD_NAMESPACE
from esb.errors import ContractUnsupported
from security.xml import Element

Key = tuple[str, str, str]
"""Kind, namespace and local name of a component."""

_KINDS = {
    "element": "element",
    "attribute": "attribute",
    "complexType": "type",
    "simpleType": "type",
    "group": "group",
    "attributeGroup": "attributeGroup",
    "notation": "notation",
}
_REFERRING = {
    XSD + "element": (("type", "type"), ("ref", "element"), ("substitutionGroup", "element")),
    XSD + "attribute": (("type", "type"), ("ref", "attribute")),
    XSD + "group": (("ref", "group"),),
    XSD + "attributeGroup": (("ref", "attributeGroup"),),
    XSD + "restriction": (("base", "type"),),
    XSD + "extension": (("base", "type"),),
    XSD + "list": (("itemType", "type"),),
    XSD + "union": (("memberTypes", "type"),),
}
_INHERITED = {"element": ("elementFormDefault", "blockDefault"), "attribute": ("attributeFormDefault",)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """One name in one attribute. `namespace` None: its prefix is declared nowhere."""

    document: SchemaDocument
    element: Element
    attribute: str
    kind: str
    written: str
    namespace: str | None
    name: str

    @property
    def place(self) -> str:
        """`file:line`."""
        return self.document.place(self.element)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Component:
    """One global declaration."""

    document: SchemaDocument
    element: Element


def reach(gathering: Gathering, prepare: Callable[[SchemaDocument], None] | None) -> None:
    """Repair every document, and add those of namespaces that somebody refers to and nobody imported.

    Raises:
        ContractUnsupported: such a document cannot be read.
    """
    position = 0
    while position < len(gathering.documents):
        document = gathering.documents[position]
        position += 1
        if prepare is not None:
            prepare(document)
        repair(document, gathering.hints.append)
        for reference in references(document):
            if reference.namespace and reference.namespace not in gathering.namespaces:
                gathering.add_namespace(reference.namespace)


def settle(gathering: Gathering) -> dict[SchemaDocument, set[str]]:
    """Resolve every reference; returns the namespaces that each document refers to, besides its own.

    Raises:
        ContractUnsupported: a name clash with both places, or a reference to what is nowhere.
    """
    index = indexed(gathering)
    needs: dict[SchemaDocument, set[str]] = {document: set() for document in gathering.documents}
    for document in gathering.documents:
        for reference in list(references(document)):
            namespace = _resolved(reference, index, gathering)
            if namespace not in {document.namespace, XSD_NAMESPACE}:
                needs[document].add(namespace)
    return needs


def indexed(gathering: Gathering) -> dict[Key, Component]:
    """Every component by its name. A twin that says the same is removed from its document.

    Raises:
        ContractUnsupported: two that differ.
    """
    index: dict[Key, Component] = {}
    # Those that overrule come first, so that the others are the twins.
    ordered = sorted(gathering.documents, key=lambda each: not each.overrules)
    for document, element in list(declarations(ordered)):
        kind = _KINDS.get(str(element.tag).removeprefix(XSD))
        if kind is None:
            continue
        key = (kind, document.namespace, element.get("name", "").strip())
        earlier = index.setdefault(key, Component(document=document, element=element))
        if earlier.element is element:
            continue
        if earlier.document.overrules and not document.overrules:
            gathering.hints.append(
                f"{document.place(element)}: {key[2]} is overruled by {earlier.document.place(earlier.element)}"
            )
        elif _meaning(earlier.document, earlier.element) != _meaning(document, element):
            raise ContractUnsupported(
                f"{kind} {_label(key[1], key[2])} is declared twice and differently: at "
                f"{earlier.document.place(earlier.element)} and at {document.place(element)}"
            )
        document.tree.remove(element)
    return index


def references(document: SchemaDocument, root: Element | None = None) -> Iterator[Reference]:
    """Every name that stands in a referring attribute, resolved with the prefixes of where it stands."""
    tree = document.tree if root is None else root
    scopes: list[Mapping[str | None, str]] = [tree.nsmap]
    for event, item in etree.iterwalk(tree, events=("start-ns", "start", "end-ns")):
        if event == "start-ns":
            prefix, uri = item
            scopes.append({**scopes[-1], prefix or None: uri})
        elif event == "end-ns":
            scopes.pop()
        else:
            yield from _of_element(document, item, scopes[-1])


def write_name(element: Element, attribute: str, written: str, namespace: str, name: str) -> None:
    """Put another name into a referring attribute, with a prefix that is declared there."""
    prefix = next((key for key, uri in element.nsmap.items() if key and uri == namespace), None)
    if prefix is None:
        # lxml adds no declaration to a finished element, except for the name of an attribute; it survives that.
        element.set(f"{{{namespace}}}declared", "")
        del element.attrib[f"{{{namespace}}}declared"]
        prefix = next(key for key, uri in element.nsmap.items() if key and uri == namespace)
    words = [f"{prefix}:{name}" if word == written else word for word in element.get(attribute, "").split()]
    element.set(attribute, " ".join(words))


def _of_element(document: SchemaDocument, element: Element, scope: Mapping[str | None, str]) -> Iterator[Reference]:
    for attribute, kind in _REFERRING.get(element.tag, ()):
        for written in element.get(attribute, "").split():
            prefix, _, name = written.rpartition(":")
            yield Reference(
                document=document,
                element=element,
                attribute=attribute,
                kind=kind,
                written=written,
                namespace=scope.get(prefix or None) if prefix != "xml" else XML_NAMESPACE,
                name=name,
            )


def _resolved(reference: Reference, index: Mapping[Key, Component], gathering: Gathering) -> str:
    """The namespace that a reference means. Raises ContractUnsupported."""
    namespace, own = reference.namespace, reference.document.namespace
    prefixed = ":" in reference.written
    if namespace is None and prefixed:
        prefix = reference.written.partition(":")[0]
        raise ContractUnsupported(f"{reference.place}: the prefix of {reference.written} is not declared: {prefix}")
    if namespace is None:
        namespace = own if reference.document.chameleon else ""
    if _exists(reference.kind, namespace, reference.name, index):
        if namespace and namespace != reference.namespace:
            write_name(reference.element, reference.attribute, reference.written, namespace, reference.name)
        return namespace
    # An unprefixed name without a default namespace is of no namespace. Many tools mean their own, or XSD's.
    for meant in dict.fromkeys((own, reference.document.fallback, XSD_NAMESPACE)):
        if not prefixed and meant != namespace and _exists(reference.kind, meant, reference.name, index):
            gathering.hints.append(f"{reference.place}: {reference.written} has no prefix; read as {{{meant}}}")
            write_name(reference.element, reference.attribute, reference.written, meant, reference.name)
            return meant
    raise ContractUnsupported(_nowhere(reference, namespace, index, gathering))


def _exists(kind: str, namespace: str, name: str, index: Mapping[Key, Component]) -> bool:
    if namespace == XSD_NAMESPACE:
        return kind == "type" and name in BUILTIN_TYPES
    return (kind, namespace, name) in index


def _nowhere(reference: Reference, namespace: str, index: Mapping[Key, Component], gathering: Gathering) -> str:
    what = f"{reference.place} refers to the {reference.kind} {_label(namespace, reference.name)}"
    missing = gathering.missing.get(namespace)
    if missing is not None and namespace not in gathering.namespaces:
        return f"{missing} ({what})"
    if namespace not in gathering.namespaces and namespace not in {"", XSD_NAMESPACE}:
        return f"{what}, but no file among the contract's files has that namespace; add its XSD file"
    other = next((kind for kind in _KINDS.values() if (kind, namespace, reference.name) in index), None)
    if other is not None:
        return f"{what}, which is declared nowhere; there is a declaration of that name, but of another kind: {other}"
    known = (
        BUILTIN_TYPES
        if namespace == XSD_NAMESPACE
        else [key[2] for key in index if key[:2] == (reference.kind, namespace)]
    )
    close = difflib.get_close_matches(reference.name, known, n=1)
    return f"{what}, which is declared nowhere" + (f"; did you mean {close[0]}?" if close else "")


def _meaning(document: SchemaDocument, element: Element) -> Any:
    """A declaration as a value: equal for twins that differ in layout, prefixes and notes only."""
    names = {
        (item.element, item.attribute, item.written): (item.namespace or document.namespace, item.name)
        for item in references(document, element)
    }
    defaults = tuple((name, document.tree.get(name, "")) for names_ in _INHERITED.values() for name in names_)
    return defaults, _value(element, names)


def _value(element: Element, names: Mapping[tuple[Element, str, str], tuple[str, str]]) -> Any:
    attributes = sorted(
        (str(key), tuple(names.get((element, str(key), word), word) for word in str(value).split()))
        for key, value in element.attrib.items()
        if key != "id"
    )
    children = tuple(
        _value(child, names) for child in element if isinstance(child.tag, str) and child.tag != XSD + "annotation"
    )
    return element.tag, repr(attributes), children


def _label(namespace: str, name: str) -> str:
    return f"{{{namespace}}}{name}" if namespace else name
