"""Operations behind a gateway like SHEP: documents of an XSD in its SendMessage envelope. Called at load.

Synchronously an operation is one exchange. Asynchronously it is two: the message, whose receipt has the correlation
id, and `<operation>.answer`, which asks for the answer of a chain; `interaction` in the manifest ties them together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from adapters import shep
from adapters.manifest import Manifest
from adapters.manifest_soap import ShepTerms
from adapters.secrets import Secret
from adapters.shep import Answer, MessageInfo, MessageType, Sender
from adapters.soap_headers import Occasion
from adapters.soap_meaning import Meanings
from adapters.wsdl import Wsdl, WsdlOperation
from esb.contracts.contract import Contract
from esb.errors import AgencyFault, ContractUnsupported, ContractViolation
from esb.ports import AgencyAnswer
from security import xml
from security.enveloped import EnvelopedSigner
from security.errors import KeyUnavailable
from security.xmldsig import ds

OWN: Final = "urn:esb:shep"
RECEIPT: Final = f"{{{OWN}}}Receipt"
FETCH: Final = f"{{{OWN}}}Fetch"
ANSWER: Final = ".answer"
NOTHING_YET: Final = "NO_MESSAGE"
"""The code of having asked too early, for `interaction`: the gateway itself says it by an empty list."""

_OWN_FILE: Final = "esb-shep.xsd"
_OWN_XSD: Final = f"""\
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="{OWN}">
  <xs:element name="Receipt"><xs:complexType><xs:sequence>
    <xs:element name="messageId" type="xs:string"/><xs:element name="correlationId" type="xs:string"/>
  </xs:sequence></xs:complexType></xs:element>
  <xs:element name="Fetch"><xs:complexType><xs:sequence>
    <xs:element name="correlationId" type="xs:string"/>
  </xs:sequence></xs:complexType></xs:element>
</xs:schema>
""".encode()


def compile_shep(manifest: Manifest, bundle: Mapping[str, bytes]) -> Wsdl:
    """The operations that the manifest names over the elements of the XSD, as a WSDL would give them.

    Raises:
        ContractUnsupported: an element or a service id is missing.
    """
    terms = manifest.shep
    assert terms is not None  # noqa: S101 - asked by the caller; this tells the type checker
    files = {**bundle, _OWN_FILE: _OWN_XSD}
    contract = Contract.from_xsd(files, [manifest.contract.file, _OWN_FILE])
    operations: dict[str, WsdlOperation] = {}
    for name, each in manifest.contract.operations.items():
        if name not in terms.services:
            raise ContractUnsupported(f"shep.services has no service id for {name}")
        request, reply = (_element_of(contract, written, name) for written in (each.request, each.reply))
        if terms.channel == "async":
            operations[name] = _operation(name, request, RECEIPT)
            operations[name + ANSWER] = _operation(name + ANSWER, FETCH, reply)
        else:
            operations[name] = _operation(name, request, reply)
    return Wsdl(operations=operations, contract=contract)


def _operation(name: str, request: str, reply: str) -> WsdlOperation:
    return WsdlOperation(
        name=name,
        soap_version="1.1",
        soap_action="",
        style="document",
        input=request,
        output=reply,
        faults={},
        address="",
    )


def _element_of(contract: Contract, written: str | None, operation: str) -> str:
    named = [each for each in contract.elements if written in {each, each.rpartition("}")[2]}]
    if len(named) != 1:
        known = ", ".join(each for each in contract.elements if not each.startswith(f"{{{OWN}}}"))
        raise ContractUnsupported(f"contract.operations.{operation}: name one element of {known}; not {written}")
    return named[0]


class ShepWrapper:
    """The gateway's envelope around the documents of one operation."""

    def __init__(
        self,
        terms: ShepTerms,
        *,
        operation: str,
        password: Secret | None,
        signer: EnvelopedSigner | None,
        meanings: Meanings,
        agency: str,
    ) -> None:
        """`signer`: where the business document carries a signature of its own; None on a machine without keys."""
        self._terms = terms
        self._fetches = terms.channel == "async" and operation.endswith(ANSWER)
        self._sends = terms.channel == "async" and not self._fetches
        self._operation = operation
        self._service = terms.services[operation.removesuffix(ANSWER) if self._fetches else operation]
        self._password = password
        self._signer = signer
        self._meanings = meanings
        self._agency = agency

    def wrap(self, document: bytes, occasion: Occasion, prefixes: tuple[str, ...]) -> bytes:
        """The Body's element; see `adapters.soap.Wrapper`."""
        info = self._info(occasion)
        if self._fetches:
            key = xml.parse(document).findtext("correlationId") or ""
            return shep.get_messages(_with(info, message_id=None, correlation_id=key))
        as_text = self._terms.data == "text"
        if self._terms.sign_document:
            if self._signer is None:
                raise KeyUnavailable(f"the bus has no key with a certificate to sign documents for {self._agency}")
            document = self._signer.sign(document, inclusive_prefixes=prefixes)
        if self._sends:
            info = _with(info, message_id=None, message_type=MessageType.REQUEST)
            return shep.async_send_message(info, document, as_text=as_text)
        return shep.send_message(info, document, as_text=as_text)

    def unwrap(self, content: bytes) -> bytes | AgencyAnswer:
        """The document of an answer, or what the gateway's status means instead.

        Raises:
            ContractViolation: it is not the gateway's envelope.
            AgencyRejected, AgencyFault: it says that something went wrong, or has no answer yet.
        """
        if self._sends:
            receipt = shep.read_receipt(content)
            return _receipt_document(receipt)
        answer = self._fetched(content) if self._fetches else shep.read_response(content)
        said = self._meanings.of_status(answer.code, answer.message)
        if said is not None:
            return said
        return self._meanings.of_nothing(200) if answer.data is None else _unsigned(answer.data)

    def _fetched(self, content: bytes) -> Answer:
        answers = [each for each in shep.read_messages(content) if each.message_type == MessageType.RESPONSE]
        if not answers:
            raise AgencyFault(
                "there is no answer yet", agency=self._agency, operation=self._operation, agency_code=NOTHING_YET
            )
        if len(answers) > 1:
            raise ContractViolation("the gateway hands out several answers of one chain")
        return Answer(
            message_id=answers[0].message_id,
            correlation_id=answers[0].correlation_id,
            code=shep.SUCCESS,
            message="",
            data=answers[0].data,
        )

    def _info(self, occasion: Occasion) -> MessageInfo:
        password = None if self._password is None else self._password.reveal()
        return MessageInfo(
            message_id=occasion.message_id,
            service_id=self._service,
            date=occasion.now,
            sender=Sender(id=self._terms.sender, password=password),
            route_id=self._terms.route,
            properties=self._terms.properties,
        )


def _with(info: MessageInfo, **changes: object) -> MessageInfo:
    return msgspec.structs.replace(info, **changes)


def _receipt_document(receipt: shep.Receipt) -> bytes:
    text = (
        f'<r:Receipt xmlns:r="{OWN}"><messageId>{shep.escaped(receipt.message_id)}</messageId>'
        f"<correlationId>{shep.escaped(receipt.correlation_id)}</correlationId></r:Receipt>"
    )
    return text.encode()


def _unsigned(document: bytes) -> bytes:
    """The document without a signature of its own, which no contract has to know; it was verified before."""
    root = xml.parse(document, max_bytes=len(document))
    for signature in root.findall(ds("Signature")):
        root.remove(signature)
    return xml.canonical_inclusive(root)
