"""What the bus lays down for an agency, and how it reads what the agency lays down."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from adapters.file_form import NAMESPACE, Forms, Item
from adapters.filedrop import Outbox, only_one
from adapters.filedrop_inbox import FileCourier
from adapters.manifest_interaction import BatchTerms
from esb.errors import AgencyRejected, AnswerLate, AnswerUnexpected, JournalUnavailable, ReplyInvalid, Saturated
from esb.ports import AgencyAnswer, ProvenAnswer, ProvenPush
from security import jws, keys
from security.errors import KeyUnavailable
from security.keys import Algorithm

KEY = keys.generate(Algorithm.ES256, datetime.now(UTC))
FORMS = Forms(is_xml=True)


class Spoken:
    """Reads any document but `<broken>`, and finds a refusal in `<refused>`."""

    agency = "pay-file"
    name = "Decide"

    def decode(self, answer: ProvenAnswer) -> AgencyAnswer:
        if answer.content.startswith(b"<broken"):
            raise ReplyInvalid("not of the contract", agency=self.agency, path="Decision")
        if answer.content.startswith(b"<refused"):
            raise AgencyRejected("no", agency=self.agency)
        return AgencyAnswer(found=True, data={})


class Journal:
    """Takes answers as `LateAnswers.bring` does; `failures` says what comes instead."""

    def __init__(self) -> None:
        self.brought: list[tuple[str, bytes]] = []
        self.failures: dict[str, Exception] = {}

    async def bring(self, agency: str, raw: bytes, proven: ProvenPush) -> None:
        assert agency == "pay-file"
        assert proven.key is not None
        if proven.key in self.failures:
            raise self.failures[proven.key]
        self.brought.append((proven.key, raw))


def outbox(folder: Path, **changes: Any) -> Outbox:
    return Outbox(**{"agency": "pay-file", "folder": folder, "forms": FORMS, **changes})


def courier(tmp_path: Path, **changes: Any) -> FileCourier:
    inbox = tmp_path / "in"
    inbox.mkdir(exist_ok=True)
    values: dict[str, Any] = {
        "agency": "pay-file",
        "inbox": inbox,
        "outbox": outbox(tmp_path / "out"),
        "forms": FORMS,
        "every_s": 0.1,
        "settle_s": 0.0,
        "signed": False,
        "keys": (KEY.verifying(),),
        "operations": {"Decide": Spoken()},
        **changes,
    }
    return FileCourier(**values)


def answers(*items: tuple[str, bytes]) -> bytes:
    inner = b"".join(b'<f:Answer id="%s">%s</f:Answer>' % (key.encode(), content) for key, content in items)
    return b'<f:Answers xmlns:f="%s">%s</f:Answers>' % (NAMESPACE.encode(), inner)


def seen_by_the_agency(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


# --- outbox ----------------------------------------------------------------------------------------------


def test_one_document_is_one_file_named_for_its_message(tmp_path: Path) -> None:
    box = outbox(tmp_path)
    for _ in range(2):
        box.lay_down(Item(id="m-1", content=b"<a></a>", operation="Decide"))
    assert seen_by_the_agency(tmp_path) == ["Decide.m-1.xml"]
    assert (tmp_path / "Decide.m-1.xml").read_bytes() == b"<a></a>"


def test_signed_file_lies_beside_its_signature_and_holds_its_id(tmp_path: Path) -> None:
    outbox(tmp_path, signed=True, key=KEY).lay_down(Item(id="m-1", content=b"<a></a>", operation="Decide"))
    assert seen_by_the_agency(tmp_path) == ["Decide.m-1.xml", "Decide.m-1.xml.jws"]
    content = (tmp_path / "Decide.m-1.xml").read_bytes()
    assert b'id="m-1"' in content
    jws.verify_detached(content, (tmp_path / "Decide.m-1.xml.jws").read_text(), {KEY.kid: KEY.verifying()})


def test_nothing_is_signed_without_a_key(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailable, match="esb keys new"):
        outbox(tmp_path, signed=True).require_key()


def test_documents_wait_for_company_and_go_out_when_there_are_enough(tmp_path: Path) -> None:
    box = outbox(tmp_path, batch=BatchTerms(most=3, every_s=3600))
    for number in range(2):
        box.lay_down(Item(id=f"m-{number}", content=b"<a></a>", operation="Decide"))
    box.bundle()
    assert seen_by_the_agency(tmp_path) == []
    for number in range(2, 7):
        box.lay_down(Item(id=f"m-{number}", content=b"<a></a>", operation="Decide"))
    box.bundle()
    assert len(seen_by_the_agency(tmp_path)) == 2
    total = sum((tmp_path / name).read_bytes().count(b"<f:Request ") for name in seen_by_the_agency(tmp_path))
    assert total == 6


def test_documents_that_waited_long_enough_go_out_alone(tmp_path: Path) -> None:
    box = outbox(tmp_path, batch=BatchTerms(most=100, every_s=60))
    box.lay_down(Item(id="m-1", content=b"<a></a>", operation="Decide"))
    staged = tmp_path / ".esb" / "staged" / "m-1"
    os.utime(staged, (time.time() - 61, time.time() - 61))
    box.bundle()
    assert len(seen_by_the_agency(tmp_path)) == 1


def test_only_one_worker_bundles_at_a_time(tmp_path: Path) -> None:
    box = outbox(tmp_path, batch=BatchTerms(most=1, every_s=0))
    box.lay_down(Item(id="m-1", content=b"<a></a>", operation="Decide"))
    with only_one(tmp_path / ".esb") as is_it:
        assert is_it
        box.bundle()
        assert seen_by_the_agency(tmp_path) == []
    box.bundle()
    assert len(seen_by_the_agency(tmp_path)) == 1


# --- inbox -----------------------------------------------------------------------------------------------


async def test_answers_are_brought_and_their_file_goes(tmp_path: Path) -> None:
    journal, one = Journal(), courier(tmp_path)
    (tmp_path / "in" / "b.xml").write_bytes(answers(("m-1", b"<a></a>"), ("m-2", b"<refused></refused>")))
    (tmp_path / "in" / "Decide.m-3.xml").write_bytes(b"<a ></a>")
    assert await one.carry(journal.bring) == 3
    assert sorted(journal.brought) == [("m-1", b"<a></a>"), ("m-2", b"<refused></refused>"), ("m-3", b"<a></a>")]
    assert seen_by_the_agency(tmp_path / "in") == []


async def test_half_written_and_foreign_files_are_left_alone(tmp_path: Path) -> None:
    journal, one = Journal(), courier(tmp_path, settle_s=60.0)
    for name in ("fresh.xml", ".hidden.xml", "x.xml.tmp", "notes.txt"):
        (tmp_path / "in" / name).write_bytes(answers(("m-1", b"<a></a>")))
    (tmp_path / "in" / "folder.xml").mkdir()
    assert await one.carry(journal.bring) == 0
    assert len(list((tmp_path / "in").iterdir())) == 6


async def test_file_that_cannot_be_read_is_set_aside_with_the_reason_and_the_rest_is_served(tmp_path: Path) -> None:
    journal, one = Journal(), courier(tmp_path)
    (tmp_path / "in" / "a.xml").write_bytes(b"<cut")
    (tmp_path / "in" / "b.xml").write_bytes(answers(("m-1", b"<a></a>")))
    assert await one.carry(journal.bring) == 1
    aside = tmp_path / "in" / "quarantine"
    assert sorted(path.name for path in aside.iterdir()) == ["a.xml", "a.xml.reason.txt"]
    assert (aside / "a.xml").read_bytes() == b"<cut"
    assert (aside / "a.xml.reason.txt").read_text()


async def test_good_answers_of_a_file_are_served_though_others_in_it_are_bad(tmp_path: Path) -> None:
    journal, one = Journal(), courier(tmp_path)
    journal.failures = {"m-3": AnswerUnexpected("nothing waits for this answer"), "m-4": AnswerLate("ended")}
    content = answers(
        ("m-1", b"<a></a>"),
        ("m-2", b"<broken></broken>"),
        ("m-3", b"<a></a>"),
        ("m-4", b"<a></a>"),
        ("m-5", b"<b></b>"),
    )
    (tmp_path / "in" / "b.xml").write_bytes(content)
    await one.carry(journal.bring)
    assert [key for key, _ in journal.brought] == ["m-1", "m-5"]
    reason = (tmp_path / "in" / "quarantine" / "b.xml.reason.txt").read_text().splitlines()
    assert reason == ["m-2: Decision: not of the contract", "m-3: nothing waits for this answer"]


async def test_file_stays_in_hand_while_the_journal_cannot_take_it(tmp_path: Path) -> None:
    journal, one = Journal(), courier(tmp_path)
    journal.failures = {"m-2": JournalUnavailable("down")}
    (tmp_path / "in" / "b.xml").write_bytes(answers(("m-1", b"<a></a>"), ("m-2", b"<a></a>")))
    with pytest.raises(JournalUnavailable):
        await one.carry(journal.bring)
    journal.failures = {}
    assert await one.carry(journal.bring) == 2, "the journal knows the first one already"
    assert list((tmp_path / "in" / ".esb" / "taken").iterdir()) == []


async def test_answer_that_cannot_be_given_now_holds_up_no_other_file(tmp_path: Path) -> None:
    journal, one = Journal(), courier(tmp_path)
    journal.failures = {"m-1": Saturated("the exchange is in hand")}
    (tmp_path / "in" / "a.xml").write_bytes(answers(("m-1", b"<a></a>")))
    (tmp_path / "in" / "b.xml").write_bytes(answers(("m-2", b"<a></a>")))
    assert await one.carry(journal.bring) == 1
    journal.failures = {}
    assert await one.carry(journal.bring) == 1


async def test_signed_files_are_believed_by_their_signature_alone(tmp_path: Path) -> None:
    journal, one = Journal(), courier(tmp_path, signed=True)
    stranger = keys.generate(Algorithm.ES256, datetime.now(UTC))
    good, inbox = answers(("m-1", b"<a></a>")), tmp_path / "in"
    (inbox / "good.xml").write_bytes(good)
    (inbox / "good.xml.jws").write_text(jws.sign_detached(good, KEY))
    (inbox / "changed.xml").write_bytes(answers(("m-2", b"<a></a>")))
    (inbox / "changed.xml.jws").write_text(jws.sign_detached(good, KEY))
    (inbox / "stranger.xml").write_bytes(good)
    (inbox / "stranger.xml.jws").write_text(jws.sign_detached(good, stranger))
    assert await one.carry(journal.bring) == 1
    assert journal.brought == [("m-1", b"<a></a>")]
    aside = sorted(path.name for path in (inbox / "quarantine").iterdir())
    assert aside == [
        "changed.xml", "changed.xml.jws", "changed.xml.reason.txt",
        "stranger.xml", "stranger.xml.jws", "stranger.xml.reason.txt",
    ]  # fmt: skip


async def test_file_without_its_signature_waits_for_it_and_is_then_set_aside(tmp_path: Path) -> None:
    journal, one = Journal(), courier(tmp_path, signed=True)
    path = tmp_path / "in" / "b.xml"
    path.write_bytes(answers(("m-1", b"<a></a>")))
    assert await one.carry(journal.bring) == 0
    assert path.exists()
    os.utime(path, (time.time() - 61, time.time() - 61))
    assert await one.carry(journal.bring) == 0
    assert (tmp_path / "in" / "quarantine" / "b.xml.reason.txt").read_text() == "b.xml.jws is missing\n"


async def test_signed_document_is_not_known_by_the_name_of_its_file(tmp_path: Path) -> None:
    journal, one = Journal(), courier(tmp_path, signed=True)
    content = b"<a></a>"
    (tmp_path / "in" / "Decide.m-1.xml").write_bytes(content)
    (tmp_path / "in" / "Decide.m-1.xml.jws").write_text(jws.sign_detached(content, KEY))
    await one.carry(journal.bring)
    assert journal.brought == [], "who copies a signed file under another name must not move its answer"


async def test_two_workers_bring_each_answer_once(tmp_path: Path) -> None:
    journal = Journal()
    first, second = courier(tmp_path), courier(tmp_path)
    for number in range(5):
        (tmp_path / "in" / f"{number}.xml").write_bytes(answers((f"m-{number}", b"<a></a>")))

    async def bring(agency: str, raw: bytes, proven: ProvenPush) -> None:
        await journal.bring(agency, raw, proven)
        # While this worker is at it, the other one goes round and finds nothing to do.
        assert await second.carry(journal.bring) == 0

    assert await first.carry(bring) == 5
    assert len({key for key, _ in journal.brought}) == len(journal.brought) == 5
