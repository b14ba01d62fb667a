"""SOAP headers that the contract declares or the manifest fills: values become blocks, blocks become values.

The key `$header` of an operation's values holds the headers that the route fills, by part; a header that the manifest
fills is not among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Final

from adapters.manifest_soap import HeaderTerms
from adapters.secrets import AgencySecrets, Secret
from adapters.soap_headers import Occasion
from adapters.wsdl import Header
from esb.contracts.contract import Contract, Decoder, Encoder
from esb.errors import ContractUnsupported, ContractViolation, RequestUnencodable
from esb.model import JsonObject
from esb.ports import Origin
from security import xml
from security.errors import XmlRefused
from security.xml import Element

KEY: Final = "$header"


class RequestHeaders:
    """The headers of one operation that a route fills."""

    def __init__(self, headers: Iterable[Header], contract: Contract) -> None:
        """`headers`: those that the manifest does not fill."""
        self._headers = tuple(headers)
        self._encoders = {header.part: contract.encoder(header.element) for header in self._headers}

    def __bool__(self) -> bool:
        return bool(self._headers)

    def encode(self, values: JsonObject) -> list[bytes]:
        """One block for each header that has a value.

        Raises:
            ContractViolation: a value does not fit, a required header has none, or there is no such header.
        """
        unknown = next((part for part in values if part not in self._encoders), None)
        if unknown is not None:
            raise ContractViolation("the operation has no such header", path=f"{KEY}/{unknown}")
        missing = next((each.part for each in self._headers if each.required and each.part not in values), None)
        if missing is not None:
            raise ContractViolation("the header is required", path=f"{KEY}/{missing}")
        return [_encoded(self._encoders[part], part, value) for part, value in values.items()]


class ReplyHeaders:
    """The headers of one operation's replies."""

    def __init__(self, headers: Iterable[Header], contract: Contract) -> None:
        self._parts = {header.element: header.part for header in headers}
        self._required = frozenset(header.part for header in headers if header.required)
        self._decoders: dict[str, Decoder] = {element: contract.decoder(element) for element in self._parts}

    @property
    def elements(self) -> frozenset[str]:
        """Tags of the blocks that are read."""
        return frozenset(self._parts)

    def decode(self, blocks: Iterable[bytes]) -> dict[str, Any]:
        """The values by part. Raises ContractViolation."""
        values: dict[str, Any] = {}
        for block in blocks:
            element = _without_soap_attributes(block)
            part = self._parts.get(str(element.tag))
            if part is not None:
                values[part] = self._decoders[str(element.tag)].decode(xml.canonical(element))
        missing = sorted(self._required - values.keys())
        if missing:
            raise ContractViolation("the header is required", path=f"{KEY}/{missing[0]}")
        return values


def _encoded(encoder: Encoder, part: str, value: Any) -> bytes:
    try:
        return encoder.encode(value)
    except ContractViolation as error:
        path = "/".join(filter(None, (KEY, part, error.path)))
        raise ContractViolation(error.reason, path=path, rule=error.rule, limit=error.limit) from error


def _without_soap_attributes(block: bytes) -> Element:
    # mustUnderstand, actor and wsu:Id are added by whoever sends; no schema of a header declares them.
    try:
        element = xml.parse(block, max_bytes=len(block))
    except XmlRefused as error:
        raise ContractViolation(error.reason) from error
    for name in list(element.attrib):
        if str(name).startswith(_ADDED):
            del element.attrib[name]
    return element


_ADDED = (
    "{http://schemas.xmlsoap.org/soap/envelope/}",
    "{http://www.w3.org/2003/05/soap-envelope}",
    "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd}",
)

