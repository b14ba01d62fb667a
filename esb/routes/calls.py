"""Compiles a route that asks one operation of one agency.

Called by the compiler for each such route. Every name is looked up in the catalogue or in the contract's schema; what
is not there is an error of the file, never of a message.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from esb.model import AgencyCode, RouteId
from esb.ports import AgencyCatalogue, AgencyOperation
from esb.routes import conditions, envelope, expressions, shapes
from esb.routes.document import Node
from esb.routes.expressions import Expression, ExpressionFailed, ExpressionInvalid
from esb.routes.findings import Findings
from esb.routes.mapping import Build, Names, reply_builder, request_builder
from esb.routes.nils import nils_of, with_nils
from esb.routes.shapes import Inferred, Schema
from esb.routes.table import CallRoute, RequestValidator, Retry

DEFAULT_TIMEOUT_S = 5.0
LONGEST_DEFAULT_DEADLINE_S = 30.0
"""The whole budget of a synchronous exchange, when nobody says otherwise."""

Reply = tuple[tuple[str, Expression, Inferred], ...]


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """One operation, with its schemas free of references."""

    operation: AgencyOperation
    request_schema: Schema
    reply_schema: Schema
    request_sample: dict[str, Any]
    reply_sample: dict[str, Any]
    version: str
    digest: bytes


class Contracts:
    """The catalogue's operations as the compiler needs them, each prepared once however many routes use it."""

    def __init__(self, catalogue: AgencyCatalogue) -> None:
        self.catalogue = catalogue
        self._prepared: dict[tuple[str, str], Contract] = {}

    def of(self, agency: AgencyCode, operation: str) -> Contract:
        """Raises KeyError."""
        key = (agency, operation)
        if key not in self._prepared:
            self._prepared[key] = self._prepare(agency, operation)
        return self._prepared[key]

    def _prepare(self, agency: AgencyCode, operation: str) -> Contract:
        shape = self.catalogue.shape(agency, operation)
        return Contract(
            operation=self.catalogue.operation(agency, operation),
            request_schema=shapes.dereferenced(shape.request_schema),
            reply_schema=shapes.dereferenced(shape.reply_schema),
            request_sample=shape.request_sample,
            reply_sample=shape.reply_sample,
            version=self.catalogue.version(agency),
            digest=hashlib.sha256(msgspec.json.encode(shape, order="sorted")).digest(),
        )


