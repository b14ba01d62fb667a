"""What simulated agencies say before anybody signs it, made from the real contracts and changed data files."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from adapters.simulator import assembly
from adapters.simulator.dialect import Incoming, Refusal
from adapters.simulator.register import AgencyReply, FaultText
from adapters.simulator.rest_answers import RestAnswers
from adapters.simulator.soap_answers import SoapAnswers
from esb.errors import ConfigurationError, ContractViolation
from esb.settings import Settings
from security import xml

ROOT = Path(__file__).parents[3]
SETTINGS = Settings(adapters=str(ROOT / "adapters" / "agencies"), schemas=str(ROOT / "schemas"))


def soap(agency: str) -> SoapAnswers:
    answers = assembly.answers_of(agency, SETTINGS)
    assert isinstance(answers, SoapAnswers)
    return answers


def rest() -> RestAnswers:
    answers = assembly.answers_of("tn-tm", SETTINGS)
    assert isinstance(answers, RestAnswers)
    return answers


def changed(tmp_path: Path, agency: str, old: str, new: str) -> Settings:
    """Settings under which the agency's data file says `new` where it says `old`."""
    source, folder = ROOT / "adapters" / "agencies" / agency, tmp_path / agency
    folder.mkdir()
    (folder / "adapter.yaml").write_bytes((source / "adapter.yaml").read_bytes())
    text = (source / "simulator.yaml").read_text(encoding="utf-8")
    assert old in text
    (folder / "simulator.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    return msgspec.structs.replace(SETTINGS, adapters=str(tmp_path))


@pytest.mark.parametrize(
    ("agency", "old", "new", "said"),
    [
        ("din-reg", "  GetAddress:", "  GetAdress:", r"no operation 'GetAdress' \(did you mean 'GetAddress'\?\)"),
        ("din-reg", "{RegisterFault:", "{RegistrFault:", "GetPersonByPin for 7TESTXB: RegistrFault: .*no such fault"),
        ("din-reg", "Sex: F", "Sex: X", "GetPersonByPin for 7TESTX1: Person/Sex"),
        ("mkr", "Principal: 95000.00", "Principal: 95000.001", r"GetCredits for 7TESTX1: Credits/Credit.*Principal"),
        ("tn-tm", 'level: "bakalavr"', 'level: "bachelor"', "GetDiploma for 7TESTX1: .*level"),
        (
            "din-reg",
            'document: {ResultCode: "404", ',
            "document: {",
            r"GetPersonByPin for whom nobody knows.*ResultCode",
        ),
        ("tn-tm", "http_status: 422", "http_status: 200", "GetDiploma for 7TESTXB"),
    ],
)
def test_data_file_that_the_contract_does_not_bear_is_refused_with_its_place(
    tmp_path: Path, agency: str, old: str, new: str, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        assembly.answers_of(agency, changed(tmp_path, agency, old, new))


@pytest.mark.parametrize("agency", ["din-reg", "mkr"])
def test_fault_is_canonical_whatever_its_text_holds(agency: str) -> None:
    fault = FaultText(code="Client.Business.Odd", text="<&>\"'\r\n\t ə]]>")
    draft = soap(agency).draft("", AgencyReply(fault=fault))
    parsed = xml.parse(draft.content)
    assert xml.canonical(parsed) == draft.content
    assert fault.text in "".join(map(str, parsed.itertext()))


@pytest.mark.parametrize(("agency", "http_status"), [("din-reg", 500), ("mkr", 400)])
def test_refusal_has_the_http_status_of_its_soap_version(agency: str, http_status: int) -> None:
    fault = AgencyReply(fault=FaultText(code="Client.Business", text="no"))
    assert soap(agency).draft("", fault).http_status == http_status


def test_reply_that_breaks_the_contract_is_not_drafted() -> None:
    with pytest.raises(ContractViolation):
        soap("mkr").draft("GetCredits", AgencyReply(document={"AsOf": "2026-11-04"}))


def test_element_that_no_operation_takes_is_refused() -> None:
    with pytest.raises(Refusal) as refusal:
        soap("din-reg").read(b'<GetPersonByPin xmlns="urn:other"/>', b"proof")
    assert (refusal.value.code, refusal.value.proof) == ("Client.Operation", b"proof")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/diplomas/7TESTX1"), ("GET", "/diplomas"), ("GET", "/diplomas/7TESTX1/extra"), ("GET", "/")],
)
def test_path_that_no_operation_has_is_refused_and_is_not_a_404(method: str, path: str) -> None:
    with pytest.raises(Refusal) as refusal:
        rest().read(Incoming(method=method, url=f"http://127.0.0.1{path}", headers={}, body=b""), b"")
    assert refusal.value.http_status == 400


def test_path_parameter_is_read_below_any_base_path() -> None:
    question = rest().read(
        Incoming(method="GET", url="http://127.0.0.1/api/diplomas/7TEST%581", headers={}, body=b""), b""
    )
    assert (question.operation, question.key) == ("GetDiploma", "7TESTX1")


@pytest.mark.parametrize(
    ("path", "body"), [("/diplomas/7TESTO1", b""), ("/diplomas/7TESTX1", b"{"), ("/diplomas/7TESTX1", b"{}")]
)
def test_request_outside_the_contract_is_a_violation(path: str, body: bytes) -> None:
    with pytest.raises(ContractViolation):
        rest().read(Incoming(method="GET", url=f"http://127.0.0.1{path}", headers={}, body=body), b"")
