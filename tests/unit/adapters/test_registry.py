from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters import registry
from adapters.agency_keys import AgencyKeys
from adapters.registry import Catalogue
from adapters.transport import Transport
from esb.errors import AgencyUnreachable, CatalogMismatch, RoutesInvalid, SettingInvalid
from esb.model import AgencyCode, Severity
from esb.ports import AgencyCatalogue, OutgoingCall
from esb.settings import Settings
from security import certificates
from security.errors import KeyUnavailable
from security.keys import Algorithm
from tests.support.soap_agency import NOW, certified_key

DIN_REG = AgencyCode("din-reg")
TN_TM = AgencyCode("tn-tm")


@pytest.fixture
def installation(tmp_path: Path) -> Path:
    """A copy of the installed adapters and contracts, to be broken."""
    shutil.copytree("adapters/agencies", tmp_path / "agencies")
    shutil.copytree("schemas", tmp_path / "schemas")
    return tmp_path


def settings_of(folder: Path, **changes: Any) -> Settings:
    settings = Settings(home=str(folder / "var"), adapters=str(folder / "agencies"), schemas=str(folder / "schemas"))
    return msgspec.structs.replace(settings, **changes)


def load(folder: Path, *, keys: AgencyKeys | None = None, **changes: Any) -> Catalogue:
    return registry.load(settings_of(folder, **changes), keys or some_keys(), Transport())


def some_keys() -> AgencyKeys:
    certificate = certified_key("agency").certificate
    assert certificate is not None
    names = ("din-reg", "mkr", "tn-tm")
    return AgencyKeys(
        signing={Algorithm.ES256: certified_key("bus")},
        anchors=dict.fromkeys(names, certificates.anchors_of([certificate])),
        verifying=dict.fromkeys(names, (certified_key("agency").verifying(),)),
    )


def edit(folder: Path, agency: str, old: str, new: str) -> None:
    path = folder / "agencies" / agency / "adapter.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_installed_adapters_load_without_a_finding(installation: Path) -> None:
    catalogue: AgencyCatalogue = load(installation)
    assert {"din-reg", "mkr", "tn-tm"} <= set(catalogue.agencies())
    assert list(catalogue.operations(DIN_REG)) == ["GetAddress", "GetPersonByPin"]
    assert list(catalogue.operations(TN_TM)) == ["GetDiploma", "GetStudentStatus"]
    assert "register" in catalogue.title(DIN_REG).en
    assert load(installation).findings == ()


def test_operation_knows_its_agency_and_its_name(installation: Path) -> None:
    catalogue = load(installation)
    for agency in catalogue.agencies():
        for name in catalogue.operations(agency):
            operation = catalogue.operation(agency, name)
            assert (operation.agency, operation.name) == (agency, name)


def test_samples_are_encodable_and_shapes_are_objects(installation: Path) -> None:
    catalogue = load(installation)
    for agency in catalogue.agencies():
        for name in catalogue.operations(agency):
            shape = catalogue.shape(agency, name)
            assert catalogue.operation(agency, name).encode(shape.request_sample)
            assert shape.request_schema["type"] == shape.reply_schema["type"] == "object"


def test_unknown_agency_has_no_operations_and_an_unknown_operation_is_a_key_error(installation: Path) -> None:
    catalogue = load(installation)
    assert list(catalogue.operations(AgencyCode("nobody"))) == []
    with pytest.raises(KeyError):
        catalogue.operation(AgencyCode("nobody"), "x")
    with pytest.raises(KeyError):
        catalogue.operation(DIN_REG, "GetNobody")
    with pytest.raises(KeyError):
        catalogue.shape(DIN_REG, "GetNobody")


def test_machine_without_keys_loads_with_warnings_and_fails_closed(installation: Path) -> None:
    catalogue = load(installation, keys=AgencyKeys())
    assert {finding.severity for finding in catalogue.findings} == {Severity.WARNING}
    assert any("esb keys new" in finding.message for finding in catalogue.findings)
    assert any("replies will be refused" in finding.message for finding in catalogue.findings)
    for agency, name in ((DIN_REG, "GetPersonByPin"), (TN_TM, "GetDiploma")):
        operation = catalogue.operation(agency, name)
        document = operation.encode(catalogue.shape(agency, name).request_sample)
        with pytest.raises(KeyUnavailable):
            operation.sign(document, message_id="m", traceparent=None, now=NOW)


def test_key_without_certificate_cannot_sign_for_a_soap_agency(installation: Path) -> None:
    bare = replace(certified_key("bus"), certificate=None)
    catalogue = load(installation, keys=replace(some_keys(), signing={Algorithm.ES256: bare}))
    assert {Path(finding.file).parent.name for finding in catalogue.findings} == {"din-reg", "mkr"}


