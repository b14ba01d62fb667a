"""What a portal backend may say beside the body: preferences, ids, credentials, types, queries.

Pure text to values, called by the HTTP door for each request. An error names the header or query parameter by a
pointer (`/headers/prefer`, `/query/wait`) in the place where an error in the body has its JSON pointer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, unquote

import msgspec

from esb.codec import read_message_id
from esb.errors import ContentTypeUnsupported, NotIdentified, ReplyTypeUnsupported, RequestInvalid, Rule
from security.errors import TokenInvalid

MAX_WAIT_S = 60
"""Longer waits are cut to this: connections through load balancers rarely live longer without a byte."""

JSON = "application/json"

_JSON_WITH_CHARSET = re.compile(r'application/json\s*;\s*charset="?utf-?8"?', re.IGNORECASE)
_CORRELATION_ID = re.compile(r"[\x21-\x7e]{1,128}")
_WAIT = re.compile(r'wait\s*=\s*"?([0-9]{1,9})"?')
_ACCEPTED = frozenset({"*/*", "application/*", JSON})
_SCHEME = re.compile(r"bearer( |$)", re.IGNORECASE)
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/=-]{1,4096}) *", re.IGNORECASE)
_SIGNATURE = re.compile(r"[\x21-\x7e]{1,4096}")
_NAME_IN_PATH = re.compile(r"[\x21-\x7e]{1,200}")
_MAX_QUERY_FIELDS = 8


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """`Prefer` (RFC 7240). `wait_s` None: as long as the route takes. `applied`: what to confirm to the sender."""

    asynchronous: bool = False
    wait_s: float | None = None
    applied: str | None = None


NO_PREFERENCES = Preferences()


def read_preferences(header: str | None) -> Preferences:
    """`respond-async` and `wait=N`; preferences nobody knows are ignored, and of one said twice the first counts (§2).

    Both together mean: wait N seconds, then answer 202 (RFC 7240 §4.3).

    Raises:
        RequestInvalid: `wait` is not a number of seconds.
    """
    if header is None:
        return NO_PREFERENCES
    asynchronous, wait_s = False, None
    for item in header.split(","):
        preference = item.strip().lower()
        if preference == "respond-async":
            asynchronous = True
        elif wait_s is None and preference.partition("=")[0].rstrip() == "wait":
            wait_s = _seconds(_WAIT.fullmatch(preference))
    if wait_s is not None:
        return Preferences(wait_s=wait_s, applied=f"wait={wait_s}")
    return Preferences(asynchronous=True, applied="respond-async") if asynchronous else NO_PREFERENCES


def read_bearer(header: str | None) -> str | None:
    """The token of `Authorization: Bearer` (RFC 6750), or None when there is no such header.

    Raises:
        NotIdentified: another scheme.
        TokenInvalid: no token, or characters that no token has.
    """
    if header is None:
        return None
    match = _BEARER.fullmatch(header)
    if match is not None:
        return match[1]
    if _SCHEME.match(header) is None:
        raise NotIdentified("authorisation by another scheme than Bearer")
    raise TokenInvalid("not a bearer token")


def read_single(name: str, values: Sequence[str]) -> str | None:
    """The one value of a header, or None. Raises RequestInvalid when it is there twice: two readers could differ."""
    if len(values) > 1:
        raise _header_invalid(name.lower(), "once")
    return values[0] if values else None


def read_signature(header: str | None) -> str | None:
    """`ESB-Signature`, unproven: printable ASCII. Raises RequestInvalid."""
    if header is not None and _SIGNATURE.fullmatch(header) is None:
        raise _header_invalid("esb-signature", "detached JWS (RFC 7515, RFC 7797)")
    return header


def read_id(header: str | None) -> str | None:
    """`Message-Id`, in canonical form. Raises RequestInvalid when it is not a UUID."""
    return None if header is None else read_message_id(header)


def read_correlation_id(header: str | None) -> str | None:
    """`Correlation-Id`: up to 128 printable ASCII characters without spaces. Raises RequestInvalid."""
    if header is not None and _CORRELATION_ID.fullmatch(header) is None:
        raise _header_invalid("correlation-id", "1..128 ASCII")
    return header


def name_in_path(text: str) -> str | None:
    """The route or id that one segment of a path names; None for what can name nothing (RFC 3986 §2.1 undone).

    Only printable ASCII: a zero byte or half a character would break a database later.
    """
    name = unquote(text) if "%" in text else text
    return name if _NAME_IN_PATH.fullmatch(name) and "/" not in name else None


def require_json(content_type: str | None, content_encoding: str | None) -> None:
    """Return when the body is plain JSON. Raises ContentTypeUnsupported.

    Compressed bodies are refused: what a caller signs and what is journaled are the bytes that were sent.
    """
    if content_encoding is not None and content_encoding.lower() != "identity":
        raise ContentTypeUnsupported("only uncompressed bodies", path="/headers/content-encoding")
    if content_type != JSON and _JSON_WITH_CHARSET.fullmatch(content_type or "") is None and not _is_json(content_type):
        raise ContentTypeUnsupported("only application/json", path="/headers/content-type")


def require_json_accepted(accept: str | None) -> None:
    """Return when the caller takes JSON (RFC 9110 §12.5.1). Raises ReplyTypeUnsupported."""
    if accept is None or accept in _ACCEPTED:
        return
    for item in accept.split(","):
        media_type, *parameters = (part.strip().lower() for part in item.split(";"))
        if media_type in _ACCEPTED and not any(_says_never(parameter) for parameter in parameters):
            return
    raise ReplyTypeUnsupported("replies are application/json", path="/headers/accept")


def read_query(query: str, *, bounds: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    """The whole-number parameters of a query; `bounds` has for each known name its default and its largest value.

    Larger values are cut to the largest.

    Raises:
        RequestInvalid: an unknown or repeated name, or no whole number.
    """
    values = {name: default for name, (default, _) in bounds.items()}
    seen: set[str] = set()
    for name, text in _pairs(query, bounds) if query else ():
        if name not in bounds or name in seen:
            raise _query_invalid(f"/query/{name[:40]}", bounds)
        if not (text.isascii() and text.isdigit() and len(text) <= 9):  # noqa: PLR2004 - keeps int() small
            raise _query_invalid(f"/query/{name}", bounds)
        seen.add(name)
        values[name] = min(int(text), bounds[name][1])
    return values


def _pairs(query: str, bounds: Mapping[str, tuple[int, int]]) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=_MAX_QUERY_FIELDS)
    except ValueError as error:
        raise _query_invalid("/query", bounds) from error


def _seconds(match: re.Match[str] | None) -> int:
    if match is None:
        raise _header_invalid("prefer", "wait=5")
    return min(int(match[1]), MAX_WAIT_S)


def _is_json(content_type: str | None) -> bool:
    return content_type is not None and content_type.strip().lower() == JSON


def _says_never(parameter: str) -> bool:
    name, _, weight = parameter.replace(" ", "").partition("=")
    return name == "q" and weight.rstrip("0") in {"", "0.", "."}


def _header_invalid(name: str, expected: str) -> RequestInvalid:
    return RequestInvalid(
        f"the header {name} does not read {expected}", path=f"/headers/{name}", rule=Rule.HEADER, limit=expected
    )


def _query_invalid(path: str, bounds: Mapping[str, tuple[int, int]]) -> RequestInvalid:
    known = ", ".join(f"{name}=0..{largest}" for name, (_, largest) in bounds.items()) or "-"
    return RequestInvalid(
        "a query parameter that is unknown, repeated or no number", path=path, rule=Rule.QUERY, limit=known
    )
