"""A workshop of an agency's team: contracts in a folder, and the command line on a state of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from esb.settings import Settings
from tests.support.agencies import ROOT
from tests.support.bus import run_esb

XSD = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:az:gov:heat:v1"
  xmlns="urn:az:gov:heat:v1" elementFormDefault="qualified">
  <xs:element name="DebtRequest"><xs:complexType><xs:sequence>
    <xs:element name="Voen" type="xs:string"/><xs:element name="Year" type="xs:gYear" minOccurs="0"/>
  </xs:sequence></xs:complexType></xs:element>
  <xs:element name="DebtResponse"><xs:complexType><xs:sequence>
    <xs:element name="Voen" type="xs:string"/><xs:element name="Amount" type="xs:decimal"/>
  </xs:sequence></xs:complexType></xs:element>
</xs:schema>"""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """`folder`: where the contracts lie; `out`: where a scaffold is asked to go."""

    folder: Path
    settings: Settings

    @property
    def out(self) -> Path:
        """The folder of the scaffold."""
        return self.folder.parent / "desk" / "heat"

    def esb(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """The real command line."""
        return run_esb(self.settings, *map(str, arguments))

    def scaffold(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """`esb adapters scaffold` of agency `heat`, into `out`."""
        self.out.parent.mkdir(exist_ok=True)
        return self.esb("adapters", "scaffold", "--agency", "heat", "--out", self.out, *arguments)

    def source(self, kind: str) -> tuple[str, Path]:
        """The option and the file of a contract of this kind."""
        return {
            "soap": ("--wsdl", self.folder / "PopulationRegister.wsdl"),
            "rest": ("--openapi", self.folder / "openapi.yaml"),
            "xml": ("--xsd", self.folder / "Heating.xsd"),
        }[kind]

    def fill_in(self) -> None:
        """What a person does before lint is content."""
        for path in (self.out / "adapter.yaml", self.out / "routes.yaml"):
            text = path.read_text(encoding="utf-8")
            text = re.sub(r"FILL IN: [^\"]*", "act 5 of 2026", text).replace("agency.invalid", "heat.example")
            path.write_text(re.sub(r" *# check:.*\n", "\n", text), encoding="utf-8")


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    """The checked-in contracts, copied, and an XSD."""
    folder = tmp_path / "contracts"
    shutil.copytree(ROOT / "schemas" / "agencies" / "din-reg" / "v1", folder)
    shutil.copyfile(ROOT / "schemas" / "agencies" / "tn-tm" / "v1" / "openapi.yaml", folder / "openapi.yaml")
    (folder / "Heating.xsd").write_text(XSD)
    shutil.copytree(ROOT / "adapters" / "agencies", tmp_path / "agencies")
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    settings = Settings(
        home=str(tmp_path / "home"),
        routes=str(ROOT / "routes.yaml"),
        adapters=str(tmp_path / "agencies"),
        schemas=str(tmp_path / "schemas"),
    )
    return Workshop(folder=folder, settings=settings)
