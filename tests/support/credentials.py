"""An endpoint with credentials, made as the registry makes it, and one call through it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from adapters.agency_keys import AgencyKeys
from adapters.endpoint import Endpoint, resolve
from adapters.manifest_credentials import CredentialTerms
from adapters.transport import Transport
from esb.model import Finding
from esb.ports import OutgoingCall, RawAnswer
from esb.settings import Settings
from security import secretfile
from security.keys import Algorithm
from tests.support.keys import signing_key
from tests.support.soap_agency import manifest_of

AGENCY = "din-reg"
BUS_KEYS = AgencyKeys(
    signing={algorithm: signing_key(algorithm, "bus") for algorithm in (Algorithm.ES256, Algorithm.RS256)}
)


def set_secret(home: Path, name: str, value: str) -> None:
    """As `esb keys secret set` does."""
    secretfile.write(secretfile.path_of(home, AGENCY, name), value.encode())


def endpoint_with(
    home: Path, url: str, transport: Transport, *, keys: AgencyKeys = BUS_KEYS, environment: str = "test", **block: Any
) -> tuple[Endpoint, tuple[Finding, ...]]:
    """The installed manifest with this block `credentials`."""
    terms = msgspec.convert(block, CredentialTerms)
    manifest = msgspec.structs.replace(manifest_of(AGENCY), credentials=terms, tls=None)
    settings = Settings(home=str(home), environment=environment, endpoints={AGENCY: url})
    return resolve(manifest, settings, transport, keys=keys)


async def send(
    endpoint: Endpoint, path: str = "/service", *, timeout_s: float = 5.0, headers: Mapping[str, str] | None = None
) -> RawAnswer:
    """One call."""
    call = OutgoingCall(
        method="POST", url=endpoint.url + path, headers={"accept": "text/xml", **(headers or {})}, body=b"<x/>"
    )
    return await endpoint.send(call, endpoint.destination("Ask"), timeout_s=timeout_s)
