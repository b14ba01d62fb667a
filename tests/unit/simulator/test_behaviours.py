"""How misbehaviour is asked for, and for which calls it holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.simulator.behaviours import FAIL_FIRST, Behaviour, Conduct, Kind, parse
from esb.errors import SettingInvalid


@pytest.mark.parametrize(
    ("text", "behaviour"),
    [
        ("hang", Behaviour(kind=Kind.HANG)),
        ("slow=2000", Behaviour(kind=Kind.SLOW, amount=2000)),
        ("status=503,next=2", Behaviour(kind=Kind.STATUS, amount=503, next=2)),
        ("unsigned, key=7TESTX1", Behaviour(kind=Kind.UNSIGNED, key="7TESTX1")),
        ("cut,p=0.25,seed=7", Behaviour(kind=Kind.CUT, probability=0.25, seed=7)),
        ("fail-first=3", Behaviour(kind=Kind.STATUS, amount=503, next=3)),
    ],
)
def test_behaviour_is_read_from_its_command_line_form(text: str, behaviour: Behaviour) -> None:
    assert parse(text) == behaviour


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("slwo=3", "did you mean 'slow'"),
        ("fail-frist=3", "did you mean 'fail-first'"),
        ("slow", "needs milliseconds"),
        ("slow=soon", "needs a whole number"),
        ("hang=3", "takes no number"),
        ("status=99", "between 200 and 599"),
        ("hang,nxt=3", "unknown option 'nxt'"),
        ("hang,next=0", "at least 1"),
        ("fail-first=0", "at least 1"),
        ("fail-first", "needs a whole number"),
        ("hang,p=2", "between 0 and 1"),
        ("hang,p=often", "between 0 and 1"),
        ("hang,p=nan", "between 0 and 1"),
        ("refuse,next=1", "takes no options"),
    ],
)
def test_behaviour_that_makes_no_sense_is_refused_with_advice(text: str, said: str) -> None:
    with pytest.raises(SettingInvalid, match=said):
        parse(text)


def test_behaviour_for_the_next_calls_wears_off() -> None:
    conduct = Conduct([parse("fail-first=2")])
    assert [conduct.choose("7TESTX1") for _ in range(3)] == [{Kind.STATUS: 503}, {Kind.STATUS: 503}, {}]
    assert conduct.active == ()


def test_behaviour_for_one_key_leaves_other_calls_alone_and_does_not_count_them() -> None:
    conduct = Conduct([parse("hang,key=7TESTX1,next=1")])
    assert conduct.choose("7TESTX2") == {}
    assert conduct.choose(None) == {}
    assert conduct.choose("7TESTX1") == {Kind.HANG: 0}
    assert conduct.choose("7TESTX1") == {}


def test_probable_behaviour_is_the_same_in_every_run_with_the_same_seed() -> None:
    first, again = (Conduct([parse("cut,p=0.3,seed=5")]) for _ in range(2))
    spoilt = [bool(first.choose("7TESTX1")) for _ in range(200)]
    assert spoilt == [bool(again.choose("7TESTX1")) for _ in range(200)]
    assert 20 < sum(spoilt) < 120


def test_several_behaviours_hold_together() -> None:
    conduct = Conduct([parse("slow=5"), parse("unsigned")])
    assert conduct.choose("7TESTX1") == {Kind.SLOW: 5, Kind.UNSIGNED: 0}


def test_remaining_calls_are_told() -> None:
    conduct = Conduct([parse("fail-first=5")])
    conduct.choose("7TESTX1")
    assert conduct.active[0].next == 4


def test_clearing_makes_the_agency_behave_well_again() -> None:
    conduct = Conduct([parse("refuse"), parse("hang")])
    conduct.clear()
    assert (conduct.refuses, conduct.choose("7TESTX1")) == (False, {})


def test_refusing_holds_for_every_call() -> None:
    assert Conduct([parse("hang"), parse("refuse")]).refuses


def test_guide_explains_every_behaviour() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "simulator.md").read_text(encoding="utf-8")
    assert [kind for kind in (*Kind, FAIL_FIRST) if f"`{kind}" not in guide] == []
