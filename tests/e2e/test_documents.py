"""Every command of the documents is run as it stands there, in its order, by a reader in a fresh folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.reader import Reader, blocks, clone
from tests.support.agencies import ROOT
from tests.support.bus import free_port
from tests.support.rabbitmq import PASSWORD, SCRIPTS, Rabbit

DOCS = ROOT / "docs"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    address = f"127.0.0.1:{free_port()}"
    opened = Reader(
        folder=clone(tmp_path / "clone"), changes={"127.0.0.1:8080": address}, environment={"ESB_HTTP": address}
    )
    yield opened
    opened.close()


@pytest.mark.rabbitmq
@pytest.mark.timeout(300)
def test_portal_guide(reader: Reader, rabbit: Rabbit) -> None:
    lend_broker(reader, rabbit)
    said = {block.place: reader.run(block) for block in blocks(DOCS / "portal.md")}
    spoken = "".join(said.values())
    assert spoken.count("OK Əliyeva") == 3  # asked and verified: at once, later, over RabbitMQ
    assert '"status":"OK"' in spoken
    assert spoken.lower().count("idempotent-replay: true") == 1


def lend_broker(reader: Reader, rabbit: Rabbit) -> None:
    """Where a guide names a broker on this machine, the test's own one is used, with `rabbitmqctl` for it."""
    reader.changes |= {
        "amqp://esb:secret@127.0.0.1:5672/%2F": rabbit.url,
        "amqp://my-portal:portal-secret@127.0.0.1:5672/%2F": rabbit.node.url(rabbit.vhost, user="my-portal"),
        "portal-secret": PASSWORD,
    }
    script = reader.folder / "bin" / "rabbitmqctl"
    script.parent.mkdir(exist_ok=True)
    exports = "\n".join(f"export {name}='{value}'" for name, value in rabbit.node.environment.items())
    script.write_text(f'#!/bin/sh\n{exports}\nexec {SCRIPTS}/rabbitmqctl --quiet "$@"\n', encoding="utf-8")
    script.chmod(0o755)


def test_generated_documents_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), "documents", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
