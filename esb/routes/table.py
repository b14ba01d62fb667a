"""The compiled deployment: frozen routes, callers and grants, used whole by every message or not at all.

Made by the compiler; read by stages, doors and documents. A reload makes another table, and a message keeps the one
it began with.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from esb.errors import ReplyInvalid, RequestUnencodable
from esb.model import AgencyCode, CallerName, JsonObject, RouteId, Text
from esb.ports import AgencyOperation
from esb.routes.closures import is_true
from esb.routes.expressions import Expression, ExpressionFailed
from esb.routes.mapping import Build, Names
from esb.routes.versions import Rollout
from security.policy import GrantTable


class RequestValidator(Protocol):
    """The route's request schema, compiled."""

    def validate(self, instance: Any) -> None:
        """Return when the document fits.

        Raises:
            ContractViolation: `path` is a JSON pointer into the document.
        """
        ...


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """How often a call is tried; `attempts` includes the first."""

    attempts: int = 1
    first_delay_s: float = 0.2


class CallRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A route that asks one operation of one agency.

    `request` and `reply` are the mappings as written; `digest` changes with anything that changes what the route does.
    `is_variant`: one of those among which a `rollout` chooses, which the reply then names by its `contract_version`.
    `rollout`: set where there is more than one contract version to choose from, or one that is not open to everybody.
    """

    id: RouteId
    version: int
    title: Text
    audience: tuple[str, ...]
    legal_basis: str
    agency: AgencyCode
    operation_name: str
    operation: AgencyOperation
    request: tuple[tuple[Names, Expression], ...]
    reply: tuple[tuple[str, Expression], ...]
    not_found: Expression | None
    timeout_s: float
    deadline_s: float
    idempotent: bool
    retry: Retry
    max_body_bytes: int
    signed_requests: bool
    asynchronous: bool
    strength: str | None
    subject_schemes: tuple[str, ...]
    parameters: tuple[str, ...]
    request_schema: dict[str, Any]
    reply_schema: dict[str, Any]
    request_sample: dict[str, Any]
    reply_sample: dict[str, Any] | None
    validator: RequestValidator
    pointers: Mapping[Names, str]
    request_builder: Build
    reply_builder: Build
    digest: str
    contract_version: str | None = None
    is_variant: bool = False
    rollout: Rollout | None = None

    @property
    def kind(self) -> Literal["call"]:
        """Which of the two kinds of route this is."""
        return "call"

    def version_for(self, caller: CallerName, message_id: str, document: JsonObject) -> CallRoute:
        """The route as the contract version serves it that this question goes to. Raises PilotOnly."""
        return self if self.rollout is None else self.rollout.choose(caller, message_id, document)

    def build_request(self, document: JsonObject) -> dict[str, Any]:
        """The contract's values, nested; a null leaves a field out, unless the contract requires it and takes a null.

        Raises:
            RequestUnencodable: an expression does not take what it was given; the mapping is at fault.
        """
        try:
            return self.request_builder(document)
        except ExpressionFailed as error:
            raise RequestUnencodable(str(error), agency=self.agency, operation=self.operation_name) from error

    def build_reply(self, data: JsonObject) -> dict[str, Any]:
        """Every reply field in its order; null where the agency said nothing.

        Raises:
            ReplyInvalid: an expression does not take what the agency answered.
        """
        try:
            return self.reply_builder(data)
        except ExpressionFailed as error:
            raise ReplyInvalid(str(error), agency=self.agency, operation=self.operation_name) from error

    def says_not_found(self, data: JsonObject) -> bool:
        """Whether the agency's answer means that there is no such record. Raises ReplyInvalid."""
        if self.not_found is None:
            return False
        try:
            return is_true(self.not_found.evaluate(data))
        except ExpressionFailed as error:
            raise ReplyInvalid(str(error), agency=self.agency, operation=self.operation_name) from error

    def pointer_of(self, contract_path: str) -> str | None:
        """The JSON pointer of what the caller gave for a contract field, or None when the caller gave nothing for it.

        `contract_path` is the field's path with slashes or dots, with or without the name of its document, and with or
        without list positions.
        """
        for separator in ("/", "."):
            names = tuple(name.partition("[")[0] for name in contract_path.strip("/").split(separator) if name)
            for start in (0, 1):
                pointer = self._pointer_above(names[start:])
                if pointer is not None:
                    return pointer
        return None

    def _pointer_above(self, names: Names) -> str | None:
        for end in range(len(names), 0, -1):
            if names[:end] in self.pointers:
                return self.pointers[names[:end]]
        return None


class GatherRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A route that asks several others in parallel under one deadline. Members are calls, never gathers.

    `require` "all": one missing answer leaves no data; "any": it makes the reply PARTIAL.
    """

    id: RouteId
    version: int
    title: Text
    audience: tuple[str, ...]
    legal_basis: str
    members: Mapping[str, CallRoute]
    require: Literal["all", "any"]
    deadline_s: float
    max_body_bytes: int
    signed_requests: bool
    asynchronous: bool
    strength: str | None
    subject_schemes: tuple[str, ...]
    parameters: tuple[str, ...]
    request_schema: dict[str, Any]
    reply_schema: dict[str, Any]
    request_sample: dict[str, Any]
    reply_sample: dict[str, Any] | None
    validator: RequestValidator
    digest: str

    @property
    def kind(self) -> Literal["gather"]:
        """Which of the two kinds of route this is."""
        return "gather"

    @property
    def idempotent(self) -> bool:
        """Whether asking twice does no more than asking once."""
        return all(member.idempotent for member in self.members.values())


Route = CallRoute | GatherRoute


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """A system that may send requests. `rate_per_s` None: no limit of its own."""

    name: CallerName
    title: Text
    contact: str | None = None
    rate_per_s: float | None = None


class RouteTable(msgspec.Struct, frozen=True, kw_only=True):
    """One deployment. `digest`: SHA-256 over the file and over what its routes use of the contracts."""

    routes: Mapping[RouteId, Route]
    callers: Mapping[CallerName, Caller]
    grants: GrantTable
    digest: str
    source: Path


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What a reload changes, each sorted. `access`: callers or grants changed."""

    added: tuple[RouteId, ...]
    removed: tuple[RouteId, ...]
    changed: tuple[RouteId, ...]
    access: bool

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.access)


def difference(old: RouteTable, new: RouteTable) -> Difference:
    """What is other in `new`, for the operator who reloads."""
    before, after = old.routes, new.routes
    both = before.keys() & after.keys()
    return Difference(
        added=tuple(sorted(after.keys() - before.keys())),
        removed=tuple(sorted(before.keys() - after.keys())),
        changed=tuple(sorted(name for name in both if before[name].digest != after[name].digest)),
        access=(old.callers, old.grants) != (new.callers, new.grants),
    )
