"""Whatever is done to a journal behind the bus's back, `verify` says what and where; left alone, it says nothing."""

# ruff: noqa: S608 - tests put names of columns into statements

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest

from esb.errors import JournalTampered
from esb.journal import GroupCommitJournal, anchors
from esb.journal.verification import VerificationReport, verify
from security.hashchain import GENESIS, Head, link, next_checkpoint, to_line
from security.keys import Algorithm, SigningKey, generate
from tests.support.journal import PORTAL, START, JournalPlace, completion_of, refusal_of, request_of

CHAIN = "node1/1"
KEY = generate(Algorithm.ES256, START)
FOREIGN_KEY = generate(Algorithm.ES256, START)


async def check(journal: GroupCommitJournal, place: JournalPlace, *, against: Path | None = None) -> VerificationReport:
    return await verify(journal, place.home, [KEY.verifying()], against=against)


async def findings(journal: GroupCommitJournal, place: JournalPlace) -> list[str]:
    return [str(problem) for problem in (await check(journal, place)).problems]


async def sign(journal: GroupCommitJournal, key: SigningKey = KEY) -> None:
    await journal.checkpoint(lambda content: (key.kid, key.sign(content)))


@pytest.fixture
async def filled(journal: GroupCommitJournal) -> GroupCommitJournal:
    """Four exchanges, eight records: RECEIVED and COMPLETED of each; a checkpoint after six."""
    for number in range(4):
        await journal.receive(request_of(number), lease_s=30)
        await journal.complete(completion_of(request_of(number), to_inbox=True))
        if number == 2:
            await sign(journal)
    return journal


async def rewritten_tail(place: JournalPlace, from_seq: int, replacement: bytes | None = None) -> list[Head]:
    """Recompute all digests from `from_seq` on, as somebody who knows how the chain is made would."""
    rows = await place.read("SELECT seq, digest, content FROM records WHERE chain = $1 ORDER BY seq", CHAIN)
    previous, heads = GENESIS, []
    for seq, digest, stored in rows:
        content = replacement if seq == from_seq and replacement else stored
        now = digest if seq < from_seq else link(chain=CHAIN, seq=seq, previous=previous, content=content)
        await place.tamper(
            "UPDATE records SET previous = $3, digest = $4, content = $5 WHERE chain = $1 AND seq = $2",
            CHAIN, seq, previous, now, content,
        )  # fmt: skip
        previous = now
        heads.append(Head(seq, now))
    return heads


def overwrite_anchor(place: JournalPlace, head: Head) -> None:
    anchor = anchors.AnchorFile(place.home, CHAIN)
    anchor.write(head)
    anchor.close()


# --- nothing to find ---------------------------------------------------------------------------------------


async def test_untouched_journal_has_no_problems(filled: GroupCommitJournal, place: JournalPlace) -> None:
    await filled.refuse(refusal_of("m-1", caller=None))
    await filled.receive(request_of(10), lease_s=30)
    await filled.postpone(PORTAL, request_of(10).message_id, until=START, reason="r")
    await filled.claim_work(lease_s=30, limit=1)
    await filled.park(PORTAL, request_of(10).message_id, reason="r")
    await filled.replay(PORTAL, request_of(10).message_id, operator="o", reason="r")
    await filled.park_unreadable(request_of(11), reason="r")
    await filled.drop(completion_of(request_of(11)), operator="o", reason="r")
    await filled.park_unreadable(request_of(12), reason="r")
    await sign(filled)
    report = await check(filled, place)
    assert report.problems == ()
    assert (report.chains, report.checkpoints, report.records) == (1, 2, 17)


async def test_chains_of_several_processes_are_all_verified(place: JournalPlace) -> None:
    journals = [await place.open(f"node1/{slot}") for slot in range(3)]
    for number in range(9):
        await journals[number % 3].receive(request_of(number), lease_s=30)
        await sign(journals[number % 3])
    report = await check(journals[0], place)
    assert report.problems == ()
    assert (report.chains, report.checkpoints, report.records) == (3, 9, 9)


async def test_racing_processes_make_one_line_of_checkpoints(place: JournalPlace) -> None:
    journals = [await place.open(f"node1/{slot}") for slot in range(3)]
    for number in range(5):
        for slot, journal in enumerate(journals):
            await journal.receive(request_of(10 * number + slot), lease_s=30)
        await asyncio.gather(*(sign(journal) for journal in journals))
    assert [one.seq for one in await journals[0].checkpoints()] == list(
        range(1, len(await journals[0].checkpoints()) + 1)
    )
    assert (await check(journals[0], place)).problems == ()