class Mappings(msgspec.Struct, frozen=True, kw_only=True):
    """A route's expressions, compiled and checked against the contract."""

    request: tuple[tuple[Names, Expression], ...]
    reply: Reply
    not_found: Expression | None


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled call and what a gather needs to know of it."""

    route: CallRoute
    demand: envelope.Demand


def compile_call(
    route_id: RouteId,
    values: Mapping[str, Any],
    node: Node,
    *,
    contracts: Contracts,
    validator: Callable[[Schema], RequestValidator],
    findings: Findings,
    takes_rayon: bool = False,
) -> Call | None:
    """The route, or None when there is any error in `findings` so far: then nothing of the file will be used.

    `takes_rayon`: a question may name its rayon, whether or not the mapping asks for it.
    """
    return _CallCompiler(route_id, values, node, findings).compiled(contracts, validator, takes_rayon=takes_rayon)


class _CallCompiler:
    def __init__(self, route_id: RouteId, values: Mapping[str, Any], node: Node, findings: Findings) -> None:
        self._id = route_id
        self._values = values
        self._node = node
        self._findings = findings

    def compiled(
        self, contracts: Contracts, validator: Callable[[Schema], RequestValidator], *, takes_rayon: bool
    ) -> Call | None:
        self._check_completeness()
        self._check_times()
        contract = self._contract(contracts)
        if contract is None:
            self._check_syntax()
            return None
        mappings = Mappings(
            request=self._request(contract), reply=self._reply(contract), not_found=self._not_found(contract)
        )
        demand = envelope.demand_of(
            mappings.request,
            contract.request_schema,
            contract.request_sample,
            schemes=tuple(self._values["subject_schemes"]),
        )
        if takes_rayon:
            demand = envelope.with_rayon(demand)
        self._check_audience(demand)
        # Reading may have found errors in this route before it came here, so any error at all ends it.
        if self._findings.errors:
            return None
        return Call(route=self._route(contract, mappings, demand, validator), demand=demand)

    # --- names -------------------------------------------------------------------------------------------

    def _check_completeness(self) -> None:
        for name in ("adapter", "operation", "request", "reply"):
            if name not in self._node.entries:
                self._error(f"has no {name!r}, which a call requires")
        if self._values["require"] is not None:
            self._error("require is for a gather; this route is a call", "require")

    def _contract(self, contracts: Contracts) -> Contract | None:
        agency, operation = self._values["adapter"], self._values["operation"]
        if agency is None or operation is None:
            return None
        catalogue = contracts.catalogue
        agencies = catalogue.agencies()
        if agency not in agencies:
            line = self._node.line_of("adapter")
            self._findings.unknown(line, f"{self._at('adapter')}: no adapter {agency!r}", agency, agencies)
            return None
        operations = catalogue.operations(AgencyCode(agency))
        if operation not in operations:
            line = self._node.line_of("operation")
            message = f"{self._at('operation')}: {agency} has no operation {operation!r}"
            self._findings.unknown(line, message, operation, operations)
            return None
        return contracts.of(AgencyCode(agency), operation)

    # --- numbers -----------------------------------------------------------------------------------------

    def _check_times(self) -> None:
        timeout_s, deadline_s = self._timeout_s(), self._values["deadline_s"]
        if deadline_s is not None and deadline_s < timeout_s:
            line = self._node.line_of("deadline_s")
            self._findings.warning(
                line, f"{self._at('deadline_s')} is shorter than timeout_s ({timeout_s:g}), which it cuts"
            )
        if self._values["retry"]["attempts"] > 1 and not self._values["idempotent"]:
            line = self._node.line_of("retry", "attempts")
            self._findings.warning(
                line,
                f"{self._at('retry')}: not idempotent, so only a call of which nothing was sent is tried again",
            )

    def _timeout_s(self) -> float:
        given = self._values["timeout_s"]
        return DEFAULT_TIMEOUT_S if given is None else float(given)

    def _deadline_s(self) -> float:
        if self._values["deadline_s"] is not None:
            return float(self._values["deadline_s"])
        timeout_s, retry = self._timeout_s(), self._values["retry"]
        pauses_s = sum(retry["first_delay_s"] * 2**attempt for attempt in range(retry["attempts"] - 1))
        needed_s = float(timeout_s * retry["attempts"] + pauses_s)
        return max(timeout_s, min(LONGEST_DEFAULT_DEADLINE_S, needed_s))

    def _check_audience(self, demand: envelope.Demand) -> None:
        if "unregistered" in (self._values["audience"] or ()) and demand.subject is not None:
            line = self._node.line_of("audience")
            self._findings.warning(line, f"{self._at('audience')}: an unregistered user would be told about a person")

    # --- mappings ----------------------------------------------------------------------------------------

    def _check_syntax(self) -> None:
        """Without a contract, at least what is not JMESPath is told."""
        for section in ("request", "reply"):
            for name in self._values[section] or {}:
                self._expression(section, name)
        if self._values["not_found"]:
            self._expression("not_found")

    def _request(self, contract: Contract) -> tuple[tuple[Names, Expression], ...]:
        schema = contract.request_schema
        fields: dict[Names, Expression] = {}
        for key in self._values["request"] or {}:
            names = envelope.field_names(schema, key)
            line = self._node.line_of("request", key)
            expression = self._expression("request", key)
            if names is None:
                message = f"{self._at('request')}: {self._values['operation']} has no request field {key!r}"
                self._findings.unknown(line, message, key, _field_paths(schema))
            elif expression is not None:
                self._check_reads(expression, envelope.ENVELOPE, line, self._at("request", key), "the request")
                self._check_overlap(names, fields, line)
                fields[names] = expression
        self._check_required(schema, fields, ())
        return tuple(fields.items())

    def _check_overlap(self, names: Names, fields: Mapping[Names, Expression], line: int) -> None:
        for other in fields:
            if names[: len(other)] == other or other[: len(names)] == names:
                message = f"{self._at('request')}: {'.'.join(names)} and {'.'.join(other)} fill the same field"
                self._findings.error(line, message)

    def _check_required(self, schema: Schema, fields: Mapping[Names, Expression], above: Names) -> None:
        for name in schema.get("required", ()):
            names = (*above, name)
            below = [field for field in fields if field[: len(names)] == names]
            if not below:
                line = self._node.line_of("request")
                operation = self._values["operation"]
                self._findings.error(line, f"{self._at('request')}: {operation} requires {'.'.join(names)}")
            elif names not in fields:
                self._check_required(envelope.property_at(schema, (name,)), fields, names)

    def _reply(self, contract: Contract) -> Reply:
        fields = []
        for name in self._values["reply"] or {}:
            expression = self._expression("reply", name)
            if expression is not None:
                line, place = self._node.line_of("reply", name), self._at("reply", name)
                inferred = self._check_reads(expression, contract.reply_schema, line, place, "the agency's answer")
                fields.append((name, expression, inferred))
        return tuple(fields)

    def _not_found(self, contract: Contract) -> Expression | None:
        if not self._values["not_found"]:
            return None
        expression = self._expression("not_found")
        if expression is not None:
            line, place = self._node.line_of("not_found"), self._at("not_found")
            self._check_reads(expression, contract.reply_schema, line, place, "the agency's answer")
            for problem in conditions.problems(expression.tree, contract.reply_schema):
                self._findings.error(line, f"{place}: {problem}")
        return expression

    def _expression(self, *place: str) -> Expression | None:
        node = self._node.get(*place)
        if node is None:
            return None
        try:
            return expressions.compile(node.text)
        except ExpressionInvalid as error:
            line, column = _position(node, error.column)
            message = f"{self._at(*place)}: not JMESPath at column {column}: {error.reason}"
            self._findings.error(line, message, suggestion=error.suggestion)
            return None

    def _check_reads(self, expression: Expression, schema: Schema, line: int, place: str, source: str) -> Inferred:
        inferred, missing = shapes.infer(expression.tree, schema)
        for miss in missing:
            message = f"{place}: {source} has no {miss.name!r}: {miss.reason}"
            self._findings.unknown(line, message, miss.name, miss.known)
        return inferred

    # --- the value ---------------------------------------------------------------------------------------

    def _route(
        self,
        contract: Contract,
        mappings: Mappings,
        demand: envelope.Demand,
        validator: Callable[[Schema], RequestValidator],
    ) -> CallRoute:
        values = self._values
        mapped = tuple((name, expression) for name, expression, _ in mappings.reply)
        build_reply = reply_builder(mapped)
        schema = envelope.request_schema(demand, title=values["title"].en)
        nils = nils_of([names for names, _ in mappings.request], contract.request_schema, validator)
        return CallRoute(
            id=self._id,
            version=values["version"],
            title=values["title"],
            audience=values["audience"],
            legal_basis=values["legal_basis"],
            agency=AgencyCode(values["adapter"]),
            operation_name=values["operation"],
            operation=contract.operation,
            request=mappings.request,
            reply=mapped,
            not_found=mappings.not_found,
            timeout_s=self._timeout_s(),
            deadline_s=self._deadline_s(),
            idempotent=values["idempotent"],
            retry=Retry(**values["retry"]),
            max_body_bytes=values["max_body_bytes"],
            signed_requests=values["signed_requests"],
            asynchronous=values["asynchronous"],
            strength=values["strength"],
            subject_schemes=demand.schemes if demand.subject is not None else (),
            parameters=tuple(demand.parameters or ()),
            request_schema=schema,
            reply_schema=_reply_schema(mappings.reply),
            request_sample=envelope.request_sample(demand),
            reply_sample=_sample(build_reply, contract.reply_sample, _own_number(mappings.reply, demand)),
            validator=validator(schema),
            pointers=_pointers(mappings.request),
            request_builder=with_nils(request_builder(mappings.request), nils),
            reply_builder=build_reply,
            digest=_digest(self._id, values, contract),
            contract_version=contract.version,
        )

    # --- words -------------------------------------------------------------------------------------------

    def _at(self, *names: str) -> str:
        return ".".join((f"routes.{self._id}", *names))

    def _error(self, message: str, *names: str) -> None:
        self._findings.error(self._node.line_of(*names), f"{self._at()}: {message}")


def _position(node: Node, column: int) -> tuple[int, int]:
    """Line and column in the file of a column in a value's text."""
    before = node.text[: column - 1]
    breaks = before.count("\n")
    if "\n" in node.text:
        return node.line + 1 + breaks, len(before) - before.rfind("\n")
    return node.line, node.column + int(node.quoted) + column - 1


