"""What a simulated SOAP agency says, before anybody signs it: its WSDL's documents and faults.

Made once per agency; used by the SOAP dialect and, without any key, by the golden cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from types import MappingProxyType
from typing import Any, Final

import msgspec

from adapters import attachments
from adapters.attachments import Packing
from adapters.contract_headers import KEY as HEADER
from adapters.contract_headers import ReplyHeaders, RequestHeaders
from adapters.manifest import Manifest
from adapters.multipart import Part
from adapters.shep_operations import ANSWER
from adapters.simulator.answers import known_drafts
from adapters.simulator.dialect import Draft, Question, Refusal
from adapters.simulator.register import AgencyReply, FaultText, Register
from adapters.simulator.shep import ShepGateway
from adapters.simulator.soap_documents import signed_inside
from adapters.simulator.soap_wire import binding_of
from adapters.soap_body import agency_form, body_of, faithful
from adapters.wsdl import Wsdl, WsdlOperation
from esb.errors import ContractViolation
from security import xml
from security.keys import SigningKey
from security.wsse import SoapVersion

STATUS: Final = "$status"
"""In a record: the gateway's status code, with `message`, in place of a document."""

CORRELATION: Final = "correlationId"


class SoapAnswers:
    """One SOAP agency's contract and records."""

    def __init__(
        self,
        *,
        wsdl: Wsdl,
        records: Register,
        manifest: Manifest,
        refers: bool = False,
        gateway: ShepGateway | None = None,
    ) -> None:
        """Encode every answer once, so that a data file that breaks the contract is found now.

        `refers`: the contract has swaRef. `gateway`: what stands in front of the agency.

        Raises:
            ConfigurationError: names operation, key and field.
        """
        operations = wsdl.operations.values()
        self.version = SoapVersion(next(iter(operations)).soap_version)
        self._records = records
        self._gateway = gateway
        self._operations = wsdl.operations
        self._forms = {name: agency_form(operation) for name, operation in wsdl.operations.items()}
        self.whole = any(form.whole for form in self._forms.values())
        self.packing = _packing(wsdl, self.version, refers=refers)
        self._inner = manifest.inner_signature
        self._read_headers = {
            operation.name: ReplyHeaders(operation.input_headers, wsdl.contract)
            for operation in operations
            if operation.input_headers
        }
        self._write_headers = {
            operation.name: RequestHeaders(operation.output_headers, wsdl.contract) for operation in operations
        }
        written = {name for operation in operations for name in (operation.output, *operation.faults.values())}
        self._encoders = {name: wsdl.contract.encoder(name) for name in written}
        self._decoders = {operation.input: wsdl.contract.decoder(operation.input) for operation in operations}
        self._drafts = known_drafts(records, wsdl.operations, self.draft)

    def read(
        self, content: bytes, proof: bytes, *, action: str = "", parts: Mapping[str, Part] = MappingProxyType({})
    ) -> Question:
        """The question in a Body's child, or in a Body. `parts`: what came beside the envelope.

        Raises:
            Refusal: an element that no operation takes, or one without records.
            ContractViolation: it does not fit the contract.
        """
        if self._gateway is not None:
            return self._through(self._gateway, content, proof)
        operation = self._operation_of(content, action)
        if operation is None or operation.name not in self._records.operations:
            raise Refusal("Client.Operation", "no such operation", proof=proof)
        body = body_of(content, self.version.namespace)
        if body is not None:
            content = self._forms[operation.name].read(body)
        if self.packing is not None:
            content, _ = attachments.put_in(content, parts)
        if operation.name in self._read_headers:
            self._read_headers[operation.name].decode(binding_of(proof).blocks)
        values = self._decoders[operation.input].decode(content)
        key = self._records.key_of(operation.name, values)
        return Question(operation=operation.name, key=key, values=values, proof=proof)

    def _through(self, gateway: ShepGateway, content: bytes, proof: bytes) -> Question:
        name, document, message_id = gateway.read(content, proof)
        binding = msgspec.structs.replace(binding_of(proof), message_id=message_id).kept()
        if name.endswith(ANSWER):
            return Question(operation=name, key=message_id, values={CORRELATION: message_id}, proof=binding)
        if name not in self._records.operations:
            raise Refusal("Client.Operation", "no such operation", proof=proof)
        values = self._decoders[self._operations[name].input].decode(document)
        return Question(operation=name, key=self._records.key_of(name, values), values=values, proof=binding)

    def _operation_of(self, content: bytes, action: str) -> WsdlOperation | None:
        root = xml.parse(content, max_bytes=len(content))
        is_body = root.tag == f"{{{self.version.namespace}}}Body"
        first = next(iter(root), None) if is_body else root
        operations = list(self._operations.values())
        if first is not None:
            for operation in operations:
                if str(first.tag) == operation.input:
                    return operation
        named = [operation for operation in operations if action and operation.soap_action == action]
        return named[0] if len(named) == 1 else None

    def signed_inside(self, content: bytes, key: SigningKey) -> bytes:
        """The content with the document inside of it that the agency signs itself, where the manifest names one."""
        if self._inner is None or b"Fault" in content[:200]:
            return content
        return signed_inside(content, self._inner, key)

    def draft_for(self, operation: str, values: Mapping[str, Any]) -> Draft:
        """What the agency's records give for a request."""
        if self._gateway is not None and operation.endswith(ANSWER):
            return Draft(http_status=200, content=self._gateway.fetched(values[CORRELATION]))
        key = self._records.key_of(operation, values)
        if self._gateway is not None and self._gateway.is_async:
            return self.draft(operation, self._records.answer(operation, key))
        return self._drafts.get((operation, key)) or self.draft(operation, self._records.answer(operation, key))

    def draft(self, name: str, reply: AgencyReply) -> Draft:
        """A reply in canonical XML. `name` may be unknown when `reply` is a fault without detail.

        Raises:
            ContractViolation: the reply does not fit the contract.
        """
        if reply.raw is not None:
            content = xml.canonical(xml.parse(reply.raw.encode())) if reply.raw else b""
            return Draft(http_status=reply.http_status, content=content)
        operation = self._operations.get(name)
        if reply.fault is not None:
            return Draft(http_status=self._fault_status(reply.fault), content=self._fault(operation, reply.fault))
        assert operation is not None  # noqa: S101 - only a fault has no operation; this tells the type checker
        if operation.one_way:
            return Draft(http_status=202, content=b"")
        document = reply.document if isinstance(reply.document, Mapping) else {}
        if self._gateway is not None:
            return Draft(http_status=200, content=self._wrapped(self._gateway, operation, document))
        values = {key: value for key, value in document.items() if key not in {HEADER, attachments.KEY}}
        content = self._encoders[operation.output].encode(values)
        return Draft(
            http_status=reply.http_status,
            content=self._in_body(self._forms[name].write(content)) if self._forms[name].whole else content,
            blocks=tuple(self._write_headers[name].encode(document.get(HEADER, {}))),
            attachments=document.get(attachments.KEY, {}),
        )

    def _wrapped(self, gateway: ShepGateway, operation: WsdlOperation, document: Mapping[str, Any]) -> bytes:
        if STATUS in document:
            return gateway.nothing(str(document[STATUS]), str(document.get("message", "")))
        answering = self._operations.get(operation.name + ANSWER, operation)
        return gateway.answered(self._encoders[answering.output].encode(document))

    def _in_body(self, children: bytes) -> bytes:
        namespace = self.version.namespace.encode()
        return faithful(xml.parse(b'<soap:Body xmlns:soap="%s">%s</soap:Body>' % (namespace, children)))

    def _fault_status(self, fault: FaultText) -> int:
        # SOAP 1.1 section 6.2 knows only 500; SOAP 1.2 part 2 section 7.5.2.2 gives the sender's faults 400.
        return 400 if self.version is SoapVersion.SOAP12 and fault.code.startswith("Client") else 500

    def _fault(self, operation: WsdlOperation | None, fault: FaultText) -> bytes:
        known = {} if operation is None else operation.faults
        unknown = next((name for name in fault.detail if name not in known), None)
        if unknown is not None:
            raise ContractViolation("the operation has no such fault", path=unknown)
        details = [self._encoders[known[name]].encode(values) for name, values in fault.detail.items()]
        write = _fault_11 if self.version is SoapVersion.SOAP11 else _fault_12
        return write(fault, b"".join(details), self.version.namespace)


