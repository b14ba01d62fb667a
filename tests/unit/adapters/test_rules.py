"""The rules by which adapters are admitted: each finding with its grade, file and line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters import manifest as manifests
from adapters import rules
from adapters.agency_keys import AgencyKeys
from esb.model import Finding, Severity
from security import certificates, keys
from security.keys import Algorithm, SigningKey
from tests.support import wsdls

NOW = datetime(2026, 11, 21, tzinfo=UTC)
ERROR, WARNING, HINT = Severity.ERROR, Severity.WARNING, Severity.HINT

MANIFEST = """agency: heat
title: {az: "İstilik", en: "Heating"}
owner: "Heating company"
contact: {name: "Desk", email: desk@heat.example}
legal_basis: "act 5 of 2026"
kind: soap
contract: {version: v1, file: s.wsdl}
endpoint:
  live: https://heat.example/s
authentication: wsse-x509
lifecycle: live
"""
PIN = '<xs:element name="Pin" type="xs:string"/>'
GOOD_PIN = (
    '<xs:element name="Pin"><xs:simpleType><xs:restriction base="xs:string">'
    '<xs:pattern value="[0-9A-HJ-NP-Z]{7}"/></xs:restriction></xs:simpleType></xs:element>'
)


def _findings(
    manifest: str = MANIFEST, wsdl: str = "", *, keys: AgencyKeys | None = None, **files: str
) -> list[Finding]:
    content = manifest.encode()
    read, found = manifests.parse(content, Path("heat/adapter.yaml"))
    assert read is not None, found
    given = {"adapter.yaml": content, "cases.yaml": b"cases: []\n"}
    given |= {f"{name}.yaml": text.encode() for name, text in files.items()}
    contract = {"s.wsdl": (wsdl or _wsdl()).encode()}
    return list(rules.findings(read, given, contract, keys=keys or AgencyKeys(), now=NOW))


def _wsdl(old: str = "", new: str = "") -> str:
    text = wsdls.text().replace(PIN, GOOD_PIN)
    assert old in text
    return text.replace(old, new)


def _graver(found: list[Finding]) -> list[tuple[Severity, str, str]]:
    return [(one.severity, f"{one.file}:{one.line}", one.message) for one in found if one.severity is not HINT]


def test_good_adapter_gives_no_finding_but_hints() -> None:
    assert _graver(_findings()) == []


@pytest.mark.parametrize(
    ("old", "new", "place", "where"),
    [
        ("Heating company", "FILL IN: who", "adapter.yaml:3", "owner"),
        ("desk@heat.example", "fill-in@agency.invalid", "adapter.yaml:4", "contact.email"),
        ("act 5 of 2026", "FILL IN: act", "adapter.yaml:5", "legal_basis"),
    ],
)
def test_placeholder_is_an_error_at_its_line(old: str, new: str, place: str, where: str) -> None:
    ((severity, at, message),) = _graver(_findings(MANIFEST.replace(old, new)))
    assert (severity, at) == (ERROR, place)
    assert message.startswith(where)


def test_placeholder_in_a_proposed_route_is_an_error_too() -> None:
    found = _graver(_findings(routes='routes:\n  a.b:\n    legal_basis: "FILL IN: act"\n'))
    assert [(severity, at) for severity, at, _ in found] == [(ERROR, "routes.yaml:3")]


def test_guesses_that_are_still_marked_are_told_once() -> None:
    hints = [one for one in _findings(f"{MANIFEST}# check: this\n# check: that\n") if "check:" in one.message]
    assert [(one.severity, one.line) for one in hints] == [(HINT, 12)]


@pytest.mark.parametrize(
    ("old", "new", "severity", "said"),
    [
        ("https://heat.example/s", "http://heat.example/s", ERROR, "not https"),
        ("live: https", "test: http", WARNING, "not https"),
        ("https://heat.example/s", "https://127.0.0.1/s", WARNING, "on this machine"),
        ("lifecycle", "limits: {concurrency: 900}\nlifecycle", WARNING, "limits.concurrency is 900"),
        ("lifecycle", "signature: {max_age_s: 3600}\nlifecycle", WARNING, "stays good"),
    ],
)
def test_manifest_that_works_and_is_seldom_meant_is_told(old: str, new: str, severity: Severity, said: str) -> None:
    ((found, _, message),) = _graver(_findings(MANIFEST.replace(old, new)))
    assert found is severity
    assert said in message


def _known(until: datetime) -> AgencyKeys:
    key: SigningKey = certificates.self_signed(
        keys.generate(Algorithm.ES256, NOW), common_name="heat", organisation="x", now=until - timedelta(days=90),
        valid_days=90,
    )  # fmt: skip
    return AgencyKeys(verifying={"heat": (key.verifying(),)})


@pytest.mark.parametrize(
    ("days", "severity"), [(-1, ERROR), (10, WARNING), (60, None)], ids=["ran out", "runs out soon", "in date"]
)
def test_certificate_is_watched(days: int, severity: Severity | None) -> None:
    found = _graver(_findings(keys=_known(NOW + timedelta(days=days))))
    assert [one for one, _, _ in found] == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("old", "new", "severity", "said"),
    [
        (GOOD_PIN, PIN, WARNING, "looks like a FIN"),
        (GOOD_PIN, f'{GOOD_PIN}<xs:any processContents="skip"/>', ERROR, "xs:any lets anything through"),
        (GOOD_PIN, f'{GOOD_PIN}<xs:element name="More" type="xs:anyType"/>', ERROR, "anyType"),
        ("urn:t", "http://tempuri.org/", WARNING, "a tool put there"),
    ],
)
def test_contract_that_is_too_open_is_told_with_file_and_line(
    old: str, new: str, severity: Severity, said: str
) -> None:
    found = _graver(_findings(wsdl=_wsdl(old, new)))
    assert found
    assert {one for one, _, _ in found} == {severity}
    assert all(
        said in message and at.startswith("contract/s.wsdl:") and not at.endswith(":0") for _, at, message in found
    )


def test_open_place_that_no_operation_reaches_is_nobodys() -> None:
    aside = (
        '<xs:element name="anyType" type="xs:anyType" nillable="true"/>'
        '<xs:complexType name="Aside"><xs:sequence><xs:any processContents="skip"/></xs:sequence></xs:complexType>'
    )
    assert _graver(_findings(wsdl=_wsdl("</xs:schema>", f"{aside}</xs:schema>"))) == []


@pytest.mark.parametrize(
    "written",
    [
        '<xs:element ref="t:anyType"/>',
        '<xs:element name="More" type="t:Open"/>',
        '<xs:element name="More" type="t:Plain"/>',
        '<xs:element name="More"><xs:complexType><xs:group ref="t:Wide"/></xs:complexType></xs:element>',
    ],
)
def test_open_place_counts_however_an_operation_comes_to_it(written: str) -> None:
    apart = (
        '<xs:element name="anyType" type="xs:anyType"/>'
        '<xs:group name="Wide"><xs:sequence><xs:any processContents="skip"/></xs:sequence></xs:group>'
        '<xs:complexType name="Plain"><xs:sequence/></xs:complexType>'
        '<xs:complexType name="Open"><xs:complexContent><xs:extension base="t:Plain">'
        '<xs:sequence><xs:any processContents="skip"/></xs:sequence></xs:extension></xs:complexContent>'
        "</xs:complexType>"
    )
    found = _graver(
        _findings(wsdl=_wsdl(GOOD_PIN, f"{GOOD_PIN}{written}").replace("</xs:schema>", f"{apart}</xs:schema>"))
    )
    assert [severity for severity, _, _ in found] == [ERROR]


def test_open_places_may_be_meant() -> None:
    allowed = MANIFEST.replace("file: s.wsdl", "file: s.wsdl, allow_any: true")
    assert _graver(_findings(allowed, _wsdl(GOOD_PIN, f'{GOOD_PIN}<xs:any processContents="skip"/>'))) == []


def test_what_zeep_cannot_read_is_a_hint_for_other_consumers() -> None:
    odd = _wsdl("<wsdl:types>", '<wsdl:import namespace="urn:x" location="nowhere.wsdl"/><wsdl:types>')
    assert any(one.severity is HINT and "zeep" in one.message for one in _findings(wsdl=odd))


def test_missing_golden_cases_are_a_warning() -> None:
    read, _ = manifests.parse(MANIFEST.encode(), Path("heat/adapter.yaml"))
    assert read is not None
    found = rules.findings(
        read, {"adapter.yaml": MANIFEST.encode()}, {"s.wsdl": _wsdl().encode()}, keys=AgencyKeys(), now=NOW
    )
    assert any("golden cases" in one.message and one.severity is WARNING for one in found)