def _field_paths(schema: Schema, above: str = "") -> list[str]:
    paths = []
    for name in shapes.property_names(schema):
        paths.append(above + name)
        paths += _field_paths(envelope.property_at(schema, (name,)), f"{above}{name}.")
    return paths


def _reply_schema(reply: Reply) -> Schema:
    return {
        "type": "object",
        "properties": {name: inferred.complete() for name, _, inferred in reply},
        "required": [name for name, _, _ in reply],
        "additionalProperties": False,
    }


def _sample(build: Build, contract_sample: dict[str, Any], subject: dict[str, str]) -> dict[str, Any] | None:
    try:
        return build(contract_sample) | subject
    except ExpressionFailed:
        # A function may refuse the sample's values and still suit the agency's; then there is no sample to show.
        return None


def _own_number(reply: Reply, demand: envelope.Demand) -> dict[str, str]:
    """Reply fields of the form of the subject's number, with the number the request's sample asks about."""
    forms = {rule["pattern"] for rule in demand.subject or () if "pattern" in rule}
    number = envelope.SAMPLE_VALUES[demand.schemes[0]]
    return {name: number for name, _, inferred in reply if inferred.schema.get("pattern") in forms}


def _pointers(request: tuple[tuple[Names, Expression], ...]) -> dict[Names, str]:
    pointers = {}
    for names, expression in request:
        read = [expression.path] if expression.path else list(expression.references())
        if len(read) == 1:
            pointers[names] = "/" + "/".join(name.replace("~", "~0").replace("/", "~1") for name in read[0])
    return pointers


def _digest(route_id: str, values: Mapping[str, Any], contract: Contract) -> str:
    written = msgspec.json.encode([route_id, dict(values)], order="sorted")
    return hashlib.sha256(written + contract.digest + contract.version.encode()).hexdigest()
