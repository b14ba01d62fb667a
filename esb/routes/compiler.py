"""`routes.yaml` into one immutable table, or into every reason why not. Lint and run call the same code.

Called at start, at reload and by the CLI. Whatever a message could trip over (a field the contract lacks, an
expression that is none, a gather of gathers) is found here.
"""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from esb.contracts.json_schema import JsonValidator
from esb.errors import RoutesInvalid
from esb.model import AgencyCode, CallerName, Finding, RouteId
from esb.ports import AgencyCatalogue
from esb.routes import document, fields
from esb.routes.calls import Call, Contracts, compile_call
from esb.routes.deployment import FILE_FIELDS
from esb.routes.document import Node, Shape
from esb.routes.findings import Findings
from esb.routes.gathers import check_gather, compile_gather
from esb.routes.shapes import Schema
from esb.routes.table import Caller, RequestValidator, Route, RouteTable
from esb.routes.versions import Versions, takes_rayon
from esb.routes.versions import compiled as compile_versions
from security.policy import Grant, GrantTable

Rows = Mapping[str, Mapping[str, Any]]


def load(path: Path, catalogue: AgencyCatalogue) -> RouteTable:
    """The deployment of one file, whole.

    Raises:
        RoutesInvalid: with every finding, not only the first.
    """
    table, findings = compiled(path, catalogue)
    if table is None:
        raise RoutesInvalid(findings)
    return table


def check(path: Path, catalogue: AgencyCatalogue) -> tuple[Finding, ...]:
    """All that there is to say about the file, by line; without an error among it, `load` succeeds."""
    return compiled(path, catalogue)[1]


def compiled(path: Path, catalogue: AgencyCatalogue) -> tuple[RouteTable | None, tuple[Finding, ...]]:
    """The table, when there is no error, and all findings."""
    read = document.load(path)
    compilation = _Compilation(read.file, catalogue)
    compilation.findings.extend(read.findings)
    table = None if read.root is None else compilation.table(read.root, path)
    return table, compilation.findings.sorted()


