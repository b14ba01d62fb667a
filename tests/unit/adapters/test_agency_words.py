"""Where an agency's code, message and causes are found in its answers."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.agency_words import MAX_CAUSES, MAX_CODE, MAX_MESSAGE, Words, WordsReader
from adapters.manifest import FaultPatterns

USUAL = WordsReader(FaultPatterns())


@pytest.mark.parametrize(
    ("document", "code", "message"),
    [
        ({"code": "A.B", "message": "m"}, "A.B", "m"),
        ({"error": {"code": "A.B", "message": "m"}}, "A.B", "m"),
        ({"errors": [{"code": 7, "message": "m"}]}, "7", "m"),
        ({"error": "invalid_grant", "error_description": "m"}, "invalid_grant", "m"),
        ({"type": "about:blank", "title": "t", "detail": "d"}, None, "d"),
        ({"type": "urn:heat:closed", "title": "t"}, "urn:heat:closed", "t"),
        ({"fault": {"code": "X"}}, "X", None),
        ({"Code": "X", "Message": "m"}, "X", "m"),
        ({"code": True}, None, None),
        ({"code": None, "message": ""}, None, None),
        ({"code": {"a": 1}}, None, None),
        ([{"code": "X"}], None, None),
        ("X", None, None),
        (None, None, None),
    ],
)
def test_the_usual_places_are_known(document: Any, code: str | None, message: str | None) -> None:
    words = USUAL.read(document)
    assert (next(iter(words.codes), None), words.message) == (code, message)


@pytest.mark.parametrize(
    ("document", "causes"),
    [
        ({"code": "A", "cause": {"code": "B", "cause": {"code": "C"}}}, ("B", "C")),
        ({"error": {"code": "A", "cause": {"code": "B", "cause": {"code": "C"}}}}, ("B", "C")),
        ({"error": {"code": "A", "innererror": {"code": "B", "innererror": {"code": "C"}}}}, ("B", "C")),
        ({"code": "A", "subError": {"message": "without code", "subError": {"code": "C"}}}, ("C",)),
        ({"code": "A", "cause": "text"}, ()),
    ],
)
def test_what_lay_beneath_is_told_outermost_first(document: Any, causes: tuple[str, ...]) -> None:
    assert USUAL.read(document).causes == causes


def test_named_places_are_the_only_ones() -> None:
    reader = WordsReader(FaultPatterns(code=("a.b[1].c",), message=("m",), cause=("why",)))
    document = {"a": {"b": [{}, {"c": "X"}]}, "code": "Y", "message": "n", "why": {"c": "Z"}, "cause": {"code": "W"}}
    assert reader.read(document) == Words(codes=("X",), message=None, causes=("Z",))


def test_long_and_deep_words_are_cut() -> None:
    document: Any = {"code": "x" * 10_000, "message": "y" * 10_000}
    for _ in range(100):
        document = {"code": "x" * 10_000, "message": "y" * 10_000, "cause": document}
    words = USUAL.read(document)
    assert len(words.codes[0]) == MAX_CODE
    assert len(words.message or "") == MAX_MESSAGE
    assert (len(words.causes), len(words.causes[0])) == (MAX_CAUSES, MAX_CODE)
