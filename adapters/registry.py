"""The adapters that are installed, compiled: manifests, pinned contracts and keys become operations.

Called at start, at a reload and by the linters with the same code. After `load` nothing is read from disk again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapters import manifest as manifests
from adapters import wsdl
from adapters.agency_keys import AgencyKeys
from adapters.endpoint import Endpoint, overrides_of_nobody, resolve
from adapters.manifest import Authentication, Kind, Manifest
from adapters.manifest_fields import ENVIRONMENTS
from adapters.rest import RestOperation
from adapters.secrets import AgencySecrets
from adapters.soap import SoapOperation
from adapters.transport import Transport
from adapters.wsdl import WsdlOperation
from esb.contracts import catalogue
from esb.contracts.contract import Contract
from esb.contracts.json_contract import JsonContract, JsonOperation
from esb.errors import ConfigurationError, RoutesInvalid, SettingInvalid
from esb.model import AgencyCode, Finding, Severity, Text
from esb.ports import AgencyOperation, FieldShape
from esb.routes.fields import nearest
from esb.settings import Settings
from security.httpsig import HttpSigner, HttpVerifier
from security.keys import Algorithm, SigningKey
from security.wsse import SoapVersion, WsseSigner, WsseVerifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """One operation and what the route compiler asks about it."""

    operation: AgencyOperation
    shape: FieldShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One agency system, ready to be called."""

    manifest: Manifest
    endpoint: Endpoint
    operations: Mapping[str, Compiled]


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Implements `esb.ports.AgencyCatalogue`. `findings`: warnings, what will fail when it is called."""

    adapters: Mapping[str, Adapter]
    findings: tuple[Finding, ...] = field(default=())

    def agencies(self) -> Sequence[AgencyCode]:
        """All codes, sorted."""
        return sorted(adapter.manifest.agency for adapter in self.adapters.values())

    def operations(self, agency: AgencyCode) -> Sequence[str]:
        """Names of the agency's operations, sorted; empty for an unknown agency."""
        adapter = self.adapters.get(agency)
        return sorted(adapter.operations) if adapter else []

    def operation(self, agency: AgencyCode, name: str) -> AgencyOperation:
        """The compiled operation. Raises KeyError."""
        return self.adapters[agency].operations[name].operation

    def shape(self, agency: AgencyCode, name: str) -> FieldShape:
        """JSON Schemas and samples. Raises KeyError."""
        return self.adapters[agency].operations[name].shape

    def title(self, agency: AgencyCode) -> Text:
        """The agency's name for people. Raises KeyError."""
        return self.adapters[agency].manifest.title

    def manifest(self, agency: AgencyCode) -> Manifest:
        """What the agency's team wrote: limits, breaker, lifecycle. Raises KeyError."""
        return self.adapters[agency].manifest


def load(settings: Settings, keys: AgencyKeys, transport: Transport) -> Catalogue:
    """Every adapter below `settings.adapters`, or nothing.

    Raises:
        RoutesInvalid: a manifest or contract holds errors; all of them are in `findings`.
        CatalogMismatch: a contract file is not the pinned one.
        SettingInvalid: no such environment.
    """
    _check_environment(settings.environment)
    catalogue.verify(Path(settings.schemas))
    loader = _Loader(settings, keys, transport)
    paths = sorted(Path(settings.adapters).glob(f"*/{manifests.FILE_NAME}"))
    adapters = [loader.adapter(path) for path in paths]
    known = [path.parent.name for path in paths]
    findings = (*keys.findings, *loader.findings, *overrides_of_nobody(settings.endpoints, known))
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise RoutesInvalid(findings)
    return Catalogue(
        adapters={str(adapter.manifest.agency): adapter for adapter in adapters if adapter}, findings=findings
    )


def _check_environment(environment: str) -> None:
    if environment not in ENVIRONMENTS:
        near = nearest(environment, ENVIRONMENTS)
        hint = f" (did you mean {near!r}?)" if near else ""
        raise SettingInvalid(f"environment {environment!r} is not one of {', '.join(ENVIRONMENTS)}{hint}")


