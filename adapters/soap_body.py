"""What stands between a SOAP Body and the one element that the contract knows, for each style that a WSDL may have.

Made at load by `adapters/soap.py` and by the simulator. Pure: canonical bytes in, canonical bytes out.
"""

from __future__ import annotations

from typing import Final, Protocol

from lxml import etree

from adapters.wsdl import EncodedForm, WsdlOperation
from esb.contracts.output import inclusive_prefixes
from esb.errors import ContractViolation
from security import xml
from security.errors import XmlRefused
from security.xml import Element


class BodyForm(Protocol):
    """How the messages of one operation stand in the Body."""

    @property
    def whole(self) -> bool:
        """Whether `read` needs the Body, as it may hold none or several elements."""
        ...

    def write(self, document: bytes) -> bytes:
        """What goes into the Body for the contract's request: canonical elements, one after the other."""
        ...

    def prefixes(self, inside: bytes) -> tuple[str, ...]:
        """Prefixes that only values of what `write` gave use, beyond those of the document."""
        ...

    def read(self, body: Element) -> bytes:
        """The contract's reply out of a Body. Raises ContractViolation."""
        ...


class OneElement:
    """Document style: the Body's child is the element."""

    whole: Final = False

    def write(self, document: bytes) -> bytes:
        """The element."""
        return document

    def prefixes(self, inside: bytes) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's signature
        """None."""
        return ()

    def read(self, body: Element) -> bytes:
        """The element."""
        if len(body) != 1:
            raise ContractViolation("body must hold exactly one element")
        return self_contained(body[0])


ONE_ELEMENT: Final = OneElement()


class SpreadElement:
    """A Body with no, with several or with typed parts: they are the children of the contract's element."""

    whole: Final = True

    def __init__(self, *, spread_input: bool, output: str | None) -> None:
        """`output`: the element around the parts of a reply; None where a reply is one element."""
        self._spread_input = spread_input
        self._output = output

    def write(self, document: bytes) -> bytes:
        """The children, or the element where only replies are spread."""
        if not self._spread_input:
            return document
        root = xml.parse(document)
        return b"".join(map(faithful, root))

    def prefixes(self, inside: bytes) -> tuple[str, ...]:
        """Of every child, as each declares them anew."""
        return value_prefixes(inside)

    def read(self, body: Element) -> bytes:
        """The children of the Body inside of the contract's element."""
        if self._output is None:
            return ONE_ELEMENT.read(body)
        holder = etree.Element(self._output)
        holder.extend(list(body))
        return self_contained(holder)


class RpcElement:
    """An rpc wrapper, whose parts some servers put into its namespace."""

    whole: Final = True

    def __init__(self, output: str) -> None:
        """`output`: the wrapper of a reply."""
        self._output = output
        self._qualified = output.rpartition("}")[0] + "}"

    def write(self, document: bytes) -> bytes:
        """The wrapper."""
        return document

    def prefixes(self, inside: bytes) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's signature
        """None."""
        return ()

    def read(self, body: Element) -> bytes:
        """The wrapper with its parts in no namespace.

        WS-I Basic Profile 1.1, R2735, has them there; node-soap and others do not. The names of parts are unique,
        so that nothing can be mistaken for something else.
        """
        if len(body) != 1 or body[0].tag != self._output or body[0].find(f"{self._qualified}*") is None:
            return ONE_ELEMENT.read(body)
        wrapper = etree.Element(self._output, nsmap=_prefixes(body[0]))
        for part in list(body[0]):
            wrapper.append(self._bare(part))
        return self_contained(wrapper)

    def _bare(self, part: Element) -> Element:
        """The part in no namespace. Renamed where it stands it would stay in a default namespace."""
        bare = etree.Element(str(part.tag).removeprefix(self._qualified), nsmap=_prefixes(part))
        bare.attrib.update(part.attrib)
        bare.text = part.text
        bare.extend(list(part))
        return bare


class Encoded:
    """SOAP encoding: references, arrays and types are written in and read out."""

    whole: Final = True

    def __init__(self, form: EncodedForm) -> None:
        """`form`: of this operation."""
        self._form = form

    def write(self, document: bytes) -> bytes:
        """The element with its types."""
        return faithful(xml.parse(self._form.typed(document)))

    def prefixes(self, inside: bytes) -> tuple[str, ...]:
        """Those that only types use."""
        return value_prefixes(inside)

    def read(self, body: Element) -> bytes:
        """The literal form of the reply."""
        return self._form.literal(body)


def faithful(element: Element) -> bytes:
    """The element by itself in exclusive canonical form, with what only its values use kept bound."""
    return xml.canonical(element, inclusive_prefixes=inclusive_prefixes(element))


def self_contained(element: Element) -> bytes:
    """The element by itself, every prefix that is in scope bound in it: values may use what no name does."""
    return xml.canonical_inclusive(element)


def value_prefixes(inside: bytes) -> tuple[str, ...]:
    """Prefixes that only values of these elements use, which a signature has to list to keep them bound."""
    return inclusive_prefixes(xml.parse(b"<x>" + inside + b"</x>"))


def _prefixes(element: Element) -> dict[str, str]:
    return {prefix: namespace for prefix, namespace in element.nsmap.items() if prefix}


def body_form(operation: WsdlOperation) -> BodyForm:
    """The form of one operation's messages."""
    if operation.encoded_form is not None:
        return Encoded(operation.encoded_form)
    if operation.input_spread or operation.output_spread or operation.one_way:
        is_spread = operation.output_spread or operation.one_way
        return SpreadElement(spread_input=operation.input_spread, output=operation.output if is_spread else None)
    if operation.style == "rpc" and operation.output.startswith("{"):
        return RpcElement(operation.output)
    return ONE_ELEMENT


def agency_form(operation: WsdlOperation) -> BodyForm:
    """The same for the other side: it reads requests and writes replies."""
    if operation.encoded_form is not None:
        return Encoded(operation.encoded_form.turned())
    if operation.input_spread or operation.output_spread or operation.one_way:
        output = operation.input if operation.input_spread else None
        return SpreadElement(spread_input=operation.output_spread or operation.one_way, output=output)
    return ONE_ELEMENT


def body_of(content: bytes, namespace: str) -> Element | None:
    """The Body, where `content` is one; None for the only child of one, which stands for it."""
    try:
        root = xml.parse(content, max_bytes=len(content))
    except XmlRefused as error:
        raise ContractViolation(error.reason) from error
    return root if root.tag == f"{{{namespace}}}Body" else None
