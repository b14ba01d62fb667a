"""Killed anywhere between the receipt and the answer: the question is asked once, and its answer is given once."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path

import pytest

from adapters.file_form import Forms, Item
from adapters.filedrop import Outbox, write_whole
from adapters.manifest_interaction import BatchTerms
from esb import operations
from esb.model import CallerName, MessageId
from esb.ports import LateAnswer, ProvenAnswer, Reception, State, StoredExchange
from tests.support import later_agencies
from tests.support.bus import LiveBus, free_port, run_esb
from tests.support.later_agencies import FINS, LaterAgencies, ended, facts_of
from tests.support.postgres import PostgresNode

pytestmark = [pytest.mark.timeout(300)]

STORES = ["sqlite", "postgres"]
ROUNDS = 4
ROUTES = ("payout.poll", "payout.push", "payout.rest", "payout.file", "payout.batch")
CHANCE = random.Random()  # noqa: S311 - another moment for each kill in each run


@pytest.fixture(params=STORES)
def database_url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return ""
    node: PostgresNode = request.getfixturevalue("postgres_node")
    return node.fresh_database()


class Place:
    """Agencies and, whenever it is started, their bus."""

    def __init__(self, home: Path, database_url: str, *, after_ms: int) -> None:
        self.later: LaterAgencies = later_agencies.make(
            home, http=f"127.0.0.1:{free_port()}", after_ms=after_ms, database_url=database_url, lease_margin_s=2.0
        )
        self._bus: LiveBus | None = None

    def serve(self, *, workers: int = 1) -> LiveBus:
        self._bus = later_agencies.start_bus(self.later, workers=workers)
        return self._bus

    def close(self) -> None:
        if self._bus is not None and self._bus.process.poll() is None:
            self._bus.stop()
        self.later.stop()


@pytest.fixture
def place(tmp_path: Path, database_url: str, request: pytest.FixtureRequest) -> Iterator[Place]:
    made = Place(tmp_path, database_url, after_ms=getattr(request, "param", 1500))
    yield made
    made.close()


async def stored(bus: LiveBus, message_id: str) -> StoredExchange:
    async with operations.open_journal(bus.settings) as journal:
        found = await journal.find(CallerName("portal"), MessageId(message_id))
    assert found is not None
    return found


def asked(bus: LiveBus, route: str, fin: str) -> str:
    """The id of a question that was accepted. Whoever lost the connection to a dying worker asks again by that id."""
    message_id = str(uuid.uuid4())
    for tries_left in range(20, -1, -1):
        try:
            assert bus.ask(route, fin, headers={"Message-Id": message_id}).status in {200, 202}
            break
        except (OSError, HTTPException):
            if not tries_left:
                raise
            time.sleep(0.2)
    return message_id


@pytest.mark.parametrize("route", ["payout.poll", "payout.push"])
async def test_worker_killed_between_receipt_and_answer_asks_no_second_time(place: Place, route: str) -> None:
    bus = place.serve()
    message_id = asked(bus, route, "7TESTAA")
    assert (await stored(bus, message_id)).state is State.AWAITING
    bus.kill()
    await asyncio.sleep(2)

    bus = place.serve()
    assert ended(bus, message_id)["data"] == {"decision": "GRANTED-AA"}
    agency = route.replace("payout.", "pay-")
    assert (await place.later.agencies.calls(agency))["SubmitPayout"] == {"7TESTAA": 1}
    kinds = [fact["kind"] for fact in facts_of(bus, message_id)]
    assert (kinds[:3], kinds.count("COMPLETED")) == (["RECEIVED", "CALLING", "AWAITING"], 1)


@pytest.mark.parametrize("place", [600_000], indirect=True)
async def test_answer_that_was_acknowledged_before_the_bus_died_is_given_after_it(place: Place) -> None:
    bus = place.serve()
    message_id = asked(bus, "payout.push", "7TESTAB")
    bus.kill()
    async with operations.open_journal(bus.settings) as journal:
        waiter = await journal.find(CallerName("portal"), MessageId(message_id))
        assert waiter is not None
        assert waiter.waiting is not None
        content = (
            b'<p:GetPayoutResponse xmlns:p="urn:test:payouts:v1"><p:Status>DONE</p:Status>'
            b"<p:Decision>GRANTED</p:Decision></p:GetPayoutResponse>"
        )
        answer = LateAnswer(
            agency="pay-push",
            key=waiter.waiting.key,
            raw=b"<signed/>",
            proven=ProvenAnswer(http_status=200, content=content, signed_at=None),
            received_at=datetime.now(UTC),
        )
        assert await journal.bring(waiter, answer) is Reception.TAKEN

    bus = place.serve()
    assert ended(bus, message_id)["data"] == {"decision": "GRANTED"}


@pytest.mark.parametrize("place", [600_000], indirect=True)
async def test_wait_that_ended_while_the_bus_was_down_ends_when_it_is_back(place: Place) -> None:
    manifest = Path(place.later.settings.adapters) / "pay-poll" / "adapter.yaml"
    manifest.write_text(manifest.read_text("utf-8").replace("for_s: 300", "for_s: 1.5"), "utf-8")
    bus = place.serve()
    message_id = asked(bus, "payout.poll", "7TESTAC")
    bus.kill()
    await asyncio.sleep(2)

    bus = place.serve()
    assert ended(bus, message_id)["faults"][0]["code"] == "agency.overdue"
    assert (await place.later.agencies.calls("pay-poll"))["SubmitPayout"] == {"7TESTAC": 1}


@pytest.mark.parametrize("place", [300], indirect=True)
async def test_bus_killed_again_and_again_gives_every_answer_once(place: Place) -> None:
    accepted: dict[str, tuple[str, str]] = {}
    fins = iter(FINS)
    bus = place.serve(workers=2)
    for _ in range(ROUNDS):
        for route in ROUTES:
            fin = next(fins)
            accepted[asked(bus, route, fin)] = (route, fin)
        await asyncio.sleep(CHANCE.uniform(0.0, 1.2))
        if CHANCE.random() < 0.5:
            bus.kill()
            bus = place.serve(workers=2)
        else:
            _kill_one_worker(bus)

    for message_id, (route, fin) in accepted.items():
        reply = ended(bus, message_id, within_s=100)
        assert (reply["status"], reply["data"]) == ("OK", {"decision": f"GRANTED-{fin[-2:]}"}), (route, reply)
    for agency, operation in (("pay-poll", "SubmitPayout"), ("pay-push", "SubmitPayout")):
        assert set((await place.later.agencies.calls(agency))[operation].values()) == {1}, agency
    for message_id in accepted:
        kinds = Counter(fact["kind"] for fact in facts_of(bus, message_id))
        assert (kinds["COMPLETED"], kinds["AWAITING"]) == (1, 1)
    assert bus.stop() == 0
    assert run_esb(bus.settings, "journal", "verify").returncode == 0


def _kill_one_worker(bus: LiveBus) -> None:
    children = Path(f"/proc/{bus.process.pid}/task/{bus.process.pid}/children").read_text().split()
    os.kill(int(CHANCE.choice(children)), signal.SIGKILL)
    give_up_s = time.monotonic() + 30
    while time.monotonic() < give_up_s:
        try:
            if bus.send("GET", "/livez", caller=None).status == 200:
                return
        except OSError:
            time.sleep(0.05)


# --- files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [600_000], indirect=True)
async def test_file_that_was_taken_and_not_read_before_the_bus_died_is_read_after_it(place: Place) -> None:
    bus = place.serve()
    message_id = asked(bus, "payout.file", "7TESTAD")
    home = Path(place.later.settings.home) / "exchange" / "pay-file"
    reply = home / "in" / f"DecidePayout.{message_id}.xml"
    give_up_s = time.monotonic() + 20
    while not reply.exists() and (await stored(bus, message_id)).state is State.AWAITING:
        assert time.monotonic() < give_up_s
        await asyncio.sleep(0.02)
    bus.kill()
    taken = home / "in" / ".esb" / "taken"
    taken.mkdir(parents=True, exist_ok=True)
    if reply.exists():
        reply.rename(taken / reply.name)

    bus = place.serve()
    assert ended(bus, message_id)["data"] == {"decision": "GRANTED-AD"}
    assert list(taken.iterdir()) == []


@pytest.mark.parametrize("stage", ["staged", "gathered", "written", "sealed", "signature out", "file out"])
def test_bundle_that_was_left_at_any_stage_goes_out_once(tmp_path: Path, stage: str) -> None:
    outbox = Outbox(
        agency="pay-batch",
        folder=tmp_path,
        forms=Forms(is_xml=True),
        batch=BatchTerms(most=10, every_s=0.0),
    )
    items = [Item(id=f"m-{number}", content=b"<a></a>", operation="Decide") for number in range(3)]
    for item in items:
        outbox.lay_down(item)
    own = tmp_path / ".esb"
    bundle = own / "batches" / "pay-batch.20260302T080000Z-00000000.xml"
    content = outbox.forms.write(items)
    if stage != "staged":
        bundle.mkdir(parents=True)
        for path in (own / "staged").iterdir():
            path.rename(bundle / path.name)
    if stage not in {"staged", "gathered"}:
        write_whole(bundle / ".file", content, beside=own)
    if stage in {"sealed", "signature out", "file out"}:
        write_whole(bundle / ".signature", b"x..y", beside=own)
        write_whole(bundle / ".sealed", b"", beside=own)
    if stage in {"signature out", "file out"}:
        (bundle / ".signature").rename(tmp_path / f"{bundle.name}.jws")
    if stage == "file out":
        # The agency has taken it already.
        (bundle / ".file").unlink()

    for _ in range(2):
        outbox.bundle()
    out = [path for path in tmp_path.iterdir() if path.suffix == ".xml"]
    assert len(out) == (0 if stage == "file out" else 1)
    for path in out:
        assert path.read_bytes() == content
    assert list((own / "batches").iterdir()) == []
