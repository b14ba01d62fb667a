"""The manifests that docs/plain-http.md shows are ones that the bus reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters import manifest

BLOCKS = re.findall(r"```yaml\n(.*?)```", Path("docs/plain-http.md").read_text(encoding="utf-8"), re.DOTALL)
HEAD = """\
agency: heat
title: {az: "İstilik", en: "Heat"}
owner: "İstilik"
contact: {name: "Dəstək", email: d@heat.example}
legal_basis: "Cabinet decision 191/2011"
lifecycle: test
"""
REST = "kind: rest\nauthentication: none\n"
CONTRACT = "contract: {version: v1, file: openapi.yaml}\n"


def test_the_guide_has_its_examples() -> None:
    assert len(BLOCKS) == 4


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_of_the_guide_is_read_without_findings(block: str, tmp_path: Path) -> None:
    text = HEAD + block
    text += "" if "kind:" in text else REST
    text += "" if "contract:" in text else CONTRACT
    path = tmp_path / "heat" / "adapter.yaml"
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    read, findings = manifest.read(path)
    assert [str(finding) for finding in findings] == []
    assert read is not None
