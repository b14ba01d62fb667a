"""Where one agency system is reached, and whether it may be called at all."""

from __future__ import annotations

import ssl as tls
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from adapters.agency_keys import AgencyKeys
from adapters.credentials import Credentials, compile_credentials
from adapters.manifest import Lifecycle, Manifest, TlsFiles
from adapters.secrets import AgencySecrets
from adapters.transport import Destination, Transport
from esb.errors import AgencyNotYet, AgencyPaused, AgencyUnreachable
from esb.model import Finding, Severity
from esb.ports import OutgoingCall, RawAnswer
from esb.routes.fields import nearest
from esb.settings import Settings

LIVE: Final = "live"
"""The environment in which real persons are asked about."""

_NOT_YET: Final = frozenset({Lifecycle.REGISTERED, Lifecycle.CHECKED})
_LOOPBACK: Final = ("http://127.", "http://localhost:", "http://[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An agency's address in this environment. `unusable` says what an operator must do before it can be called.

    `credentials`: what the agency's gateway wants to see with each call, besides any signature.
    """

    manifest: Manifest
    url: str
    transport: Transport
    ssl: tls.SSLContext | None = None
    unusable: str = ""
    credentials: Credentials | None = None

    def destination(self, operation: str) -> Destination:
        """What the transport needs to know for one operation; made once."""
        limits = self.manifest.limits
        return Destination(
            agency=self.manifest.agency,
            operation=operation,
            connect_timeout_s=limits.connect_timeout_s,
            max_reply_bytes=limits.max_reply_bytes,
            ssl=self.ssl,
        )

    def refuse_when_paused(self, now: datetime) -> None:
        """Raises AgencyPaused for one that is suspended, retired, not yet connected or in a maintenance window."""
        manifest = self.manifest
        if manifest.lifecycle in _NOT_YET:
            raise AgencyNotYet(
                f"adapter is {manifest.lifecycle} and not in its test yet", agency=manifest.agency, retry_after_s=3600.0
            )
        if not manifest.in_use:
            raise AgencyPaused(f"adapter is {manifest.lifecycle}", agency=manifest.agency, retry_after_s=3600.0)
        if manifest.maintenance and manifest.in_maintenance(now):
            raise AgencyPaused("maintenance window", agency=manifest.agency, retry_after_s=300.0)

    async def send(self, call: OutgoingCall, destination: Destination, *, timeout_s: float) -> RawAnswer:
        """One attempt; see `Transport.send` and `Credentials.send`.

        Raises:
            AgencyUnreachable: with advice, where it cannot be called.
        """
        if self.unusable:
            raise AgencyUnreachable(self.unusable, agency=destination.agency, operation=destination.operation)
        if self.credentials is not None:
            return await self.credentials.send(call, destination, self.transport, timeout_s=timeout_s)
        return await self.transport.send(call, destination, timeout_s=timeout_s)


def resolve(
    manifest: Manifest,
    settings: Settings,
    transport: Transport,
    *,
    keys: AgencyKeys | None = None,
    secrets: AgencySecrets | None = None,
) -> tuple[Endpoint, tuple[Finding, ...]]:
    """The agency's endpoint in this environment, and warnings about it. What makes it unusable is in the value.

    `keys` and `secrets`: what credentials are made from; the warnings of `secrets` are not repeated.
    """
    environment = settings.environment
    url = settings.endpoints.get(manifest.agency) or manifest.endpoint.get(environment, "")
    warnings: list[Finding] = []
    unusable = "" if url else _advice(manifest, environment)
    if manifest.lifecycle is Lifecycle.TEST and environment == LIVE:
        unusable = "adapter is in its test and is not called in the environment 'live'; promote it"
    if url.startswith("http://") and not url.startswith(_LOOPBACK):
        text = f"the {environment} endpoint is not https: personal data cross the network in clear"
        warnings.append(_warning(manifest, text))
    ssl: tls.SSLContext | None = None
    if manifest.tls is not None:
        try:
            ssl = _ssl(manifest.tls, settings)
        except OSError as error:  # ssl.SSLError is one
            unusable = f"files under `tls` cannot be used: {error.strerror or 'wrong content'}"
            warnings.append(_warning(manifest, unusable))
    credentials: Credentials | None = None
    if manifest.credentials is not None:
        credentials, found = compile_credentials(
            manifest,
            manifest.credentials,
            secrets=secrets or AgencySecrets(Path(settings.home), manifest.agency),
            keys=keys or AgencyKeys(),
            transport=transport,
            base_url=url,
            environment=environment,
            ssl=ssl,
        )
        warnings += found
    endpoint = Endpoint(
        manifest=manifest, url=url, transport=transport, ssl=ssl, unusable=unusable, credentials=credentials
    )
    return endpoint, tuple(warnings)


def overrides_of_nobody(overrides: Mapping[str, str], known: list[str]) -> list[Finding]:
    """An error for each setting `endpoints` that names no adapter: what it was meant for would be called elsewhere."""
    return [
        Finding(
            file="ESB_ENDPOINTS",
            line=0,
            message=f"there is no adapter {agency!r}",
            severity=Severity.ERROR,
            suggestion=nearest(agency, known),
        )
        for agency in overrides
        if agency not in known
    ]


def _ssl(files: TlsFiles, settings: Settings) -> tls.SSLContext:
    """The peer's certificate is checked in every case; the files only say against which roots, and who the bus is."""
    home = Path(settings.home)
    context = tls.create_default_context(cafile=str(home / files.ca) if files.ca else None)
    if files.client_certificate and files.client_key:
        # A password that is not needed is not asked for; without one OpenSSL would prompt on a terminal.
        context.load_cert_chain(home / files.client_certificate, home / files.client_key, settings.key_passphrase)
    return context


def _advice(manifest: Manifest, environment: str) -> str:
    return (
        f"no endpoint for the environment {environment!r}: set endpoint.{environment} in {manifest.file}, "
        f"or ESB_ENDPOINTS={manifest.agency}=URL"
    )


def _warning(manifest: Manifest, message: str) -> Finding:
    return Finding(file=manifest.file, line=0, message=message, severity=Severity.WARNING)
