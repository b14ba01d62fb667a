"""The field table of `routes.yaml`: the one place where its keys are declared."""

from __future__ import annotations

from esb.model import Text
from esb.routes.fields import Field, Fields, Kind

SCHEMES = ("FIN", "VPIN", "PASSPORT", "DYI", "MYI", "VOEN", "SSN")
"""How a subject or user may be identified."""

AUDIENCES = ("unregistered", "citizen", "entrepreneur", "non-resident", "agency")

STRENGTHS = ("password", "two-number", "asan-imza", "e-imza", "sima")
"""How strongly a person logged in."""

DEFAULT_MAX_BODY_BYTES = 5 * 1024 * 1024

CALLER_NAME = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
ROUTE_ID = r"[a-z][a-z0-9]*(?:[.-][a-z0-9]+)*"
ROUTE_PATTERN = rf"{ROUTE_ID}(?:\.\*)?"
REPLY_FIELD = r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*"

CALLER_FIELDS: Fields = (
    Field(
        name="title",
        kind=Kind.TEXT,
        required=True,
        inline=True,
        description=Text(az="çağıran sistemin adı", en="name of the calling system for people"),
    ),
    Field(
        name="contact",
        kind=Kind.STRING,
        example="duty@example.az",
        description=Text(az="əlaqə üçün məsul şəxs", en="whom to call when something is wrong"),
    ),
    Field(
        name="limits",
        kind=Kind.RECORD,
        default={},
        inline=True,
        description=Text(az="çağıranın hədləri", en="how much the caller may ask"),
        fields=(
            Field(
                name="rate_per_s",
                kind=Kind.NUMBER,
                minimum=0.1,
                maximum=100_000,
                example=200,
                description=Text(az="saniyədə sorğu sayı; boş: hədsiz", en="requests per second; absent: no limit"),
            ),
        ),
    ),
)

GRANT_FIELDS: Fields = (
    Field(
        name="caller",
        kind=Kind.STRING,
        required=True,
        pattern=CALLER_NAME,
        description=Text(az="kimə icazə verilir", en="who may ask"),
    ),
    Field(
        name="routes",
        kind=Kind.STRINGS,
        required=True,
        non_empty=True,
        inline=True,
        pattern=ROUTE_PATTERN,
        example=["person.*"],
        description=Text(az="hansı xidmətlər; `ad.*` hamısı deməkdir", en="which routes; `name.*` is all below it"),
    ),
    Field(
        name="purposes",
        kind=Kind.STRINGS,
        default=(),
        inline=True,
        non_empty=True,
        example=["VEMTAS application"],
        description=Text(az="hansı məqsədlərlə; boş: hər biri", en="for which purposes; absent: any"),
    ),
)

RETRY_FIELDS: Fields = (
    Field(
        name="attempts",
        kind=Kind.INTEGER,
        default=1,
        minimum=1,
        maximum=10,
        description=Text(az="cəhdlərin sayı, birincisi də daxil", en="attempts in all, the first included"),
    ),
    Field(
        name="first_delay_s",
        kind=Kind.NUMBER,
        default=0.2,
        minimum=0.01,
        maximum=60,
        description=Text(az="ikinci cəhddən əvvəl fasilə", en="pause before the second attempt; it grows"),
    ),
)

