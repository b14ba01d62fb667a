"""One route over several contract versions: it must fit each of them, and a question goes to one, always the same."""

from __future__ import annotations

import uuid
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esb.errors import PilotOnly
from esb.model import AgencyCode, CallerName, RouteId
from esb.ports import Reach
from esb.routes import compiler
from esb.routes.table import CallRoute, GatherRoute, RouteTable, difference
from esb.routes.versions import Rollout, Variant
from tests.support.deployment import DEPLOYMENT, LINE, PIN, SHAPES, ShapeCatalogue, closed, write

AGENCY = AgencyCode("din-reg")
IDENTITY = RouteId("person.identity")
OPERATION = ("din-reg", "GetPersonByPin")
SECOND = {
    **SHAPES,
    OPERATION: msgspec.structs.replace(
        SHAPES[OPERATION],
        request_schema=closed({"Pin": {**PIN, "title": "stricter"}, "Note": LINE}, optional=("Note",)),
    ),
}
RENAMED = {
    **SHAPES,
    OPERATION: msgspec.structs.replace(
        SHAPES[OPERATION],
        reply_schema={**closed({"ResultCode": LINE, "Person": closed({"FamilyName": LINE})}, optional=("Person",))},
    ),
}


def reach(version: str, shapes: object = SHAPES, **terms: object) -> Reach:
    assert isinstance(shapes, dict)
    return msgspec.structs.replace(Reach(version=version, catalogue=ShapeCatalogue(shapes)), **terms)


def table_of(folder: Path, *reaches: Reach, text: str = DEPLOYMENT) -> RouteTable:
    face = reaches[-1].version if reaches else "v1"
    return compiler.load(write(folder, text), one(face, reaches))


def errors_of(folder: Path, *reaches: Reach) -> list[str]:
    path = write(folder)
    found = compiler.check(path, one("v1", reaches))
    return [finding.message for finding in found if finding.severity == "error"]


def identity(table: RouteTable) -> CallRoute:
    route = table.routes[IDENTITY]
    assert isinstance(route, CallRoute)
    return route


def versions(table: RouteTable, caller: str = "portal", *, rayon: str | None = None, times: int = 300) -> Counter[str]:
    document = {"parameters": {} if rayon is None else {"rayon": rayon}}
    route = identity(table)
    chosen = [route.version_for(CallerName(caller), f"m{number}", document) for number in range(times)]
    return Counter(str(one.contract_version) for one in chosen)


def one(version: str, reaches: tuple[Reach, ...] = ()) -> ShapeCatalogue:
    """A catalogue in which the agency shows this version."""

    class Of(ShapeCatalogue):
        def version(self, agency: AgencyCode) -> str:
            return version if agency == AGENCY else super().version(agency)

    return Of(SHAPES, reach={AGENCY: reaches})


V1, V2, V3 = (Reach(version=name, catalogue=one(name)) for name in ("v1", "v2", "v3"))


def test_an_agency_with_one_open_version_has_nothing_to_choose(tmp_path: Path) -> None:
    route = identity(table_of(tmp_path))
    assert route.rollout is None
    assert route.version_for(CallerName("portal"), "m1", {}) is route


def test_without_a_rollout_the_preferred_version_is_asked(tmp_path: Path) -> None:
    assert versions(table_of(tmp_path, V2, V1)) == {"v2": 300}


def test_weights_share_what_no_caller_is_named_for(tmp_path: Path) -> None:
    with_weights = [msgspec.structs.replace(V1, weight=90), msgspec.structs.replace(V2, weight=10), V3]
    shared = versions(table_of(tmp_path, *with_weights), times=2000)
    assert set(shared) == {"v1", "v2"}
    assert 120 < shared["v2"] < 290


def test_a_named_caller_goes_where_it_is_sent_and_nobody_else_with_it(tmp_path: Path) -> None:
    table = table_of(tmp_path, msgspec.structs.replace(V2, named=frozenset({"portal"})), V1)
    assert versions(table) == {"v2": 300}
    assert versions(table, "eesmn") == {"v1": 300}


def test_a_version_with_names_and_a_weight_takes_its_share_of_the_others(tmp_path: Path) -> None:
    named = msgspec.structs.replace(V2, named=frozenset({"portal"}), weight=50)
    table = table_of(tmp_path, named, msgspec.structs.replace(V1, weight=50))
    assert versions(table) == {"v2": 300}
    assert set(versions(table, "eesmn")) == {"v1", "v2"}


def test_a_pilot_is_preferred_by_whom_it_is_open_to(tmp_path: Path) -> None:
    pilot = msgspec.structs.replace(V2, callers=frozenset({"portal"}), rayons=frozenset({"Yasamal"}), takes_rayon=True)
    table = table_of(tmp_path, pilot, V1)
    assert versions(table) == {"v2": 300}
    assert versions(table, "eesmn") == {"v1": 300}
    assert versions(table, "eesmn", rayon="Yasamal") == {"v2": 300}
    assert versions(table, "eesmn", rayon="Nizami") == {"v1": 300}


