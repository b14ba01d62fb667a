from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters import manifest
from adapters.manifest import Authentication, FaultPatterns, Kind, Lifecycle, Manifest, Meaning
from esb.model import Finding

AGENCIES = Path("adapters/agencies")

SMALLEST = """\
agency: azsu
title: {az: "Azərsu", en: "Water company"}
owner: Azərsu
contact: {name: Dəstək, email: destek@azsu.example}
legal_basis: Cabinet decision 191/2011
kind: soap
contract: {version: v1, file: Debt.wsdl}
authentication: wsse-x509
lifecycle: test
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "azsu" / "adapter.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def read(folder: Path, text: str) -> Manifest:
    found, findings = manifest.read(written(folder, text))
    assert findings == ()
    assert found is not None
    return found


def findings_of(folder: Path, text: str) -> tuple[Finding, ...]:
    found, findings = manifest.read(written(folder, text))
    assert found is None
    return findings


def test_smallest_manifest_gets_the_safe_defaults(tmp_path: Path) -> None:
    found = read(tmp_path, SMALLEST)
    assert (found.kind, found.authentication, found.lifecycle) == (Kind.SOAP, Authentication.WSSE_X509, Lifecycle.TEST)
    assert found.signature.confirmation
    assert (found.signature.algorithm, found.signature.max_age_s, found.signature.clock_skew_s) == ("ES256", 300, 30)
    assert (found.limits.concurrency, found.limits.max_reply_bytes) == (32, 5 * 1024 * 1024)
    assert (found.guard_limits.failures, found.guard_limits.open_s) == (5, 10.0)
    assert found.validation == "strict"
    assert dict(found.endpoint) == {}
    assert found.faults == FaultPatterns()


@pytest.mark.parametrize("agency", sorted(path.parent.name for path in AGENCIES.glob("*/adapter.yaml")))
def test_installed_manifest_is_without_findings(agency: str) -> None:
    found, findings = manifest.read(AGENCIES / agency / "adapter.yaml")
    assert findings == ()
    assert found is not None
    assert found.agency == agency
    assert found.endpoint["simulated"].startswith("http://127.0.0.1:")


def test_simulated_endpoints_are_all_different() -> None:
    urls = [
        found.endpoint["simulated"] for path in AGENCIES.glob("*/adapter.yaml") if (found := manifest.read(path)[0])
    ]
    assert len(urls) == len(set(urls)) >= 3


@pytest.mark.parametrize(
    ("line", "replacement", "number", "said", "meant"),
    [
        ("lifecycle: test", "lifecicle: test", 9, "unknown key 'lifecicle'", "lifecycle"),
        ("kind: soap", "kind: saop", 6, "'saop' is not one of soap, rest", "soap"),
        ("lifecycle: test", "lifecycle: test\nlimits: {concurency: 3}", 10, "unknown key 'concurency'", "concurrency"),
        ("lifecycle: test", "lifecycle: test\nlimits: {concurrency: 0}", 10, "must be from 1 to 1000", None),
        ("lifecycle: test", "lifecycle: test\nlifecycle: live", 10, "twice", None),
        ("lifecycle: test", "lifecycle: test\nendpoint: {live: ftp://x/}", 10, "does not have the form", None),
        ("lifecycle: test", "lifecycle: test\nendpoint: {live: 'http://u:p@x/'}", 10, "does not have the form", None),
        ("lifecycle: test", "lifecycle: test\nendpoint: {live: 'http://x/?a=b'}", 10, "does not have the form", None),
        ("agency: azsu", "agency: azqaz", 1, "not the name of its folder", None),
        ("authentication: wsse-x509", "authentication: http-signature", 8, "cannot use http-signature", None),
        ("contract: {version: v1, file: Debt.wsdl}", "contract: {version: v1, file: ../x}", 7, "form", None),
        ("lifecycle: test", "lifecycle: test\ntls: {client_key: a.pem}", 10, "go together", None),
        (
            "lifecycle: test",
            'lifecycle: test\nmaintenance: [{weekday: sunday, from: "23:00", to: "01:00"}]',
            10,
            "passes midnight",
            None,
        ),
        (
            "lifecycle: test",
            'lifecycle: test\nmaintenance: [{weekday: sonday, from: "01:00", to: "02:00"}]',
            10,
            "'sonday' is not one of",
            "sunday",
        ),
    ],
)
def test_mistake_is_told_with_its_line_and_what_was_meant(  # noqa: PLR0917 - one row of the table
    tmp_path: Path, line: str, replacement: str, number: int, said: str, meant: str | None
) -> None:
    assert line in SMALLEST
    findings = findings_of(tmp_path, SMALLEST.replace(line, replacement))
    matching = [finding for finding in findings if said in finding.message]
    assert matching, findings
    assert (matching[0].line, matching[0].suggestion) == (number, meant)
    assert matching[0].file.endswith("azsu/adapter.yaml")


@pytest.mark.parametrize(
    "name", ["agency", "title", "owner", "contact", "legal_basis", "kind", "contract", "lifecycle"]
)
def test_required_field_that_is_missing_is_told(tmp_path: Path, name: str) -> None:
    text = "\n".join(line for line in SMALLEST.splitlines() if not line.startswith(f"{name}:"))
    assert any(repr(name) in finding.message for finding in findings_of(tmp_path, text))


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    findings = findings_of(tmp_path, SMALLEST.replace("kind: soap", "kind: saop").replace("owner:", "ownr:"))
    assert {finding.line for finding in findings} >= {3, 6}


def test_file_that_is_missing_is_a_finding(tmp_path: Path) -> None:
    found, findings = manifest.read(tmp_path / "azsu" / "adapter.yaml")
    assert found is None
    assert len(findings) == 1


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        ("2026-11-21T22:00:00+00:00", True),  # Sunday 02:00 in Baku
        ("2026-11-21T21:59:59+00:00", False),
        ("2026-11-22T00:29:59+00:00", True),
        ("2026-11-22T00:30:00+00:00", False),  # the end is exclusive
        ("2026-11-20T23:00:00+00:00", False),  # Saturday
    ],
)
def test_maintenance_window_is_meant_in_baku_time(tmp_path: Path, moment: str, *, inside: bool) -> None:
    window = 'maintenance: [{weekday: sunday, from: "02:00", to: "04:30"}]\n'
    found = read(tmp_path, SMALLEST + window)
    assert found.in_maintenance(datetime.fromisoformat(moment).astimezone(UTC)) is inside


@pytest.mark.parametrize("lifecycle", list(Lifecycle))
def test_only_from_test_to_live_an_agency_is_in_use(tmp_path: Path, lifecycle: Lifecycle) -> None:
    found = read(tmp_path, SMALLEST.replace("lifecycle: test", f"lifecycle: {lifecycle}"))
    assert found.in_use == (lifecycle in {Lifecycle.TEST, Lifecycle.PILOT, Lifecycle.LIVE})


@pytest.mark.parametrize(
    ("codes", "meaning"),
    [
        (("Client.Business",), Meaning.REJECTED),
        (("Client.BusinessRule.7",), Meaning.REJECTED),
        (("Server", "Client.Business"), Meaning.REJECTED),
        (("Client",), Meaning.FAULT),
        (("xClient.Business",), Meaning.FAULT),
        (("client.business",), Meaning.FAULT),
        (("UnknownSubject", "Client.Business"), Meaning.NOT_FOUND),
        ((), Meaning.FAULT),
        (("Client.Business\nServer",), Meaning.REJECTED),
    ],
)
def test_fault_means_what_the_patterns_say(codes: tuple[str, ...], meaning: Meaning) -> None:
    patterns = FaultPatterns(rejected=("Client.Business*",), not_found=("UnknownSubject",))
    assert patterns.meaning(codes) is meaning
