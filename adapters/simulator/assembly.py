"""Puts a simulated agency together: manifest, contract, data file and keys become one dialect.

Called when a simulator starts; nothing here runs per call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from adapters import manifest as manifests
from adapters.attachments import SWA_REF
from adapters.contract_reading import read_contract
from adapters.manifest import Kind, Manifest
from adapters.manifest_bridge import BridgeTerms
from adapters.rest_contract import compile_operations
from adapters.secrets import AgencySecrets
from adapters.simulator import keys, later, provisions, register, samples
from adapters.simulator.answers import require_fitting
from adapters.simulator.bridge import BridgeDialect
from adapters.simulator.dialect import Dialect
from adapters.simulator.entrance import Entrance
from adapters.simulator.files import FileAgency
from adapters.simulator.keys import AgencyKeys
from adapters.simulator.later import Carrier, HttpSignatureCarrier, LaterDialect, WsseCarrier
from adapters.simulator.register import Register
from adapters.simulator.rest import RestDialect
from adapters.simulator.rest_answers import RestAnswers
from adapters.simulator.shep import ShepGateway
from adapters.simulator.soap import SoapDialect
from adapters.simulator.soap_answers import SoapAnswers
from adapters.simulator.soap_wire import SoapWire
from adapters.soap_compilation import compile_contract
from esb.contracts import catalogue
from esb.errors import ConfigurationError, RoutesInvalid
from esb.ports import utc_now
from esb.settings import Settings
from security.assertion import SharedKey
from security.httpsig import HttpSigner
from security.wsse import WsseSigner

DATA_FILE = "simulator.yaml"


def dialect_of(agency: str, *, settings: Settings, home: Path) -> Dialect:
    """The agency's dialect with its records and keys.

    Raises:
        ConfigurationError: a file is missing or wrong. KeyUnavailable: `keys.provision` was not run.
    """
    manifest = manifest_of(agency, settings)
    terms = manifest.signature
    own = keys.load(home, agency, now=datetime.now(UTC), passphrase=settings.key_passphrase)
    answers = answers_of(agency, settings, home)
    dialect: Dialect
    if isinstance(answers, SoapAnswers):
        dialect = _soap_dialect(manifest, answers, own, settings, home)
    elif manifest.bridge is not None:
        dialect = _bridge_dialect(manifest, manifest.bridge, answers, settings, home)
    else:
        dialect = RestDialect(answers=answers, keys=own, terms=terms, authentication=manifest.authentication)
    return dialect if manifest.interaction is None else _later(dialect, manifest, answers, own, settings)


def entrance_of(agency: str, *, settings: Settings, home: Path) -> Entrance | None:
    """The agency's gateway; None where it asks for no credentials. Raises KeyUnavailable."""
    manifest = manifest_of(agency, settings)
    if manifest.credentials is None:
        return None
    own = keys.load(home, agency, now=datetime.now(UTC), passphrase=settings.key_passphrase)
    stored = AgencySecrets(home, agency)
    secrets = {name: stored.secret(name).reveal() for name in provisions.secret_names(manifest)}
    return Entrance(manifest.credentials, secrets=secrets, bus_keys=own.bus_keys)


def _later(
    dialect: Dialect, manifest: Manifest, answers: SoapAnswers | RestAnswers, own: AgencyKeys, settings: Settings
) -> LaterDialect:
    terms = manifest.interaction
    assert terms is not None  # noqa: S101 - asked by the caller; this tells the type checker
    bundle = _bundle_of(manifest, settings)
    records = _records_of(manifest, bundle, settings)
    later.require_callback(terms, records)
    carrier: Carrier
    files: FileAgency | None = None
    if isinstance(answers, SoapAnswers):
        signer = WsseSigner(own.own, answers.version, ttl_s=manifest.signature.ttl_s)
        carrier = WsseCarrier(signer, answers.version)
        if terms.files is not None:
            home = Path(settings.home)
            files = FileAgency(
                terms.files, home=home, answer_of=_by_document(answers), key=own.own, bus_keys=own.bus_keys
            )
    else:
        carrier = HttpSignatureCarrier(HttpSigner(own.own))
    return LaterDialect(dialect, terms, records, draft_of=answers.draft, carrier=carrier, files=files, clock=utc_now)


