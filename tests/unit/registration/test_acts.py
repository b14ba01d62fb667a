"""The ladder of a version, and everything else an operator may do, as pure steps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.manifest import Lifecycle
from adapters.registration import acts, overlay, record
from adapters.registration.record import LADDER, Pilot, Record, RolloutTerms
from adapters.registration.signing import Proof
from esb.errors import JournalTampered, RegistrationRefused
from esb.model import AgencyCode

AT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EMPTY = Record(agency=AgencyCode("din-reg"))
PROOF = Proof(signature="a..b")
PILOT = Pilot(callers=("portal",), rayons=("Yasamal",))


def submitted(known: Record = EMPTY, version: str = "v2", sha256: str = "aa") -> Record:
    return acts.submit(known, version, bundle_sha256=sha256, proof=PROOF, operator="aysel", at=AT)[0]


def promoted(known: Record, to: Lifecycle, version: str = "v2") -> Record:
    pilot = PILOT if to is Lifecycle.PILOT else None
    return acts.promote(known, version, to, pilot=pilot, at=AT + timedelta(days=1))[0]


def at_stage(stage: Lifecycle, version: str = "v2", known: Record = EMPTY) -> Record:
    found = submitted(known, version)
    for step in LADDER[1 : LADDER.index(stage) + 1]:
        found = promoted(found, step, version)
    return found


def test_a_version_begins_as_registered_with_who_and_when() -> None:
    version = submitted().versions["v2"]
    assert (version.lifecycle, version.submitted_by, version.submitted_at) == (Lifecycle.REGISTERED, "aysel", AT)


def test_each_stage_is_reached_from_the_one_before() -> None:
    assert at_stage(Lifecycle.LIVE).versions["v2"].lifecycle is Lifecycle.LIVE


@given(st.sampled_from(LADDER), st.sampled_from(LADDER))
def test_no_stage_is_ever_skipped_and_every_earlier_one_can_be_gone_back_to(now: Lifecycle, to: Lifecycle) -> None:
    known = at_stage(now)
    if LADDER.index(to) > LADDER.index(now) + 1:
        with pytest.raises(RegistrationRefused, match=f"is {now}: the next stage is"):
            promoted(known, to)
    elif to is now and to is not Lifecycle.PILOT:
        with pytest.raises(RegistrationRefused, match="already"):
            promoted(known, to)
    else:
        assert promoted(known, to).versions["v2"].lifecycle is to


@given(st.lists(st.sampled_from(["promote", "back", "suspend", "resume", "retire", "submit"]), max_size=12))
def test_whatever_is_done_a_retired_version_stays_retired_and_a_suspended_one_where_it_was(steps: list[str]) -> None:
    known = submitted()
    for step in steps:
        before = known
        try:
            known = _done(step, known)
        except RegistrationRefused:
            known = before
        was, now = before.versions["v2"].lifecycle, known.versions["v2"].lifecycle
        assert was is not Lifecycle.RETIRED or now is Lifecycle.RETIRED
        assert step not in {"suspend", "resume"} or was is now
        assert record.decode(record.encode(known)) == known


def _done(step: str, known: Record) -> Record:
    if step == "submit":
        return submitted(known, sha256="bb")
    if step == "promote":
        return promoted(known, acts.target_of(known, "v2", None))
    if step == "back":
        return promoted(known, Lifecycle.REGISTERED)
    if step == "retire":
        return acts.retire(known, "v2", at=AT)[0]
    return {"suspend": acts.suspend, "resume": acts.resume}[step](known, "v2")[0]


@pytest.mark.parametrize("stage", [Lifecycle.SUSPENDED, Lifecycle.RETIRED])
def test_suspension_and_retirement_are_no_stages_of_promotion(stage: Lifecycle) -> None:
    with pytest.raises(RegistrationRefused, match="not a stage of promotion"):
        promoted(submitted(), stage)


@pytest.mark.parametrize("stage", [Lifecycle.REGISTERED, Lifecycle.CHECKED])
def test_what_nobody_has_called_may_be_submitted_again_with_another_content(stage: Lifecycle) -> None:
    again = submitted(at_stage(stage), sha256="bb").versions["v2"]
    assert (again.bundle_sha256, again.lifecycle) == ("bb", Lifecycle.REGISTERED)


@pytest.mark.parametrize("stage", [Lifecycle.TEST, Lifecycle.PILOT, Lifecycle.LIVE])
def test_what_is_called_is_never_replaced_by_another_content(stage: Lifecycle) -> None:
    with pytest.raises(RegistrationRefused, match="as a new version"):
        submitted(at_stage(stage), sha256="bb")


@pytest.mark.parametrize("sha256", ["aa", "bb"])
def test_what_is_retired_is_not_submitted_again(sha256: str) -> None:
    with pytest.raises(RegistrationRefused, match="v2 is retired, which is for good; submit a new version"):
        submitted(acts.retire(submitted(), "v2", at=AT)[0], sha256=sha256)


def test_the_same_content_may_be_signed_anew_and_stays_where_it_is() -> None:
    again, what = acts.submit(
        at_stage(Lifecycle.LIVE), "v2", bundle_sha256="aa", proof=Proof(signature="c..d"), operator="x", at=AT
    )
    assert (again.versions["v2"].lifecycle, again.versions["v2"].proof.signature) == (Lifecycle.LIVE, "c..d")
    assert what == "signed again"


def test_a_pilot_is_with_somebody_and_somebody_is_named_for_nothing_else() -> None:
    with pytest.raises(RegistrationRefused, match="with whom"):
        acts.promote(at_stage(Lifecycle.TEST), "v2", Lifecycle.PILOT, pilot=None, at=AT)
    with pytest.raises(RegistrationRefused, match="for a pilot"):
        acts.promote(at_stage(Lifecycle.PILOT), "v2", Lifecycle.LIVE, pilot=PILOT, at=AT)


def test_a_pilot_may_be_widened() -> None:
    wider = Pilot(callers=("portal", "eesmn"))
    widened, what = acts.promote(at_stage(Lifecycle.PILOT), "v2", Lifecycle.PILOT, pilot=wider, at=AT)
    assert widened.versions["v2"].pilot == wider
    assert what == "pilot → pilot with callers portal, eesmn"


def test_a_suspended_version_is_resumed_before_it_is_promoted() -> None:
    suspended, _ = acts.suspend(at_stage(Lifecycle.TEST), "v2")
    assert suspended.stage("v2") is Lifecycle.SUSPENDED
    with pytest.raises(RegistrationRefused, match="first: esb adapters resume din-reg v2"):
        promoted(suspended, Lifecycle.PILOT)
    assert acts.resume(suspended, "v2")[0].stage("v2") is Lifecycle.TEST


def test_a_version_that_is_not_there_is_named() -> None:
    with pytest.raises(RegistrationRefused, match="no registered version v3; there are: v2"):
        promoted(submitted(), Lifecycle.CHECKED, "v3")


def test_values_stand_over_every_version_until_they_are_taken_back() -> None:
    values = overlay.read(["limits.rate_per_s=50", "endpoint.test=https://test.example/x"])
    known, what = acts.set_values(at_stage(Lifecycle.LIVE), values, operator="aysel", reason="asked", at=AT)
    assert what == 'limits.rate_per_s=50.0, endpoint.test="https://test.example/x"'
    later = at_stage(Lifecycle.LIVE, "v3", known)
    assert later.overlay["limits.rate_per_s"].value == 50.0
    assert (later.overlay["endpoint.test"].operator, later.overlay["endpoint.test"].reason) == ("aysel", "asked")
    left, _ = acts.unset_values(later, ["endpoint.test"])
    assert set(left.overlay) == {"limits.rate_per_s"}
    with pytest.raises(RegistrationRefused, match=r"endpoint.test: not set by an operator; set are: limits.rate_per_s"):
        acts.unset_values(left, ["endpoint.test"])


KNOWN = {"v1": Lifecycle.LIVE, "v2": Lifecycle.LIVE, "v3": Lifecycle.RETIRED}


def test_a_rollout_is_read_as_it_is_written() -> None:
    terms = acts.read_rollout(["v2=10", "v1=90", "v2=callers:portal-a,portal-b"])
    assert terms == RolloutTerms(weights={"v1": 90, "v2": 10}, callers={"v2": ("portal-a", "portal-b")})
    assert acts.words_of(terms) == "v1=90 v2=10 v2=callers:portal-a,portal-b"
    assert acts.roll_out(EMPTY, terms, known=KNOWN)[0].rollout == terms


@pytest.mark.parametrize("word", ["v1", "v1=", "=5", "v1=-1", "v1=1.5", "v1=ten", "one=1", "v1=99999999"])
def test_a_share_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(RegistrationRefused, match=f"'{word}'"):
        acts.read_rollout([word])


@pytest.mark.parametrize("words", [["v4=1"], ["v3=1", "v1=1"], ["v4=callers:portal"], ["v1=0"]])
def test_a_rollout_to_nobody_or_to_what_is_not_there_is_refused(words: list[str]) -> None:
    with pytest.raises(RegistrationRefused):
        acts.roll_out(EMPTY, acts.read_rollout(words), known=KNOWN)


def test_a_retired_version_has_no_share_left() -> None:
    known = at_stage(Lifecycle.LIVE, "v1", at_stage(Lifecycle.LIVE))
    known, _ = acts.roll_out(known, acts.read_rollout(["v1=90", "v2=10"]), known=KNOWN)
    assert acts.retire(known, "v1", at=AT)[0].rollout == RolloutTerms(weights={"v2": 10})
    only, _ = acts.roll_out(known, acts.read_rollout(["v1=callers:portal"]), known=KNOWN)
    assert acts.retire(only, "v1", at=AT)[0].rollout is None


@pytest.mark.parametrize("document", [b"", b"{}", b"[]", b'{"agency": 5}', b"\xff"])
def test_a_document_that_the_bus_never_wrote_is_tampering(document: bytes) -> None:
    with pytest.raises(JournalTampered):
        record.decode(document)
