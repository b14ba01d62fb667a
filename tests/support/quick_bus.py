"""A bus whose routes give up soon and whose breakers never open, so that many failures of agencies fit into one run.

`quick_bus` is shared by the tests of a folder. Its deployment has what the product's own has not: a route that must
not be repeated, an asynchronous one, one with a small limit, and a gather that needs every answer.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from esb.settings import Settings
from tests.support.agencies import ROOT, Agencies
from tests.support.bus import LiveBus, settings_for, start

_MORE_GRANTS = """
  - {caller: portal, routes: [record.once, record.later, record.small, person.complete]}
"""
_CALL = """
  {name}:
    title: {{az: Sınaq, en: Test}}
    audience: [citizen]
    legal_basis: test
    adapter: din-reg
    operation: GetAddress
    request: {{Pin: subject.value}}
    reply: {{rayon: RegisteredAddress.Rayon}}
    not_found: "ResultCode == '404'"
    timeout_s: 0.5
    deadline_s: 1.5
    {terms}
"""
_GATHER = """
  person.complete:
    title: {az: Sınaq, en: Test}
    audience: [citizen]
    legal_basis: test
    gather: {identity: person.identity, credits: credit.obligations}
    require: all
    deadline_s: 1.5
"""
_MORE_ROUTES = _GATHER + "".join(
    _CALL.format(name=name, terms=terms)
    for name, terms in (
        ("record.once", "idempotent: false"),
        ("record.later", "idempotent: true\n    asynchronous: true"),
        ("record.small", "idempotent: true\n    max_body_bytes: 1024"),
    )
)


def quick_settings(agencies: Agencies, home: Path, **others: object) -> Settings:
    """Settings of a bus with the deployment described above."""
    adapters = home / "adapters"
    shutil.copytree(ROOT / "adapters" / "agencies", adapters, dirs_exist_ok=True)
    for manifest in adapters.glob("*/adapter.yaml"):
        text = manifest.read_text(encoding="utf-8").replace("failures: 5", "failures: 1000")
        manifest.write_text(text, encoding="utf-8")
    settings = settings_for(agencies, home, adapters=str(adapters), **others)
    routes = Path(settings.routes)
    text = routes.read_text(encoding="utf-8")
    for slow, quick in (
        ("timeout_s: 5", "timeout_s: 0.5"),
        ("timeout_s: 8", "timeout_s: 0.5"),
        ("deadline_s: 12", "deadline_s: 1.5"),
        ("deadline_s: 20", "deadline_s: 1.5"),
        ("deadline_s: 10", "deadline_s: 1.5"),
        ("first_delay_s: 0.2", "first_delay_s: 0.01"),
        ("first_delay_s: 0.5", "first_delay_s: 0.01"),
    ):
        text = text.replace(slow, quick)
    grants, routes_key, rest = text.partition("\nroutes:\n")
    routes.write_text(grants.rstrip() + _MORE_GRANTS + routes_key + rest.rstrip() + "\n" + _MORE_ROUTES, "utf-8")
    return settings


@pytest.fixture(scope="session")
def running_quick_bus(running_agencies: Agencies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBus]:
    bus = start(quick_settings(running_agencies, tmp_path_factory.mktemp("quick")))
    yield bus
    bus.stop()


@pytest.fixture
def quick_bus(running_quick_bus: LiveBus, agencies: Agencies) -> LiveBus:
    return running_quick_bus
