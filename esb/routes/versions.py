"""Which contract version of an agency a question goes to, and its route compiled against each that it may reach.

Called by the compiler at load, and by the pipeline for each question of an agency that has more than one way. A plain
agency, one version open to everybody, costs nothing here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from esb.errors import PilotOnly
from esb.model import AgencyCode, CallerName, Finding, JsonObject, Severity
from esb.ports import Reach
from esb.routes.findings import Findings

if TYPE_CHECKING:
    from esb.routes.calls import Call, Contracts
    from esb.routes.table import CallRoute

Compile = Callable[["Contracts", Findings], "Call | None"]
"""Compiles one and the same route of the file against the contracts of one version."""


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """The route as one version serves it, and who may reach that."""

    reach: Reach
    route: CallRoute


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """The variants of one route, preferred first."""

    agency: AgencyCode
    variants: tuple[Variant, ...]

    def choose(self, caller: CallerName, message_id: str, document: JsonObject) -> CallRoute:
        """The variant for this question: always the same one for one message id, so that a retry goes where it went.

        Raises:
            PilotOnly: every version that is open is open to others.
        """
        rayon = (document.get("parameters") or {}).get("rayon")
        admitted = [variant for variant in self.variants if variant.reach.admits(caller, rayon)]
        named = [variant for variant in admitted if caller in variant.reach.named]
        if named:
            return named[0].route
        others = [variant for variant in admitted if not variant.reach.named or variant.reach.weight]
        if not others:
            raise PilotOnly("the agency's service is piloted with named callers or rayons")
        weighted = [variant for variant in others if variant.reach.weight]
        return self._drawn(weighted, message_id) if weighted else others[0].route

    def _drawn(self, variants: list[Variant], message_id: str) -> CallRoute:
        digest = hashlib.sha256(f"{self.agency} {message_id}".encode()).digest()
        total = sum(variant.reach.weight for variant in variants)
        ticket = int.from_bytes(digest[:8], "big") % total
        for variant in variants:
            ticket -= variant.reach.weight
            if ticket < 0:
                return variant.route
        raise AssertionError  # the ticket is below the sum


def compiled(
    agency: AgencyCode,
    reaches: tuple[Reach, ...],
    compile_with: Compile,
    *,
    face: str,
    contracts: Versions,
    findings: Findings,
) -> Call | None:
    """The route as the version `face` shows it, with all its variants; None when it does not fit one of them.

    What is wrong for a version is told with its name, once where it is wrong for all of them.
    """
    calls: list[Call] = []
    told: set[str] = set()
    for reach in reaches:
        found = Findings(findings.file)
        call = compile_with(contracts.of(agency, reach), found)
        for finding in found.sorted():
            if len(reaches) > 1 and finding.severity is Severity.ERROR:
                findings.extend([_of_version(finding, agency, reach.version)])
            elif str(finding) not in told:
                told.add(str(finding))
                findings.extend([finding])
        if call is not None:
            calls.append(call)
    if len(calls) < len(reaches):
        return None
    return _joined(agency, reaches, calls, face)


class Versions:
    """The contracts of each version, prepared once however many routes use them."""

    def __init__(self, make: Callable[[Any], Contracts]) -> None:
        self._make = make
        self._made: dict[tuple[AgencyCode, str], Contracts] = {}

    def of(self, agency: AgencyCode, reach: Reach) -> Contracts:
        """The contracts in which `agency` is this version."""
        key = (agency, reach.version)
        if key not in self._made:
            self._made[key] = self._make(reach.catalogue)
        return self._made[key]


def _joined(agency: AgencyCode, reaches: tuple[Reach, ...], calls: list[Call], face: str) -> Call:
    shown = next(call for call, reach in zip(calls, reaches, strict=True) if reach.version == face)
    variants = tuple(
        Variant(reach=reach, route=msgspec.structs.replace(call.route, is_variant=True))
        for reach, call in zip(reaches, calls, strict=True)
    )
    terms = [variant.reach.terms() for variant in variants]
    written = msgspec.json.encode([[variant.route.digest for variant in variants], terms])
    route = msgspec.structs.replace(
        shown.route,
        rollout=Rollout(agency=agency, variants=variants),
        digest=hashlib.sha256(written).hexdigest(),
    )
    return msgspec.structs.replace(shown, route=route)


def _of_version(finding: Finding, agency: AgencyCode, version: str) -> Finding:
    return msgspec.structs.replace(finding, message=f"contract {version} of {agency}: {finding.message}")


def takes_rayon(reaches: tuple[Reach, ...]) -> bool:
    """Whether a question may say in `parameters.rayon` that it belongs to a pilot."""
    return any(reach.takes_rayon for reach in reaches)
