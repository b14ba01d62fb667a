"""One operation of a REST or XML agency: values, signed request, proof and plain values.

Made by the registry; called by the pipeline in the order of `esb.ports.AgencyOperation`. Numbers with a fraction are
`Decimal` in both directions. Never reads an answer that is not proven, unless the manifest says that the agency does
not sign.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NoReturn

from adapters.absence import NOTHING, says_absent
from adapters.agency_words import Words, WordsReader
from adapters.endpoint import Endpoint
from adapters.http_proof import HttpProof
from adapters.manifest import Meaning
from adapters.moment import as_of
from adapters.rest_request import RequestForm
from esb.contracts.documents import ANY_XML, Findings, read_json
from esb.contracts.json_operation import JsonOperation, JsonResponse, plain_reply
from esb.contracts.openapi_xml import read_any_document
from esb.errors import (
    AgencyFault,
    AgencyRejected,
    ContractViolation,
    ReplyInvalid,
    ReplyUnproven,
    RequestUnencodable,
)
from esb.model import AgencyCode, JsonObject
from esb.ports import NO_ORIGIN, AgencyAnswer, Origin, OutgoingCall, ProvenAnswer, RawAnswer
from security.errors import SecurityError, SignatureMissing, XmlRefused

_FIRST_ERROR: Final = 400
_SERVER_ERROR: Final = 500


class RestOperation:
    """Implements `esb.ports.AgencyOperation` over plain HTTP, by one operation of an OpenAPI document or an XSD."""

    def __init__(self, *, endpoint: Endpoint, operation: JsonOperation, proof: HttpProof) -> None:
        """`proof` without keys: the operation loads and lints, and fails closed when called."""
        manifest = endpoint.manifest
        self._endpoint = endpoint
        self._manifest = manifest
        self._agency = manifest.agency
        self._operation = operation
        self._form = RequestForm(operation, base_url=endpoint.url)
        self._destination = endpoint.destination(operation.name)
        self._proof = proof
        self._words = WordsReader(manifest.faults)
        self._absences = manifest.not_found_answers
        self._lax = manifest.validation == "lax"

    @property
    def agency(self) -> AgencyCode:
        """Owner of the system."""
        return self._agency

    @property
    def name(self) -> str:
        """The operation's `operationId`."""
        return self._operation.name

    def encode(self, values: JsonObject) -> bytes:
        """The values (parameters by name, the request document under `body`) as canonical JSON, validated."""
        try:
            self._operation.validate_request(values)
            return self._form.pack(values)
        except ContractViolation as error:
            path = (error.path or "").removeprefix("/") or None
            raise RequestUnencodable(error.reason, agency=self._agency, operation=self.name, path=path) from error

    def sign(
        self,
        document: bytes,
        *,
        message_id: str,  # noqa: ARG002 - the contract has no place for it
        traceparent: str | None,
        now: datetime,
        origin: Origin = NO_ORIGIN,  # noqa: ARG002 - nor for this
    ) -> OutgoingCall:
        """The signed request. Raises KeyUnavailable; AgencyPaused when the agency must not be called now."""
        self._endpoint.refuse_when_paused(now)
        return self._proof.sign(self._form.fill(document, traceparent=traceparent), now=now)

    async def send(self, call: OutgoingCall, *, timeout_s: float) -> RawAnswer:
        """One attempt, no retry; see the port."""
        return await self._endpoint.send(call, self._destination, timeout_s=timeout_s)

    def verify(self, answer: RawAnswer, call: OutgoingCall, *, now: datetime) -> ProvenAnswer:
        """The signed body with its status, which is signed too: a 404 that says "no record" must be the agency's own.

        Raises:
            ReplyUnproven: unsigned, wrongly signed, stale, or the answer to another request.
            ReplyInvalid: an unsigned page that is not of the contract's protocol at all.
            AgencyFault: an unsigned 5xx; it never came near the agency's application and carries nothing to prove.
        """
        try:
            return self._proof.verify(answer, call, now=now)
        except XmlRefused as error:
            self._unreadable(answer.http_status, error)
        except SecurityError as error:
            self._refuse(answer, error)

    def decode(self, answer: ProvenAnswer) -> AgencyAnswer:
        """Plain values of the contract's reply, or that there is no record, in whichever way the manifest knows."""
        status = answer.http_status
        if status in self._manifest.not_found_statuses:
            self._check_absence(answer)
            return AgencyAnswer(found=False, data={})
        if status >= _FIRST_ERROR:
            return self._of_problem(answer)
        if self._manifest.faults.success and (said := self._in_body(answer)) is not None:
            return said
        if self._absences and says_absent(self._said(answer) if answer.content else NOTHING, self._absences):
            # Before the contract is asked: an agency that says "no record" with a null seldom declares it.
            return AgencyAnswer(found=False, data={})
        document, findings = self._read(answer)
        if self._absences and says_absent(document, self._absences):
            return AgencyAnswer(found=False, data={}, findings=findings)
        data = {} if document is NOTHING else plain_reply(document)
        return AgencyAnswer(found=True, data=data, as_of=as_of(data, self._manifest.contract.as_of), findings=findings)

    # --- documents ---------------------------------------------------------------------------------------

    def _read(self, answer: ProvenAnswer) -> tuple[Any, Findings]:
        """The contract's document for the status; NOTHING where it has none."""
        try:
            response = self._operation.response(answer.http_status)
            if not response.forms:
                return self._undescribed(answer), ()
            return response.read(answer.content, answer.content_type, lax=self._lax)
        except ContractViolation as error:
            self._invalid(error.reason, error, path=error.path)

    def _undescribed(self, answer: ProvenAnswer) -> Any:
        """What came where the contract describes nothing: kept where it is JSON, and nothing else is data."""
        if not answer.content.strip():
            return NOTHING
        return read_json(answer.content)

    def _check_absence(self, answer: ProvenAnswer) -> None:
        """A status that means "no record" comes with the contract's document, or with what no page of a proxy is."""
        try:
            described: JsonResponse | None = self._operation.response(answer.http_status)
        except ContractViolation:
            described = None
        if described is not None and described.forms:
            self._read(answer)
        elif answer.content.strip() and self._said(answer) is NOTHING:
            self._invalid(f"HTTP {answer.http_status} with a document that nothing describes", None)

    def _said(self, answer: ProvenAnswer) -> Any:
        """Whatever the agency says with an error, in plain data; NOTHING where it cannot be read."""
        try:
            if ANY_XML.fullmatch((answer.content_type or "").partition(";")[0].strip()) or answer.content[:1] == b"<":
                return read_any_document(answer.content)
            return read_json(answer.content)
        except ContractViolation:
            return NOTHING

    def _of_problem(self, answer: ProvenAnswer) -> AgencyAnswer:
        """An answer of error. A 4xx that is not in the contract's protocol says nothing about the question."""
        status, said = answer.http_status, self._said(answer)
        if said is NOTHING and answer.content and status < _SERVER_ERROR:
            self._invalid(f"HTTP {status} without JSON or XML", None)
        return self._of_words(self._words.read(said), f"HTTP {status}")

    def _in_body(self, answer: ProvenAnswer) -> AgencyAnswer | None:
        """What a code in an answer of success means, where it does not just mean success."""
        said = self._said(answer)
        code = self._words.code(said)
        if code is None or self._manifest.faults.is_success(code):
            return None
        return self._of_words(self._words.read(said), f"HTTP {answer.http_status} with a code")

    def _of_words(self, words: Words, reason: str) -> AgencyAnswer:
        """An error in the agency's words, by the manifest's patterns."""
        codes = (*words.codes, reason)
        meaning = self._manifest.faults.meaning((*codes, *words.causes))
        if meaning is Meaning.NOT_FOUND:
            return AgencyAnswer(found=False, data={})
        kind = AgencyRejected if meaning is Meaning.REJECTED else AgencyFault
        raise kind(
            reason,
            agency=self._agency,
            operation=self.name,
            agency_code=codes[0],
            agency_message=words.message,
            causes=words.causes,
        )

    # --- refusals ----------------------------------------------------------------------------------------

    def _refuse(self, answer: RawAnswer, error: SecurityError) -> NoReturn:
        status = answer.http_status
        if isinstance(error, SignatureMissing) and "signature" not in answer.headers:
            if status >= _SERVER_ERROR:
                raise AgencyFault(
                    f"HTTP {status}, unsigned", agency=self._agency, operation=self.name, agency_code=f"HTTP {status}"
                ) from error
            if not _is_document(answer.headers.get("content-type", "")):
                self._invalid(f"HTTP {status} without JSON or XML", error)
        raise ReplyUnproven(error.reason, agency=self._agency, operation=self.name) from error

    def _unreadable(self, status: int, error: XmlRefused) -> NoReturn:
        if status >= _SERVER_ERROR:
            raise AgencyFault(
                f"HTTP {status}, unreadable", agency=self._agency, operation=self.name, agency_code=f"HTTP {status}"
            ) from error
        self._invalid(f"HTTP {status}: {error.reason}", error)

    def _invalid(self, reason: str, error: Exception | None, *, path: str | None = None) -> NoReturn:
        raise ReplyInvalid(reason, agency=self._agency, operation=self.name, path=path) from error


def _is_document(content_type: str) -> bool:
    plain = content_type.partition(";")[0].strip().lower()
    return "json" in plain or ANY_XML.fullmatch(plain) is not None
