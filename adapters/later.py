"""Puts operations together that are answered later, from the block `interaction` of a manifest. Called at load only.

Around the operations of an adapter of any kind: how an agency speaks and when it answers are two questions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from html import escape
from pathlib import Path

import msgspec

from adapters.agency_keys import AgencyKeys
from adapters.endpoint import Endpoint
from adapters.file_form import Forms
from adapters.filedrop import FileOperation, Outbox
from adapters.filedrop_inbox import FileCourier
from adapters.manifest import Authentication, Kind, Manifest
from adapters.manifest_interaction import FileTerms, How, InteractionTerms, LaterTerms
from adapters.moment import as_of
from adapters.polling import PolledOperation
from adapters.pushback import (
    ACCEPTED_JSON,
    ACCEPTED_XML,
    CertificateProof,
    Form,
    HttpSignatureProof,
    Intake,
    Proof,
    PushedOperation,
    WsseProof,
)
from adapters.soap_text import fault
from adapters.wsdl import Wsdl
from esb.contracts.contract import Contract
from esb.errors import ConfigurationError, ContractViolation, ReplyInvalid
from esb.model import JsonObject
from esb.ports import AgencyAnswer, AgencyOperation, FieldShape, ProvenAnswer
from esb.routes import envelope, expressions, shapes
from esb.routes.expressions import Expression, ExpressionInvalid
from esb.routes.fields import nearest
from security.errors import XmlRefused
from security.httpsig import HttpSigner, HttpVerifier
from security.keys import Algorithm, SigningKey
from security.wsse import SoapVersion, WsseSigner, WsseVerifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """An operation as it is spoken, and what the route compiler asks about it."""

    operation: AgencyOperation
    shape: FieldShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a load has at hand. `wsdl` compiles the contract, where it is one; `wsse_…` make parts for a manifest."""

    manifest: Manifest
    endpoint: Endpoint
    keys: AgencyKeys
    home: Path
    wsdl: Callable[[], Wsdl]
    wsse_signer: Callable[[Manifest, SoapVersion], WsseSigner | None]
    wsse_verifier: Callable[[Manifest, SoapVersion], WsseVerifier]


def answered_later(spoken: Mapping[str, Spoken], terms: InteractionTerms, parts: Parts) -> dict[str, Spoken]:
    """The operations that `terms` name, anew.

    Raises:
        ConfigurationError: what they name is not in the contract; the place in `interaction` is in the reason.
    """
    return _Assembly(spoken, terms, parts).operations()


