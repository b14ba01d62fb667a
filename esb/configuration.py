"""From files to what a worker runs on: routes, callers' keys, guards. Compiled alike at start, reload and lint.

Knows the adapters only by a protocol: `cli.py` hands them in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from esb.model import AgencyCode, RouteId
from esb.pipeline import Configuration
from esb.ports import AgencyCatalogue, AnswerIntake, Courier, LaterOperation
from esb.resilience.guard import Guard, Limits
from esb.routes import compiler
from esb.routes.table import CallRoute, RouteTable
from esb.settings import Settings
from security import identity

GATHER_LANE = "gather"


class Agencies(Protocol):
    """What the adapters give the composition: their operations, their limits, and an end."""

    def load(self, settings: Settings) -> AgencyCatalogue:
        """The installed adapters, compiled. Called again at each reload. Raises ConfigurationError."""
        ...

    def limits(self, catalogue: AgencyCatalogue) -> Mapping[AgencyCode, Limits]:
        """What each agency bears."""
        ...

    async def close(self) -> None:
        """Release connections; idempotent."""
        ...


def compile_configuration(settings: Settings, agencies: Agencies, *, previous: Configuration | None) -> Configuration:
    """Routes, callers' keys and guards from the files of now. Raises ConfigurationError."""
    catalogue = agencies.load(settings)
    table = compiler.load(Path(settings.routes), catalogue)
    return Configuration(
        table=table,
        caller_keys=identity.load(Path(settings.home) / "keys" / "callers"),
        guards=_guards(agencies.limits(catalogue), previous),
        intakes=_intakes(table),
        couriers=_couriers(table),
        generation=catalogue.generation,
    )


def lanes(table: RouteTable) -> dict[str, list[RouteId]]:
    """The routes of each agency; those that gather several have a lane of their own."""
    sorted_out: dict[str, list[RouteId]] = {}
    for route in table.routes.values():
        lane = route.agency if isinstance(route, CallRoute) else GATHER_LANE
        sorted_out.setdefault(lane, []).append(route.id)
    return sorted_out


def _intakes(table: RouteTable) -> dict[str, tuple[AnswerIntake, ...]]:
    """How the agencies that some route asks bring their answers."""
    found: dict[str, tuple[AnswerIntake, ...]] = {}
    for route in _variants(table):
        intake = route.operation.intake if isinstance(route.operation, LaterOperation) else None
        if intake is not None and intake not in found.get(route.agency, ()):
            found[route.agency] = (*found.get(route.agency, ()), intake)
    return found


def _couriers(table: RouteTable) -> tuple[Courier, ...]:
    operations = [route.operation for route in _variants(table)]
    couriers = [one.courier for one in operations if isinstance(one, LaterOperation) and one.courier is not None]
    # One each, however many operations share it.
    return tuple({id(courier): courier for courier in couriers}.values())


def _variants(table: RouteTable) -> Iterator[CallRoute]:
    for route in table.routes.values():
        if isinstance(route, CallRoute):
            yield route
            yield from () if route.rollout is None else (variant.route for variant in route.rollout.variants)


def _guards(limits: Mapping[AgencyCode, Limits], previous: Configuration | None) -> dict[str, Guard]:
    # A guard knows how an agency has been doing: it survives a reload unless its own limits changed.
    known = {} if previous is None else previous.guards
    return {
        agency: known[agency] if agency in known and known[agency].limits == limit else Guard(agency, limit)
        for agency, limit in limits.items()
    }
