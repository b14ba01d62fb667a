"""Fields of `adapter.yaml` about what an agency's answers mean, and about calls that no WSDL or OpenAPI describes.

Part of `manifest_fields`, declared here by the same rules.
"""

from __future__ import annotations

from typing import Final

from esb.model import Text
from esb.routes.fields import Field, Fields, Kind

ABSENCES: Final = ("empty-body", "null-body", "empty-list", "empty-object", "all-null")
"""Ways of saying "no such record" with an answer of success."""

_STEP = r"[^.\[\]\s]+(\[[0-9]+\])*"
PLACE: Final = rf"{_STEP}(\.{_STEP})*"
"""Where something stands in an answer: `error.code`, `errors[0].code`."""

_ELEMENT = r"(\{[^{}\s]+\})?[^{}\s:]+"


def _says(az: str, en: str) -> Text:
    return Text(az=az, en=en)


FAULTS: Final[Fields] = (
    Field(
        name="rejected",
        kind=Kind.STRINGS,
        default=(),
        example=("Client.Business*",),
        description=_says(
            "imtina sayılan xəta kodları (* hər şey)", "patterns (*) of fault codes that are a business refusal"
        ),
    ),
    Field(
        name="not_found",
        kind=Kind.STRINGS,
        default=(),
        example=("UnknownSubject",),
        description=_says("«tapılmadı» sayılan xəta kodları", "patterns of fault codes that mean: no such record"),
    ),
    Field(
        name="success",
        kind=Kind.STRINGS,
        default=(),
        example=("0",),
        description=_says(
            "uğur bildirən kodlar; verilibsə, uğurlu cavabdakı hər başqa kod xətadır",
            "patterns of codes that mean success; given, any other code in an answer of success is a fault",
        ),
    ),
    Field(
        name="code",
        kind=Kind.STRINGS,
        pattern=PLACE,
        default=(),
        example=("error.code",),
        description=_says("kodun cavabdakı yeri", "places of the code in an answer; left out: the usual ones"),
    ),
    Field(
        name="message",
        kind=Kind.STRINGS,
        pattern=PLACE,
        default=(),
        example=("error.message",),
        description=_says("mətnin cavabdakı yeri", "places of the words in an answer; left out: the usual ones"),
    ),
    Field(
        name="cause",
        kind=Kind.STRINGS,
        pattern=PLACE,
        default=(),
        example=("error.cause",),
        description=_says("səbəbin cavabdakı yeri", "places of the error beneath; left out: the usual ones"),
    ),
)

NOT_FOUND: Final[Fields] = (
    Field(
        name="http_status",
        kind=Kind.INTEGERS,
        minimum=200,
        maximum=499,
        default=(),
        example=(404,),
        description=_says("«tapılmadı» sayılan HTTP kodları", "HTTP statuses that mean: no such record (REST, XML)"),
    ),
    Field(
        name="answer",
        kind=Kind.STRINGS,
        choices=ABSENCES,
        default=(),
        example=("empty-list",),
        description=_says("«tapılmadı» sayılan cavablar", "answers of success that mean: no such record"),
    ),
)

OPERATIONS: Final[Fields] = (
    Field(
        name="method",
        kind=Kind.CHOICE,
        choices=("GET", "POST", "PUT", "PATCH", "DELETE"),
        description=_says("HTTP metodu", "HTTP method; POST when there is a request document, else GET (kind xml)"),
    ),
    Field(
        name="path",
        kind=Kind.STRING,
        pattern=r"/[^?#\s]*",
        example="/heating/{pin}",
        description=_says("ünvandan sonrakı yol", "path below the endpoint, with {names} of values (kind xml)"),
    ),
    Field(
        name="query",
        kind=Kind.STRINGS,
        default=(),
        example=("year",),
        description=_says("sorğu parametrləri", "values that go into the query (kind xml)"),
    ),
    Field(
        name="request",
        kind=Kind.STRING,
        pattern=_ELEMENT,
        example="HeatingRequest",
        description=_says("sorğu elementi", "element of the request document, {namespace}name or name"),
    ),
    Field(
        name="reply",
        kind=Kind.STRING,
        pattern=_ELEMENT,
        example="HeatingReply",
        description=_says("cavab elementi", "element of the reply document"),
    ),
    Field(
        name="fault",
        kind=Kind.STRING,
        pattern=_ELEMENT,
        example="Problem",
        description=_says("xəta elementi", "element of a document of error, where the contract has one (kind xml)"),
    ),
)
"""One entry of `contract.operations`."""
