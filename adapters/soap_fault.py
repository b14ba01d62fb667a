"""A SOAP fault of either version as the agency's own codes and words. Called by `adapters/soap.py` on proven bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from security import xml
from security.errors import XmlRefused
from security.wsse import SoapVersion

MAX_CODE: Final = 100
MAX_MESSAGE: Final = 500
"""The agency's words go into the caller's reply: a sentence or two, whatever a broken system puts there."""

MAX_CAUSES: Final = 8

_START: Final = re.compile(rb"<(?:[^\s<>/:=]+:)?Fault[\s/>]")
_CODE_NAMES: Final = frozenset({"code", "errorcode", "faultcode"})
_WORD_NAMES: Final = frozenset({"reason", "message", "text", "description", "errormessage", "errortext"})
_CAUSE_NAMES: Final = frozenset(
    {"cause", "suberror", "innererror", "innerexception", "causedby", "innerfault", "nestederror"}
)


class SoapFault(msgspec.Struct, frozen=True, kw_only=True):
    """What an agency said. `codes`: most particular first (detail's code, detail's name, subcodes, fault code).

    `causes`: codes of the errors that its detail holds one inside of the other, outermost first.
    """

    codes: tuple[str, ...]
    message: str | None
    causes: tuple[str, ...] = ()

    @property
    def code(self) -> str | None:
        """The most particular code."""
        return self.codes[0] if self.codes else None


def looks_like_fault(content: bytes) -> bool:
    """Cheap first look at a canonical Body child; `read_fault` decides."""
    return _START.match(content) is not None


def read_fault(content: bytes, version: SoapVersion) -> SoapFault | None:
    """The fault, or None when the element is an agency's own of that name."""
    try:
        root = xml.parse(content)
    except XmlRefused:
        return None
    if root.tag != f"{{{version.namespace}}}Fault":
        return None
    detail = next(iter(_elements(_child(root, "detail", "Detail"))), None)
    said = [_text_of(detail, _CODE_NAMES), None if detail is None else _local(detail), *_fault_codes(root)]
    codes = tuple(code[:MAX_CODE] for code in said if code)
    message = _text_of(detail, _WORD_NAMES) or _fault_words(root)
    return SoapFault(codes=codes, message=message[:MAX_MESSAGE] if message else None, causes=tuple(_causes(detail)))


def _causes(error: xml.Element | None) -> Iterator[str]:
    """The codes beneath an error: of its cause, the cause of that, and so on."""
    for _ in range(MAX_CAUSES):
        error = next((child for child in _elements(error) if _local(child).lower() in _CAUSE_NAMES), None)
        # A cause may be wrapped once more: <cause><Error><code>…
        inner = next(iter(_elements(error)), None)
        code = _text_of(error, _CODE_NAMES)
        if code is None and inner is not None and len(inner):
            error, code = inner, _text_of(inner, _CODE_NAMES)
        if error is None:
            return
        if code is not None:
            yield code[:MAX_CODE]


def _fault_codes(root: xml.Element) -> list[str | None]:
    """SOAP 1.1 `faultcode`; SOAP 1.2 `Code/Value` with its chain of `Subcode/Value`, innermost first."""
    codes = [_bare(_text(_child(root, "faultcode")))]
    code = _child(root, "Code")
    while code is not None:
        codes.insert(0, _bare(_text(_child(code, "Value"))))
        code = _child(code, "Subcode")
    return codes


def _fault_words(root: xml.Element) -> str | None:
    reason = _child(root, "Reason")
    return _text(_child(root, "faultstring")) or _text(_child(reason, "Text"))


def _text_of(parent: xml.Element | None, names: frozenset[str]) -> str | None:
    return next((_text(child) for child in _elements(parent) if _local(child).lower() in names), None)


def _child(parent: xml.Element | None, *names: str) -> xml.Element | None:
    return next((child for child in _elements(parent) if _local(child) in names), None)


def _elements(parent: xml.Element | None) -> Iterator[xml.Element]:
    if parent is not None:
        yield from (child for child in parent if isinstance(child.tag, str))


def _local(element: xml.Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _text(element: xml.Element | None) -> str | None:
    text = "".join(map(str, element.itertext())).strip() if element is not None else ""
    return text or None


def _bare(code: str | None) -> str | None:
    """A qualified name without its prefix: the agency may choose another one tomorrow."""
    return code.rpartition(":")[2] if code else None
