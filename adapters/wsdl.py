"""WSDL 1.1 to a compiled contract and its operations: the only place that knows zeep.

Called at load by the adapter registry with files that are in memory. zeep reads bindings and messages; the types go
to `esb.contracts`. Nothing is fetched: what the WSDL imports must be in the bundle.
"""

from __future__ import annotations

import posixpath
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import zeep
import zeep.exceptions
import zeep.wsdl
import zeep.wsdl.bindings.soap
from lxml import etree

from esb.contracts.bundle import XSD_NAMESPACE
from esb.contracts.contract import Contract
from esb.errors import ContractUnsupported
from security.errors import XmlRefused
from security.xml import Element, parse

# zeep joins relative addresses only under a scheme that it knows; nothing ever opens a file of this name.
_ROOT = "file:///contract/"
_MAX_FILE_BYTES = 10 * 1024 * 1024
_XSD = f"{{{XSD_NAMESPACE}}}"
_WSDL = "{http://schemas.xmlsoap.org/wsdl/}"
_BODIES = tuple(
    f"{{http://schemas.xmlsoap.org/wsdl/{soap}/}}{name}" for soap in ("soap", "soap12") for name in ("body", "fault")
)
# What zeep lets through for a WSDL that is broken; it has an error of its own for few of the ways.
_BROKEN = (
    zeep.exceptions.Error,
    etree.LxmlError,
    UserWarning,
    LookupError,
    AttributeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WsdlOperation:
    """One operation of one port. Elements are `{namespace}local`; `faults` by the fault's name in the WSDL."""

    name: str
    soap_version: Literal["1.1", "1.2"]
    soap_action: str
    style: Literal["document"]
    input: str
    output: str
    faults: Mapping[str, str]
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wsdl:
    """A compiled WSDL: what can be called, and the contract of what is said."""

    operations: Mapping[str, WsdlOperation]
    contract: Contract


def compile(  # noqa: A001 - read as `wsdl.compile` everywhere
    bundle: Mapping[str, bytes], entry: str, *, service: str | None = None, port: str | None = None
) -> Wsdl:
    """Compile one port of one service; the names may be left out where there is only one SOAP port.

    Raises:
        ContractUnsupported: names the file and, where one is at fault, the operation.
    """
    documents = _documents(bundle, entry)
    contract = Contract.from_xsd(*_types(bundle, documents))
    binding, address = _port(_definition(bundle, entry), entry, service, port)
    operations = {
        name: _operation(binding, operation, address, entry, contract)
        for name, operation in sorted(binding.all().items())
    }
    if not operations:
        raise ContractUnsupported(f"{entry}: the port has no operation")
    return Wsdl(operations=operations, contract=contract)


class _BundleTransport:
    """What zeep asks for files; it has nothing else to offer."""

    def __init__(self, bundle: Mapping[str, bytes]) -> None:
        self._bundle = bundle

    def load(self, url: str) -> bytes:
        """The file at a bundle address; one of zeep's schema addresses inside of a WSDL does not exist."""
        name = url.removeprefix(_ROOT)
        if name not in self._bundle:
            raise ContractUnsupported(f"{url} is not among the contract's files")
        return self._bundle[name]


def _documents(bundle: Mapping[str, bytes], entry: str) -> dict[str, Element]:
    """The entry and every WSDL that it imports, parsed by the hardened parser."""
    found: dict[str, Element] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = tree = _parsed(bundle, name)
        folder = posixpath.dirname(name)
        imports = [reference.get("location", "") for reference in tree.findall(f"{_WSDL}import")]
        waiting += [posixpath.normpath(posixpath.join(folder, location)) for location in imports]
    return found


def _parsed(bundle: Mapping[str, bytes], name: str) -> Element:
    if name not in bundle:
        raise ContractUnsupported(f"{name} is not among the contract's files")
    try:
        tree = parse(bundle[name], max_bytes=_MAX_FILE_BYTES)
    except XmlRefused as error:
        raise ContractUnsupported(f"{name}: {error.reason}") from error
    if tree.tag != f"{_WSDL}definitions":
        raise ContractUnsupported(f"{name} is not a WSDL 1.1 document")
    _refuse_what_zeep_overlooks(tree, name)
    return tree


def _refuse_what_zeep_overlooks(tree: Element, name: str) -> None:
    """Refuse several operations of one name, of which zeep keeps the last, and encoded bodies.

    zeep reads encoded bodies as if they were literal.
    """
    for holder in (*tree.findall(f"{_WSDL}portType"), *tree.findall(f"{_WSDL}binding")):
        seen: set[str] = set()
        for operation in holder.findall(f"{_WSDL}operation"):
            label = operation.get("name", "")
            if label in seen:
                raise ContractUnsupported(f"{name}: operation {label} stands twice in {holder.get('name')}")
            seen.add(label)
            if any(part.get("use") == "encoded" for part in operation.iter(*_BODIES)):
                raise ContractUnsupported(f"{name}: operation {label} is encoded; only document/literal is compiled")


def _types(bundle: Mapping[str, bytes], documents: Mapping[str, Element]) -> tuple[dict[str, bytes], list[str]]:
    """The bundle with the schemas of every wsdl:types as files of their own, and the names of those."""
    extended = dict(bundle)
    entries: list[str] = []
    for name, tree in documents.items():
        for index, schema in enumerate(tree.iterfind(f"{_WSDL}types/{_XSD}schema"), 1):
            entry = f"{name}.types-{index}.xsd"
            # Serialising a part keeps the namespaces that its ancestors declare; types refer to them.
            extended[entry] = etree.tostring(schema, with_tail=False)
            entries.append(entry)
    return extended, entries


def _definition(bundle: Mapping[str, bytes], entry: str) -> Any:
    settings = zeep.Settings(strict=True, forbid_dtd=True, forbid_entities=True, forbid_external=False)
    try:
        with warnings.catch_warnings():
            # zeep drops an operation that it cannot resolve and only warns.
            warnings.simplefilter("error", UserWarning)
            transport: Any = _BundleTransport(bundle)
            return zeep.wsdl.Document(_ROOT + entry, transport, settings=settings)
    except ContractUnsupported:
        raise
    except _BROKEN as error:
        raise ContractUnsupported(f"{entry}: WSDL cannot be read: {error}") from error


def _port(document: Any, entry: str, service: str | None, port: str | None) -> tuple[Any, str]:
    found = [
        (each_service.name, each_port.name, each_port)
        for each_service in document.services.values()
        for each_port in each_service.ports.values()
        if isinstance(each_port.binding, zeep.wsdl.bindings.soap.SoapBinding)
    ]
    wanted = [item for item in found if service in {None, item[0]} and port in {None, item[1]}]
    if len(wanted) != 1:
        names = ", ".join(f"{item[0]}/{item[1]}" for item in found) or "none"
        raise ContractUnsupported(f"{entry}: name one service and port; SOAP ports here: {names}")
    chosen = wanted[0][2]
    return chosen.binding, chosen.binding_options.get("address") or ""


def _operation(binding: Any, operation: Any, address: str, entry: str, contract: Contract) -> WsdlOperation:
    where = f"{entry}: operation {operation.name}"
    if operation.style != "document":
        raise ContractUnsupported(f"{where} is of style {operation.style}; only document/literal is compiled")
    if operation.output is None:
        raise ContractUnsupported(f"{where} has no output; one-way operations are not compiled")
    faults = {
        name: _element(fault.abstract, contract, f"{where}, fault {name}") for name, fault in operation.faults.items()
    }
    version: Literal["1.1", "1.2"] = "1.2" if isinstance(binding, zeep.wsdl.bindings.soap.Soap12Binding) else "1.1"
    return WsdlOperation(
        name=operation.name,
        soap_version=version,
        soap_action=operation.soapaction or "",
        style="document",
        input=_element(operation.input.abstract, contract, f"{where}, input"),
        output=_element(operation.output.abstract, contract, f"{where}, output"),
        faults=faults,
        address=address,
    )


def _element(message: Any, contract: Contract, where: str) -> str:
    """The one element that a message is. `message` is None when the binding names one that the port type has not."""
    parts = [] if message is None else list(message.parts.values())
    if len(parts) != 1 or parts[0].element is None:
        raise ContractUnsupported(f"{where}: a document/literal message is one part with an element")
    qname = str(parts[0].element.qname.text)
    if qname not in contract.elements:
        raise ContractUnsupported(f"{where}: the element {qname} is not in the schema")
    return qname
