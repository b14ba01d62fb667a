"""Fields of `adapter.yaml` about the SOAP envelope and what proves it: `wsse`, `soap_headers`, `x_road` and others.

Part of `manifest_fields`, declared by the same rules; the values are frozen parts of the manifest. Secrets are only
named here: their values lie in files, see `adapters/secrets.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from adapters.secrets import NAME_PATTERN
from esb.model import Text
from esb.routes.fields import Field, Fields, Kind

SIGNED: Final = "signed"
UNSIGNED: Final = "unsigned"

_URI = r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"]+"
_MEMBER = r"[^/\s<>&]+(/[^/\s<>&]+){2,3}"
_SERVICE = r"[^/\s<>&]+(/[^/\s<>&]+){3,5}"
_PATH = r"[^/\s]+(/[^/\s]+)*"
_VALUE_PATH = r"@?[^.\s@{}]+(\.@?[^.\s@{}]+)*"
_HEADER_NAME = r"(\{[^{}\s]+\})?[^{}\s:]+"

REFERENCES: Final = ("direct", "subject-key-identifier", "certificate", "thumbprint", "issuer-serial", "x509-data")
RECEIVER_REFERENCES: Final = ("subject-key-identifier", "certificate", "thumbprint", "issuer-serial")
HEADERS: Final = ("addressing", "x-road", "contract")
ORIGINS: Final = ("message_id", "user", "issue", "purpose", "legal_basis")
"""What a header may take from the portal's request."""


# --- values ----------------------------------------------------------------------------------------------


class UsernameTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A name and a password in the security header. `password` names a secret; `type` is text or digest."""

    user: str
    password: str
    type: str
    signed: bool


class EncryptionTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How a Body is encrypted for the agency."""

    algorithm: str
    key_transport: str
    key_reference: str


class WsseTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What the security headers of requests and replies hold."""

    key_reference: str
    reply_key_references: tuple[str, ...]
    username_token: UsernameTerms | None
    timestamp: bool
    reply: str
    encrypt: str
    encryption: EncryptionTerms
    encrypted_reply: bool
    actor: str | None
    sign_headers: tuple[str, ...]

    @property
    def answering(self) -> tuple[str, ...]:
        """How a reply may name its certificate."""
        return self.reply_key_references or (self.key_reference,)


class HeaderTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What goes into one SOAP header with every call, by dotted path: constants, secrets, and what the request says."""

    values: Mapping[str, str]
    secrets: Mapping[str, str]
    origin: Mapping[str, str]


class XRoadTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Members of X-Road, their parts divided by `/`: instance, class, code, subsystem, and of a service more."""

    client: str
    service: str
    protocol_version: str


class InnerSignatureTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Where in the Body's element a document stands that the agency signed itself."""

    element: str
    required: bool


class ShepTerms(msgspec.Struct, frozen=True, kw_only=True):
    """The SendMessage envelope of a gateway like SHEP. `services`: service id by operation."""

    sender: str
    services: Mapping[str, str]
    password: str | None
    route: str | None
    properties: Mapping[str, str]
    data: str
    sign_document: bool


# --- what contradicts itself -----------------------------------------------------------------------------


