"""From a port's binding to its operations; the second of two steps (`definitions` is the first).

Called by `compiler` and `survey`. SOAP 1.1 and 1.2 over HTTP, document and rpc, literal and encoded, headers, faults
and MIME parts. What a WSDL may say in several ways leaves here in one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from adapters.wsdl.definitions import WSDL, Definitions, Node
from adapters.wsdl.policy import Demands, action_of, demands_of, explicit_action, joined
from adapters.wsdl.values import Addressing, Attachment
from adapters.wsdl.wrappers import Named, Part, Wrappers, parts_of
from esb.errors import ContractUnsupported

_VERSIONS: Mapping[str, Literal["1.1", "1.2"]] = {
    "{http://schemas.xmlsoap.org/wsdl/soap/}": "1.1",
    "{http://schemas.xmlsoap.org/wsdl/soap12/}": "1.2",
}
_MIME = "{http://schemas.xmlsoap.org/wsdl/mime/}"
_HTTP = "http://schemas.xmlsoap.org/wsdl/http/"
_OTHER_TRANSPORTS = ("jms", "smtp", "mail", "tcp", "msmq", "pipe")
"""Parts of transport names that do not mean HTTP. Servers write many names for the one that does."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Port:
    """One port of a service that speaks SOAP over HTTP."""

    service: str
    name: str
    version: Literal["1.1", "1.2"]
    style: str
    address: str
    node: Node
    binding: Node
    port_type: Node


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DraftHeader:
    """A `soap:header` before names are settled."""

    part: str
    element: Named
    required: bool
    faults: tuple[Named, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DraftMessage:
    """One direction of an operation before names are settled."""

    body: Named
    spread: bool
    use: Literal["literal", "encoded"]
    headers: tuple[DraftHeader, ...]
    attachments: tuple[Attachment, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DraftOperation:
    """An operation before names are settled."""

    name: str
    place: str
    soap_action: str
    style: Literal["document", "rpc"]
    input: DraftMessage
    output: DraftMessage
    one_way: bool
    faults: Mapping[str, Named]
    addressing: Addressing
    mtom: Literal["none", "optional", "required"]


def ports(definitions: Definitions) -> Iterator[Port | tuple[str, str, str]]:
    """Every port; one that cannot be used as its service, its name and the reason.

    A WSDL without any usable port offers its bindings instead: the manifest has the address anyway.
    """
    nodes = [
        (service, port) for service in definitions.nodes["service"].values() for port in service.children(f"{WSDL}port")
    ]
    usable = 0
    for service, node in nodes:
        try:
            yield _port(service.name, node, definitions.named("binding", node, "binding"), definitions)
            usable += 1
        except ContractUnsupported as error:
            yield service.name, node.name, error.reason
    for binding in [] if usable else definitions.nodes["binding"].values():
        try:
            yield _port("", binding, binding, definitions)
        except ContractUnsupported as error:
            if not nodes:
                yield "", binding.name, error.reason


def operations(definitions: Definitions, port: Port, wrappers: Wrappers) -> list[DraftOperation]:
    """The operations of a port, sorted by name. Raises ContractUnsupported."""
    demands = demands_of(definitions, [port.binding, port.node])
    definitions.hints.extend(demands.sentences(port.binding.place))
    refuse_overloads(port)
    abstract = {node.name: node for node in port.port_type.children(f"{WSDL}operation")}
    drafts = []
    for node in sorted(port.binding.children(f"{WSDL}operation"), key=lambda each: each.name):
        if node.name not in abstract:
            raise ContractUnsupported(
                f"{node.place}: operation {node.name} is not in the port type {port.port_type.name} "
                f"({port.port_type.place})"
            )
        operation = _Operation(
            node, abstract[node.name], definitions=definitions, port=port, wrappers=wrappers, demands=demands
        )
        drafts.append(operation.draft())
    return drafts


def refuse_overloads(port: Port) -> None:
    """Raise ContractUnsupported when one name means several operations: a route could not say which."""
    for holder in (port.port_type, port.binding):
        counted = Counter(node.name for node in holder.children(f"{WSDL}operation"))
        for name, count in counted.items():
            if count > 1:
                places = [node.place for node in holder.children(f"{WSDL}operation") if node.name == name]
                raise ContractUnsupported(
                    f"{places[1]}: operation {name} stands twice in {holder.name}, first at {places[0]}; "
                    "give each a name of its own"
                )


class _Operation:
    """Reads one operation of a binding."""

    def __init__(
        self,
        node: Node,
        abstract: Node,
        *,
        definitions: Definitions,
        port: Port,
        wrappers: Wrappers,
        demands: Demands,
    ) -> None:
        self._definitions = definitions
        self._port = port
        self._node = node
        self._abstract = abstract
        self._wrappers = wrappers
        self._demands = demands
        self._soap = soap_child(node, "operation")
        written = self._soap.element.get("style") if self._soap is not None else None
        self._style: Literal["document", "rpc"] = "rpc" if (written or port.style) == "rpc" else "document"

    def draft(self) -> DraftOperation:
        """The operation. Raises ContractUnsupported."""
        name = self._abstract.name
        request, reply = self._abstract.child(f"{WSDL}input"), self._abstract.child(f"{WSDL}output")
        if request is None:
            self._definitions.hints.append(
                f"{self._abstract.place}: operation {name} has no input; it is called with nothing, if at all: "
                "WSDL means that the agency would call"
            )
        return DraftOperation(
            name=name,
            place=self._node.place,
            soap_action=self._soap_action(),
            style=self._style,
            input=self._nothing(name) if request is None else self._message(request, "input", name),
            output=self._nothing(f"{name}Response")
            if reply is None
            else self._message(reply, "output", f"{name}Response"),
            one_way=reply is None and self._node.child(f"{WSDL}output") is None,
            faults=dict(self._faults()),
            addressing=self._addressing(request, reply),
            mtom=self._demands.mtom,
        )

    def _soap_action(self) -> str:
        return "" if self._soap is None else (self._soap.element.get("soapAction") or "").strip()

    # --- messages -----------------------------------------------------------------------------------------

    def _message(self, abstract: Node, direction: str, wrapper: str) -> DraftMessage:
        message = self._definitions.named("message", abstract, "message")
        concrete = self._node.child(f"{WSDL}{direction}")
        parts = parts_of(message, self._definitions)
        body = None if concrete is None else _soap_inside(concrete, "body")
        attachments = [] if concrete is None else list(_attachments(concrete))
        headers = [] if concrete is None else list(self._headers(concrete, message, parts))
        beside = {attachment.part for attachment in attachments} | {part for part, _ in headers if part in parts}
        chosen = self._chosen(body, parts, beside)
        use: Literal["literal", "encoded"] = "literal"
        if body is not None and body.element.get("use") == "encoded":
            use = "encoded"
        element, spread = self._body(abstract, body, chosen, wrapper)
        return DraftMessage(
            body=element,
            spread=spread,
            use=use,
            headers=tuple(header for _, header in headers),
            attachments=tuple(attachments),
        )

    def _nothing(self, name: str) -> DraftMessage:
        """The message of a direction that the port type does not have."""
        body = self._wrappers.spread(self._abstract, f"nothing.{name}", [])
        return DraftMessage(body=body, spread=True, use="literal", headers=(), attachments=())

    def _chosen(self, body: Node | None, parts: Mapping[str, Part], beside: set[str]) -> list[Part]:
        """The parts of the Body: those that `parts` lists, or else all that do not travel elsewhere."""
        listed = None if body is None else body.element.get("parts", body.element.get("part"))
        if listed is None or body is None:
            return [part for name, part in parts.items() if name not in beside]
        for name in listed.split():
            if name not in parts:
                raise ContractUnsupported(f"{body.place}: soap:body lists the part {name}, which its message has not")
        return [parts[name] for name in listed.split()]

    def _body(self, abstract: Node, body: Node | None, parts: list[Part], wrapper: str) -> tuple[Named, bool]:
        if self._style == "rpc":
            namespace = None if body is None else body.element.get("namespace")
            if namespace is None:
                # WS-I R2717 wants the attribute; toolkits that meet none take the target namespace, except when
                # it is written as empty.
                namespace = self._port.binding.namespace
            return self._wrappers.wrapper(abstract, namespace.strip(), wrapper, parts), False
        if len(parts) == 1 and parts[0].has_element:
            return self._wrappers.element_of(parts[0]), False
        label = str(abstract.element.tag).rpartition("}")[2]
        return self._wrappers.spread(abstract, f"{label}.{self._abstract.name}", parts), True

    # --- headers and attachments --------------------------------------------------------------------------

    def _headers(self, concrete: Node, message: Node, parts: Mapping[str, Part]) -> Iterator[tuple[str, DraftHeader]]:
        """Each header, with its part's name when the part is of the operation's own message, else with ""."""
        for node in _all_soap_inside(concrete, "header"):
            source = self._definitions.named("message", node, "message")
            part = self._header_part(node, source)
            header = DraftHeader(
                part=part.name,
                element=self._header_element(node, part),
                required=node.element.get(f"{WSDL}required") in {"true", "1"},
                faults=tuple(self._header_faults(node)),
            )
            own = source.element is message.element and part.name in parts
            yield part.name if own else "", header

    def _header_faults(self, header: Node) -> Iterator[Named]:
        for node in _all_soap_inside(header, "headerfault"):
            try:
                part = self._header_part(node, self._definitions.named("message", node, "message"))
            except ContractUnsupported as error:
                # No toolkit reads these, so that nobody has noticed.
                self._definitions.hints.append(error.reason)
            else:
                yield self._header_element(node, part)

    def _header_part(self, node: Node, message: Node) -> Part:
        name = (node.element.get("part") or "").strip()
        parts = parts_of(message, self._definitions)
        if name in parts:
            return parts[name]
        if not name and len(parts) == 1:
            return next(iter(parts.values()))
        raise ContractUnsupported(
            f"{node.place}: soap:header names the part {name or '(none)'} of {message.name}, which has not"
        )

    def _header_element(self, node: Node, part: Part) -> Named:
        if part.has_element:
            return self._wrappers.element_of(part)
        return self._wrappers.element_with_type(part, (node.element.get("namespace") or "").strip())

    # --- faults -------------------------------------------------------------------------------------------

    def _faults(self) -> Iterator[tuple[str, Named]]:
        for abstract in self._abstract.children(f"{WSDL}fault"):
            message = self._definitions.named("message", abstract, "message")
            parts = list(parts_of(message, self._definitions).values())
            if len(parts) != 1:
                self._definitions.hints.append(
                    f"{abstract.place}: fault {abstract.name} has {len(parts)} parts instead of one; "
                    "its detail is not read"
                )
                continue
            yield abstract.name or message.name, self._fault_element(abstract, parts[0])

    def _fault_element(self, abstract: Node, part: Part) -> Named:
        if part.has_element:
            return self._wrappers.element_of(part)
        bound = next((each for each in self._node.children(f"{WSDL}fault") if each.name == abstract.name), None)
        soap = None if bound is None else soap_child(bound, "fault")
        namespace = "" if soap is None else (soap.element.get("namespace") or "").strip()
        return self._wrappers.element_with_type(part, namespace)

    # --- addressing ---------------------------------------------------------------------------------------

    def _addressing(self, request: Node | None, reply: Node | None) -> Addressing:
        name, port_type = self._abstract.name, self._port.port_type
        own = demands_of(self._definitions, [self._node]).addressing
        demand = own if own != "none" else self._demands.addressing
        return Addressing(
            demand=demand,
            action=action_of(
                request,
                port_type=port_type,
                default_name=name if reply is None else f"{name}Request",
                soap_action=self._soap_action(),
            ),
            reply_action=(
                None if reply is None else action_of(reply, port_type=port_type, default_name=f"{name}Response")
            ),
            fault_actions={
                fault.name: explicit_action(fault) or joined(port_type, name, "Fault", fault.name)
                for fault in self._abstract.children(f"{WSDL}fault")
            },
        )


def soap_child(node: Node, name: str) -> Node | None:
    """The child of a name in either SOAP binding namespace."""
    return next((found for prefix in _VERSIONS if (found := node.child(f"{prefix}{name}")) is not None), None)


def _port(service: str, node: Node, binding: Node, definitions: Definitions) -> Port:
    soap = soap_child(binding, "binding")
    if soap is None:
        kind = (
            "an HTTP GET/POST binding"
            if any(_HTTP in str(child.tag) for child in binding.element)
            else "no SOAP binding"
        )
        raise ContractUnsupported(f"{binding.place}: binding {binding.name} is {kind}; only SOAP is read")
    transport = (soap.element.get("transport") or "").strip()
    if any(word in transport.lower() for word in _OTHER_TRANSPORTS):
        raise ContractUnsupported(f"{soap.place}: the transport {transport} is not HTTP")
    addresses = [child for child in node.element if str(child.tag).endswith("}address")]
    return Port(
        service=service,
        name=node.name,
        version=_VERSIONS[str(soap.element.tag).removesuffix("binding")],
        style=(soap.element.get("style") or "document").strip(),
        address=(addresses[0].get("location") or "").strip() if addresses else "",
        node=node,
        binding=binding,
        port_type=definitions.named("portType", binding, "type"),
    )


def _soap_inside(node: Node, name: str) -> Node | None:
    return next(_all_soap_inside(node, name), None)


def _all_soap_inside(node: Node, name: str) -> Iterator[Node]:
    """The SOAP children of a message, directly or in the parts of a MIME multipart."""
    holders = [node, *(node.inner(each) for each in node.element.iterfind(f"{_MIME}multipartRelated/{_MIME}part"))]
    for holder in holders:
        for prefix in _VERSIONS:
            yield from holder.children(f"{prefix}{name}")


def _attachments(node: Node) -> Iterator[Attachment]:
    """The parts that travel beside the envelope; alternatives of one part are its media types."""
    found: dict[str, list[str]] = {}
    for content in node.element.iterfind(f"{_MIME}multipartRelated/{_MIME}part/{_MIME}content"):
        part = (content.get("part") or "").strip()
        if part:
            found.setdefault(part, []).append((content.get("type") or "").strip())
    for part, types in found.items():
        known = tuple(dict.fromkeys(each for each in types if each and each != "*/*"))
        yield Attachment(part=part, media_types=known)
