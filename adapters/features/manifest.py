"""Which dialects an adapter may speak, as settings of its manifest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from adapters import manifest
from esb.model import Severity

_FRAME = """\
agency: any
title: {{az: "Qurum", en: "Agency"}}
owner: "Qurum"
contact: {{name: "Dəstək", email: support@agency.example}}
legal_basis: "Cabinet decision 191/2011"
kind: {kind}
contract: {{version: v1, file: contract.xml{contract}}}
lifecycle: registered
authentication: {authentication}
{more}
"""
_TOKEN = "username_token: {user: esb, password: agency-password"  # noqa: S105 - the name of a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFeature:
    """One way to speak."""

    name: str
    authentication: str = "wsse-x509"
    kind: str = "soap"
    contract: str = ""
    more: str = ""

    def outcome(self) -> tuple[bool, str]:
        """Whether a manifest may ask for it, and what it is told otherwise."""
        text = _FRAME.format(kind=self.kind, authentication=self.authentication, contract=self.contract, more=self.more)
        read, findings = manifest.parse(text.encode(), Path("any") / manifest.FILE_NAME)
        told = [finding.message for finding in findings if read is None or finding.severity is not Severity.ERROR]
        return read is not None, "; ".join(told)


FEATURES: tuple[ManifestFeature, ...] = (
    ManifestFeature(name="WS-Security, X.509 signature, ECDSA P-256 or RSA"),
    *(
        ManifestFeature(name=f"WS-Security, certificate named by {words}", more=f"wsse: {{key_reference: {word}}}")
        for word, words in (
            ("direct", "BinarySecurityToken"),
            ("subject-key-identifier", "subject key identifier"),
            ("certificate", "KeyIdentifier X509v3"),
            ("thumbprint", "SHA-1 thumbprint"),
            ("issuer-serial", "issuer and serial number"),
            ("x509-data", "X509Data"),
            ("pki-path", "X509PKIPathv1"),
        )
    ),
    ManifestFeature(
        name="UsernameToken, digest", authentication="wsse-username", more=f"wsse: {{{_TOKEN}}}, reply: unsigned}}"
    ),
    ManifestFeature(
        name="UsernameToken, text",
        authentication="wsse-username",
        more=f"wsse: {{{_TOKEN}, type: text}}, reply: unsigned}}",
    ),
    ManifestFeature(name="UsernameToken under the signature", more=f"wsse: {{{_TOKEN}, signed: true}}}}"),
    ManifestFeature(
        name="UsernameToken as signed, by who does not sign",
        authentication="wsse-username",
        more=f"wsse: {{{_TOKEN}, signed: true}}, reply: unsigned}}",
    ),
    ManifestFeature(name="replies that nobody signs", more="wsse: {reply: unsigned}"),
    ManifestFeature(
        name="encrypted Body, AES-GCM and RSA-OAEP", more="wsse: {encrypt: body, encryption: {algorithm: AES-256-GCM}}"
    ),
    ManifestFeature(name="encrypted Body, AES-CBC", more="wsse: {encrypt: body, encryption: {algorithm: AES-256-CBC}}"),
    ManifestFeature(name="encrypted Body, RSA 1.5", more="wsse: {encrypt: body, encryption: {key_transport: rsa-1_5}}"),
    ManifestFeature(name="signature with SHA-1", more="signature: {algorithm: RS1}"),
    ManifestFeature(name="WS-Addressing 1.0", more="addressing: true\nwsse: {sign_headers: [addressing]}"),
    ManifestFeature(name="X-Road 4.0 headers", more="x_road: {client: AZ/GOV/1/esb, service: AZ/GOV/2/register}"),
    ManifestFeature(
        name="headers of the contract, constants and secrets", more="soap_headers: {Auth: {values: {User: esb}}}"
    ),
    ManifestFeature(name="document that the agency signs itself", more="inner_signature: {element: Reply/Extract}"),
    ManifestFeature(
        name="SendMessage envelope of SHEP",
        contract=", operations: {Ask: {request: Ask, reply: Tell}}",
        more="shep: {sender: esb, services: {Ask: REG-ASK}}",
    ),
    ManifestFeature(name="HTTP Message Signatures", kind="rest", authentication="http-signature"),
    ManifestFeature(name="HTTP Message Signatures around SOAP", authentication="http-signature"),
    ManifestFeature(
        name="bridge: encrypted JSON",
        kind="rest",
        authentication="bridge",
        more=(
            "bridge: {identity: 7d0c3c52-3f0e-4a86-9a55-0d4f6f1f2a10, client_id: b7f5a2de-41c5-4f0f-8d8e-0b1f2c6f4e77,"
            " token_secret: bridge-token, public_key: bridge.pem}"
        ),
    ),
    ManifestFeature(
        name="Basic", authentication="none", more="credentials: {basic: {user: esb, password: gateway-password}}"
    ),
    ManifestFeature(
        name="API key", authentication="none", more="credentials: {api_key: {name: X-Api-Key, secret: api-key}}"
    ),
    ManifestFeature(
        name="OAuth2 client credentials",
        authentication="none",
        more="credentials: {oauth2: {token_url: https://a.example/token, client_id: esb, client_secret: oauth}}",
    ),
    ManifestFeature(
        name="JWT of the bus", authentication="none", more="credentials: {jwt: {issuer: esb, audience: register}}"
    ),
    ManifestFeature(
        name="Basic and OAuth2 at once",
        authentication="none",
        more=(
            "credentials: {basic: {user: esb, password: p}, "
            "oauth2: {token_url: https://a.example/t, client_id: esb, client_secret: oauth}}"
        ),
    ),
    ManifestFeature(name="mutual TLS", more="tls: {client_certificate: tls/bus.crt.pem, client_key: tls/bus.key.pem}"),
    ManifestFeature(
        name="ticket and poll",
        more="interaction: {operations: {Ask: {how: poll, answer: Fetch, ticket: Ticket, ticket_field: Ticket}}}",
    ),
    ManifestFeature(
        name="answers that the agency brings",
        more="interaction: {operations: {Ask: {how: push, ticket: Ticket, key: Ticket}}}",
    ),
    ManifestFeature(
        name="files in folders",
        authentication="none",
        more="interaction: {operations: {Ask: {how: file}}, files: {outbox: drop/out, inbox: drop/in}}",
    ),
    ManifestFeature(name="replies with more than the contract says", more="validation: lax"),
)
"""In the order of the table."""
