"""WSDL 1.1 to a compiled contract and its operations.

Called at load by the adapter registry, with files that are in memory. Nothing is fetched: what a WSDL imports must be
in the bundle.
"""

from __future__ import annotations

from collections.abc import Mapping

from adapters.wsdl.binding import DraftHeader, DraftMessage, DraftOperation, Port, operations, ports
from adapters.wsdl.definitions import Definitions, read
from adapters.wsdl.encoded_form import EncodedForm, EncodedTypes
from adapters.wsdl.encoded_schema import literal_form
from adapters.wsdl.values import Header, Wsdl, WsdlOperation
from adapters.wsdl.wrappers import Wrappers
from esb.contracts.bundle import SchemaSet, join
from esb.contracts.contract import Contract
from esb.contracts.gathering import Embedded
from esb.errors import ContractUnsupported


def compile(  # noqa: A001 - read as `wsdl.compile` everywhere
    bundle: Mapping[str, bytes], entry: str, *, service: str | None = None, port: str | None = None
) -> Wsdl:
    """Compile one port of one service; the names may be left out where there is only one SOAP port.

    Raises:
        ContractUnsupported: names the file and line and, where one is at fault, the operation.
    """
    definitions = read(bundle, entry)
    chosen = _chosen(definitions, service, port)
    wrappers = Wrappers()
    drafts = operations(definitions, chosen, wrappers)
    if not drafts:
        raise ContractUnsupported(f"{chosen.binding.place}: the port has no operation")
    encoded = any(message.use == "encoded" for draft in drafts for message in (draft.input, draft.output))
    schemas = _joined(bundle, definitions, wrappers, encoded=encoded)
    contract = Contract.of(schemas)
    types = EncodedTypes(schemas.sources()) if encoded else None
    return Wsdl(
        operations={draft.name: _operation(draft, chosen, types) for draft in drafts},
        contract=contract,
        hints=tuple(dict.fromkeys([*definitions.hints, *schemas.hints])),
    )


def _joined(bundle: Mapping[str, bytes], definitions: Definitions, wrappers: Wrappers, *, encoded: bool) -> SchemaSet:
    embedded = [Embedded(file=file, tree=tree) for file, tree in definitions.schemas]
    try:
        return join(
            bundle,
            definitions.schema_files,
            [*wrappers.schemas(), *embedded],
            prepare=literal_form if encoded else None,
        )
    except ContractUnsupported as error:
        # A WSDL that could not be imported may have held the schema.
        raise ContractUnsupported("; ".join([error.reason, *definitions.missing])) from error


def _chosen(definitions: Definitions, service: str | None, port: str | None) -> Port:
    found = list(ports(definitions))
    usable = [each for each in found if isinstance(each, Port)]
    broken = [each for each in found if not isinstance(each, Port)]
    wanted = [each for each in usable if service in {None, each.service} and port in {None, each.name}]
    # A binding that stands in for ports that cannot be used is taken only when somebody asks for it.
    if len(wanted) == 1 and (wanted[0].service or not broken or port is not None):
        return wanted[0]
    if not found:
        nothing = f"{definitions.entry} has no service and no binding: nothing can be called"
        raise ContractUnsupported("; ".join([nothing, *definitions.missing]))
    for name, reason in ((each[1], each[2]) for each in broken if port == each[1]):
        raise ContractUnsupported(f"port {name} cannot be used: {reason}")
    names = ", ".join(f"{each.service}/{each.name}" for each in usable) or "none"
    reasons = [] if any(each.service for each in usable) else dict.fromkeys(each[2] for each in broken)
    question = f"{definitions.entry}: name one service and port; SOAP ports here: {names}"
    # What is missing is the likeliest reason that a port cannot be read.
    missing = definitions.missing if broken else []
    for sentence in missing:
        reasons = dict.fromkeys(reason.replace(f"; {sentence}", "") for reason in reasons)
    raise ContractUnsupported("; ".join([*missing, question, *reasons]))


def _operation(draft: DraftOperation, port: Port, types: EncodedTypes | None) -> WsdlOperation:
    output = draft.output
    encoded = "encoded" in {draft.input.use, output.use}
    return WsdlOperation(
        name=draft.name,
        soap_version=port.version,
        soap_action=draft.soap_action,
        style=draft.style,
        input=draft.input.body.qname,
        output=output.body.qname,
        faults={name: element.qname for name, element in draft.faults.items()},
        address=port.address,
        use="encoded" if encoded else "literal",
        input_spread=draft.input.spread,
        one_way=draft.one_way,
        output_spread=output.spread,
        input_headers=_headers(draft.input),
        output_headers=_headers(output),
        input_attachments=draft.input.attachments,
        output_attachments=output.attachments,
        mtom=draft.mtom,
        addressing=draft.addressing,
        encoded_form=_form(draft, port, types) if encoded and types is not None else None,
    )


def _headers(message: DraftMessage) -> tuple[Header, ...]:
    return tuple(_header(each) for each in message.headers)


def _header(draft: DraftHeader) -> Header:
    return Header(
        part=draft.part,
        element=draft.element.qname,
        required=draft.required,
        faults=tuple(fault.qname for fault in draft.faults),
    )


def _form(draft: DraftOperation, port: Port, types: EncodedTypes) -> EncodedForm:
    return EncodedForm(
        types=types,
        request=draft.input.body.qname,
        reply=draft.output.body.qname,
        version=port.version,
    )
