"""A WSDL 1.1 and all that it imports, as named nodes; the first of two steps (`binding` is the second).

Called by `compiler` and `survey`. Reads only what lies in the bundle. Names are resolved with the prefixes of where
they stand; a name without a match by namespace is matched by its local part when only one is there, as every toolkit
does, and told as a hint.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from esb.contracts.gathering import XSD, Shelf, last_part
from esb.contracts.intake import line_of
from esb.errors import ContractUnsupported
from security.errors import XmlRefused
from security.xml import Element, canonical

WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
_WSDL_2 = "{http://www.w3.org/ns/wsdl}"
_KINDS = ("message", "portType", "binding", "service")
_FILE_NAME = re.compile(r"[^?]*\.(wsdl|xsd|xml)", re.IGNORECASE)
_WSU_ID = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}Id"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """An element of a WSDL file with the target namespace of that file."""

    file: str
    namespace: str
    element: Element

    @property
    def name(self) -> str:
        """Its name attribute."""
        return (self.element.get("name") or "").strip()

    @property
    def place(self) -> str:
        """`file:line`, as errors name it."""
        return f"{self.file}:{line_of(self.element)}"

    def inner(self, element: Element) -> Node:
        """Another element of the same file."""
        return Node(file=self.file, namespace=self.namespace, element=element)

    def child(self, tag: str) -> Node | None:
        """The first child of a tag."""
        found = self.element.find(tag)
        return None if found is None else self.inner(found)

    def children(self, tag: str) -> Iterator[Node]:
        """Every child of a tag."""
        return (self.inner(each) for each in self.element.iterfind(tag))

    def qname(self, attribute: str) -> tuple[str | None, str]:
        """The namespace and local name in an attribute; None: its prefix is declared nowhere.

        Raises:
            ContractUnsupported: there is no such attribute.
        """
        written = (self.element.get(attribute) or "").strip()
        if not written:
            label = str(self.element.tag).rpartition("}")[2]
            raise ContractUnsupported(f"{self.place}: {label} {self.name} has no attribute {attribute}")
        prefix, _, local = written.rpartition(":")
        return (self.element.nsmap.get(prefix) if prefix else self.element.nsmap.get(None, "")), local


@dataclass(slots=True, kw_only=True)
class Definitions:
    """All named nodes of a WSDL and its imports, its schemas, and what was put right."""

    entry: str
    target_namespace: str
    nodes: dict[str, dict[tuple[str, str], Node]] = field(default_factory=lambda: {kind: {} for kind in _KINDS})
    schemas: list[tuple[str, Element]] = field(default_factory=list)
    schema_files: list[str] = field(default_factory=list)
    policies: dict[str, Node] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)

    def named(self, kind: str, node: Node, attribute: str) -> Node:
        """The message, port type or binding that an attribute names. Raises ContractUnsupported."""
        namespace, local = node.qname(attribute)
        known = self.nodes[kind]
        found = known.get((namespace or "", local))
        if found is not None:
            return found
        by_local = [each for (_, name), each in known.items() if name == local]
        if len(by_local) == 1:
            written = node.element.get(attribute)
            self.hints.append(f"{node.place}: {attribute} {written} is read as {{{by_local[0].namespace}}}{local}")
            return by_local[0]
        raise ContractUnsupported(self._nowhere(kind, node, f"{{{namespace or ''}}}{local}", local))

    def _nowhere(self, kind: str, node: Node, label: str, local: str) -> str:
        close = difflib.get_close_matches(local, [name for _, name in self.nodes[kind]], n=1)
        advice = "".join(f"; {each}" for each in self.missing) or (f"; did you mean {close[0]}?" if close else "")
        return f"{node.place} names the {kind} {label}, which is declared nowhere{advice}"


def read(bundle: Mapping[str, bytes], entry: str) -> Definitions:
    """The entry and every WSDL that it imports, once each.

    Raises:
        ContractUnsupported: not a WSDL 1.1, not safe XML, or two different declarations of one name.
    """
    shelf = Shelf(bundle)
    definitions: Definitions | None = None
    waiting, taken = [entry], {entry}
    while waiting:
        file = waiting.pop(0)
        tree = shelf.tree(file)
        if tree.tag == XSD + "schema" and file != entry:
            _definitions(definitions).schema_files.append(file)
            continue
        _check_root(file, tree)
        namespace = tree.get("targetNamespace", "").strip()
        if definitions is None:
            definitions = Definitions(entry=entry, target_namespace=namespace)
        root = Node(file=file, namespace=namespace, element=tree)
        _take(definitions, root)
        for found in _imported(definitions, root, shelf, bundle):
            if found not in taken:
                taken.add(found)
                waiting.append(found)
    return _definitions(definitions)


def documentation(node: Node) -> str:
    """The text of its wsdl:documentation, on one line."""
    found = node.element.find(f"{WSDL}documentation")
    return "" if found is None else " ".join("".join(str(text) for text in found.itertext()).split())


def _definitions(value: Definitions | None) -> Definitions:
    assert value is not None  # noqa: S101 - the entry is always read first; this tells the type checker
    return value


def _check_root(file: str, tree: Element) -> None:
    if tree.tag == f"{WSDL}definitions":
        return
    tag = str(tree.tag)
    advice = ""
    if tag.startswith(_WSDL_2):
        advice = "; it is WSDL 2.0, and only 1.1 is read: ask the agency for that, servers that write 2.0 write 1.1 too"
    elif tag == XSD + "schema":
        advice = "; it is an XML Schema"
    elif tag.rpartition("}")[2].lower() == "html":
        advice = "; it looks like a web page that was saved instead"
    raise ContractUnsupported(f"{file} is not a WSDL 1.1 document: its root is {tag}{advice}")


def _text_of(node: Node) -> bytes:
    try:
        return canonical(node.element)
    except XmlRefused as error:
        raise ContractUnsupported(f"{node.place}: {error.reason}; a namespace here is no absolute address") from error


def _take(definitions: Definitions, root: Node) -> None:
    for kind in _KINDS:
        for node in root.children(f"{WSDL}{kind}"):
            if not node.name:
                raise ContractUnsupported(f"{node.place}: this {kind} has no name")
            earlier = definitions.nodes[kind].setdefault((node.namespace, node.name), node)
            if earlier is not node and _text_of(earlier) != _text_of(node):
                raise ContractUnsupported(
                    f"{kind} {node.name} is declared twice and differently: at {earlier.place} and at {node.place}"
                )
    for types in root.children(f"{WSDL}types"):
        definitions.schemas.extend((root.file, schema) for schema in types.element.iterfind(f"{XSD}schema"))
    for element in root.element.iter():
        identity = element.get(_WSU_ID) or element.get("Id")
        if identity and str(element.tag).endswith("}Policy"):
            definitions.policies[identity] = root.inner(element)


def of_namespace(files: Mapping[str, bytes], namespace: str, *, wanted_by: bytes) -> str | None:
    """The one WSDL file with this target namespace beside the one that wants it; None for none or several."""
    shelf = Shelf(files)
    found = [
        name
        for name in sorted(files)
        if not name.lower().endswith(".xsd") and _defines(shelf, name, namespace) and files[name] != wanted_by
    ]
    return found[0] if len(found) == 1 else None


def _defines(shelf: Shelf, file: str, namespace: str) -> bool:
    try:
        tree = shelf.tree(file)
    except ContractUnsupported:
        # Somebody else's; one that is imported is read again, and must be good then.
        return False
    return tree.tag == f"{WSDL}definitions" and tree.get("targetNamespace", "").strip() == namespace


def names_a_file(location: str) -> bool:
    """Whether a location says what the file may be called; servers name some by a query alone, `/abstract?wsdl=1`."""
    return bool(_FILE_NAME.fullmatch(last_part(location)))


def _imported(definitions: Definitions, root: Node, shelf: Shelf, bundle: Mapping[str, bytes]) -> Iterator[str]:
    for statement in root.children(f"{WSDL}import"):
        location = statement.element.get("location") or statement.element.get("schemaLocation") or ""
        namespace = statement.element.get("namespace", "").strip()
        found = shelf.located(root.file, location) if location else None
        if found is None and namespace and not names_a_file(location):
            found = of_namespace(bundle, namespace, wanted_by=bundle[root.file])
        if found is not None:
            yield found
        elif location:
            add = (
                last_part(location)
                if names_a_file(location) or not namespace
                else f"the WSDL of the namespace {namespace}"
            )
            definitions.missing.append(
                f"{statement.place} imports {location}, which is not among the contract's files; add {add}"
            )


def by_name(nodes: Mapping[tuple[str, str], Node]) -> list[Node]:
    """Nodes in the order in which they were declared."""
    return list(nodes.values())
