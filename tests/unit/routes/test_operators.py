"""The section `operators` is read on its own, so that a broken route keeps nobody from suspending an agency."""

from __future__ import annotations

from pathlib import Path

import pytest

from esb.errors import RoutesInvalid
from esb.routes import compiler, formatter, operators
from tests.support.deployment import CATALOGUE, DEPLOYMENT, write

SECTION = "operators:\n  aysel: {may: [submit, check]}\n  rashad: {may: [promote, suspend, retire, set]}\n"


def test_each_operator_may_what_is_written_and_nothing_else(tmp_path: Path) -> None:
    found = operators.load(write(tmp_path, SECTION + DEPLOYMENT))
    assert found == {
        "aysel": frozenset({"submit", "check"}),
        "rashad": frozenset({"promote", "suspend", "retire", "set"}),
    }


def test_a_file_without_the_section_permits_nobody(tmp_path: Path) -> None:
    assert operators.load(write(tmp_path)) is None


def test_a_broken_route_does_not_matter(tmp_path: Path) -> None:
    broken = SECTION + DEPLOYMENT.replace("operation: GetPersonByPin", "operatoin: GetPersonByPin")
    assert operators.load(write(tmp_path, broken))


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("operators:\n  aysel: {may: [submitt]}\n", "2: error: operators.aysel.may[0]: 'submitt' is not one of"),
        ("operators:\n  aysel: {may: []}\n", "2: error: operators.aysel.may is empty"),
        ("operators:\n  aysel: {}\n", "2: error: operators.aysel has no 'may'"),
        ("operators:\n  aysel: {mai: [set]}\n", "did you mean 'may'"),
        ('operators:\n  "a b": {may: [set]}\n', "does not have the form"),
        ("operators: []\n", "operators must be a mapping"),
    ],
)
def test_what_is_wrong_with_it_is_told_with_its_line_by_both_readers(tmp_path: Path, section: str, told: str) -> None:
    path = write(tmp_path, section + DEPLOYMENT)
    with pytest.raises(RoutesInvalid) as caught:
        operators.load(path)
    assert told in str(caught.value)
    assert any(told in str(finding) for finding in compiler.check(path, CATALOGUE))


def test_a_file_that_cannot_be_read_permits_nobody(tmp_path: Path) -> None:
    with pytest.raises(RoutesInvalid):
        operators.load(tmp_path / "nowhere.yaml")


def test_the_canonical_form_keeps_the_section(tmp_path: Path) -> None:
    formatted = formatter.format_text(SECTION + DEPLOYMENT)
    assert formatter.format_text(formatted) == formatted
    assert operators.load(write(tmp_path, formatted)) == operators.load(write(tmp_path, SECTION + DEPLOYMENT))
    assert "operators:\n  aysel:\n    may: [submit, check]\n" in formatted