async def test_checkpoint_of_an_idle_journal_is_the_last_one(filled: GroupCommitJournal) -> None:
    await sign(filled)
    await sign(filled)
    assert [checkpoint.seq for checkpoint in await filled.checkpoints()] == [1, 2]


async def test_journal_can_be_verified_while_it_is_written(place: JournalPlace) -> None:
    journal = await place.open(window_s=0.001)

    async def write(worker: int) -> None:
        for number in range(25):
            exchange = request_of(1000 * worker + number)
            await journal.receive(exchange, lease_s=30)
            await journal.complete(completion_of(exchange))

    writers = asyncio.gather(*(write(worker) for worker in range(4)))
    while not writers.done():
        await sign(journal)
        assert (await check(journal, place)).problems == ()
    await writers


async def test_purged_payload_does_not_break_the_proof(filled: GroupCommitJournal, place: JournalPlace) -> None:
    await place.tamper("UPDATE exchanges SET body = NULL, reply_body = NULL")
    assert await findings(filled, place) == []


# --- records -----------------------------------------------------------------------------------------------


async def test_changed_content_is_found(filled: GroupCommitJournal, place: JournalPlace) -> None:
    await place.tamper("UPDATE records SET content = $1 WHERE seq = 3", b'{"kind":"RECEIVED"}')
    assert f"{CHAIN} #3: content does not have the recorded digest" in await findings(filled, place)


@pytest.mark.parametrize("column", ["content", "digest", "previous"])
@pytest.mark.parametrize("value", ["CAST({} AS TEXT)", "42"])
async def test_record_of_another_type_is_found_and_does_not_end_the_search(
    filled: GroupCommitJournal, place: JournalPlace, column: str, value: str
) -> None:
    if place.database_url:
        pytest.skip("PostgreSQL keeps to the types of its columns")
    await place.tamper(f"UPDATE records SET {column} = {value.format(column)} WHERE seq = 3")
    await place.tamper("UPDATE records SET content = $1 WHERE seq = 7", b"{}")
    found = await findings(filled, place)
    assert f"{CHAIN} #3: is not stored as bytes, which the bus never does" in found
    assert f"{CHAIN} #7: content cannot be read" in found


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE records SET seq = 'x' WHERE seq = 8", f"{CHAIN}: a record has no number"),
        ("UPDATE checkpoints SET line = CAST(line AS TEXT)", "checkpoints: entry 1 of the database cannot be read"),
        ("UPDATE checkpoints SET line = 7", "checkpoints: entry 1 of the database cannot be read"),
        ("UPDATE exchanges SET body = CAST(body AS TEXT)", "the stored request is not the one that was received"),
        ("UPDATE exchanges SET reply_body = 1", "the stored reply is not the recorded one"),
        ("UPDATE exchanges SET received = CAST(received AS TEXT)", "is not the one that was received"),
        ("UPDATE exchanges SET outcome = 5", "the stored outcome is not the recorded one"),
    ],
)
async def test_value_of_another_type_is_found(
    filled: GroupCommitJournal, place: JournalPlace, statement: str, what: str
) -> None:
    if place.database_url:
        pytest.skip("PostgreSQL keeps to the types of its columns")
    await place.tamper(statement)
    assert any(what in problem for problem in await findings(filled, place))


async def test_record_and_exchange_of_the_same_wrong_type_are_found(
    filled: GroupCommitJournal, place: JournalPlace
) -> None:
    if place.database_url:
        pytest.skip("PostgreSQL keeps to the types of its columns")
    await place.tamper("UPDATE records SET content = 42 WHERE seq = 3")
    await place.tamper("UPDATE exchanges SET received = 42 WHERE message_id = $1", request_of(1).message_id)
    assert f"{CHAIN} #3: exchange message-00001 cannot be read" in await findings(filled, place)


