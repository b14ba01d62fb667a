"""The fields of `adapter.yaml`, each declared once: reading, lint, JSON Schema and the documents come from here."""

from __future__ import annotations

from typing import Final

from adapters.manifest_answers import FAULTS, NOT_FOUND, OPERATIONS
from adapters.manifest_bridge import BRIDGE
from adapters.manifest_credentials import CREDENTIALS
from adapters.manifest_interaction import INTERACTION
from adapters.manifest_soap import SOAP
from esb.model import Text
from esb.routes.fields import Field, Fields, Kind

LIFECYCLES: Final = ("registered", "checked", "test", "pilot", "live", "suspended", "retired")
ENVIRONMENTS: Final = ("simulated", "test", "live")
WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]"
_URL = r"https?://[^/?#\s@]+(/[^?#\s]*)?"
_FILE = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"


def _says(az: str, en: str) -> Text:
    return Text(az=az, en=en)


_CONTACT: Fields = (
    Field(name="name", kind=Kind.STRING, required=True, description=_says("əlaqədar şəxs", "person or desk")),
    Field(
        name="email",
        kind=Kind.STRING,
        required=True,
        pattern=r"[^@\s]+@[^@\s]+",
        description=_says("e-poçt ünvanı", "e-mail address"),
    ),
)

_CONTRACT: Fields = (
    Field(
        name="version",
        kind=Kind.STRING,
        required=True,
        pattern="v[1-9][0-9]*",
        example="v1",
        description=_says("müqavilənin versiyası", "folder under schemas/agencies/<agency>/"),
    ),
    Field(
        name="file",
        kind=Kind.STRING,
        required=True,
        pattern=_FILE,
        example="PopulationRegister.wsdl",
        description=_says("əsas fayl", "the WSDL, OpenAPI document or XSD in that folder"),
    ),
    Field(name="service", kind=Kind.STRING, description=_says("WSDL xidməti", "WSDL service, where there are several")),
    Field(name="port", kind=Kind.STRING, description=_says("WSDL portu", "WSDL port, where there are several")),
    Field(
        name="as_of",
        kind=Kind.STRING,
        example="AsOf",
        description=_says(
            "məlumatın hansı ana aid olduğunu bildirən sahə",
            "top-level reply field that says for which moment the data hold",
        ),
    ),
    Field(
        name="xsd",
        kind=Kind.STRING,
        pattern=_FILE,
        example="Heating.xsd",
        description=_says("XML gövdələrinin XSD faylı", "XSD of the XML documents of an OpenAPI contract"),
    ),
    Field(
        name="operations",
        kind=Kind.TABLE,
        fields=OPERATIONS,
        key_pattern="[A-Za-z_][A-Za-z0-9_.-]*",
        default={},
        description=_says(
            "əməliyyatlar", "calls, where the contract is an XSD; their elements, where an OpenAPI contract has an XSD"
        ),
    ),
    Field(
        name="allow_any",
        kind=Kind.BOOLEAN,
        default=False,
        description=_says(
            "açıq yerlər", "places that the contract leaves open (xs:any) are meant; else lint refuses them"
        ),
    ),
)

_ENDPOINT: Fields = tuple(
    Field(
        name=name,
        kind=Kind.STRING,
        pattern=_URL,
        description=_says(f"{name} mühitində ünvan", f"address in the environment {name!r}"),
    )
    for name in ENVIRONMENTS
)

_SIGNATURE: Fields = (
    Field(
        name="algorithm",
        kind=Kind.CHOICE,
        choices=("ES256", "RS256"),
        default="ES256",
        description=_says("şinin imza alqoritmi", "what the bus signs with; RS256 only where the agency demands it"),
    ),
    Field(
        name="ttl_s",
        kind=Kind.INTEGER,
        minimum=1,
        maximum=3600,
        default=300,
        description=_says("sorğunun imzasının ömrü", "how long a signed request is good"),
    ),
    Field(
        name="max_age_s",
        kind=Kind.INTEGER,
        minimum=1,
        maximum=3600,
        default=300,
        description=_says("cavabın imzasının ən böyük yaşı", "the oldest signature of a reply that is accepted"),
    ),
    Field(
        name="clock_skew_s",
        kind=Kind.INTEGER,
        minimum=0,
        maximum=300,
        default=30,
        description=_says("saatların yol verilən fərqi", "how far the clocks may differ"),
    ),
    Field(
        name="confirmation",
        kind=Kind.BOOLEAN,
        default=True,
        description=_says(
            "cavab sorğunun imzasını təsdiq etməlidir", "a reply must be bound to its request by the signature"
        ),
    ),
)

_LIMITS: Fields = (
    Field(
        name="concurrency",
        kind=Kind.INTEGER,
        minimum=1,
        maximum=1000,
        default=32,
        description=_says("eyni vaxtda çağırışların sayı", "calls at a time, per worker"),
    ),
    Field(
        name="rate_per_s",
        kind=Kind.NUMBER,
        minimum=0.01,
        maximum=100_000,
        default=200.0,
        description=_says("saniyədə çağırışların sayı", "calls per second, per worker"),
    ),
    Field(
        name="connect_timeout_s",
        kind=Kind.NUMBER,
        minimum=0.05,
        maximum=60,
        default=2.0,
        description=_says("qoşulma müddəti", "time to connect"),
    ),
    Field(
        name="max_reply_bytes",
        kind=Kind.INTEGER,
        minimum=1024,
        maximum=5 * 1024 * 1024,  # what security.xml reads
        default=5 * 1024 * 1024,
        description=_says("cavabın ən böyük ölçüsü", "the largest reply that is read"),
    ),
)

