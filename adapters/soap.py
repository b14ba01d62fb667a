"""One operation of a SOAP agency: document, proven envelope, proof of the reply and plain values.

Made by `adapters/soap_compilation.py`; called by the pipeline in the order of `esb.ports.AgencyOperation`. All that can
be decided at load is: contract, headers, destination. Never reads a byte of a reply that the agency's signature does
not cover, unless the manifest says that the agency does not sign.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, NoReturn, Protocol

from adapters import attachments
from adapters import contract_headers as headers_of
from adapters.attachments import Packing
from adapters.contract_headers import ReplyHeaders, RequestHeaders
from adapters.endpoint import Endpoint
from adapters.inner_signature import InnerSignature
from adapters.moment import as_of
from adapters.multipart import Part, is_multipart
from adapters.soap_body import ONE_ELEMENT, BodyForm, body_of, value_prefixes
from adapters.soap_envelope import Opened, RequestParts, divided, http_headers, open_unsigned, plain_envelope
from adapters.soap_fault import looks_like_fault, read_fault
from adapters.soap_headers import AnswerRefused, Occasion, SoapHeaders, Written
from adapters.soap_meaning import Meanings
from adapters.soap_proof import believes, secures, signs
from adapters.wsdl import WsdlOperation
from esb.contracts.contract import Contract
from esb.errors import AgencyFault, ContractViolation, ReplyInvalid, ReplyUnproven, RequestUnencodable
from esb.model import AgencyCode, JsonObject
from esb.ports import NO_ORIGIN, AgencyAnswer, Claim, Evidence, Origin, OutgoingCall, ProvenAnswer, RawAnswer
from security import xml
from security.encodings import in_utf8
from security.errors import KeyUnavailable, SecurityError, XmlRefused
from security.wsse import SoapVersion, VerifiedBody, WsseSigner, WsseVerifier

_UNDATED_CLAIM: Final = timedelta(days=3650)
"""A reply without time never goes stale, so that its signature is remembered for as long as exchanges are."""

_TAKEN: Final = frozenset({200, 202, 204})
"""What a server says to a one-way message that it took (WS-I Basic Profile 1.1, R1124)."""


class Wrapper(Protocol):
    """A gateway's own envelope between the Body and the contract's element."""

    def wrap(self, document: bytes, occasion: Occasion, prefixes: tuple[str, ...]) -> bytes:
        """The Body's element; `prefixes` stay bound, as values of the document use them. Raises KeyUnavailable."""
        ...

    def unwrap(self, content: bytes) -> bytes | AgencyAnswer:
        """The contract's element, or what the gateway says instead.

        Raises:
            ContractViolation: it is not the gateway's envelope.
            AgencyRejected, AgencyFault: it says that something went wrong.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What an operation's messages are beside the element of the contract; made at load.

    `missing`: why requests cannot be secured on this machine.
    """

    body: BodyForm = ONE_ELEMENT
    headers: SoapHeaders | None = None
    request_headers: RequestHeaders | None = None
    reply_headers: ReplyHeaders | None = None
    packing: Packing | None = None
    inner: InnerSignature | None = None
    wrapper: Wrapper | None = None
    missing: str = ""


PLAIN_ENVELOPE: Final = Envelope()


