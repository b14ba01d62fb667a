"""What operators set has the form that the manifest itself demands, and holds over it."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.registration import overlay
from esb.errors import RegistrationRefused
from tests.support.soap_agency import manifest_of


def one(word: str) -> Any:
    (value,) = overlay.read([word])
    return value.value


def applied(*words: str) -> Any:
    return overlay.applied(manifest_of("din-reg"), {value.name: value.value for value in overlay.read(words)})


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("limits.concurrency=5", 5),
        ("limits.rate_per_s=0.5", 0.5),
        ("breaker.open_s=30", 30.0),
        ("endpoint.live=https://a.example/x", "https://a.example/x"),
        ("maintenance=[]", []),
    ],
)
def test_a_value_is_written_as_in_the_manifest(word: str, value: object) -> None:
    assert one(word) == value


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("limits.concurency=5", "did you mean 'limits.concurrency'"),
        ("agency=other", "is not a value that operators set"),
        ("lifecycle=live", "is not a value that operators set"),
        ("limits.concurrency", "write NAME=VALUE"),
        ("limits.concurrency=", "write NAME=VALUE"),
        ("limits.concurrency=many", "limits.concurrency must be a whole number, not 'many'"),
        ("limits.concurrency=0", "limits.concurrency must be from 1 to 1000, not 0"),
        ("endpoint.live=ftp://a.example", "limits|endpoint.live"),
        ("limits.concurrency=*x", "limits.concurrency"),
        ("limits.concurrency=5\nother: 6", "limits.concurrency"),
        ('maintenance=[{weekday: sunday, from: "05:00", to: "04:00"}]', "ends before it begins"),
        ("maintenance=[{weekday: sunday}]", "maintenance"),
    ],
)
def test_what_the_manifest_would_not_take_is_refused_in_its_words(word: str, told: str) -> None:
    with pytest.raises(RegistrationRefused, match=told):
        overlay.read([word])


def test_set_values_hold_and_the_others_stay_as_the_manifest_has_them() -> None:
    own = manifest_of("din-reg")
    changed = applied("limits.rate_per_s=7", "endpoint.test=https://t.example", "breaker.failures=2")
    assert changed.limits.rate_per_s == 7.0
    assert changed.limits.concurrency == own.limits.concurrency
    assert changed.endpoint == {**own.endpoint, "test": "https://t.example"}
    assert changed.guard_limits.failures == 2
    assert applied() == own


def test_maintenance_is_set_as_a_whole() -> None:
    (window,) = applied('maintenance=[{weekday: sunday, from: "02:00", to: "04:30"}]').maintenance
    assert (window.weekday, window.begin.hour, window.end.minute) == ("sunday", 2, 30)


def test_everything_that_can_be_set_is_a_field_of_the_manifest() -> None:
    assert {"endpoint.live", "limits.rate_per_s", "breaker.failures", "maintenance"} <= set(overlay.names())
