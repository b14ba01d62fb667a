"""A SOAP or XML contract, compiled: validator, encoders, decoders, JSON Schemas and samples of its elements.

Made at load by the adapters from files that are already in memory; afterwards it is immutable and every method may
be called from any thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lxml import etree

from esb.contracts import json_shape, sample
from esb.contracts.bundle import SchemaSet, join
from esb.contracts.decoder import ReadElement, compile_decoder
from esb.contracts.encoder import compile_encoder
from esb.contracts.explain import Explainer
from esb.contracts.shapes import ElementShape
from esb.contracts.violations import violation_of
from esb.errors import ContractViolation
from security.errors import XmlRefused
from security.xml import Element, parse

_XSI = b"http://www.w3.org/2001/XMLSchema-instance"
_CHOOSES_TYPE = etree.XPath("boolean(//@xsi:type)", namespaces={"xsi": _XSI.decode()})


class Contract:
    """The elements that one agency's XSD files declare."""

    def __init__(self, *, validator: etree.XMLSchema, elements: Mapping[str, ElementShape]) -> None:
        self._validator = validator
        self._elements = dict(elements)

    @classmethod
    def from_xsd(cls, bundle: Mapping[str, bytes], entries: Iterable[str]) -> Contract:
        """Compile the entry files and what they import out of the same bundle (file name → content).

        Raises:
            ContractUnsupported: the schema is broken or refers to something outside of the bundle.
        """
        return cls.of(join(bundle, entries))

    @classmethod
    def of(cls, schemas: SchemaSet) -> Contract:
        """Compile a set of schemas that is joined already. Raises ContractUnsupported."""
        return cls(validator=schemas.validator(), elements=_explained(schemas))

    @property
    def elements(self) -> tuple[str, ...]:
        """Every global element as `{namespace}local`, sorted."""
        return tuple(sorted(self._elements))

    def shape(self, qname: str) -> ElementShape:
        """What the contract says about one global element. Raises KeyError."""
        return self._elements[qname]

    def validate(self, content: bytes) -> None:
        """Return when the document fits the contract. Raises ContractViolation."""
        _valid(content, self._validator)

    def encoder(self, qname: str) -> Encoder:
        """Compile the writer of one global element. Raises ContractUnsupported, KeyError."""
        return Encoder(self._elements[qname], self._validator)

    def decoder(self, qname: str) -> Decoder:
        """Compile the reader of one global element. Raises ContractUnsupported, KeyError."""
        return Decoder(self._elements[qname], self._validator)

    def json_schema(self, qname: str, *, request: bool = False) -> dict[str, Any]:
        """JSON Schema (2020-12) of the element's plain data.

        What is decoded always has a key for a repeated element; what is encoded (`request`) need not.

        Raises:
            ContractUnsupported, KeyError: as `encoder`.
        """
        return json_shape.schema_of(self._elements[qname], request=request)

    def sample(self, qname: str) -> Any:
        """Plain data that `encode` takes, every optional part once, as JSON would carry it (decimals are text).

        Raises:
            ContractUnsupported, KeyError: as `encoder`.
        """
        return sample.sample_of(self._elements[qname])


class Encoder:
    """Writes one element: plain data to exclusive-canonical UTF-8 XML."""

    def __init__(self, element: ElementShape, validator: etree.XMLSchema) -> None:
        self._encode = compile_encoder(element)
        self._validator = validator

    def encode(self, values: Any, *, validate: bool = True) -> bytes:
        """The document, self-contained, validated by libxml2 unless told otherwise.

        Raises:
            ContractViolation: `path` is relative to the element, `Person/Pin`, `Credits/Credit[2]/Role`.
        """
        content = self._encode(values).encode()
        if validate:
            _valid(content, self._validator)
        return content


class Decoder:
    """Reads one element: UTF-8 XML to plain data."""

    def __init__(self, element: ElementShape, validator: etree.XMLSchema) -> None:
        self._tag = element.tag
        self._read: ReadElement = compile_decoder(element)
        self._validator = validator

    def decode(self, content: bytes) -> Any:
        """The validated document as plain data.

        Raises:
            ContractViolation: not safe XML, another element, or not valid; `path` as for `Encoder.encode`.
        """
        root = _valid(content, self._validator)
        if root.tag != self._tag:
            raise ContractViolation(f"is another element than {self._tag.rpartition('}')[2]}")
        try:
            return self._read(root)
        except ValueError as error:
            # Python limits the digits of an int that it reads; XSD does not.
            raise ContractViolation("holds a number with too many digits") from error


def _explained(schemas: SchemaSet) -> dict[str, ElementShape]:
    return Explainer(schemas.components()).elements(schemas.namespaces)


def _valid(content: bytes, validator: etree.XMLSchema) -> Element:
    try:
        root = parse(content)
    except XmlRefused as error:
        raise ContractViolation(error.reason) from error
    if not validator.validate(root):
        log: Any = validator.error_log  # the stubs forget that it is a sequence
        raise violation_of(root, log[0]) if log else ContractViolation("cannot be validated")
    # A document may choose a derived type by xsi:type; what such a type adds would be lost or misread.
    if (_XSI in content or b"&#" in content) and _CHOOSES_TYPE(root):
        raise ContractViolation("chooses a type of its own (xsi:type)")
    return root
