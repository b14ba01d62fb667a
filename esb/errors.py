"""Every way in which the bus itself can fail, as classes that carry facts.

Raised anywhere below the pipeline; turned into a fault, an HTTP status and a disposition by `esb/faults.py`
alone. No message quotes a payload or an unmasked identifier.
"""

from __future__ import annotations

import enum


class Rule(enum.StrEnum):
    """Which kind of rule a value broke; `esb/rule_texts.py` has the sentence for each."""

    REQUIRED = "required"
    UNKNOWN = "unknown"
    TYPE = "type"
    CHOICE = "choice"
    FORM = "form"
    FIN = "fin"
    TIME = "time"
    TOO_SHORT = "too-short"
    TOO_LONG = "too-long"
    TOO_SMALL = "too-small"
    TOO_LARGE = "too-large"
    DIGITS = "digits"
    NUMBER = "number"
    TOO_FEW = "too-few"
    TOO_MANY = "too-many"
    TWICE = "twice"
    CONTROL_CHARACTER = "control-character"
    MESSAGE_ID = "message-id"
    HEADER = "header"
    QUERY = "query"


class EsbError(Exception):
    """The root of the bus's own errors."""

    def __init__(self, reason: str, *, path: str | None = None) -> None:
        """`reason`: a technical phrase; `path`: JSON pointer into the caller's request, where one is at fault."""
        super().__init__(reason)
        self.reason = reason
        self.path = path


# --- configuration ---------------------------------------------------------------------------------------


class ConfigurationError(EsbError):
    """Something an operator wrote cannot be used."""


class RoutesInvalid(ConfigurationError):
    """`routes.yaml` or an adapter's files hold errors; `findings` lists all of them, each with file and line."""

    def __init__(self, findings: tuple[object, ...]) -> None:
        """`findings`: `esb.model.Finding` values, at least one of severity `error`."""
        super().__init__("; ".join(str(finding) for finding in findings))
        self.findings = findings


class CatalogMismatch(ConfigurationError):
    """A contract file is not the one that `schemas/CATALOG.sha256` pins."""


class SettingInvalid(ConfigurationError):
    """A setting is unknown or has a value that cannot be used."""


class RegistrationRefused(ConfigurationError):
    """An act on the register of adapters that may not be done, or not now; nothing of it took effect."""


class ContractUnsupported(ConfigurationError):
    """A contract cannot be compiled: it is broken, incomplete, or uses something that has no faithful plain form."""


# --- the caller's fault ----------------------------------------------------------------------------------


class Refused(EsbError):
    """The request will not run."""


class NotIdentified(Refused):
    """Who is calling could not be established."""


class NotPermitted(Refused):
    """The caller has no grant for this route and purpose."""


class PilotOnly(NotPermitted):
    """The caller holds a grant, and the agency's service is still piloted with others."""


class RouteUnknown(Refused):
    """No such route, for this caller."""


class RequestInvalid(Refused):
    """The request does not fit the route's schema; `path` says where."""

    def __init__(
        self, reason: str, *, path: str | None = None, rule: Rule | None = None, limit: str | None = None
    ) -> None:
        """`limit`: what the rule allows, in the schema's words; never anything that was sent."""
        super().__init__(reason, path=path)
        self.rule = rule
        self.limit = limit


class RequestMalformed(Refused):
    """The body cannot be read at all: not JSON, not UTF-8, wrong shape of the envelope."""


class RequestTooLarge(Refused):
    """The body is over the route's limit."""

    def __init__(self, *, max_bytes: int) -> None:
        """`max_bytes`: the limit that was passed."""
        super().__init__(f"body is over {max_bytes} bytes")
        self.max_bytes = max_bytes


class ContentTypeUnsupported(Refused):
    """The body is of a type that no codec reads."""


class ReplyTypeUnsupported(Refused):
    """The caller accepts only types that no codec writes."""


class MethodUnsupported(Refused):
    """The address exists and does not answer this HTTP method."""

    def __init__(self, *, allowed: tuple[str, ...]) -> None:
        """`allowed`: the methods it does answer."""
        super().__init__(f"only {', '.join(allowed)} here")
        self.allowed = allowed


class DoorFailed(EsbError):
    """A door itself broke down over one call, outside of any exchange."""


class Duplicate(Refused):
    """A message id that was used before, with another body."""


class MessageUnknown(Refused):
    """No such message, for this caller."""


