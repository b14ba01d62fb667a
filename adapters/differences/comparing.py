"""Compares two contracts of one kind, operation by operation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from adapters import wsdl
from adapters.differences.changes import Change, Changes, Direction, Effect, Shift, told
from adapters.differences.json_schemas import JsonSchemas
from adapters.differences.sides import Side
from adapters.differences.xml_elements import Elements
from adapters.wsdl import Header, SurveyedPort, Wsdl, WsdlOperation
from esb.contracts.contract import Contract
from esb.contracts.json_contract import JsonContract
from esb.contracts.json_operation import JsonOperation, JsonResponse
from esb.errors import ConfigurationError
from esb.routes.shapes import dereferenced

_GIVEN = ("response", "reply", "answer", "result", "resp", "cavab", "fault", "error")
_ASKED = ("request", "query", "req", "sorgu")


def compare(old: Side, new: Side) -> tuple[Change, ...]:
    """All changes, breaking ones first.

    Raises:
        ConfigurationError: they are of different kinds, or one cannot be compiled.
    """
    if old.kind != new.kind:
        raise ConfigurationError(
            f"{old.name} is of kind {old.kind} and {new.name} of kind {new.kind}: both of one kind"
        )
    changes = Changes()
    {"wsdl": _wsdls, "xsd": _xsds, "openapi": _openapis}[old.kind](old, new, changes)
    return changes.all()


# --- WSDL ------------------------------------------------------------------------------------------------


def _wsdls(old: Side, new: Side, changes: Changes) -> None:
    before, after = _ports(old), _ports(new)
    if len(before) == 1 == len(after):
        # The one port is meant, whatever it is called now.
        pairs = [(next(iter(before.values())), next(iter(after.values())))]
    else:
        pairs = [(before[name], after[name]) for name in before if name in after]
        for name in [name for name in after if name not in before]:
            changes.say(Effect.COMPATIBLE, Direction.BOTH, f"port {name}", "added")
        for name in [name for name in before if name not in after]:
            changes.say(Effect.BREAKING, Direction.BOTH, f"port {name}", "removed")
    for port, other in pairs:
        _port(_compiled(old, port), _compiled(new, other), changes)
        if port.address != other.address:
            what = f"address {told(port.address or None, other.address or None)}"
            changes.say(Effect.COMPATIBLE, Direction.BOTH, f"port {port.port}", what)
        for name in sorted(port.documentation.keys() | other.documentation.keys()):
            if port.documentation.get(name) != other.documentation.get(name) and name in other.operations:
                changes.add(Shift.NEITHER, Direction.BOTH, name, "documentation")


def _ports(side: Side) -> dict[str, SurveyedPort]:
    wanted = side.manifest.contract if side.manifest is not None else None
    found = {}
    for port in wsdl.survey(side.bundle, side.entry).ports:
        chosen = wanted is None or (wanted.service in {None, port.service} and wanted.port in {None, port.port})
        if port.unreadable is None and chosen:
            found["/".join(filter(None, (port.service, port.port)))] = port
    return found


def _compiled(side: Side, port: SurveyedPort) -> Wsdl:
    return wsdl.compile(side.bundle, side.entry, service=port.service or None, port=port.port or None)


def _port(old: Wsdl, new: Wsdl, changes: Changes) -> None:
    for name in _common(old.operations, new.operations, changes):
        before, after = old.operations[name], new.operations[name]
        _binding(before, after, changes)
        _Messages(old.contract, new.contract, changes).compare(before, after)


def _binding(old: WsdlOperation, new: WsdlOperation, changes: Changes) -> None:
    facts = (
        ("SOAP version", old.soap_version, new.soap_version),
        ("soapAction", old.soap_action, new.soap_action),
        ("style", old.style, new.style),
        ("use", old.use, new.use),
        ("one-way", old.one_way, new.one_way),
        ("MTOM", old.mtom, new.mtom),
        ("request parts without wrapper", old.input_spread, new.input_spread),
        ("reply parts without wrapper", old.output_spread, new.output_spread),
        ("request element", old.input, new.input),
        ("reply element", old.output, new.output),
    )
    for what, before, after in facts:
        if before != after:
            changes.say(Effect.BREAKING, Direction.BOTH, old.name, f"{what} {told(before, after)}")


class _Messages:
    """Compares what the messages of an operation hold."""

    def __init__(self, old: Contract, new: Contract, changes: Changes) -> None:
        self._old = old
        self._new = new
        self._changes = changes
        self._elements = Elements(changes)

    def compare(self, before: WsdlOperation, after: WsdlOperation) -> None:
        """Bodies, headers and faults."""
        self.element(before.input, after.input, Direction.REQUEST)
        self.element(before.output, after.output, Direction.REPLY)
        self._headers(before.name, Direction.REQUEST, before.input_headers, after.input_headers)
        self._headers(before.name, Direction.REPLY, before.output_headers, after.output_headers)
        self._faults(before, after)

    def element(self, before: str, after: str, direction: Direction) -> None:
        """Two global elements, by their full names."""
        shape = self._old.shape(before)
        self._elements.compare(shape, self._new.shape(after), shape.name, direction)

    def _headers(
        self, operation: str, direction: Direction, before: tuple[Header, ...], after: tuple[Header, ...]
    ) -> None:
        known, given = {one.part: one for one in before}, {one.part: one for one in after}
        for part, header in given.items():
            if part in known:
                self.element(known[part].element, header.element, direction)
                continue
            effect = Effect.BREAKING if direction is Direction.REQUEST else Effect.COMPATIBLE
            self._changes.say(effect, direction, f"{operation}/header {part}", "added")
        for part in [part for part in known if part not in given]:
            self._changes.say(Effect.BREAKING, direction, f"{operation}/header {part}", "removed")

    def _faults(self, before: WsdlOperation, after: WsdlOperation) -> None:
        for name, qname in after.faults.items():
            if name in before.faults:
                self.element(before.faults[name], qname, Direction.REPLY)
            else:
                self._changes.say(Effect.COMPATIBLE, Direction.REPLY, f"{before.name}/fault {name}", "added")
        for name in before.faults:
            if name not in after.faults:
                self._changes.say(Effect.COMPATIBLE, Direction.REPLY, f"{before.name}/fault {name}", "removed")


# --- XSD -------------------------------------------------------------------------------------------------


def _xsds(old: Side, new: Side, changes: Changes) -> None:
    before = Contract.from_xsd(old.bundle, [old.entry])
    after = Contract.from_xsd(new.bundle, [new.entry])
    known, given = _by_name(before), _by_name(after)
    messages = _Messages(before, after, changes)
    for name in _common(known, given, changes):
        messages.element(known[name], given[name], _direction(name))


def _by_name(contract: Contract) -> dict[str, str]:
    return {qname.rpartition("}")[2]: qname for qname in contract.elements}


def _direction(name: str) -> Direction:
    if name.lower().endswith(_GIVEN):
        return Direction.REPLY
    return Direction.REQUEST if name.lower().endswith(_ASKED) else Direction.BOTH


# --- OpenAPI ---------------------------------------------------------------------------------------------


def _openapis(old: Side, new: Side, changes: Changes) -> None:
    before = JsonContract(old.bundle, old.entry).operations
    after = JsonContract(new.bundle, new.entry).operations
    schemas = JsonSchemas(changes)
    for name in _common(before, after, changes):
        _operation(before[name], after[name], schemas, changes)


def _operation(old: JsonOperation, new: JsonOperation, schemas: JsonSchemas, changes: Changes) -> None:
    known = {parameter.name: parameter for parameter in old.parameters}
    facts: list[tuple[str, str | None, str | None]] = [
        ("method", old.method, new.method),
        ("path", old.path, new.path),
        ("media type", _media_type(old), _media_type(new)),
    ]
    for parameter in new.parameters:
        if parameter.name in known:
            mine = known[parameter.name]
            facts.append((f"place of {parameter.name}", mine.location, parameter.location))
            facts.append((f"style of {parameter.name}", mine.style, parameter.style))
    for what, before, after in facts:
        if before != after:
            changes.say(Effect.BREAKING, Direction.REQUEST, old.name, f"{what} {told(before, after)}")
    asked = dereferenced(old.request_schema), dereferenced(new.request_schema)
    schemas.compare(*asked, old.name, Direction.REQUEST)
    for status in _statuses(old, new, changes):
        _response(old.responses[status], new.responses[status], f"{old.name} {status}", schemas, changes)


def _statuses(old: JsonOperation, new: JsonOperation, changes: Changes) -> Iterator[str]:
    for status in old.responses:
        if status in new.responses:
            yield status
            continue
        effect = Effect.BREAKING if status.startswith("2") else Effect.COMPATIBLE
        changes.say(effect, Direction.REPLY, f"{old.name} {status}", "removed")
    for status in new.responses:
        if status not in old.responses:
            effect = Effect.BREAKING if status.startswith("2") else Effect.COMPATIBLE
            changes.say(effect, Direction.REPLY, f"{old.name} {status}", "added")


def _response(old: JsonResponse, new: JsonResponse, path: str, schemas: JsonSchemas, changes: Changes) -> None:
    if old.media_type != new.media_type:
        what = f"media type {told(old.media_type, new.media_type)}"
        changes.say(Effect.BREAKING, Direction.REPLY, path, what)
    if old.schema is not None and new.schema is not None:
        schemas.compare(dereferenced(old.schema), dereferenced(new.schema), path, Direction.REPLY)


def _media_type(operation: JsonOperation) -> str | None:
    return operation.body_form.media_type if operation.body_form is not None else None


def _common(old: Iterable[str], new: Iterable[str], changes: Changes) -> list[str]:
    """The names on both sides; what is on one is told."""
    before, after = sorted(old), sorted(new)
    for name in after:
        if name not in before:
            changes.say(Effect.COMPATIBLE, Direction.BOTH, name, "added")
    for name in before:
        if name not in after:
            changes.say(Effect.BREAKING, Direction.BOTH, name, "removed")
    return [name for name in before if name in after]
