"""What `adapter.yaml` says about one agency system, as frozen values.

Read by the registry, the operations, the simulator and the CLI. Holds no key, no contract and no connection.
"""

from __future__ import annotations

import enum
import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any, Final

import msgspec

from adapters import manifest_bridge, manifest_credentials, manifest_interaction, manifest_soap
from adapters.manifest_bridge import BridgeTerms
from adapters.manifest_credentials import CredentialTerms
from adapters.manifest_fields import FIELDS, WEEKDAYS
from adapters.manifest_interaction import InteractionTerms
from adapters.manifest_soap import HeaderTerms, InnerSignatureTerms, ShepTerms, XRoadTerms
from adapters.manifest_wsse import WsseTerms
from esb.model import AgencyCode, Finding, Text
from esb.resilience.guard import Limits as GuardLimits
from esb.routes import document, fields

BAKU: Final = timezone(timedelta(hours=4), "Asia/Baku")
"""Azerbaijan has kept UTC+4 all year since 2016. Agencies' dates and local times are meant in it."""

FILE_NAME: Final = "adapter.yaml"

_WHOLE_FILE: Final = 0


class Kind(enum.StrEnum):
    """How the agency's system speaks."""

    SOAP = "soap"
    REST = "rest"
    XML = "xml"


class Authentication(enum.StrEnum):
    """How requests and replies are proven."""

    WSSE_X509 = "wsse-x509"
    WSSE_USERNAME = "wsse-username"
    HTTP_SIGNATURE = "http-signature"
    XMLDSIG = "xmldsig"
    BRIDGE = "bridge"
    NONE = "none"


class Lifecycle(enum.StrEnum):
    """Where the connection of an agency stands, in order."""

    REGISTERED = "registered"
    CHECKED = "checked"
    TEST = "test"
    PILOT = "pilot"
    LIVE = "live"
    SUSPENDED = "suspended"
    RETIRED = "retired"


class Meaning(enum.Enum):
    """What a fault of an agency means."""

    NOT_FOUND = enum.auto()
    REJECTED = enum.auto()
    FAULT = enum.auto()


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """Whom operators call."""

    name: str
    email: str


class OperationTerms(msgspec.Struct, frozen=True, kw_only=True):
    """How one operation is called that no WSDL or OpenAPI describes; elements as `{namespace}name` or `name`."""

    method: str | None = None
    path: str | None = None
    query: tuple[str, ...] = ()
    request: str | None = None
    reply: str | None = None
    fault: str | None = None


class ContractFile(msgspec.Struct, frozen=True, kw_only=True):
    """Where the contract lies, below `schemas/agencies/<agency>/`. `as_of`: reply field with the data's moment.

    `allow_any`: the contract leaves places open on purpose.
    """

    version: str
    file: str
    service: str | None = None
    port: str | None = None
    as_of: str | None = None
    xsd: str | None = None
    operations: Mapping[str, OperationTerms] = {}
    allow_any: bool = False


class SignatureTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of signatures. `confirmation`: a reply must be bound to the request that it answers."""

    algorithm: str
    ttl_s: int
    max_age_s: int
    clock_skew_s: int
    confirmation: bool


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much the agency bears, per worker."""

    concurrency: int
    rate_per_s: float
    connect_timeout_s: float
    max_reply_bytes: int


class BreakerTerms(msgspec.Struct, frozen=True, kw_only=True):
    """When calls are held back."""

    failures: int
    open_s: float


class TlsFiles(msgspec.Struct, frozen=True, kw_only=True):
    """PEM files; None where the default holds."""

    ca: str | None = None
    client_certificate: str | None = None
    client_key: str | None = None


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """A weekly maintenance window, Baku time, `end` exclusive."""

    weekday: str
    begin: time
    end: time

    def holds(self, now: datetime) -> bool:
        """Whether the aware moment `now` lies in it."""
        local = now.astimezone(BAKU)
        return WEEKDAYS[local.weekday()] == self.weekday and self.begin <= local.time() < self.end


