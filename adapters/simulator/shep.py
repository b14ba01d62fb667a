"""The gateway before a simulated agency: its envelope around the agency's documents, and answers that wait there."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Final

from adapters import shep
from adapters.manifest_soap import ShepTerms
from adapters.secrets import AgencySecrets
from adapters.shep import MessageInfo, MessageType, Receipt, Sender
from adapters.shep_operations import ANSWER
from adapters.simulator.dialect import Refusal
from security import xml
from security.errors import KeyUnavailable
from security.xmldsig import ds

MESSAGE_ID: Final = "00000000-0000-0000-0000-000000000000"
"""Stands in drafts for the id of a request that is not known yet."""


class ShepGateway:
    """One agency's. Answers that nobody fetched are lost when it stops."""

    def __init__(self, terms: ShepTerms, secrets: AgencySecrets | None) -> None:
        """`secrets` None: no password is checked (golden cases)."""
        self._terms = terms
        self._operations = {service: operation for operation, service in terms.services.items()}
        self._password = None
        if terms.password and secrets is not None:
            self._password = secrets.secret(terms.password)
        self._answers: dict[str, bytes] = {}
        self.is_async = terms.channel == "async"

    def read(self, content: bytes, proof: bytes) -> tuple[str, bytes, str]:
        """Operation, document and message id of a request; of who fetches an answer the correlation id.

        Raises:
            ContractViolation: not the gateway's envelope. Refusal: an unknown service or sender.
        """
        if self.is_async and content.startswith(b"<shep:getMessages"):
            service, correlation_id = shep.read_wanted(content)
            return self._operation_of(service, proof) + ANSWER, b"", correlation_id
        info, document = (shep.read_async_request if self.is_async else shep.read_request)(content)
        self._check(info, proof)
        return self._operation_of(info.service_id, proof), _unsigned(document), info.message_id or ""

    def answered(self, document: bytes) -> bytes:
        """The envelope around an answer; for the asynchronous channel the receipt, and the answer waits."""
        if not self.is_async:
            return shep.send_message_response(self._info(MESSAGE_ID), document, as_text=self._as_text)
        receipt = Receipt(message_id=str(uuid.uuid4()), correlation_id=str(uuid.uuid4()))
        self._answers[receipt.correlation_id] = document
        return shep.async_receipt(receipt, now=datetime.now(UTC))

    def nothing(self, code: str, message: str) -> bytes:
        """An answer without a document."""
        info = self._info(MESSAGE_ID)
        return shep.send_message_response(info, None, as_text=self._as_text, code=code, message=message)

    def fetched(self, correlation_id: str) -> bytes:
        """What waits under this id, again and again: nobody has acknowledged it."""
        document = self._answers.get(correlation_id)
        info = self._info(str(uuid.uuid4()))
        found = [] if document is None else [(_answering(info, correlation_id), document)]
        return shep.messages(found, as_text=self._as_text, now=datetime.now(UTC))

    @property
    def _as_text(self) -> bool:
        return self._terms.data == "text"

    def _operation_of(self, service: str, proof: bytes) -> str:
        if service not in self._operations:
            raise Refusal("Client.Service", "no such service", proof=proof)
        return self._operations[service]

    def _check(self, info: MessageInfo, proof: bytes) -> None:
        wanted = None
        try:
            wanted = None if self._password is None else self._password.reveal()
        except KeyUnavailable as error:
            raise Refusal("Server", error.reason, proof=proof) from error
        if info.sender.id != self._terms.sender or info.sender.password != wanted:
            raise Refusal("Client.Sender", "sender or password is wrong", proof=proof)

    def _info(self, message_id: str) -> MessageInfo:
        return MessageInfo(
            message_id=message_id,
            service_id=next(iter(self._operations)),
            date=datetime.now(UTC),
            sender=Sender(id=self._terms.sender),
        )


def _answering(info: MessageInfo, correlation_id: str) -> MessageInfo:
    return MessageInfo(
        message_id=info.message_id,
        correlation_id=correlation_id,
        message_type=MessageType.RESPONSE,
        service_id=info.service_id,
        date=info.date,
        sender=info.sender,
    )


def _unsigned(document: bytes) -> bytes:
    """The document without the sender's own signature."""
    root = xml.parse(document, max_bytes=len(document))
    for signature in root.findall(ds("Signature")):
        root.remove(signature)
    return xml.canonical(root)
