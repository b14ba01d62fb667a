"""From a contract to an adapter that lints, tests and runs, by the command line alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from esb.contracts import catalogue
from tests.integration.tools.conftest import Workshop

KINDS = ("soap", "rest", "xml")


@pytest.mark.parametrize("kind", KINDS)
def test_scaffold_of_every_kind_passes_its_own_golden_cases(workshop: Workshop, kind: str) -> None:
    made = workshop.scaffold(*workshop.source(kind))
    assert made.returncode == 0, made.stderr
    tested = workshop.esb("adapters", "test", workshop.out, "--json")
    assert tested.returncode == 0, tested.stdout
    cases = json.loads(tested.stdout)
    assert {case["problems"] == [] for case in cases} == {True}
    assert {path.name for path in workshop.out.iterdir()} == {
        "adapter.yaml", "cases.yaml", "contract", "routes.yaml", "samples", "simulator.yaml",
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_lint_of_a_fresh_scaffold_asks_for_what_only_the_agency_knows_and_nothing_else(
    workshop: Workshop, kind: str
) -> None:
    workshop.scaffold(*workshop.source(kind))
    linted = workshop.esb("adapters", "lint", workshop.out, "--json")
    assert linted.returncode == 1
    errors = [finding for finding in json.loads(linted.stdout) if finding["severity"] == "error"]
    assert errors
    assert all("placeholder" in finding["message"] and finding["line"] for finding in errors)
    workshop.fill_in()
    assert workshop.esb("adapters", "lint", workshop.out).returncode == 0


def test_scaffold_maps_the_fin_from_the_subject_and_marks_what_it_guessed(workshop: Workshop) -> None:
    workshop.scaffold(*workshop.source("soap"))
    routes = (workshop.out / "routes.yaml").read_text(encoding="utf-8")
    assert "Pin: subject.value" in routes
    assert "registered address of a person by FIN" in routes
    assert "# check: not_found:" in routes
    assert "surname: Surname" in routes


def test_scaffold_of_an_xsd_names_its_guess_about_the_call(workshop: Workshop) -> None:
    made = workshop.scaffold(*workshop.source("xml"))
    assert "POST" in made.stdout
    assert "subject_schemes: [VOEN]" in (workshop.out / "routes.yaml").read_text(encoding="utf-8")


def test_scaffold_without_out_goes_where_the_bus_looks_and_is_pinned(workshop: Workshop) -> None:
    made = workshop.esb("adapters", "scaffold", "--agency", "heat", *workshop.source("soap"), "--json")
    assert made.returncode == 0, made.stderr
    told = json.loads(made.stdout)
    assert Path(told["folder"]) == Path(workshop.settings.adapters) / "heat"
    catalogue.verify(Path(workshop.settings.schemas))
    assert workshop.esb("adapters", "test", "heat").returncode == 0
    assert workshop.esb("routes", "lint").returncode == 0
    assert '"heat"' in workshop.esb("adapters", "list", "--json").stdout


def test_occupied_folder_is_left_alone_until_force_replaces_it(workshop: Workshop) -> None:
    workshop.scaffold(*workshop.source("soap"))
    mine = workshop.out / "mine.txt"
    mine.write_text("kept")
    again = workshop.scaffold(*workshop.source("rest"))
    assert again.returncode == 1
    assert "--force" in again.stderr
    assert mine.read_text() == "kept"
    assert workshop.scaffold(*workshop.source("rest"), "--force").returncode == 0
    assert not mine.exists()
    assert [path.name for path in workshop.out.parent.iterdir()] == ["heat"]


@pytest.mark.parametrize("name", ["PersonTypes.xsd", "renamed-by-somebody.xsd"])
def test_missing_import_is_taken_from_the_catalogue_by_name_or_namespace(workshop: Workshop, name: str) -> None:
    elsewhere = workshop.folder.parent / "catalogue" / "deep"
    elsewhere.mkdir(parents=True)
    (workshop.folder / "PopulationRegister.xsd").rename(elsewhere / "Register.xsd")
    (workshop.folder / "PersonTypes.xsd").rename(elsewhere / "PersonTypes.xsd")
    source = workshop.source("soap")
    assert workshop.scaffold(*source).returncode == 1
    if name != "PersonTypes.xsd":
        (elsewhere / "Register.xsd").rename(elsewhere / name)
    made = workshop.scaffold(*source, "--catalog", elsewhere.parent)
    assert made.returncode == 0, made.stderr
    assert "took deep/" in made.stdout


def test_broken_neighbour_in_the_folder_is_nobodys_concern(workshop: Workshop) -> None:
    (workshop.folder / "draft.xsd").write_text("<xs:schema")
    assert workshop.scaffold(*workshop.source("soap")).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give one contract"),
        (("--wsdl", "a.wsdl", "--xsd", "a.xsd"), "give one contract"),
        (("--wsdl", "a.wsdl", "--authentication", "trust-me"), "not one of"),
        (("--wsdl", "a.wsdl", "--version", "2"), "not a version"),
    ],
)
def test_wrong_use_is_told_before_anything_is_read(workshop: Workshop, arguments: tuple[str, ...], said: str) -> None:
    ended = workshop.scaffold(*arguments)
    assert ended.returncode == 2
    assert said in ended.stderr