@pytest.mark.parametrize(("column", "value"), [("kind", "REFUSED"), ("message_id", "another"), ("caller", "another")])
async def test_record_filed_elsewhere_is_found(
    filled: GroupCommitJournal, place: JournalPlace, column: str, value: str
) -> None:
    await place.tamper(f"UPDATE records SET {column} = $1 WHERE seq = 4", value)
    found = await findings(filled, place)
    assert f"{CHAIN} #4: is filed under another exchange or kind than its content says" in found


async def test_removed_record_is_found(filled: GroupCommitJournal, place: JournalPlace) -> None:
    await place.tamper("DELETE FROM records WHERE seq = 4")
    assert f"{CHAIN} #4: record 4 is missing, 5 follows" in await findings(filled, place)


async def test_removed_first_record_is_found(filled: GroupCommitJournal, place: JournalPlace) -> None:
    await place.tamper("DELETE FROM records WHERE seq = 1")
    assert f"{CHAIN} #1: record 1 is missing, 2 follows" in await findings(filled, place)


async def test_inserted_record_is_found(filled: GroupCommitJournal, place: JournalPlace) -> None:
    (digest,) = (await place.read("SELECT digest FROM records WHERE seq = 8"))[0]
    content = (
        b'{"at":"2026-03-02T08:00:00Z","caller":"portal","kind":"CALLING","message_id":"message-00003","route":"r"}'
    )
    await place.tamper(
        "INSERT INTO records (chain, seq, previous, digest, kind, content, caller, message_id, at_us) "
        "VALUES ($1, 9, $2, $3, 'CALLING', $4, 'portal', 'message-00003', 0)",
        CHAIN, digest, bytes(32), content,
    )  # fmt: skip
    assert f"{CHAIN} #9: content does not have the recorded digest" in await findings(filled, place)


async def test_inserted_chain_is_found_by_its_missing_anchor(filled: GroupCommitJournal, place: JournalPlace) -> None:
    content = b'{"at":"2026-03-02T08:00:00Z","caller":"portal","kind":"REFUSED","message_id":"m","route":"r"}'
    digest = link(chain="node1/9", seq=1, previous=GENESIS, content=content)
    await place.tamper(
        "INSERT INTO records (chain, seq, previous, digest, kind, content, caller, message_id, at_us) "
        "VALUES ('node1/9', 1, $1, $2, 'REFUSED', $3, 'portal', 'm', 0)",
        GENESIS, digest, content,
    )  # fmt: skip
    assert await findings(filled, place) == ["node1/9: its anchor is missing or cannot be read"]


async def test_swapped_records_are_found(filled: GroupCommitJournal, place: JournalPlace) -> None:
    for before, after in ((3, 100), (5, 3), (100, 5)):
        await place.tamper("UPDATE records SET seq = $2 WHERE seq = $1", before, after)
    found = await findings(filled, place)
    assert f"{CHAIN} #3: does not continue the record before it" in found
    assert f"{CHAIN} #5: does not continue the record before it" in found


# --- tails and whole chains --------------------------------------------------------------------------------


async def test_cut_tail_is_found_by_the_anchor(filled: GroupCommitJournal, place: JournalPlace) -> None:
    await place.tamper("DELETE FROM records WHERE seq > 6")
    found = await findings(filled, place)
    assert f"{CHAIN} #8: is cut off: the anchor node1%2F1.head names it" in found


async def test_cut_tail_stays_found_after_the_bus_has_gone_on(filled: GroupCommitJournal, place: JournalPlace) -> None:
    await filled.close()
    await place.tamper("DELETE FROM records WHERE seq > 6")
    await place.tamper("DELETE FROM exchanges WHERE message_id = $1", request_of(3).message_id)
    after = await place.open()
    for number in range(10, 14):
        await after.receive(request_of(number), lease_s=30)
    assert f"{CHAIN} #8: is not the record that the anchor node1%2F1.head.disputed-8 names" in await findings(
        after, place
    )


async def test_cut_tail_with_a_rewritten_anchor_is_found_by_the_checkpoint(
    filled: GroupCommitJournal, place: JournalPlace
) -> None:
    await place.tamper("DELETE FROM records WHERE seq > 4")
    (digest,) = (await place.read("SELECT digest FROM records WHERE seq = 4"))[0]
    overwrite_anchor(place, Head(4, digest))
    assert f"{CHAIN} #6: is cut off: checkpoint 1 names it" in await findings(filled, place)


