"""The forms in which a document travels over HTTP, one per media type: plain data to bytes and back.

Made at load by the contracts of REST and XML agencies; used by their operations and by simulated agencies. Every form
is safe for concurrent use.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, Protocol
from urllib.parse import unquote_plus

import msgspec

from esb.contracts.contract import Decoder, Encoder
from esb.contracts.json_schema import JsonValidator
from esb.contracts.openapi_parameters import ABSENT, JsonParameter, raw_pairs
from esb.contracts.openapi_xml import XmlCodec
from esb.errors import ContractViolation

Schema = dict[str, Any]
Findings = tuple[str, ...]

JSON: Final = "application/json"
ANY_JSON: Final = re.compile(r"application/(?:[\w.+-]+\+)?json|\*/\*|application/\*", re.IGNORECASE)
ANY_XML: Final = re.compile(r"(?:application|text)/(?:[\w.+-]+\+)?xml", re.IGNORECASE)
URLENCODED: Final = "application/x-www-form-urlencoded"

_WRITER: Final = msgspec.json.Encoder(decimal_format="number", order="sorted")
_READER: Final = msgspec.json.Decoder(float_hook=Decimal)


class DocumentForm(Protocol):
    """How one document is written and read."""

    @property
    def media_type(self) -> str:
        """What `content-type` says of it."""
        ...

    @property
    def schema(self) -> Schema:
        """JSON Schema (2020-12) of the plain data, complete in itself."""
        ...

    def pack(self, value: Any) -> Any:
        """A valid value as plain JSON that `unpack` makes the bytes of. Raises ContractViolation."""
        ...

    def unpack(self, packed: Any) -> bytes:
        """The bytes that travel."""
        ...

    def read(self, content: bytes) -> Any:
        """The validated plain data of a document. Raises ContractViolation."""
        ...

    def read_lax(self, content: bytes) -> tuple[Any, Findings]:
        """The same, with what a lax reader forgives told instead of refused. Raises ContractViolation."""
        ...


def write(form: DocumentForm, value: Any) -> bytes:
    """The bytes of a value. Raises ContractViolation."""
    return form.unpack(form.pack(value))


def read_json(content: bytes) -> Any:
    """JSON with exact numbers. Raises ContractViolation."""
    try:
        return _READER.decode(content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ContractViolation("is not JSON") from error


class JsonDocument:
    """JSON; numbers with a fraction are exact."""

    def __init__(self, schema: Schema, *, media_type: str = JSON) -> None:
        """`media_type`: of the contract; a wild card means plain JSON. Raises ContractUnsupported."""
        self.media_type = JSON if "*" in media_type else media_type
        self.schema = schema
        self.validator = JsonValidator(schema, formats=True)

    def pack(self, value: Any) -> Any:
        """See `DocumentForm`."""
        return value

    def unpack(self, packed: Any) -> bytes:
        """See `DocumentForm`."""
        return _WRITER.encode(packed)

    def read(self, content: bytes) -> Any:
        """See `DocumentForm`."""
        value = read_json(content)
        self.validator.validate(value)
        return value

    def read_lax(self, content: bytes) -> tuple[Any, Findings]:
        """See `DocumentForm`."""
        value = read_json(content)
        return value, self.validator.findings(value)


class XmlDocument:
    """XML by the `xml` objects of an OpenAPI schema."""

    def __init__(self, schema: Schema, *, media_type: str, name: str | None) -> None:
        """`name`: of the root, see `XmlCodec`. Raises ContractUnsupported."""
        self.media_type = media_type
        self.schema = schema
        self._validator = JsonValidator(schema, formats=True)
        self._codec = XmlCodec(schema, name=name)

    def pack(self, value: Any) -> Any:
        """See `DocumentForm`."""
        return self._codec.write(value).decode()

    def unpack(self, packed: Any) -> bytes:
        """See `DocumentForm`."""
        return bytes(packed.encode())

    def read(self, content: bytes) -> Any:
        """See `DocumentForm`."""
        value = self._codec.read(content)
        self._validator.validate(value)
        return value

    def read_lax(self, content: bytes) -> tuple[Any, Findings]:
        """See `DocumentForm`."""
        value = self._codec.read(content)
        return value, self._validator.findings(value)


class XsdDocument:
    """XML by an element of an XSD, in the plain form of SOAP contracts. An encoder writes it, a decoder reads it."""

    def __init__(
        self, *, media_type: str, schema: Schema, encoder: Encoder | None = None, decoder: Decoder | None = None
    ) -> None:
        """`schema`: JSON Schema of the element's plain data."""
        self.media_type = media_type
        self.schema = schema
        self._encoder = encoder
        self._decoder = decoder

    def pack(self, value: Any) -> Any:
        """See `DocumentForm`."""
        if self._encoder is None:
            raise ContractViolation("is a document that is only read")
        return self._encoder.encode(value).decode()

    def unpack(self, packed: Any) -> bytes:
        """See `DocumentForm`."""
        return bytes(packed.encode())

    def read(self, content: bytes) -> Any:
        """See `DocumentForm`."""
        if self._decoder is None:
            raise ContractViolation("is a document that is only written")
        return self._decoder.decode(content)

    def read_lax(self, content: bytes) -> tuple[Any, Findings]:
        """See `DocumentForm`."""
        return self.read(content), ()


