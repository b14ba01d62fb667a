"""The compact form of JOSE: base64url without padding (RFC 7515, section 2) and JSON objects in it, read strictly.

Shared by the formats of this package that are written so. What has two spellings is refused.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

_COMPACT = (",", ":")


def encode(data: bytes) -> str:
    """The bytes as base64url."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def encode_json(values: Mapping[str, object]) -> str:
    """The object as base64url of compact JSON."""
    return encode(json.dumps(values, separators=_COMPACT).encode())


def decode(text: str) -> bytes:
    """The bytes of base64url without padding. Raises ValueError for any second spelling of them."""
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if encode(data) != text:
        raise ValueError
    return data


def decode_json(text: str) -> dict[str, Any]:
    """The JSON object of a part. Raises ValueError, also for a name that is there twice."""
    # As json.loads would for bytes, which are UTF-8 here (RFC 7515, section 2) and nothing else.
    try:
        values = _JSON.decode(decode(text).decode())
    except RecursionError as error:
        raise ValueError from error
    if not isinstance(values, dict):
        raise ValueError  # noqa: TRY004 - both kinds of malformed text end as one refusal
    return values


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError
    return values


_JSON = json.JSONDecoder(object_pairs_hook=_without_duplicates)
