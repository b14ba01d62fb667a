"""From a compiled WSDL, a manifest and keys to the operations of one SOAP agency. Called at load by the registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters import attachments, contract_headers, wsdl
from adapters.addressing import AddressingHeaders
from adapters.agency_keys import AgencyKeys
from adapters.attachments import SWA_REF, Packing
from adapters.contract_headers import ReplyHeaders, RequestHeaders, fixed_headers
from adapters.endpoint import Endpoint
from adapters.inner_signature import InnerSignature
from adapters.manifest import Manifest
from adapters.secrets import AgencySecrets
from adapters.shep_operations import ShepWrapper, compile_shep
from adapters.soap import Envelope, SoapOperation
from adapters.soap_body import body_form
from adapters.soap_headers import HeaderDialect, SoapHeaders
from adapters.soap_meaning import Meanings
from adapters.soap_proof import believes, signer_of, verifier_of
from adapters.wsdl import Header, Wsdl, WsdlOperation
from adapters.xroad import XRoadHeaders
from esb.contracts.contract import Contract
from esb.errors import ContractUnsupported
from esb.ports import FieldShape
from security.enveloped import EnvelopedSigner, EnvelopedVerifier
from security.errors import KeyUnavailable
from security.keys import Algorithm
from security.wsse import SoapVersion, WsseSigner


@dataclass(frozen=True, slots=True, kw_only=True)
class SoapParts:
    """What operations are made of. `bundle`: files of the contract."""

    manifest: Manifest
    endpoint: Endpoint
    wsdl: Wsdl
    bundle: Mapping[str, bytes]
    keys: AgencyKeys
    secrets: AgencySecrets


def compile_contract(manifest: Manifest, bundle: Mapping[str, bytes]) -> Wsdl:
    """The contract as a WSDL gives it, or as an XSD does behind a gateway. Raises ContractUnsupported."""
    if manifest.shep is not None:
        return compile_shep(manifest, bundle)
    where = manifest.contract
    return wsdl.compile(bundle, where.file, service=where.service, port=where.port)


def compile_operations(parts: SoapParts) -> dict[str, tuple[SoapOperation, FieldShape]]:
    """Every operation of the port, with what the route compiler asks about it.

    Raises:
        ContractUnsupported: manifest and contract do not fit together, or ask for what is not spoken.
    """
    return {name: _Compilation(parts, operation).made() for name, operation in parts.wsdl.operations.items()}


class _Compilation:
    """Of one operation."""

    def __init__(self, parts: SoapParts, operation: WsdlOperation) -> None:
        self._parts = parts
        self._manifest = parts.manifest
        self._contract = parts.wsdl.contract
        self._operation = operation
        self._version = SoapVersion(operation.soap_version)
        self._signed = frozenset(parts.manifest.wsse.sign_headers if parts.manifest.wsse else ())

    def made(self) -> tuple[SoapOperation, FieldShape]:
        fixed, left = fixed_headers(
            self._manifest.soap_headers,
            self._operation.input_headers,
            self._contract,
            secrets=self._parts.secrets,
            signed="contract" in self._signed,
            agency=self._manifest.agency,
        )
        packing = self._packing()
        request_headers = RequestHeaders(left, self._contract) if left else None
        outputs = self._operation.output_headers
        reply_headers = ReplyHeaders(outputs, self._contract) if outputs else None
        signer, missing = self._signer()
        form = body_form(self._operation)
        operation = SoapOperation(
            endpoint=self._parts.endpoint,
            operation=self._operation,
            contract=self._contract,
            signer=signer,
            verifier=verifier_of(self._manifest, self._parts.keys, self._version, whole_body=form.whole),
            envelope=Envelope(
                body=form,
                headers=self._headers(fixed, reply_headers),
                request_headers=request_headers,
                reply_headers=reply_headers,
                packing=packing,
                inner=self._inner(),
                wrapper=self._wrapper(),
                missing=missing,
            ),
        )
        return operation, shape_of(self._contract, self._operation, left, packing)

    def _signer(self) -> tuple[WsseSigner | None, str]:
        try:
            return signer_of(self._manifest, self._parts.keys, self._parts.secrets, self._version), ""
        except KeyUnavailable as error:
            return None, error.reason

    def _headers(self, fixed: Iterable[HeaderDialect], reply_headers: ReplyHeaders | None) -> SoapHeaders | None:
        dialects = list(fixed)
        if (addressing := self._addressing()) is not None:
            dialects.append(addressing)
        if self._manifest.x_road is not None:
            signed = "x-road" in self._signed
            dialects.append(XRoadHeaders(self._manifest.x_road, operation=self._operation.name, signed=signed))
        if not dialects and not self._operation.input_headers and reply_headers is None:
            return None
        return SoapHeaders(
            self._version,
            dialects,
            read=reply_headers.elements if reply_headers else (),
            sign_read="contract" in self._signed,
        )

    def _addressing(self) -> AddressingHeaders | None:
        declared = self._operation.addressing
        if not self._manifest.addressing and (declared is None or declared.demand != "required"):
            return None
        return AddressingHeaders(
            action=declared.action if declared is not None else self._operation.soap_action,
            signed="addressing" in self._signed,
            answered=not self._operation.one_way,
        )

    def _packing(self) -> Packing | None:
        operation = self._operation
        refers = any(SWA_REF.encode() in content for content in self._parts.bundle.values())
        beside = bool(operation.input_attachments or operation.output_attachments)
        if not refers and not beside and operation.mtom != "required":
            return None
        if (refers or beside) and not believes(self._manifest):
            raise ContractUnsupported(
                f"operation {operation.name}: attachments stand beside the envelope, where no signature covers them; "
                "use MTOM, or agree on unsigned replies (wsse.reply: unsigned)"
            )
        return Packing(
            version=self._version,
            action=operation.soap_action,
            mtom=operation.mtom == "required",
            refers=refers,
            request=operation.input_attachments,
            reply=operation.output_attachments,
        )

    def _wrapper(self) -> ShepWrapper | None:
        terms = self._manifest.shep
        if terms is None:
            return None
        key = self._parts.keys.signing.get(Algorithm(self._manifest.signature.algorithm))
        return ShepWrapper(
            terms,
            operation=self._operation.name,
            password=self._parts.secrets.secret(terms.password) if terms.password else None,
            signer=EnvelopedSigner(key) if key and key.certificate else None,
            meanings=Meanings(self._manifest, self._operation.name),
            agency=self._manifest.agency,
        )

    def _inner(self) -> InnerSignature | None:
        terms = self._manifest.inner_signature
        if terms is None:
            return None
        return InnerSignature(terms, EnvelopedVerifier(self._parts.keys.anchors_of(self._manifest.agency)))


def shape_of(
    contract: Contract, operation: WsdlOperation, request_headers: Iterable[Header] = (), packing: Packing | None = None
) -> FieldShape:
    """Schemas and samples of an operation's values, with headers and attachments beside the Body's."""
    request = contract.json_schema(operation.input, request=True)
    reply = contract.json_schema(operation.output)
    request_sample, reply_sample = contract.sample(operation.input), contract.sample(operation.output)
    headers, reply_headers = list(request_headers), list(operation.output_headers)
    if headers:
        required = [header.part for header in headers if header.required]
        request = _with(request, contract_headers.KEY, _headers_schema(contract, headers, required))
        request_sample = {**request_sample, contract_headers.KEY: _headers_sample(contract, headers)}
    if reply_headers:
        reply = _with(reply, contract_headers.KEY, _headers_schema(contract, reply_headers, []))
        reply_sample = {**reply_sample, contract_headers.KEY: _headers_sample(contract, reply_headers)}
    if packing is not None and packing.request:
        request = _with(request, attachments.KEY, packing.request.schema())
    if packing is not None and packing.reply:
        reply = _with(reply, attachments.KEY, packing.reply.schema())
    return FieldShape(
        request_schema=request, reply_schema=reply, request_sample=request_sample, reply_sample=reply_sample
    )


def _headers_schema(contract: Contract, headers: list[Header], required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {header.part: contract.json_schema(header.element) for header in headers},
        "required": required,
        "additionalProperties": False,
    }


def _headers_sample(contract: Contract, headers: list[Header]) -> dict[str, Any]:
    return {header.part: contract.sample(header.element) for header in headers}


def _with(schema: dict[str, Any], name: str, inner: dict[str, Any]) -> dict[str, Any]:
    """A schema of an object with one property more."""
    return {**schema, "properties": {**schema.get("properties", {}), name: inner}}