# --- filled by the manifest ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedHeader:
    """Implements `adapters.soap_headers.HeaderDialect`: one header out of constants, secrets and the request's origin.

    `encoder` None: no contract declares it, and it is written as elements of its own namespace.
    """

    name: str
    terms: HeaderTerms
    secrets: Mapping[str, Secret]
    encoder: Encoder | None
    types: Mapping[str, str]
    signed: bool
    agency: str
    namespaces: frozenset[str] = field(default=frozenset())

    def write(self, occasion: Occasion) -> Sequence[bytes]:
        """The block. Raises KeyUnavailable for a secret that is missing, RequestUnencodable."""
        texts = {**self.terms.values, **{path: secret.reveal() for path, secret in self.secrets.items()}}
        for path, source in self.terms.origin.items():
            found = occasion.message_id if source == "message_id" else _said(occasion.origin, source)
            if found is not None:
                texts[path] = found
        try:
            if self.encoder is None:
                return (_free(self.name, _tree(texts)),)
            return (self.encoder.encode(_tree({path: self._typed(path, text) for path, text in texts.items()})),)
        except (ContractViolation, XmlRefused) as error:
            # The reason of a violation never quotes a value, so that no secret gets out by it.
            path = "/".join(filter(None, ("soap_headers", self.name, getattr(error, "path", None))))
            raise RequestUnencodable(error.reason, agency=self.agency, path=path) from error

    def check(self, sent: Sequence[Element], got: Sequence[Element], envelope: bytes) -> None:
        """Nothing comes back."""

    def _typed(self, path: str, text: str) -> Any:
        kind = self.types.get(path)
        if kind == "integer" and text.removeprefix("-").isdigit():
            return int(text)
        if kind == "boolean" and text in {"true", "false"}:
            return text == "true"
        return text


def fixed_headers(
    terms: Mapping[str, HeaderTerms],
    declared: Sequence[Header],
    contract: Contract,
    *,
    secrets: AgencySecrets,
    signed: bool,
    agency: str,
) -> tuple[list[FixedHeader], list[Header]]:
    """What the manifest fills for one operation, and the declared headers that are left to routes.

    Raises:
        ContractUnsupported: a header that nobody declares has no namespace, or its constants do not fit.
    """
    left = list(declared)
    made: list[FixedHeader] = []
    for name, header_terms in terms.items():
        header = next((each for each in declared if name in {each.part, each.element, _local(each.element)}), None)
        if header is None and not name.startswith("{"):
            raise ContractUnsupported(
                f"soap_headers.{name}: the WSDL declares no such header; write it as {{namespace}}{name} if it is one"
            )
        if header is not None:
            left.remove(header)
        made.append(
            FixedHeader(
                name=name,
                terms=header_terms,
                secrets={path: secrets.secret(secret) for path, secret in header_terms.secrets.items()},
                encoder=None if header is None else contract.encoder(header.element),
                types={} if header is None else _types(contract.json_schema(header.element, request=True)),
                signed=signed,
                agency=agency,
            )
        )
    return made, left


def _said(origin: Origin, source: str) -> str | None:
    found: str | None = getattr(origin, source)
    return found


def _local(element: str) -> str:
    return element.rpartition("}")[2]


def _types(schema: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """Simple types by dotted path, as far as no reference has to be followed."""
    found: dict[str, str] = {}
    for name, inner in schema.get("properties", {}).items():
        path = f"{above}.{name}" if above else name
        if isinstance(inner.get("type"), str):
            found[path] = inner["type"]
        found |= _types(inner, path)
    return found


def _tree(texts: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted path as one nested value."""
    root: dict[str, Any] = {}
    for path, value in texts.items():
        *above, last = path.split(".")
        place = root
        for name in above:
            place = place.setdefault(name, {})
        place[last] = value
    return root


def _free(name: str, values: Mapping[str, Any]) -> bytes:
    namespace, _, local = name.removeprefix("{").partition("}")
    text = _element(local, values, f' xmlns="{escape(namespace)}"')
    return xml.canonical(xml.parse(text.encode()))


def _element(name: str, value: Any, declared: str = "") -> str:
    if not isinstance(value, Mapping):
        return f"<{name}{declared}>{escape(str(value), quote=False)}</{name}>"
    attributes = "".join(f' {key[1:]}="{escape(str(each))}"' for key, each in value.items() if key.startswith("@"))
    inner = "".join(_element(key, each) for key, each in value.items() if not key.startswith("@"))
    return f"<{name}{declared}{attributes}>{inner}</{name}>"
