"""An agency's error in its own words: code, message and what lay beneath, out of an answer's plain data.

Called by the operations on proven data. Where these things stand is said by the manifest, or is one of the usual
places; nothing of it is more than a label, however long or deep an agency writes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from adapters.manifest import FaultPatterns

MAX_CODE: Final = 100
MAX_MESSAGE: Final = 500
"""The agency's words go into the caller's reply: a sentence or two, whatever a broken system puts there."""

MAX_CAUSES: Final = 8

CODES: Final = (
    "code",
    "errorCode",
    "error.code",
    "error.errorCode",
    "errors[0].code",
    "fault.code",
    "Code",
    "ErrorCode",
    "Error.Code",
    "type",
    "error",
)
MESSAGES: Final = (
    "detail",
    "message",
    "errorMessage",
    "error.message",
    "error.detail",
    "errors[0].message",
    "fault.message",
    "error_description",
    "Message",
    "ErrorMessage",
    "Error.Message",
    "title",
)
CAUSES: Final = (
    "cause",
    "error.cause",
    "error.innererror",
    "innerError",
    "innererror",
    "subError",
    "error.details[0]",
    "Cause",
    "Error.Cause",
)
"""Where agencies put these when nobody says otherwise; the first that is there counts."""

_NO_TYPE: Final = "about:blank"
"""RFC 9457, section 4.2.1: a problem whose type says nothing."""

_STEP: Final = re.compile(r"([^.\[\]]+)|\[(\d+)\]")

_Place = tuple[str | int, ...]


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """What an agency said. `codes`: every code that was found, the most telling first; `causes`: those beneath."""

    codes: tuple[str, ...] = ()
    message: str | None = None
    causes: tuple[str, ...] = ()


class WordsReader:
    """Finds the words in answers of one agency. Safe for concurrent use."""

    def __init__(self, faults: FaultPatterns) -> None:
        """`faults`: places that the manifest names; they are then the only ones."""
        self._codes = _places(faults.code or CODES)
        self._messages = _places(faults.message or MESSAGES)
        self._causes = _places(faults.cause or CAUSES)
        # Beneath the envelope the same things stand without it: `error.code`, then `cause.code`.
        self._inner_codes = (*self._codes, *_last_steps(self._codes))
        self._inner_causes = (*self._causes, *_last_steps(self._causes))

    def read(self, document: Any) -> Words:
        """The words in plain data of any shape."""
        return Words(
            codes=tuple(_found(document, self._codes, MAX_CODE)),
            message=next(_found(document, self._messages, MAX_MESSAGE), None),
            causes=tuple(self._beneath(document)),
        )

    def code(self, document: Any) -> str | None:
        """The code alone."""
        return next(_found(document, self._codes, MAX_CODE), None)

    def _beneath(self, document: Any) -> Iterator[str]:
        node, places = document, self._causes
        for _ in range(MAX_CAUSES):
            node = next((found for place in places if isinstance(found := _at(node, place), Mapping)), None)
            if node is None:
                return
            code = next(_found(node, self._inner_codes, MAX_CODE), None)
            if code is not None:
                yield code
            places = self._inner_causes


def _places(written: Sequence[str]) -> tuple[_Place, ...]:
    return tuple(tuple(int(index) if index else name for name, index in _STEP.findall(place)) for place in written)


def _last_steps(places: Sequence[_Place]) -> tuple[_Place, ...]:
    return tuple(dict.fromkeys((place[-1],) for place in places if len(place) > 1 and isinstance(place[-1], str)))


def _found(document: Any, places: Sequence[_Place], longest: int) -> Iterator[str]:
    for place in places:
        value = _at(document, place)
        if isinstance(value, str | int) and not isinstance(value, bool):
            text = str(value).strip()
            if text and text != _NO_TYPE:
                yield text[:longest]


def _at(document: Any, place: _Place) -> Any:
    for step in place:
        if isinstance(step, int):
            document = document[step] if isinstance(document, list) and step < len(document) else None
        else:
            document = document.get(step) if isinstance(document, Mapping) else None
    return document
