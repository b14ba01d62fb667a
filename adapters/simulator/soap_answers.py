"""What a simulated SOAP agency says, before anybody signs it: its WSDL's documents and faults.

Made once per agency; used by the SOAP dialect and, without any key, by the golden cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from adapters.simulator.answers import known_drafts
from adapters.simulator.dialect import Draft, Question, Refusal
from adapters.simulator.register import AgencyReply, FaultText, Register
from adapters.wsdl import Wsdl, WsdlOperation
from esb.errors import ContractViolation
from security import xml
from security.wsse import SoapVersion


class SoapAnswers:
    """One SOAP agency's contract and records."""

    def __init__(self, *, wsdl: Wsdl, records: Register) -> None:
        """Encode every answer once, so that a data file that breaks the contract is found now.

        Raises:
            ConfigurationError: names operation, key and field.
        """
        self.version = SoapVersion(next(iter(wsdl.operations.values())).soap_version)
        self._records = records
        operations = wsdl.operations.values()
        written = {name for operation in operations for name in (operation.output, *operation.faults.values())}
        self._operations = wsdl.operations
        self._by_element = {operation.input: operation for operation in operations}
        self._encoders = {name: wsdl.contract.encoder(name) for name in written}
        self._decoders = {name: wsdl.contract.decoder(name) for name in self._by_element}
        self._drafts = known_drafts(records, wsdl.operations, self.draft)

    def read(self, content: bytes, proof: bytes) -> Question:
        """The question in a Body's child.

        Raises:
            Refusal: an element that no operation takes, or one without records.
            ContractViolation: it does not fit the contract.
        """
        element = str(xml.parse(content).tag)
        operation = self._by_element.get(element)
        if operation is None or operation.name not in self._records.operations:
            raise Refusal("Client.Operation", "no such operation", proof=proof)
        values = self._decoders[element].decode(content)
        key = self._records.key_of(operation.name, values)
        return Question(operation=operation.name, key=key, values=values, proof=proof)

    def draft_for(self, operation: str, values: Mapping[str, Any]) -> Draft:
        """What the agency's records give for a request."""
        key = self._records.key_of(operation, values)
        return self._drafts.get((operation, key)) or self.draft(operation, self._records.answer(operation, key))

    def draft(self, name: str, reply: AgencyReply) -> Draft:
        """A reply in canonical XML. `name` may be unknown when `reply` is a fault without detail.

        Raises:
            ContractViolation: the reply does not fit the contract.
        """
        if reply.raw is not None:
            return Draft(http_status=reply.http_status, content=xml.canonical(xml.parse(reply.raw.encode())))
        operation = self._operations.get(name)
        if reply.fault is not None:
            return Draft(http_status=self._fault_status(reply.fault), content=self._fault(operation, reply.fault))
        assert operation is not None  # noqa: S101 - only a fault has no operation; this tells the type checker
        content = self._encoders[operation.output].encode(reply.document or {})
        return Draft(http_status=reply.http_status, content=content)

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
