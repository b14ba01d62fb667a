"""A contract's XSD files, joined without files or network: what they import must lie in the same bundle.

Called by `Contract` and by the WSDL reader at load. Every file passes the hardened parser of `security.xml` first; the
two schema compilers (libxml2 and xmlschema) then see one set of documents in which every namespace has one front,
under addresses of a scheme that nothing else serves.
"""

from __future__ import annotations

import email.message
import io
import urllib.request
import urllib.response
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import xmlschema
from lxml import etree

from esb.contracts.components import reach, settle
from esb.contracts.diagnosis import Served, complaints, explained, explained_components
from esb.contracts.gathering import Embedded, Gathering, SchemaDocument, Shelf
from esb.contracts.mending import mend
from esb.contracts.redefinition import apply_redefinitions
from esb.contracts.wellknown import XML_NAMESPACE, XSD_NAMESPACE
from esb.errors import ContractUnsupported

__all__ = ["XML_NAMESPACE", "XSD_NAMESPACE", "SchemaSet", "join"]

_ROOT = "bundle:///"
_MAX_MENDINGS = 20
_CONFUSED = (
    xmlschema.XMLSchemaException,
    OSError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    RecursionError,
)
"""What xmlschema raises for a schema that only libxml2 takes; it has an error of its own for few of the ways."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaSet:
    """Schema documents whose references point at one another only. `driver` imports every namespace.

    `namespaces` are those of the contract's own documents. `hints` are what was put right and a person should know of.
    """

    driver: bytes
    documents: Mapping[str, bytes]
    namespaces: frozenset[str]
    hints: tuple[str, ...] = ()
    compiled: etree.XMLSchema = field(repr=False, compare=False)
    served: Mapping[str, Served] = field(repr=False, compare=False)

    def validator(self) -> etree.XMLSchema:
        """The compiled validator of libxml2."""
        return self.compiled

    def sources(self) -> tuple[SchemaDocument, ...]:
        """The documents as they were compiled, with their places."""
        return tuple(item.document for item in self.served.values())

    def components(self) -> xmlschema.XMLSchema10:
        """The component model, for load time only: it is large. Raises ContractUnsupported."""
        opener = urllib.request.OpenerDirector()
        opener.add_handler(_BundleProtocol(self.documents))
        try:
            # "never": these bytes were written by us, out of trees that had neither DTD nor entities.
            schema = _Components(self.driver, base_url=_ROOT, opener=opener, use_fallback=False, defuse="never")
        except _CONFUSED as error:
            raise ContractUnsupported(f"XSD cannot be understood: {type(error).__name__}: {error}") from error
        reason = explained_components(schema, self.served)
        if reason is not None:
            raise ContractUnsupported(reason)
        return schema


def join(
    bundle: Mapping[str, bytes],
    entries: Iterable[str],
    embedded: Iterable[Embedded] = (),
    *,
    prepare: Callable[[SchemaDocument], None] | None = None,
) -> SchemaSet:
    """Everything that the entry files reach, and schemas that stand inside of WSDL files.

    The embedded trees are changed; `prepare` may change each document before anything else does. libxml2 has compiled
    the set when this returns.

    Raises:
        ContractUnsupported: a file is missing, not safe XML or not a schema; names clash; a reference leads nowhere;
            or libxml2 refuses it. The reason names file and line.
    """
    gathering = Gathering(Shelf(bundle))
    for entry in entries:
        gathering.add(entry)
    for schema in embedded:
        gathering.add_embedded(schema)
    reach(gathering, prepare)
    apply_redefinitions(gathering)
    return _Compilation(gathering, settle(gathering)).finished()


class _Compilation:
    """Writes the documents for the compilers, and writes them again when libxml2 shows what to mend."""

    def __init__(self, gathering: Gathering, needs: Mapping[SchemaDocument, set[str]]) -> None:
        self._gathering = gathering
        self._addresses = {document: f"{_ROOT}{number}.xsd" for number, document in enumerate(gathering.documents, 1)}
        self._homes = {
            namespace: f"{_ROOT}namespace-{number}.xsd"
            for number, namespace in enumerate(sorted(gathering.namespaces - {XSD_NAMESPACE}), 1)
        }
        for document in gathering.documents:
            self._write_imports(document, needs.get(document, set()))

    def finished(self) -> SchemaSet:
        hints = self._gathering.hints
        for _ in range(_MAX_MENDINGS):
            served = {address: Served.of(document) for document, address in self._addresses.items()}
            documents = {address: item.content for address, item in served.items()} | dict(self._fronts())
            try:
                compiled = _validator(self._driver(), documents)
            except etree.XMLSchemaParseError as error:
                found = complaints(error, served)
                if not mend(found, self._gathering.documents, hints.append):
                    raise ContractUnsupported(explained(found, error)) from error
                continue
            return SchemaSet(
                driver=self._driver(),
                documents=documents,
                namespaces=frozenset(item.namespace for item in self._gathering.documents if not item.builtin),
                hints=tuple(dict.fromkeys(hints)),
                compiled=compiled,
                served=served,
            )
        raise ContractUnsupported("XSD cannot be compiled: too much of it would have to be mended")

    def _write_imports(self, document: SchemaDocument, namespaces: Iterable[str]) -> None:
        for namespace in sorted(namespaces, reverse=True):
            statement = etree.Element(f"{{{XSD_NAMESPACE}}}import")
            if namespace:
                statement.set("namespace", namespace)
            statement.set("schemaLocation", self._homes[namespace])
            document.tree.insert(0, statement)

    def _fronts(self) -> Iterable[tuple[str, bytes]]:
        """libxml2 reads one import per namespace, so all documents of a namespace stand behind one front."""
        for namespace, home in self._homes.items():
            members = [self._addresses[item] for item in self._gathering.documents if item.namespace == namespace]
            yield home, _schema(namespace, [f'<xs:include schemaLocation="{address}"/>' for address in members])

    def _driver(self) -> bytes:
        return _schema("urn:esb:driver", [_import(name, home) for name, home in self._homes.items()])


class _Components(xmlschema.XMLSchema10):
    """xmlschema's model, which collects what it finds wrong.

    It does not check each document against the schema for schemas: libxml2 has done that, and it is three quarters of
    the time.
    """

    # The argument decides on that check, the attribute on everything else.
    validation = property(lambda _self: "lax", lambda _self, _value: None)

    def __init__(self, source: Any, *args: Any, **settings: Any) -> None:
        super().__init__(source, *args, **{**settings, "validation": "skip"})


class _BundleProtocol(urllib.request.BaseHandler):
    """Serves `bundle:` addresses from memory; the opener that holds it knows no other protocol."""

    def __init__(self, documents: Mapping[str, bytes]) -> None:
        self._documents = documents

    def bundle_open(self, request: urllib.request.Request) -> urllib.response.addinfourl:
        """Called by urllib, which finds it by its name."""
        content = self._documents.get(request.full_url)
        if content is None:
            raise FileNotFoundError(request.full_url)
        return urllib.response.addinfourl(io.BytesIO(content), email.message.Message(), request.full_url, 200)


class _BundleResolver(etree.Resolver):
    """Serves `bundle:` addresses to libxml2, and refuses to let it look anywhere else."""

    def __init__(self, documents: Mapping[str, bytes]) -> None:
        super().__init__()
        self._documents = documents

    def resolve(self, system_url: str, _public_id: str, context: object) -> Any:  # type: ignore[override]  # the stubs forget the context
        """Called by lxml. Never returns None, which would mean: try the file system."""
        content = self._documents.get(system_url)
        if content is None:
            raise ContractUnsupported(f"schema refers to {system_url}, which is not among the contract's files")
        return self.resolve_string(content, context, base_url=system_url)


def _validator(driver: bytes, documents: Mapping[str, bytes]) -> etree.XMLSchema:
    # Not security.xml.parse: only a parser of our own can carry the resolver, and every byte that it will see has
    # been through that function already.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    parser.resolvers.add(_BundleResolver(documents))
    return etree.XMLSchema(etree.fromstring(driver, parser, base_url=_ROOT + "driver"))


def _schema(namespace: str, parts: Iterable[str]) -> bytes:
    target = f' targetNamespace="{_escaped(namespace)}"' if namespace else ""
    return f'<xs:schema xmlns:xs="{XSD_NAMESPACE}"{target}>{"".join(parts)}</xs:schema>'.encode()


def _import(namespace: str, location: str) -> str:
    name = f' namespace="{_escaped(namespace)}"' if namespace else ""
    return f'<xs:import{name} schemaLocation="{_escaped(location)}"/>'


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
