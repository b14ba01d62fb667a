"""Ways of saying "no such record" with an answer of success."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.absence import NOTHING, says_absent
from adapters.manifest_answers import ABSENCES

EXAMPLES: dict[str, list[Any]] = {
    "empty-body": [NOTHING],
    "null-body": [None],
    "empty-list": [[]],
    "empty-object": [{}],
    "all-null": [{"a": None}, {"a": {"b": None}, "c": []}],
}
ANSWERS = [[None], [0], 0, "", False, {"a": 0}, {"a": ""}, {"a": None, "b": False}]


def test_every_way_of_the_manifest_is_known() -> None:
    assert set(EXAMPLES) == set(ABSENCES)


@pytest.mark.parametrize("way", ABSENCES)
def test_each_way_means_its_own_answers_alone(way: str) -> None:
    for other, documents in EXAMPLES.items():
        assert all(says_absent(document, [way]) is (other == way) for document in documents)
    assert not any(says_absent(document, [way]) for document in ANSWERS)


def test_without_a_way_nothing_is_absent() -> None:
    assert not any(says_absent(document, []) for documents in EXAMPLES.values() for document in documents)
