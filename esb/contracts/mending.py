"""What libxml2 refuses in a schema and other toolkits overlook, changed so that it is taken.

Called by `bundle` with libxml2's complaints, again and again until there are none. Nothing is mended silently: each
mending is a hint with file and line. A mending never lets data pass that the rest of the schema forbids.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from esb.contracts.components import references
from esb.contracts.diagnosis import Complaint, plain
from esb.contracts.gathering import XSD, SchemaDocument
from esb.contracts.wellknown import FACETS
from security.xml import Element

Say = Callable[[str], None]
"""Takes a hint."""

_FACETS = frozenset(XSD + name for name in FACETS)
_FACET = re.compile(r"[Tt]he facet '(\w+)'")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Case:
    """One complaint about one element."""

    document: SchemaDocument
    element: Element
    message: str
    say: Say
    documents: tuple[SchemaDocument, ...]


def mend(found: list[Complaint], documents: Iterable[SchemaDocument], say: Say) -> bool:
    """Whether something that is complained of was changed, so that it is worth another try."""
    everything = tuple(documents)
    changed = False
    for complaint in found:
        if complaint.served is None or complaint.element is None:
            continue
        case = _Case(
            document=complaint.served.document,
            element=complaint.element,
            message=complaint.message,
            say=say,
            documents=everything,
        )
        changed = any(change(case) for words, change in _MENDINGS if words in complaint.message) or changed
    return changed


def _drop_facet(case: _Case) -> bool:
    """A facet that its type does not have, or a pattern in the language of another library."""
    named = _FACET.search(case.message)
    wanted = [case.element] if case.element.tag in _FACETS else []
    if not wanted and named is not None:
        wanted = [each for each in case.element.iter(XSD + named.group(1)) if each.tag in _FACETS]
    for facet in wanted:
        owner = facet.getparent()
        if owner is not None:
            name, value = str(facet.tag).removeprefix(XSD), facet.get("value", "")
            case.say(f"{case.document.place(facet)}: the facet {name} {value!r} is left out: {plain(case.message)}")
            owner.remove(facet)
    return bool(wanted)


def _drop_default(case: _Case) -> bool:
    """A default that its own type refuses; generators write an empty one for every type."""
    default = case.element.get("default")
    if default is None or f"'{default}'" not in case.message:
        return False
    case.say(f"{case.document.place(case.element)}: the default {default!r} is left out: {plain(case.message)}")
    del case.element.attrib["default"]
    return True


def _narrow_wildcard(case: _Case) -> bool:
    """A wildcard that competes with the elements beside it: XSD 1.1 and other toolkits let the elements win."""
    wide = [
        each
        for each in case.element.iter(XSD + "any")
        if each.get("namespace", "##any") in {"##any", "##targetNamespace"}
    ]
    for wildcard in wide:
        case.say(f"{case.document.place(wildcard)}: xs:any competes with the elements beside it; it is read as ##other")
        wildcard.set("namespace", "##other")
    return bool(wide)


def _order_all(case: _Case) -> bool:
    """xs:all in an extended type or in an extension, which XSD 1.0 cannot join."""
    holders = [(case.document, case.element)]
    bases = {
        (reference.namespace, reference.name)
        for reference in references(case.document, case.element)
        if reference.attribute == "base" and not case.element.findall(f".//{XSD}all")
    }
    holders += [
        (each, child)
        for each in case.documents
        for child in each.tree.iterchildren(XSD + "complexType")
        if (each.namespace, child.get("name")) in bases
    ]
    changed = False
    for owner, holder in holders:
        for group in list(holder.iter(XSD + "all")):
            group.tag = XSD + "sequence"
            case.say(
                f"{owner.place(group)}: xs:all in a type that is extended is read as xs:sequence, in the order given"
            )
            changed = True
    return changed


def _exchange_content(case: _Case) -> bool:
    """Put simple content where complex content is written, or the other way round, as the base type is."""
    written = "complexContent" if "If using <complexContent>" in case.message else "simpleContent"
    meant = "simpleContent" if written == "complexContent" else "complexContent"
    holder = case.element if case.element.tag == XSD + written else case.element.find(XSD + written)
    if holder is None:
        return False
    case.say(f"{case.document.place(holder)}: {written} is read as {meant}: {plain(case.message)}")
    holder.tag = XSD + meant
    return True


_MENDINGS = (
    ("facet", _drop_facet),
    ("not a valid value of the", _drop_facet),
    ("not a valid value of the", _drop_default),
    ("not determinist", _narrow_wildcard),
    ("'all' model group", _order_all),
    ("If using <complexContent>", _exchange_content),
    ("If <simpleContent>", _exchange_content),
)