class FaultPatterns(msgspec.Struct, frozen=True, kw_only=True):
    """Which of the agency's own codes are a refusal or mean that there is no record; `*` stands for anything.

    `success`: codes that mean success, for agencies that put a code into every answer. `code`, `message`, `cause`:
    places in an answer, as `adapters.agency_words` reads them.
    """

    rejected: tuple[str, ...] = ()
    not_found: tuple[str, ...] = ()
    success: tuple[str, ...] = ()
    code: tuple[str, ...] = ()
    message: tuple[str, ...] = ()
    cause: tuple[str, ...] = ()

    def meaning(self, codes: Sequence[str]) -> Meaning:
        """What a fault means that carries these codes; "no record" is looked for first."""
        if _any_fits(self.not_found, codes):
            return Meaning.NOT_FOUND
        return Meaning.REJECTED if _any_fits(self.rejected, codes) else Meaning.FAULT

    def is_success(self, code: str) -> bool:
        """Whether a code in an answer of success says just that."""
        return _any_fits(self.success, (code,))


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One agency system, as its team described it. `endpoint` holds an address per environment that has one."""

    agency: AgencyCode
    title: Text
    owner: str
    contact: Contact
    legal_basis: str
    kind: Kind
    contract: ContractFile
    endpoint: Mapping[str, str]
    authentication: Authentication
    signature: SignatureTerms
    limits: Limits
    breaker: BreakerTerms
    faults: FaultPatterns
    not_found_statuses: tuple[int, ...]
    not_found_answers: tuple[str, ...] = ()
    tls: TlsFiles | None
    credentials: CredentialTerms | None = None
    bridge: BridgeTerms | None = None
    wsse: WsseTerms | None = None
    soap_headers: Mapping[str, HeaderTerms] = {}
    addressing: bool = False
    x_road: XRoadTerms | None = None
    inner_signature: InnerSignatureTerms | None = None
    shep: ShepTerms | None = None
    interaction: InteractionTerms | None = None
    validation: str
    lifecycle: Lifecycle
    maintenance: tuple[Window, ...]
    file: str

    @property
    def in_use(self) -> bool:
        """False before the connection has come to its test, and once an operator took it out of use."""
        return self.lifecycle in {Lifecycle.TEST, Lifecycle.PILOT, Lifecycle.LIVE}

    @property
    def guard_limits(self) -> GuardLimits:
        """What the guard of this agency is made from."""
        return GuardLimits(
            concurrency=self.limits.concurrency,
            rate_per_s=self.limits.rate_per_s,
            failures=self.breaker.failures,
            open_s=self.breaker.open_s,
        )

    def in_maintenance(self, now: datetime) -> bool:
        """Whether the agency announced that it does not answer now."""
        return any(window.holds(now) for window in self.maintenance)


def read(path: Path) -> tuple[Manifest | None, tuple[Finding, ...]]:
    """The manifest of one `adapter.yaml`, and all that is wrong with it; None when there is an error."""
    return _read(document.load(path), path)


def parse(content: bytes, path: Path) -> tuple[Manifest | None, tuple[Finding, ...]]:
    """As `read`, for a manifest that lies in no folder; `path` is what it goes by, its parent named for the agency."""
    return _read(document.parse_bytes(content, file=str(path)), path)


def _read(loaded: document.Document, path: Path) -> tuple[Manifest | None, tuple[Finding, ...]]:
    if loaded.root is None:
        return None, loaded.findings
    values, findings = fields.read(loaded.root, FIELDS, loaded.file)
    found = (*loaded.findings, *findings)
    if not found:
        found = tuple(_contradictions(values, loaded.root, path))
    return (None if found else _manifest(values, path)), found


def _manifest(values: Mapping[str, Any], path: Path) -> Manifest:
    plain: dict[str, Any] = dict(values)
    plain["endpoint"] = {name: url for name, url in values["endpoint"].items() if url}
    not_found = plain.pop("not_found")
    plain["not_found_statuses"], plain["not_found_answers"] = not_found["http_status"], not_found["answer"]
    plain["maintenance"] = windows(values["maintenance"])
    return msgspec.convert({**plain, "file": str(path)}, Manifest, from_attributes=True)


def windows(written: Iterable[Mapping[str, str]]) -> tuple[Window, ...]:
    """The maintenance windows as values."""
    return tuple(map(_window, written))


def _window(written: Mapping[str, str]) -> Window:
    begin, end = (time.fromisoformat(written[name]) for name in ("from", "to"))
    return Window(weekday=written["weekday"], begin=begin, end=end)


def _contradictions(values: Mapping[str, Any], root: document.Node, path: Path) -> Iterable[Finding]:
    if values["agency"] != path.parent.name:
        yield _finding(path, root.line_of("agency"), f"agency is not the name of its folder, {path.parent.name!r}")
    kind, authentication = values["kind"], values["authentication"]
    if kind not in _SPEAKERS[authentication]:
        yield _finding(path, root.line_of("authentication"), f"a {kind} adapter cannot use {authentication}")
    yield from _contract_contradictions(values["contract"], kind, root, path, has_shep=values["shep"] is not None)
    if authentication == "http-signature" and not values["signature"]["confirmation"]:
        text = "HTTP signatures always bind a reply to its request; leave confirmation out"
        yield _finding(path, root.line_of("signature", "confirmation"), text)
    for window in values["maintenance"]:
        if window["from"] >= window["to"]:
            text = "a maintenance window ends before it begins; write one that passes midnight as two"
            yield _finding(path, root.line_of("maintenance"), text)
    tls = values["tls"] or {}
    if bool(tls.get("client_certificate")) != bool(tls.get("client_key")):
        yield _finding(path, root.line_of("tls"), "client_certificate and client_key go together")
    yield from _block_contradictions(values, root, path)


def _block_contradictions(values: Mapping[str, Any], root: document.Node, path: Path) -> Iterable[Finding]:
    kind, authentication = values["kind"], values["authentication"]
    if values["credentials"] is not None:
        for key, text in manifest_credentials.contradictions(values["credentials"], authentication):
            yield _finding(path, root.line_of("credentials", key), text)
    for key, text in manifest_bridge.contradictions(values["bridge"], authentication):
        yield _finding(path, root.line_of("bridge", key), text)
    for place, text in manifest_soap.contradictions(values):
        yield _finding(path, root.line_of(*place), text)
    for keys, text in manifest_interaction.contradictions(values["interaction"], kind):
        yield _finding(path, root.line_of("interaction", *keys), text)


_SPEAKERS: Final[Mapping[str, frozenset[str]]] = {
    "wsse-x509": frozenset({"soap"}),
    "wsse-username": frozenset({"soap"}),
    "http-signature": frozenset({"rest", "xml"}),
    "xmldsig": frozenset({"xml"}),
    "bridge": frozenset({"rest"}),
    "none": frozenset({"soap", "rest", "xml"}),
}
"""Which kinds of adapter can use which authentication."""


def _contract_contradictions(
    contract: Mapping[str, Any], kind: str, root: document.Node, path: Path, *, has_shep: bool
) -> Iterable[Finding]:
    operations: Mapping[str, Mapping[str, Any]] = contract["operations"]
    if kind == "xml" and not operations:
        text = "contract.operations is missing: an XSD does not say how it is called"
        yield _finding(path, root.line_of("contract"), text)
    if kind == "soap" and (operations or contract["xsd"]) and not has_shep:
        yield _finding(path, root.line_of("contract"), "a WSDL says itself which operations and elements there are")
    if has_shep and not operations:
        yield _finding(path, root.line_of("contract"), "contract.operations is missing: an XSD has no operations")
    if kind == "rest" and operations and not contract["xsd"]:
        text = "contract.operations names elements of contract.xsd, which is missing"
        yield _finding(path, root.line_of("contract", "operations"), text)
    for name, terms in operations.items():
        line = root.line_of("contract", "operations", name)
        if kind == "xml" and not terms["path"]:
            yield _finding(path, line, f"contract.operations.{name} has no path")
        if kind == "rest" and any(terms[called] for called in ("method", "path", "query", "fault")):
            yield _finding(path, line, f"contract.operations.{name}: the OpenAPI document says how it is called")


def _finding(path: Path, line: int, message: str) -> Finding:
    return Finding(file=str(path), line=line or _WHOLE_FILE, message=message)


def _any_fits(patterns: Sequence[str], codes: Sequence[str]) -> bool:
    return any(re.fullmatch(fnmatch.translate(pattern), code) for pattern in patterns for code in codes)
