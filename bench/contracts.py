"""What a compiled contract costs beside zeep: the population register's question and reply, written and read again.

Ours starts from plain data, ends with plain data, and validates against the XSD on both ways; zeep starts from keyword
arguments, ends with its objects, and validates nothing. Rounds are interleaved; CPU time of this process; medians.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import zeep.wsdl
from lxml import etree

from adapters import wsdl
from bench import report
from esb.contracts import catalogue

CASE = "contracts"
TARGET = 0.25
"""Of zeep's time, at most."""

_AGENCY = Path(__file__).parents[1] / "schemas" / "agencies" / "din-reg" / "v1"
_ENTRY = "PopulationRegister.wsdl"
_NAMESPACE = "{urn:az:gov:din:population-register:v1}"
_MESSAGES = ("GetPersonByPin", "GetPersonByPinResponse")
_BATCH = 20


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Medians over all rounds, in microseconds of CPU for encode and decode of both messages."""

    elements: int
    rounds: int
    ours_us: float
    zeep_us: float
    machine: Mapping[str, str]
    versions: Mapping[str, str]

    @property
    def ratio(self) -> float:
        """Ours to zeep's."""
        return self.ours_us / self.zeep_us

    def line(self) -> str:
        """For the terminal and the page."""
        return (
            f"contracts: encode + decode of {self.elements} elements (question and reply): {self.ours_us:.0f} us, "
            f"zeep {self.zeep_us:.0f} us, ratio {self.ratio:.2f} (target {TARGET:.2f})"
        )


def measure(rounds: int) -> Measured:
    """Both ways, in turns."""
    compiled = wsdl.compile(catalogue.load_bundle(_AGENCY), _ENTRY)
    samples = {name: compiled.contract.sample(_NAMESPACE + name) for name in _MESSAGES}
    # Two former addresses make a reply of the usual length.
    person = samples[_MESSAGES[1]]["Person"]
    person["PreviousAddress"] = person["PreviousAddress"] * 2
    documents = [compiled.contract.encoder(_NAMESPACE + name).encode(samples[name]) for name in _MESSAGES]
    ways = (_ours(compiled, samples), _zeeps(samples))
    found: tuple[list[float], list[float]] = ([], [])
    for way in ways:
        _timed(way)
    for _ in range(rounds):
        for way, times in zip(ways, found, strict=True):
            times.append(_timed(way))
    ours_us, zeep_us = map(median, found)
    return Measured(
        elements=sum(len(list(etree.fromstring(document).iter())) for document in documents),
        rounds=rounds,
        ours_us=ours_us,
        zeep_us=zeep_us,
        machine=report.machine(),
        versions={**report.versions(), "zeep": version("zeep")},
    )


def write(measured: Measured, folder: Path) -> None:
    """`contracts.json` and `contracts.md` in the folder."""
    encoded = msgspec.json.encode(measured)
    (folder / "contracts.json").write_bytes(msgspec.json.format(encoded, indent=2) + b"\n")
    told = [*measured.machine.items(), *measured.versions.items()]
    page = ["# Contracts beside zeep", "", (__doc__ or "").strip(), "", measured.line() + ".", ""]
    page += [f"{measured.rounds} rounds of {_BATCH}. " + ", ".join(f"{name} {value}" for name, value in told) + ".", ""]
    (folder / "contracts.md").write_text("\n".join(page), encoding="utf-8")


def _ours(compiled: wsdl.Wsdl, samples: Mapping[str, Any]) -> Callable[[], None]:
    contract = compiled.contract
    ways = [
        (contract.encoder(_NAMESPACE + name), contract.decoder(_NAMESPACE + name), samples[name]) for name in _MESSAGES
    ]

    def once() -> None:
        for encoder, decoder, values in ways:
            decoder.decode(encoder.encode(values))

    return once


def _zeeps(samples: Mapping[str, Any]) -> Callable[[], None]:
    client: Any = zeep
    types = client.wsdl.Document(str(_AGENCY / _ENTRY), client.Transport()).types
    ways = [(types.get_element(_NAMESPACE + name), samples[name]) for name in _MESSAGES]

    def once() -> None:
        for element, values in ways:
            holder = etree.Element("holder")
            element.render(holder, element(**values))
            content = etree.tostring(holder[0], encoding="utf-8")
            element.parse(etree.fromstring(content), types)

    return once


def _timed(once: Callable[[], None]) -> float:
    gc.collect()
    started = time.process_time_ns()
    for _ in range(_BATCH):
        once()
    return (time.process_time_ns() - started) / _BATCH / 1000
