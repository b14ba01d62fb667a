"""Which operations of a contract and which routes over them no golden case speaks of.

Called by lint and when a version is to count as checked. Told, and no reason to refuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from adapters.contract_reading import read_contract
from adapters.manifest import Manifest
from adapters.registration import bundle as bundles
from adapters.registration.bundle import Bundle
from esb.model import Finding, Severity
from esb.routes import document


def uncovered(manifest: Manifest, bundle: Bundle, deployed: Path) -> Iterator[Finding]:
    """A warning for operations, and one for routes, without a case. `deployed`: asked where the bundle has no routes.

    Raises:
        ContractUnsupported: the contract does not compile.
    """
    written = bundle.files.get(bundles.CASES)
    if written is None:
        return  # that there are none at all, another rule says
    spoken_of = _routes_of_cases(written)
    proposed = bundle.files.get(bundles.ROUTES)
    operations = _operations(proposed or _content(deployed), manifest.agency)
    asked = {operations[route] for route in spoken_of if route in operations}
    unasked = [name for name in read_contract(manifest, bundle.contract).shapes if name not in asked]
    if unasked:
        yield _say(f"no golden case asks {', '.join(unasked)}")
    untold = [route for route in operations if route not in spoken_of]
    if untold:
        yield _say(f"no golden case is about the routes {', '.join(untold)}")


def _routes_of_cases(content: bytes) -> set[str]:
    root = document.parse_bytes(content, file=bundles.CASES).root
    cases = None if root is None else root.get("cases")
    nodes = () if cases is None else [item.get("route") for item in cases.items]
    return {node.text for node in nodes if node is not None}


def _operations(content: bytes, agency: str) -> dict[str, str]:
    """The operation that each route of the agency asks, by route."""
    root = document.parse_bytes(content, file=bundles.ROUTES).root
    routes = None if root is None else root.get("routes")
    asked = {}
    for name, route in () if routes is None else routes.entries.items():
        adapter, operation = route.get("adapter"), route.get("operation")
        if adapter is not None and operation is not None and adapter.text == agency:
            asked[name] = operation.text
    return asked


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


def _say(message: str) -> Finding:
    return Finding(file=bundles.CASES, line=0, message=message, severity=Severity.WARNING)
