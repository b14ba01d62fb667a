"""Agencies over plain HTTP that are written down in a test: folder, pinned contract, simulator, and the bus's half."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adapters import agency_keys, registry
from adapters.simulator import Simulator, provision
from adapters.simulator.behaviours import parse
from adapters.transport import Transport
from esb.contracts import catalogue
from esb.model import AgencyCode
from esb.ports import AgencyAnswer, AgencyOperation
from esb.settings import Settings
from tests.support.agencies import make_bus_key

MANIFEST = """\
agency: heat
title: {{az: "İstilik", en: "Heat"}}
owner: "İstilik"
contact: {{name: "Dəstək", email: d@heat.example}}
legal_basis: "Cabinet decision 191/2011"
kind: {kind}
contract:
  version: v1
  file: {file}
{contract}
authentication: {authentication}
lifecycle: live
{more}
"""


@dataclass(frozen=True, kw_only=True)
class PlainAgency:
    """The one agency, simulated and running, and the bus's operations of it."""

    simulator: Simulator
    adapters: registry.Catalogue

    def operation(self, name: str) -> AgencyOperation:
        """The compiled operation."""
        return self.adapters.operation(AgencyCode("heat"), name)

    async def ask(self, name: str, values: Mapping[str, Any]) -> AgencyAnswer:
        """One whole call, as the pipeline makes it."""
        operation = self.operation(name)
        call = operation.sign(operation.encode(values), message_id="m", traceparent=None, now=datetime.now(UTC))
        raw = await operation.send(call, timeout_s=10)
        return operation.decode(operation.verify(raw, call, now=datetime.now(UTC)))

    async def behave(self, *behaviours: str) -> None:
        """Make it misbehave."""
        await self.simulator.behave([parse(text) for text in behaviours])


def write_agency(
    folder: Path,
    files: Mapping[str, str],
    *,
    kind: str,
    file: str,
    contract: str = "",
    authentication: str = "none",
    more: str = "",
    simulator: str = "",
) -> Settings:
    """The folder of an agency `heat` with its contract pinned; settings of a bus that knows no other."""
    home = folder / "adapters" / "heat"
    home.mkdir(parents=True)
    manifest = MANIFEST.format(kind=kind, file=file, contract=contract, authentication=authentication, more=more)
    (home / "adapter.yaml").write_text(manifest, encoding="utf-8")
    (home / "simulator.yaml").write_text(f"agency: heat\n{simulator}", encoding="utf-8")
    for name, text in files.items():
        path = folder / "schemas" / "agencies" / "heat" / "v1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    catalogue.write(folder / "schemas")
    return Settings(
        home=str(folder / "home"),
        adapters=str(folder / "adapters"),
        schemas=str(folder / "schemas"),
        routes=str(folder / "routes.yaml"),
    )


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[PlainAgency]:
    """The agency of `write_agency`, with keys of both sides."""
    home = Path(settings.home)
    make_bus_key(home)
    provision(home, "heat", now=datetime.now(UTC))
    simulator = await Simulator.start(agency="heat", settings=settings, home=home, control=False)
    try:
        settings = Settings(
            home=settings.home,
            adapters=settings.adapters,
            schemas=settings.schemas,
            routes=settings.routes,
            endpoints={"heat": f"{simulator.url}/api"},
        )
        async with Transport() as transport:
            yield PlainAgency(
                simulator=simulator, adapters=registry.load(settings, agency_keys.load(settings), transport)
            )
    finally:
        await simulator.stop()
