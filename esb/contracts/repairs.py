"""Sloppy habits in schemas that every toolkit forgives and libxml2 does not, put right before it sees them.

Called by `bundle.join` on each document. A repair never changes which documents are valid where the schema itself says
so; where it says nothing that a compiler can use, the repair is told as a hint.
"""

from __future__ import annotations

from collections.abc import Callable

from esb.contracts.gathering import XSD, SchemaDocument
from esb.contracts.wellknown import FACETS, XSD_NAMESPACE, words
from security.xml import Element

_OCCURRENCE = frozenset({"minOccurs", "maxOccurs"})
_ALLOWED: dict[str, frozenset[str]] = {
    "schema": words("targetNamespace version finalDefault blockDefault attributeFormDefault elementFormDefault"),
    "element": _OCCURRENCE | words("name ref type substitutionGroup default fixed nillable abstract final block form"),
    "attribute": words("name ref type use default fixed form"),
    "complexType": words("name mixed abstract final block"),
    "simpleType": words("name final"),
    "group": _OCCURRENCE | {"name", "ref"},
    "attributeGroup": frozenset({"name", "ref"}),
    "sequence": _OCCURRENCE,
    "choice": _OCCURRENCE,
    "all": _OCCURRENCE,
    "any": _OCCURRENCE | {"namespace", "processContents"},
    "anyAttribute": frozenset({"namespace", "processContents"}),
    "complexContent": frozenset({"mixed"}),
    "simpleContent": frozenset(),
    "restriction": frozenset({"base"}),
    "extension": frozenset({"base"}),
    "list": frozenset({"itemType"}),
    "union": frozenset({"memberTypes"}),
    "notation": frozenset({"name", "public", "system"}),
    "unique": frozenset({"name"}),
    "key": frozenset({"name"}),
    "keyref": frozenset({"name", "refer"}),
    "selector": frozenset({"xpath"}),
    "field": frozenset({"xpath"}),
    "annotation": frozenset(),
    "import": frozenset({"namespace", "schemaLocation"}),
    "include": frozenset({"schemaLocation"}),
    "redefine": frozenset({"schemaLocation"}),
    "override": frozenset({"schemaLocation"}),
    **{facet: frozenset({"value", "fixed"}) for facet in FACETS},
}
_GLOBAL_ONLY = {
    "element": frozenset({"abstract", "final", "substitutionGroup"}),
    "complexType": frozenset({"name", "abstract", "final", "block"}),
    "simpleType": frozenset({"name", "final"}),
}
_LOCAL_ONLY = {
    "element": _OCCURRENCE | {"ref", "form"},
    "attribute": frozenset({"ref", "form", "use"}),
    "group": _OCCURRENCE | {"ref"},
    "attributeGroup": frozenset({"ref"}),
}
_BESIDE_REF = {"element": _OCCURRENCE | {"ref"}, "attribute": frozenset({"ref", "use", "default", "fixed"})}
_KEYWORDS = words("nillable abstract mixed use form elementFormDefault attributeFormDefault minOccurs maxOccurs fixed")
_ATTRIBUTE_USES = frozenset({XSD + "attribute", XSD + "attributeGroup"})
_PARTICLES = frozenset(XSD + name for name in ("element", "sequence", "choice", "all", "group", "any"))


def repair(document: SchemaDocument, say: Callable[[str], None]) -> None:
    """Put a document right, in place; `say` takes a sentence for each repair that a person should know of."""
    tree = document.tree
    for element in [item for item in tree.iter() if isinstance(item.tag, str)]:
        if not element.tag.startswith(XSD):
            continue
        name = element.tag[len(XSD) :]
        if name in {"documentation", "appinfo"}:
            continue
        _drop_foreign_children(element)
        _keep_allowed_attributes(element, name, tree)
        if name == "element" and element.get("ref") is not None:
            _replace_schema_reference(element)
        if element.get("maxOccurs") == "0" or element.get("use") in {"required", "prohibited"}:
            _settle_presence(element, tree)
        if name == "all":
            _make_sequence(document, element, say)
        _order_children(element, name)


def _drop_foreign_children(element: Element) -> None:
    """What is not XSD has a place in annotations only; tools leave their notes everywhere."""
    for child in list(element):
        if isinstance(child.tag, str) and not child.tag.startswith(XSD):
            element.remove(child)


