"""What other people's servers publish as their contract becomes an adapter without a word of it being written."""

from __future__ import annotations

from pathlib import Path

import pytest

from esb.settings import Settings
from tests.support.bus import run_esb


@pytest.mark.parametrize(("agency", "cases"), [("vehicles", 4), ("notary", 3), ("customs", 1)])
def test_published_contract_becomes_an_adapter_whose_cases_pass(
    settings: Settings, tmp_path: Path, agency: str, cases: int
) -> None:
    wsdl = Path(settings.schemas) / "agencies" / agency / "v1" / f"{agency}.wsdl"
    folder = str(tmp_path / agency)
    made = run_esb(settings, "adapters", "scaffold", "--wsdl", str(wsdl), "--agency", agency, "--out", folder)
    assert made.returncode == 0, made.stderr
    assert "is no golden case" not in made.stdout
    assert "xsi" not in (tmp_path / agency / "routes.yaml").read_text()
    tested = run_esb(settings, "adapters", "test", folder)
    assert f"{cases} cases, 0 with problems" in tested.stdout
    told = run_esb(settings, "adapters", "lint", folder).stdout.splitlines()
    assert [line for line in told if ": error:" in line and "a placeholder" not in line] == []
