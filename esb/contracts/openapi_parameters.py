"""OpenAPI parameters on the wire: `style` and `explode` for path, query, header and cookie, both ways.

Called by the REST adapter to write, and by simulated agencies to read. What a style cannot carry without ambiguity is
refused by `check`, before anything is written.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote, unquote

import msgspec

from esb.errors import ContractViolation

Schema = dict[str, Any]

STYLES: Final[Mapping[str, tuple[str, ...]]] = {
    "path": ("simple", "label", "matrix"),
    "query": ("form", "spaceDelimited", "pipeDelimited", "deepObject"),
    "header": ("simple",),
    "cookie": ("form",),
}
"""Styles by location; the first is the default (OpenAPI 3.1, Style Values)."""

_JSON_TEXT: Final = msgspec.json.Encoder(decimal_format="number", order="sorted")
_RESERVED: Final = ":/?@!$'()*,;"
"""What `allowReserved` leaves as it is in a query.

`&`, `=`, `+` and `#` would end a value or change it, and `[` and `]` no query may hold (RFC 3986, 3.4).
"""

_HEADER_TEXT: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_DOT_SEGMENTS: Final = frozenset({"", ".", ".."})
_DELIMITERS: Final = {"spaceDelimited": "%20", "pipeDelimited": "%7C"}
_MAX_DIGITS: Final = 1000
"""`1e999999999` is ten bytes of JSON, and a gigabyte when it is written out."""

_MAX_ITEMS: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonParameter:
    """One parameter of an operation; `location` is `path`, `query`, `header` or `cookie`.

    `as_json`: it is written as one JSON text, as OpenAPI's `content` says. `allow_reserved`: `:/?` stand as they are.
    """

    name: str
    location: str
    required: bool
    schema: Schema
    style: str = ""
    explode: bool = True
    allow_reserved: bool = False
    as_json: bool = False

    # --- writing -----------------------------------------------------------------------------------------

    def check(self, value: Any) -> None:
        """Raises ContractViolation for a valid value that would be read as another, or break out of its place."""
        try:
            self._check(value)
        except ContractViolation as error:
            raise self._unfit(error.reason) from error

    def _check(self, value: Any) -> None:
        if self.location == "path" and _is_dots(self.path_part(value)):
            raise ContractViolation("cannot stand in a path")
        if self.location == "header" and not _HEADER_TEXT.fullmatch(self.header_text(value)):
            raise ContractViolation("cannot stand in a header")
        if self.as_json:
            return
        texts = list(_texts(value))
        if isinstance(value, list | dict):
            self._check_parts(value, texts)

    def path_part(self, value: Any) -> str:
        """What stands for the parameter in the path."""
        if self.style == "simple" and isinstance(value, str):
            return self._quoted(value)
        pieces = self._pieces(value)
        if self.style == "label":
            return "." + ("." if self.explode else ",").join(pieces)
        if self.style != "matrix":
            return ",".join(pieces)
        if isinstance(value, dict) and self.explode:
            return "".join(f";{piece}" for piece in pieces)
        if isinstance(value, list) and self.explode:
            return "".join(f";{quote(self.name, safe='')}={piece}" for piece in pieces)
        return f";{quote(self.name, safe='')}={','.join(pieces)}"

    def query_pairs(self, value: Any) -> Iterator[str]:
        """`name=value` as often as the style says it, percent-encoded."""
        name = _quoted_name(self.name)
        if isinstance(value, str | int | Decimal) and not self.as_json:
            yield f"{name}={self._quoted(value)}"
        elif self.as_json:
            yield f"{name}={quote(self._json(value), safe='')}"
        elif self.style == "deepObject" and isinstance(value, dict):
            for key, part in value.items():
                for item in part if isinstance(part, list) else (part,):
                    yield f"{name}%5B{quote(key, safe='')}%5D={self._quoted(item)}"
        elif isinstance(value, dict) and self.explode:
            yield from self._pieces(value)
        elif isinstance(value, list) and self.explode:
            yield from (f"{name}={piece}" for piece in self._pieces(value))
        else:
            yield f"{name}={_DELIMITERS.get(self.style, ',').join(self._pieces(value))}"

    def header_text(self, value: Any) -> str:
        """The header's value; not percent-encoded (RFC 6570 is not followed in headers)."""
        if self.as_json:
            return self._json(value)
        return ",".join(_flat(value, explode=self.explode, quoted=written))

    def cookie_pairs(self, value: Any) -> Iterator[str]:
        """`name=value` for the Cookie header."""
        return self.query_pairs(value)

    def _pieces(self, value: Any) -> list[str]:
        if self.as_json:
            return [quote(self._json(value), safe="")]
        return list(_flat(value, explode=self.explode, quoted=self._quoted))

    def _quoted(self, value: Any) -> str:
        return quote(written(value), safe=_RESERVED if self.allow_reserved and self.location == "query" else "")

    def _json(self, value: Any) -> str:
        # A header carries ASCII only, and JSON can say everything in ASCII.
        text = _JSON_TEXT.encode(value).decode()
        return text if text.isascii() else "".join(c if c.isascii() else _escaped(c) for c in text)

    def _check_parts(self, value: Any, texts: Sequence[str]) -> None:
        parts = value.values() if isinstance(value, dict) else value
        deep = self.style == "deepObject"
        if any(isinstance(part, dict) or (isinstance(part, list) and not deep) for part in parts):
            raise ContractViolation("nests deeper than a parameter can say")
        if not texts and self.location != "query":
            raise ContractViolation("is empty, which cannot be written here")
        forbidden = self._forbidden()
        if forbidden and any(forbidden in text for text in texts):
            raise ContractViolation("holds the character that separates its parts")

    def _forbidden(self) -> str | None:
        """What a part may not hold, because its encoded form is the separator, or because nothing is encoded."""
        if self.location == "header":
            return ","
        if self.location == "path" and self.style == "label" and self.explode:
            return "."
        if self.allow_reserved and not self.explode:
            return ","
        return {"spaceDelimited": " ", "pipeDelimited": "|"}.get(self.style)

    def _unfit(self, reason: str) -> ContractViolation:
        return ContractViolation(reason, path=f"/{self.name}")

    # --- reading -----------------------------------------------------------------------------------------

    def read_path(self, text: str) -> Any:
        """The value that `path_part` wrote. What does not fit is left as text, which validation then says."""
        if self.style == "label":
            return self._split(text.removeprefix("."), "." if self.explode else ",")
        if self.style != "matrix":
            return self._split(text, ",")
        pairs = [pair.partition("=")[::2] for pair in text.split(";")[1:]]
        if _kind(self.schema) == "object" and self.explode:
            return self._typed_object(pairs)
        if _kind(self.schema) == "array" and self.explode:
            return [read_scalar(unquote(item), self.schema.get("items")) for _, item in pairs]
        return self._split(pairs[0][1] if pairs else "", ",")

    def read_header(self, text: str) -> Any:
        """The value that `header_text` wrote."""
        return self._split(text, ",", decode=str)

    def read_pairs(self, pairs: Sequence[tuple[str, str]]) -> Any:
        """The value out of a query's or a cookie header's raw pairs; ABSENT when it is not among them."""
        own = [value for name, value in pairs if unquote(name) == self.name]
        if self.style == "deepObject":
            return self._read_deep(pairs)
        if _kind(self.schema) == "object" and self.explode and not self.as_json:
            known = self.schema.get("properties", {})
            found = [(name, value) for name, value in pairs if unquote(name) in known]
            return self._typed_object(found) if found else ABSENT
        if not own:
            return ABSENT
        if _kind(self.schema) == "array" and self.explode and not self.as_json:
            return [read_scalar(unquote(item.replace("+", " ")), self.schema.get("items")) for item in own]
        return self._split(own[0], _DELIMITERS.get(self.style, ","))

    def _read_deep(self, pairs: Sequence[tuple[str, str]]) -> Any:
        form = re.compile(re.escape(self.name) + r"\[([^\]]*)\]")
        values: dict[str, Any] = {}
        for name, value in pairs:
            found = form.fullmatch(unquote(name))
            if found is None:
                continue
            schema = self.schema.get("properties", {}).get(found[1], {})
            if _kind(schema) == "array":
                values.setdefault(found[1], []).append(read_scalar(unquote(value), schema.get("items")))
            else:
                values[found[1]] = read_scalar(unquote(value), schema)
        return values or ABSENT

    def _split(self, text: str, delimiter: str, decode: Callable[[str], str] = unquote) -> Any:
        if self.as_json:
            return _from_json(decode(text))
        kind = _kind(self.schema)
        if kind not in {"array", "object"}:
            return read_scalar(decode(text.replace("+", " ") if self.location == "query" else text), self.schema)
        parts = text.split(delimiter)[:_MAX_ITEMS] if text else []
        if kind == "array":
            return [read_scalar(decode(part), self.schema.get("items")) for part in parts]
        if self.explode:
            return self._typed_object([part.partition("=")[::2] for part in parts], decode)
        return self._typed_object(list(zip(parts[::2], parts[1::2], strict=False)), decode)

    def _typed_object(self, pairs: Iterable[tuple[str, str]], decode: Callable[[str], str] = unquote) -> dict[str, Any]:
        properties = self.schema.get("properties", {})
        named = [(decode(name), decode(value)) for name, value in pairs]
        return {name: read_scalar(value, properties.get(name)) for name, value in named}


