"""What is wrong with a contract ends the scaffold with one clear line, exit 1, and nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.tools.conftest import Workshop

WSDL, XSD, TYPES = "PopulationRegister.wsdl", "PopulationRegister.xsd", "PersonTypes.xsd"
DTD = '<!DOCTYPE x [<!ENTITY a "b">]>'
TEN_MEGABYTES = 10 * 1024 * 1024

Damage = Callable[[Path], None]


def _edit(name: str, old: str, new: str) -> Damage:
    def edit(folder: Path) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new), encoding="utf-8")

    return edit


def _cut(name: str, length: int) -> Damage:
    def cut(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:length])

    return cut


def _put(name: str, content: bytes) -> Damage:
    def put(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return put


def _blow_up(name: str) -> Damage:
    def blow_up(folder: Path) -> None:
        with (folder / name).open("ab") as file:
            file.write(b" " * TEN_MEGABYTES)

    return blow_up


def _take_away(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def _import(location: str) -> Damage:
    def edit(folder: Path) -> None:
        _edit(WSDL, f'schemaLocation="{XSD}"', f'schemaLocation="{location}"')(folder)
        (folder / XSD).unlink()
        (folder / TYPES).unlink()

    return edit


_CLASH = '<xs:simpleType name="Pin"><xs:restriction base="xs:int"/></xs:simpleType><xs:element name="RegisterFault">'

DAMAGES: dict[str, tuple[Damage, tuple[str, ...]]] = {
    "an XSD in place of the WSDL": (
        _put(WSDL, b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"/>'),
        (WSDL, "not a WSDL 1.1 document"),
    ),
    "a web page in place of the WSDL": (
        _put(WSDL, b"<html><body>Sign in</body></html>"),
        (WSDL, "web page"),
    ),
    "an empty WSDL": (_cut(WSDL, 0), (WSDL, "empty")),
    "a truncated XSD": (_cut(TYPES, 2000), (f"{TYPES}:54", "not well-formed")),
    "a WSDL of ten megabytes": (_blow_up(WSDL), (WSDL, "bytes")),
    "an XSD of ten megabytes": (_blow_up(TYPES), (TYPES, "bytes")),
    "a WSDL with a DTD": (_edit(WSDL, "<wsdl:definitions", f"{DTD}<wsdl:definitions"), (f"{WSDL}:2", "DTD")),
    "an XSD with a DTD": (_edit(TYPES, "<xs:schema", f"{DTD}<xs:schema"), (f"{TYPES}:2", "DTD")),
    "an import of a local file": (_import("file:///etc/passwd"), (f"{WSDL}:13", "add passwd")),
    "an import from the network": (_import("http://127.0.0.1:9/Nowhere.xsd"), (f"{WSDL}:13", "add Nowhere.xsd")),
    "an import above the folder": (_import("../../../etc/passwd"), (f"{WSDL}:13", "add passwd")),
    "an import that is not there": (_take_away(TYPES), (f"{XSD}:7", f"add {TYPES}", "--catalog")),
    "one operation twice": (
        _edit(WSDL, '<wsdl:operation name="GetAddress">', '<wsdl:operation name="GetPersonByPin">'),
        (f"{WSDL}:40", "stands twice", f"{WSDL}:34"),
    ),
    "one name for two types": (
        _edit(XSD, '<xs:element name="RegisterFault">', _CLASH),
        ("Pin", "declared twice and differently", f"{XSD}:79", f"{TYPES}:7"),
    ),
    "an element that is nowhere": (
        _edit(WSDL, 'element="reg:GetAddress"', 'element="reg:GetAdres"'),
        (f"{WSDL}:24", "GetAdres"),
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damaged_contract_is_one_clear_error_and_nothing_half_registered(workshop: Workshop, name: str) -> None:
    damage, said = DAMAGES[name]
    damage(workshop.folder)
    ended = workshop.scaffold(*workshop.source("soap"))
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("esb: ")
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    for words in said:
        assert words in ended.stderr
    assert list(workshop.out.parent.iterdir()) == []


def test_import_loop_is_no_error_because_each_file_is_read_once(workshop: Workshop) -> None:
    loop = f'elementFormDefault="qualified"><xs:include schemaLocation="{XSD}"/>'
    _edit(TYPES, 'elementFormDefault="qualified">', loop)(workshop.folder)
    assert workshop.scaffold(*workshop.source("soap")).returncode == 0


def test_damaged_contract_leaves_the_catalogue_of_the_bus_as_it_was(workshop: Workshop) -> None:
    before = sorted(path for path in workshop.folder.parent.rglob("*") if path.is_file())
    _cut(TYPES, 2000)(workshop.folder)
    ended = workshop.esb("adapters", "scaffold", "--agency", "heat", *workshop.source("soap"))
    assert ended.returncode == 1
    assert sorted(path for path in workshop.folder.parent.rglob("*") if path.is_file()) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("openapi: 3.0.0\n", "no operation"),
        ("swagger: '2.0'\npaths: {}\n", "openapi"),
        ("a: [\n", "contract.yaml:"),
        ("[]", "not an OpenAPI document"),
    ],
)
def test_damaged_openapi_document_is_one_clear_error(workshop: Workshop, text: str, said: str) -> None:
    (workshop.folder / "contract.yaml").write_text(text)
    ended = workshop.scaffold("--openapi", workshop.folder / "contract.yaml")
    assert ended.returncode == 1
    assert said.lower() in ended.stderr.lower()
    assert list(workshop.out.parent.iterdir()) == []


def test_xsd_without_question_and_answer_says_what_is_missing(workshop: Workshop) -> None:
    ended = workshop.scaffold("--xsd", workshop.folder / TYPES)
    assert ended.returncode == 1
    assert "XRequest and XResponse" in ended.stderr
