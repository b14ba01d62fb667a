"""The made-up people: enough of them, awkward ones among them, and the agencies agree about them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from adapters.simulator import register

AGENCIES = Path(__file__).parents[3] / "adapters" / "agencies"
FIN = re.compile("[0-9A-HJ-NP-Z]{7}")


def keys_of(agency: str, table: str) -> set[str]:
    return set(register.load(AGENCIES / agency / "simulator.yaml").tables[table])


def special_of(agency: str) -> set[frozenset[str]]:
    operations = register.load(AGENCIES / agency / "simulator.yaml").operations.values()
    return {frozenset(rules.special) for rules in operations}


def test_there_are_at_least_twelve_people_with_valid_made_up_fins() -> None:
    people = keys_of("din-reg", "persons")
    assert len(people) >= 12
    assert all(FIN.fullmatch(fin) and fin.startswith("7TEST") for fin in people)


def test_agencies_agree_about_who_exists() -> None:
    people = keys_of("din-reg", "persons")
    assert keys_of("mkr", "credits") == people
    assert keys_of("tn-tm", "diplomas") <= people
    assert keys_of("tn-tm", "students") <= people


@pytest.mark.parametrize("agency", ["din-reg", "mkr", "tn-tm"])
def test_the_refused_person_is_refused_by_every_operation(agency: str) -> None:
    assert special_of(agency) == {frozenset({"7TESTXB"})}


def test_each_record_is_filed_under_its_own_fin() -> None:
    persons = register.load(AGENCIES / "din-reg" / "simulator.yaml").tables["persons"]
    assert all(person["Pin"] == fin for fin, person in persons.items())
