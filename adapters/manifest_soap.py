"""Fields of `adapter.yaml` about the SOAP envelope and what stands in it: `soap_headers`, `x_road`, `shep` and others.

Part of `manifest_fields`, declared by the same rules; the values are frozen parts of the manifest. Secrets are only
named here: their values lie in files, see `adapters/secrets.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from adapters import manifest_wsse
from adapters.manifest_wsse import WSSE
from adapters.secrets import NAME_PATTERN
from esb.model import Text
from esb.routes.fields import Field, Fields, Kind

_MEMBER = r"[^/\s<>&]+(/[^/\s<>&]+){2,3}"
_SERVICE = r"[^/\s<>&]+(/[^/\s<>&]+){3,5}"
_PATH = r"[^/\s]+(/[^/\s]+)*"
_VALUE_PATH = r"@?[^.\s@{}]+(\.@?[^.\s@{}]+)*"
_HEADER_NAME = r"(\{[^{}\s]+\})?[^{}\s:]+"

ORIGINS: Final = ("message_id", "user", "issue", "purpose", "legal_basis")
"""What a header may take from the portal's request."""


# --- values ----------------------------------------------------------------------------------------------


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
    channel: str


# --- what contradicts itself -----------------------------------------------------------------------------


def contradictions(values: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """What cannot work in blocks whose fields are right each: the key that it is about, and why."""
    if values["kind"] != "soap":
        for name in ("wsse", "soap_headers", "x_road", "addressing", "inner_signature", "shep"):
            if values[name]:
                yield (name,), f"{name} is about SOAP envelopes; the adapter's kind is {values['kind']}"
        return
    if values["wsse"] is not None:
        for key, text in manifest_wsse.contradictions(values["wsse"], values["authentication"], values["signature"]):
            yield ("wsse", key), text
    elif values["authentication"] == "wsse-username":
        yield ("authentication",), "wsse-username needs wsse.username_token"
    for name, terms in values["soap_headers"].items():
        yield from _header(name, terms)


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
        secret_name=True,
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
        secret_name=True,
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
        name="channel",
        kind=Kind.CHOICE,
        choices=("sync", "async"),
        default="sync",
        description=_says(
            "kanal", "async: an operation gives a receipt, and <operation>.answer asks for its answer (interaction)"
        ),
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
