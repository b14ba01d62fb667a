"""Documents that agencies signed themselves: kept byte for byte with the reply, named by records, missed when gone."""

from __future__ import annotations

import hashlib

import msgspec
import pytest

from esb.journal import GroupCommitJournal, verification
from esb.ports import Evidence
from tests.support.journal import PORTAL, JournalPlace, completion_of, kinds_of, request_of

DOCUMENT = '<a:Decision xmlns:a="urn:a">Əliyeva\r\n</a:Decision>'.encode()
SHA256 = hashlib.sha256(DOCUMENT).hexdigest()
EVIDENCE = Evidence(name="Document/Decision", content=DOCUMENT, signer="ab" * 32)


async def completed(journal: GroupCommitJournal, number: int = 1, *evidence: Evidence) -> None:
    exchange = request_of(number)
    await journal.receive(exchange, lease_s=60)
    await journal.complete(msgspec.structs.replace(completion_of(exchange), evidence=evidence or (EVIDENCE,)))


async def test_document_is_recorded_before_the_reply_and_comes_back_byte_for_byte(
    journal: GroupCommitJournal,
) -> None:
    await completed(journal)
    assert await kinds_of(journal, request_of(1)) == ["RECEIVED", "EVIDENCE", "COMPLETED"]
    records = await journal.records_of(PORTAL, request_of(1).message_id)
    facts = msgspec.json.decode(records[1].content)
    assert (facts["document_sha256"], facts["what"], facts["signer"]) == (SHA256, "Document/Decision", "ab" * 32)
    assert await journal.document(SHA256) == DOCUMENT
    assert await journal.document("00" * 32) is None


async def test_reply_without_documents_records_none(journal: GroupCommitJournal) -> None:
    exchange = request_of(1)
    await journal.receive(exchange, lease_s=60)
    await journal.complete(completion_of(exchange))
    assert await kinds_of(journal, exchange) == ["RECEIVED", "COMPLETED"]


async def test_one_document_in_two_exchanges_is_stored_once_and_named_twice(
    journal: GroupCommitJournal, place: JournalPlace
) -> None:
    await completed(journal)
    await completed(journal, 2, EVIDENCE, EVIDENCE)
    assert await place.read("SELECT count(*) FROM bundles") == [(1,)]
    assert (await kinds_of(journal, request_of(2))).count("EVIDENCE") == 2
    assert (await verification.verify(journal, place.home, ())).problems == ()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE bundles SET content = $1", "is not the one that was submitted"),
        ("DELETE FROM bundles WHERE content <> $1", "evidence was removed"),
    ],
)
async def test_document_that_was_changed_or_removed_is_missed(
    journal: GroupCommitJournal, place: JournalPlace, statement: str, told: str
) -> None:
    await completed(journal)
    await place.tamper(statement, b"something else")
    problems = (await verification.verify(journal, place.home, ())).problems
    assert any(told in str(problem) for problem in problems)


async def test_taking_documents_out_is_on_record(journal: GroupCommitJournal) -> None:
    await completed(journal)
    await journal.disclose(PORTAL, request_of(1).message_id, operator="aytac", reason="court order")
    *_, last = await journal.records_of(PORTAL, request_of(1).message_id)
    facts = msgspec.json.decode(last.content)
    assert (last.kind, facts["operator"], facts["reason"]) == ("DISCLOSED", "aytac", "court order")
