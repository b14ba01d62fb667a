"""The topology as a value, and pika's exceptions against what we catch."""

from __future__ import annotations

import inspect

import pika.exceptions
import pytest

from esb.amqp.channel import PIKA_ERRORS
from esb.amqp.topology import DELAYS_S, caller_permissions, delay_key, stale_bindings, topology, work_queue
from esb.errors import ConfigurationError

ROUTES = {"person.identity": "din-reg", "person.overview": None}


def test_every_agency_and_the_gathering_routes_have_a_work_queue_of_their_own() -> None:
    queues = {queue.name for queue in topology(["din-reg", "mkr"], ROUTES).queues}

    assert {"esb.work.din-reg", "esb.work.mkr", "esb.work.gather"} <= queues


def test_each_route_leads_to_exactly_its_agencys_queue() -> None:
    bindings = [b for b in topology([], ROUTES).bindings if b.exchange == "esb.requests"]

    assert {(b.routing_key, b.queue) for b in bindings} == {
        ("person.identity", "esb.work.din-reg"),
        ("person.overview", "esb.work.gather"),
    }


def test_the_same_agencies_and_routes_in_any_order_give_the_same_topology() -> None:
    backwards = dict(reversed(ROUTES.items()))

    assert topology(["mkr", "din-reg"], ROUTES) == topology(["din-reg", "mkr", "mkr"], backwards)


def test_all_queues_are_quorum_queues_and_whatever_can_die_has_somewhere_to_go() -> None:
    queues = topology(["din-reg"], ROUTES).queues

    assert all(queue.arguments["x-queue-type"] == "quorum" for queue in queues)
    assert [queue.name for queue in queues if queue.dead_letters is None] == ["esb.parked"]
    assert all(queue.delivery_limit for queue in queues if queue.ttl_s is None and queue.name != "esb.parked")


def test_a_route_that_moved_to_another_agency_leaves_a_stale_binding() -> None:
    before = topology(["din-reg", "mkr"], {"person.identity": "din-reg"})
    after = topology(["din-reg", "mkr"], {"person.identity": "mkr"})

    stale = stale_bindings(after, before)

    assert [(b.routing_key, b.queue) for b in stale] == [("person.identity", "esb.work.din-reg")]
    assert stale_bindings(after, None) == []


@pytest.mark.parametrize("agency", ["gather", "Din-Reg", "a.b", "#", "", "a_b"])
def test_an_agency_whose_queue_would_be_ambiguous_is_refused(agency: str) -> None:
    with pytest.raises(ConfigurationError):
        topology([agency], {})


@pytest.mark.parametrize("route", ["person.*", "#", "person..identity", "", "person identity"])
def test_a_route_that_the_broker_would_read_as_a_pattern_is_refused(route: str) -> None:
    with pytest.raises(ConfigurationError):
        topology([], {route: "din-reg"})


@pytest.mark.parametrize(("delay_s", "seconds"), [(0.1, 1), (1, 1), (1.5, 5), (30, 30), (31, 120), (9999, 600)])
def test_a_delay_is_never_shorter_than_asked_for_unless_it_is_over_the_longest(delay_s: float, seconds: int) -> None:
    assert seconds in DELAYS_S
    assert delay_key("din-reg", delay_s) == f"{seconds}.din-reg"
    assert delay_key(None, delay_s) == f"{seconds}.gather"


def test_rows_show_every_exchange_queue_and_binding() -> None:
    wanted = topology(["din-reg"], ROUTES)

    rows = wanted.as_rows()

    assert len(rows) == len(wanted.exchanges) + len(wanted.queues) + len(wanted.bindings)
    assert {"kind": "queue", "name": "esb.parked", "details": "durable, x-queue-type=quorum"} in rows


def test_a_callers_permissions_are_only_as_wide_as_its_own_name() -> None:
    permissions = caller_permissions("portal")

    assert permissions.configure == r"^portal\..*$"
    assert permissions.replies_read == r"^portal\..*$"
    assert work_queue("din-reg") not in permissions.write


def test_every_exception_of_pika_is_one_that_we_map() -> None:
    classes = [c for _, c in inspect.getmembers(pika.exceptions, inspect.isclass) if issubclass(c, Exception)]

    assert len(classes) > 20
    assert [c for c in classes if not issubclass(c, PIKA_ERRORS)] == []