def contradictions(values: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """What cannot work in blocks whose fields are right each: the key that it is about, and why."""
    if values["kind"] != "soap":
        for name in ("wsse", "soap_headers", "x_road", "addressing", "inner_signature", "shep"):
            if values[name]:
                yield (name,), f"{name} is about SOAP envelopes; the adapter's kind is {values['kind']}"
        return
    if values["wsse"] is not None:
        for key, text in _wsse(values["wsse"], values["authentication"], values["signature"]):
            yield ("wsse", key), text
    elif values["authentication"] == "wsse-username":
        yield ("authentication",), "wsse-username needs wsse.username_token"
    for name, terms in values["soap_headers"].items():
        yield from _header(name, terms)


def _wsse(wsse: Mapping[str, Any], authentication: str, signature: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    token = wsse["username_token"]
    signs = authentication == "wsse-x509"
    if authentication == "wsse-username" and token is None:
        yield "username_token", "authentication: wsse-username needs wsse.username_token"
    if authentication == "none" and token is not None:
        yield "username_token", "a name and password are authentication: wsse-username"
    if token is not None and token["signed"] and not signs:
        yield "username_token", "only authentication: wsse-x509 can sign the username token"
    if wsse["sign_headers"] and not signs:
        yield "sign_headers", "only authentication: wsse-x509 signs headers"
    if wsse["encrypt"] != "none" and not signs:
        yield "encrypt", "a body is signed and then encrypted; that needs authentication: wsse-x509"
    if wsse["encrypted_reply"] and (wsse["reply"] == UNSIGNED or authentication == "none"):
        yield "encrypted_reply", "anybody can encrypt for the bus: an encrypted reply must be signed"
    if not signs and signature["confirmation"] and authentication == "wsse-username" and wsse["reply"] == SIGNED:
        yield "reply", "requests are not signed, so that no reply can confirm one; set signature.confirmation: false"
    if authentication == "none" and not wsse["timestamp"]:
        yield "timestamp", "without signature, name and time nothing is left of the block wsse; remove it"


def _header(name: str, terms: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    taken: set[str] = set()
    for part in ("values", "secrets", "origin"):
        for path in terms[part]:
            if path in taken:
                yield ("soap_headers", name), f"soap_headers.{name}: {path} is given twice"
            taken.add(path)
    for path, source in terms["origin"].items():
        if source not in ORIGINS:
            yield (
                ("soap_headers", name),
                f"soap_headers.{name}.origin.{path}: {source!r} is not one of {', '.join(ORIGINS)}",
            )


# --- fields ----------------------------------------------------------------------------------------------


def _says(az: str, en: str) -> Text:
    return Text(az=az, en=en)


_USERNAME: Fields = (
    Field(name="user", kind=Kind.STRING, required=True, example="esb", description=_says("ad", "the name")),
    Field(
        name="password",
        kind=Kind.STRING,
        required=True,
        pattern=NAME_PATTERN,
        example="wsse-password",
        description=_says("parolun sirr adı", "name of the secret that is the password"),
    ),
    Field(
        name="type",
        kind=Kind.CHOICE,
        choices=("text", "digest"),
        default="digest",
        description=_says("parolun növü", "digest: proven with nonce and time; text: told"),
    ),
    Field(
        name="signed",
        kind=Kind.BOOLEAN,
        default=False,
        description=_says("imzalanır", "the token is covered by the signature"),
    ),
)

_ENCRYPTION: Fields = (
    Field(
        name="algorithm",
        kind=Kind.CHOICE,
        choices=("AES-256-GCM", "AES-128-GCM"),
        default="AES-256-GCM",
        description=_says("şifrələmə alqoritmi", "for the content; CBC is not spoken, it leaks"),
    ),
    Field(
        name="key_transport",
        kind=Kind.CHOICE,
        choices=("rsa-oaep", "rsa-oaep-mgf1p"),
        default="rsa-oaep",
        description=_says("açarın şifrələnməsi", "for its key: OAEP with SHA-256, or with SHA-1 (mgf1p)"),
    ),
    Field(
        name="key_reference",
        kind=Kind.CHOICE,
        choices=RECEIVER_REFERENCES,
        default="issuer-serial",
        description=_says("qurumun sertifikatının göstərilməsi", "how the agency's certificate is named"),
    ),
)

WSSE: Final[Fields] = (
    Field(
        name="key_reference",
        kind=Kind.CHOICE,
        choices=REFERENCES,
        default="direct",
        description=_says("imza sertifikatının göstərilməsi", "how requests name the certificate of their signature"),
    ),
    Field(
        name="reply_key_references",
        kind=Kind.STRINGS,
        choices=REFERENCES,
        default=(),
        example=("certificate",),
        description=_says("cavablarda necə göstərilir", "how replies may name theirs; left out: as requests do"),
    ),
    Field(
        name="username_token",
        kind=Kind.RECORD,
        fields=_USERNAME,
        description=_says("ad və parol", "a name and a password in the header"),
    ),
    Field(
        name="timestamp",
        kind=Kind.BOOLEAN,
        default=True,
        description=_says("vaxt möhürü", "requests carry their time, and replies must; false weakens the replay guard"),
    ),
    Field(
        name="reply",
        kind=Kind.CHOICE,
        choices=(SIGNED, UNSIGNED),
        default=SIGNED,
        description=_says("cavabın imzası", "unsigned: replies prove nothing and are believed for TLS alone"),
    ),
    Field(
        name="encrypt",
        kind=Kind.CHOICE,
        choices=("none", "body"),
        default="none",
        description=_says("sorğunun şifrələnməsi", "what of a request is encrypted for the agency"),
    ),
    Field(
        name="encryption",
        kind=Kind.RECORD,
        fields=_ENCRYPTION,
        default={},
        description=_says("şifrələmə şərtləri", "how it is encrypted"),
    ),
    Field(
        name="encrypted_reply",
        kind=Kind.BOOLEAN,
        default=False,
        description=_says("cavab şifrələnir", "replies come encrypted for the bus, and no other reply is taken"),
    ),
    Field(
        name="actor",
        kind=Kind.STRING,
        pattern=_URI,
        description=_says("başlığın ünvanı", "actor or role that requests' security headers are marked for"),
    ),
    Field(
        name="sign_headers",
        kind=Kind.STRINGS,
        choices=HEADERS,
        default=(),
        example=("addressing",),
        description=_says("imzalanan başlıqlar", "headers that are signed too, in requests and replies"),
    ),
)

_HEADER: Fields = (
    Field(
        name="values",
        kind=Kind.PAIRS,
        key_pattern=_VALUE_PATH,
        default={},
        example={"UserName": "esb"},
        description=_says("sabit dəyərlər", "constants by dotted path"),
    ),
    Field(
        name="secrets",
        kind=Kind.PAIRS,
        key_pattern=_VALUE_PATH,
        pattern=NAME_PATTERN,
        default={},
        example={"Password": "mkr-password"},
        description=_says("sirlərin adları", "names of secrets by dotted path"),
    ),
    Field(
        name="origin",
        kind=Kind.PAIRS,
        key_pattern=_VALUE_PATH,
        default={},
        example={"CallBasis": "legal_basis"},
        description=_says(
            "sorğudan götürülənlər", f"taken from the portal's request, by dotted path: {', '.join(ORIGINS)}"
        ),
    ),
)

_X_ROAD: Fields = (
    Field(
        name="client",
        kind=Kind.STRING,
        required=True,
        pattern=_MEMBER,
        example="AZ/GOV/1000001/esb",
        description=_says("şinin üzvlüyü", "the bus as a member: instance/class/code/subsystem"),
    ),
    Field(
        name="service",
        kind=Kind.STRING,
        required=True,
        pattern=_SERVICE,
        example="AZ/GOV/1000002/register",
        description=_says(
            "xidmət", "the agency's subsystem; the operation's name and a version may follow, else the WSDL's name does"
        ),
    ),
    Field(
        name="protocol_version",
        kind=Kind.CHOICE,
        choices=("4.0",),
        default="4.0",
        description=_says("protokolun versiyası", "version of the message protocol"),
    ),
)

_INNER_SIGNATURE: Fields = (
    Field(
        name="element",
        kind=Kind.STRING,
        required=True,
        pattern=_PATH,
        example="Document/Decision",
        description=_says(
            "imzalı sənədin yeri", "path of the signed document below the reply's element; * is an only child"
        ),
    ),
    Field(
        name="required",
        kind=Kind.BOOLEAN,
        default=True,
        description=_says("mütləqdir", "a reply without such a document is refused"),
    ),
)

_SHEP: Fields = (
    Field(
        name="sender",
        kind=Kind.STRING,
        required=True,
        description=_says("göndərənin kodu", "id of the bus at the gateway (senderId)"),
    ),
    Field(
        name="services",
        kind=Kind.PAIRS,
        required=True,
        example={"GetCredits": "CREDIT_REGISTER_SERVICE"},
        description=_says("xidmətlərin kodları", "service id by operation"),
    ),
    Field(
        name="password",
        kind=Kind.STRING,
        pattern=NAME_PATTERN,
        description=_says("parolun sirr adı", "name of the secret that is the sender's password"),
    ),
    Field(name="route", kind=Kind.STRING, description=_says("marşrut kodu", "routeId")),
    Field(
        name="properties",
        kind=Kind.PAIRS,
        key_pattern=".{1,30}",
        pattern=".{0,500}",
        default={},
        description=_says("əlavə xassələr", "properties that were agreed on"),
    ),
    Field(
        name="data",
        kind=Kind.CHOICE,
        choices=("element", "text"),
        default="element",
        description=_says("məlumatın yazılışı", "the business document stands in `data` as XML or as text"),
    ),
    Field(
        name="sign_document",
        kind=Kind.BOOLEAN,
        default=False,
        description=_says("sənəd imzalanır", "the business document of a request carries a signature of its own"),
    ),
)

SOAP: Final[Fields] = (
    Field(
        name="wsse",
        kind=Kind.RECORD,
        fields=WSSE,
        description=_says(
            "WS-Security", "what the security headers hold; left out: a direct reference and a timestamp"
        ),
    ),
    Field(
        name="soap_headers",
        kind=Kind.TABLE,
        fields=_HEADER,
        key_pattern=_HEADER_NAME,
        default={},
        description=_says("SOAP başlıqları", "headers that go along with every call, by element"),
    ),
    Field(
        name="addressing",
        kind=Kind.BOOLEAN,
        default=False,
        description=_says("WS-Addressing", "requests carry WS-Addressing 1.0 even where the WSDL does not require it"),
    ),
    Field(
        name="x_road",
        kind=Kind.RECORD,
        fields=_X_ROAD,
        description=_says("X-Road", "headers of X-Road 4.0, echoed by replies"),
    ),
    Field(
        name="inner_signature",
        kind=Kind.RECORD,
        fields=_INNER_SIGNATURE,
        description=_says("daxili imza", "a document in replies that the agency signs itself; kept as evidence"),
    ),
    Field(
        name="shep",
        kind=Kind.RECORD,
        fields=_SHEP,
        description=_says("SendMessage zərfi", "the envelope of a gateway like SHEP around documents of an XSD"),
    ),
)
"""What `manifest_fields` takes over."""