async def test_chain_that_is_gone_altogether_is_found(filled: GroupCommitJournal, place: JournalPlace) -> None:
    await place.tamper("DELETE FROM records")
    shutil.rmtree(place.home / "anchors")
    found = await findings(filled, place)
    assert f"{CHAIN} #6: is cut off: checkpoint 1 names it" in found


async def test_wholly_rewritten_chain_is_found_by_the_checkpoint(
    filled: GroupCommitJournal, place: JournalPlace
) -> None:
    (content,) = (await place.read("SELECT content FROM records WHERE seq = 3"))[0]
    *_, head = await rewritten_tail(place, 3, content.replace(b"VEMTAS application", b"idle curiosity"))
    await place.tamper(
        "UPDATE exchanges SET received = $1 WHERE message_id = $2",
        content.replace(b"VEMTAS application", b"idle curiosity"),
        request_of(1).message_id,
    )
    overwrite_anchor(place, head)
    assert await findings(filled, place) == [f"{CHAIN} #6: is not the record that checkpoint 1 names"]


async def test_rewritten_chain_with_forged_checkpoints_is_found_by_the_signature(
    filled: GroupCommitJournal, place: JournalPlace
) -> None:
    (content,) = (await place.read("SELECT content FROM records WHERE seq = 3"))[0]
    heads = await rewritten_tail(place, 3, content.replace(b"VEMTAS application", b"idle curiosity"))
    forged = next_checkpoint(
        {CHAIN: heads[5]}, after=None, at=START, sign=lambda data: (KEY.kid, FOREIGN_KEY.sign(data))
    )
    await place.tamper("UPDATE checkpoints SET line = $1", to_line(forged))
    overwrite_anchor(place, heads[-1])
    anchors.checkpoint_file(place.home).write_bytes(to_line(forged) + b"\n")
    found = await findings(filled, place)
    assert any(problem.startswith("checkpoints #1: signature does not hold") for problem in found)


async def test_anchor_that_is_missing_is_found(filled: GroupCommitJournal, place: JournalPlace) -> None:
    (place.home / "anchors" / "node1%2F1.head").unlink()
    assert await findings(filled, place) == [f"{CHAIN}: its anchor is missing or cannot be read"]


# --- checkpoints -------------------------------------------------------------------------------------------


async def test_missing_checkpoint_is_found(filled: GroupCommitJournal, place: JournalPlace) -> None:
    for number in (10, 11):
        await filled.receive(request_of(number), lease_s=30)
        await sign(filled)
    await place.tamper("DELETE FROM checkpoints WHERE seq = 2")
    anchors.checkpoint_file(place.home).unlink()
    assert "checkpoints #2: checkpoint 2 is missing" in await findings(filled, place)


async def test_removed_last_checkpoint_is_found_by_the_local_copy(
    filled: GroupCommitJournal, place: JournalPlace
) -> None:
    await place.tamper("DELETE FROM checkpoints")
    assert await findings(filled, place) == ["checkpoints #1: is missing in the database, checkpoints.jsonl has it"]


async def test_everything_rewritten_is_found_by_a_copy_kept_elsewhere(
    filled: GroupCommitJournal, place: JournalPlace, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.jsonl"
    shutil.copy(anchors.checkpoint_file(place.home), kept)
    assert (await check(filled, place, against=kept)).problems == ()
    await place.tamper("DELETE FROM checkpoints")
    await place.tamper("DELETE FROM records WHERE seq > 4")
    await place.tamper("DELETE FROM exchanges WHERE message_id > $1", request_of(1).message_id)
    shutil.rmtree(place.home / "anchors")
    assert await findings(filled, place) == []
    problems = [str(problem) for problem in (await check(filled, place, against=kept)).problems]
    assert "checkpoints #1: is missing in the database, the file that was kept elsewhere has it" in problems
    assert f"{CHAIN} #6: is cut off: checkpoint 1 names it" in problems


@pytest.mark.parametrize("key", [FOREIGN_KEY])
async def test_checkpoint_of_an_unknown_key_is_found(
    journal: GroupCommitJournal, place: JournalPlace, key: SigningKey
) -> None:
    await journal.receive(request_of(), lease_s=30)
    await sign(journal, key)
    assert await findings(journal, place) == [f"checkpoints #1: signature does not hold: no key {key.kid}"]


async def test_unreadable_checkpoint_is_found(filled: GroupCommitJournal, place: JournalPlace) -> None:
    await place.tamper("UPDATE checkpoints SET line = $1", b"{}")
    assert "checkpoints: entry 1 of the database cannot be read" in await findings(filled, place)


# --- exchanges ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("body", b"another", "the stored request is not the one that was received"),
        ("route", "another", "the stored request is not the one that was received"),
        ("reply_body", b"another", "the stored reply is not the recorded one"),
        ("status", "NOT_FOUND", "the stored reply is not the recorded one"),
        ("outcome", b"{}", "the stored outcome is not the recorded one"),
        ("state", "RECEIVED", "is RECEIVED with 1 COMPLETED records"),
        ("received", b"{}", "is not the one that was received"),
    ],
)
async def test_changed_exchange_is_found(
    filled: GroupCommitJournal, place: JournalPlace, column: str, value: Any, what: str
) -> None:
    await place.tamper(f"UPDATE exchanges SET {column} = $1 WHERE message_id = $2", value, request_of(1).message_id)
    (problem,) = await findings(filled, place)
    assert problem.startswith(f"{CHAIN} #")
    assert what in problem


