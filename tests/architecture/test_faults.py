"""The fault table covers every way to fail."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import adapters.commands  # noqa: F401 - brings every module that defines an error
import esb.app  # noqa: F401
from esb.errors import EsbError
from esb.faults import TABLE, Disposition, fault_of, policy_by_code, policy_of
from security.errors import SecurityError


def _classes(root: type[Exception]) -> Iterator[type[Exception]]:
    yield root
    for child in root.__subclasses__():
        yield from _classes(child)


ALL = sorted({*_classes(EsbError), *_classes(SecurityError)}, key=lambda cls: f"{cls.__module__}.{cls.__name__}")


@pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)
def test_every_error_class_has_a_row_of_its_own_or_of_its_nearest_parent(cls: type[Exception]) -> None:
    assert any(parent in TABLE for parent in cls.__mro__)


def test_rows_have_distinct_codes() -> None:
    codes = [policy.code for policy in TABLE.values()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("policy", TABLE.values(), ids=lambda policy: policy.code)
def test_every_row_speaks_both_languages_and_is_found_by_its_code(policy: object) -> None:
    from esb.faults import Policy  # noqa: PLC0415 - for the type only

    assert isinstance(policy, Policy)
    assert policy.text.az
    assert policy.text.en
    assert policy_by_code(policy.code) == policy


def test_an_error_nobody_foresaw_parks() -> None:
    assert policy_of(RuntimeError("boom")).disposition is Disposition.PARK
    assert "boom" not in str(fault_of(RuntimeError("boom")))
