from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.moment import as_of


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-21T12:00:00+04:00", datetime(2026, 11, 21, 8, tzinfo=UTC)),
        ("2026-11-21T08:00:00Z", datetime(2026, 11, 21, 8, tzinfo=UTC)),
        ("2026-11-21T12:00:00", datetime(2026, 11, 21, 8, tzinfo=UTC)),
        ("2026-11-21T12:00:00.123456", datetime(2026, 11, 21, 8, 0, 0, 123456, tzinfo=UTC)),
        ("2026-10-31", datetime(2026, 10, 30, 20, tzinfo=UTC)),
        ("2026-10-31+04:00", datetime(2026, 10, 30, 20, tzinfo=UTC)),
        ("2026-10-31Z", datetime(2026, 10, 31, tzinfo=UTC)),
    ],
)
def test_date_and_zoneless_time_are_meant_in_baku(text: str, utc: datetime) -> None:
    found = as_of({"AsOf": text}, "AsOf")
    assert found == utc
    assert found is not None
    assert found.tzinfo is UTC


@pytest.mark.parametrize("value", [None, 7, {}, "", "2026-13-01", "24:00:00", "9"])
def test_what_is_no_moment_gives_none(value: Any) -> None:
    assert as_of({"AsOf": value}, "AsOf") is None


def test_reply_without_the_field_and_contract_without_one_give_none() -> None:
    assert as_of({}, "AsOf") is None
    assert as_of({"AsOf": "2026-10-31"}, None) is None
