"""Simulated agencies as a process of their own: starts them, says where they are, stops them on a signal.

Called by `esb adapters simulate` and the demo.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from adapters.agency_keys import SIMULATED
from adapters.simulator import assembly, keys, provisions
from adapters.simulator.behaviours import Behaviour
from adapters.simulator.server import Simulator
from esb.errors import SettingInvalid
from esb.settings import Settings

Announce = Callable[[str, str, str], None]
"""Told of an agency, of what of it is ready, and where."""


def announce_to_people(agency: str, what: str, url: str) -> None:
    """A line for each thing that is ready."""
    sys.stdout.write(f"{agency} {what} on {url}\n")
    sys.stdout.flush()


def run(
    agencies: Sequence[str],
    *,
    settings: Settings,
    host: str = "127.0.0.1",
    port: int | None = None,
    behaviours: Iterable[Behaviour] = (),
    control: bool = True,
    announce: Announce = announce_to_people,
) -> None:
    """Serve until SIGINT or SIGTERM; blocking. Keys that are missing are made.

    `port` None: each agency at its own simulated endpoint; 0: any free port; else the first agency's, the next ones
    follow it. `announce` gets `din-reg`, `ready`, `http://…`, and with `control` also `din-reg`, `control`, `http://…`.

    Raises:
        ConfigurationError, KeyUnavailable: as `Simulator.start`; agencies that were started are stopped. And before
            anything is made, in any environment but `simulated`: such a bus must never come to know a simulator.
    """
    _require_simulated(settings, agencies)
    uvloop.run(
        _serve(
            agencies,
            settings=settings,
            host=host,
            port=port,
            behaviours=tuple(behaviours),
            control=control,
            announce=announce,
        )
    )


def _require_simulated(settings: Settings, agencies: Sequence[str]) -> None:
    if settings.environment == SIMULATED:
        return
    raise SettingInvalid(
        f"agencies are simulated in the environment {SIMULATED} only, and this is {settings.environment}: nothing was"
        f" made. Give the simulator a home of its own: ESB_ENVIRONMENT={SIMULATED} ESB_HOME=var/simulated"
        f" esb adapters simulate {' '.join(agencies)}"
    )


async def _serve(
    agencies: Sequence[str],
    *,
    settings: Settings,
    host: str,
    port: int | None,
    behaviours: tuple[Behaviour, ...],
    control: bool,
    announce: Announce,
) -> None:
    stopping = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stopping.set)
    running: list[Simulator] = []
    try:
        for place, agency in enumerate(agencies):
            simulator = await _provisioned(
                agency,
                settings=settings,
                host=host,
                port=_port_of(agency, settings, port, place),
                behaviours=behaviours,
                control=control,
            )
            running.append(simulator)
            announce(agency, "ready", simulator.url)
            if control:
                announce(agency, "control", simulator.control_url)
        await stopping.wait()
    finally:
        for simulator in running:
            await simulator.stop()


async def _provisioned(
    agency: str, *, settings: Settings, host: str, port: int, behaviours: tuple[Behaviour, ...], control: bool
) -> Simulator:
    home = Path(settings.home)
    keys.provision(home, agency, now=datetime.now(UTC), passphrase=settings.key_passphrase)
    provisions.provision(home, assembly.manifest_of(agency, settings), passphrase=settings.key_passphrase)
    return await Simulator.start(
        agency=agency, settings=settings, home=home, host=host, port=port, behaviours=behaviours, control=control
    )


def _port_of(agency: str, settings: Settings, port: int | None, place: int) -> int:
    if port is None:
        return assembly.simulated_port(agency, settings)
    return port + place if port else 0
