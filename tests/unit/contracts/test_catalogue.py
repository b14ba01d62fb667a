"""Contracts are pinned: a changed, added or missing file is found before it is used."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from esb.contracts import catalogue
from esb.errors import CatalogMismatch
from tests.support.contracts import SCHEMAS


@pytest.fixture
def schemas(tmp_path: Path) -> Path:
    folder = tmp_path / "agencies" / "a" / "v1"
    folder.mkdir(parents=True)
    (folder / "a.xsd").write_bytes(b"a")
    (folder / "b.xsd").write_bytes(b"b")
    catalogue.write(tmp_path)
    return tmp_path


def test_the_product_s_contracts_are_the_pinned_ones() -> None:
    catalogue.verify(SCHEMAS)


def test_sha256sum_agrees(schemas: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "--quiet", catalogue.FILE_NAME], cwd=schemas, check=True)


def test_a_bundle_is_what_is_pinned(schemas: Path) -> None:
    assert catalogue.load_bundle(schemas / "agencies" / "a" / "v1") == {"a.xsd": b"a", "b.xsd": b"b"}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda folder: (folder / "a.xsd").write_bytes(b"changed"), r"a\.xsd differs"),
        (lambda folder: (folder / "a.xsd").unlink(), r"a\.xsd is pinned"),
        (lambda folder: (folder / "c.xsd").write_bytes(b"c"), r"c\.xsd is not pinned"),
    ],
)
def test_a_difference_names_the_file_and_what_to_run(schemas: Path, change: object, reason: str) -> None:
    folder = schemas / "agencies" / "a" / "v1"
    change(folder)  # type: ignore[operator]
    for check in (lambda: catalogue.verify(schemas), lambda: catalogue.load_bundle(folder)):
        with pytest.raises(CatalogMismatch, match=f"{reason}.*make catalogue"):
            check()


def test_a_folder_without_pinned_files_is_refused(schemas: Path) -> None:
    empty = schemas / "agencies" / "b"
    empty.mkdir()
    with pytest.raises(CatalogMismatch, match="has no pinned file"):
        catalogue.load_bundle(empty)


def test_a_catalogue_that_is_missing_or_not_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogMismatch, match="cannot be read"):
        catalogue.verify(tmp_path)
    with pytest.raises(CatalogMismatch, match=r"no CATALOG\.sha256 above"):
        catalogue.load_bundle(tmp_path / "x")
    (tmp_path / catalogue.FILE_NAME).write_text("nonsense\n")
    with pytest.raises(CatalogMismatch, match=":1 is not a digest"):
        catalogue.verify(tmp_path)


def test_writing_twice_gives_the_same(schemas: Path) -> None:
    before = (schemas / catalogue.FILE_NAME).read_bytes()
    catalogue.write(schemas)
    assert (schemas / catalogue.FILE_NAME).read_bytes() == before
