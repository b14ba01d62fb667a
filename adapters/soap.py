"""One operation of a SOAP agency: document, signed envelope, proof and plain values.

Made by the registry; called by the pipeline in the order of `esb.ports.AgencyOperation`. All that can be decided at
load is: contract, headers, destination. Never reads a byte of a reply that the agency's signature does not cover,
unless the manifest says that the agency does not sign.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NoReturn

from adapters.endpoint import Endpoint
from adapters.manifest import Authentication, Meaning
from adapters.moment import as_of
from adapters.soap_fault import SoapFault, looks_like_fault, read_fault
from adapters.wsdl import WsdlOperation
from esb.contracts.contract import Contract
from esb.errors import (
    AgencyFault,
    AgencyRejected,
    ContractUnsupported,
    ContractViolation,
    ReplyInvalid,
    ReplyUnproven,
    RequestUnencodable,
)
from esb.model import AgencyCode, JsonObject
from esb.ports import NO_ORIGIN, AgencyAnswer, Claim, Origin, OutgoingCall, ProvenAnswer, RawAnswer
from security import xml
from security.errors import KeyUnavailable, SecurityError, XmlRefused
from security.wsse import SoapVersion, WsseSigner, WsseVerifier


class SoapOperation:
    """Implements `esb.ports.AgencyOperation` over SOAP 1.1 or 1.2, document/literal."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        operation: WsdlOperation,
        contract: Contract,
        signer: WsseSigner | None,
        verifier: WsseVerifier,
    ) -> None:
        """`signer` None on a machine without keys: the operation loads and lints, and fails closed when called."""
        _refuse_unspoken(operation)
        manifest = endpoint.manifest
        self._endpoint = endpoint
        self._manifest = manifest
        self._agency = manifest.agency
        self._name = operation.name
        self._version = SoapVersion(operation.soap_version)
        self._headers = _headers(self._version, operation.soap_action)
        self._destination = endpoint.destination(operation.name)
        self._encoder = contract.encoder(operation.input)
        self._decoder = contract.decoder(operation.output)
        self._signs = manifest.authentication is not Authentication.NONE
        self._signer = signer
        self._verifier = verifier
        self._as_of = manifest.contract.as_of
        self._claim_life = timedelta(seconds=manifest.signature.max_age_s + manifest.signature.clock_skew_s)

    @property
    def agency(self) -> AgencyCode:
        """Owner of the system."""
        return self._agency

    @property
    def name(self) -> str:
        """The operation's name in the WSDL."""
        return self._name

    def encode(self, values: JsonObject) -> bytes:
        """The canonical, validated child of the Body."""
        try:
            return self._encoder.encode(values)
        except ContractViolation as error:
            raise RequestUnencodable(
                error.reason, agency=self._agency, operation=self._name, path=error.path
            ) from error

    def sign(
        self,
        document: bytes,
        *,
        message_id: str,  # noqa: ARG002 - the contract has no place for it
        traceparent: str | None,
        now: datetime,
        origin: Origin = NO_ORIGIN,  # noqa: ARG002 - nor for this
    ) -> OutgoingCall:
        """The signed envelope. Raises KeyUnavailable; AgencyPaused when the agency must not be called now."""
        self._endpoint.refuse_when_paused(now)
        envelope, proof = self._sealed(document, now)
        headers = self._headers if traceparent is None else {**self._headers, "traceparent": traceparent}
        return OutgoingCall(method="POST", url=self._endpoint.url, headers=headers, body=envelope, proof=proof)

    async def send(self, call: OutgoingCall, *, timeout_s: float) -> RawAnswer:
        """One attempt, no retry; see the port."""
        return await self._endpoint.send(call, self._destination, timeout_s=timeout_s)

    def verify(self, answer: RawAnswer, call: OutgoingCall, *, now: datetime) -> ProvenAnswer:
        """The signed child of the Body, whatever the HTTP status: that is not signed, and a signed fault is an answer.

        Raises:
            ReplyUnproven: unsigned, wrongly signed, stale, or the answer to another request.
            ReplyInvalid: not SOAP at all.
            AgencyFault: a 5xx that never came near the agency's application; it carries nothing to prove.
        """
        if not self._signs:
            return ProvenAnswer(http_status=answer.http_status, content=self._body_of(answer), signed_at=None)
        try:
            verified = self._verifier.verify(answer.body, now=now, confirms=call.proof)
        except XmlRefused as error:
            self._not_soap(answer, error)
        except SecurityError as error:
            raise ReplyUnproven(error.reason, agency=self._agency, operation=self._name) from error
        claim = Claim(key=f"wsse:{self._agency}:{verified.replay_key.hex()}", expires_at=now + self._claim_life)
        return ProvenAnswer(
            http_status=answer.http_status, content=verified.content, signed_at=verified.signed_at, claims=(claim,)
        )

    def decode(self, answer: ProvenAnswer) -> AgencyAnswer:
        """Plain values of the contract's reply; the proven bytes are parsed once."""
        if looks_like_fault(answer.content):
            fault = read_fault(answer.content, self._version)
            if fault is not None:
                return self._of_fault(fault)
        try:
            data = self._decoder.decode(answer.content)
        except (ContractViolation, XmlRefused) as error:
            self._invalid(error.reason, error, path=getattr(error, "path", None))
        return AgencyAnswer(found=True, data=data, as_of=as_of(data, self._as_of))

    # --- proof -------------------------------------------------------------------------------------------

    def _sealed(self, document: bytes, now: datetime) -> tuple[bytes, bytes]:
        if not self._signs:
            return _plain_envelope(document, self._version), b""
        if self._signer is None:
            algorithm = self._manifest.signature.algorithm
            raise KeyUnavailable(f"the bus has no {algorithm} key for {self._agency}; make one with `esb keys new`")
        signed = self._signer.sign(document, now=now)
        return signed.envelope, signed.signature_value

    def _body_of(self, answer: RawAnswer) -> bytes:
        try:
            return _unsigned_content(answer.body, self._version)
        except XmlRefused as error:
            self._not_soap(answer, error)

    def _not_soap(self, answer: RawAnswer, error: XmlRefused) -> NoReturn:
        status = answer.http_status
        if status >= 500:  # noqa: PLR2004 - server errors, RFC 9110 section 15.6
            # A proxy before the agency speaks, or its server died: no statement about anybody, so nothing to prove.
            raise AgencyFault(
                f"HTTP {status} without SOAP", agency=self._agency, operation=self._name, agency_code=f"HTTP {status}"
            ) from error
        self._invalid(f"HTTP {status} without SOAP {self._version}: {error.reason}", error)

    def _invalid(self, reason: str, error: Exception | None, *, path: str | None = None) -> NoReturn:
        raise ReplyInvalid(reason, agency=self._agency, operation=self._name, path=path) from error

    # --- faults ------------------------------------------------------------------------------------------

    def _of_fault(self, fault: SoapFault) -> AgencyAnswer:
        meaning = self._manifest.faults.meaning(fault.codes)
        if meaning is Meaning.NOT_FOUND:
            return AgencyAnswer(found=False, data={})
        kind = AgencyRejected if meaning is Meaning.REJECTED else AgencyFault
        raise kind(
            "SOAP fault",
            agency=self._agency,
            operation=self._name,
            agency_code=fault.code,
            agency_message=fault.message,
        )


