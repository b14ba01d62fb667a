"""The moment for which an agency's data hold, from however its contract writes it."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from adapters.manifest import BAKU
from esb.model import JsonObject


def as_of(data: JsonObject, field: str | None) -> datetime | None:
    """The field as an aware UTC moment; None when the agency has no such field or left it out.

    A date holds from its first minute in Baku, and a time without zone is Baku time: agencies write both.
    """
    value = data.get(field) if field else None
    return _moment(value) if isinstance(value, str) else None


def _moment(text: str) -> datetime | None:
    try:
        if len(text) == _DATE_LENGTH:
            return datetime.combine(date.fromisoformat(text), time(), BAKU).astimezone(UTC)
        moment = datetime.fromisoformat(text)
    except ValueError:
        # XSD allows what Python has no value for (24:00:00, years above 9999, a date with a zone). The data are
        # valid all the same; the reply only has no `as_of`.
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=BAKU)).astimezone(UTC)


_DATE_LENGTH = len("2026-11-21")