def _keep_allowed_attributes(element: Element, name: str, tree: Element) -> None:
    allowed = _ALLOWED.get(name)
    if allowed is None or not element.attrib:
        return
    top = element.getparent() is tree
    for attribute in list(element.attrib):
        key = str(attribute)
        if key.startswith("{") or key == "id":
            continue
        if key not in allowed or key in _misplaced(element, name, top=top):
            del element.attrib[attribute]
        elif key in _KEYWORDS:
            element.set(key, _keyword(name, key, element.get(key, "")))


def _misplaced(element: Element, name: str, *, top: bool) -> frozenset[str]:
    if top:
        return _LOCAL_ONLY.get(name, frozenset())
    beside_ref = _BESIDE_REF.get(name) if element.get("ref") is not None else None
    unwanted = frozenset() if beside_ref is None else _ALLOWED[name] - beside_ref
    redefined = element.getparent() is not None and element.getparent().tag == XSD + "redefine"  # type: ignore[union-attr]
    return unwanted if redefined else unwanted | _GLOBAL_ONLY.get(name, frozenset())


def _keyword(name: str, key: str, value: str) -> str:
    if name in FACETS and key != "fixed":
        return value
    # `fixed` of an element is a value of its own, of a facet a yes or no.
    if key == "fixed" and name not in FACETS:
        return value
    word = value.strip().lower()
    return "unbounded" if key == "maxOccurs" and word in {"*", "-1"} else word


def _settle_presence(element: Element, tree: Element) -> None:
    """What never occurs need not be there; what must be there, or may not, needs no default."""
    owner = element.getparent()
    if element.get("maxOccurs") == "0" and owner is not None and owner is not tree:
        owner.remove(element)
    elif element.get("use") in {"required", "prohibited"} and element.get("default") is not None:
        del element.attrib["default"]


def _replace_schema_reference(element: Element) -> None:
    """A .NET DataSet brings its schema along (`ref="xs:schema"`): an element that no schema for schemas is here for."""
    prefix, _, local = element.get("ref", "").strip().rpartition(":")
    if local != "schema" or element.nsmap.get(prefix or None) != XSD_NAMESPACE:
        return
    occurrence = {key: value for key in _OCCURRENCE if (value := element.get(key)) is not None}
    element.tag = XSD + "any"
    element.attrib.clear()
    for key, value in {**occurrence, "namespace": XSD_NAMESPACE, "processContents": "skip"}.items():
        element.set(key, value)


def _make_sequence(document: SchemaDocument, element: Element, say: Callable[[str], None]) -> None:
    """XSD 1.0 allows xs:all only at the top of a type, with members that occur once; PHP tools write it anywhere."""
    members = [child for child in element if child.tag in _PARTICLES]
    parent = element.getparent()
    nested = parent is not None and parent.tag in _PARTICLES - {XSD + "group"}
    repeated = any(child.get("maxOccurs", "1") not in {"0", "1"} for child in members)
    foreign = any(child.tag != XSD + "element" for child in members)
    if not (nested or repeated or foreign or element.get("maxOccurs", "1") != "1"):
        return
    element.tag = XSD + "sequence"
    if len(members) > 1:
        say(f"{document.place(element)}: xs:all that XSD 1.0 forbids here is read as xs:sequence, in the order given")


def _order_children(element: Element, name: str) -> None:
    """Annotation first and once, the content model before the attributes; the order says nothing, but is demanded."""
    if name in {"schema", "redefine"}:
        return
    children = [child for child in element if isinstance(child.tag, str)]
    ordered = sorted(children, key=lambda child: _rank(child, name))
    notes = [child for child in ordered if child.tag == XSD + "annotation"]
    for surplus in notes[1:]:
        notes[0].extend(list(surplus))
        ordered.remove(surplus)
    if ordered != children:
        for child in children:
            element.remove(child)
        element.extend(ordered)


def _rank(child: Element, owner: str) -> int:
    if child.tag == XSD + "annotation":
        return 0
    if owner not in {"complexType", "extension", "restriction"}:
        return 1
    if child.tag == XSD + "anyAttribute":
        return 3
    return 2 if child.tag in _ATTRIBUTE_USES else 1
