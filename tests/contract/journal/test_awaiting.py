"""What the journal promises of exchanges whose agency answers later, on both stores."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest

from esb.errors import EsbError, LeaseLost, ReplyInvalid
from esb.journal import GroupCommitJournal
from esb.journal.content import decode
from esb.journal.verification import verify
from esb.ports import ExchangeFilter, LateAnswer, ProvenAnswer, ReceivedExchange, Reception, State, Waiting
from security.errors import MessageReplayed
from tests.support.journal import START, JournalPlace, claim_of, completion_of, kinds_of, request_of

AGENCY = "din-reg"


def waiting_for(key: str = "T-1", *, look_in_s: float = 2, for_s: float = 600) -> Waiting:
    return Waiting(
        agency=AGENCY,
        operation="SubmitRequest",
        key=key,
        since=START,
        until=START + timedelta(seconds=for_s),
        look_at=START + timedelta(seconds=look_in_s),
    )


def answer_to(
    key: str = "T-1", *, content: bytes = b"<Answer/>", raw: bytes = b"raw", claim: str = "c-1"
) -> LateAnswer:
    return LateAnswer(
        agency=AGENCY,
        key=key,
        raw=raw,
        proven=ProvenAnswer(http_status=200, content=content, signed_at=START, claims=(claim_of(claim),)),
        received_at=START + timedelta(seconds=1),
    )


async def awaiting(journal: GroupCommitJournal, number: int = 1, key: str = "T-1") -> ReceivedExchange:
    exchange = request_of(number)
    await journal.receive(exchange, lease_s=30)
    await journal.await_answer(exchange.caller, exchange.message_id, waiting_for(key))
    return exchange


async def bring(journal: GroupCommitJournal, answer: LateAnswer) -> Reception:
    waiter = await journal.waiter(answer.agency, answer.key)
    assert waiter is not None
    return await journal.bring(waiter, answer)


# --- waiting ---------------------------------------------------------------------------------------------


async def test_awaiting_exchange_says_what_it_waits_for_and_is_held_by_nobody(journal: GroupCommitJournal) -> None:
    exchange = await awaiting(journal)
    stored = await journal.find(exchange.caller, exchange.message_id)
    assert stored is not None
    assert (stored.state, stored.waiting, stored.lease_owner) == (State.AWAITING, waiting_for(), None)
    assert await kinds_of(journal, exchange) == ["RECEIVED", "AWAITING"]
    assert len(await journal.list(ExchangeFilter(state=State.AWAITING))) == 1


async def test_record_of_waiting_names_agency_key_and_end(journal: GroupCommitJournal) -> None:
    exchange = await awaiting(journal)
    facts = decode((await journal.records_of(exchange.caller, exchange.message_id))[1].content)
    assert (facts.agency, facts.operation, facts.answer_key) == (AGENCY, "SubmitRequest", "T-1")
    assert facts.until == START + timedelta(seconds=600)


async def test_awaiting_exchange_is_handed_out_when_it_is_time_to_look_and_not_before(
    place: JournalPlace, journal: GroupCommitJournal
) -> None:
    exchange = await awaiting(journal)
    assert await journal.claim_work(lease_s=30, limit=10) == ()
    assert await journal.take_over(exchange.caller, exchange.message_id, lease_s=30) is None
    place.clock.advance(2)
    (claimed,) = await journal.claim_work(lease_s=30, limit=10)
    assert claimed.waiting is not None
    assert claimed.state is State.AWAITING
    assert await journal.claim_work(lease_s=30, limit=10) == ()


async def test_waiting_on_frees_the_exchange_and_leaves_no_record(
    place: JournalPlace, journal: GroupCommitJournal
) -> None:
    exchange = await awaiting(journal)
    for look in range(1, 30):
        place.clock.advance(2)
        (claimed,) = await journal.claim_work(lease_s=30, limit=10)
        assert claimed.attempts == 1, "looking is no failure, however often"
        look_at = START + timedelta(seconds=2 * (look + 1))
        await journal.await_further(exchange.caller, exchange.message_id, look_at=look_at)
    assert await kinds_of(journal, exchange) == ["RECEIVED", "AWAITING"]


async def test_look_of_a_dead_worker_is_taken_up_by_another(place: JournalPlace, journal: GroupCommitJournal) -> None:
    exchange = await awaiting(journal)
    place.clock.advance(2)
    assert len(await journal.claim_work(lease_s=30, limit=10)) == 1
    other = await place.open("node1/2")
    assert await other.claim_work(lease_s=30, limit=10) == ()
    place.clock.advance(31)
    (taken,) = await other.claim_work(lease_s=30, limit=10)
    assert taken.waiting is not None
    with pytest.raises(LeaseLost):
        await journal.await_further(exchange.caller, exchange.message_id, look_at=START + timedelta(seconds=90))


async def test_leases_of_a_predecessor_on_awaiting_exchanges_are_freed_at_start(
    place: JournalPlace, journal: GroupCommitJournal
) -> None:
    await awaiting(journal)
    place.clock.advance(2)
    await journal.claim_work(lease_s=300, limit=10)
    assert await journal.release_own_leases() == 1
    assert len(await journal.claim_work(lease_s=30, limit=10)) == 1


async def test_awaiting_twice_is_awaiting_once(journal: GroupCommitJournal) -> None:
    exchange = await awaiting(journal)
    await journal.await_answer(exchange.caller, exchange.message_id, waiting_for())
    assert await kinds_of(journal, exchange) == ["RECEIVED", "AWAITING"]


async def test_exchange_that_another_worker_holds_cannot_be_made_to_wait(
    place: JournalPlace, journal: GroupCommitJournal
) -> None:
    exchange = request_of()
    await journal.receive(exchange, lease_s=30)
    other = await place.open("node1/2")
    with pytest.raises(LeaseLost):
        await other.await_answer(exchange.caller, exchange.message_id, waiting_for())


async def test_claims_of_a_first_answer_are_used_up(journal: GroupCommitJournal) -> None:
    exchange, other = request_of(1), request_of(2)
    for one in (exchange, other):
        await journal.receive(one, lease_s=30)
    await journal.await_answer(exchange.caller, exchange.message_id, waiting_for("T-1"), claims=[claim_of("wsse:1")])
    with pytest.raises(MessageReplayed):
        await journal.await_answer(other.caller, other.message_id, waiting_for("T-2"), claims=[claim_of("wsse:1")])
    stored = await journal.find(other.caller, other.message_id)
    assert stored is not None
    assert stored.state is State.RECEIVED


async def test_ticket_that_another_exchange_has_is_refused(journal: GroupCommitJournal) -> None:
    await awaiting(journal, 1)
    other = request_of(2)
    await journal.receive(other, lease_s=30)
    with pytest.raises(ReplyInvalid, match="one ticket to two requests"):
        await journal.await_answer(other.caller, other.message_id, waiting_for("T-1"))
    assert await kinds_of(journal, other) == ["RECEIVED"]


async def test_two_exchanges_that_get_one_ticket_at_once_do_not_both_wait_for_it(place: JournalPlace) -> None:
    workers = [await place.open(f"node1/{number}") for number in (1, 2)]
    exchanges = [request_of(number) for number in (1, 2)]
    for worker, exchange in zip(workers, exchanges, strict=True):
        await worker.receive(exchange, lease_s=30)
    outcomes = await asyncio.gather(
        *(
            worker.await_answer(exchange.caller, exchange.message_id, waiting_for())
            for worker, exchange in zip(workers, exchanges, strict=True)
        ),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["NoneType", "ReplyInvalid"]


async def test_awaiting_exchange_can_be_completed_and_parked(place: JournalPlace, journal: GroupCommitJournal) -> None:
    first, second = await awaiting(journal, 1, "T-1"), await awaiting(journal, 2, "T-2")
    place.clock.advance(2)
    assert len(await journal.claim_work(lease_s=30, limit=10)) == 2
    await journal.complete(completion_of(first))
    await journal.park(second.caller, second.message_id, reason="agency.fault")
    states = [(await journal.find(one.caller, one.message_id)) for one in (first, second)]
    assert [one and (one.state, one.waiting) for one in states] == [(State.COMPLETED, None), (State.PARKED, None)]


async def test_parked_exchange_that_waited_may_wait_again_for_the_same_key_after_a_replay(
    place: JournalPlace, journal: GroupCommitJournal
) -> None:
    exchange = await awaiting(journal)
    place.clock.advance(2)
    await journal.claim_work(lease_s=30, limit=10)
    await journal.park(exchange.caller, exchange.message_id, reason="agency.fault")
    await journal.replay(exchange.caller, exchange.message_id, operator="leyla", reason="agency is back")
    (again,) = await journal.claim_work(lease_s=30, limit=10)
    assert (again.state, again.waiting) == (State.RECEIVED, None)
    await journal.await_answer(exchange.caller, exchange.message_id, waiting_for(look_in_s=9))
    assert await bring(journal, answer_to()) is Reception.TAKEN


async def test_repeated_request_finds_its_awaiting_exchange(journal: GroupCommitJournal) -> None:
    exchange = await awaiting(journal)
    stored = await journal.receive(exchange, lease_s=30)
    assert stored is not None
    assert stored.state is State.AWAITING


# --- answers ---------------------------------------------------------------------------------------------


async def test_brought_answer_is_recorded_kept_byte_for_byte_and_makes_the_exchange_due(
    journal: GroupCommitJournal,
) -> None:
    exchange = await awaiting(journal)
    assert await bring(journal, answer_to(raw=b"<soap>\xff</soap>")) is Reception.TAKEN
    assert await kinds_of(journal, exchange) == ["RECEIVED", "AWAITING", "ANSWERED"]
    kept = await journal.brought(exchange.caller, exchange.message_id, "T-1")
    assert kept == answer_to(raw=b"<soap>\xff</soap>")
    (claimed,) = await journal.claim_work(lease_s=30, limit=10)
    assert claimed.request.message_id == exchange.message_id


async def test_same_answer_again_is_known_even_when_it_was_signed_afresh(journal: GroupCommitJournal) -> None:
    exchange = await awaiting(journal)
    await bring(journal, answer_to())
    assert await bring(journal, answer_to()) is Reception.KNOWN
    assert await bring(journal, answer_to(raw=b"signed later", claim="c-2")) is Reception.KNOWN
    assert (await kinds_of(journal, exchange)).count("ANSWERED") == 1


async def test_other_answer_under_the_same_key_is_not_taken(journal: GroupCommitJournal) -> None:
    exchange = await awaiting(journal)
    await bring(journal, answer_to())
    assert await bring(journal, answer_to(content=b"<Other/>", claim="c-2")) is Reception.OTHER
    kept = await journal.brought(exchange.caller, exchange.message_id, "T-1")
    assert kept is not None
    assert kept.proven.content == b"<Answer/>"


async def test_answer_that_was_used_for_another_exchange_is_refused(journal: GroupCommitJournal) -> None:
    await awaiting(journal, 1, "T-1")
    second = await awaiting(journal, 2, "T-2")
    await bring(journal, answer_to("T-1", claim="wsse:9"))
    with pytest.raises(MessageReplayed):
        await bring(journal, answer_to("T-2", claim="wsse:9"))
    assert await journal.brought(second.caller, second.message_id, "T-2") is None


async def test_answer_after_the_end_is_recorded_as_late_and_changes_no_reply(
    place: JournalPlace, journal: GroupCommitJournal
) -> None:
    exchange = await awaiting(journal)
    place.clock.advance(600)
    await journal.claim_work(lease_s=30, limit=10)
    await journal.complete(completion_of(exchange, reply=b'{"status":"TIMEOUT"}'))
    assert await bring(journal, answer_to()) is Reception.LATE
    assert await kinds_of(journal, exchange) == ["RECEIVED", "AWAITING", "COMPLETED", "ANSWERED_LATE"]
    stored = await journal.find(exchange.caller, exchange.message_id)
    assert stored is not None
    assert stored.reply_body == b'{"status":"TIMEOUT"}'
    kept = await journal.brought(exchange.caller, exchange.message_id, "T-1")
    assert kept is not None, "late is not lost"


async def test_answer_waits_while_a_worker_has_the_exchange_in_hand(
    place: JournalPlace, journal: GroupCommitJournal
) -> None:
    exchange = await awaiting(journal)
    place.clock.advance(600)
    await journal.claim_work(lease_s=30, limit=10)
    other = await place.open("node1/2")
    assert await bring(other, answer_to()) is Reception.BUSY
    place.clock.advance(31)
    assert await bring(other, answer_to()) is Reception.TAKEN
    with pytest.raises(LeaseLost):
        await journal.complete(completion_of(exchange, reply=b'{"status":"TIMEOUT"}'))


async def test_answer_and_its_timeout_never_both_win(place: JournalPlace) -> None:
    workers = [await place.open(f"node1/{number}") for number in (1, 2)]
    for number in range(10):
        exchange = await awaiting(workers[0], number, f"T-{number}")
        place.clock.now = START + timedelta(seconds=600)

        async def give_up(exchange: ReceivedExchange = exchange) -> None:
            for claimed in await workers[0].claim_work(lease_s=30, limit=1):
                assert claimed.request.message_id == exchange.message_id
                await workers[0].complete(completion_of(exchange, reply=b'{"status":"TIMEOUT"}'))

        bringing = bring(workers[1], answer_to(f"T-{number}", claim=f"c-{number}"))
        outcomes = await asyncio.gather(give_up(), bringing, return_exceptions=True)
        kinds = await kinds_of(workers[0], exchange)
        if outcomes[1] is Reception.TAKEN and "COMPLETED" in kinds:
            assert kinds.index("ANSWERED") < kinds.index("COMPLETED")
        assert ("ANSWERED_LATE" in kinds) == (outcomes[1] is Reception.LATE)
        place.clock.now = START


async def test_nobody_waits_for_an_unknown_key(journal: GroupCommitJournal) -> None:
    await awaiting(journal)
    assert await journal.waiter(AGENCY, "T-2") is None
    assert await journal.waiter("mkr", "T-1") is None


async def test_key_with_what_no_database_holds_is_refused_alone(journal: GroupCommitJournal) -> None:
    exchange = request_of()
    await journal.receive(exchange, lease_s=30)
    with pytest.raises(EsbError):
        await journal.await_answer(exchange.caller, exchange.message_id, waiting_for("T\x00"))
    await journal.await_answer(exchange.caller, exchange.message_id, waiting_for("Ə-1"))


# --- proof -----------------------------------------------------------------------------------------------


async def test_journal_with_awaiting_and_answered_exchanges_verifies(
    place: JournalPlace, journal: GroupCommitJournal
) -> None:
    await awaiting(journal, 1, "T-1")
    answered = await awaiting(journal, 2, "T-2")
    await bring(journal, answer_to("T-2"))
    (claimed,) = await journal.claim_work(lease_s=30, limit=1)
    assert claimed.request.message_id == answered.message_id
    await journal.complete(completion_of(answered))
    assert (await verify(journal, place.home, [])).problems == ()


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE awaited SET raw = $1", "the stored answer is not the recorded one"),
        ("DELETE FROM awaited WHERE answer_key <> $1", "the answer it was given is missing"),
    ],
)
async def test_changed_or_removed_answer_is_found(
    place: JournalPlace, journal: GroupCommitJournal, statement: str, says: str
) -> None:
    await awaiting(journal)
    await bring(journal, answer_to())
    value = b"forged" if "raw" in statement else "none"
    await place.tamper(statement, value)
    (problem,) = (await verify(journal, place.home, [])).problems
    assert says in problem.what


async def test_changed_waiting_is_found(place: JournalPlace, journal: GroupCommitJournal) -> None:
    exchange = await awaiting(journal)
    stored = (await place.read("SELECT outcome FROM exchanges"))[0][0]
    forged = msgspec.json.encode({**msgspec.json.decode(stored), "answer_key": "T-9"})
    await place.tamper("UPDATE exchanges SET outcome = $1", forged)
    (problem,) = (await verify(journal, place.home, [])).problems
    assert exchange.message_id in problem.what
