"""THE fault table: for every way to fail, what the caller is told and what the bus does next.

The only place where an exception class meets an HTTP status, a retry or a dead letter. Exceptions carry facts,
this module carries policy. A class that is not in the table (or below one that is) parks the message.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from esb import errors
from esb.model import Advice, Fault, Status, Text
from esb.rule_texts import text_of
from security import errors as security_errors


class Disposition(enum.StrEnum):
    """What the bus does with the exchange."""

    REPLY = "reply"
    """Answer the caller; the exchange is complete."""

    REPLY_IF_IDEMPOTENT = "reply-if-idempotent"
    """An answer came and cannot be used: answer the caller, or park where the call may have changed something."""

    RETRY = "retry"
    """Nothing was sent: try again while attempts and time are left, then answer."""

    RETRY_IF_IDEMPOTENT = "retry-if-idempotent"
    """The effect is unknown: try again only where a repetition is harmless, else park."""

    PARK = "park"
    """A person has to look."""

    HALT = "halt"
    """Nothing may run and nothing can be recorded; the message stays with whoever holds it."""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table. `http_status` is also the order of severity in the metrics."""

    code: str
    status: Status
    http_status: int
    disposition: Disposition
    advice: Advice
    text: Text


def policy_of(error: BaseException) -> Policy:
    """The row of the nearest class of `error`; for a class nobody foresaw, the row that parks."""
    for cls in type(error).__mro__:
        policy = TABLE.get(cls)
        if policy is not None:
            return policy
    return UNFORESEEN


def fault_of(error: BaseException) -> Fault:
    """What the caller is told about `error`: facts from the exception, words and advice from the table."""
    policy = policy_of(error)
    text = text_of(error) if isinstance(error, errors.RequestInvalid) else None
    return Fault(
        code=policy.code,
        message=text or policy.text,
        advice=policy.advice,
        path=getattr(error, "path", None),
        agency=getattr(error, "agency", None),
        agency_code=getattr(error, "agency_code", None),
        cause=_chain(policy, error) if isinstance(error, errors.AgencyError) else None,
    )


def _chain(policy: Policy, error: errors.AgencyError) -> Fault | None:
    """What the agency says lay beneath its error: the same fault once more for each code, outermost first."""
    cause: Fault | None = None
    for code in reversed(error.causes):
        cause = Fault(
            code=policy.code,
            message=policy.text,
            advice=policy.advice,
            agency=error.agency,
            agency_code=code,
            cause=cause,
        )
    return cause


def policy_by_code(code: str) -> Policy:
    """The row that carries this fault code, for replies that were journaled earlier."""
    return _BY_CODE.get(code, NOT_ACCEPTED)


def _row(
    code: str, status: Status, http_status: int, disposition: Disposition, advice: Advice, *, az: str, en: str
) -> Policy:
    return Policy(
        code=code,
        status=status,
        http_status=http_status,
        disposition=disposition,
        advice=advice,
        text=Text(az=az, en=en),
    )


UNFORESEEN = _row(
    "bus.unforeseen",
    Status.PENDING,
    202,
    Disposition.PARK,
    Advice.WAIT,
    az="Gözlənilməz xəta baş verdi; sorğu saxlanılıb və operator ona baxacaq.",
    en="Something unforeseen happened; the request is kept and an operator will look at it.",
)

NOT_ACCEPTED = _row(
    "bus.defect",
    Status.FAILED,
    500,
    Disposition.REPLY,
    Advice.CONTACT_OPERATOR,
    az="Şində gözlənilməz xəta baş verdi; sorğu qəbul olunmadı.",
    en="Something unforeseen happened in the bus; the request was not accepted.",
)

DROPPED = _row(
    "operator.dropped",
    Status.FAILED,
    500,
    Disposition.REPLY,
    Advice.CONTACT_OPERATOR,
    az="Sorğu icra edilmədi; operator onu bağladı.",
    en="The request was not carried out; an operator closed it.",
)

