"""The golden cases of adapters, each run over the routes that it speaks of: the deployment's, or those proposed.

Called by `esb adapters test` and `esb routes test`. Without network and keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from adapters import cases
from adapters.cases import CaseResult
from adapters.placing import Placed, is_checked_in, placed
from adapters.registration import bundle as bundles
from esb.errors import ConfigurationError
from esb.model import RouteId
from esb.routes.table import RouteTable
from esb.settings import Settings

Deployed = Callable[[], RouteTable]
"""Compiles the deployment's routes; only called where a case needs them."""


def results(names: Sequence[str], *, deployed: Deployed, settings: Settings) -> Iterator[CaseResult]:
    """Every case of these adapters, by agency or by folder.

    Raises:
        ConfigurationError: an adapter, its cases or its routes cannot be used.
    """
    for name in names:
        if is_checked_in(settings, name) and not (Path(settings.adapters) / name / bundles.ROUTES).is_file():
            yield from cases.run([name], table=deployed(), settings=settings)
            continue
        with placed(settings, name) as there:
            yield from cases.run([there.agency], table=table_of(there, deployed), settings=there.settings)


def table_of(there: Placed, deployed: Deployed) -> RouteTable:
    """The routes over which an adapter's cases run. Raises ConfigurationError."""
    table = deployed_or_proposed(there, deployed)
    if table is None:
        raise ConfigurationError(f"{there.folder} proposes no routes: write {bundles.ROUTES} beside {cases.FILE_NAME}")
    return table


def deployed_or_proposed(there: Placed, deployed: Deployed) -> RouteTable | None:
    """The deployment's routes where it has all that the cases speak of, else those that the folder proposes.

    None for a folder that lies elsewhere and proposes none: the deployment knows another adapter of the agency.
    """
    path = there.folder / cases.FILE_NAME
    wanted = {RouteId(case.route) for case in cases.load(path)} if path.is_file() else set()
    table = deployed() if there.temporary is None else None
    if table is not None and wanted <= table.routes.keys():
        return table
    return there.proposed() or table
