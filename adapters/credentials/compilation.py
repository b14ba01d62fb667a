"""The block `credentials` of a manifest becomes what is shown with each call. Runs at load only.

What is missing (a secret, a key of the bus) is a warning here and a refusal of every call later.
"""

from __future__ import annotations

import base64
import ssl as tls
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

import msgspec

from adapters.agency_keys import AgencyKeys
from adapters.credentials.bus_token import BusToken
from adapters.credentials.client import Client, JwtClient, SecretClient
from adapters.credentials.presenting import Credentials
from adapters.credentials.token_source import TokenSource
from adapters.manifest import Manifest
from adapters.manifest_credentials import ApiKeyTerms, BasicTerms, CredentialTerms, JwtTerms, OAuth2Terms
from adapters.secrets import AgencySecrets, Secret
from adapters.transport import Destination, Transport
from esb.model import Finding, Severity
from esb.ports import Clock, utc_now
from security.assertion import HS256, SharedKey
from security.errors import KeyUnavailable
from security.keys import Algorithm, SigningKey

SIMULATED: Final = "simulated"
"""The environment in which nothing outside of this machine is called."""

_MAX_TOKEN_ANSWER_BYTES: Final = 64 * 1024
_TOKEN_OPERATION: Final = "OAuth2 token"  # noqa: S105 - a name in messages


def compile_credentials(
    manifest: Manifest,
    terms: CredentialTerms,
    *,
    secrets: AgencySecrets,
    keys: AgencyKeys,
    transport: Transport,
    base_url: str,
    environment: str,
    ssl: tls.SSLContext | None,
    clock: Clock = utc_now,
) -> tuple[Credentials, tuple[Finding, ...]]:
    """What is shown with each call, and warnings besides those of `secrets`.

    `base_url`: the agency's address in this environment. The token endpoint is called with the agency's TLS files.
    """
    if terms.oauth2 is not None:
        token_url = _token_url(terms.oauth2.token_url, base_url, environment)
        terms = msgspec.structs.replace(terms, oauth2=msgspec.structs.replace(terms.oauth2, token_url=token_url))
    compilation = _Compilation(manifest, secrets, keys, clock, [])
    try:
        credentials = compilation.credentials(terms, transport, ssl)
    except KeyUnavailable as error:
        credentials = Credentials(agency=manifest.agency, clock=clock, unusable=error.reason)
        compilation.warn_unless_said(error.reason)
    return credentials, tuple(compilation.findings)


@dataclass(frozen=True, slots=True)
class _Compilation:
    """One compilation. Raises KeyUnavailable for the first thing that is missing."""

    manifest: Manifest
    secrets: AgencySecrets
    keys: AgencyKeys
    clock: Clock
    findings: list[Finding]

    def credentials(self, terms: CredentialTerms, transport: Transport, ssl: tls.SSLContext | None) -> Credentials:
        self._read_all(terms)
        headers = {**self._basic(terms.basic), **self._key_header(terms.api_key)}
        return Credentials(
            agency=self.manifest.agency,
            clock=self.clock,
            headers=headers,
            query=self._key_query(terms.api_key),
            bus_token=self._bus_token(terms.jwt) if terms.jwt else None,
            tokens=self._tokens(terms.oauth2, transport, ssl) if terms.oauth2 else None,
        )

    def warn_unless_said(self, reason: str) -> None:
        if not any(reason == finding.message for finding in self.secrets.findings):
            self._warn(reason)

    def _read_all(self, terms: CredentialTerms) -> None:
        """One load finds every secret that is missing, not only the first."""
        named = [
            terms.basic.password if terms.basic else None,
            terms.api_key.secret if terms.api_key else None,
            terms.oauth2.client_secret if terms.oauth2 else None,
            terms.jwt.secret if terms.jwt else None,
        ]
        for name in named:
            if name:
                self.secrets.secret(name)

    # --- fixed -------------------------------------------------------------------------------------------

    def _basic(self, terms: BasicTerms | None) -> dict[str, str]:
        if terms is None:
            return {}
        # RFC 7617, section 2.1: UTF-8 is what a server that names a charset wants; ASCII is the same in all.
        pair = f"{terms.user}:{self.secrets.secret(terms.password).reveal()}".encode()
        return {"authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def _key_header(self, terms: ApiKeyTerms | None) -> dict[str, str]:
        if terms is None or terms.place != "header":
            return {}
        return {terms.name.lower(): _in_header(self.secrets.secret(terms.secret))}

    def _key_query(self, terms: ApiKeyTerms | None) -> str:
        if terms is None or terms.place != "query":
            return ""
        return f"{quote(terms.name, safe='')}={quote(self.secrets.secret(terms.secret).reveal(), safe='')}"

    # --- made for each call ------------------------------------------------------------------------------

    def _bus_token(self, terms: JwtTerms) -> BusToken:
        key: SigningKey | SharedKey
        if terms.algorithm == HS256:
            key = self._shared(self.secrets.secret(terms.secret or ""))
        else:
            key = self._signing(terms.algorithm)
        return BusToken(terms, key)

    def _shared(self, secret: Secret) -> SharedKey:
        key = SharedKey(secret=secret.reveal().encode())
        if key.is_short:
            self._warn(f"the secret {secret.name} is shorter than the 32 bytes that HS256 asks for (RFC 7518, 3.2)")
        return key

    def _tokens(self, terms: OAuth2Terms, transport: Transport, ssl: tls.SSLContext | None) -> TokenSource:
        limits = self.manifest.limits
        return TokenSource(
            terms,
            client=self._client(terms),
            transport=transport,
            destination=Destination(
                agency=self.manifest.agency,
                operation=_TOKEN_OPERATION,
                connect_timeout_s=limits.connect_timeout_s,
                max_reply_bytes=_MAX_TOKEN_ANSWER_BYTES,
                ssl=ssl,
            ),
        )

    def _client(self, terms: OAuth2Terms) -> Client:
        if terms.client_authentication == "private_key_jwt":
            return JwtClient(terms, self._signing(terms.algorithm), self.clock)
        return SecretClient(terms, self.secrets.secret(terms.client_secret or "").reveal())

    def _signing(self, algorithm: str) -> SigningKey:
        key = self.keys.signing.get(Algorithm(algorithm))
        if key is None:
            raise KeyUnavailable(
                f"the bus has no {algorithm} key; make one with `esb keys new --algorithm {algorithm}`"
            )
        return key

    def _warn(self, message: str) -> None:
        file = self.manifest.file
        self.findings.append(Finding(file=file, line=0, message=message, severity=Severity.WARNING))


def _token_url(written: str, base_url: str, environment: str) -> str:
    """Where tokens come from. A simulated agency has its own token endpoint: the real one is never asked for it."""
    there, here = urlsplit(written), urlsplit(base_url)
    if there.netloc and environment != SIMULATED:
        return written
    return f"{here.scheme}://{here.netloc}{there.path}" if base_url else written


def _in_header(secret: Secret) -> str:
    value = secret.reveal()
    if not value.isascii() or value != value.strip():
        raise KeyUnavailable(f"the secret {secret.name} cannot stand in a header: it is not ASCII, or has outer blanks")
    return value