class UrlencodedDocument:
    """`application/x-www-form-urlencoded`: the properties of an object as a query writes them."""

    media_type = URLENCODED

    def __init__(self, schema: Schema, parameters: Mapping[str, JsonParameter]) -> None:
        """`parameters`: how each property is written, by its name."""
        self.schema = schema
        self._validator = JsonValidator(schema, formats=True)
        self._parameters = parameters

    def pack(self, value: Any) -> Any:
        """See `DocumentForm`."""
        if not isinstance(value, Mapping):
            raise ContractViolation("must be of type object")
        pairs: list[str] = []
        for name, part in value.items():
            parameter = self._parameters.get(name) or JsonParameter(
                name=name, location="query", required=False, schema={}, style="form"
            )
            parameter.check(part)
            pairs += parameter.query_pairs(part)
        return "&".join(pairs).replace("%20", "+")

    def unpack(self, packed: Any) -> bytes:
        """See `DocumentForm`."""
        return bytes(packed.encode("ascii"))

    def read(self, content: bytes) -> Any:
        """See `DocumentForm`."""
        value = self._values(content)
        self._validator.validate(value)
        return value

    def read_lax(self, content: bytes) -> tuple[Any, Findings]:
        """See `DocumentForm`."""
        value = self._values(content)
        return value, self._validator.findings(value)

    def _values(self, content: bytes) -> dict[str, Any]:
        pairs = raw_pairs(_text(content))
        read = {name: parameter.read_pairs(pairs) for name, parameter in self._parameters.items()}
        others = {
            name: unquote_plus(value) for name, value in pairs if name not in self._parameters and "[" not in name
        }
        return {**others, **{name: value for name, value in read.items() if value is not ABSENT}}


class TextDocument:
    """Plain text as one string."""

    def __init__(self, schema: Schema, *, media_type: str) -> None:
        """`schema`: of the string."""
        self.media_type = media_type
        self.schema = {"type": "string", **schema}
        self._validator = JsonValidator(self.schema, formats=True)

    def pack(self, value: Any) -> Any:
        """See `DocumentForm`."""
        if not isinstance(value, str):
            raise ContractViolation("must be of type string")
        return value

    def unpack(self, packed: Any) -> bytes:
        """See `DocumentForm`."""
        return bytes(packed.encode())

    def read(self, content: bytes) -> Any:
        """See `DocumentForm`."""
        value = _text(content)
        self._validator.validate(value)
        return value

    def read_lax(self, content: bytes) -> tuple[Any, Findings]:
        """See `DocumentForm`."""
        value = _text(content)
        return value, self._validator.findings(value)


class BinaryDocument:
    """Anything else, byte for byte: base64 in plain data."""

    def __init__(self, *, media_type: str) -> None:
        """`media_type`: as the contract names it."""
        self.media_type = media_type
        self.schema: Schema = {"type": "string", "contentEncoding": "base64", "contentMediaType": media_type}

    def pack(self, value: Any) -> Any:
        """See `DocumentForm`."""
        try:
            binascii.a2b_base64(value, strict_mode=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise ContractViolation("is not base64") from error
        return value

    def unpack(self, packed: Any) -> bytes:
        """See `DocumentForm`."""
        return base64.b64decode(packed)

    def read(self, content: bytes) -> Any:
        """See `DocumentForm`."""
        return base64.b64encode(content).decode()

    def read_lax(self, content: bytes) -> tuple[Any, Findings]:
        """See `DocumentForm`."""
        return self.read(content), ()


def _text(content: bytes) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ContractViolation("is not UTF-8 text") from error