class _Absent:
    """No such parameter was sent."""


ABSENT: Final = _Absent()


def raw_pairs(text: str, separator: str = "&") -> list[tuple[str, str]]:
    """The pairs of a query (or, with `;`, of a Cookie header), still percent-encoded."""
    return [pair.strip().partition("=")[::2] for pair in text.split(separator) if pair.strip()]


@functools.lru_cache(maxsize=1024)
def _quoted_name(name: str) -> str:
    return quote(name, safe="")


def written(value: Any) -> str:
    """A scalar as text; numbers exactly, without exponent."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, Decimal):
        if not value.is_finite() or abs(value.adjusted()) > _MAX_DIGITS:
            raise ContractViolation("has too many digits")
        return format(value, "f")
    return str(value)


def read_scalar(text: str, schema: Any) -> Any:
    """A text as its schema wants it; left as text where it does not fit."""
    kinds = _kinds(schema)
    if text == "null" and "null" in kinds:
        return None
    if kinds & {"integer", "number", "boolean"} and "string" not in kinds:
        value = _from_json(text)
        return value if isinstance(value, bool | int | Decimal) else text
    return text


def _from_json(text: str) -> Any:
    try:
        return _JSON_VALUE.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


_JSON_VALUE: Final = msgspec.json.Decoder(float_hook=Decimal)


def _kinds(schema: Any) -> frozenset[str]:
    if not isinstance(schema, Mapping):
        return frozenset()
    kinds = schema.get("type", ())
    named = {kinds} if isinstance(kinds, str) else set(kinds)
    for keyword in ("allOf", "anyOf", "oneOf"):
        named.update(*(_kinds(part) for part in schema.get(keyword, ())))
    return frozenset(named)


def _kind(schema: Mapping[str, Any]) -> str:
    """`array` and `object` where a schema says so; what is neither is a scalar."""
    kinds = _kinds(schema)
    if "array" in kinds or "items" in schema:
        return "array"
    return "object" if "object" in kinds or "properties" in schema else "scalar"


def _flat(value: Any, *, explode: bool, quoted: Callable[[Any], str]) -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            if explode:
                yield f"{quoted(name)}={quoted(part)}"
            else:
                yield quoted(name)
                yield quoted(part)
    elif isinstance(value, list | tuple):
        yield from (quoted(item) for item in value)
    else:
        yield quoted(value)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield name
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    else:
        yield written(value)


def _is_dots(part: str) -> bool:
    return unquote(part) in _DOT_SEGMENTS


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