class _Compilation:
    def __init__(self, file: str, catalogue: AgencyCatalogue) -> None:
        self.findings = Findings(file)
        self._file = file
        self._catalogue = catalogue
        self._contracts = Contracts(catalogue)
        self._versions = Versions(Contracts)
        self._validators: dict[bytes, RequestValidator] = {}
        self._retired: set[str] = set()

    def table(self, root: Node, path: Path) -> RouteTable | None:
        values, found = fields.read(root, FILE_FIELDS, self._file)
        self.findings.extend(found)
        rows: Rows = {name: row for name, row in (values["routes"] or {}).items() if _is_mapping(root, name)}
        callers: Rows = values["callers"] or {}
        calls = self._calls(root, rows)
        routes = self._with_gathers(root, rows, calls)
        self._check_grants(root, values["grants"], callers, rows)
        if self.findings.errors:
            return None
        return RouteTable(
            routes=routes,
            callers={CallerName(name): _caller(name, row) for name, row in callers.items()},
            grants=GrantTable(_grants(values["grants"])),
            digest=_digest(root, routes),
            source=path,
        )

    # --- routes ------------------------------------------------------------------------------------------

    def _calls(self, root: Node, rows: Rows) -> dict[str, Call]:
        calls = {}
        for name, row in rows.items():
            if row["gather"] is None and "gather" not in _route_node(root, name).entries:
                call = self._call(RouteId(name), row, _route_node(root, name))
                if call is not None:
                    calls[name] = call
        return calls

    def _call(self, name: RouteId, row: Mapping[str, Any], node: Node) -> Call | None:
        agency = AgencyCode(row["adapter"] or "")
        known = agency in self._catalogue.agencies()
        reaches = self._catalogue.reach(agency) if known else ()

        def compile_with(contracts: Contracts, findings: Findings) -> Call | None:
            return compile_call(
                name,
                row,
                node,
                contracts=contracts,
                validator=self._validator,
                findings=findings,
                takes_rayon=takes_rayon(reaches),
            )

        if known and self._catalogue.retired(agency):
            self._retired.add(name)
            message = f"routes.{name}: {agency} is retired, so the route is not served; take it out of the file"
            self.findings.warning(node.line_of("adapter"), message)
        if not reaches:
            return compile_with(self._contracts, self.findings)
        return compile_versions(
            agency,
            reaches,
            compile_with,
            face=self._catalogue.version(agency),
            contracts=self._versions,
            findings=self.findings,
        )

    def _with_gathers(self, root: Node, rows: Rows, calls: Mapping[str, Call]) -> dict[RouteId, Route]:
        gathers = [RouteId(name) for name, row in rows.items() if row["gather"] is not None]
        for name in gathers:
            check_gather(name, _route_node(root, name), rows, self.findings)
        routes: dict[RouteId, Route] = {RouteId(name): call.route for name, call in calls.items()}
        if self.findings.errors:
            return routes
        for name in gathers:
            gather = compile_gather(
                name,
                rows[name],
                _route_node(root, name),
                calls=calls,
                validator=self._validator,
                findings=self.findings,
            )
            if gather is not None:
                routes[name] = gather
        served = [RouteId(name) for name in rows if name not in self._retired]
        return {name: routes[name] for name in served if name in routes}

    def _validator(self, schema: Schema) -> RequestValidator:
        # Most routes demand the same of a request: one compiled validator serves them all.
        rules = {name: rule for name, rule in schema.items() if name != "title"}
        key = msgspec.json.encode(rules, order="sorted")
        if key not in self._validators:
            self._validators[key] = JsonValidator(rules)
        return self._validators[key]

    # --- access ------------------------------------------------------------------------------------------

    def _check_grants(self, root: Node, grants: tuple[Mapping[str, Any], ...], callers: Rows, rows: Rows) -> None:
        nodes = (root.get("grants") or root).items
        granted: set[str] = set()
        for index, (grant, node) in enumerate(zip(grants, nodes, strict=False)):
            place, caller = f"grants[{index}]", grant["caller"]
            if caller is not None and caller not in callers:
                line = node.line_of("caller")
                self.findings.unknown(line, f"{place}.caller: no caller {caller!r}", caller, callers)
            for pattern in grant["routes"] or ():
                matched = fnmatch.filter(rows, pattern)
                granted.update(matched)
                if not matched:
                    line = _line_of_item(node.get("routes"), pattern) or node.line_of("routes")
                    self.findings.unknown(line, f"{place}.routes: no route {pattern!r}", pattern, rows)
        self._warn_of_opened_members(nodes, grants, rows)
        self._hint_unused(root, callers, {str(grant["caller"]) for grant in grants}, "callers", "has no grant")
        self._hint_unused(root, rows, granted, "routes", "is granted to nobody")

    def _warn_of_opened_members(self, nodes: Sequence[Node], grants: tuple[Mapping[str, Any], ...], rows: Rows) -> None:
        """A gather gives the data of its members to whoever may ask it, also to whom no member was granted."""
        held: dict[str, list[str]] = {}
        for grant in grants:
            held.setdefault(grant["caller"], []).extend(grant["routes"] or ())
        told: set[tuple[str, str, str]] = set()
        for grant, node in zip(grants, nodes, strict=False):
            caller = grant["caller"]
            for pattern in grant["routes"] or ():
                line = _line_of_item(node.get("routes"), pattern) or node.line_of("routes")
                for gather, member in _members(pattern, rows):
                    if (caller, gather, member) in told or any(fnmatch.filter([member], own) for own in held[caller]):
                        continue
                    told.add((caller, gather, member))
                    message = f"the gather {gather} opens {member} to {caller}, which has no grant for {member}"
                    self.findings.warning(line, f"{message}: grant that too, or do not grant {gather}")

    def _hint_unused(self, root: Node, declared: Rows, used: set[str], section: str, what: str) -> None:
        for name in declared:
            if name not in used:
                self.findings.hint(root.line_of(section, name), f"{section}.{name} {what}")


def _is_mapping(root: Node, name: str) -> bool:
    return _route_node(root, name).shape is Shape.MAPPING


def _route_node(root: Node, name: str) -> Node:
    node = root.get("routes", name)
    return root if node is None else node


def _members(pattern: str, rows: Rows) -> Iterator[tuple[str, str]]:
    """The gathers that a granted pattern names, each with each of its members."""
    for name in fnmatch.filter(rows, pattern):
        for member in (rows[name]["gather"] or {}).values():
            if member in rows:
                yield name, member


def _line_of_item(node: Node | None, text: str) -> int | None:
    return next((item.line for item in (node.items if node else ()) if item.text == text), None)


def _caller(name: str, row: Mapping[str, Any]) -> Caller:
    rate_per_s = row["limits"]["rate_per_s"]
    return Caller(name=CallerName(name), title=row["title"], contact=row["contact"], rate_per_s=rate_per_s)


def _grants(rows: tuple[Mapping[str, Any], ...]) -> tuple[Grant, ...]:
    return tuple(
        Grant(caller=row["caller"], route=pattern, purposes=row["purposes"])
        for row in rows
        for pattern in row["routes"]
    )


def _digest(root: Node, routes: Mapping[RouteId, Route]) -> str:
    """Over the content, not the layout: a comment or a blank line makes no other deployment."""
    parts: list[Any] = [_plain(root.get("callers")), _plain(root.get("grants"))]
    parts += [route.digest for route in routes.values()]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _plain(node: Node | None) -> Any:
    if node is None:
        return None
    if node.shape is Shape.MAPPING:
        return {name: _plain(child) for name, child in node.entries.items()}
    return [_plain(item) for item in node.items] if node.shape is Shape.SEQUENCE else node.text