async def test_exchange_made_unreadable_together_with_its_record_is_found(
    filled: GroupCommitJournal, place: JournalPlace
) -> None:
    await place.tamper("UPDATE records SET content = $1 WHERE seq = 3", b"{}")
    await place.tamper("UPDATE exchanges SET received = $1 WHERE message_id = $2", b"{}", request_of(1).message_id)
    found = await findings(filled, place)
    assert f"{CHAIN} #3: content cannot be read" in found
    assert f"{CHAIN} #3: exchange message-00001 cannot be read" in found


async def test_exchange_made_unreadable_fails_its_own_reader_alone(
    journal: GroupCommitJournal, place: JournalPlace
) -> None:
    for number in (1, 2):
        await journal.receive(request_of(number), lease_s=None)
    await place.tamper("UPDATE exchanges SET received = $1 WHERE message_id = $2", b"{}", request_of(1).message_id)
    outcomes = await asyncio.gather(
        journal.take_over(PORTAL, request_of(1).message_id, lease_s=30),
        journal.take_over(PORTAL, request_of(2).message_id, lease_s=30),
        return_exceptions=True,
    )
    assert isinstance(outcomes[0], JournalTampered)
    assert getattr(outcomes[1], "request", None) == request_of(2)


async def test_removed_exchange_is_found(filled: GroupCommitJournal, place: JournalPlace) -> None:
    await place.tamper("DELETE FROM exchanges WHERE message_id = $1", request_of(1).message_id)
    assert f"{CHAIN} #3: its exchange message-00001 was removed" in await findings(filled, place)


async def test_invented_exchange_is_found(filled: GroupCommitJournal, place: JournalPlace) -> None:
    await place.tamper("UPDATE exchanges SET caller = 'nobody' WHERE message_id = $1", request_of(1).message_id)
    assert any("is not the one that was received" in problem for problem in await findings(filled, place))


# --- the database itself -----------------------------------------------------------------------------------


@pytest.mark.parametrize("table", ["records", "checkpoints"])
async def test_database_refuses_to_change_or_remove_what_is_append_only(
    filled: GroupCommitJournal, place: JournalPlace, table: str
) -> None:
    for statement in (f"DELETE FROM {table}", f"UPDATE {table} SET seq = seq + 100"):
        with pytest.raises(Exception, match=r"append-only|never"):
            await place.attempt(statement)


@pytest.mark.parametrize("table", ["records", "checkpoints"])
async def test_guard_that_is_gone_is_found(filled: GroupCommitJournal, place: JournalPlace, table: str) -> None:
    if place.database_url:
        name = f"{table}_are_append_only"
        await place.attempt(f"ALTER TABLE {table} DISABLE TRIGGER {name}")
    else:
        name = f"{table}_are_never_removed"
        await place.attempt(f"DROP TRIGGER {name}")
    said = f"database: the trigger {name}, which refuses changes, is missing or switched off"
    assert await findings(filled, place) == [said]
    if place.database_url:
        await place.attempt(f"DROP TRIGGER {name} ON {table}")
    else:
        await place.attempt(f"CREATE TRIGGER {name} BEFORE DELETE ON {table} BEGIN SELECT 1; END")
    assert await findings(filled, place) == [said]
