from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.policy import Grant, GrantTable

TABLE = GrantTable(
    (
        Grant(caller="portal", route="person.*"),
        Grant(caller="portal", route="credit.obligations", purposes=("VEMTAS application",)),
        Grant(caller="eesmn", route="person.identity", purposes=("inspection",)),
        Grant(caller="eesmn", route="person.identity", purposes=("review",)),
    )
)


@pytest.mark.parametrize(
    ("caller", "route", "purpose"),
    [
        ("portal", "person.identity", None),
        ("portal", "person.identity", "anything"),
        ("portal", "person.documents.all", None),
        ("portal", "credit.obligations", "VEMTAS application"),
        ("eesmn", "person.identity", "inspection"),
        ("eesmn", "person.identity", "review"),
    ],
)
def test_what_a_grant_names_is_permitted(caller: str, route: str, purpose: str | None) -> None:
    assert TABLE.permits(caller, route, purpose)


@pytest.mark.parametrize(
    ("caller", "route", "purpose"),
    [
        ("portal", "person", None),
        ("portal", "personal.identity", None),
        ("portal", "diploma.by-person", None),
        ("portal", "credit.obligations", None),
        ("portal", "credit.obligations", "vemtas application"),
        ("eesmn", "person.identity", None),
        ("eesmn", "person.address", "inspection"),
        ("Portal", "person.identity", None),
        ("", "", None),
        ("portal", "*", None),
        ("portal", ".*", None),
        ("portal", "", None),
    ],
)
def test_what_no_grant_names_is_denied(caller: str, route: str, purpose: str | None) -> None:
    assert not TABLE.permits(caller, route, purpose)


def test_empty_table_denies_everybody() -> None:
    assert not GrantTable().permits("portal", "person.identity", None)


def test_callers_see_their_own_routes_only_in_the_order_given() -> None:
    routes = ["person.identity", "credit.obligations", "diploma.by-person", "person.address"]
    assert TABLE.routes_of("portal", routes) == ["person.identity", "credit.obligations", "person.address"]
    assert TABLE.routes_of("eesmn", routes) == ["person.identity"]
    assert TABLE.routes_of("stranger", routes) == []


@pytest.mark.parametrize("order", [1, -1])
def test_grant_without_purposes_is_the_wider_whatever_the_order(order: int) -> None:
    grants = (Grant(caller="a", route="r", purposes=("x",)), Grant(caller="a", route="r"))[::order]
    assert GrantTable(grants).permits("a", "r", "other")


@pytest.mark.parametrize("route", ["*", ".*", "", "person*", "*.identity", "a.*.b", "a.*.*", "a.**"])
def test_pattern_with_a_star_elsewhere_is_an_error(route: str) -> None:
    with pytest.raises(ValueError, match="route pattern"):
        Grant(caller="a", route=route)


NAMES = st.sampled_from(["a", "b", "c"])
ROUTES = st.lists(NAMES, min_size=1, max_size=3).map(".".join)
PATTERNS = st.one_of(ROUTES, ROUTES.map(lambda route: route + ".*"))
PURPOSES = st.lists(st.sampled_from(["x", "y"]), max_size=2).map(tuple)


@given(
    grants=st.lists(st.builds(lambda c, r, p: Grant(caller=c, route=r, purposes=p), NAMES, PATTERNS, PURPOSES)),
    caller=NAMES,
    route=ROUTES,
    purpose=st.sampled_from(["x", "y", None]),
)
def test_look_up_says_what_reading_every_grant_says(
    grants: list[Grant], caller: str, route: str, purpose: str | None
) -> None:
    def names(grant: Grant) -> bool:
        stem = grant.route.removesuffix("*")
        fits = route.startswith(stem) if grant.route.endswith(".*") else route == grant.route
        return grant.caller == caller and fits and (not grant.purposes or purpose in grant.purposes)

    assert GrantTable(tuple(grants)).permits(caller, route, purpose) == any(map(names, grants))