class PusherUnproven(Refused):
    """Who brings an answer could not be established as an agency that may."""


class AnswerUnreadable(Refused):
    """An agency brought something that is no answer of its contract, or names no key."""


class AnswerUnexpected(Refused):
    """Nothing waits for this answer."""


class AnswerTaken(Refused):
    """Another answer was brought under this key before."""


class AnswerLate(Refused):
    """The exchange that waited for this answer has ended without it."""


class Expired(Refused):
    """The request's `expires_at` has passed."""


# --- the agency's side -----------------------------------------------------------------------------------


class AgencyError(EsbError):
    """A call to an agency did not give a usable answer."""

    def __init__(
        self,
        reason: str,
        *,
        agency: str,
        operation: str = "",
        agency_code: str | None = None,
        agency_message: str | None = None,
        path: str | None = None,
        causes: tuple[str, ...] = (),
    ) -> None:
        """`agency_code` and `agency_message` are the agency's own words where it gave any; `path`: contract field.

        `causes`: the agency's codes of what lay beneath its error, outermost first.
        """
        super().__init__(reason, path=path)
        self.agency = agency
        self.operation = operation
        self.agency_code = agency_code
        self.agency_message = agency_message
        self.causes = causes


class AgencyUnreachable(AgencyError):
    """Nothing was sent: no connection, so the agency did nothing."""


class AgencyTimeout(AgencyError):
    """Bytes were sent and no whole answer came: the effect is unknown."""


class AnswerOverdue(AgencyError):
    """The agency accepted the question and did not answer within the time it has."""


class AgencyRejected(AgencyError):
    """The agency answered with a business refusal."""


class AgencyFault(AgencyError):
    """The agency answered with a technical fault of its own."""


class CredentialsRefused(AgencyError):
    """The agency's gateway did not let the bus in (401, or no token for it); the request was not applied."""


class ReplyUnproven(AgencyError):
    """The answer is unsigned, wrongly signed, stale, replayed or from the wrong key."""


class ReplyInvalid(AgencyError):
    """The answer is proven (or needs no proof) and breaks the agency's own contract."""


class RequestUnencodable(AgencyError):
    """What the route made of the request does not fit the agency's contract; the route's mapping is at fault."""


class ContractViolation(EsbError):
    """A document does not fit its contract; `path` is a slash-separated element path, adapters map it to their side."""

    def __init__(
        self, reason: str, *, path: str | None = None, rule: Rule | None = None, limit: str | None = None
    ) -> None:
        """`rule` and `limit` where the kind of violation is known, as in `RequestInvalid`."""
        super().__init__(reason, path=path)
        self.rule = rule
        self.limit = limit


# --- the bus's own limits --------------------------------------------------------------------------------


class Saturated(EsbError):
    """The bus refuses work to protect itself or an agency; nothing was sent."""

    def __init__(self, reason: str, *, agency: str | None = None, retry_after_s: float = 1.0) -> None:
        """`retry_after_s`: when a retry has a chance."""
        super().__init__(reason)
        self.agency = agency
        self.retry_after_s = retry_after_s


class BreakerOpen(Saturated):
    """The agency failed often enough that calls are held back for a while."""


class Throttled(Saturated):
    """The rate or concurrency limit of the agency, route or caller is reached."""


class AgencyPaused(Saturated):
    """An operator paused the agency, or it is in a maintenance window."""


class AgencyNotYet(AgencyPaused):
    """The agency's system is registered and not connected: no version of it has come as far as its test."""


class DeadlineExceeded(Saturated):
    """No time is left for a (further) attempt; nothing is in flight."""


# --- storage, broker, processes --------------------------------------------------------------------------


class StorageError(EsbError):
    """The journal cannot be used."""


class JournalUnavailable(StorageError):
    """The journal cannot be written or read now; nothing may run."""


class JournalMissing(JournalUnavailable):
    """There is no journal yet, and none is to be made."""


class JournalTampered(StorageError):
    """The journal's chain does not hold."""


class LeaseLost(StorageError):
    """Another worker finished or took over this exchange; this worker's result is dropped."""


class BrokerError(EsbError):
    """RabbitMQ cannot be used."""


class BrokerUnavailable(BrokerError):
    """No connection to the broker."""


class PublishUnconfirmed(BrokerError):
    """The broker did not confirm, or returned, a message."""


class ProcessError(EsbError):
    """A long-running route failed in a step."""