def test_key_of_another_algorithm_does_not_stand_in(installation: Path) -> None:
    edit(installation, "din-reg", "algorithm: ES256", "algorithm: RS256")
    assert any("no RS256 key" in finding.message for finding in load(installation).findings)


def test_errors_of_all_manifests_are_told_at_once(installation: Path) -> None:
    edit(installation, "din-reg", "lifecycle: live", "lifecycle: alive")
    edit(installation, "mkr", "kind: soap", "kind: saop")
    with pytest.raises(RoutesInvalid) as caught:
        load(installation)
    files = {finding.file for finding in caught.value.findings if finding.severity is Severity.ERROR}  # type: ignore[attr-defined]
    assert {Path(file).parent.name for file in files} == {"din-reg", "mkr"}


def test_contract_that_is_not_there_is_told_with_the_manifest(installation: Path) -> None:
    edit(installation, "din-reg", "PopulationRegister.wsdl", "PopulationRegistry.wsdl")
    with pytest.raises(RoutesInvalid, match=r"din-reg/adapter.yaml: error: contract cannot be used"):
        load(installation)


def test_contract_that_is_not_the_pinned_one_stops_everything(installation: Path) -> None:
    path = installation / "schemas" / "agencies" / "mkr" / "v1" / "CreditRegistry.wsdl"
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(CatalogMismatch, match="CreditRegistry"):
        load(installation)


def test_environment_that_does_not_exist_is_told_with_the_likely_one(installation: Path) -> None:
    with pytest.raises(SettingInvalid, match="did you mean 'live'"):
        load(installation, environment="lve")


async def test_agency_without_endpoint_in_this_environment_is_listed_and_cannot_be_called(installation: Path) -> None:
    operation = load(installation, environment="live").operation(DIN_REG, "GetPersonByPin")
    call = operation.sign(operation.encode({"Pin": "7TESTX1"}), message_id="m", traceparent=None, now=NOW)
    with pytest.raises(AgencyUnreachable, match=r"set endpoint\.live in .*adapter\.yaml, or ESB_ENDPOINTS=din-reg=URL"):
        await operation.send(call, timeout_s=1)


def test_setting_overrides_the_endpoint_of_the_manifest(installation: Path) -> None:
    catalogue = load(installation, endpoints={"tn-tm": "http://127.0.0.1:9/base/"})
    operation = catalogue.operation(TN_TM, "GetDiploma")
    call = operation.sign(operation.encode({"pin": "7TESTX1"}), message_id="m", traceparent=None, now=NOW)
    assert call.url == "http://127.0.0.1:9/base/diplomas/7TESTX1"


def test_setting_for_an_agency_that_does_not_exist_is_refused_with_the_likely_one(installation: Path) -> None:
    with pytest.raises(RoutesInvalid) as caught:
        load(installation, endpoints={"dinreg": "http://127.0.0.1:9"})
    errors = [str(finding) for finding in caught.value.findings if "error" in str(finding)]
    assert errors == ["ESB_ENDPOINTS: error: there is no adapter 'dinreg' (did you mean 'din-reg'?)"]


def test_endpoint_in_clear_text_over_a_network_is_told(installation: Path) -> None:
    findings = load(installation, endpoints={"mkr": "http://mkr.example/"}).findings
    assert ["not https" in finding.message for finding in findings] == [True]
    assert load(installation, endpoints={"mkr": "https://mkr.example/"}).findings == ()


def test_agency_that_does_not_sign_is_told(installation: Path) -> None:
    edit(installation, "mkr", "authentication: wsse-x509", "authentication: none")
    assert ["signed" in finding.message for finding in load(installation).findings] == [True]


async def test_tls_files_that_cannot_be_read_keep_the_agency_from_being_called(installation: Path) -> None:
    edit(installation, "mkr", "lifecycle: live", "lifecycle: live\ntls: {ca: missing.pem}")
    catalogue = load(installation, endpoints={"mkr": "https://127.0.0.1:9/"})
    assert any("`tls`" in finding.message for finding in catalogue.findings)
    call = OutgoingCall(method="POST", url="https://127.0.0.1:9/", headers={}, body=b"x")
    with pytest.raises(AgencyUnreachable, match="tls"):
        await catalogue.operation(AgencyCode("mkr"), "GetCredits").send(call, timeout_s=1)


def test_manifest_is_there_for_limits_and_lists(installation: Path) -> None:
    limits = load(installation).manifest(AgencyCode("mkr")).guard_limits
    assert (limits.concurrency, limits.failures) == (16, 5)
