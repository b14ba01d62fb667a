"""The adapters that are installed, compiled: manifests, pinned contracts and keys become operations.

Called at start, at a reload and by the linters with the same code. After `load` nothing is read from disk again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapters import bridge, later, soap_compilation, soap_proof, wsdl
from adapters.agency_keys import AgencyKeys
from adapters.bridge import BridgeProof
from adapters.endpoint import Endpoint, overrides_of_nobody, resolve
from adapters.http_proof import proof_of
from adapters.manifest import Authentication, Kind, Lifecycle, Manifest
from adapters.manifest_bridge import BridgeTerms
from adapters.manifest_fields import ENVIRONMENTS
from adapters.manifest_interaction import InteractionTerms
from adapters.registration import inventory
from adapters.registration.inventory import AgencyInventory, Installed
from adapters.rest import RestOperation
from adapters.rest_contract import compile_operations
from adapters.secrets import AgencySecrets
from adapters.soap_compilation import SoapParts
from adapters.transport import Transport
from esb.contracts import catalogue
from esb.contracts.json_operation import JsonOperation
from esb.errors import ConfigurationError, RoutesInvalid, SettingInvalid
from esb.journal import registrations
from esb.journal.registrations import Registered
from esb.model import AgencyCode, Finding, Severity, Text
from esb.ports import AgencyOperation, FieldShape, Reach
from esb.routes.fields import nearest
from esb.settings import Settings
from security.errors import KeyUnavailable
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
    """Implements `esb.ports.AgencyCatalogue`. `findings`: warnings, what will fail when it is called.

    `adapters`: of each agency the version that shows its face; `reaches`: of those with more than one, or a pilot, all.
    """

    adapters: Mapping[str, Adapter]
    findings: tuple[Finding, ...] = field(default=())
    reaches: Mapping[str, tuple[Reach, ...]] = field(default_factory=dict)
    generation: int = 0

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
        """What holds of the agency: limits, breaker, lifecycle, with what operators set. Raises KeyError."""
        return self.adapters[agency].manifest

    def version(self, agency: AgencyCode) -> str:
        """The contract version that shows its face. Raises KeyError."""
        return self.adapters[agency].manifest.contract.version

    def reach(self, agency: AgencyCode) -> tuple[Reach, ...]:
        """The versions to choose from, preferred first; empty where there is one, open to everybody."""
        return self.reaches.get(agency, ())

    def retired(self, agency: AgencyCode) -> bool:
        """Whether nothing of the agency is left in use. Raises KeyError."""
        return self.adapters[agency].manifest.lifecycle is Lifecycle.RETIRED


def load(
    settings: Settings, keys: AgencyKeys, transport: Transport, *, registered: Registered | None = None
) -> Catalogue:
    """Every adapter below `settings.adapters` and in the register, or nothing. Blocks.

    `registered`: the register as it is to be taken; without it, as the database has it now.

    Raises:
        RoutesInvalid: a manifest or contract holds errors; all of them are in `findings`.
        CatalogMismatch: a contract file is not the pinned one.
        SettingInvalid: no such environment.
        JournalUnavailable: the register cannot be read.
    """
    _check_environment(settings.environment)
    catalogue.verify(Path(settings.schemas))
    if registered is None:
        registered = registrations.load(
            settings.database_url, Path(settings.home), owner=f"{settings.node}/reader", wanted=inventory.wanted
        )
    there = inventory.survey(Path(settings.adapters), registered, keys, environment=settings.environment)
    loader = _Loader(settings, keys, transport)
    adapters = {agency: _compiled(loader, one.versions) for agency, one in there.agencies.items()}
    known = sorted({*there.agencies, *(path.parent.name for path in Path(settings.adapters).glob("*/adapter.yaml"))})
    findings = (
        *keys.findings,
        *there.findings,
        *loader.findings,
        *overrides_of_nobody(settings.endpoints, known),
    )
    if any(finding.severity is Severity.ERROR for finding in findings):
        raise RoutesInvalid(findings)
    return Catalogue(
        adapters={agency: adapters[agency][one.face.version] for agency, one in there.agencies.items()},
        findings=findings,
        reaches={agency: _reaches(one, adapters[agency]) for agency, one in there.agencies.items() if one.terms},
        generation=registered.generation,
    )


def _compiled(loader: _Loader, versions: Iterable[Installed]) -> dict[str, Adapter]:
    compiled = {one.version: loader.adapter(one) for one in versions}
    return {version: adapter for version, adapter in compiled.items() if adapter is not None}


def _reaches(agency: AgencyInventory, adapters: Mapping[str, Adapter]) -> tuple[Reach, ...]:
    return tuple(
        Reach(
            version=terms.version,
            catalogue=Catalogue(adapters={agency.face.manifest.agency: adapters[terms.version]}),
            callers=terms.callers,
            rayons=terms.rayons,
            weight=terms.weight,
            named=terms.named,
            takes_rayon=terms.takes_rayon,
        )
        for terms in agency.terms
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
        self._submitted: dict[str, Mapping[str, bytes]] = {}
        self.findings: list[Finding] = []

    def adapter(self, installed: Installed) -> Adapter | None:
        """One adapter; None when its findings hold an error."""
        manifest = installed.manifest
        if installed.contract is not None:
            self._submitted[manifest.file] = installed.contract
        secrets = AgencySecrets(Path(self._settings.home), manifest.agency)
        endpoint, warnings = resolve(manifest, self._settings, self._transport, keys=self._keys, secrets=secrets)
        self.findings += warnings
        if installed.unusable:
            endpoint = dataclasses.replace(endpoint, unusable=installed.unusable)
        self._check_proof(manifest)
        try:
            if manifest.bridge is not None:
                operations = self._bridged(manifest, endpoint, manifest.bridge, secrets)
            elif manifest.kind is Kind.SOAP:
                operations = self._soap(manifest, endpoint, secrets)
            else:
                operations = self._rest(manifest, endpoint)
            if manifest.interaction is not None:
                operations |= self._answered_later(manifest, endpoint, manifest.interaction, operations)
        except ConfigurationError as error:
            self._say(manifest, f"contract cannot be used: {error.reason}", Severity.ERROR)
            return None
        finally:
            self.findings += secrets.findings
        return Adapter(manifest=manifest, endpoint=endpoint, operations=operations)

    def _answered_later(
        self, manifest: Manifest, endpoint: Endpoint, terms: InteractionTerms, operations: Mapping[str, Compiled]
    ) -> dict[str, Compiled]:
        where = manifest.contract
        parts = later.Parts(
            manifest=manifest,
            endpoint=endpoint,
            keys=self._keys,
            home=Path(self._settings.home),
            wsdl=lambda: wsdl.compile(self._bundle(manifest), where.file, service=where.service, port=where.port),
            wsse_signer=self._wsse_signer,
            wsse_verifier=self._wsse_verifier,
        )
        spoken = {name: later.Spoken(operation=one.operation, shape=one.shape) for name, one in operations.items()}
        made = later.answered_later(spoken, terms, parts)
        return {name: Compiled(operation=one.operation, shape=one.shape) for name, one in made.items()}

    def _soap(self, manifest: Manifest, endpoint: Endpoint, secrets: AgencySecrets) -> dict[str, Compiled]:
        bundle = self._bundle(manifest)
        compiled = soap_compilation.compile_contract(manifest, bundle)
        parts = SoapParts(
            manifest=manifest, endpoint=endpoint, wsdl=compiled, bundle=bundle, keys=self._keys, secrets=secrets
        )
        made = soap_compilation.compile_operations(parts)
        return {name: Compiled(operation=operation, shape=shape) for name, (operation, shape) in made.items()}

    def _rest(self, manifest: Manifest, endpoint: Endpoint) -> dict[str, Compiled]:
        proof = proof_of(manifest, self._keys)
        return {
            name: Compiled(
                operation=RestOperation(endpoint=endpoint, operation=operation, proof=proof),
                shape=_rest_shape(operation),
            )
            for name, operation in compile_operations(manifest, self._bundle(manifest)).items()
        }

    def _bridged(
        self, manifest: Manifest, endpoint: Endpoint, terms: BridgeTerms, secrets: AgencySecrets
    ) -> dict[str, Compiled]:
        keys, warnings = bridge.load_keys(manifest, terms, self._settings, secrets)
        self.findings += warnings
        return {
            name: Compiled(
                operation=RestOperation(
                    endpoint=endpoint,
                    operation=operation,
                    proof=BridgeProof(manifest=manifest, operation=operation, base_url=endpoint.url, keys=keys),
                ),
                shape=_rest_shape(operation),
            )
            for name, operation in compile_operations(manifest, self._bundle(manifest)).items()
        }

    def _wsse_signer(self, manifest: Manifest, version: SoapVersion) -> WsseSigner | None:
        try:
            secrets = AgencySecrets(Path(self._settings.home), manifest.agency)
            return soap_proof.signer_of(manifest, self._keys, secrets, version)
        except KeyUnavailable:
            return None  # `_check_proof` says it

    def _wsse_verifier(self, manifest: Manifest, version: SoapVersion) -> WsseVerifier:
        return soap_proof.verifier_of(manifest, self._keys, version)

    def _signing_key(self, manifest: Manifest) -> SigningKey | None:
        return self._keys.signing.get(Algorithm(manifest.signature.algorithm))

    def _bundle(self, manifest: Manifest) -> dict[str, bytes]:
        # What was submitted is pinned by the digest of its bundle, what is checked in by the catalogue.
        if manifest.file in self._submitted:
            return dict(self._submitted[manifest.file])
        folder = Path(self._settings.schemas) / "agencies" / manifest.agency / manifest.contract.version
        return catalogue.load_bundle(folder)

    def _check_proof(self, manifest: Manifest) -> None:
        """Say what will make every call to the agency fail, or leaves it unproven."""
        if manifest.kind is Kind.SOAP:
            for warning in soap_proof.warnings(manifest, self._keys, Path(self._settings.home)):
                self._say(manifest, warning)
            return
        if manifest.authentication is Authentication.NONE:
            self._say(manifest, "neither requests nor replies are signed")
            return
        if manifest.authentication is Authentication.BRIDGE:
            return  # `bridge.load_keys` says it
        key = self._signing_key(manifest)
        certified = manifest.authentication is not Authentication.HTTP_SIGNATURE
        if key is None or (certified and key.certificate is None):
            algorithm = manifest.signature.algorithm
            self._say(manifest, f"the bus has no {algorithm} key with a certificate; make one with `esb keys new`")
        if not self._keys.trusts(manifest.agency):
            folder = Path(self._settings.home) / "keys" / "agencies" / manifest.agency
            self._say(manifest, f"no certificate of the agency in {folder}; its replies will be refused")
        if manifest.authentication is Authentication.XMLDSIG:
            self._say(manifest, "a signature inside of the XML proves who wrote a reply, not to which request nor when")

    def _say(self, manifest: Manifest, message: str, severity: Severity = Severity.WARNING) -> None:
        self.findings.append(Finding(file=manifest.file, line=0, message=message, severity=severity))


def _rest_shape(operation: JsonOperation) -> FieldShape:
    return FieldShape(
        request_schema=operation.request_schema,
        reply_schema=operation.reply_schema,
        request_sample=operation.request_sample,
        reply_sample=operation.reply_sample,
    )