class _Assembly:
    def __init__(self, spoken: Mapping[str, Spoken], terms: InteractionTerms, parts: Parts) -> None:
        self._spoken = spoken
        self._terms = terms
        self._parts = parts
        self._manifest = parts.manifest
        self._intake: Intake | None = None
        self._wsdl: Wsdl | None = None

    def operations(self) -> dict[str, Spoken]:
        made: dict[str, Spoken] = {}
        courier = self._courier(self._terms.files) if self._terms.files is not None else None
        for name, terms in self._terms.operations.items():
            place = f"interaction.operations.{name}"
            asked = self._named(name, place)
            if terms.how is How.POLL:
                made[name] = self._polled(asked, terms, place)
            elif terms.how is How.PUSH:
                made[name] = self._pushed(asked, terms, place)
            elif courier is not None:
                made[name] = self._filed(asked, terms, courier)
        return made

    def _named(self, name: str | None, place: str) -> Spoken:
        spoken = self._spoken.get(name or "")
        if spoken is None:
            near = nearest(name or "", self._spoken)
            hint = f" (did you mean {near!r}?)" if near else ""
            raise ConfigurationError(f"{place}: the contract has no operation {name!r}{hint}")
        return spoken

    # --- poll --------------------------------------------------------------------------------------------

    def _polled(self, asked: Spoken, terms: LaterTerms, place: str) -> Spoken:
        answering = self._named(terms.answer, f"{place}.answer")
        _require_field(asked.shape.reply_schema, terms.ticket, f"{place}.ticket")
        for path in (terms.ticket_field, *terms.values):
            _require_field(answering.shape.request_schema, path, f"{place}: request of {terms.answer}")
        operation = PolledOperation(
            asked.operation, answering.operation, terms, ready=_condition(terms.ready, f"{place}.ready")
        )
        return Spoken(operation=operation, shape=_joined(asked.shape, answering.shape))

    # --- push --------------------------------------------------------------------------------------------

    def _pushed(self, asked: Spoken, terms: LaterTerms, place: str) -> Spoken:
        if terms.ticket is not None:
            _require_field(asked.shape.reply_schema, terms.ticket, f"{place}.ticket")
        if terms.brings == "request":
            form, shape = self._called_back(terms, place)
        else:
            answering = self._named(terms.answer or asked.operation.name, f"{place}.answer")
            receipt = ACCEPTED_XML if self._is_xml else ACCEPTED_JSON
            form, shape = Form(decode=answering.operation.decode, key=terms.key or "", receipt=receipt), answering.shape
        _require_field(shape.reply_schema, terms.key, f"{place}.key")
        intake = self._shared_intake(asked.operation.name)
        operation = PushedOperation(asked.operation, intake.take(form), intake, terms=terms)
        return Spoken(operation=operation, shape=_joined(asked.shape, shape))

    def _called_back(self, terms: LaterTerms, place: str) -> tuple[Form, FieldShape]:
        """An operation of the contract that the bus serves: what is brought is its request, the receipt its reply."""
        wsdl = self._compiled_wsdl()
        self._named(terms.answer, f"{place}.answer")
        called = wsdl.operations[terms.answer or ""]
        contract = wsdl.contract
        receipt = ACCEPTED_XML
        if called.output is not None:
            try:
                receipt = contract.encoder(called.output).encode(dict(terms.acknowledge))
            except ContractViolation as error:
                reason = f"{place}.acknowledge: {error.path or 'document'}: {error.reason}"
                raise ConfigurationError(reason) from error
        shape = FieldShape(
            request_schema={},
            reply_schema=contract.json_schema(called.input),
            request_sample={},
            reply_sample=contract.sample(called.input),
        )
        decode = _decoder_of_requests(contract, called.input, self._manifest)
        return Form(decode=decode, key=terms.key or "", receipt=receipt), shape

    def _shared_intake(self, operation: str) -> Intake:
        if self._intake is None:
            agency = self._manifest.agency
            if self._manifest.kind is Kind.SOAP:
                version = self._soap_version(operation)
                self._intake = Intake(
                    agency, self._proof(version), is_xml=True, say_no=lambda code, reason: fault(code, reason, version)
                )
            else:
                say_no = _xml_refusal if self._is_xml else _json_refusal
                self._intake = Intake(agency, self._proof(None), is_xml=self._is_xml, say_no=say_no)
        return self._intake

    def _proof(self, version: SoapVersion | None) -> Proof:
        manifest, keys, terms = self._manifest, self._parts.keys, self._manifest.signature
        life = timedelta(seconds=terms.max_age_s + terms.clock_skew_s)
        if version is not None and manifest.authentication is Authentication.WSSE_X509:
            # A push is no reply: there is no request that it could confirm.
            unbound = msgspec.structs.replace(manifest, signature=msgspec.structs.replace(terms, confirmation=False))
            return WsseProof(
                agency=manifest.agency,
                version=version,
                verifier=self._parts.wsse_verifier(unbound, version),
                signer=self._parts.wsse_signer(manifest, version),
                claim_life=life,
            )
        media_type = "application/xml" if self._is_xml else "application/json"
        if manifest.authentication is Authentication.HTTP_SIGNATURE:
            key = self._signing_key()
            return HttpSignatureProof(
                agency=manifest.agency,
                verifier=HttpVerifier(
                    keys.verifying_of(manifest.agency), clock_skew_s=terms.clock_skew_s, max_age_s=terms.max_age_s
                ),
                signer=HttpSigner(key) if key else None,
                claim_life=life,
                media_type=media_type,
            )
        return CertificateProof(anchors=keys.anchors_of(manifest.agency), soap=version, media_type=media_type)

    # --- files -------------------------------------------------------------------------------------------

    def _courier(self, files: FileTerms) -> FileCourier:
        manifest, home, forms = self._manifest, self._parts.home, Forms(is_xml=self._is_xml)
        filed = {name: terms for name, terms in self._terms.operations.items() if terms.how is How.FILE}
        signed = files.signature == "jws"
        outbox = Outbox(
            agency=manifest.agency,
            folder=home / files.outbox,
            forms=forms,
            batch=files.batch,
            signed=signed,
            key=self._signing_key(),
        )
        return FileCourier(
            agency=manifest.agency,
            inbox=home / files.inbox,
            outbox=outbox,
            forms=forms,
            every_s=min(terms.every_s for terms in filed.values()),
            settle_s=files.settle_s,
            signed=signed,
            keys=self._parts.keys.verifying_of(manifest.agency),
            operations={name: self._named(name, f"interaction.operations.{name}").operation for name in filed},
        )

    def _filed(self, asked: Spoken, terms: LaterTerms, courier: FileCourier) -> Spoken:
        operation = FileOperation(asked.operation, courier.outbox, courier, terms=terms, endpoint=self._parts.endpoint)
        return Spoken(operation=operation, shape=asked.shape)

    # --- parts -------------------------------------------------------------------------------------------

    @property
    def _is_xml(self) -> bool:
        return self._manifest.kind is not Kind.REST

    def _signing_key(self) -> SigningKey | None:
        return self._parts.keys.signing.get(Algorithm(self._manifest.signature.algorithm))

    def _compiled_wsdl(self) -> Wsdl:
        if self._wsdl is None:
            self._wsdl = self._parts.wsdl()
        return self._wsdl

    def _soap_version(self, operation: str) -> SoapVersion:
        return SoapVersion(self._compiled_wsdl().operations[operation].soap_version)


