"""From a portal's question to the exact bytes of the document that the agency signed, through a running bus."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from lxml import etree

from adapters import agency_keys
from esb import operations
from esb.settings import Settings
from security.enveloped import EnvelopedVerifier
from tests.integration.adapters.test_shep import INNER, settings_of
from tests.support import bus as buses
from tests.support.bus import LiveBus
from tests.support.soap_dialects import HEAT, Asking, running

ROUTES = """\
callers:
  portal:
    title: {az: "Portal", en: "Portal"}
    contact: duty@portal.example

grants:
  - {caller: portal, routes: [debt.heat]}

routes:
  debt.heat:
    title: {az: "İstilik borcu", en: "Debt for heat"}
    audience: [citizen]
    legal_basis: "Cabinet decision 191/2011"
    adapter: heat
    operation: GetDebt
    request:
      Pin: subject.value
    reply:
      debt: Debt
    timeout_s: 5
    idempotent: true
"""
X_ROAD = "x_road: {client: AZ/GOV/1000001/esb, service: AZ/GOV/1000002/heat}\n"


def bus_beside(settings: Settings, asking: Asking) -> LiveBus:
    """A bus that knows the running agency."""
    Path(settings.routes).write_text(ROUTES, encoding="utf-8")
    operations.new_caller_key(settings, "portal", now=datetime.now(UTC))
    http = f"127.0.0.1:{buses.free_port()}"
    return buses.start(msgspec.structs.replace(settings, http=http, endpoints={"heat": f"{asking.simulator.url}/soap"}))


async def test_document_that_the_agency_signed_is_kept_and_handed_to_the_operator(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, INNER + X_ROAD)
    out = tmp_path / "out"
    async with running(settings) as asking:
        bus = await asyncio.to_thread(bus_beside, settings, asking)
        try:
            got = await asyncio.to_thread(bus.ask, "debt.heat", issue="VEM-1")
            assert got.reply["data"] == {"debt": "12.50"}, got.body
            message_id = got.reply["message_id"]
            shown = await asyncio.to_thread(bus.esb, "messages", "show", message_id, "--json")
            (told,) = json.loads(shown.stdout)["evidence"]
            assert told.startswith("response/responseData/data/*, sha256 ")
            arguments = ("messages", "evidence", message_id, "--out", str(out), "--reason", "court order", "--json")
            wrote = await asyncio.to_thread(bus.esb, *arguments)
            assert wrote.returncode == 0, wrote.stderr
            again = await asyncio.to_thread(bus.esb, *arguments)
            assert again.returncode == 1
            assert "File exists" in again.stderr
            traced = await asyncio.to_thread(bus.esb, "messages", "trace", message_id, "--json")
            verified = await asyncio.to_thread(bus.esb, "journal", "verify")
        finally:
            bus.stop()
    (row,) = json.loads(wrote.stdout)
    document = Path(row["file"]).read_bytes()
    proven = EnvelopedVerifier(agency_keys.load(settings).anchors_of(HEAT)).verify(document, now=datetime.now(UTC))
    assert etree.fromstring(proven.content).findtext("{*}Debt") == "12.50"
    assert Path(row["file"]).stat().st_mode & 0o077 == 0
    kinds = [record["kind"] for record in json.loads(traced.stdout)]
    assert kinds == ["RECEIVED", "EVIDENCE", "COMPLETED", "DISCLOSED", "DISCLOSED"]
    assert verified.returncode == 0, verified.stdout
