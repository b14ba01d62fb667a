"""What `esb.ports.Journal` promises, on both stores. The same tests; nothing here knows which store it runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import pytest

from esb.errors import EsbError, LeaseLost, RequestMalformed, StorageError
from esb.journal import GroupCommitJournal
from esb.journal.content import decode
from esb.model import MessageId, Status
from esb.ports import State
from security.errors import MessageReplayed
from tests.support.journal import (
    PORTAL,
    START,
    JournalPlace,
    claim_of,
    completion_of,
    kinds_of,
    outgoing_of,
    refusal_of,
    request_of,
    request_with,
)

# --- receiving -------------------------------------------------------------------------------------------


async def test_new_exchange_is_recorded_before_receive_returns(journal: GroupCommitJournal) -> None:
    exchange = request_of()
    assert await journal.receive(exchange, lease_s=30) is None
    stored = await journal.find(exchange.caller, exchange.message_id)
    assert stored is not None
    assert stored.request == exchange
    assert (stored.state, stored.attempts, stored.call_begun) == (State.RECEIVED, 1, False)
    assert (stored.lease_owner, stored.lease_until) == ("node1/1", START + timedelta(seconds=30))
    assert await kinds_of(journal, exchange) == ["RECEIVED"]


async def test_record_carries_the_digest_of_the_payload_and_not_the_payload(journal: GroupCommitJournal) -> None:
    exchange = request_of(body=b'{"subject":{"scheme":"FIN","value":"7TESTX1"},"parameters":{"secret":1}}')
    await journal.receive(exchange, lease_s=30)
    (record,) = await journal.records_of(exchange.caller, exchange.message_id)
    facts = decode(record.content)
    assert facts.body_sha256 == exchange.body_sha256.hex()
    assert (facts.purpose, facts.legal_basis, facts.user) == ("VEMTAS application", "decree 477/2015", "FIN:7TESTX1")
    assert b"secret" not in record.content


async def test_exchange_received_again_is_returned_and_not_recorded_again(journal: GroupCommitJournal) -> None:
    exchange = request_of()
    await journal.receive(exchange, lease_s=30)
    stored = await journal.receive(request_of(body=b"another body"), lease_s=30)
    assert stored is not None
    assert stored.request == exchange
    assert await kinds_of(journal, exchange) == ["RECEIVED"]


async def test_duplicates_within_one_commit_are_accepted_once(journal: GroupCommitJournal) -> None:
    exchange = request_of()
    answers = await asyncio.gather(*(journal.receive(exchange, lease_s=30) for _ in range(8)))
    assert sum(answer is None for answer in answers) == 1
    assert all(answer.request == exchange for answer in answers if answer is not None)
    assert await kinds_of(journal, exchange) == ["RECEIVED"]


async def test_duplicates_in_racing_processes_are_accepted_once(place: JournalPlace) -> None:
    journals = [await place.open(f"node1/{slot}") for slot in range(3)]
    for number in range(20):
        exchange = request_of(number)
        answers = await asyncio.gather(*(journal.receive(exchange, lease_s=30) for journal in journals))
        assert sum(answer is None for answer in answers) == 1


async def test_same_message_id_of_two_callers_are_two_exchanges(journal: GroupCommitJournal) -> None:
    first = request_of()
    second = request_with(first, caller="tax-portal")
    assert await journal.receive(first, lease_s=30) is None
    assert await journal.receive(second, lease_s=30) is None
    assert {stored.request.caller for stored in await journal.find_any(first.message_id)} == {"portal", "tax-portal"}


async def test_identifier_that_no_store_can_hold_fails_alone(journal: GroupCommitJournal) -> None:
    answers = await asyncio.gather(
        journal.receive(request_of(1), lease_s=30),
        journal.receive(request_with(request_of(2), message_id="nul\x00"), lease_s=30),
        journal.receive(request_with(request_of(3), message_id="lone\ud800"), lease_s=30),
        return_exceptions=True,
    )
    assert answers[0] is None
    assert isinstance(answers[1], RequestMalformed)
    assert isinstance(answers[2], RequestMalformed)


# --- claims ----------------------------------------------------------------------------------------------


async def test_claim_is_used_up_by_its_first_use(journal: GroupCommitJournal) -> None:
    await journal.receive(request_of(1), lease_s=30, claims=[claim_of("jti-1")])
    with pytest.raises(MessageReplayed):
        await journal.receive(request_of(2), lease_s=30, claims=[claim_of("jti-2"), claim_of("jti-1")])
    assert await journal.find(PORTAL, request_of(2).message_id) is None
    assert await journal.receive(request_of(3), lease_s=30, claims=[claim_of("jti-2")]) is None


async def test_claim_is_used_up_in_all_processes(place: JournalPlace) -> None:
    journals = [await place.open(f"node1/{slot}") for slot in range(3)]
    for number in range(15):
        outcomes = await asyncio.gather(
            *(
                journal.receive(request_of(10 * number + slot), lease_s=30, claims=[claim_of(f"jti-{number}")])
                for slot, journal in enumerate(journals)
            ),
            return_exceptions=True,
        )
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["MessageReplayed"] * 2 + ["NoneType"]


async def test_claims_of_a_duplicate_are_used_up_too(journal: GroupCommitJournal) -> None:
    await journal.receive(request_of(), lease_s=30, claims=[claim_of("jti-1")])
    assert await journal.receive(request_of(), lease_s=30, claims=[claim_of("jti-2")]) is not None
    with pytest.raises(MessageReplayed):
        await journal.receive(request_of(), lease_s=30, claims=[claim_of("jti-2")])


async def test_claim_without_an_exchange_is_used_up(journal: GroupCommitJournal) -> None:
    await journal.claim([claim_of("jti-1")])
    with pytest.raises(MessageReplayed):
        await journal.claim([claim_of("jti-2"), claim_of("jti-1")])
    await journal.claim([claim_of("jti-2")])


@pytest.mark.parametrize("spoilt", ["\x00", "\ud800"])
async def test_what_the_database_cannot_hold_fails_alone(place: JournalPlace, spoilt: str) -> None:
    journal = await place.open()
    # The first commit is on its way, with everything else behind it in one batch.
    first = asyncio.create_task(journal.ping())
    await asyncio.sleep(0)
    calls: list[Awaitable[Any]] = [journal.claim([claim_of(f"jti-{number}")]) for number in range(5)]
    calls.insert(3, journal.claim([claim_of(f"jti-{spoilt}")]))
    calls.insert(1, journal.receive(request_of(1), lease_s=30, claims=[claim_of(f"other-{spoilt}")]))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    await first
    spoiling = [outcomes.pop(4), outcomes.pop(1)]
    assert outcomes == [None] * 5
    # SQLite alone can hold a zero byte.
    storable = not place.database_url and spoilt == "\x00"
    assert [type(outcome) for outcome in spoiling] == [type(None) if storable else StorageError] * 2
    with pytest.raises(MessageReplayed):
        await journal.claim([claim_of("jti-4")])
    assert (await journal.receive(request_of(1), lease_s=30) is None) is not storable
    assert await kinds_of(journal, request_of(1)) == ["RECEIVED"]


async def test_expired_claim_can_be_used_again_and_is_forgotten(place: JournalPlace) -> None:
    journal = await place.open()
    await journal.claim([claim_of(f"jti-{number}") for number in range(300)])
    place.clock.advance(301)
    await journal.claim([claim_of("jti-1", seconds=900)])
    await journal.ping()
    assert await place.read("SELECT key FROM claims") == [("jti-1",)]


async def test_reply_that_was_used_before_does_not_complete(journal: GroupCommitJournal) -> None:
    first, second = request_of(1), request_of(2)
    await journal.receive(first, lease_s=30)
    await journal.receive(second, lease_s=30)
    await journal.complete(completion_of(first), claims=[claim_of("signature")])
    with pytest.raises(MessageReplayed):
        await journal.complete(completion_of(second), claims=[claim_of("signature")])
    assert await kinds_of(journal, second) == ["RECEIVED"]


# --- completing ------------------------------------------------------------------------------------------


async def test_completed_exchange_has_its_reply_and_no_lease(journal: GroupCommitJournal) -> None:
    exchange = request_of()
    await journal.receive(exchange, lease_s=30)
    await journal.begin_call(exchange.caller, exchange.message_id)
    await journal.complete(completion_of(exchange))
    stored = await journal.find(exchange.caller, exchange.message_id)
    assert stored is not None
    assert (stored.state, stored.status, stored.call_begun) == (State.COMPLETED, Status.OK, True)
    assert (stored.reply_body, stored.reply_signature) == (b'{"status":"OK"}', "a..b")
    assert stored.completed_at == START + timedelta(seconds=1)
    assert (stored.lease_owner, stored.lease_until) == (None, None)
    assert await kinds_of(journal, exchange) == ["RECEIVED", "CALLING", "COMPLETED"]


async def test_only_the_holder_of_the_lease_completes(place: JournalPlace) -> None:
    holder, other = await place.open("node1/1"), await place.open("node1/2")
    exchange = request_of()
    await holder.receive(exchange, lease_s=30)
    for attempt in (
        other.complete(completion_of(exchange)),
        other.begin_call(exchange.caller, exchange.message_id),
        other.park(exchange.caller, exchange.message_id, reason="r"),
        other.postpone(exchange.caller, exchange.message_id, until=START, reason="r"),
    ):
        with pytest.raises(LeaseLost):
            await attempt
    await holder.complete(completion_of(exchange))
    with pytest.raises(LeaseLost):
        await other.complete(completion_of(exchange, signature="c..d"))
    assert await kinds_of(holder, exchange) == ["RECEIVED", "COMPLETED"]


async def test_unknown_exchange_cannot_be_completed(journal: GroupCommitJournal) -> None:
    with pytest.raises(LeaseLost):
        await journal.complete(completion_of(request_of()))


async def test_second_completion_with_another_reply_is_refused(journal: GroupCommitJournal) -> None:
    exchange = request_of()
    await journal.receive(exchange, lease_s=30)
    await journal.complete(completion_of(exchange))
    with pytest.raises(LeaseLost):
        await journal.complete(completion_of(exchange, reply=b"another"))


async def test_repeating_an_identical_completion_changes_nothing(journal: GroupCommitJournal) -> None:
    exchange = request_of()
    await journal.receive(exchange, lease_s=30)
    for _ in range(2):
        await journal.complete(
            completion_of(exchange, to_inbox=True), claims=[claim_of("s")], outgoing=[outgoing_of(exchange)]
        )
    assert await kinds_of(journal, exchange) == ["RECEIVED", "COMPLETED"]
    assert len(await journal.pending_outgoing(limit=10, lease_s=30)) == 1


async def test_racing_workers_complete_each_exchange_exactly_once(place: JournalPlace) -> None:
    workers = [await place.open(f"node1/{slot}", window_s=0.001) for slot in range(3)]
    exchanges = [request_of(number) for number in range(40)]
    for exchange in exchanges:
        await workers[0].receive(exchange, lease_s=None)

    async def work(worker: GroupCommitJournal, name: int) -> int:
        done = 0
        # The lease is over at once, so that all of them fight for the same exchanges all the time.
        for _ in range(30):
            for stored in await worker.claim_work(lease_s=0, limit=5):
                try:
                    await worker.complete(completion_of(stored.request, reply=b"reply of %d" % name))
                    done += 1
                except LeaseLost:
                    continue
        return done

    done = await asyncio.gather(*(work(worker, name) for name, worker in enumerate(workers)))
    assert sum(done) == len(exchanges)
    for exchange in exchanges:
        assert (await kinds_of(workers[0], exchange)).count("COMPLETED") == 1


async def test_operations_of_one_commit_keep_their_order(journal: GroupCommitJournal) -> None:
    exchange = request_of()
    await journal.receive(exchange, lease_s=30)
    outcomes = await asyncio.gather(
        journal.begin_call(exchange.caller, exchange.message_id),
        journal.complete(completion_of(exchange)),
        journal.park(exchange.caller, exchange.message_id, reason="too late"),
        journal.receive(exchange, lease_s=30),
        return_exceptions=True,
    )
    assert outcomes[0] is None
    assert outcomes[1] is None
    assert isinstance(outcomes[2], LeaseLost)
    assert getattr(outcomes[3], "state", None) == State.COMPLETED
    assert await kinds_of(journal, exchange) == ["RECEIVED", "CALLING", "COMPLETED"]


# --- parking, postponing, replaying, dropping --------------------------------------------------------------


async def test_parked_exchange_says_why_and_is_not_handed_out(journal: GroupCommitJournal) -> None:
    exchange = request_of()
    await journal.receive(exchange, lease_s=30)
    await journal.park(exchange.caller, exchange.message_id, reason="effect unknown")
    stored = await journal.find(exchange.caller, exchange.message_id)
    assert stored is not None
    assert (stored.state, stored.parked_reason, stored.lease_owner) == (State.PARKED, "effect unknown", None)
    assert await journal.claim_work(lease_s=30, limit=10) == ()
    assert await journal.take_over(exchange.caller, exchange.message_id, lease_s=30) is None


async def test_replayed_exchange_runs_again_from_the_beginning(journal: GroupCommitJournal) -> None:
    exchange = request_of()
    await journal.receive(exchange, lease_s=30)
    await journal.begin_call(exchange.caller, exchange.message_id)
    await journal.park(exchange.caller, exchange.message_id, reason="effect unknown")
    await journal.replay(exchange.caller, exchange.message_id, operator="ops-1", reason="agency says: not done")
    (claimed,) = await journal.claim_work(lease_s=30, limit=10)
    assert (claimed.attempts, claimed.call_begun, claimed.parked_reason) == (1, False, None)
    await journal.complete(completion_of(exchange))
    assert await kinds_of(journal, exchange) == ["RECEIVED", "CALLING", "PARKED", "REPLAYED", "COMPLETED"]


async def test_only_a_parked_exchange_can_be_replayed_or_dropped(journal: GroupCommitJournal) -> None:
    exchange = request_of()
    for _ in range(2):
        with pytest.raises(EsbError, match="replayed"):
            await journal.replay(exchange.caller, exchange.message_id, operator="ops-1", reason="r")
        with pytest.raises(EsbError, match="dropped"):
            await journal.drop(completion_of(exchange), operator="ops-1", reason="r")
        await journal.receive(exchange, lease_s=30)


async def test_dropped_exchange_ends_with_the_operators_reply(journal: GroupCommitJournal) -> None:
    exchange = request_of()
    await journal.park_unreadable(exchange, reason="not JSON")
    dropped = completion_of(exchange, reply=b'{"status":"FAILED"}', to_inbox=True)
    await journal.drop(dropped, operator="ops-1", reason="duplicate of a letter", outgoing=[outgoing_of(exchange)])
    stored = await journal.find(exchange.caller, exchange.message_id)
    assert stored is not None
    assert (stored.state, stored.reply_body) == (State.COMPLETED, b'{"status":"FAILED"}')
    assert await kinds_of(journal, exchange) == ["PARKED", "DROPPED", "COMPLETED"]
    assert len(await journal.inbox(PORTAL, limit=5, redeliver_after_s=30)) == 1


async def test_postponed_exchange_waits_until_its_time(place: JournalPlace) -> None:
    journal = await place.open()
    exchange = request_of()
    await journal.receive(exchange, lease_s=30)
    until = START + timedelta(seconds=10)
    await journal.postpone(exchange.caller, exchange.message_id, until=until, reason="agency is paused")
    assert await journal.claim_work(lease_s=30, limit=10) == ()
    place.clock.advance(10)
    (claimed,) = await journal.claim_work(lease_s=30, limit=10)
    assert claimed.attempts == 2
    assert await kinds_of(journal, exchange) == ["RECEIVED", "POSTPONED"]


async def test_exchange_with_a_start_time_waits_for_it_unless_taken_over(journal: GroupCommitJournal) -> None:
    for number in (1, 2):
        await journal.receive(request_of(number), lease_s=None, not_before=START + timedelta(seconds=5))
    assert await journal.claim_work(lease_s=30, limit=10) == ()
    taken = await journal.take_over(PORTAL, request_of(1).message_id, lease_s=30)
    assert taken is not None
    assert taken.lease_owner == "node1/1"


async def test_unreadable_message_is_parked_once(journal: GroupCommitJournal) -> None:
    exchange = request_of(body=b"\xff\xfe not json")
    assert await journal.park_unreadable(exchange, reason="not JSON", outgoing=[outgoing_of(exchange)]) is True
    assert await journal.park_unreadable(exchange, reason="not JSON", outgoing=[outgoing_of(exchange)]) is False
    stored = await journal.find(exchange.caller, exchange.message_id)
    assert stored is not None
    assert (stored.request, stored.state, stored.parked_reason) == (exchange, State.PARKED, "not JSON")
    assert len(await journal.pending_outgoing(limit=5, lease_s=30)) == 1


async def test_refusal_is_recorded_without_an_exchange(journal: GroupCommitJournal) -> None:
    await asyncio.gather(journal.refuse(refusal_of("m-1")), journal.refuse(refusal_of("m-1", caller=None)))
    assert await journal.find(PORTAL, MessageId("m-1")) is None
    (record,) = await journal.records_of(PORTAL, MessageId("m-1"))
    assert (record.kind, decode(record.content).code) == ("REFUSED", "request.schema")