def _by_document(answers: SoapAnswers) -> Callable[[bytes], bytes]:
    def answer(document: bytes) -> bytes:
        question = answers.read(document, b"")
        return answers.draft_for(question.operation, question.values).content

    return answer


def _soap_dialect(
    manifest: Manifest, answers: SoapAnswers, own: AgencyKeys, settings: Settings, home: Path
) -> SoapDialect:
    wire = SoapWire(
        manifest=manifest,
        version=answers.version,
        keys=own,
        secrets=AgencySecrets(home, manifest.agency),
        encryption=provisions.encryption_keys(home, manifest, passphrase=settings.key_passphrase),
        whole=answers.whole,
    )
    return SoapDialect(answers=answers, keys=own, manifest=manifest, wire=wire)


def _bridge_dialect(
    manifest: Manifest, terms: BridgeTerms, answers: RestAnswers, settings: Settings, home: Path
) -> BridgeDialect:
    secret = AgencySecrets(home, manifest.agency).secret(terms.token_secret)
    passphrase = settings.key_passphrase
    return BridgeDialect(
        answers=answers,
        terms=terms,
        signature=manifest.signature,
        token=SharedKey(secret=secret.reveal().encode()),
        own=provisions.own_unsealer(home, manifest.agency, passphrase=passphrase),
        bus=provisions.bus_recipient(home, terms, passphrase=passphrase),
    )


def answers_of(agency: str, settings: Settings, home: Path | None = None) -> SoapAnswers | RestAnswers:
    """What the agency would say, without keys; with the passwords below `home`. Raises ConfigurationError."""
    manifest = manifest_of(agency, settings)
    bundle = _bundle_of(manifest, settings)
    records = _records_of(manifest, bundle, settings)
    if manifest.kind is Kind.SOAP:
        compiled = compile_contract(manifest, bundle)
        refers = any(SWA_REF.encode() in content for content in bundle.values())
        gateway = None
        if manifest.shep is not None:
            gateway = ShepGateway(manifest.shep, AgencySecrets(home, agency) if home else None)
        soap = SoapAnswers(wsdl=compiled, records=records, manifest=manifest, refers=refers, gateway=gateway)
        if _has_records(manifest, settings):
            inputs = {name: operation.input for name, operation in compiled.operations.items()}
            require_fitting(records, soap.draft, lambda name: compiled.contract.sample(inputs[name]))
        return soap
    operations = compile_operations(manifest, bundle)
    rest = RestAnswers(operations=operations, records=records)
    if _has_records(manifest, settings):
        require_fitting(records, rest.draft, lambda name: operations[name].request_sample)
    return rest


def _bundle_of(manifest: Manifest, settings: Settings) -> dict[str, bytes]:
    return catalogue.load_bundle(Path(settings.schemas) / "agencies" / manifest.agency / manifest.contract.version)


def _records_of(manifest: Manifest, bundle: Mapping[str, bytes], settings: Settings) -> Register:
    """The data file's, or where there is none, those that the contract alone gives."""
    if _has_records(manifest, settings):
        return register.load(_data_file(manifest, settings))
    return samples.register_of(manifest.agency, read_contract(manifest, bundle))


def _has_records(manifest: Manifest, settings: Settings) -> bool:
    return _data_file(manifest, settings).exists()


def _data_file(manifest: Manifest, settings: Settings) -> Path:
    return Path(settings.adapters) / manifest.agency / DATA_FILE


def simulated_port(agency: str, settings: Settings) -> int:
    """The port at which the bus looks for this agency in the environment `simulated`."""
    address = settings.endpoints.get(agency) or manifest_of(agency, settings).endpoint.get("simulated", "")
    port = urlsplit(address).port
    if port is None:
        raise ConfigurationError(f"{agency} has no simulated endpoint with a port in its adapter.yaml; give --port")
    return port


def manifest_of(agency: str, settings: Settings) -> Manifest:
    """The agency's manifest. Raises RoutesInvalid with all findings."""
    manifest, findings = manifests.read(Path(settings.adapters) / agency / manifests.FILE_NAME)
    if manifest is None:
        raise RoutesInvalid(findings)
    return manifest
