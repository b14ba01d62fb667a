"""The moment for which an agency's data hold, from however its contract writes it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from adapters.manifest import BAKU
from esb.model import JsonObject

_DATE: Final = re.compile(r"(\d{4}-\d\d-\d\d)(Z|[+-]\d\d:\d\d)?", re.ASCII)


def as_of(data: JsonObject, field: str | None) -> datetime | None:
    """The field as an aware UTC moment; None when the agency has no such field or left it out.

    A date holds from its first minute in Baku, and a time without zone is Baku time: agencies write both.
    """
    value = data.get(field) if field else None
    return _moment(value) if isinstance(value, str) else None


def _moment(text: str) -> datetime | None:
    date = _DATE.fullmatch(text)
    if date:
        text = f"{date[1]}T00:00:00{date[2] or ''}"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        # XSD has values that Python has not (24:00:00, years above 9999). The data are valid all the same; the
        # reply only has no `as_of`.
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=BAKU)).astimezone(UTC)
