"""Which declarations of a WSDL's schemas its operations can bring onto the wire.

Called by the rule about open places. Reads the files as they are written and takes rather too much than too little:
names count without their namespace, and what derives from a reached type or stands in for a reached element counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final

from esb.contracts.gathering import XSD
from security.xml import Element

_WSDL: Final = "{http://schemas.xmlsoap.org/wsdl/}"
_REFERENCES: Final = ("type", "ref", "base", "itemType", "memberTypes")
_STANDING_IN: Final = ("base", "substitutionGroup")


def reached(trees: Iterable[Element], named: Collection[str] = ()) -> frozenset[Element]:
    """The global declarations that an input, output, fault or header reaches, or one of these names (`{ns}local`)."""
    trees = tuple(trees)
    declared = _declared(trees)
    found: dict[Element, None] = {}
    waiting = [*_local(named), *_of_messages(trees)]
    standing_in = _standing_in(declared)
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for declaration in declared.get(name, ()):
            found[declaration] = None
            waiting += _named_in(declaration, _REFERENCES)
        waiting += standing_in.get(name, ())
    return frozenset(found)


def declaration_of(element: Element) -> Element:
    """The global declaration that an element of a schema stands in; a schema's own for what is none's."""
    parent = element.getparent()
    while parent is not None and parent.tag not in {f"{XSD}schema", f"{XSD}redefine"}:
        element, parent = parent, parent.getparent()
    return element


def _declared(trees: Iterable[Element]) -> Mapping[str, list[Element]]:
    declared = defaultdict(list)
    for tree in trees:
        for place in tree.iter(f"{XSD}schema", f"{XSD}redefine"):
            for child in place:
                if isinstance(child.tag, str) and child.get("name"):
                    declared[str(child.get("name"))].append(child)
    return declared


def _of_messages(trees: Iterable[Element]) -> Iterator[str]:
    """The elements and types of the parts of all messages that a port type or a binding names."""
    trees = tuple(trees)
    used = {name for tree in trees for one in tree.iter("*") for name in _local([one.get("message") or ""])}
    for tree in trees:
        for message in tree.iter(f"{_WSDL}message"):
            if message.get("name") in used:
                for part in message.iter(f"{_WSDL}part"):
                    yield from _local([part.get("element") or "", part.get("type") or ""])


def _standing_in(declared: Mapping[str, list[Element]]) -> Mapping[str, list[str]]:
    """By the name of a type or element: what derives from it, or may stand in its place."""
    standing_in = defaultdict(list)
    for name, declarations in declared.items():
        for declaration in declarations:
            for other in _named_in(declaration, _STANDING_IN):
                standing_in[other].append(name)
    return standing_in


def _named_in(declaration: Element, attributes: Iterable[str]) -> list[str]:
    values = [one.get(name) or "" for one in declaration.iter(f"{XSD}*") for name in attributes]
    return list(_local(word for value in values for word in value.split()))


def _local(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if name:
            yield name.rpartition("}")[2].rpartition(":")[2]