_BREAKER: Fields = (
    Field(
        name="failures",
        kind=Kind.INTEGER,
        minimum=1,
        maximum=1000,
        default=5,
        description=_says("ardıcıl uğursuzluqların sayı", "failures in a row after which calls are held back"),
    ),
    Field(
        name="open_s",
        kind=Kind.NUMBER,
        minimum=0.1,
        maximum=3600,
        default=10.0,
        description=_says("çağırışların saxlanma müddəti", "how long they are held back before one is tried"),
    ),
)

_TLS: Fields = (
    Field(name="ca", kind=Kind.STRING, description=_says("kök sertifikatlar faylı", "PEM file of the trusted roots")),
    Field(
        name="client_certificate",
        kind=Kind.STRING,
        description=_says("şinin TLS sertifikatı", "PEM file of the bus's TLS client certificate"),
    ),
    Field(
        name="client_key",
        kind=Kind.STRING,
        description=_says("onun açarı", "PEM file of its private key"),
    ),
)

_MAINTENANCE: Fields = (
    Field(
        name="weekday",
        kind=Kind.CHOICE,
        choices=WEEKDAYS,
        required=True,
        description=_says("həftənin günü", "day of the week"),
    ),
    Field(
        name="from",
        kind=Kind.STRING,
        pattern=_TIME,
        required=True,
        example="02:00",
        description=_says("başlanğıc, Bakı vaxtı", "begin, Baku time"),
    ),
    Field(
        name="to",
        kind=Kind.STRING,
        pattern=_TIME,
        required=True,
        example="04:30",
        description=_says("son, Bakı vaxtı", "end, Baku time, on the same day"),
    ),
)

FIELDS: Final[Fields] = (
    Field(
        name="agency",
        kind=Kind.STRING,
        required=True,
        pattern="[a-z][a-z0-9]*(-[a-z0-9]+)*",
        example="din-reg",
        description=_says("qurumun kodu", "code of the agency; the name of the folder"),
    ),
    Field(name="title", kind=Kind.TEXT, required=True, description=_says("adı", "its name for people")),
    Field(name="owner", kind=Kind.STRING, required=True, description=_says("sahibi", "who owns the system")),
    Field(
        name="contact",
        kind=Kind.RECORD,
        fields=_CONTACT,
        required=True,
        description=_says("əlaqə", "whom operators call"),
    ),
    Field(
        name="legal_basis",
        kind=Kind.STRING,
        required=True,
        description=_says("hüquqi əsas", "the act under which the system is connected"),
    ),
    Field(
        name="kind",
        kind=Kind.CHOICE,
        choices=("soap", "rest", "xml"),
        required=True,
        description=_says("sistemin növü", "how the system speaks; xml: XML over HTTP by an XSD alone"),
    ),
    Field(
        name="contract",
        kind=Kind.RECORD,
        fields=_CONTRACT,
        required=True,
        description=_says("müqavilə", "the published contract"),
    ),
    Field(
        name="endpoint",
        kind=Kind.RECORD,
        fields=_ENDPOINT,
        default={},
        description=_says("ünvanlar", "address per environment; without one the adapter is only listed"),
    ),
    Field(
        name="authentication",
        kind=Kind.CHOICE,
        choices=("wsse-x509", "wsse-username", "http-signature", "xmldsig", "bridge", "none"),
        required=True,
        description=_says("imza növü", "how requests and replies are signed; none leaves both unsigned"),
    ),
    Field(
        name="signature",
        kind=Kind.RECORD,
        fields=_SIGNATURE,
        default={},
        description=_says("imzanın şərtləri", "what is asked of signatures"),
    ),
    Field(
        name="limits",
        kind=Kind.RECORD,
        fields=_LIMITS,
        default={},
        description=_says("hədlər", "how much the agency bears"),
    ),
    Field(
        name="breaker",
        kind=Kind.RECORD,
        fields=_BREAKER,
        default={},
        description=_says("qoruyucu", "when calls are held back"),
    ),
    Field(
        name="faults",
        kind=Kind.RECORD,
        fields=FAULTS,
        default={},
        description=_says("xəta kodları", "what the agency's own fault codes mean"),
    ),
    Field(
        name="not_found",
        kind=Kind.RECORD,
        fields=NOT_FOUND,
        default={},
        description=_says("«tapılmadı»", "how the agency says: no such record"),
    ),
    Field(
        name="tls",
        kind=Kind.RECORD,
        fields=_TLS,
        description=_says("TLS", "own roots and client certificate; without it the system's roots"),
    ),
    Field(
        name="credentials",
        kind=Kind.RECORD,
        fields=CREDENTIALS,
        description=_says("giriş məlumatları", "what the agency's gateway wants to see of the bus, with every call"),
    ),
    Field(
        name="bridge",
        kind=Kind.RECORD,
        fields=BRIDGE,
        description=_says("körpü", "names and keys of an agency behind the bridge, for authentication: bridge"),
    ),
    Field(
        name="interaction",
        kind=Kind.RECORD,
        fields=INTERACTION,
        description=_says("gec cavablar", "operations that are not answered at once: tickets, answers brought, files"),
    ),
    *SOAP,
    Field(
        name="validation",
        kind=Kind.CHOICE,
        choices=("strict", "lax"),
        default="strict",
        description=_says(
            "yoxlama", "strict: a reply that breaks the contract is refused; lax: what is unknown is kept and logged"
        ),
    ),
    Field(
        name="lifecycle",
        kind=Kind.CHOICE,
        choices=LIFECYCLES,
        required=True,
        description=_says("mərhələ", "where the connection stands; suspended and retired are not called"),
    ),
    Field(
        name="maintenance",
        kind=Kind.RECORDS,
        fields=_MAINTENANCE,
        default=(),
        description=_says("texniki iş vaxtları", "windows in which the agency is not called"),
    ),
)
"""`adapter.yaml`."""
