"""Puts a simulated agency together: manifest, contract, data file and keys become one dialect.

Called when a simulator starts; nothing here runs per call.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from adapters import manifest as manifests
from adapters import wsdl
from adapters.manifest import Kind, Manifest
from adapters.rest_contract import compile_operations
from adapters.simulator import keys, register
from adapters.simulator.dialect import Dialect
from adapters.simulator.rest import RestDialect
from adapters.simulator.rest_answers import RestAnswers
from adapters.simulator.soap import SoapDialect
from adapters.simulator.soap_answers import SoapAnswers
from esb.contracts import catalogue
from esb.errors import ConfigurationError, RoutesInvalid
from esb.settings import Settings

DATA_FILE = "simulator.yaml"


def dialect_of(agency: str, *, settings: Settings, home: Path) -> Dialect:
    """The agency's dialect with its records and keys.

    Raises:
        ConfigurationError: a file is missing or wrong. KeyUnavailable: `keys.provision` was not run.
    """
    manifest = manifest_of(agency, settings)
    terms = manifest.signature
    own = keys.load(home, agency, now=datetime.now(UTC), passphrase=settings.key_passphrase)
    answers = answers_of(agency, settings)
    if isinstance(answers, SoapAnswers):
        return SoapDialect(answers=answers, keys=own, terms=terms)
    return RestDialect(answers=answers, keys=own, terms=terms, authentication=manifest.authentication)


def answers_of(agency: str, settings: Settings) -> SoapAnswers | RestAnswers:
    """What the agency would say, without keys. Raises ConfigurationError."""
    manifest = manifest_of(agency, settings)
    records = register.load(Path(settings.adapters) / agency / DATA_FILE)
    contract = manifest.contract
    bundle = catalogue.load_bundle(Path(settings.schemas) / "agencies" / agency / contract.version)
    if manifest.kind is Kind.SOAP:
        compiled = wsdl.compile(bundle, contract.file, service=contract.service, port=contract.port)
        return SoapAnswers(wsdl=compiled, records=records)
    return RestAnswers(operations=compile_operations(manifest, bundle), records=records)


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