class SoapOperation:
    """Implements `esb.ports.AgencyOperation` over SOAP 1.1 or 1.2."""

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        operation: WsdlOperation,
        contract: Contract,
        signer: WsseSigner | None,
        verifier: WsseVerifier,
        envelope: Envelope = PLAIN_ENVELOPE,
    ) -> None:
        """`signer` None on a machine without keys: the operation loads and lints, and fails closed when called."""
        manifest = endpoint.manifest
        self._endpoint = endpoint
        self._manifest = manifest
        self._agency = manifest.agency
        self._name = operation.name
        self._version = SoapVersion(operation.soap_version)
        self._headers = http_headers(self._version, operation.soap_action)
        self._destination = endpoint.destination(operation.name)
        self._encoder = contract.encoder(operation.input)
        self._decoder = contract.decoder(operation.output, lax=manifest.validation == "lax")
        self._one_way = operation.one_way
        self._secures = secures(manifest)
        self._signs = signs(manifest)
        self._believes = believes(manifest)
        self._has_parts = envelope.request_headers is not None or envelope.packing is not None
        self._is_plain = envelope == Envelope(missing=envelope.missing)
        self._signer = signer
        self._verifier = verifier
        self._envelope = envelope
        self._reply_blocks = envelope.headers or SoapHeaders(self._version, (), sign_read=False)
        self._meanings = Meanings(manifest, operation.name)
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
        """The canonical, validated child of the Body; with headers and attachments, where the operation has them."""
        try:
            if self._has_parts:
                return self._encoded_parts(values)
            return self._encoder.encode(values)
        except ContractViolation as error:
            raise RequestUnencodable(
                error.reason, agency=self._agency, operation=self._name, path=error.path
            ) from error

    def sign(
        self,
        document: bytes,
        *,
        message_id: str,
        traceparent: str | None,
        now: datetime,
        origin: Origin = NO_ORIGIN,
    ) -> OutgoingCall:
        """The secured envelope. Raises KeyUnavailable; AgencyPaused when the agency must not be called now."""
        self._endpoint.refuse_when_paused(now)
        headers = self._headers if traceparent is None else {**self._headers, "traceparent": traceparent}
        if self._is_plain:
            prefixes = self._encoder.inclusive_prefixes(document)
            envelope, proof = self._sealed(document, _NO_BLOCKS, now, prefixes)
            return OutgoingCall(method="POST", url=self._endpoint.url, headers=headers, body=envelope, proof=proof)
        occasion = Occasion(message_id=message_id, origin=origin, url=self._endpoint.url, now=now)
        return self._call(divided(document), occasion, headers)

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
        status = answer.http_status
        if not answer.body and self._is_said_by_nothing(status):
            return ProvenAnswer(http_status=status, content=b"", signed_at=None)
        content_type = answer.headers.get("content-type", "")
        envelope, parts = self._unpacked(content_type, answer.body)
        try:
            came = self._opened(envelope if parts is not _NO_PARTS else in_utf8(envelope, content_type), call, now)
        except XmlRefused as error:
            if self._believes and status in self._manifest.not_found_statuses:
                return ProvenAnswer(http_status=status, content=b"", signed_at=None)
            self._not_soap(status, error)
        except SecurityError as error:
            raise ReplyUnproven(error.reason, agency=self._agency, operation=self._name) from error
        self._check_headers(came, call)
        if self._is_plain and not parts:
            return ProvenAnswer(http_status=status, content=came.content, signed_at=came.signed_at, claims=came.claims)
        content, attached = self._attached(came.content, parts)
        return ProvenAnswer(
            http_status=status,
            content=content,
            signed_at=came.signed_at,
            claims=came.claims,
            headers=came.plain_blocks if self._believes else came.signed_blocks,
            evidence=self._evidence(came.envelope, now),
            attachments=attached,
        )

    def decode(self, answer: ProvenAnswer) -> AgencyAnswer:
        """Plain values of the contract's reply; the proven bytes are parsed once."""
        content = answer.content
        if not content:
            return self._meanings.of_nothing(answer.http_status)
        try:
            if self._envelope.body.whole:
                content = self._contracted(content)
            if looks_like_fault(content):
                fault = read_fault(content, self._version)
                if fault is not None:
                    return self._meanings.of_fault(fault)
            if self._envelope.wrapper is not None:
                unwrapped = self._envelope.wrapper.unwrap(content)
                if isinstance(unwrapped, AgencyAnswer):
                    return unwrapped
                content = unwrapped
            said = self._meanings.of_code(content)
            if said is not None:
                return said
            data, findings = self._decoder.decode_lax(content)
            values = self._values_beside(answer)
        except (ContractViolation, XmlRefused) as error:
            self._invalid(error.reason, error, path=getattr(error, "path", None))
        moment = as_of(data, self._as_of)
        found = tuple(map(str, findings))
        return self._meanings.of_data({**data, **values} if values else data, moment, found)

    # --- request -----------------------------------------------------------------------------------------

    def _encoded_parts(self, values: JsonObject) -> bytes:
        own = {name: value for name, value in values.items() if name not in _BESIDE}
        packing, request_headers = self._envelope.packing, self._envelope.request_headers
        attached = values.get(attachments.KEY, {})
        if packing is not None:
            packing.request.write(attached)  # refuses now what could not be sent
        elif attached:
            raise ContractViolation("the operation has no attachments", path=attachments.KEY)
        blocks = () if request_headers is None else request_headers.encode(values.get(headers_of.KEY, {}))
        return RequestParts(content=self._encoder.encode(own), blocks=tuple(blocks), attachments=attached).joined()

    def _call(self, request: RequestParts, occasion: Occasion, headers: dict[str, str]) -> OutgoingCall:
        form = self._envelope
        written = _NO_BLOCKS if form.headers is None else form.headers.write(occasion, request.blocks)
        content, parts = request.content, list[Part]()
        if form.packing is not None:
            content, parts = form.packing.take_out(content, request.attachments)
        if form.wrapper is None:
            inside = form.body.write(content)
            prefixes = form.body.prefixes(inside) or self._encoder.inclusive_prefixes(content)
        else:
            inside = form.wrapper.wrap(content, occasion, self._encoder.inclusive_prefixes(content))
            prefixes = value_prefixes(inside)
        envelope, proof = self._sealed(inside, written, occasion.now, prefixes)
        packed = None if form.packing is None else form.packing.pack(envelope, parts)
        if packed is not None:
            headers = {**headers, "Content-Type": packed[0]}
        return OutgoingCall(
            method="POST",
            url=self._endpoint.url,
            headers=headers,
            body=envelope if packed is None else packed[1],
            proof=proof,
            envelope=envelope,
            blocks=written.all,
        )

    def _sealed(self, content: bytes, blocks: Written, now: datetime, prefixes: tuple[str, ...]) -> tuple[bytes, bytes]:
        if not self._secures:
            return plain_envelope(content, self._version, blocks.all), b""
        if self._signer is None:
            algorithm = self._manifest.signature.algorithm
            advice = f"the bus has no {algorithm} key for {self._agency}; make one with `esb keys new`"
            raise KeyUnavailable(self._envelope.missing or advice)
        signed = self._signer.sign(
            content,
            now=now,
            header_blocks=blocks.signed,
            plain_blocks=blocks.plain,
            inclusive_prefixes=prefixes,
        )
        return signed.envelope, signed.signature_value

    # --- proof -------------------------------------------------------------------------------------------

    def _is_said_by_nothing(self, http_status: int) -> bool:
        """Whether an answer without a body says something that needs no proof."""
        if self._one_way and http_status in _TAKEN:
            return True
        return self._believes and self._meanings.expects_nothing(http_status)

    def _opened(self, envelope: bytes, call: OutgoingCall, now: datetime) -> Opened:
        if self._believes:
            return open_unsigned(envelope, self._version, whole=self._envelope.body.whole)
        verified = self._verifier.verify(envelope, now=now, confirms=call.proof if self._signs else None)
        return Opened(
            content=verified.content,
            envelope=verified.envelope,
            signed_at=verified.signed_at,
            claims=(self._claim(verified, now),),
            signed_blocks=verified.header_blocks,
            plain_blocks=verified.plain_blocks,
        )

    def _claim(self, verified: VerifiedBody, now: datetime) -> Claim:
        life = self._claim_life if verified.signed_at is not None else _UNDATED_CLAIM
        return Claim(key=f"wsse:{self._agency}:{verified.replay_key.hex()}", expires_at=now + life)

    def _unpacked(self, content_type: str, body: bytes) -> tuple[bytes, Mapping[str, Part]]:
        if not is_multipart(content_type):
            return body, _NO_PARTS
        try:
            return attachments.opened(content_type, body)
        except (ContractViolation, XmlRefused) as error:
            self._invalid(error.reason, error)

    def _attached(self, content: bytes, parts: Mapping[str, Part]) -> tuple[bytes, dict[str, str]]:
        packing = self._envelope.packing
        if not parts and (packing is None or not packing.beside):
            return content, {}
        if packing is None or not self._believes:
            self._unproven("the reply's attachments are covered by no signature")
        try:
            return packing.put_in(content, parts)
        except (ContractViolation, XmlRefused) as error:
            self._invalid(error.reason, error)

    def _check_headers(self, came: Opened, call: OutgoingCall) -> None:
        if self._envelope.headers is None and not came.signed_blocks and not came.plain_blocks:
            return
        try:
            self._reply_blocks.check(
                sent=call.blocks, signed=came.signed_blocks, plain=came.plain_blocks, envelope=call.envelope
            )
        except AnswerRefused as error:
            if error.proof:
                self._unproven(error.reason, error)
            self._invalid(error.reason, error)

    def _evidence(self, envelope: bytes, now: datetime) -> tuple[Evidence, ...]:
        if self._envelope.inner is None:
            return ()
        try:
            return self._envelope.inner.evidence(envelope, self._version.namespace, now=now)
        except SecurityError as error:
            self._unproven(error.reason, error)

    # --- reply -------------------------------------------------------------------------------------------

    def _contracted(self, content: bytes) -> bytes:
        """The contract's element, or a fault, out of a Body; a lone child stands for itself."""
        body = body_of(content, self._version.namespace)
        if body is None:
            return content
        if len(body) == 1 and body[0].tag == f"{{{self._version.namespace}}}Fault":
            return xml.canonical(body[0])
        return self._envelope.body.read(body)

    def _values_beside(self, answer: ProvenAnswer) -> dict[str, Any]:
        values: dict[str, Any] = {}
        if self._envelope.reply_headers is not None:
            values[headers_of.KEY] = self._envelope.reply_headers.decode(answer.headers)
        if answer.attachments:
            values[attachments.KEY] = answer.attachments
        return values

    # --- refusals ----------------------------------------------------------------------------------------

    def _not_soap(self, status: int, error: XmlRefused) -> NoReturn:
        if status >= 500:  # noqa: PLR2004 - server errors, RFC 9110 section 15.6
            # A proxy before the agency speaks, or its server died: no statement about anybody, so nothing to prove.
            raise AgencyFault(
                f"HTTP {status} without SOAP", agency=self._agency, operation=self._name, agency_code=f"HTTP {status}"
            ) from error
        self._invalid(f"HTTP {status} without SOAP {self._version}: {error.reason}", error)

    def _invalid(self, reason: str, error: Exception | None, *, path: str | None = None) -> NoReturn:
        raise ReplyInvalid(reason, agency=self._agency, operation=self._name, path=path) from error

    def _unproven(self, reason: str, error: Exception | None = None) -> NoReturn:
        raise ReplyUnproven(reason, agency=self._agency, operation=self._name) from error


_BESIDE: Final = frozenset({headers_of.KEY, attachments.KEY})
_NO_BLOCKS: Final = Written()
_NO_PARTS: Final[Mapping[str, Part]] = {}
"""Of an answer that is an envelope and no package."""
