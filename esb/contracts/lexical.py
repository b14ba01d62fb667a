"""Simple values: from plain data to the text of a document and back.

| XSD | plain data | in JSON |
|---|---|---|
| string and its kin, anyURI, anySimpleType | `str`, exactly; white space as the type's facet says | string |
| integer and its kin | `int` of any size | number |
| decimal | `decimal.Decimal`, exact; `int` and decimal text are taken too, `float` never | string |
| float, double | `float`; where not finite the text (`INF`, `-INF`, `NaN`); text is taken too | number or string |
| boolean | `bool` | true, false |
| dates, times, durations | `str`: the ISO text as it stands, zone or none (libxml2 allows no blanks) | string |
| base64Binary, hexBinary | `str`: the text as it stands | string |
| QName | `str`: `{namespace}local`, or `local`; `encoder` and `decoder` know the prefixes | string |
| list | `list` of the above | array |
| union | as its members when all are of one kind, else `str`: the text as it stands | |

Used by the encoder and the decoder, which leave facets to libxml2.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from esb.contracts.shapes import Kind, SimpleShape, Whitespace
from esb.errors import ContractViolation

Write = Callable[[Any], str]
Read = Callable[[str], Any]

DECIMAL_PATTERN = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$"

FLOAT_PATTERN = r"^(-?INF|NaN|[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?)$"

_MAX_DECIMAL_EXPONENT = 1000
_DECIMAL = re.compile(DECIMAL_PATTERN)
_FLOAT = re.compile(FLOAT_PATTERN)

# One search decides for nearly every value that nothing has to be done. The classes hold what XML 1.0 (clause 2.2)
# forbids as well as what canonical XML (RFC 3076, 2.3) escapes.
_FORBIDDEN = "\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff"
_ODD_CONTENT = re.compile(f"[&<>\r{_FORBIDDEN}]").search
_ODD_ATTRIBUTE = re.compile(f'[&<"\t\n\r{_FORBIDDEN}]').search
_ILLEGAL = re.compile(f"[{_FORBIDDEN}]").search
_BLANK = re.compile(r"[ \t\n\r]").search
_UNTIDY = re.compile(r"[\t\n\r]|^ | \Z|  ").search

_CONTENT_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#xD;"})
_ATTRIBUTE_ESCAPES = str.maketrans(
    {"&": "&amp;", "<": "&lt;", '"': "&quot;", "\t": "&#x9;", "\n": "&#xA;", "\r": "&#xD;"}
)
_BLANK_CHARACTERS = " \t\n\r"
_BLANKS = str.maketrans("\t\n\r", "   ")


def content_writer(shape: SimpleShape) -> Write:
    """Text of an element, escaped as canonical XML has it. Raises ContractViolation for another Python type."""
    if shape.kind in _VERBATIM:
        return escaped_content
    if shape.kind is Kind.LIST:
        raw = raw_writer(shape)
        return lambda value: escaped_content(raw(value))
    return _WRITERS[shape.kind]


def attribute_writer(shape: SimpleShape) -> Write:
    """Value of an attribute, escaped as canonical XML has it. Raises ContractViolation for another Python type."""
    raw = raw_writer(shape)
    return lambda value: escaped_attribute(raw(value))


def raw_writer(shape: SimpleShape) -> Write:
    """Unescaped text of a value. Raises ContractViolation for another Python type."""
    if shape.kind is not Kind.LIST or shape.item is None:
        return _WRITERS[shape.kind]
    item = raw_writer(shape.item)
    return lambda value: " ".join([_word(item(part)) for part in sequence_of(value)])


def reader(shape: SimpleShape) -> Read | None:
    """From the text of a valid document to the value; None when the text itself is the value."""
    if shape.kind is Kind.LIST and shape.item is not None:
        item = reader(shape.item)
        return lambda text: [item(part) if item else part for part in words(text)]
    if shape.kind is Kind.TEXT:
        return _TIDIERS[shape.whitespace]
    return _READERS[shape.kind]


def escaped_content(value: Any) -> str:
    """Text of an element as canonical XML has it. Raises ContractViolation."""
    if value.__class__ is not str:
        raise ContractViolation("must be text")
    if _ODD_CONTENT(value):
        if _ILLEGAL(value):
            raise ContractViolation("holds a character that XML cannot carry")
        text: str = value.translate(_CONTENT_ESCAPES)
        return text
    return value


def escaped_attribute(text: str) -> str:
    """Value of an attribute as canonical XML has it. Raises ContractViolation."""
    if _ODD_ATTRIBUTE(text):
        if _ILLEGAL(text):
            raise ContractViolation("holds a character that XML cannot carry")
        return text.translate(_ATTRIBUTE_ESCAPES)
    return text


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ContractViolation("must be text")
    return value


def _integer(value: Any) -> str:
    # bool is an int to Python and a mistake here.
    if value.__class__ is not int:
        raise ContractViolation("must be an integer")
    try:
        return str(value)
    except ValueError as error:
        raise ContractViolation("has too many digits") from error


def _decimal(value: Any) -> str:
    if isinstance(value, str) and _DECIMAL.match(value):
        value = Decimal(value)
    if isinstance(value, Decimal):
        if not value.is_finite() or abs(value.adjusted()) > _MAX_DECIMAL_EXPONENT:
            raise ContractViolation("must be a decimal number of reasonable size")
        return format(value, "f")
    if value.__class__ is int:
        return _integer(value)
    raise ContractViolation("must be a decimal number, as text or integer; floating point is not exact")


def _float(value: Any) -> str:
    if isinstance(value, str) and _FLOAT.match(value):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise ContractViolation("must be a number")
    try:
        number = float(value)
    except OverflowError as error:
        raise ContractViolation("is too large for floating point") from error
    if math.isfinite(number):
        return repr(number)
    return "NaN" if math.isnan(number) else "INF" if number > 0 else "-INF"


def _boolean(value: Any) -> str:
    if value is True:
        return "true"
    if value is False:
        return "false"
    raise ContractViolation("must be true or false")


def _word(text: str) -> str:
    if not text or _BLANK(text):
        raise ContractViolation("holds an item that is empty or has white space, which a list cannot keep apart")
    return text


def sequence_of(value: Any) -> list[Any] | tuple[Any, ...]:
    """The value, which is a list. Raises ContractViolation."""
    if not isinstance(value, list | tuple):
        raise ContractViolation("must be a list")
    return value


def _collapsed(text: str) -> str:
    # Codes are the commonest tokens, and this is five times as fast as the search.
    if text.isalnum():
        return text
    return " ".join(words(text)) if _UNTIDY(text) else text


def _stripped(text: str) -> str:
    return text.strip(_BLANK_CHARACTERS)


def _replaced(text: str) -> str:
    return text.translate(_BLANKS)


def words(text: str) -> list[str]:
    """The items of a list, as they stand."""
    # Not str.split(): to XML only these four are white space, to Python a no-break space is as well.
    return [word for word in text.translate(_BLANKS).split(" ") if word]


def _read_float(text: str) -> float | str:
    # JSON has no word for what is not finite, and null would say that nothing is there.
    number = float(text)
    return number if math.isfinite(number) else text.strip(_BLANK_CHARACTERS)


def _read_boolean(text: str) -> bool:
    return _collapsed(text) in {"true", "1"}


_VERBATIM = frozenset({Kind.TEXT, Kind.MOMENT, Kind.BINARY, Kind.NAME})
_WRITERS: dict[Kind, Write] = {
    Kind.TEXT: _text,
    Kind.MOMENT: _text,
    Kind.BINARY: _text,
    Kind.NAME: _text,
    Kind.INTEGER: _integer,
    Kind.DECIMAL: _decimal,
    Kind.FLOAT: _float,
    Kind.BOOLEAN: _boolean,
}
_TIDIERS: dict[Whitespace, Read | None] = {
    Whitespace.PRESERVE: None,
    Whitespace.REPLACE: _replaced,
    Whitespace.COLLAPSE: _collapsed,
}
_READERS: dict[Kind, Read] = {
    Kind.MOMENT: _stripped,
    Kind.BINARY: _stripped,
    Kind.NAME: _stripped,
    Kind.INTEGER: int,
    Kind.DECIMAL: Decimal,
    Kind.FLOAT: _read_float,
    Kind.BOOLEAN: _read_boolean,
}
