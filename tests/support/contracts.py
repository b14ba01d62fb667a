"""The contracts that tests use: the three agencies' and a zoo of XSD constructs."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from adapters import wsdl
from esb.contracts import catalogue
from esb.contracts.contract import Contract
from esb.contracts.json_contract import JsonContract

ROOT = Path(__file__).parents[2]
SCHEMAS = ROOT / "schemas"
ZOO = ROOT / "tests" / "unit" / "contracts" / "zoo"

DIN = "{urn:az:gov:din:population-register:v1}"
MKR = "{urn:az:gov:cbar:credit-registry:v1}"
ZOO_NAMESPACE = "{urn:zoo}"


def bundle_of(agency: str) -> dict[str, bytes]:
    """The pinned files of an agency's first contract."""
    return catalogue.load_bundle(SCHEMAS / "agencies" / agency / "v1")


@functools.cache
def din_reg() -> wsdl.Wsdl:
    """The population register."""
    return wsdl.compile(bundle_of("din-reg"), "PopulationRegister.wsdl")


@functools.cache
def mkr() -> wsdl.Wsdl:
    """The credit registry."""
    return wsdl.compile(bundle_of("mkr"), "CreditRegistry.wsdl")


@functools.cache
def diplomas() -> JsonContract:
    """The diplomas."""
    return JsonContract(bundle_of("tn-tm"), "openapi.yaml")


def zoo_bundle() -> dict[str, bytes]:
    """The zoo's files."""
    return {path.relative_to(ZOO).as_posix(): path.read_bytes() for path in ZOO.rglob("*.xsd")}


@functools.cache
def zoo() -> Contract:
    """The zoo, compiled."""
    return Contract.from_xsd(zoo_bundle(), ["zoo.xsd"])


@functools.cache
def wild() -> Contract:
    """Constructs whose plain data need more than one key per element name."""
    return Contract.from_xsd(zoo_bundle(), ["wild.xsd"])


def contracts() -> Iterator[tuple[str, Contract]]:
    """Every XSD contract by its name."""
    yield "zoo", zoo()
    yield "wild", wild()
    yield "din-reg", din_reg().contract
    yield "mkr", mkr().contract