class _Loader:
    """One load: compiles adapter by adapter and collects what is to be said about them."""

    def __init__(self, settings: Settings, keys: AgencyKeys, transport: Transport) -> None:
        self._settings = settings
        self._keys = keys
        self._transport = transport
        self.findings: list[Finding] = []

    def adapter(self, path: Path) -> Adapter | None:
        """One adapter; None when its findings hold an error."""
        manifest, findings = manifests.read(path)
        self.findings += findings
        if manifest is None:
            return None
        secrets = AgencySecrets(Path(self._settings.home), manifest.agency)
        endpoint, warnings = resolve(manifest, self._settings, self._transport, keys=self._keys, secrets=secrets)
        self.findings += warnings
        self._check_proof(manifest)
        compiled = self._soap if manifest.kind is Kind.SOAP else self._rest
        try:
            operations = compiled(manifest, endpoint)
        except ConfigurationError as error:
            self._say(manifest, f"contract cannot be used: {error.reason}", Severity.ERROR)
            return None
        finally:
            self.findings += secrets.findings
        return Adapter(manifest=manifest, endpoint=endpoint, operations=operations)

    def _soap(self, manifest: Manifest, endpoint: Endpoint) -> dict[str, Compiled]:
        where = manifest.contract
        compiled = wsdl.compile(self._bundle(manifest), where.file, service=where.service, port=where.port)
        return {
            name: Compiled(
                operation=SoapOperation(
                    endpoint=endpoint,
                    operation=operation,
                    contract=compiled.contract,
                    signer=self._wsse_signer(manifest, SoapVersion(operation.soap_version)),
                    verifier=self._wsse_verifier(manifest, SoapVersion(operation.soap_version)),
                ),
                shape=_soap_shape(compiled.contract, operation),
            )
            for name, operation in compiled.operations.items()
        }

    def _rest(self, manifest: Manifest, endpoint: Endpoint) -> dict[str, Compiled]:
        contract = JsonContract(self._bundle(manifest), manifest.contract.file)
        key, terms = self._signing_key(manifest), manifest.signature
        signer = HttpSigner(key) if key else None
        verifier = HttpVerifier(
            self._keys.verifying_of(manifest.agency), clock_skew_s=terms.clock_skew_s, max_age_s=terms.max_age_s
        )
        return {
            name: Compiled(
                operation=RestOperation(endpoint=endpoint, operation=operation, signer=signer, verifier=verifier),
                shape=_rest_shape(operation),
            )
            for name, operation in contract.operations.items()
        }

    def _wsse_signer(self, manifest: Manifest, version: SoapVersion) -> WsseSigner | None:
        key = self._signing_key(manifest)
        return WsseSigner(key, version, ttl_s=manifest.signature.ttl_s) if key and key.certificate else None

    def _wsse_verifier(self, manifest: Manifest, version: SoapVersion) -> WsseVerifier:
        terms = manifest.signature
        return WsseVerifier(
            self._keys.anchors_of(manifest.agency),
            version,
            clock_skew_s=terms.clock_skew_s,
            max_age_s=terms.max_age_s,
            require_confirmation=terms.confirmation,
        )

    def _signing_key(self, manifest: Manifest) -> SigningKey | None:
        return self._keys.signing.get(Algorithm(manifest.signature.algorithm))

    def _bundle(self, manifest: Manifest) -> dict[str, bytes]:
        folder = Path(self._settings.schemas) / "agencies" / manifest.agency / manifest.contract.version
        return catalogue.load_bundle(folder)

    def _check_proof(self, manifest: Manifest) -> None:
        """Say what will make every call to the agency fail, or leaves it unproven."""
        if manifest.authentication is Authentication.NONE:
            self._say(manifest, "neither requests nor replies are signed")
            return
        key = self._signing_key(manifest)
        if key is None or (manifest.kind is Kind.SOAP and key.certificate is None):
            algorithm = manifest.signature.algorithm
            self._say(manifest, f"the bus has no {algorithm} key with a certificate; make one with `esb keys new`")
        if not self._keys.trusts(manifest.agency):
            folder = Path(self._settings.home) / "keys" / "agencies" / manifest.agency
            self._say(manifest, f"no certificate of the agency in {folder}; its replies will be refused")

    def _say(self, manifest: Manifest, message: str, severity: Severity = Severity.WARNING) -> None:
        self.findings.append(Finding(file=manifest.file, line=0, message=message, severity=severity))


def _soap_shape(contract: Contract, operation: WsdlOperation) -> FieldShape:
    return FieldShape(
        request_schema=contract.json_schema(operation.input, request=True),
        reply_schema=contract.json_schema(operation.output),
        request_sample=contract.sample(operation.input),
        reply_sample=contract.sample(operation.output),
    )


def _rest_shape(operation: JsonOperation) -> FieldShape:
    return FieldShape(
        request_schema=operation.request_schema,
        reply_schema=operation.reply_schema,
        request_sample=operation.request_sample,
        reply_sample=operation.reply_sample,
    )
