"""xs:redefine, written as what it means: the old component gets another name, and the new one is built on it.

Called by `bundle.join` before references are resolved. libxml2 and xmlschema each know redefine, but not when the same
file is also included by somebody else; after this neither of them meets it.
"""

from __future__ import annotations

from esb.contracts.components import Reference, indexed, references, write_name
from esb.contracts.gathering import XSD, Gathering, SchemaDocument
from esb.errors import ContractUnsupported
from security.xml import Element

_KINDS = {"complexType": "type", "simpleType": "type", "group": "group", "attributeGroup": "attributeGroup"}


def apply_redefinitions(gathering: Gathering) -> None:
    """Move every redefinition into its document. Raises ContractUnsupported: what it redefines is not there."""
    # The innermost first: a file that is redefined may itself redefine another.
    for document in reversed(gathering.documents):
        for redefine in document.redefines:
            for element in [child for child in redefine if child.get("name") is not None]:
                _redefine(gathering, document, element)
            document.tree.remove(redefine)


def _redefine(gathering: Gathering, document: SchemaDocument, element: Element) -> None:
    kind, name = _KINDS.get(str(element.tag).removeprefix(XSD), ""), element.get("name", "")
    index = indexed(gathering)
    original = index.get((kind, document.namespace, name))
    if original is None:
        raise ContractUnsupported(
            f"{document.place(element)} redefines {name}, which the file it names does not declare"
        )
    former = next(
        candidate
        for candidate in (f"{name}.redefined-{number}" for number in range(1, 1000))
        if (kind, document.namespace, candidate) not in index
    )
    own = [item for item in references(document, element) if _names(item, kind, document, name)]
    for reference in own:
        write_name(reference.element, reference.attribute, reference.written, document.namespace, former)
    original.element.set("name", former)
    document.tree.append(element)


def _names(reference: Reference, kind: str, document: SchemaDocument, name: str) -> bool:
    namespace = reference.namespace or (document.namespace if reference.document.chameleon else "")
    return (reference.kind, namespace, reference.name) == (kind, document.namespace, name)
