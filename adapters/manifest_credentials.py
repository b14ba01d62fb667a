"""The block `credentials` of `adapter.yaml`: how the bus shows an agency's gateway who is calling.

Part of `manifest_fields`, declared by the same rules; the values are frozen parts of the manifest. Secrets are only
named here: their values lie in files, see `adapters/secrets.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from adapters.secrets import NAME_PATTERN
from esb.model import Text
from esb.routes.fields import Field, Fields, Kind

AUTHORIZATION: Final = "authorization"

RESERVED_HEADERS: Final = frozenset(
    {
        "accept",
        "accept-encoding",
        "connection",
        "content-digest",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "host",
        "signature",
        "signature-input",
        "soapaction",
        "te",
        "traceparent",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-bridge-authorization",
    }
)
"""Headers that the bus or HTTP itself sets; a credential there would change what the message means."""

_REGISTERED_CLAIMS: Final = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti"})
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

_HEADER = r"[A-Za-z][A-Za-z0-9-]{0,63}"
_VISIBLE = r"[\x21-\x7e]+"
_LINE = r"[\x20-\x7e]+"


# --- values ----------------------------------------------------------------------------------------------


class BasicTerms(msgspec.Struct, frozen=True, kw_only=True):
    """HTTP Basic (RFC 7617)."""

    user: str
    password: str


class ApiKeyTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A fixed key in a header or in the query."""

    place: str = msgspec.field(name="in")
    name: str
    secret: str


class OAuth2Terms(msgspec.Struct, frozen=True, kw_only=True):
    """Client credentials (RFC 6749, section 4.4). `token_url` may be a path at the endpoint's own address."""

    token_url: str
    client_id: str
    client_authentication: str
    client_secret: str | None = None
    algorithm: str = "ES256"
    scope: str | None = None
    audience: str | None = None


class JwtTerms(msgspec.Struct, frozen=True, kw_only=True):
    """A token that the bus makes for each call. `secret` for HS256 only; else the bus's own key signs."""

    header: str
    algorithm: str
    issuer: str
    audience: str
    ttl_s: int
    scheme: str | None = None
    secret: str | None = None
    subject: str | None = None
    claims: Mapping[str, str] = {}

    @property
    def prefix(self) -> str:
        """What stands before the token: in `Authorization` a scheme is needed, elsewhere there is none by itself."""
        scheme = self.scheme or ("Bearer" if self.header.lower() == AUTHORIZATION else "")
        return f"{scheme} " if scheme else ""


class CredentialTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What of these the agency asks for; at least one."""

    basic: BasicTerms | None = None
    api_key: ApiKeyTerms | None = None
    oauth2: OAuth2Terms | None = None
    jwt: JwtTerms | None = None


# --- what contradicts itself -----------------------------------------------------------------------------


def contradictions(credentials: Mapping[str, Any], authentication: str) -> Iterator[tuple[str, str]]:
    """What cannot work in a block whose fields are right each: the key below `credentials` it is about, and why."""
    given = {name: terms for name, terms in credentials.items() if terms}
    if not given:
        yield "", "credentials names none; give basic, api_key, oauth2 or jwt, or remove the block"
    yield from _header_contradictions(given)
    if "api_key" in given and given["api_key"]["in"] == "query" and authentication == "http-signature":
        yield "api_key", "a key in the query would change the URL that the HTTP signature covers; ask for a header"
    if "oauth2" in given:
        yield from _oauth2_contradictions(given["oauth2"])
    if "jwt" in given:
        yield from _jwt_contradictions(given["jwt"])


def _header_contradictions(given: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    taken: dict[str, str] = {}
    for name, terms in given.items():
        header = _header_of(name, terms)
        if header is None:
            continue
        if header.lower() in RESERVED_HEADERS:
            yield name, f"credentials.{name}: the header {header} is set by the bus itself"
        other = taken.setdefault(header.lower(), name)
        if other != name:
            yield name, f"credentials.{name} and credentials.{other} would both set the header {header}"


def _header_of(name: str, terms: Mapping[str, Any]) -> str | None:
    if name == "api_key":
        return str(terms["name"]) if terms["in"] == "header" else None
    return str(terms["header"]) if name == "jwt" else "Authorization"


def _oauth2_contradictions(terms: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    by_key = terms["client_authentication"] == "private_key_jwt"
    if by_key and terms["client_secret"]:
        yield "oauth2", "credentials.oauth2: private_key_jwt is signed by the bus's key; remove client_secret"
    if not by_key and not terms["client_secret"]:
        yield "oauth2", f"credentials.oauth2: {terms['client_authentication']} needs client_secret, the secret's name"
    address = urlsplit(terms["token_url"])
    if address.netloc and address.scheme != "https" and address.hostname not in _LOOPBACK:
        yield (
            "oauth2",
            "credentials.oauth2.token_url is not https: the client's secret would cross the network in clear",
        )


def _jwt_contradictions(terms: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    shared = terms["algorithm"] == "HS256"
    if shared and not terms["secret"]:
        yield "jwt", "credentials.jwt: HS256 needs secret, the secret's name"
    if not shared and terms["secret"]:
        yield "jwt", f"credentials.jwt: {terms['algorithm']} is signed by the bus's key; remove secret"
    for name in sorted(_REGISTERED_CLAIMS & terms["claims"].keys()):
        yield "jwt", f"credentials.jwt.claims: {name} is set by the bus; see issuer, audience, subject and ttl_s"


# --- fields ----------------------------------------------------------------------------------------------


def _says(az: str, en: str) -> Text:
    return Text(az=az, en=en)


def _secret(name: str, what: str, adi: str, *, required: bool = False) -> Field:
    return Field(
        name=name,
        kind=Kind.STRING,
        pattern=NAME_PATTERN,
        secret_name=True,
        required=required,
        description=_says(
            f"{adi}: sirrin adı", f"name of the secret that holds {what}; `esb keys secret set` stores it"
        ),
    )


_BASIC: Fields = (
    Field(
        name="user",
        kind=Kind.STRING,
        pattern=r"[^:\x00-\x1f\x7f]+",
        required=True,
        example="esb",
        description=_says("istifadəçi adı", "user name; a colon cannot be in it"),
    ),
    _secret("password", "the password", "parol", required=True),
)

_API_KEY: Fields = (
    Field(
        name="in",
        kind=Kind.CHOICE,
        choices=("header", "query"),
        default="header",
        description=_says("açarın yeri", "where the key goes"),
    ),
    Field(
        name="name",
        kind=Kind.STRING,
        pattern=_HEADER.replace("[A-Za-z0-9-]", "[A-Za-z0-9._-]"),
        required=True,
        example="X-Api-Key",
        description=_says("başlığın və ya parametrin adı", "name of the header or query parameter"),
    ),
    _secret("secret", "the key", "açar", required=True),
)

_OAUTH2: Fields = (
    Field(
        name="token_url",
        kind=Kind.STRING,
        pattern=r"(https?://[^/?#\s@]+)?(/[^/?#\s][^?#\s]*)",
        required=True,
        example="https://login.agency.example/oauth2/token",
        description=_says(
            "token ünvanı",
            "token endpoint by https, or its path at the endpoint's own address; of a simulated agency the path counts",
        ),
    ),
    Field(
        name="client_id",
        kind=Kind.STRING,
        pattern=_LINE,
        required=True,
        example="esb",
        description=_says("müştəri identifikatoru", "client id of the bus"),
    ),
    _secret("client_secret", "the client secret", "müştəri sirri"),
    Field(
        name="client_authentication",
        kind=Kind.CHOICE,
        choices=("basic", "post", "private_key_jwt"),
        default="basic",
        description=_says("müştərinin təsdiqi", "how the bus proves itself to the token endpoint"),
    ),
    Field(
        name="algorithm",
        kind=Kind.CHOICE,
        choices=("ES256", "RS256"),
        default="ES256",
        description=_says("private_key_jwt alqoritmi", "which key of the bus signs private_key_jwt"),
    ),
    Field(
        name="scope",
        kind=Kind.STRING,
        pattern=_LINE,
        example="register.read",
        description=_says("tələb olunan hüquqlar", "scopes to ask for, with spaces between"),
    ),
    Field(
        name="audience",
        kind=Kind.STRING,
        pattern=_VISIBLE,
        description=_says("tokenin ünvanı", "audience to ask for, where the token endpoint wants one"),
    ),
)

_JWT: Fields = (
    Field(
        name="header",
        kind=Kind.STRING,
        pattern=_HEADER,
        default="Authorization",
        description=_says("başlıq", "header that carries the token"),
    ),
    Field(
        name="scheme",
        kind=Kind.STRING,
        pattern=r"[A-Za-z0-9-]+",
        description=_says("sxem", "word before the token; left out: Bearer in Authorization, none elsewhere"),
    ),
    Field(
        name="algorithm",
        kind=Kind.CHOICE,
        choices=("ES256", "RS256", "HS256"),
        default="ES256",
        description=_says("imza alqoritmi", "ES256 and RS256 sign with the bus's key, HS256 with a shared secret"),
    ),
    _secret("secret", "the shared secret of HS256", "ortaq sirr"),
    Field(
        name="issuer",
        kind=Kind.STRING,
        pattern=_LINE,
        required=True,
        example="esb",
        description=_says("iss", "claim iss: the name of the bus with the agency"),
    ),
    Field(
        name="audience",
        kind=Kind.STRING,
        pattern=_LINE,
        required=True,
        description=_says("aud", "claim aud: the name of the agency's system"),
    ),
    Field(name="subject", kind=Kind.STRING, pattern=_LINE, description=_says("sub", "claim sub, where one is wanted")),
    Field(
        name="ttl_s",
        kind=Kind.INTEGER,
        minimum=1,
        maximum=3600,
        default=60,
        description=_says("tokenin ömrü", "how long a token is good; each call has its own"),
    ),
    Field(
        name="claims",
        kind=Kind.PAIRS,
        key_pattern=r"[\x21-\x7e]{1,64}",
        default={},
        description=_says("əlavə sahələr", "further claims, text each"),
    ),
)

CREDENTIALS: Final[Fields] = (
    Field(name="basic", kind=Kind.RECORD, fields=_BASIC, description=_says("HTTP Basic", "user name and password")),
    Field(name="api_key", kind=Kind.RECORD, fields=_API_KEY, description=_says("API açarı", "a fixed key")),
    Field(
        name="oauth2",
        kind=Kind.RECORD,
        fields=_OAUTH2,
        description=_says("OAuth2", "client credentials; the token is kept until shortly before its end"),
    ),
    Field(name="jwt", kind=Kind.RECORD, fields=_JWT, description=_says("JWT", "a token made by the bus for each call")),
)
"""The block `credentials`."""