def _refuse_unspoken(operation: WsdlOperation) -> None:
    """Raise ContractUnsupported for what the WSDL asks of the wire and this adapter would send in another form."""
    asked = {
        "is one-way": operation.one_way,
        "is SOAP-encoded": operation.encoded,
        "has a body that is not one element": operation.input_spread or operation.output_spread,
        "sends attachments": bool(operation.input_attachments or operation.output_attachments),
        "requires MTOM": operation.mtom == "required",
        "requires a SOAP header": any(header.required for header in operation.input_headers),
        "requires WS-Addressing": operation.addressing is not None and operation.addressing.demand == "required",
    }
    for what, true in asked.items():
        if true:
            raise ContractUnsupported(f"operation {operation.name} {what}, which is not called yet")


def _headers(version: SoapVersion, action: str) -> dict[str, str]:
    if version is SoapVersion.SOAP11:
        # SOAP 1.1 section 6.1.1: the header must be there and its value is quoted, even when it is empty.
        return {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{action}"'}
    parameter = f'; action="{action}"' if action else ""
    return {"Content-Type": f"application/soap+xml; charset=utf-8{parameter}"}


def _plain_envelope(document: bytes, version: SoapVersion) -> bytes:
    namespace = version.namespace.encode()
    return b'<s:Envelope xmlns:s="%s"><s:Body>%s</s:Body></s:Envelope>' % (namespace, document)


def _unsigned_content(envelope: bytes, version: SoapVersion) -> bytes:
    """The canonical child of the Body. Raises XmlRefused when this is not such an envelope."""
    root = xml.parse(envelope)
    body = root.find(f"{{{version.namespace}}}Body")
    children = [] if body is None else [child for child in body if isinstance(child.tag, str)]
    if root.tag != f"{{{version.namespace}}}Envelope" or len(children) != 1:
        raise XmlRefused("not a SOAP envelope of this version with one element in its body")
    return xml.canonical(children[0])
