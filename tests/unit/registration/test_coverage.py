"""What golden cases leave out is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters import manifest as manifests
from adapters.registration import bundle as bundles
from adapters.registration.coverage import uncovered
from esb.model import Severity
from tests.support.agencies import ROOT

DEPLOYED = ROOT / "routes.yaml"


@pytest.mark.parametrize(
    ("cases", "routes", "told"),
    [
        (None, None, []),
        (
            "cases: []\n",
            "routes:\n  a.b: {adapter: din-reg, operation: GetPersonByPin}\n  c.d: {adapter: mkr, operation: X}\n",
            ["no golden case asks GetAddress, GetPersonByPin", "no golden case is about the routes a.b"],
        ),
        (
            "cases:\n- {name: one, route: a.b}\n",
            "routes:\n  a.b: {adapter: din-reg, operation: GetPersonByPin}\n",
            ["no golden case asks GetAddress"],
        ),
        (
            "cases:\n- {name: one, route: person.identity}\n",
            "",
            ["no golden case asks GetAddress", "no golden case is about the routes person.address"],
        ),
        (
            "cases:\n- {name: one, route: no.such}\n",
            "",
            [
                "no golden case asks GetAddress, GetPersonByPin",
                "no golden case is about the routes person.identity, person.address",
            ],
        ),
    ],
)
def test_operations_and_routes_without_a_golden_case_are_warned_of(
    cases: str | None, routes: str | None, told: list[str]
) -> None:
    folder = ROOT / "adapters" / "agencies" / "din-reg"
    bundle = bundles.from_folder(folder, contract=ROOT / "schemas" / "agencies" / "din-reg" / "v1")
    files = {"cases.yaml": cases, "routes.yaml": routes}
    kept = {name: content for name, content in bundle.files.items() if name != "cases.yaml"}
    given = {name: text.encode() for name, text in files.items() if text}
    manifest, _ = manifests.read(Path(folder / "adapter.yaml"))
    assert manifest is not None
    found = list(uncovered(manifest, bundles.Bundle(files={**kept, **given}, content=b""), DEPLOYED))
    assert [finding.message for finding in found] == told
    assert {finding.severity for finding in found} <= {Severity.WARNING}
