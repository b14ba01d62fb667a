"""What `esb.ports.Journal` promises about leases, boxes, reading and shared commits, on both stores."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from esb.errors import JournalUnavailable, LeaseLost
from esb.journal import GroupCommitJournal
from esb.journal.content import decode
from esb.model import RouteId, Status
from esb.ports import ExchangeFilter, State
from tests.support.journal import (
    PORTAL,
    START,
    JournalPlace,
    completion_of,
    kinds_of,
    outgoing_of,
    request_of,
    request_with,
)

# --- leases ----------------------------------------------------------------------------------------------


async def test_work_is_handed_out_oldest_first_and_to_one_claimer(place: JournalPlace) -> None:
    first, second = await place.open("node1/1"), await place.open("node2/1")
    for number in range(6):
        await first.receive(request_of(number), lease_s=None)
        place.clock.advance(1)
    taken = [stored.request.message_id for stored in await first.claim_work(lease_s=30, limit=2)]
    assert taken == ["message-00000", "message-00001"]
    rest = await asyncio.gather(*(one.claim_work(lease_s=30, limit=4) for one in (first, second, first)))
    claimed = [stored.request.message_id for answer in rest for stored in answer]
    assert sorted(claimed) == [f"message-{number:05}" for number in range(2, 6)]


async def test_work_can_be_wanted_for_some_routes_only(journal: GroupCommitJournal) -> None:
    for number, route in enumerate(["person.identity", "diploma.by-person", "credit.obligations"]):
        await journal.receive(request_of(number, route=route), lease_s=None)
    wanted = [RouteId("diploma.by-person"), RouteId("credit.obligations")]
    answers = await asyncio.gather(
        journal.claim_work(lease_s=30, limit=5, routes=[]),
        journal.claim_work(lease_s=30, limit=1, routes=wanted),
        journal.claim_work(lease_s=30, limit=5, routes=wanted),
    )
    assert [len(answer) for answer in answers] == [0, 1, 1]
    (left,) = await journal.claim_work(lease_s=30, limit=5)
    assert left.request.route == "person.identity"


async def test_lapsed_lease_is_reclaimed_by_anyone_and_recorded(place: JournalPlace) -> None:
    dead, alive = await place.open("node1/1"), await place.open("node2/1")
    exchange = request_of()
    await dead.receive(exchange, lease_s=30)
    await dead.begin_call(exchange.caller, exchange.message_id)
    assert await alive.claim_work(lease_s=30, limit=5) == ()
    assert await alive.take_over(exchange.caller, exchange.message_id, lease_s=30) is None
    place.clock.advance(31)
    (claimed,) = await alive.claim_work(lease_s=30, limit=5)
    assert (claimed.lease_owner, claimed.attempts, claimed.call_begun) == ("node2/1", 2, True)
    with pytest.raises(LeaseLost):
        await dead.complete(completion_of(exchange))
    *_, reclaimed = await alive.records_of(exchange.caller, exchange.message_id)
    assert (reclaimed.kind, decode(reclaimed.content).owner) == ("RECLAIMED", "node1/1")
    await alive.complete(completion_of(exchange))


async def test_lapsed_lease_that_nobody_took_still_completes(place: JournalPlace) -> None:
    journal = await place.open()
    exchange = request_of()
    await journal.receive(exchange, lease_s=1)
    place.clock.advance(60)
    await journal.complete(completion_of(exchange))
    assert await kinds_of(journal, exchange) == ["RECEIVED", "COMPLETED"]


async def test_leases_of_the_previous_process_are_freed(place: JournalPlace) -> None:
    before, other = await place.open("node1/1"), await place.open("node1/2")
    await before.receive(request_of(1), lease_s=3600)
    await other.receive(request_of(2), lease_s=3600)
    await before.close()
    after = await place.open("node1/1")
    assert await after.release_own_leases() == 1
    assert [stored.request.message_id for stored in await after.claim_work(lease_s=30, limit=5)] == ["message-00001"]


async def test_exchange_leased_before_a_restart_can_be_finished_after_it(place: JournalPlace) -> None:
    before = await place.open()
    await before.receive(request_of(), lease_s=3600)
    await before.close()
    after = await place.open()
    await after.complete(completion_of(request_of()))
    *_, completed = await after.records_of(PORTAL, request_of().message_id)
    assert decode(completed.content).route == "person.identity"


async def test_owner_name_is_used_by_one_process_at_a_time(place: JournalPlace) -> None:
    first = await place.open("node1/1")
    with pytest.raises(JournalUnavailable, match=r"node1/1 is in use by .*[0-9]"):
        await place.open("node1/1")
    await first.close()
    await place.open("node1/1")


# --- inbox and outbox --------------------------------------------------------------------------------------


async def test_reply_in_the_inbox_comes_again_until_acknowledged(place: JournalPlace) -> None:
    journal = await place.open()
    for number in (1, 2):
        await journal.receive(request_of(number), lease_s=30)
        await journal.complete(completion_of(request_of(number), reply=b"%d" % number, to_inbox=True))
    assert [reply.body for reply in await journal.inbox(PORTAL, limit=1, redeliver_after_s=30)] == [b"1"]
    assert [reply.body for reply in await journal.inbox(PORTAL, limit=5, redeliver_after_s=30)] == [b"2"]
    assert await journal.inbox(PORTAL, limit=5, redeliver_after_s=30) == ()
    assert await journal.acknowledge(PORTAL, request_of(1).message_id) is True
    assert await journal.acknowledge(PORTAL, request_of(1).message_id) is False
    place.clock.advance(30)
    (again,) = await journal.inbox(PORTAL, limit=5, redeliver_after_s=30)
    assert (again.message_id, again.body, again.signature) == (request_of(2).message_id, b"2", "a..b")


async def test_inbox_of_one_caller_is_not_shown_to_another(journal: GroupCommitJournal) -> None:
    exchange = request_of()
    await journal.receive(exchange, lease_s=30)
    await journal.complete(completion_of(exchange, to_inbox=True))
    other = request_with(exchange, caller="tax-portal").caller
    assert await journal.inbox(other, limit=5, redeliver_after_s=30) == ()
    assert await journal.acknowledge(other, exchange.message_id) is False


async def test_concurrent_fetches_hand_out_each_reply_once(place: JournalPlace) -> None:
    journals = [await place.open(f"node1/{slot}") for slot in range(2)]
    for number in range(6):
        await journals[0].receive(request_of(number), lease_s=30)
        await journals[0].complete(completion_of(request_of(number), to_inbox=True))
    answers = await asyncio.gather(
        *(journals[slot % 2].inbox(PORTAL, limit=2, redeliver_after_s=30) for slot in range(6))
    )
    handed_out = [reply.message_id for answer in answers for reply in answer]
    assert len(handed_out) == len(set(handed_out))


async def test_outgoing_message_is_leased_to_one_relay_until_published(place: JournalPlace) -> None:
    relays = [await place.open(f"node1/{slot}") for slot in range(2)]
    exchange = request_of()
    reply, own = b'{"status":"OK"}', b"its own payload"
    messages = [outgoing_of(exchange, body=body) for body in (exchange.body, reply, own)]
    await relays[0].receive(exchange, lease_s=30, outgoing=messages[:1])
    await relays[0].complete(completion_of(exchange, reply=reply), outgoing=messages[1:])
    answers = await asyncio.gather(*(relay.pending_outgoing(limit=10, lease_s=30) for relay in relays))
    pending = sorted((row for answer in answers for row in answer), key=lambda row: row.outbox_id)
    assert [row.message for row in pending] == messages
    assert await relays[1].pending_outgoing(limit=10, lease_s=30) == ()
    await relays[0].outgoing_published([row.outbox_id for row in pending[:2]])
    place.clock.advance(31)
    (left,) = await relays[1].pending_outgoing(limit=10, lease_s=30)
    assert left.message == messages[2]
    await relays[1].outgoing_published([left.outbox_id])
    place.clock.advance(31)
    assert await relays[1].pending_outgoing(limit=10, lease_s=30) == ()


async def test_returned_reply_goes_to_the_callers_inbox(journal: GroupCommitJournal) -> None:
    exchange = request_of()
    await journal.receive(exchange, lease_s=30)
    await journal.complete(completion_of(exchange), outgoing=[outgoing_of(exchange, inbox_of="portal", body=b"reply")])
    (pending,) = await journal.pending_outgoing(limit=10, lease_s=30)
    await asyncio.gather(journal.outgoing_returned(pending.outbox_id), journal.outgoing_returned(pending.outbox_id))
    (reply,) = await journal.inbox(PORTAL, limit=5, redeliver_after_s=30)
    assert (reply.message_id, reply.body, reply.signature) == (exchange.message_id, b"reply", "a..b")


async def test_returned_message_of_nobody_is_marked_and_not_sent_again(place: JournalPlace) -> None:
    journal = await place.open()
    exchange = request_of()
    await journal.receive(exchange, lease_s=30, outgoing=[outgoing_of(exchange)])
    (pending,) = await journal.pending_outgoing(limit=10, lease_s=30)
    await journal.outgoing_returned(pending.outbox_id)
    place.clock.advance(31)
    assert await journal.pending_outgoing(limit=10, lease_s=30) == ()
    assert await place.read("SELECT count(*) FROM outbox WHERE returned_us IS NOT NULL") == [(1,)]


# --- reading -----------------------------------------------------------------------------------------------


async def test_list_filters_and_shows_the_newest_first(journal: GroupCommitJournal) -> None:
    routes = ["person.identity", "diploma.by-person", "person.identity"]
    for number, route in enumerate(routes):
        await journal.receive(request_of(number, route=route), lease_s=30)
    await journal.complete(completion_of(request_of(0)))
    await journal.park(PORTAL, request_of(1).message_id, reason="r")

    async def numbers(wanted: ExchangeFilter) -> list[int]:
        return [int(stored.request.message_id[-5:]) for stored in await journal.list(wanted)]

    assert await numbers(ExchangeFilter()) == [2, 1, 0]
    assert await numbers(ExchangeFilter(limit=1)) == [2]
    assert await numbers(ExchangeFilter(state=State.PARKED)) == [1]
    assert await numbers(ExchangeFilter(status=Status.OK)) == [0]
    assert await numbers(ExchangeFilter(route="person.identity")) == [2, 0]
    assert await numbers(ExchangeFilter(caller="nobody")) == []
    assert await numbers(ExchangeFilter(caller="portal", since=START + timedelta(milliseconds=1))) == [2, 1]


async def test_records_come_chain_by_chain_in_order(place: JournalPlace) -> None:
    journals = [await place.open(f"node1/{slot}") for slot in (2, 1)]
    for number in range(4):
        await journals[number % 2].receive(request_of(number), lease_s=30)
    found = [(record.chain, record.seq) async for record in journals[0].records()]
    assert found == [("node1/1", 1), ("node1/1", 2), ("node1/2", 1), ("node1/2", 2)]
    assert [record.seq async for record in journals[0].records(chain="node1/2")] == [1, 2]


async def test_records_of_one_exchange_are_in_order_across_chains(place: JournalPlace) -> None:
    first, second = await place.open("node9/1"), await place.open("node1/1")
    exchange = request_of()
    await first.receive(exchange, lease_s=1)
    place.clock.advance(2)
    await second.claim_work(lease_s=30, limit=1)
    await second.complete(completion_of(exchange))
    assert await kinds_of(first, exchange) == ["RECEIVED", "RECLAIMED", "COMPLETED"]


# --- sharing commits ---------------------------------------------------------------------------------------


async def test_concurrent_writes_share_a_commit(place: JournalPlace) -> None:
    journal = await place.open(window_s=0.005)
    before = journal.commits
    await asyncio.gather(*(journal.receive(request_of(number), lease_s=30) for number in range(64)))
    await asyncio.gather(*(journal.complete(completion_of(request_of(number))) for number in range(64)))
    assert journal.commits - before <= 4


async def test_lonely_write_does_not_wait_for_company(place: JournalPlace) -> None:
    journal = await place.open(window_s=3600)
    for number in range(3):
        await journal.receive(request_of(number), lease_s=30)


async def test_cancelled_caller_breaks_no_other(journal: GroupCommitJournal) -> None:
    tasks = [asyncio.create_task(journal.receive(request_of(number), lease_s=30)) for number in range(9)]
    await asyncio.sleep(0)
    for task in tasks[::3]:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [outcome is None for outcome in outcomes] == [number % 3 != 0 for number in range(9)]
    await journal.receive(request_of(20), lease_s=30)
    for number in (1, 2, 4, 5, 7, 8):
        assert await journal.find(PORTAL, request_of(number).message_id) is not None


async def test_closing_finishes_what_was_accepted(place: JournalPlace) -> None:
    journal = await place.open(window_s=0.01)
    writes = [asyncio.create_task(journal.receive(request_of(number), lease_s=30)) for number in range(20)]
    await asyncio.sleep(0)
    await journal.close()
    assert await asyncio.gather(*writes) == [None] * 20
    await journal.close()
    with pytest.raises(JournalUnavailable):
        await journal.receive(request_of(99), lease_s=30)
    with pytest.raises(JournalUnavailable):
        await journal.find(PORTAL, request_of(1).message_id)


async def test_schema_is_made_once_by_whoever_comes_first(place: JournalPlace) -> None:
    journals = await asyncio.gather(*(place.open(f"node1/{slot}") for slot in range(4)))
    await asyncio.gather(*(journal.ping() for journal in journals))