def _packing(wsdl: Wsdl, version: SoapVersion, *, refers: bool) -> Packing | None:
    """How the agency packs: it has one way for all its operations."""
    operations = wsdl.operations.values()
    request = [each for operation in operations for each in operation.input_attachments]
    reply = [each for operation in operations for each in operation.output_attachments]
    mtom = any(operation.mtom == "required" for operation in operations)
    if not refers and not request and not reply and not mtom:
        return None
    return Packing(version=version, action="", mtom=mtom, refers=refers, request=request, reply=reply)


# The prefix differs from the envelope's: one that is declared there already would not be declared again in canonical
# form, and the signer takes these bytes as canonical.
def _fault_11(fault: FaultText, detail: bytes, namespace: str) -> bytes:
    text = (
        f'<f:Fault xmlns:f="{namespace}"><faultcode>f:{fault.code}</faultcode><faultstring>{_text(fault)}</faultstring>'
    )
    wrapped = b"<detail>" + detail + b"</detail>" if detail else b""
    return text.encode() + wrapped + b"</f:Fault>"


def _fault_12(fault: FaultText, detail: bytes, namespace: str) -> bytes:
    side, _, code = fault.code.partition(".")
    value = {"Client": "Sender", "Server": "Receiver"}.get(side, side)
    subcode = f"<f:Subcode><f:Value>f:{code}</f:Value></f:Subcode>" if code else ""
    text = (
        f'<f:Fault xmlns:f="{namespace}"><f:Code><f:Value>f:{value}</f:Value>{subcode}</f:Code>'
        f'<f:Reason><f:Text xml:lang="az">{_text(fault)}</f:Text></f:Reason>'
    )
    wrapped = b"<f:Detail>" + detail + b"</f:Detail>" if detail else b""
    return text.encode() + wrapped + b"</f:Fault>"


def _text(fault: FaultText) -> str:
    return escape(fault.text, quote=False).replace("\r", "&#xD;")
