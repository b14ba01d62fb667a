"""What a WSDL says about one port, as frozen values: read by the SOAP adapter, the simulator and the tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from adapters.wsdl.encoded_form import EncodedForm
from esb.contracts.contract import Contract


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """One `soap:header`. `part` is its key; `required` is `wsdl:required`, which few WSDLs write."""

    part: str
    element: str
    required: bool
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A part that travels beside the envelope (`mime:content`); no media type means any."""

    part: str
    media_types: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressing:
    """WS-Addressing of one operation. The actions are those to use when `demand` or the manifest asks for it."""

    demand: Literal["none", "optional", "required"]
    action: str
    reply_action: str | None
    fault_actions: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WsdlOperation:
    """One operation of one port. Elements are `{namespace}local`; `faults` by the fault's name in the WSDL.

    `input` and `output` are always one element of the contract: for rpc the wrapper, and for a body without one element
    (none, several, or parts with types) an element whose children are the body, told by `input_spread` and
    `output_spread`. For a one-way operation, after which nothing comes back, `output` is such an element without
    children.
    """

    name: str
    soap_version: Literal["1.1", "1.2"]
    soap_action: str
    style: Literal["document", "rpc"]
    input: str
    output: str
    faults: Mapping[str, str]
    address: str
    use: Literal["literal", "encoded"] = "literal"
    one_way: bool = False
    input_spread: bool = False
    output_spread: bool = False
    input_headers: tuple[Header, ...] = ()
    output_headers: tuple[Header, ...] = ()
    input_attachments: tuple[Attachment, ...] = ()
    output_attachments: tuple[Attachment, ...] = ()
    mtom: Literal["none", "optional", "required"] = "none"
    addressing: Addressing | None = field(default=None, compare=False)
    encoded_form: EncodedForm | None = field(default=None, compare=False, repr=False)

    @property
    def encoded(self) -> bool:
        """Whether its messages are SOAP-encoded on the wire; the contract's elements are their literal form."""
        return self.use == "encoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wsdl:
    """A compiled WSDL: what can be called, the contract of what is said, and what a person should know."""

    operations: Mapping[str, WsdlOperation]
    contract: Contract
    hints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyedPort:
    """One port that could be chosen. `unreadable` says why it cannot be."""

    service: str
    port: str
    soap_version: Literal["1.1", "1.2"] | None
    address: str
    operations: tuple[str, ...]
    documentation: Mapping[str, str]
    unreadable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a WSDL offers, before anything of it is chosen."""

    target_namespace: str
    ports: tuple[SurveyedPort, ...]
    hints: tuple[str, ...]
