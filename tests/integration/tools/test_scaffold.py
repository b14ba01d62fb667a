"""From a contract to an adapter that lints, tests and runs, by the command line alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from adapters.scaffolding import Order, from_wsdl, landing, scaffold
from esb.contracts import catalogue
from esb.errors import ConfigurationError
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
        ".scaffold", "adapter.yaml", "cases.yaml", "contract", "routes.yaml", "samples", "simulator.yaml",
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


def test_occupied_folder_is_left_alone_until_force_replaces_what_scaffold_wrote(workshop: Workshop) -> None:
    workshop.scaffold(*workshop.source("soap"))
    again = workshop.scaffold(*workshop.source("rest"))
    assert again.returncode == 1
    assert "--force" in again.stderr
    replaced = workshop.scaffold(*workshop.source("rest"), "--force")
    assert replaced.returncode == 0, replaced.stderr
    assert [path.name for path in (workshop.out / "contract").iterdir()] == ["openapi.yaml"]
    assert not list(workshop.out.rglob("*.bak"))
    assert [path.name for path in workshop.out.parent.iterdir()] == ["heat"]


def test_force_refuses_a_folder_that_holds_what_scaffold_did_not_write(workshop: Workshop) -> None:
    workshop.scaffold(*workshop.source("soap"))
    for name in ("mine.txt", ".git/HEAD", "contract/notes.md"):
        (workshop.out / name).parent.mkdir(exist_ok=True)
        (workshop.out / name).write_text("kept")
    before = {path: path.read_bytes() for path in workshop.out.rglob("*") if path.is_file()}
    forced = workshop.scaffold(*workshop.source("rest"), "--force")
    assert forced.returncode == 1
    assert all(name in forced.stderr for name in ("mine.txt", ".git/HEAD", "contract/notes.md"))
    assert {path: path.read_bytes() for path in workshop.out.rglob("*") if path.is_file()} == before


def test_force_keeps_what_a_person_edited_beside_the_new_file(workshop: Workshop) -> None:
    workshop.scaffold(*workshop.source("soap"))
    for edit in ("first", "second"):
        (workshop.out / "adapter.yaml").write_text(edit)
        forced = workshop.scaffold(*workshop.source("soap"), "--force")
        assert forced.returncode == 0, forced.stderr
        assert "adapter.yaml.bak" in forced.stdout
    assert (workshop.out / "adapter.yaml.bak").read_text() == "first"
    assert (workshop.out / "adapter.yaml.bak2").read_text() == "second"
    assert "agency: heat" in (workshop.out / "adapter.yaml").read_text(encoding="utf-8")


def test_force_refuses_to_replace_a_contract_that_was_edited(workshop: Workshop) -> None:
    arguments = ("adapters", "scaffold", "--agency", "heat", *workshop.source("soap"))
    assert workshop.esb(*arguments).returncode == 0
    assert workshop.esb(*arguments, "--force").returncode == 0
    catalogue.verify(Path(workshop.settings.schemas))
    contract = Path(workshop.settings.schemas) / "agencies" / "heat" / "v1" / "PersonTypes.xsd"
    contract.write_text("mine")
    forced = workshop.esb(*arguments, "--force")
    assert forced.returncode == 1
    assert "PersonTypes.xsd" in forced.stderr
    assert contract.read_text() == "mine"


def test_scaffold_into_the_folder_where_one_stands(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    here = workshop.folder.parent / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    source = from_wsdl(workshop.source("soap")[1])
    for force in (False, True):
        scaffold(source, Order(agency="heat", out=Path(), force=force), workshop.settings)
    assert Path.cwd() == here
    assert (here / "adapter.yaml").is_file()


def test_scaffold_that_cannot_be_written_leaves_everything_as_it_was(workshop: Workshop) -> None:
    schemas = Path(workshop.settings.schemas)
    places = landing.places_of("heat", "v1", None, workshop.settings)
    landing.lay_down(places, {"cases.yaml": b"first"}, {"a.xsd": b"<a/>"}, workshop.settings, force=False)
    (places.folder / "cases.yaml").write_text("mine")
    before = {path: path.read_bytes() for path in places.folder.rglob("*")}
    (schemas / catalogue.FILE_NAME).unlink()
    (schemas / catalogue.FILE_NAME).mkdir()
    with pytest.raises(ConfigurationError, match=catalogue.FILE_NAME):
        landing.lay_down(
            places, {"cases.yaml": b"new", "samples/a": b""}, {"b.xsd": b"<b/>"}, workshop.settings, force=True
        )
    assert {path: path.read_bytes() for path in places.folder.rglob("*")} == before
    assert [path.name for path in places.contract.iterdir()] == ["a.xsd"]


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