def test_who_is_in_no_pilot_and_has_nothing_else_is_told_so(tmp_path: Path) -> None:
    table = table_of(tmp_path, msgspec.structs.replace(V2, callers=frozenset({"portal"})))
    assert versions(table) == {"v2": 300}
    with pytest.raises(PilotOnly):
        versions(table, "eesmn")


@pytest.mark.parametrize("rayon", [None, 5, [], {"a": 1}, True])
def test_whatever_stands_for_a_rayon_opens_no_pilot(tmp_path: Path, rayon: object) -> None:
    table = table_of(tmp_path, msgspec.structs.replace(V2, rayons=frozenset({"Yasamal"}), takes_rayon=True))
    with pytest.raises(PilotOnly):
        identity(table).version_for(CallerName("eesmn"), "m1", {"parameters": {"rayon": rayon}})


@given(st.uuids().map(str), st.lists(st.integers(1, 1000), min_size=1, max_size=4))
def test_a_message_goes_to_the_same_version_each_time(message_id: str, weights: list[int]) -> None:
    variants = tuple(
        Variant(reach=msgspec.structs.replace(V1, version=f"v{number}", weight=weight), route=f"v{number}")  # type: ignore[arg-type]
        for number, weight in enumerate(weights)
    )
    rollout = Rollout(agency=AGENCY, variants=variants)
    chosen = {str(rollout.choose(CallerName("portal"), message_id, {})) for _ in range(3)}
    assert len(chosen) == 1


def test_a_larger_share_takes_no_question_from_the_version_that_grows() -> None:
    def asked(weights: tuple[int, int]) -> list[str]:
        variants = tuple(
            Variant(reach=msgspec.structs.replace(V1, weight=weight), route=name)  # type: ignore[arg-type]
            for name, weight in zip(("v1", "v2"), weights, strict=True)
        )
        rollout = Rollout(agency=AGENCY, variants=variants)
        return [str(rollout.choose(CallerName("portal"), one, {})) for one in ids]

    ids = [str(uuid.UUID(int=number)) for number in range(500)]
    before, after = asked((90, 10)), asked((50, 50))
    assert all(later == "v2" for earlier, later in zip(before, after, strict=True) if earlier == "v2")


def test_a_mapping_must_fit_every_version_that_it_may_reach(tmp_path: Path) -> None:
    told = errors_of(tmp_path, reach("v1"), reach("v2", RENAMED))
    assert any(
        message.startswith("contract v2 of din-reg: routes.person.identity.reply.surname: the agency's answer has no")
        for message in told
    )
    assert not any(message.startswith("contract v1") for message in told)


def test_a_mapping_that_fits_both_keeps_the_face_of_one_and_the_schema_of_each(tmp_path: Path) -> None:
    route = identity(table_of(tmp_path, reach("v2", SECOND), reach("v1")))
    assert route.rollout is not None
    assert [variant.reach.version for variant in route.rollout.variants] == ["v2", "v1"]
    assert "stricter" not in str(route.request_schema)
    assert "stricter" in str(route.rollout.variants[0].route.request_schema)


def test_a_question_may_name_its_rayon_where_there_is_a_pilot_by_rayons(tmp_path: Path) -> None:
    route = identity(table_of(tmp_path, msgspec.structs.replace(V1, takes_rayon=True)))
    asked = {"subject": {"scheme": "FIN", "value": "7TESTX1"}, "parameters": {"rayon": "Yasamal"}}
    route.validator.validate(asked)
    assert "rayon" in route.request_schema["properties"]["parameters"]["properties"]
    assert "rayon" not in identity(table_of(tmp_path)).request_schema["properties"]["parameters"]["properties"]


def test_what_changes_who_is_asked_is_a_change_of_the_route(tmp_path: Path) -> None:
    before = table_of(tmp_path, V2, V1)
    for other in (msgspec.structs.replace(V2, weight=5), msgspec.structs.replace(V2, callers=frozenset({"x"}))):
        after = table_of(tmp_path, other, V1)
        assert IDENTITY in difference(before, after).changed
        assert before.digest != after.digest


def test_a_retired_agency_is_not_asked_and_its_routes_are_warned_of(tmp_path: Path) -> None:
    path = write(tmp_path)
    catalogue = ShapeCatalogue(SHAPES, retired=("mkr",))
    table, findings = compiler.compiled(path, catalogue)
    assert table is not None
    assert set(table.routes) == {"person.identity", "person.overview"}
    (finding,) = findings
    assert finding.line == DEPLOYMENT[: DEPLOYMENT.index("adapter: mkr")].count("\n") + 1
    assert "credit.obligations: mkr is retired" in finding.message
    gather = table.routes[RouteId("person.overview")]
    # The part is asked and refused: an answer that lacks it without a word would look whole.
    assert isinstance(gather, GatherRoute)
    assert set(gather.members) == {"identity", "credits"}