_FOREIGN_TABLE: dict[type[BaseException], Policy] = {
    security_errors.SecurityError: _row(
        "security.failed",
        Status.FAILED,
        500,
        Disposition.PARK,
        Advice.CONTACT_OPERATOR,
        az="Təhlükəsizlik yoxlaması keçmədi.",
        en="A security check failed.",
    ),
    security_errors.KeyUnavailable: _row(
        "security.key-unavailable",
        Status.UNAVAILABLE,
        503,
        Disposition.REPLY,
        Advice.CONTACT_OPERATOR,
        az="Şinin imza açarı əlçatan deyil; operatora bildirin.",
        en="A key that the bus needs is not available; tell the operator.",
    ),
    security_errors.CertificateRejected: _row(
        "caller.certificate",
        Status.ACCESS_DENIED,
        401,
        Disposition.REPLY,
        Advice.FIX,
        az="Sertifikat qəbul edilmədi: müddəti bitib və ya tanınmır.",
        en="The certificate is not accepted: expired, not yet valid or not known.",
    ),
    security_errors.SignatureMissing: _row(
        "request.unsigned",
        Status.ACCESS_DENIED,
        401,
        Disposition.REPLY,
        Advice.FIX,
        az="Sorğu imzalanmalıdır, imza isə yoxdur.",
        en="The request must be signed and is not.",
    ),
    security_errors.SignatureInvalid: _row(
        "request.signature",
        Status.ACCESS_DENIED,
        401,
        Disposition.REPLY,
        Advice.FIX,
        az="Sorğunun imzası düz deyil.",
        en="The signature of the request does not hold.",
    ),
    security_errors.TokenInvalid: _row(
        "caller.token",
        Status.ACCESS_DENIED,
        401,
        Disposition.REPLY,
        Advice.FIX,
        az="Giriş tokeni etibarsızdır və ya müddəti bitib; yenisini yaradın.",
        en="The access token is not valid or has expired; make a new one.",
    ),
    security_errors.MessageStale: _row(
        "request.stale",
        Status.ACCESS_DENIED,
        401,
        Disposition.REPLY,
        Advice.FIX,
        az="İmzalanma vaxtı qəbul edilən aralıqdan kənardadır; saatı yoxlayın.",
        en="The time of signing is outside the accepted window; check the clock.",
    ),
    security_errors.MessageReplayed: _row(
        "caller.token-used",
        Status.ACCESS_DENIED,
        401,
        Disposition.REPLY,
        Advice.FIX,
        az="Bu token artıq istifadə olunub; hər sorğu üçün yenisini yaradın.",
        en="This token was used before; make a new one for each request.",
    ),
    security_errors.XmlRefused: _row(
        "request.xml",
        Status.INVALID_REQUEST,
        400,
        Disposition.REPLY,
        Advice.FIX,
        az="XML qəbul edilmədi: DTD, obyekt və ya həddindən artıq böyük quruluş.",
        en="The XML is not accepted: a DTD, an entity, too deep or not well-formed.",
    ),
    security_errors.ChainBroken: _row(
        "journal.tampered",
        Status.UNAVAILABLE,
        503,
        Disposition.HALT,
        Advice.CONTACT_OPERATOR,
        az="Jurnalın bütövlüyü pozulub.",
        en="The journal's chain does not hold.",
    ),
}

