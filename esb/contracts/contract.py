"""A SOAP or XML contract, compiled: validator, encoders, decoders, JSON Schemas and samples of its elements.

Made at load by the adapters from files that are already in memory; afterwards it is immutable and every method may
be called from any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from lxml import etree

from esb.contracts import json_shape, sample
from esb.contracts.bundle import SchemaSet, join
from esb.contracts.decoder import ReadElement, compile_decoder
from esb.contracts.encoder import compile_encoder
from esb.contracts.explain import Explainer
from esb.contracts.lax import Finding, LaxReader
from esb.contracts.names import XSI_NAMESPACE
from esb.contracts.output import inclusive_prefixes
from esb.contracts.prefixes import may_name_in_values
from esb.contracts.shapes import Declarations, ElementShape
from esb.contracts.violations import violation_of
from esb.errors import ContractViolation
from security.errors import XmlRefused
from security.xml import Element, parse

_XSI = XSI_NAMESPACE.encode()
_CHOOSES_TYPE = etree.XPath("boolean(//@xsi:type)", namespaces={"xsi": XSI_NAMESPACE})


class Contract:
    """The elements that one agency's XSD files declare."""

    def __init__(self, *, validator: etree.XMLSchema, declarations: Declarations) -> None:
        self._validator = validator
        self._declarations = declarations
        self._elements = declarations.elements

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
        return cls(validator=schemas.validator(), declarations=_explained(schemas))

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
        return Encoder(self._elements[qname], self._declarations, self._validator)

    def decoder(self, qname: str, *, lax: bool = False) -> Decoder:
        """Compile the reader of one global element. `lax`: for replies of agencies whose manifest says so.

        Raises:
            ContractUnsupported, KeyError: as `encoder`.
        """
        return Decoder(self._elements[qname], self._declarations, self._validator, lax=lax)

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

    def __init__(self, element: ElementShape, declarations: Declarations, validator: etree.XMLSchema) -> None:
        self._encode = compile_encoder(element, declarations)
        self._may_name = may_name_in_values(element, declarations)
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

    def inclusive_prefixes(self, content: bytes) -> tuple[str, ...]:
        """Prefixes that only values of this document use (xsi:type, QName), for `InclusiveNamespaces` of a signature.

        Without them exclusive canonicalisation would take their declarations away (RFC 3741, 3). Nearly always empty;
        costs a parse only for contracts whose documents may need them.
        """
        return inclusive_prefixes(parse(content)) if self._may_name else ()


class Decoder:
    """Reads one element: UTF-8 XML to plain data."""

    def __init__(
        self, element: ElementShape, declarations: Declarations, validator: etree.XMLSchema, *, lax: bool = False
    ) -> None:
        self._lax = LaxReader(element, declarations) if lax else None
        self._element = element
        self._declarations = declarations
        self._read: ReadElement = compile_decoder(element, declarations, choosing=False)
        self._read_choosing: ReadElement | None = None
        self._validator = validator

    def decode(self, content: bytes) -> Any:
        """The validated document as plain data.

        Raises:
            ContractViolation: not safe XML, another element, or not valid; `path` as for `Encoder.encode`.
        """
        return self._of(_valid(content, self._validator), content)

    def decode_lax(self, content: bytes) -> tuple[Any, tuple[Finding, ...]]:
        """Plain data, and what in the document is not as the contract has it: see `lax`.

        A valid document is read as by `decode`; so is every document when the decoder was not compiled as lax.

        Raises:
            ContractViolation: as `decode`; of a lax decoder only what cannot be kept.
        """
        if self._lax is None:
            return self.decode(content), ()
        root = _parsed(content)
        violation = _violation(root, self._validator)
        if violation is None:
            return self._of(root, content), ()
        self._refuse_another(root)
        data, findings = _read(self._lax.read, root)
        return data, findings or (Finding(path=violation.path or "", reason=violation.reason),)

    def _of(self, root: Element, content: bytes) -> Any:
        self._refuse_another(root)
        # Most documents choose no type, and are read by what need not look for it.
        if (_XSI in content or b"&#" in content) and _CHOOSES_TYPE(root):
            return _read(self._choosing(), root)
        return _read(self._read, root)

    def _refuse_another(self, root: Element) -> None:
        if root.tag != self._element.tag:
            raise ContractViolation(f"is another element than {self._element.name}")

    def _choosing(self) -> ReadElement:
        if self._read_choosing is None:
            self._read_choosing = compile_decoder(self._element, self._declarations, choosing=True)
        return self._read_choosing


def _read(read: Callable[[Element], Any], root: Element) -> Any:
    try:
        return read(root)
    except ValueError as error:
        # Python limits the digits of an int that it reads; XSD does not.
        raise ContractViolation("holds a number with too many digits") from error


def _explained(schemas: SchemaSet) -> Declarations:
    return Explainer(schemas.components()).elements(schemas.namespaces)


def _valid(content: bytes, validator: etree.XMLSchema) -> Element:
    root = _parsed(content)
    violation = _violation(root, validator)
    if violation is not None:
        raise violation
    return root


def _parsed(content: bytes) -> Element:
    try:
        return parse(content)
    except XmlRefused as error:
        raise ContractViolation(error.reason) from error


def _violation(root: Element, validator: etree.XMLSchema) -> ContractViolation | None:
    if validator.validate(root):
        return None
    log: Any = validator.error_log  # the stubs forget that it is a sequence
    return violation_of(root, log[0]) if log else ContractViolation("cannot be validated")
