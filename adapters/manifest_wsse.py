"""The block `wsse` of `adapter.yaml`: what the security headers of requests and replies hold.

Part of `manifest_soap`, declared by the same rules; the values are frozen parts of the manifest.
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

REFERENCES: Final = ("direct", "subject-key-identifier", "certificate", "thumbprint", "issuer-serial", "x509-data")
RECEIVER_REFERENCES: Final = ("subject-key-identifier", "certificate", "thumbprint", "issuer-serial")
HEADERS: Final = ("addressing", "x-road", "contract")

_URI = r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"]+"


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


# --- what contradicts itself -----------------------------------------------------------------------------


def contradictions(
    wsse: Mapping[str, Any], authentication: str, signature: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """What cannot work in a block whose fields are right each: the key that it is about, and why."""
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
        secret_name=True,
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
