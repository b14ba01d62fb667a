"""Installations of one agency whose manifest asks for more than a signature, with the simulated agency beside it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from adapters import agency_keys, registry
from adapters.registry import Catalogue
from adapters.simulator import Simulator, assembly, keys, provisions
from adapters.transport import Transport
from esb.contracts import catalogue
from esb.model import AgencyCode
from esb.ports import AgencyAnswer, Claim
from esb.settings import Settings
from security import hybrid
from tests.support.agencies import ROOT, make_bus_key

TAX = """\
openapi: 3.1.0
info: {title: Taxes, version: "1"}
paths:
  /TaxPayer:
    post:
      operationId: WS_AKB_GET_TAX_PAYER_INFO
      requestBody:
        required: true
        content:
          application/json:
            schema:
              type: object
              additionalProperties: false
              required: [voen]
              properties: {voen: {type: string, pattern: "^[0-9]{10}$"}}
      responses:
        "200":
          description: the tax payer
          content:
            application/json:
              schema:
                type: object
                required: [voen, name, debt]
                properties: {voen: {type: string}, name: {type: string}, debt: {type: number}}
        "404":
          description: nobody
          content: {application/json: {schema: {type: object}}}
        default: {description: problem}
"""

TAX_RECORDS = """\
agency: tax
tables:
  payers:
    "1234567890": {name: "Əliyeva Ülviyyə", debt: 10.10}
operations:
  WS_AKB_GET_TAX_PAYER_INFO:
    key: body.voen
    table: payers
    found: {voen: $key, name: $record.name, debt: $record.debt}
    missing: {http_status: 404, document: {title: no such payer}}
    special:
      "0000000000": {http_status: 422, raw: '{"code": "BUSINESS_CLOSED", "detail": "Bağlıdır"}'}
"""

TAX_MANIFEST = """\
agency: tax
title: {az: "Vergi", en: "Taxes"}
owner: Vergi
contact: {name: Dəstək, email: destek@tax.example}
legal_basis: Cabinet decision 191/2011
kind: rest
contract: {version: v1, file: openapi.yaml}
faults: {rejected: ["BUSINESS_*"]}
not_found: {http_status: [404]}
lifecycle: live
endpoint: {simulated: "http://127.0.0.1:9"}
"""

TAX_BRIDGE = """\
authentication: bridge
bridge:
  identity: 7d0c3c52-3f0e-4a86-9a55-0d4f6f1f2a10
  client_id: b7f5a2de-41c5-4f0f-8d8e-0b1f2c6f4e77
  token_secret: bridge-token
  public_key: bridge.pem
"""


@dataclass(frozen=True, kw_only=True)
class Installation:
    """One agency's files, the simulated agency and the bus's adapters over them."""

    agency: str
    settings: Settings
    simulator: Simulator
    catalogue: Catalogue

    async def ask(
        self, operation: str, values: dict[str, Any], *, timeout_s: float = 5.0, claims: list[Claim] | None = None
    ) -> AgencyAnswer:
        """The pipeline's order: encode, sign, send, verify, decode."""
        compiled = self.catalogue.operation(AgencyCode(self.agency), operation)
        now = datetime.now(UTC)
        call = compiled.sign(compiled.encode(values), message_id="m-1", traceparent=None, now=now)
        raw = await compiled.send(call, timeout_s=timeout_s)
        proven = compiled.verify(raw, call, now=datetime.now(UTC))
        if claims is not None:
            claims += proven.claims
        return compiled.decode(proven)


def students(folder: Path, more: str) -> str:
    """The installed REST agency with `more` in its manifest; answers its name."""
    agency = "tn-tm"
    shutil.copytree(ROOT / "adapters" / "agencies" / agency, folder / "agencies" / agency)
    shutil.copytree(ROOT / "schemas" / "agencies" / agency, folder / "schemas" / "agencies" / agency)
    manifest = folder / "agencies" / agency / "adapter.yaml"
    manifest.write_text(manifest.read_text(encoding="utf-8") + more, encoding="utf-8")
    return agency


def taxes(folder: Path, more: str = TAX_BRIDGE) -> str:
    """An agency behind the bridge; answers its name."""
    agency = "tax"
    files = {
        f"agencies/{agency}/adapter.yaml": TAX_MANIFEST + more,
        f"agencies/{agency}/simulator.yaml": TAX_RECORDS,
        f"schemas/agencies/{agency}/v1/openapi.yaml": TAX,
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return agency


def settings_of(folder: Path) -> Settings:
    """Settings of a bus over the folder."""
    return Settings(home=str(folder / "var"), adapters=str(folder / "agencies"), schemas=str(folder / "schemas"))


@asynccontextmanager
async def running(folder: Path, agency: str) -> AsyncIterator[Installation]:
    """The agency, provisioned and simulated, and the bus's adapters that find it."""
    catalogue.write(folder / "schemas")
    settings, home = settings_of(folder), folder / "var"
    make_bus_key(home)
    keys.provision(home, agency, now=datetime.now(UTC))
    manifest = assembly.manifest_of(agency, settings)
    if manifest.bridge is not None:
        _lay_keys(home, agency)
    provisions.provision(home, manifest)
    simulator = await Simulator.start(agency=agency, settings=settings, home=home)
    settings = msgspec.structs.replace(settings, endpoints={agency: simulator.url})
    async with Transport() as transport:
        loaded = registry.load(settings, agency_keys.load(settings), transport)
        assert loaded.findings == ()
        try:
            yield Installation(agency=agency, settings=settings, simulator=simulator, catalogue=loaded)
        finally:
            await simulator.stop()


def _lay_keys(home: Path, agency: str) -> None:
    """Keys that provisioning would make anew for each test, which takes a second each."""
    for name in (f"simulator/{agency}/bridge.key.pem", "keys/bridge/bus.key.pem"):
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(_private_pem(path.name))


@cache
def _private_pem(name: str) -> bytes:
    return hybrid.private_pem(hybrid.generate(), passphrase="")
