"""A contract's XSD files, joined without files or network: what they import must lie in the same bundle.

Called by `Contract` at load. Every file passes the hardened parser of `security.xml` first; the two schema compilers
(libxml2 and xmlschema) then see only those bytes, under addresses of a scheme that nothing else serves.
"""

from __future__ import annotations

import email.message
import io
import posixpath
import urllib.request
import urllib.response
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import xmlschema
from lxml import etree

from esb.errors import ContractUnsupported
from security.errors import XmlRefused
from security.xml import Element, parse

XSD_NAMESPACE = "http://www.w3.org/2001/XMLSchema"
XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace"

_XSD = f"{{{XSD_NAMESPACE}}}"
_ROOT = "bundle:///"
_XML_ATTRIBUTES = "xml.xsd"
_REFERENCES = frozenset({_XSD + name for name in ("include", "import", "redefine", "override")})
_MAX_FILE_BYTES = 10 * 1024 * 1024

# The W3C publishes this schema on the web; contracts that use xml:lang import it from there.
_XML_ATTRIBUTES_XSD = f"""\
<xs:schema xmlns:xs="{XSD_NAMESPACE}" targetNamespace="{XML_NAMESPACE}">
  <xs:attribute name="lang" type="xs:language"/>
  <xs:attribute name="space"><xs:simpleType><xs:restriction base="xs:NCName">
    <xs:enumeration value="default"/><xs:enumeration value="preserve"/>
  </xs:restriction></xs:simpleType></xs:attribute>
  <xs:attribute name="base" type="xs:anyURI"/>
  <xs:attribute name="id" type="xs:ID"/>
  <xs:attributeGroup name="specialAttrs">
    <xs:attribute ref="xml:base"/><xs:attribute ref="xml:lang"/>
    <xs:attribute ref="xml:space"/><xs:attribute ref="xml:id"/>
  </xs:attributeGroup>
</xs:schema>""".encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaSet:
    """Schema documents whose references point at one another only. `driver` imports every namespace."""

    driver: bytes
    documents: Mapping[str, bytes]
    namespaces: frozenset[str]

    def validator(self) -> etree.XMLSchema:
        """The compiled validator of libxml2. Raises ContractUnsupported."""
        try:
            return _validator(self.driver, self.documents)
        except etree.XMLSchemaParseError as error:
            raise ContractUnsupported(f"XSD cannot be compiled: {error}") from error

    def components(self) -> xmlschema.XMLSchema10:
        """The component model, for load time only: it is large. Raises ContractUnsupported."""
        opener = urllib.request.OpenerDirector()
        opener.add_handler(_BundleProtocol(self.documents))
        try:
            return xmlschema.XMLSchema10(self.driver, base_url=_ROOT, opener=opener, use_fallback=False)
        except (xmlschema.XMLSchemaException, OSError) as error:
            raise ContractUnsupported(f"XSD cannot be understood: {error}") from error


def join(bundle: Mapping[str, bytes], entries: Iterable[str]) -> SchemaSet:
    """Everything that the entry files reach, with each reference rewritten to its place in the bundle.

    Raises:
        ContractUnsupported: a file is missing from the bundle, is not safe XML or not a schema.
    """
    collection = _Collection(bundle)
    for entry in entries:
        collection.add(entry)
    return collection.finished()


class _Collection:
    """Schema files found so far."""

    def __init__(self, bundle: Mapping[str, bytes]) -> None:
        self._bundle = dict(bundle)
        self._trees: dict[str, Element] = {}
        self._importable: dict[str, list[str]] = {}

    def add(self, file: str) -> None:
        """Take a file and all that it refers to; `file` can be imported from outside its namespace."""
        self._load(file)
        namespace = self._trees[file].get("targetNamespace", "")
        files = self._importable.setdefault(namespace, [])
        if file not in files:
            files.append(file)

    def finished(self) -> SchemaSet:
        documents = dict(self._wrappers())
        for file, tree in self._trees.items():
            for reference in _references(tree):
                self._redirect(file, reference)
            documents[_ROOT + file] = etree.tostring(tree)
        return SchemaSet(
            driver=_schema("urn:esb:driver", [_import(name, self._home(name)) for name in sorted(self._importable)]),
            documents=documents,
            namespaces=frozenset(self._importable),
        )

    def _load(self, file: str) -> None:
        if file in self._trees:
            return
        tree = self._trees[file] = _parsed(file, self._bundle)
        for reference in _references(tree):
            location = reference.get("schemaLocation")
            if reference.get("namespace") == XML_NAMESPACE:
                self._bundle.setdefault(_XML_ATTRIBUTES, _XML_ATTRIBUTES_XSD)
                self.add(_XML_ATTRIBUTES)
            elif location and reference.tag == _XSD + "import":
                self.add(self._found(file, location))
            elif location:
                self._load(self._found(file, location))

    def _found(self, file: str, location: str) -> str:
        """The bundle's name for a location: relative to the file, or an address whose last part is in the bundle."""
        name = location.rpartition("/")[2] if ":" in location else location
        candidate = posixpath.normpath(posixpath.join(posixpath.dirname(file), name))
        if candidate not in self._bundle:
            raise ContractUnsupported(f"{file} refers to {location}, which is not among the contract's files")
        return candidate

    def _redirect(self, file: str, reference: Element) -> None:
        location = reference.get("schemaLocation")
        if reference.tag == _XSD + "import":
            home = self._home(reference.get("namespace", ""))
            if home is not None:
                reference.set("schemaLocation", home)
        elif location:
            reference.set("schemaLocation", _ROOT + self._found(file, location))

    def _home(self, namespace: str) -> str | None:
        """libxml2 reads one import per namespace, so several files of one namespace get a common front."""
        files = self._importable.get(namespace, [])
        if not files:
            return None
        return _ROOT + files[0] if len(files) == 1 else _front(namespace)

    def _wrappers(self) -> Iterable[tuple[str, bytes]]:
        for namespace, files in self._importable.items():
            if len(files) > 1:
                includes = [f'<xs:include schemaLocation="{_escaped(_ROOT + file)}"/>' for file in files]
                yield _front(namespace), _schema(namespace, includes)


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


def _parsed(file: str, bundle: Mapping[str, bytes]) -> Element:
    content = bundle.get(file)
    if content is None:
        raise ContractUnsupported(f"{file} is not among the contract's files")
    try:
        tree = parse(content, max_bytes=_MAX_FILE_BYTES)
    except XmlRefused as error:
        raise ContractUnsupported(f"{file}: {error.reason}") from error
    if tree.tag != _XSD + "schema":
        raise ContractUnsupported(f"{file} is not an XML Schema")
    return tree


def _references(tree: Element) -> list[Element]:
    return [child for child in tree if child.tag in _REFERENCES]


def _front(namespace: str) -> str:
    return f"{_ROOT}-/{namespace.encode().hex()}.xsd"


def _schema(namespace: str, parts: Iterable[str]) -> bytes:
    target = f' targetNamespace="{_escaped(namespace)}"' if namespace else ""
    return f'<xs:schema xmlns:xs="{XSD_NAMESPACE}"{target}>{"".join(parts)}</xs:schema>'.encode()


def _import(namespace: str, location: str | None) -> str:
    name = f' namespace="{_escaped(namespace)}"' if namespace else ""
    return f'<xs:import{name} schemaLocation="{_escaped(location or "")}"/>'


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
