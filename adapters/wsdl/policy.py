"""What a WSDL demands besides its messages: WS-Policy, WS-Addressing, MTOM.

Called by `binding`. Policies are read for what the bus must do; a demand that only the manifest can meet (signatures,
tokens, HTTPS) becomes a sentence for a person. Nothing here changes what is sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from adapters.wsdl.definitions import WSDL, Definitions, Node
from security.xml import Element

Demand = Literal["none", "optional", "required"]

_ADDRESSING = frozenset(
    {
        "{http://www.w3.org/2007/05/addressing/metadata}Addressing",
        "{http://www.w3.org/2006/05/addressing/wsdl}UsingAddressing",
        "{http://www.w3.org/2006/02/addressing/wsdl}UsingAddressing",
        "{http://www.w3.org/2005/03/addressing/wsdl}UsingAddressing",
        "{http://schemas.xmlsoap.org/ws/2004/08/addressing/policy}UsingAddressing",
    }
)
_MTOM = frozenset(
    {
        "{http://schemas.xmlsoap.org/ws/2004/09/policy/optimizedmimeserialization}OptimizedMimeSerialization",
        "{http://www.w3.org/2007/08/soap12-mtom-policy}MTOM",
        "{http://www.w3.org/2007/08/soap11-mtom-policy}MTOM",
    }
)
_ACTIONS = tuple(
    f"{{{namespace}}}Action"
    for namespace in (
        "http://www.w3.org/2007/05/addressing/metadata",
        "http://www.w3.org/2006/05/addressing/wsdl",
        "http://www.w3.org/2006/02/addressing/wsdl",
        "http://www.w3.org/2005/03/addressing/wsdl",
        "http://www.w3.org/2005/08/addressing",
        "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    )
)
_MEETINGS: Mapping[str, str] = {
    "TransportBinding": "HTTPS; the endpoint of the manifest must be https",
    "HttpsToken": "HTTPS; the endpoint of the manifest must be https",
    "UsernameToken": "a WS-Security UsernameToken; the manifest must configure one",
    "AsymmetricBinding": "WS-Security signatures with certificates; the manifest must configure them",
    "SymmetricBinding": "WS-Security with a symmetric key",
    "IssuedToken": "a token of a security token service",
    "KerberosToken": "a Kerberos token",
    "SamlToken": "a SAML token",
    "SignedParts": "signed parts; the manifest must configure a signature",
    "EncryptedParts": "encrypted parts; the manifest must configure encryption",
    "RMAssertion": "WS-ReliableMessaging, which the bus does not speak",
    "ATAssertion": "WS-AtomicTransaction, which the bus does not speak",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What is attached to a port and its binding. `others`: assertions that only the manifest can meet."""

    addressing: Demand
    mtom: Demand
    others: tuple[str, ...]

    def sentences(self, place: str) -> Iterator[str]:
        """A hint for each of the others."""
        for name in self.others:
            yield f"{place}: the policy demands {_MEETINGS[name]}"


def demands_of(definitions: Definitions, nodes: Iterable[Node]) -> Demands:
    """The policies attached to these nodes (a binding, its port), inline or by reference."""
    addressing: Demand = "none"
    mtom: Demand = "none"
    others: dict[str, None] = {}
    for assertion, optional in _assertions(definitions, nodes):
        strength: Demand = "optional" if optional else "required"
        if assertion.tag in _ADDRESSING:
            addressing = _stronger(addressing, strength)
        elif assertion.tag in _MTOM:
            mtom = _stronger(mtom, strength)
        elif not optional and _local(assertion) in _MEETINGS:
            others[_local(assertion)] = None
    return Demands(addressing=addressing, mtom=mtom, others=tuple(others))


def action_of(message: Node | None, *, port_type: Node, default_name: str, soap_action: str = "") -> str:
    """The action of a message: as written, or the SOAP action, or the default of WS-Addressing Metadata, 4.4.4."""
    if message is not None:
        written = next((value for name in _ACTIONS if (value := message.element.get(name))), "")
        if written or soap_action:
            return written or soap_action
    name = (message.name if message is not None else "") or default_name
    return joined(port_type, name)


def joined(port_type: Node, *names: str) -> str:
    """Namespace, port type and names, divided as the default action pattern says."""
    namespace = port_type.namespace
    divider = ":" if namespace.startswith("urn:") else "/"
    return divider.join([namespace.removesuffix(divider), port_type.name, *names])


def explicit_action(message: Node) -> str | None:
    """The action that is written at a message of a port type, or None."""
    return next((value for name in _ACTIONS if (value := message.element.get(name))), None)


def _assertions(definitions: Definitions, nodes: Iterable[Node]) -> Iterator[tuple[Element, bool]]:
    for node in nodes:
        for child in node.element:
            if not isinstance(child.tag, str) or child.tag.startswith(WSDL):
                continue
            if child.tag in _ADDRESSING:
                yield child, child.get(f"{WSDL}required") not in {"true", "1"}
            policy = _policy(definitions, child)
            if policy is not None:
                yield from _inside(policy, optional=False)


def _policy(definitions: Definitions, child: Element) -> Element | None:
    if _local(child) == "Policy":
        return child
    if _local(child) != "PolicyReference":
        return None
    found = definitions.policies.get(child.get("URI", "").removeprefix("#"))
    return None if found is None else found.element


def _inside(element: Element, *, optional: bool) -> Iterator[tuple[Element, bool]]:
    children = [child for child in element if isinstance(child.tag, str)]
    # One of several alternatives must be met, so that none of them must be.
    optional = optional or (_local(element) == "ExactlyOne" and len(children) > 1)
    for child in children:
        marked = any(str(key).endswith("}Optional") and value in {"true", "1"} for key, value in child.attrib.items())
        yield child, optional or marked
        yield from _inside(child, optional=optional or marked)


def _stronger(first: Demand, second: Demand) -> Demand:
    order: tuple[Demand, ...] = ("none", "optional", "required")
    return max(first, second, key=order.index)


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
