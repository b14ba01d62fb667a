"""The values that travel: requests, replies, faults, findings. Frozen, keyword-only, compared by value.

Made by inbound codecs and stages, read by everybody. Never holds a connection, a key or a policy.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NewType

import msgspec

AgencyCode = NewType("AgencyCode", str)
CallerName = NewType("CallerName", str)
MessageId = NewType("MessageId", str)
RouteId = NewType("RouteId", str)

JsonObject = Mapping[str, Any]


class Status(enum.StrEnum):
    """What became of a question, for the caller. No record, no answer and an empty list stay distinct."""

    OK = "OK"
    PARTIAL = "PARTIAL"
    NOT_FOUND = "NOT_FOUND"
    REJECTED = "REJECTED"
    INVALID_REQUEST = "INVALID_REQUEST"
    INVALID_REPLY = "INVALID_REPLY"
    ACCESS_DENIED = "ACCESS_DENIED"
    TIMEOUT = "TIMEOUT"
    UNAVAILABLE = "UNAVAILABLE"
    EXPIRED = "EXPIRED"
    PENDING = "PENDING"
    FAILED = "FAILED"


class Advice(enum.StrEnum):
    """What the caller should do about a fault."""

    FIX = "FIX"
    RETRY_BACKOFF = "RETRY_BACKOFF"
    RETRY_NEW_ID = "RETRY_NEW_ID"
    STOP_ALREADY_DONE = "STOP_ALREADY_DONE"
    CONTACT_OPERATOR = "CONTACT_OPERATOR"
    WAIT = "WAIT"


class Text(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One user-facing sentence in both languages."""

    az: str
    en: str


class Subject(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom the question is about. Schemes: FIN, VPIN, PASSPORT, DYI, MYI, VOEN, SSN."""

    scheme: str
    value: str


class User(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The person on whose behalf the caller asks, and how strongly that person logged in."""

    scheme: str
    value: str
    strength: str | None = None


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The one request body, over HTTP and AMQP."""

    subject: Subject | None = None
    parameters: dict[str, Any] = {}
    purpose: str | None = None
    legal_basis: str | None = None
    issue: str | None = None
    user: User | None = None
    expires_at: datetime | None = None


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that went wrong, in the caller's words. `path` is a JSON pointer into the request or reply."""

    code: str
    message: Text
    advice: Advice
    path: str | None = None
    agency: str | None = None
    agency_code: str | None = None
    cause: Fault | None = None


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One agency call that a reply is made from. `as_of`: the moment for which the agency's data hold.

    `version`: of the agency's contract; left out where there is only one to choose from.
    """

    agency: str
    operation: str
    status: Status
    as_of: datetime | None
    elapsed_ms: int
    attempts: int
    version: str | msgspec.UnsetType = msgspec.UNSET


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The one reply body, for every route, over HTTP and AMQP."""

    message_id: str
    correlation_id: str | None
    route: str
    version: int
    status: Status
    data: Any
    sources: tuple[Source, ...] = ()
    faults: tuple[Fault, ...] = ()
    received_at: datetime
    completed_at: datetime


class Severity(enum.StrEnum):
    """How much a finding matters: an `error` keeps the configuration from being used."""

    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a loader or linter has to say about a file. `line` counts from 1; 0 means the whole file."""

    file: str
    line: int
    message: str
    severity: Severity = Severity.ERROR
    suggestion: str | None = None

    def __str__(self) -> str:
        """`file:line: error: message (did you mean 'x'?)`; without the line where it is about the whole file."""
        hint = f" (did you mean {self.suggestion!r}?)" if self.suggestion else ""
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.severity}: {self.message}{hint}"
