"""The schema documents that a contract reaches, found in its bundle and nowhere else.

Called by `bundle.join`. Follows include, import and redefine; what is not in the bundle is remembered with its place,
so that an error can say which file to add. Circular references end, because every document is taken once.
"""

from __future__ import annotations

import posixpath
import urllib.parse
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from esb.contracts.intake import line_of, tree_of
from esb.contracts.wellknown import XML_NAMESPACE, XSD_NAMESPACE, schema_for
from esb.errors import ContractUnsupported
from security.xml import Element

XSD = f"{{{XSD_NAMESPACE}}}"
_REFERENCES = frozenset(XSD + name for name in ("include", "import", "redefine", "override"))
_MAX_DOCUMENTS = 1000
_MAX_COMPONENTS = 20_000
"""Each costs about a millisecond and 20 kB at every start."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Embedded:
    """A schema that stands inside of another file, or is made for one.

    `overrules`: its declarations win over others of the same name. `fallback`: a namespace for names without prefix.
    """

    file: str
    tree: Element
    overrules: bool = False
    fallback: str = ""


@dataclass(slots=True, kw_only=True, eq=False)
class SchemaDocument:
    """One schema. `file` is where its lines count; a file has several when it is a WSDL or included as a chameleon."""

    file: str
    namespace: str
    tree: Element
    chameleon: bool = False
    builtin: bool = False
    overrules: bool = False
    fallback: str = ""
    redefines: list[Element] = field(default_factory=list)

    def place(self, element: Element) -> str:
        """`file:line`, as errors name it."""
        return f"{self.file}:{line_of(element)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """An import whose file is not there. `location` None: the import names none."""

    file: str
    line: int
    namespace: str
    location: str | None

    def __str__(self) -> str:
        """The sentence for it."""
        what = f"imports the namespace {self.namespace or '(none)'}"
        if self.location is None:
            return f"{self.file}:{self.line} {what}, which is not among the contract's files; add its XSD file"
        name = last_part(self.location)
        return (
            f"{self.file}:{self.line} {what} from {self.location}, which is not among the contract's files; add {name}"
        )


class Shelf:
    """The files of a bundle, by name, by the location that another file gives, and by target namespace."""

    def __init__(self, bundle: Mapping[str, bytes], *, tolerant: bool = False) -> None:
        """`tolerant`: a file that cannot be read has no namespace, instead of being an error."""
        self._bundle = bundle
        self._tolerant = tolerant
        self._by_namespace: dict[str, list[str]] | None = None

    def tree(self, file: str) -> Element:
        """A fresh tree of a file. Raises ContractUnsupported."""
        content = self._bundle.get(file)
        if content is None:
            raise ContractUnsupported(f"{file} is not among the contract's files")
        return tree_of(file, content)

    def located(self, file: str, location: str) -> str | None:
        """The name of what `file` refers to: relative to it, or else any file of the same name.

        An address on the web is only ever a name here: the last part of its path is looked for.
        """
        address = urllib.parse.unquote(location.strip()).replace("\\", "/")
        if "://" not in address:
            exact = posixpath.normpath(posixpath.join(posixpath.dirname(file), address))
            if exact in self._bundle:
                return exact
        named = last_part(address)
        return self._named(named, address) or self._named(named.partition("?")[2].partition("=")[2], address)

    def of_namespace(self, namespace: str) -> tuple[str, ...]:
        """The XSD files with this target namespace."""
        if self._by_namespace is None:
            self._by_namespace = {}
            for file in sorted(name for name in self._bundle if name.lower().endswith(".xsd")):
                tree = self._readable(file)
                if tree is not None and tree.tag == XSD + "schema":
                    self._by_namespace.setdefault(tree.get("targetNamespace", ""), []).append(file)
        return tuple(self._by_namespace.get(namespace, ()))

    def _readable(self, file: str) -> Element | None:
        try:
            return self.tree(file)
        except ContractUnsupported:
            if self._tolerant:
                return None
            raise

    def _named(self, name: str, address: str) -> str | None:
        wanted = {name.lower(), f"{name}.xsd".lower(), f"{name}.wsdl".lower()} if name else set()
        found = [file for file in self._bundle if posixpath.basename(file).lower() in wanted]
        # Several folders may hold a file of one name; the path that agrees longest from its end is meant.
        return max(
            sorted(found), key=lambda file: len(posixpath.commonprefix([file[::-1], address[::-1]])), default=None
        )


class Gathering:
    """Documents found so far."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._taken: set[tuple[str, str]] = set()
        self._waiting: deque[SchemaDocument] = deque()
        self._sizes: Counter[str] = Counter()
        self.documents: list[SchemaDocument] = []
        self.missing: dict[str, Missing] = {}
        self.hints: list[str] = []
        self.namespaces: set[str] = {XSD_NAMESPACE}

    def add(self, file: str) -> None:
        """Take a file of the bundle and all that it refers to. Raises ContractUnsupported."""
        self._take(file, includer=None)
        self._follow()

    def add_embedded(self, schema: Embedded) -> None:
        """Take a schema that stands inside of another file. Raises ContractUnsupported."""
        document = self._queue(schema.file, schema.tree, includer=None)
        document.overrules, document.fallback = schema.overrules, schema.fallback
        self._follow()

    def add_namespace(self, namespace: str) -> bool:
        """Take every file of a namespace that nobody located, or the schema that is built in; False: there is none."""
        files = () if namespace == XML_NAMESPACE else self._shelf.of_namespace(namespace)
        for file in files:
            self.add(file)
        builtin = None if files else schema_for(namespace)
        if builtin is not None:
            name = f"(built-in schema of {namespace})"
            self._queue(name, tree_of(name, builtin), includer=None).builtin = True
        return bool(files) or builtin is not None

    def _follow(self) -> None:
        while self._waiting:
            document = self._waiting.popleft()
            for reference in [child for child in document.tree if child.tag in _REFERENCES]:
                self._refer(document, reference)
            self._check_size()

    def _check_size(self) -> None:
        """Before anything is compiled: bytes say little about what that will cost."""
        total = self._sizes.total()
        if total > _MAX_COMPONENTS:
            file, most = self._sizes.most_common(1)[0]
            raise ContractUnsupported(
                f"{file}: the contract declares at least {total} elements, types, groups and attributes,"
                f" {most} of them in this file; at most {_MAX_COMPONENTS} are read. Ask the agency for the contract of"
                " the one service, or take out what its operations do not use"
            )

    def _refer(self, document: SchemaDocument, reference: Element) -> None:
        """Take what is referred to. The statement itself goes: `bundle` writes the imports that are needed."""
        kind = str(reference.tag).removeprefix(XSD)
        if kind == "override":
            raise ContractUnsupported(f"{document.place(reference)}: xs:override is of XSD 1.1; only 1.0 is read")
        if kind == "import":
            self._import(document, reference)
        else:
            self._include(document, reference)
        if kind == "redefine":
            document.redefines.append(reference)  # stays in its place, whose prefixes its names need
        else:
            document.tree.remove(reference)

    def _import(self, document: SchemaDocument, reference: Element) -> None:
        namespace, location = reference.get("namespace", ""), reference.get("schemaLocation")
        if namespace in {XSD_NAMESPACE, XML_NAMESPACE}:
            return  # the one is built into every compiler, the other is added where it is used
        file = self._shelf.located(document.file, location) if location else None
        if file is not None and self._imports(file, namespace):
            return
        # Only a reference into the namespace makes a missing file an error: many imports are never used.
        self.missing.setdefault(
            namespace,
            Missing(file=document.file, line=line_of(reference), namespace=namespace, location=location),
        )

    def _imports(self, file: str, namespace: str) -> bool:
        tree = self._shelf.tree(file)
        if tree.tag != XSD + "schema":
            return False  # an address that names the WSDL itself: its schemas are taken with it
        found = tree.get("targetNamespace", "")
        if found != namespace and self._shelf.of_namespace(namespace):
            return False
        if found != namespace:
            self.hints.append(
                f"{file} is imported as {namespace or '(none)'}, but its namespace is {found or '(none)'}"
            )
        self._take(file, includer=None)
        return True

    def _include(self, document: SchemaDocument, reference: Element) -> None:
        location = reference.get("schemaLocation", "")
        file = self._shelf.located(document.file, location)
        if file is None:
            raise ContractUnsupported(
                f"{document.place(reference)} includes {location}, which is not among the contract's files; "
                f"add {last_part(location)}"
            )
        self._take(file, includer=document)

    def _take(self, file: str, includer: SchemaDocument | None) -> None:
        namespace = "" if includer is None else includer.namespace
        if (file, namespace) in self._taken or (file, "*") in self._taken:
            return
        tree = self._shelf.tree(file)
        if tree.tag != XSD + "schema":
            raise ContractUnsupported(f"{file} is not an XML Schema; its root is {tree.tag}")
        # A schema of its own namespace is one document, whoever asks for it; a chameleon is one for each includer.
        self._taken.add((file, "*" if tree.get("targetNamespace") else namespace))
        self._queue(file, tree, includer)

    def _queue(self, file: str, tree: Element, includer: SchemaDocument | None) -> SchemaDocument:
        own = tree.get("targetNamespace", "")
        chameleon = not own and includer is not None and bool(includer.namespace)
        namespace = includer.namespace if chameleon and includer is not None else own
        document = SchemaDocument(file=file, namespace=namespace, tree=tree, chameleon=chameleon)
        if chameleon:
            tree.set("targetNamespace", namespace)
        self.documents.append(document)
        self._sizes[file] += sum(1 for _ in declarations([document]))
        self.namespaces.add(namespace)
        self._waiting.append(document)
        if len(self.documents) > _MAX_DOCUMENTS:
            raise ContractUnsupported(f"{file}: the contract has more than {_MAX_DOCUMENTS} schemas")
        return document


def last_part(location: str) -> str:
    """The file name in a path or an address."""
    return location.replace("\\", "/").rstrip("/").rpartition("/")[2]


def declarations(documents: Iterable[SchemaDocument]) -> Iterable[tuple[SchemaDocument, Element]]:
    """Every global component, in order."""
    for document in documents:
        for child in document.tree:
            if isinstance(child.tag, str) and child.get("name") is not None:
                yield document, child
