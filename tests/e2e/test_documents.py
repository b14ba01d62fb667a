"""Every command of the documents is run as it stands there, in its order, by a reader in a fresh folder."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from esb import operations
from esb.model import CallerName, MessageId, RouteId
from esb.ports import Channel, ReceivedExchange
from esb.settings import Settings
from tests.e2e.reader import Block, Reader, blocks, clone, program
from tests.support.agencies import NAMES, ROOT
from tests.support.bus import free_port
from tests.support.rabbitmq import PASSWORD, SCRIPTS, Rabbit

DOCS = ROOT / "docs"
LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    address = f"127.0.0.1:{free_port()}"
    opened = Reader(
        folder=clone(tmp_path / "clone"), changes={"127.0.0.1:8080": address}, environment={"ESB_HTTP": address}
    )
    yield opened
    opened.close()


@pytest.mark.rabbitmq
@pytest.mark.timeout(600)
def test_portal_guide(reader: Reader, rabbit: Rabbit) -> None:
    lend_broker(reader, rabbit)
    said = {block.place: reader.run(block) for block in blocks(DOCS / "portal.md")}
    spoken = "".join(said.values())
    assert spoken.count("OK Əliyeva") == 3  # asked and verified: at once, later, over RabbitMQ
    assert '"status":"OK"' in spoken
    assert spoken.lower().count("idempotent-replay: true") == 1


@pytest.mark.timeout(600)
def test_readme(reader: Reader) -> None:
    reader.changes["make test\n"] = ""  # this is it
    spoken = "".join(reader.run(block) for block in blocks(ROOT / "README.md"))
    assert "everything as expected" in spoken
    assert "Əliyeva" in spoken
    assert "signature verified" in spoken
    assert re.search(r"\d+ cases, 0 with problems", spoken)


@pytest.mark.timeout(600)
def test_kept_demo_prints_a_line_to_paste_and_takes_all_it_started_along_when_killed(reader: Reader) -> None:
    said = reader.run(Block(document="README.md", line=0, language="sh", text=".venv/bin/esb demo --keep\n"))
    pasted = re.search(r"^curl .*?\n\n", said, re.DOTALL | re.MULTILINE)
    assert pasted is not None
    reply = json.loads(reader.shell("the line that the demo prints", pasted[0]))
    assert (reply["status"], reply["data"]["surname"]) == ("OK", "Əliyeva")
    controls = re.findall(r"^(\S+) is told how to behave on (http://127\.0\.0\.1:\d+/_control)$", said, re.MULTILINE)
    assert [name for name, _ in controls] == list(NAMES)
    assert '"behaviours"' in reader.shell("the control address that the demo prints", f"curl -s {controls[0][1]}\n")
    told = reader.stop("esb demo --keep", by="kill")
    assert re.search(r"everything as expected in \d+ s; kept for \d+ s, stopped cleanly$", told, re.MULTILINE)
    assert "in 1 hash chain: whole" in told


@pytest.mark.timeout(600)
def test_agency_guide(reader: Reader) -> None:
    """From a WSDL that spyne publishes to a live route, without a restart."""
    for port in ("18120", "18121"):
        free = str(free_port())
        reader.changes |= {f"127.0.0.1:{port}": f"127.0.0.1:{free}", f"--port {port}": f"--port {free}"}
    said = {block.place: reader.run(block) for block in blocks(DOCS / "agency.md")}
    spoken = "".join(said.values())
    assert "routes.yaml: good" in spoken
    assert spoken.count(" cases, 0 with problems") == 3
    assert "vehicles v1: pilot → live" in spoken
    assert "vehicles v2: pilot → live" in spoken
    assert "10-ƏŞ-777" in spoken
    assert "120.50" in spoken
    assert "NOT_FOUND" in spoken
    assert "gümüşü" in spoken


PARKED = ("5f1c0de5-0000-4000-8000-000000000001", "5f1c0de5-0000-4000-8000-000000000002")
"""The messages that the operators' guide works with."""


@pytest.mark.rabbitmq
@pytest.mark.postgres
@pytest.mark.timeout(600)
async def test_operator_guide(reader: Reader, rabbit: Rabbit, postgres_url: str) -> None:
    lend_broker(reader, rabbit)
    reader.changes["postgresql://esb:secret@127.0.0.1:5432/esb"] = postgres_url
    said = []
    for block in blocks(DOCS / "operator.md"):
        said.append(reader.run(block))
        if "demo --keep" in block.text:
            await park(reader.folder / "var" / "demo", PARKED)
    spoken = "".join(said)
    assert "PARKED" in spoken
    assert spoken.count(": whole") >= 3
    assert "PostgreSQL" in spoken
    assert "RabbitMQ answers" in spoken
    assert "worker 1: table" in spoken
    assert "signature verified" in spoken


async def park(home: Path, message_ids: Iterable[str]) -> None:
    """Exchanges that a person has to look at, as the bus of this home would have them."""
    body = b'{"subject":{"scheme":"FIN","value":"7TESTX1"},"purpose":"VEMTAS application"}'
    async with operations.open_journal(Settings(home=str(home))) as journal:
        for message_id in map(MessageId, message_ids):
            exchange = ReceivedExchange(
                caller=CallerName("portal"),
                message_id=message_id,
                route=RouteId("person.identity"),
                body=body,
                body_sha256=hashlib.sha256(body).digest(),
                channel=Channel.HTTP,
                asynchronous=True,
                received_at=datetime.now(UTC),
            )
            await journal.receive(exchange, lease_s=60)
            await journal.park(exchange.caller, message_id, reason="the effect of an earlier call is unknown")


def lend_broker(reader: Reader, rabbit: Rabbit) -> None:
    """Where a guide names a broker on this machine, the test's own one is used, with `rabbitmqctl` for it."""
    reader.changes |= {
        "amqp://esb:secret@127.0.0.1:5672/%2F": rabbit.url,
        "amqp://my-portal:portal-secret@127.0.0.1:5672/%2F": rabbit.node.url(rabbit.vhost, user="my-portal"),
        "portal-secret": PASSWORD,
    }
    exports = "\n".join(f"export {name}='{value}'" for name, value in rabbit.node.environment.items())
    program(reader.folder, "rabbitmqctl", f'{exports}\nexec {SCRIPTS}/rabbitmqctl --quiet "$@"')


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")]), ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        there = page.parent / target if target else page
        assert there.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(there), f"{page.name} links to {target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The names under which headings can be linked to."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


def test_every_guide_is_followed_by_a_test() -> None:
    assert {page.stem for page in DOCS.glob("*.md")} == {
        "agency",
        "operator",
        "plain-http",  # tests/unit/adapters/test_plain_http_guide.py
        "plain-data",  # tests/unit/contracts/test_plain_data_guide.py
        "portal",
        "simulator",  # tests/integration/simulator/test_guide.py
    }


def test_generated_documents_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), "documents", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
