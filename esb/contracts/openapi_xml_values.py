"""Values in XML without a schema, or with no more than a type: text, null, attributes, and whatever nobody described.

Called by `openapi_xml`, and by adapters for documents of error. What is not described is kept: `{namespace}name`
for an element, `@name` for an attribute, `#text` for text beside them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from lxml import etree

from esb.contracts.openapi_parameters import written
from esb.errors import ContractViolation
from security.xml import Element

TEXT: Final = "#text"
XSI: Final = "{http://www.w3.org/2001/XMLSchema-instance}"
NIL: Final = f"{XSI}nil"
NAME: Final = re.compile(r"(\{[^{}]+\})?[^\W\d][\w.-]*")

Write = Callable[[Element, Any, str], None]
"""Fills an element with a value; the text is the value's pointer, for messages."""

Read = Callable[[Element], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """How the values of one schema stand in an element of their own."""

    write: Write
    read: Read


def scalar(kinds: frozenset[str]) -> Codec:
    """Text of one of the types."""

    def read(element: Element) -> Any:
        refuse_beside_text(element)
        return typed(element.text or "", kinds)

    return Codec(write=say, read=read)


def typed(text: str, kinds: frozenset[str]) -> Any:
    """The text as the type says; left as it is where it does not fit, which validation then tells."""
    plain = text.strip()
    if "boolean" in kinds and plain in {"true", "false", "1", "0"}:
        return plain in {"true", "1"}
    if "integer" in kinds and re.fullmatch(r"[+-]?\d{1,4000}", plain, re.ASCII):
        return int(plain)
    if "number" in kinds and re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", plain, re.ASCII):
        return _number(plain)
    return text


def _number(text: str) -> int | Decimal:
    """As a JSON reader gives it: whole numbers are integers."""
    return int(text) if re.fullmatch(r"[+-]?\d{1,4000}", text, re.ASCII) else Decimal(text)


def nillable(codec: Codec) -> Codec:
    """The same, and `xsi:nil` for null."""

    def write(element: Element, value: Any, at: str) -> None:
        if value is None:
            element.set(NIL, "true")
        else:
            codec.write(element, value, at)

    return Codec(write=write, read=lambda element: None if is_nil(element) else codec.read(element))


def read_anything(element: Element) -> Any:
    """An element that nothing describes: its text, or an object of its attributes and children."""
    if is_nil(element):
        return None
    children = children_of(element)
    values: dict[str, Any] = {"@" + tag: text for tag, text in attributes_of(element)}
    if not children and not values:
        return element.text or ""
    for child in children:
        add(values, str(child.tag), read_anything(child))
    text = text_of(element) if children else element.text
    return {**values, TEXT: text} if text else values


def children_of(element: Element) -> list[Element]:
    """The child elements."""
    return [child for child in element if isinstance(child.tag, str)]


def attributes_of(element: Element) -> list[tuple[str, str]]:
    """The attributes that are data."""
    pairs = [(str(tag), str(text)) for tag, text in element.attrib.items()]
    return [(tag, text) for tag, text in pairs if not tag.startswith(XSI)]


def text_of(element: Element) -> str:
    """Text before the first child. Raises ContractViolation for text between children, which has no plain form."""
    if any((child.tail or "").strip() for child in element):
        raise ContractViolation("has text between its child elements", path=f"/{local(element.tag)}")
    return (element.text or "").strip()


def refuse_beside_text(element: Element) -> None:
    """Raises ContractViolation for what would be lost where only text is read."""
    if children_of(element):
        raise ContractViolation("has child elements where only text may stand", path=f"/{local(element.tag)}")
    if attributes_of(element):
        raise ContractViolation("has attributes that the contract does not describe", path=f"/{local(element.tag)}")


def refuse_beside_children(element: Element) -> None:
    """Raises ContractViolation for what would be lost where only children are read."""
    if text_of(element) or attributes_of(element):
        raise ContractViolation(
            "has more than its list, which the contract does not describe", path=f"/{local(element.tag)}"
        )


def _write_anything(element: Element, value: Any, at: str) -> None:
    if isinstance(value, Mapping):
        for key, part in value.items():
            write_other(element, key, part, f"{at}/{key}", ANYTHING)
    elif isinstance(value, list):
        raise ContractViolation("is a list in a list, which XML cannot say", path=at)
    elif value is None:
        element.set(NIL, "true")
    else:
        say(element, value, at)


ANYTHING: Final = Codec(write=_write_anything, read=read_anything)


def say(element: Element, value: Any, at: str) -> None:
    """Write a scalar as the element's text. Raises ContractViolation for characters that XML has not."""
    try:
        element.text = written(value)
    except ContractViolation as error:
        raise ContractViolation(error.reason, path=at) from error
    except ValueError as error:
        raise ContractViolation("holds a character that XML cannot carry", path=at) from error


def put(element: Element, tag: str, value: Any, at: str) -> None:
    """Write an attribute. Raises ContractViolation as `say`."""
    try:
        element.set(tag, written(value))
    except ContractViolation as error:
        raise ContractViolation(error.reason, path=at) from error
    except ValueError as error:
        raise ContractViolation("holds a character that XML cannot carry", path=at) from error


def listed(value: Any, at: str) -> list[Any]:
    """The value, which must be a list. Raises ContractViolation."""
    if not isinstance(value, list):
        raise ContractViolation("must be of type array", path=at)
    return value


def is_nil(element: Element) -> bool:
    """Whether it says `xsi:nil`."""
    return (element.get(NIL) or "").strip() in {"true", "1"}


def local(tag: Any) -> str:
    """A tag without its namespace."""
    return str(tag).rpartition("}")[2]


def write_other(element: Element, key: str, value: Any, at: str, codec: Codec) -> None:
    """Write a value under a key that is not described: `#text`, `@name`, or an element, several for a list."""
    if key == TEXT:
        say(element, value, at)
        return
    name = key.removeprefix("@")
    if not NAME.fullmatch(name):
        raise ContractViolation("is not a name that XML can carry", path=at)
    if key.startswith("@"):
        put(element, name, value, at)
        return
    for each in value if isinstance(value, list) else [value]:
        codec.write(etree.SubElement(element, name), each, at)


def add(values: dict[str, Any], key: str, value: Any) -> None:
    """One more value of a key; several are a list."""
    if key not in values:
        values[key] = value
    elif isinstance(values[key], list):
        values[key].append(value)
    else:
        values[key] = [values[key], value]
