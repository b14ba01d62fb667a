"""One operation of a REST agency: values, signed request, proof and plain values.

Made by the registry; called by the pipeline in the order of `esb.ports.AgencyOperation`. Numbers with a fraction are
`Decimal` in both directions. Never reads an answer that is not proven, unless the manifest says that the agency does
not sign.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NoReturn

import msgspec

from adapters.endpoint import Endpoint
from adapters.manifest import Authentication, Meaning
from adapters.moment import as_of
from adapters.rest_request import RequestForm
from esb.contracts.json_contract import JsonOperation
from esb.errors import (
    AgencyFault,
    AgencyRejected,
    ContractViolation,
    ReplyInvalid,
    ReplyUnproven,
    RequestUnencodable,
)
from esb.model import AgencyCode, JsonObject
from esb.ports import NO_ORIGIN, AgencyAnswer, Claim, Origin, OutgoingCall, ProvenAnswer, RawAnswer
from security.errors import KeyUnavailable, SecurityError, SignatureMissing
from security.httpsig import HttpSigner, HttpVerifier

_MAX_CODE: Final = 100
_MAX_MESSAGE: Final = 500
_FIRST_ERROR: Final = 400
_SERVER_ERROR: Final = 500

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number", order="sorted")
_DECODER: Final = msgspec.json.Decoder(float_hook=Decimal)


class RestOperation:
    """Implements `esb.ports.AgencyOperation` over HTTP and JSON, by one operation of an OpenAPI document."""

    def __init__(
        self, *, endpoint: Endpoint, operation: JsonOperation, signer: HttpSigner | None, verifier: HttpVerifier
    ) -> None:
        """`signer` None on a machine without keys: the operation loads and lints, and fails closed when called."""
        manifest = endpoint.manifest
        self._endpoint = endpoint
        self._manifest = manifest
        self._agency = manifest.agency
        self._operation = operation
        self._form = RequestForm(operation, base_url=endpoint.url)
        self._destination = endpoint.destination(operation.name)
        self._signs = manifest.authentication is not Authentication.NONE
        self._signer = signer
        self._verifier = verifier
        self._claim_life = timedelta(seconds=manifest.signature.max_age_s + manifest.signature.clock_skew_s)

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
            self._form.refuse_unsendable(values)
        except ContractViolation as error:
            path = (error.path or "").removeprefix("/") or None
            raise RequestUnencodable(error.reason, agency=self._agency, operation=self.name, path=path) from error
        return _ENCODER.encode(values)

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
        call = self._form.fill(_DECODER.decode(document), traceparent=traceparent)
        if not self._signs:
            return call
        if self._signer is None:
            algorithm = self._manifest.signature.algorithm
            raise KeyUnavailable(f"the bus has no {algorithm} key for {self._agency}; make one with `esb keys new`")
        proof = self._signer.sign_request(
            method=call.method, url=call.url, headers=call.headers, body=call.body, now=now
        )
        headers = {**call.headers, **proof}
        return msgspec.structs.replace(call, headers=headers, proof=headers["signature"].encode())

    async def send(self, call: OutgoingCall, *, timeout_s: float) -> RawAnswer:
        """One attempt, no retry; see the port."""
        return await self._endpoint.send(call, self._destination, timeout_s=timeout_s)

    def verify(self, answer: RawAnswer, call: OutgoingCall, *, now: datetime) -> ProvenAnswer:
        """The signed body with its status, which is signed too: a 404 that says "no record" must be the agency's own.

        Raises:
            ReplyUnproven: unsigned, wrongly signed, stale, or the answer to another request.
            ReplyInvalid: an unsigned page that is not JSON at all.
            AgencyFault: an unsigned 5xx; it never came near the agency's application and carries nothing to prove.
        """
        if not self._signs:
            return ProvenAnswer(http_status=answer.http_status, content=answer.body, signed_at=None)
        try:
            verified = self._verifier.verify_response(
                status=answer.http_status,
                headers=answer.headers,
                body=answer.body,
                now=now,
                request_signature=call.proof,
            )
        except SecurityError as error:
            self._refuse(answer, error)
        claim = Claim(key=f"httpsig:{self._agency}:{verified.replay_key.hex()}", expires_at=now + self._claim_life)
        return ProvenAnswer(
            http_status=answer.http_status, content=verified.body, signed_at=verified.signed_at, claims=(claim,)
        )

    def decode(self, answer: ProvenAnswer) -> AgencyAnswer:
        """Plain values of the contract's reply. Not found is a status of the manifest, with the contract's document."""
        document = self._document(answer)
        status = answer.http_status
        if status in self._manifest.not_found_statuses:
            self._validate(status, document)
            return AgencyAnswer(found=False, data={})
        if status >= _FIRST_ERROR:
            return self._of_problem(status, document)
        self._validate(status, document)
        data = {} if document is None else document
        if not isinstance(data, dict):
            self._invalid("document is not a JSON object", None)
        return AgencyAnswer(found=True, data=data, as_of=as_of(data, self._manifest.contract.as_of))

    def _document(self, answer: ProvenAnswer) -> Any:
        if not answer.content:
            return None
        try:
            return _DECODER.decode(answer.content)
        except (msgspec.DecodeError, RecursionError) as error:
            if answer.http_status >= _SERVER_ERROR:
                return None
            self._invalid(f"HTTP {answer.http_status} without JSON", error)

    def _validate(self, status: int, document: Any) -> None:
        try:
            self._operation.validate_reply(status, document)
        except ContractViolation as error:
            self._invalid(error.reason, error, path=error.path)

    def _of_problem(self, status: int, document: Any) -> AgencyAnswer:
        """An error in the agency's words (RFC 9457 or the like), by the manifest's patterns."""
        said = document if isinstance(document, dict) else {}
        codes = [text for name in ("code", "type") if (text := _text(said.get(name)))]
        codes.append(f"HTTP {status}")
        meaning = self._manifest.faults.meaning(codes)
        if meaning is Meaning.NOT_FOUND:
            return AgencyAnswer(found=False, data={})
        kind = AgencyRejected if meaning is Meaning.REJECTED else AgencyFault
        message = _text(said.get("detail")) or _text(said.get("title"))
        raise kind(
            f"HTTP {status}",
            agency=self._agency,
            operation=self.name,
            agency_code=codes[0][:_MAX_CODE],
            agency_message=message[:_MAX_MESSAGE] if message else None,
        )

    # --- refusals ----------------------------------------------------------------------------------------

    def _refuse(self, answer: RawAnswer, error: SecurityError) -> NoReturn:
        status = answer.http_status
        if isinstance(error, SignatureMissing) and "signature" not in answer.headers:
            if status >= _SERVER_ERROR:
                raise AgencyFault(
                    f"HTTP {status}, unsigned", agency=self._agency, operation=self.name, agency_code=f"HTTP {status}"
                ) from error
            if "json" not in answer.headers.get("content-type", "").lower():
                self._invalid(f"HTTP {status} without JSON", error)
        raise ReplyUnproven(error.reason, agency=self._agency, operation=self.name) from error

    def _invalid(self, reason: str, error: Exception | None, *, path: str | None = None) -> NoReturn:
        raise ReplyInvalid(reason, agency=self._agency, operation=self.name, path=path) from error


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
