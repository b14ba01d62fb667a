"""What a caller is told about the rule that its request broke: a sentence in each language, never the value itself.

Read by the fault table for every `RequestInvalid`. `{limit}` is what the schema allows, never what was sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from esb.errors import RequestInvalid, Rule
from esb.model import Text


def text_of(error: RequestInvalid) -> Text | None:
    """The sentence for this violation, or None where the general one of the fault table says all there is to say."""
    text = None if error.rule is None else TEXTS.get(error.rule)
    if text is None:
        return None
    limit = _short(error.limit or "")
    return msgspec.structs.replace(text, az=text.az.replace("{limit}", limit), en=text.en.replace("{limit}", limit))


def _short(limit: str) -> str:
    return limit if len(limit) <= _LONGEST else limit[:_LONGEST] + "…"


_LONGEST = 300
"""Some contracts list hundreds of allowed values; the whole list is in the route's schema."""

TEXTS: Mapping[Rule, Text] = MappingProxyType(
    {
        Rule.REQUIRED: Text(az="Bu sahə mütləq doldurulmalıdır.", en="This field is required."),
        Rule.UNKNOWN: Text(
            az="Belə sahə yoxdur; adının düzgün yazıldığını yoxlayın.",
            en="There is no such field; check how its name is spelt.",
        ),
        Rule.TYPE: Text(
            az="Dəyərin növü yanlışdır; gözlənilən: {limit}.", en="The value is of the wrong type; expected: {limit}."
        ),
        Rule.CHOICE: Text(
            az="Dəyər icazə verilənlərdən biri deyil: {limit}.", en="The value is not one of those allowed: {limit}."
        ),
        Rule.FORM: Text(
            az="Dəyər tələb olunan formada deyil: {limit}.", en="The value does not have the required form: {limit}."
        ),
        Rule.FIN: Text(
            az="FİN düzgün yazılmayıb: o, 7 işarədən, yəni rəqəmlərdən və böyük latın hərflərindən ibarətdir; I və O"
            " hərfləri istifadə olunmur.",
            en="The FIN is not well-formed: it has 7 characters, digits and capital Latin letters, never I or O.",
        ),
        Rule.TIME: Text(
            az="Vaxt RFC 3339 formatında, saat qurşağı ilə yazılmalıdır, məsələn: 2026-11-21T12:00:00+04:00.",
            en="A time is written as in RFC 3339, with its offset from UTC, for example: 2026-11-21T12:00:00+04:00.",
        ),
        Rule.TOO_SHORT: Text(
            az="Dəyər həddindən artıq qısadır; ən azı {limit} işarə olmalıdır.",
            en="The value is too short; minimum length: {limit}.",
        ),
        Rule.TOO_LONG: Text(
            az="Dəyər həddindən artıq uzundur; ən çoxu {limit} işarə ola bilər.",
            en="The value is too long; maximum length: {limit}.",
        ),
        Rule.TOO_SMALL: Text(
            az="Dəyər həddindən artıq kiçikdir; icazə verilən: {limit}.",
            en="The value is too small; allowed: {limit}.",
        ),
        Rule.TOO_LARGE: Text(
            az="Dəyər həddindən artıq böyükdür; icazə verilən: {limit}.",
            en="The value is too large; allowed: {limit}.",
        ),
        Rule.DIGITS: Text(
            az="Ədədin dəqiqliyi həddindən artıqdır; ən kiçik addım: {limit}.",
            en="The number is too precise; smallest step: {limit}.",
        ),
        Rule.NUMBER: Text(
            az="Ədəd icazə verilən aralıqdan kənardadır.", en="The number is outside the range that can be carried."
        ),
        Rule.TOO_FEW: Text(
            az="Elementlərin sayı azdır; ən azı: {limit}.", en="There are too few items; at least: {limit}."
        ),
        Rule.TOO_MANY: Text(
            az="Elementlərin sayı çoxdur; ən çoxu: {limit}.", en="There are too many items; at most: {limit}."
        ),
        Rule.TWICE: Text(az="Eyni element iki dəfə göstərilib.", en="The same item is given twice."),
        Rule.CONTROL_CHARACTER: Text(
            az="Mətndə idarəedici simvollara icazə verilmir.", en="The text must not hold control characters."
        ),
        Rule.MESSAGE_ID: Text(
            az="Mesaj identifikatoru UUID formatında olmalıdır, məsələn: 0b2f6a1e-3c54-4d7b-9a10-5f8e2c7d6b43.",
            en="The message id must be a UUID, for example: 0b2f6a1e-3c54-4d7b-9a10-5f8e2c7d6b43.",
        ),
        Rule.HEADER: Text(
            az="HTTP başlığı oxunmadı; gözlənilən: {limit}.", en="The HTTP header cannot be read; expected: {limit}."
        ),
        Rule.QUERY: Text(
            az="Ünvanın sorğu parametri yanlışdır; gözlənilən: {limit}.",
            en="The query parameter of the address is wrong; expected: {limit}.",
        ),
    }
)