_OWN_TABLE: dict[type[BaseException], Policy] = {
    errors.EsbError: _row(
        "bus.failed",
        Status.PENDING,
        202,
        Disposition.PARK,
        Advice.WAIT,
        az="Şin sorğunu bitirə bilmədi; sorğu saxlanılıb və operator ona baxacaq.",
        en="The bus could not finish the request; it is kept and an operator will look at it.",
    ),
    errors.DoorFailed: _row(
        "door.failed",
        Status.FAILED,
        500,
        Disposition.REPLY,
        Advice.CONTACT_OPERATOR,
        az="Şin daxili xətaya görə bu çağırışa cavab verə bilmədi; operatora bildirin.",
        en="The bus could not answer this call because of an error of its own; tell the operator.",
    ),
    errors.ConfigurationError: _row(
        "bus.configuration",
        Status.FAILED,
        500,
        Disposition.REPLY,
        Advice.CONTACT_OPERATOR,
        az="Şinin bu marşrut üzrə sazlaması səhvdir; operatora bildirin.",
        en="The bus is configured wrongly for this route; tell the operator.",
    ),
    errors.Refused: _row(
        "request.refused",
        Status.INVALID_REQUEST,
        400,
        Disposition.REPLY,
        Advice.FIX,
        az="Sorğu qəbul edilmədi.",
        en="The request is refused.",
    ),
    errors.NotIdentified: _row(
        "caller.unknown",
        Status.ACCESS_DENIED,
        401,
        Disposition.REPLY,
        Advice.FIX,
        az="Sorğunu kimin göndərdiyi müəyyən edilmədi.",
        en="Who is calling could not be established.",
    ),
    errors.NotPermitted: _row(
        "caller.no-grant",
        Status.ACCESS_DENIED,
        403,
        Disposition.REPLY,
        Advice.CONTACT_OPERATOR,
        az="Bu marşrut və məqsəd üçün icazəniz yoxdur; operatordan icazə istəyin.",
        en="You have no grant for this route and purpose; ask the operator for one.",
    ),
    errors.PilotOnly: _row(
        "caller.pilot",
        Status.ACCESS_DENIED,
        403,
        Disposition.REPLY,
        Advice.CONTACT_OPERATOR,
        az="Bu xidmət hələ pilot rejimindədir və yalnız seçilmiş sistemlər və ya rayonlar üçün açıqdır.",
        en="This service is in its pilot and open to chosen callers or rayons only (parameters.rayon).",
    ),
    errors.RouteUnknown: _row(
        "route.unknown",
        Status.INVALID_REQUEST,
        404,
        Disposition.REPLY,
        Advice.FIX,
        az="Belə marşrut yoxdur; sizə açıq olanlar: GET /v1/routes.",
        en="There is no such route; those open to you are at GET /v1/routes.",
    ),
    errors.MessageUnknown: _row(
        "message.unknown",
        Status.INVALID_REQUEST,
        404,
        Disposition.REPLY,
        Advice.FIX,
        az="Bu identifikatorla mesajınız yoxdur.",
        en="You have no message with this id.",
    ),
    errors.PusherUnproven: _row(
        "answer.unproven",
        Status.ACCESS_DENIED,
        401,
        Disposition.REPLY,
        Advice.FIX,
        az="Göndərənin kimliyi sübut olunmadı.",
        en="Who sends this is not proven.",
    ),
    errors.AnswerUnreadable: _row(
        "answer.invalid",
        Status.INVALID_REQUEST,
        400,
        Disposition.REPLY,
        Advice.FIX,
        az="Cavab müqaviləyə uyğun deyil və ya hansı sorğuya aid olduğunu bildirmir.",
        en="The answer does not fit the contract, or does not say which request it answers.",
    ),
    errors.AnswerUnexpected: _row(
        "answer.unexpected",
        Status.INVALID_REQUEST,
        404,
        Disposition.REPLY,
        Advice.CONTACT_OPERATOR,
        az="Bu cavabı gözləyən sorğu yoxdur.",
        en="No request waits for this answer.",
    ),
    errors.AnswerTaken: _row(
        "answer.other",
        Status.INVALID_REQUEST,
        409,
        Disposition.REPLY,
        Advice.STOP_ALREADY_DONE,
        az="Bu sorğuya artıq başqa cavab verilib.",
        en="This request was given another answer before.",
    ),
    errors.AnswerLate: _row(
        "answer.late",
        Status.INVALID_REQUEST,
        410,
        Disposition.REPLY,
        Advice.STOP_ALREADY_DONE,
        az="Cavab gecikib: sorğunun müddəti bitib. Cavab saxlanılıb, lakin sorğu edənə verilməyib.",
        en="The answer is late: its request ended without it. It is kept, and was not given to who asked.",
    ),
    errors.RequestInvalid: _row(
        "request.schema",
        Status.INVALID_REQUEST,
        400,
        Disposition.REPLY,
        Advice.FIX,
        az="Sorğu marşrutun sxeminə uyğun deyil; yanlış yer `path` sahəsindədir.",
        en="The request does not fit the route's schema; `path` says where.",
    ),
    errors.RequestMalformed: _row(
        "request.malformed",
        Status.INVALID_REQUEST,
        400,
        Disposition.REPLY,
        Advice.FIX,
        az="Sorğunu oxumaq mümkün olmadı: UTF-8 kodlaşdırmasında düzgün JSON deyil.",
        en="The request cannot be read: it is not well-formed JSON in UTF-8.",
    ),
    errors.RequestTooLarge: _row(
        "request.too-large",
        Status.INVALID_REQUEST,
        413,
        Disposition.REPLY,
        Advice.FIX,
        az="Sorğu bu marşrut üçün icazə verilən həcmdən böyükdür.",
        en="The request is larger than this route allows.",
    ),
    errors.ContentTypeUnsupported: _row(
        "request.content-type",
        Status.INVALID_REQUEST,
        415,
        Disposition.REPLY,
        Advice.FIX,
        az="Bu məzmun növü oxunmur; application/json göndərin.",
        en="This content type is not read; send application/json.",
    ),
    errors.ReplyTypeUnsupported: _row(
        "reply.content-type",
        Status.INVALID_REQUEST,
        406,
        Disposition.REPLY,
        Advice.FIX,
        az="Cavab bu növdə yazılmır; `Accept` başlığında application/json göstərin.",
        en="The reply is not written in that type; accept application/json.",
    ),
    errors.MethodUnsupported: _row(
        "request.method",
        Status.INVALID_REQUEST,
        405,
        Disposition.REPLY,
        Advice.FIX,
        az="Bu ünvan göstərilən HTTP metodunu qəbul etmir; mümkün olanlar `Allow` başlığındadır.",
        en="This address does not answer that HTTP method; `Allow` names those it does.",
    ),
    errors.Duplicate: _row(
        "message.duplicate",
        Status.INVALID_REQUEST,
        409,
        Disposition.REPLY,
        Advice.RETRY_NEW_ID,
        az="Bu mesaj identifikatoru başqa məzmunla artıq istifadə olunub; yeni identifikator verin.",
        en="This message id was used before with another body; give a new id.",
    ),
    errors.Expired: _row(
        "request.expired",
        Status.EXPIRED,
        400,
        Disposition.REPLY,
        Advice.RETRY_NEW_ID,
        az="Sorğunun `expires_at` vaxtı keçib.",
        en="The request's `expires_at` has passed.",
    ),
    errors.ContractViolation: _row(
        "contract.violation",
        Status.FAILED,
        500,
        Disposition.PARK,
        Advice.CONTACT_OPERATOR,
        az="Sənəd müqavilə sxeminə uyğun deyil.",
        en="A document does not fit its contract.",
    ),
    errors.AgencyError: _row(
        "agency.failed",
        Status.UNAVAILABLE,
        502,
        Disposition.RETRY_IF_IDEMPOTENT,
        Advice.RETRY_BACKOFF,
        az="Qurumun sistemi ilə əlaqədə xəta baş verdi.",
        en="The exchange with the agency's system failed.",
    ),
    errors.AgencyUnreachable: _row(
        "agency.unreachable",
        Status.UNAVAILABLE,
        503,
        Disposition.RETRY,
        Advice.RETRY_BACKOFF,
        az="Qurumun sisteminə qoşulmaq mümkün olmadı; sorğu ona çatmayıb.",
        en="The agency's system could not be reached; nothing was sent to it.",
    ),
    errors.AgencyTimeout: _row(
        "agency.timeout",
        Status.TIMEOUT,
        504,
        Disposition.RETRY_IF_IDEMPOTENT,
        Advice.RETRY_BACKOFF,
        az="Qurum vaxtında cavab vermədi.",
        en="The agency did not answer in time.",
    ),
    errors.AnswerOverdue: _row(
        "agency.overdue",
        Status.TIMEOUT,
        504,
        Disposition.REPLY,
        Advice.CONTACT_OPERATOR,
        az="Qurum sorğunu qəbul edib, lakin müəyyən olunmuş müddətdə cavab verməyib.",
        en="The agency accepted the request and did not answer within the time it has for that.",
    ),
    errors.AgencyRejected: _row(
        "agency.rejected",
        Status.REJECTED,
        422,
        Disposition.REPLY,
        Advice.FIX,
        az="Qurum sorğuya imtina etdi; səbəb `agency_code` sahəsindədir.",
        en="The agency refused the request; `agency_code` is its reason.",
    ),
    errors.AgencyFault: _row(
        "agency.fault",
        Status.UNAVAILABLE,
        502,
        Disposition.RETRY_IF_IDEMPOTENT,
        Advice.RETRY_BACKOFF,
        az="Qurumun sistemi öz daxili xətasını bildirdi.",
        en="The agency's system reported a fault of its own.",
    ),
    errors.CredentialsRefused: _row(
        "agency.credentials",
        Status.UNAVAILABLE,
        502,
        Disposition.REPLY,
        Advice.CONTACT_OPERATOR,
        az="Qurum şinin giriş məlumatlarını qəbul etmədi; sorğu icra olunmadı, operatora bildirin.",
        en="The agency does not accept the bus's credentials; the request was not carried out, tell the operator.",
    ),
    errors.ReplyUnproven: _row(
        "agency.signature",
        Status.INVALID_REPLY,
        502,
        Disposition.REPLY_IF_IDEMPOTENT,
        Advice.CONTACT_OPERATOR,
        az="Qurumun cavabı etibarlı imzalanmayıb; cavab istifadə olunmadı.",
        en="The agency's reply is not validly signed; it was not used.",
    ),
    errors.ReplyInvalid: _row(
        "agency.contract",
        Status.INVALID_REPLY,
        502,
        Disposition.REPLY_IF_IDEMPOTENT,
        Advice.CONTACT_OPERATOR,
        az="Qurumun cavabı öz müqavilə sxemini pozur; cavab istifadə olunmadı.",
        en="The agency's reply breaks its own contract; it was not used.",
    ),
    errors.RequestUnencodable: _row(
        "route.mapping",
        Status.FAILED,
        500,
        Disposition.REPLY,
        Advice.CONTACT_OPERATOR,
        az="Marşrutun sorğu xəritəsi qurumun müqaviləsinə uyğun gəlmir; operatora bildirin.",
        en="The route's mapping does not fit the agency's contract; tell the operator.",
    ),
    errors.Saturated: _row(
        "bus.saturated",
        Status.UNAVAILABLE,
        503,
        Disposition.RETRY,
        Advice.RETRY_BACKOFF,
        az="Sistem hazırda çox yüklənib; bir az sonra yenidən cəhd edin.",
        en="The system is saturated; try again a little later.",
    ),
    errors.BreakerOpen: _row(
        "agency.breaker-open",
        Status.UNAVAILABLE,
        503,
        Disposition.REPLY,
        Advice.RETRY_BACKOFF,
        az="Qurumun sistemi ardıcıl xətalar verdiyi üçün ona sorğular müvəqqəti dayandırılıb.",
        en="The agency failed repeatedly, so calls to it are held back for a while.",
    ),
    errors.Throttled: _row(
        "limit.reached",
        Status.UNAVAILABLE,
        429,
        Disposition.REPLY,
        Advice.RETRY_BACKOFF,
        az="Sorğu həddi aşılıb; `Retry-After` müddətindən sonra təkrar edin.",
        en="A rate or concurrency limit is reached; repeat after `Retry-After`.",
    ),
    errors.AgencyPaused: _row(
        "agency.paused",
        Status.UNAVAILABLE,
        503,
        Disposition.REPLY,
        Advice.RETRY_BACKOFF,
        az="Qurumun sistemi ilə mübadilə dayandırılıb (texniki iş).",
        en="The exchange with this agency is paused (maintenance).",
    ),
    errors.AgencyNotYet: _row(
        "agency.not-yet",
        Status.UNAVAILABLE,
        503,
        Disposition.REPLY,
        Advice.CONTACT_OPERATOR,
        az="Qurumun sistemi hələ qoşulmayıb; qoşulma sınaq mərhələsinə çatmayıb.",
        en="The agency's system is not connected yet: its adapter has not come to its test.",
    ),
    errors.DeadlineExceeded: _row(
        "deadline.exceeded",
        Status.TIMEOUT,
        504,
        Disposition.REPLY,
        Advice.RETRY_BACKOFF,
        az="Sorğuya ayrılan vaxt bitdi.",
        en="The time allowed for the request is over.",
    ),
    errors.StorageError: _row(
        "journal.failed",
        Status.UNAVAILABLE,
        503,
        Disposition.HALT,
        Advice.RETRY_BACKOFF,
        az="Jurnal əlçatan deyil; heç nə icra olunmadı.",
        en="The journal is not available; nothing was run.",
    ),
    errors.LeaseLost: _row(
        "journal.lease-lost",
        Status.PENDING,
        202,
        Disposition.REPLY,
        Advice.WAIT,
        az="Sorğunu başqa işçi proses davam etdirir.",
        en="Another worker has taken the request over.",
    ),
    errors.BrokerError: _row(
        "broker.unavailable",
        Status.UNAVAILABLE,
        503,
        Disposition.RETRY,
        Advice.RETRY_BACKOFF,
        az="Mesaj brokeri əlçatan deyil.",
        en="The message broker is not available.",
    ),
    errors.ProcessError: _row(
        "process.failed",
        Status.FAILED,
        500,
        Disposition.PARK,
        Advice.CONTACT_OPERATOR,
        az="Prosesin addımı uğursuz oldu; operator ona baxacaq.",
        en="A step of the process failed; an operator will look at it.",
    ),
}

TABLE: Mapping[type[BaseException], Policy] = MappingProxyType(_FOREIGN_TABLE | _OWN_TABLE)
"""Every error class of `security` and `esb` finds its row here, itself or through the nearest parent."""

_BY_CODE: Mapping[str, Policy] = MappingProxyType(
    {policy.code: policy for policy in (UNFORESEEN, NOT_ACCEPTED, DROPPED, *TABLE.values())}
)
