"""What each field of the one request and the one reply means, in both languages, for the OpenAPI description.

Data for `esb/inbound/openapi.py`. A test holds it against the values in `esb/model.py`: no field without a meaning, no
meaning without a field.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from esb.model import Text


def _text(en: str, az: str) -> Text:
    return Text(en=en, az=az)


_REQUEST = {
    "subject": _text("Whom the question is about.", "Sualın kimə aid olduğu."),
    "parameters": _text("What the route asks beside the subject.", "Marşrutun subyektdən başqa tələb etdikləri."),
    "purpose": _text("Why you ask; grants may name purposes.", "Nə üçün soruşulur; icazələr məqsəd üzrə verilə bilər."),
    "legal_basis": _text("The act that lets you ask.", "Soruşmağa əsas verən akt."),
    "issue": _text("Your own case number.", "Sizin işin (müraciətin) nömrəsi."),
    "user": _text("On whose behalf you ask.", "Kimin adından soruşulur."),
    "expires_at": _text("After this moment the question must not run.", "Bu andan sonra sual icra olunmamalıdır."),
}
_PERSON = {
    "scheme": _text("Kind of identifier.", "İdentifikatorun növü."),
    "value": _text("The identifier itself.", "İdentifikatorun özü."),
}
_USER = {**_PERSON, "strength": _text("How strongly that person logged in.", "Şəxsin giriş üsulunun etibarlılığı.")}
_REPLY = {
    "message_id": _text("The id of the question.", "Sualın identifikatoru."),
    "correlation_id": _text("What you sent as such.", "Sizin göndərdiyiniz əlaqələndirici mətn."),
    "route": _text("The route that was asked.", "Sual verilən marşrut."),
    "version": _text("The route's version.", "Marşrutun versiyası."),
    "status": _text(
        "What became of the question. No record, no answer and an empty list stay distinct.",
        "Sualın nəticəsi. Qeydin olmaması, cavabın olmaması və boş siyahı fərqlidir.",
    ),
    "data": _text("The answer, in the route's own fields.", "Cavab, marşrutun öz sahələri ilə."),
    "sources": _text("The agency calls that the answer is made from.", "Cavabın alındığı qurum müraciətləri."),
    "faults": _text("What went wrong.", "Nəyin alınmadığı."),
    "received_at": _text("When the bus took the question.", "Şinin sualı qəbul etdiyi an."),
    "completed_at": _text("When the reply was made.", "Cavabın hazırlandığı an."),
}
_SOURCE = {
    "agency": _text("Owner of the system.", "Sistemin sahibi olan qurum."),
    "operation": _text("The operation of its contract.", "Müqavilədəki əməliyyat."),
    "status": _text("What became of this call.", "Bu müraciətin nəticəsi."),
    "as_of": _text("The moment for which the data hold.", "Məlumatın aid olduğu an."),
    "elapsed_ms": _text("How long it took.", "Nə qədər çəkdiyi."),
    "attempts": _text("How often it was tried.", "Neçə dəfə cəhd edildiyi."),
    "version": _text("Which version of the agency's contract answered.", "Qurumun müqaviləsinin versiyası."),
}
_FAULT = {
    "code": _text("Stable name of the fault.", "Xətanın dəyişməz adı."),
    "message": _text("The fault in words.", "Xətanın izahı."),
    "advice": _text("What to do about it.", "Nə etmək lazım olduğu."),
    "path": _text(
        "JSON pointer to the place; `/headers/…` and `/query/…` for what is not in the body.",
        "Yerin JSON göstəricisi; sorğunun gövdəsində olmayanlar üçün `/headers/…` və `/query/…`.",
    ),
    "agency": _text("The agency it happened at.", "Xətanın baş verdiyi qurum."),
    "agency_code": _text("The agency's own code.", "Qurumun öz kodu."),
    "cause": _text("The fault behind this one.", "Bunun arxasındakı xəta."),
}
_WAITING = {
    "message_id": _text("The id to acknowledge.", "Təsdiqlənəcək identifikator."),
    "signature": _text(
        "Detached JWS over the UTF-8 bytes of `body`.", "`body` mətninin UTF-8 baytları üzərində ayrıca JWS imzası."
    ),
    "body": _text(
        "The reply as the very text that was signed: verify, then parse.",
        "İmzalanmış mətnin özü olan cavab: əvvəl yoxlayın, sonra oxuyun.",
    ),
}
_ACKNOWLEDGEMENT = {
    "message_id": _text("The id you acknowledged.", "Təsdiqlədiyiniz identifikator."),
    "acknowledged": _text(
        "False: it did not wait any more, or never did.", "`false`: artıq gözləmirdi və ya heç olmayıb."
    ),
}

FIELDS: Mapping[str, Mapping[str, Text]] = {
    "Request": _REQUEST,
    "Subject": _PERSON,
    "User": _USER,
    "Reply": _REPLY,
    "Source": _SOURCE,
    "Fault": _FAULT,
    "WaitingReply": _WAITING,
    "WaitingReplies": {
        "replies": _text(
            "Oldest first; what is not acknowledged comes again.", "Köhnədən yeniyə; təsdiqlənməyən yenidən gəlir."
        )
    },
    "Acknowledgement": _ACKNOWLEDGEMENT,
}
"""Meaning of each field, by component schema."""

ROUTE_FIELDS: Mapping[str, Text] = {
    "id": _text("The name to ask it by.", "Sual vermək üçün ad."),
    "version": _text("Version of its request and reply.", "Sorğu və cavabının versiyası."),
    "title": _text("What it answers.", "Nəyə cavab verdiyi."),
    "audience": _text("For whom the portal offers it.", "Portalda kimlər üçün olduğu."),
    "legal_basis": _text("The act that it rests on.", "Əsaslandığı akt."),
    "asynchronous": _text("Always answers 202 first.", "Həmişə əvvəlcə 202 cavabı verir."),
    "deadline_s": _text("When it answers at the latest, in seconds.", "Ən gec neçə saniyəyə cavab verdiyi."),
    "max_body_bytes": _text("Largest request body.", "Sorğunun ən böyük həcmi."),
    "signed_requests": _text("Demands `ESB-Signature` on the request.", "Sorğuda `ESB-Signature` tələb edir."),
    "strength": _text("How strongly `user` must have logged in.", "`user` üçün tələb olunan giriş üsulu."),
    "subject_schemes": _text("Identifiers it takes.", "Qəbul etdiyi identifikatorlar."),
}
"""Meaning of what `GET /v1/routes` says of a route."""

_WITHIN_REQUEST = {"subject": "Subject", "user": "User"}


def with_meanings(schemas: Mapping[str, Any]) -> dict[str, Any]:
    """The component schemas with each known field told in both languages."""
    return {name: told(schema, FIELDS.get(name, {})) for name, schema in schemas.items()}


def told_request(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A route's own request schema with the fields of the envelope told."""
    told_envelope = told(schema, FIELDS["Request"])
    properties = told_envelope.get("properties", {})
    for name, component in _WITHIN_REQUEST.items():
        if name in properties:
            properties[name] = told(properties[name], FIELDS[component])
    return told_envelope


def told(schema: Mapping[str, Any], meanings: Mapping[str, Text]) -> dict[str, Any]:
    """A copy of the schema in which properties without a description of their own have their meaning."""
    if "properties" not in schema:
        return dict(schema)
    return {
        **schema,
        "properties": {name: _meant(one, meanings.get(name)) for name, one in schema["properties"].items()},
    }


def _meant(schema: Any, meaning: Text | None) -> Any:
    if meaning is None or not isinstance(schema, Mapping) or "description" in schema:
        return schema
    return {**schema, "description": meaning.en, "x-az": meaning.az}
