"""Where one agency system is reached, and whether it may be called at all."""

from __future__ import annotations

import ssl as tls
from dataclasses import dataclass
from datetime import datetime

from adapters.manifest import Manifest
from adapters.transport import Destination, Transport
from esb.errors import AgencyPaused, AgencyUnreachable
from esb.ports import OutgoingCall, RawAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An agency's address in this environment. `unusable` says what an operator must do before it can be called."""

    manifest: Manifest
    url: str
    transport: Transport
    ssl: tls.SSLContext | None = None
    unusable: str = ""

    def destination(self, operation: str) -> Destination:
        """What the transport needs to know for one operation; made once."""
        limits = self.manifest.limits
        return Destination(
            agency=self.manifest.agency,
            operation=operation,
            connect_timeout_s=limits.connect_timeout_s,
            max_reply_bytes=limits.max_reply_bytes,
            ssl=self.ssl,
        )

    def refuse_when_paused(self, now: datetime) -> None:
        """Raises AgencyPaused for an agency that is suspended, retired or in a maintenance window."""
        manifest = self.manifest
        if not manifest.in_use:
            raise AgencyPaused(f"adapter is {manifest.lifecycle}", agency=manifest.agency, retry_after_s=3600.0)
        if manifest.maintenance and manifest.in_maintenance(now):
            raise AgencyPaused("maintenance window", agency=manifest.agency, retry_after_s=300.0)

    async def send(self, call: OutgoingCall, destination: Destination, *, timeout_s: float) -> RawAnswer:
        """One attempt; see `Transport.send`. Raises AgencyUnreachable, with advice, where it cannot be called."""
        if self.unusable:
            raise AgencyUnreachable(self.unusable, agency=destination.agency, operation=destination.operation)
        return await self.transport.send(call, destination, timeout_s=timeout_s)
