"""An agency's side of a SOAP exchange, in memory: proves what the bus signed and signs what the agency answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from adapters import manifest as manifests
from adapters import wsdl
from adapters.endpoint import Endpoint
from adapters.manifest import FILE_NAME, Manifest
from adapters.soap import SoapOperation
from adapters.transport import Transport
from adapters.wsdl import Wsdl
from esb.contracts import catalogue
from esb.ports import OutgoingCall, RawAnswer
from security import certificates, keys
from security.certificates import TrustAnchors
from security.keys import Algorithm, SigningKey
from security.wsse import SoapVersion, WsseSigner, WsseVerifier

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TTL_S = 300


@cache
def certified_key(name: str) -> SigningKey:
    """A key with its own certificate, valid around NOW; one per name and test run."""
    key = keys.generate(Algorithm.ES256, NOW)
    return certificates.self_signed(key, common_name=name, organisation="test", now=NOW, valid_days=10)


@cache
def manifest_of(agency: str) -> Manifest:
    """The installed manifest."""
    manifest, findings = manifests.read(Path("adapters/agencies") / agency / FILE_NAME)
    assert manifest is not None, findings
    return manifest


@cache
def wsdl_of(agency: str) -> Wsdl:
    """The installed contract, compiled."""
    where = manifest_of(agency).contract
    return wsdl.compile(catalogue.load_bundle(Path("schemas/agencies") / agency / where.version), where.file)


@dataclass(frozen=True, kw_only=True)
class SoapAgency:
    """One operation of one agency with the bus's half (`operation`) and the agency's own."""

    operation: SoapOperation
    agency: str
    name: str

    @property
    def version(self) -> SoapVersion:
        """Of the envelope."""
        return SoapVersion(self._wsdl_operation.soap_version)

    @property
    def _wsdl_operation(self) -> Any:
        return wsdl_of(self.agency).operations[self.name]

    def called(self, values: dict[str, Any], *, traceparent: str | None = None) -> OutgoingCall:
        """What the bus sends for these values."""
        document = self.operation.encode(values)
        return self.operation.sign(document, message_id="m-1", traceparent=traceparent, now=NOW)

    def read(self, call: OutgoingCall) -> dict[str, Any]:
        """What an agency that checks everything finds in the call."""
        bus = certificates.anchors_of([_certificate(certified_key("bus"))])
        verifier = WsseVerifier(bus, self.version, clock_skew_s=30, max_age_s=TTL_S, require_confirmation=False)
        content = verifier.verify(call.body, now=NOW).content
        values: dict[str, Any] = wsdl_of(self.agency).contract.decoder(self._wsdl_operation.input).decode(content)
        return values

    def document(self, values: dict[str, Any]) -> bytes:
        """The contract's reply."""
        return wsdl_of(self.agency).contract.encoder(self._wsdl_operation.output).encode(values)

    def signed(
        self, content: bytes, call: OutgoingCall, *, key: str = "agency", now: datetime = NOW, status: int = 200
    ) -> RawAnswer:
        """The content in an envelope that answers the call."""
        signer = WsseSigner(certified_key(key), self.version, ttl_s=TTL_S)
        return raw(signer.sign(content, now=now, confirms=call.proof or None).envelope, status=status)

    def fault(self, code: str, words: str, detail: str = "") -> bytes:
        """A SOAP fault of the operation's version."""
        namespace = self.version.namespace
        if self.version is SoapVersion.SOAP11:
            inner = f"<faultcode>s:{code}</faultcode><faultstring>{words}</faultstring>"
            inner += f"<detail>{detail}</detail>" if detail else ""
        else:
            inner = f"<s:Code><s:Value>s:{code}</s:Value></s:Code>"
            inner += f'<s:Reason><s:Text xml:lang="az">{words}</s:Text></s:Reason>'
            inner += f"<s:Detail>{detail}</s:Detail>" if detail else ""
        return f'<s:Fault xmlns:s="{namespace}">{inner}</s:Fault>'.encode()


def raw(body: bytes, *, status: int = 200, content_type: str = "text/xml; charset=utf-8") -> RawAnswer:
    """An HTTP answer."""
    return RawAnswer(http_status=status, headers={"content-type": content_type}, body=body)


def soap_agency(agency: str, name: str, *, keys_there: bool = True, trusted: bool = True, **changes: Any) -> SoapAgency:
    """The installed operation with test keys; `changes` replace fields of the manifest."""
    manifest = msgspec.structs.replace(manifest_of(agency), **changes)
    operation = wsdl_of(agency).operations[name]
    version = SoapVersion(operation.soap_version)
    anchors = certificates.anchors_of([_certificate(certified_key("agency"))]) if trusted else TrustAnchors()
    terms = manifest.signature
    verifier = WsseVerifier(
        anchors, version, terms.clock_skew_s, terms.max_age_s, require_confirmation=terms.confirmation
    )
    return SoapAgency(
        operation=SoapOperation(
            endpoint=Endpoint(manifest=manifest, url="http://127.0.0.1:9/", transport=Transport()),
            operation=operation,
            contract=wsdl_of(agency).contract,
            signer=WsseSigner(certified_key("bus"), version, ttl_s=terms.ttl_s) if keys_there else None,
            verifier=verifier,
        ),
        agency=agency,
        name=name,
    )


def _certificate(key: SigningKey) -> Any:
    assert key.certificate is not None
    return key.certificate