def _joined(asked: FieldShape, answering: FieldShape) -> FieldShape:
    return msgspec.structs.replace(asked, reply_schema=answering.reply_schema, reply_sample=answering.reply_sample)


def _require_field(schema: shapes.Schema | None, path: str | None, place: str) -> None:
    """Raises ConfigurationError when a contract that says its fields has none of this name."""
    plain = shapes.dereferenced(schema or {})
    if path is not None and plain.get("properties") and envelope.field_names(plain, path) is None:
        raise ConfigurationError(f"{place}: there is no field {path!r}; there are {_names(plain)}")


def _names(schema: shapes.Schema) -> str:
    return ", ".join(sorted(shapes.property_names(schema))) or "none"


def _condition(text: str | None, place: str) -> Expression | None:
    if text is None:
        return None
    try:
        return expressions.compile(text)
    except ExpressionInvalid as error:
        raise ConfigurationError(f"{place}: not JMESPath at column {error.column}: {error.reason}") from error


def _decoder_of_requests(
    contract: Contract, element: str, manifest: Manifest
) -> Callable[[ProvenAnswer], AgencyAnswer]:
    decoder = contract.decoder(element)

    def decode(answer: ProvenAnswer) -> AgencyAnswer:
        try:
            data: JsonObject = decoder.decode(answer.content)
        except (ContractViolation, XmlRefused) as error:
            path = getattr(error, "path", None)
            raise ReplyInvalid(error.reason, agency=manifest.agency, path=path) from error
        return AgencyAnswer(found=True, data=data, as_of=as_of(data, manifest.contract.as_of))

    return decode


def _json_refusal(code: str, reason: str) -> bytes:
    return msgspec.json.encode({"code": code, "message": reason})


def _xml_refusal(code: str, reason: str) -> bytes:
    text = escape(reason, quote=False)
    return f'<Refused xmlns="urn:esb:answers:1"><Code>{code}</Code><Message>{text}</Message></Refused>'.encode()
