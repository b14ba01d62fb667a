"""Rules about contracts: a namespace of its own, nothing left open, the form of a FIN, nothing asked in vain."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from adapters import wsdl
from adapters.contract_reading import ContractReading, read_contract
from adapters.identifiers import has_fin_rule, kinds, leaves, scheme_of
from adapters.manifest import Kind, Manifest
from adapters.registration import bundle as bundles
from adapters.rules.reached import declaration_of, reached
from adapters.wsdl.zeep_opinion import zeep_opinion
from esb.contracts.gathering import XSD
from esb.contracts.intake import line_of, tree_of
from esb.model import Finding, Severity
from esb.routes.shapes import dereferenced, property_names, property_of
from security.xml import Element

_TEMPORARY: Final = re.compile(r"https?://(tempuri\.org|(www\.)?example\.(com|org)|localhost)([/:].*)?")
_PLACE: Final = re.compile(r"([^\s:]+):(\d+): (.*)", re.DOTALL)
_XML_FILES: Final = (".wsdl", ".xsd", ".xml", ".svc", ".asmx")
_MAX_DEPTH: Final = 8
_UNSPOKEN: Final = "which the bus does not speak"


class _OpenPlace(NamedTuple):
    file: str
    element: Element
    what: str


def findings(manifest: Manifest, contract: Mapping[str, bytes]) -> Iterator[Finding]:
    """See `adapters.rules.findings`."""
    reading = read_contract(manifest, contract)
    trees = {name: tree_of(name, content) for name, content in contract.items() if name.lower().endswith(_XML_FILES)}
    yield from _namespaces(manifest, trees)
    yield from _numbers_of_persons(reading, contract, trees)
    if not manifest.contract.allow_any:
        yield from _open_xml(manifest, reading, trees)
        yield from _open_json(reading, contract)
    if reading.soap is not None:
        yield from map(_hint, reading.soap.hints)


def opinions(manifest: Manifest, contract: Mapping[str, bytes]) -> Iterator[Finding]:
    """What else a WSDL offers, and how another reader takes it; hints alone, and slow to come by."""
    if manifest.kind is not Kind.SOAP or manifest.shep is not None:
        return
    entry = manifest.contract.file
    for port in wsdl.survey(contract, entry).ports:
        if port.unreadable is not None:
            yield _say(entry, 0, f"port {port.port} is left aside: {port.unreadable}", Severity.HINT)
    opinion = zeep_opinion(contract, entry)
    if opinion is not None:
        text = f"zeep, which other consumers may use, cannot read it: {opinion[:300]}"
        yield _say(entry, 0, text, Severity.HINT)


def _namespaces(manifest: Manifest, trees: Mapping[str, Element]) -> Iterator[Finding]:
    entry = manifest.contract.file
    for name, tree in trees.items():
        namespace = (tree.get("targetNamespace") or "").strip()
        if not namespace and name == entry:
            text = "has no targetNamespace: its names could be anybody's"
            yield _say(name, line_of(tree), text, Severity.ERROR if tree.tag == f"{XSD}schema" else Severity.WARNING)
        elif _TEMPORARY.fullmatch(namespace):
            text = f"targetNamespace is {namespace}, which a tool put there: ask the agency for one of its own"
            yield _say(name, line_of(tree), text, Severity.WARNING)


def _numbers_of_persons(
    reading: ContractReading, contract: Mapping[str, bytes], trees: Mapping[str, Element]
) -> Iterator[Finding]:
    told = set()
    for operation, shape in reading.shapes.items():
        for schema, what in ((shape.request_schema, "request"), (shape.reply_schema, "reply")):
            for names, part in _texts(dereferenced(schema), ()):
                name = names[-1].removeprefix("@")
                if scheme_of(name, part) != "FIN" or has_fin_rule(part) or name in told:
                    continue
                told.add(name)
                file, line = _declared(name, contract, trees)
                text = (
                    f"{'.'.join(names)} ({what} of {operation}) looks like a FIN and takes what cannot be one; "
                    "give it the pattern [0-9A-HJ-NP-Z]{7}"
                )
                yield _say(file, line, text, Severity.WARNING)


def _texts(schema: dict[str, Any], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every text of a schema, those in lists as well."""
    if len(above) > _MAX_DEPTH:
        return
    for name in property_names(schema):
        part = property_of(schema, name)
        items = part.get("items")
        inner = items if isinstance(items, dict) and "array" in kinds(part) else part
        if property_names(inner):
            yield from _texts(inner, (*above, name))
        elif "string" in kinds(inner):
            yield (*above, name), inner


def _declared(name: str, contract: Mapping[str, bytes], trees: Mapping[str, Element]) -> tuple[str, int]:
    """Where a name is declared first; of a document that is no XML, where it stands first."""
    for file, tree in trees.items():
        for element in tree.iter(f"{XSD}element", f"{XSD}attribute"):
            if element.get("name") == name:
                return file, line_of(element)
    word = re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
    for file, content in contract.items():
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
            if file not in trees and word.search(line):
                return file, number
    return next(iter(contract)), 0


def _open_xml(manifest: Manifest, reading: ContractReading, trees: Mapping[str, Element]) -> Iterator[Finding]:
    # Without a WSDL, or where the documents travel inside of its messages, nothing says what is out of reach.
    whole = reading.soap is None or manifest.shep is not None
    within = frozenset() if whole else reached(trees.values(), tuple(manifest.soap_headers))
    for one in _open_places(trees):
        if whole or declaration_of(one.element) in within:
            yield _open(one.file, line_of(one.element), one.what)


def _open_places(trees: Mapping[str, Element]) -> Iterator[_OpenPlace]:
    for file, tree in trees.items():
        for element in tree.iter(f"{XSD}any", f"{XSD}anyAttribute"):
            what = str(element.tag).removeprefix(XSD)
            yield _OpenPlace(file, element, f"xs:{what}")
        for element in tree.iter(f"{XSD}element"):
            prefix, _, local = (element.get("type") or "").rpartition(":")
            if local == "anyType" and f"{{{element.nsmap.get(prefix or None)}}}" == XSD:
                yield _OpenPlace(file, element, f"{element.get('name')} of type xs:anyType")


def _open_json(reading: ContractReading, contract: Mapping[str, bytes]) -> Iterator[Finding]:
    for operation in reading.rest:
        shape = reading.shapes[operation]
        for schema in (shape.request_schema, shape.reply_schema):
            whole = dereferenced(schema)
            for leaf in leaves(whole):
                if not {key for key in leaf.schema if key not in {"title", "description"}}:
                    file, line = _declared(leaf.name, contract, {})
                    yield _open(file, line, f"{leaf.path} of {operation}, which has no schema,")


def _open(file: str, line: int, what: str) -> Finding:
    text = f"{what} lets anything through; close it, or allow it with contract.allow_any: true in {bundles.MANIFEST}"
    return _say(file, line, text, Severity.ERROR)


def _hint(sentence: str) -> Finding:
    found = _PLACE.fullmatch(sentence)
    severity = Severity.WARNING if _UNSPOKEN in sentence else Severity.HINT
    if found is None:
        return Finding(file=bundles.MANIFEST, line=0, message=sentence, severity=severity)
    return _say(found[1], int(found[2]), found[3], severity)


def _say(file: str, line: int, message: str, severity: Severity) -> Finding:
    return Finding(file=bundles.CONTRACT + file, line=line, message=message, severity=severity)
