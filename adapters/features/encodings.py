"""In which encodings XML may come: contract files, and replies over SOAP and plain HTTP."""

from __future__ import annotations

from dataclasses import dataclass

from security.encodings import in_utf8
from security.errors import XmlRefused
from security.xml import parse


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodingFeature:
    """A document as it comes. `charset`: of the Content-Type of a reply; a file has none."""

    name: str
    encoding: str
    declared: str = ""
    charset: str = ""

    def outcome(self) -> tuple[bool, str]:
        """Whether it is read, and the refusal in words."""
        said = f' encoding="{self.declared}"' if self.declared else ""
        document = f'<?xml version="1.0"{said}?><a>x</a>'.encode(self.encoding)
        try:
            parse(in_utf8(document, f"text/xml; charset={self.charset}" if self.charset else ""))
        except XmlRefused as error:
            return False, error.reason
        return True, ""


_BYTES = ("ISO-8859-1", "ISO-8859-5", "ISO-8859-9", "windows-1251", "windows-1252", "windows-1254", "KOI8-R", "cp866")

FEATURES: tuple[EncodingFeature, ...] = (
    EncodingFeature(name="UTF-8", encoding="utf-8"),
    EncodingFeature(name="UTF-8 with a byte order mark", encoding="utf-8-sig"),
    EncodingFeature(name="UTF-16 with a byte order mark", encoding="utf-16", declared="utf-16"),
    *(EncodingFeature(name=f"{each}, by the XML declaration", encoding=each, declared=each) for each in _BYTES),
    EncodingFeature(name="any of these, by the reply's Content-Type", encoding="windows-1254", charset="windows-1254"),
    EncodingFeature(
        name="Content-Type and XML declaration that contradict",
        encoding="windows-1254",
        declared="windows-1254",
        charset="utf-8",
    ),
    EncodingFeature(name="UTF-16 without a mark, in single bytes", encoding="utf-8", declared="utf-16"),
    EncodingFeature(name="another encoding, as UTF-7 or EBCDIC", encoding="utf-8", declared="utf-7"),
)
"""In the order of the table."""
