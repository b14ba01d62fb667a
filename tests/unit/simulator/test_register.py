"""The data file of a simulated agency."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from adapters.simulator import register
from adapters.simulator.register import AgencyReply, FaultText
from esb.errors import ConfigurationError

FILE = """
agency: sample
operations:
  GetDebt:
    key: Pin
    table: debts
    found: {Pin: $key, Amount: $record.amount, Since: $record.since, Lines: [$record.note], All: $record}
    missing: {http_status: 404, document: {code: NONE, pin: $key}}
    special:
      7TESTXB: {fault: {code: Client.Business, text: refused}}
tables:
  debts:
    7TESTX1: {amount: 1234567890123456.10, note: "ə"}
    7TESTX2: {amount: 0.00, since: 2015-02-03, note: "x"}
"""


@pytest.fixture
def sample(tmp_path: Path) -> register.Register:
    path = tmp_path / "simulator.yaml"
    path.write_text(FILE, encoding="utf-8")
    return register.load(path)


def test_record_is_laid_into_the_document_and_absent_parts_are_left_out(sample: register.Register) -> None:
    record = {"amount": Decimal("1234567890123456.10"), "note": "ə"}
    expected = {"Pin": "7TESTX1", "Amount": Decimal("1234567890123456.10"), "Lines": ["ə"], "All": record}
    assert sample.answer("GetDebt", "7TESTX1") == AgencyReply(document=expected)


def test_money_is_exact_and_dates_stay_text(sample: register.Register) -> None:
    document = sample.answer("GetDebt", "7TESTX2").document
    assert isinstance(document, dict)
    assert str(document["Amount"]) == "0.00"
    assert document["Since"] == "2015-02-03"


def test_unknown_key_gets_the_missing_reply(sample: register.Register) -> None:
    assert sample.answer("GetDebt", "7TESTX9") == AgencyReply(
        http_status=404, document={"code": "NONE", "pin": "7TESTX9"}
    )


def test_special_key_gets_its_own_reply(sample: register.Register) -> None:
    assert sample.answer("GetDebt", "7TESTXB") == AgencyReply(fault=FaultText(code="Client.Business", text="refused"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("table: debts", "tabel: debts", r":6: error: .*unknown field `tabel`.*did you mean 'table'"),
        ("missing:", "mising:", r":8: error: .*did you mean 'missing'"),
        ("table: debts", "table: dept", "names the table 'dept'"),
        ("agency: sample", "agency: sample\nagency: twice", "stands here twice"),
        ("key: Pin", "key: [Pin]", "Expected `str`"),
        ("  debts:", "  debts", "is not YAML"),
    ],
)
def test_wrong_file_is_refused_and_said_why(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "simulator.yaml"
    path.write_text(FILE.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=said):
        register.load(path)


def test_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent\.yaml"):
        register.load(tmp_path / "absent.yaml")
