"""What a WSDL offers, before a port is chosen; and what it imports that is not there.

Called by the tools for agency teams: `survey` for a person who must choose, `complete` for a folder of files in which
missing imports may lie.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from adapters.wsdl.binding import Port, ports
from adapters.wsdl.definitions import WSDL, documentation, names_a_file, of_namespace, read
from adapters.wsdl.values import Survey, SurveyedPort
from esb.contracts.gathering import XSD, Shelf, last_part
from esb.contracts.intake import line_of
from esb.contracts.wellknown import XML_NAMESPACE, XSD_NAMESPACE, schema_for
from security.xml import Element

_STATEMENTS = (f"{WSDL}import", f"{XSD}import", f"{XSD}include", f"{XSD}redefine")


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A file that was taken from the catalogue. `wanted_by` is `file:line` of the import."""

    file: str
    source: str
    wanted_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A bundle with what was found, what that is, and sentences for what was not."""

    bundle: Mapping[str, bytes]
    taken: tuple[Taken, ...]
    missing: tuple[str, ...]


def survey(bundle: Mapping[str, bytes], entry: str) -> Survey:
    """The services, ports and operations of a WSDL. Raises ContractUnsupported: it cannot be read at all."""
    definitions = read(bundle, entry)
    surveyed = tuple(_surveyed(each) for each in ports(definitions))
    return Survey(
        target_namespace=definitions.target_namespace,
        ports=surveyed,
        hints=tuple(dict.fromkeys([*definitions.hints, *definitions.missing])),
    )


def complete(bundle: Mapping[str, bytes], entry: str, catalogue: Mapping[str, bytes]) -> Completed:
    """The files that an entry reaches, with missing ones looked up in a catalogue by file name, then by namespace.

    A file keeps the name by which the import finds it. Files of the bundle that nothing refers to are kept as well.

    Raises:
        ContractUnsupported: a file that is reached is not safe XML.
    """
    completion = _Completion(bundle, catalogue)
    completion.follow(entry)
    return completion.finished()


def _surveyed(port: Port | tuple[str, str, str]) -> SurveyedPort:
    if not isinstance(port, Port):
        service, name, reason = port
        return SurveyedPort(
            service=service,
            port=name,
            soap_version=None,
            address="",
            operations=(),
            documentation={},
            unreadable=reason,
        )
    abstract = list(port.port_type.children(f"{WSDL}operation"))
    return SurveyedPort(
        service=port.service,
        port=port.name,
        soap_version=port.version,
        address=port.address,
        operations=tuple(sorted(node.name for node in port.binding.children(f"{WSDL}operation"))),
        documentation={node.name: text for node in abstract if (text := documentation(node))},
    )


class _Completion:
    """Follows references, and copies what is missing."""

    def __init__(self, bundle: Mapping[str, bytes], catalogue: Mapping[str, bytes]) -> None:
        self._bundle = dict(bundle)
        # A catalogue holds the files of others; only those that are taken must be good.
        self._catalogue = Shelf(catalogue, tolerant=True)
        self._catalogue_files = catalogue
        self._taken: list[Taken] = []
        self._missing: list[str] = []

    def follow(self, entry: str) -> None:
        waiting, seen = [entry], {entry}
        while waiting:
            for found in self._referred(waiting.pop(0)):
                if found not in seen:
                    seen.add(found)
                    waiting.append(found)

    def finished(self) -> Completed:
        return Completed(bundle=self._bundle, taken=tuple(self._taken), missing=tuple(dict.fromkeys(self._missing)))

    def _referred(self, file: str) -> Iterator[str]:
        for statement in Shelf(self._bundle).tree(file).iter(*_STATEMENTS):
            location = statement.get("schemaLocation") or statement.get("location") or ""
            namespace = statement.get("namespace", "")
            if namespace in {XSD_NAMESPACE, XML_NAMESPACE}:
                continue
            found = self._found(file, statement, location, namespace)
            if found is not None:
                yield found

    def _found(self, file: str, statement: Element, location: str, namespace: str) -> str | None:
        shelf = Shelf(self._bundle)
        present = shelf.located(file, location) if location else None
        if present is not None:
            return present
        importing = statement.tag == XSD + "import"
        if importing and (shelf.of_namespace(namespace) or self._declared_inside(file, namespace)):
            return next(iter(shelf.of_namespace(namespace)), None)
        wsdl_anywhere = statement.tag == f"{WSDL}import" and not names_a_file(location)
        if wsdl_anywhere and (present := of_namespace(self._bundle, namespace, wanted_by=self._bundle[file])):
            return present
        source = self._catalogued(file, location, namespace if importing else "")
        if source is None and wsdl_anywhere:
            source = of_namespace(self._catalogue_files, namespace, wanted_by=self._bundle[file])
        if source is None:
            self._miss(file, statement, location, namespace)
            return None
        name = _name_for(file, location, source)
        self._bundle[name] = self._catalogue_files[source]
        self._taken.append(Taken(file=name, source=source, wanted_by=f"{file}:{line_of(statement)}"))
        return name

    def _catalogued(self, file: str, location: str, namespace: str) -> str | None:
        by_name = self._catalogue.located(file, location) if location else None
        if by_name is not None and by_name in self._catalogue_files:
            return by_name
        by_namespace = self._catalogue.of_namespace(namespace) if namespace else ()
        return self._outermost(by_namespace) if by_namespace else None

    def _outermost(self, files: Sequence[str]) -> str:
        """Of several files of one namespace the one that includes the others, and is included by none."""
        included = {
            self._catalogue.located(file, statement.get("schemaLocation", ""))
            for file in files
            for statement in self._catalogue.tree(file).iterfind(f"{XSD}include")
        }
        return next((file for file in files if file not in included), files[0])

    def _declared_inside(self, file: str, namespace: str) -> bool:
        """Whether the WSDL itself holds a schema of the namespace."""
        schemas = Shelf(self._bundle).tree(file).iterfind(f"{WSDL}types/{XSD}schema")
        return any(schema.get("targetNamespace", "") == namespace for schema in schemas)

    def _miss(self, file: str, statement: Element, location: str, namespace: str) -> None:
        if not location and (not namespace or schema_for(namespace) is not None):
            return
        what = location or f"the namespace {namespace}"
        add = (
            last_part(location)
            if names_a_file(location) or not namespace
            else f"a file with the target namespace {namespace}"
        )
        self._missing.append(f"{file}:{line_of(statement)} imports {what}, which is nowhere; add {add}")


def _name_for(file: str, location: str, source: str) -> str:
    """Where a file must lie so that its import finds it; never outside of the bundle."""
    if not location or "://" in location:
        return posixpath.basename(source)
    name = posixpath.normpath(posixpath.join(posixpath.dirname(file), location.replace("\\", "/")))
    outside = name.startswith(("../", "/")) or name in {"..", "."}
    return posixpath.basename(source) if outside else name
