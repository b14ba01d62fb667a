"""The adapters as the bus's composition root takes them: load, limits, close. Made by `cli.py`."""

from __future__ import annotations

from collections.abc import Mapping

from adapters import agency_keys, registry
from adapters.registry import Catalogue
from adapters.transport import Transport
from esb.model import AgencyCode
from esb.ports import AgencyCatalogue
from esb.resilience.guard import Limits
from esb.settings import Settings


class Adapters:
    """Implements `esb.app.Agencies` with one transport for the life of the process."""

    def __init__(self) -> None:
        """Nothing is opened before the first call."""
        self._transport = Transport()

    def load(self, settings: Settings) -> AgencyCatalogue:
        """See `Agencies.load`."""
        return registry.load(settings, agency_keys.load(settings), self._transport)

    def limits(self, catalogue: AgencyCatalogue) -> Mapping[AgencyCode, Limits]:
        """See `Agencies.limits`."""
        if not isinstance(catalogue, Catalogue):
            raise TypeError("not a catalogue that was loaded here")
        return {agency: catalogue.manifest(agency).guard_limits for agency in catalogue.agencies()}

    async def close(self) -> None:
        """See `Agencies.close`."""
        await self._transport.close()
