"""Masking of personal identifiers in what people may read: logs, consoles, reports.

Whoever formats text for an operator calls this. Never used on data that goes to an agency or a caller.
"""

from __future__ import annotations

import re

_FIN = "[0-9A-HJ-NP-Z]{7}"
# Any seven capitals could be a FİN, so words are masked with them; in lower case only what has a digit is, or half of
# a log would be stars. `_` counts as a border: `fin_5VBK5VR` holds one.
# A moment comes first and stays: the end of `10:00:00.260602Z` has the form of a FİN and is none.
_TOKEN = re.compile(
    r"(?P<moment>(?<![0-9A-Za-z])[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
    r"(?:Z|[+-][0-9]{2}:[0-9]{2})(?![0-9A-Za-z]))"
    rf"|(?<![0-9A-Za-z])(?:{_FIN}|(?=[A-Za-z]*[0-9])[0-9A-HJ-NP-Za-hj-np-z]{{7}}|[0-9]{{12,}})(?![0-9A-Za-z])"
)

_SHORT = 4
_MEDIUM = 6


def mask_identifier(value: str) -> str:
    """The identifier with its middle hidden: `5VBK5VR` becomes `5VB**VR`; up to four characters hide wholly."""
    if len(value) <= _SHORT:
        return "*" * len(value)
    if len(value) <= _MEDIUM:
        return f"{value[0]}{'*' * (len(value) - 2)}{value[-1]}"
    return f"{value[:3]}{'*' * (len(value) - 5)}{value[-2:]}"


def mask_text(text: str) -> str:
    """Free text in which what is shaped like a FİN, and every run of 12 digits or more, is masked; a moment is not."""
    return _TOKEN.sub(lambda match: match["moment"] or mask_identifier(match.group()), text)