ROUTE_FIELDS: Fields = (
    Field(
        name="title",
        kind=Kind.TEXT,
        required=True,
        inline=True,
        description=Text(az="xidmətin adı", en="the service's name for people"),
    ),
    Field(
        name="version",
        kind=Kind.INTEGER,
        default=1,
        minimum=1,
        maximum=1000,
        description=Text(az="cavabın formasının versiyası", en="version of the reply's form"),
    ),
    Field(
        name="audience",
        kind=Kind.STRINGS,
        required=True,
        non_empty=True,
        inline=True,
        choices=AUDIENCES,
        description=Text(az="kimlər üçündür", en="for whom the service is"),
    ),
    Field(
        name="legal_basis",
        kind=Kind.STRING,
        required=True,
        example="Cabinet decision 191/2011",
        description=Text(az="hüquqi əsas", en="the act that allows the question"),
    ),
    Field(
        name="strength",
        kind=Kind.CHOICE,
        choices=STRENGTHS,
        description=Text(az="istifadəçinin girişi necə olmalıdır", en="how the user must have logged in; absent: any"),
    ),
    Field(
        name="subject_schemes",
        kind=Kind.STRINGS,
        default=("FIN",),
        inline=True,
        non_empty=True,
        choices=SCHEMES,
        description=Text(az="subyekt hansı nömrə ilə verilir", en="by which numbers the subject may be named"),
    ),
    Field(
        name="adapter",
        kind=Kind.STRING,
        example="din-reg",
        description=Text(az="soruşulan qurum", en="the agency that is asked; for a call"),
    ),
    Field(
        name="operation",
        kind=Kind.STRING,
        example="GetPersonByPin",
        description=Text(az="qurumun əməliyyatı", en="operation of its contract; for a call"),
    ),
    Field(
        name="request",
        kind=Kind.PAIRS,
        description=Text(az="müqavilə sahəsi ← sorğu üzrə JMESPath", en="contract field ← JMESPath over the request"),
    ),
    Field(
        name="reply",
        kind=Kind.PAIRS,
        non_empty=True,
        key_pattern=REPLY_FIELD,
        description=Text(
            az="cavab sahəsi ← qurumun cavabı üzrə JMESPath", en="reply field ← JMESPath over the agency's valid answer"
        ),
    ),
    Field(
        name="not_found",
        kind=Kind.STRING,
        example="ResultCode == '404'",
        description=Text(az="nə vaxt qeyd yoxdur deməkdir", en="JMESPath that is true when there is no such record"),
    ),
    Field(
        name="gather",
        kind=Kind.PAIRS,
        non_empty=True,
        inline=True,
        key_pattern=REPLY_FIELD,
        pattern=ROUTE_ID,
        example={"identity": "person.identity"},
        description=Text(az="cavab sahəsi ← başqa xidmət", en="reply field ← other route; asked in parallel"),
    ),
    Field(
        name="require",
        kind=Kind.CHOICE,
        choices=("all", "any"),
        description=Text(
            az="hamısı cavab verməlidirmi", en="`all`: a missing answer spoils the whole; `any`: it makes it PARTIAL"
        ),
    ),
    Field(
        name="timeout_s",
        kind=Kind.NUMBER,
        minimum=0.05,
        maximum=120,
        example=5,
        description=Text(az="bir cəhdin vaxtı; susmaya görə 5", en="time of one attempt; 5 when absent"),
    ),
    Field(
        name="deadline_s",
        kind=Kind.NUMBER,
        minimum=0.05,
        maximum=600,
        example=10,
        description=Text(
            az="bütün cəhdlərin birgə vaxtı", en="time of all attempts together; absent: what they need, at most 30"
        ),
    ),
    Field(
        name="idempotent",
        kind=Kind.BOOLEAN,
        default=False,
        description=Text(az="təkrarı zərərsizdirmi", en="asking twice does no more than asking once"),
    ),
    Field(
        name="retry",
        kind=Kind.RECORD,
        default={},
        inline=True,
        fields=RETRY_FIELDS,
        description=Text(az="təkrar cəhdlər", en="further attempts when the agency does not answer"),
    ),
    Field(
        name="max_body_bytes",
        kind=Kind.INTEGER,
        default=DEFAULT_MAX_BODY_BYTES,
        minimum=256,
        maximum=64 * 1024 * 1024,
        description=Text(az="sorğunun ən böyük ölçüsü", en="largest request body"),
    ),
    Field(
        name="signed_requests",
        kind=Kind.BOOLEAN,
        default=False,
        description=Text(az="sorğu imzalı olmalıdırmı", en="the caller must sign the body of its request"),
    ),
    Field(
        name="asynchronous",
        kind=Kind.BOOLEAN,
        default=False,
        description=Text(az="cavab gözlənilmir", en="always answered with 202, the reply follows"),
    ),
)

ACTS = ("submit", "check", "promote", "suspend", "retire", "set")
"""What an operator may be permitted to do to the register of adapters."""

OPERATOR_FIELDS: Fields = (
    Field(
        name="may",
        kind=Kind.STRINGS,
        required=True,
        non_empty=True,
        inline=True,
        choices=ACTS,
        example=["submit", "check"],
        description=Text(
            az="nəyə icazə verilir", en="which acts on the register of adapters; what is not here is denied"
        ),
    ),
)

OPERATORS = Field(
    name="operators",
    kind=Kind.TABLE,
    key_pattern=r"[A-Za-z_][A-Za-z0-9_.-]*",
    fields=OPERATOR_FIELDS,
    description=Text(az="operatorlar, sistemə giriş adı ilə", en="operators, by their login name on the machine"),
)

FILE_FIELDS: Fields = (
    Field(
        name="callers",
        kind=Kind.TABLE,
        required=True,
        key_pattern=CALLER_NAME,
        fields=CALLER_FIELDS,
        description=Text(az="soruşa bilən sistemlər", en="systems that may send requests"),
    ),
    OPERATORS,
    Field(
        name="grants",
        kind=Kind.RECORDS,
        default=(),
        inline=True,
        fields=GRANT_FIELDS,
        description=Text(az="kim nəyi soruşa bilər", en="caller × route × purpose; what is not here is denied"),
    ),
    Field(
        name="routes",
        kind=Kind.TABLE,
        required=True,
        key_pattern=ROUTE_ID,
        fields=ROUTE_FIELDS,
        description=Text(az="xidmətlər", en="portal-facing services"),
    ),
)
