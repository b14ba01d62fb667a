"""The register of adapters, on both stores: acts follow on each other, are recorded, and what was changed is found."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3

import asyncpg
import msgspec
import pytest

from esb.errors import JournalUnavailable, RegistrationRefused
from esb.journal import GroupCommitJournal, migrations, registrations, verification
from esb.journal.registrations import Change, Registered
from tests.support.journal import JournalPlace, request_of

BUNDLE = b"an archive"
SHA256 = hashlib.sha256(BUNDLE).hexdigest()


def change(
    revision: int = 0, *, agency: str = "din-reg", document: bytes = b"{}", bundle: bytes | None = None
) -> Change:
    return Change(
        agency=agency,
        was_revision=revision,
        document=document,
        act="submit",
        operator="aysel",
        what="registered",
        reason="opinion 12/3",
        version="v2",
        bundle=bundle,
    )


async def everything(journal: GroupCommitJournal) -> Registered:
    return await registrations.registered(journal, lambda _: [SHA256])


async def problems(journal: GroupCommitJournal, place: JournalPlace) -> list[str]:
    return [str(problem) for problem in (await verification.verify(journal, place.home, ())).problems]


async def test_an_act_leaves_a_document_a_bundle_and_a_record(journal: GroupCommitJournal) -> None:
    await journal.register(change(document=b'{"a":1}', bundle=BUNDLE))
    stands = await everything(journal)
    assert stands.generation == 1
    assert stands.documents["din-reg"].document == b'{"a":1}'
    assert stands.bundles == {SHA256: BUNDLE}
    (record,) = await registrations.acts_on(journal, "din-reg")
    told = msgspec.json.decode(record.content)
    assert told["operator"] == "aysel"
    assert told["reason"] == "opinion 12/3"
    assert (told["bundle_sha256"], told["document_sha256"]) == (SHA256, hashlib.sha256(b'{"a":1}').hexdigest())


async def test_nothing_is_registered_before_the_first_act(journal: GroupCommitJournal) -> None:
    assert await everything(journal) == Registered()
    assert await registrations.generation(journal) == 0


async def test_every_act_moves_the_generation_of_the_whole_register(journal: GroupCommitJournal) -> None:
    await journal.register(change())
    await journal.register(change(agency="mkr"))
    await journal.register(change(1, document=b"{2}"))
    assert await registrations.generation(journal) == 3
    assert (await everything(journal)).documents["din-reg"].revision == 2


async def test_an_act_on_what_has_changed_meanwhile_is_refused_and_leaves_nothing(place: JournalPlace) -> None:
    one, other = await place.open("node1/operator"), await place.open("node2/operator")
    await one.register(change(document=b"first"))
    with pytest.raises(RegistrationRefused, match="somebody else"):
        await other.register(change(document=b"second", bundle=BUNDLE))
    stands = await everything(one)
    assert (stands.documents["din-reg"].document, stands.bundles) == (b"first", {})
    assert len(await registrations.acts_on(one, "din-reg")) == 1


async def test_of_acts_at_the_same_time_one_wins(place: JournalPlace) -> None:
    journals = [await place.open(f"node{number}/operator") for number in range(4)]
    outcomes = await asyncio.gather(
        *(one.register(change(document=str(number).encode())) for number, one in enumerate(journals)),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [RegistrationRefused] * 3
    assert await registrations.generation(journals[0]) == 1


async def test_an_act_that_is_repeated_after_its_answer_was_lost_takes_effect_once(journal: GroupCommitJournal) -> None:
    await journal.register(change(document=b"once"))
    await journal.register(change(document=b"once"))
    assert await registrations.generation(journal) == 1
    assert len(await registrations.acts_on(journal, "din-reg")) == 1


async def test_acts_and_exchanges_share_a_commit_and_a_chain(journal: GroupCommitJournal, place: JournalPlace) -> None:
    exchange = request_of()
    await asyncio.gather(
        journal.receive(exchange, lease_s=10),
        journal.register(change(bundle=BUNDLE)),
        journal.receive(request_of(2), lease_s=10),
    )
    assert [record.seq async for record in journal.records()] == [1, 2, 3]
    assert await problems(journal, place) == []


async def test_one_bundle_of_two_agencies_is_stored_once(journal: GroupCommitJournal) -> None:
    await journal.register(change(bundle=BUNDLE))
    await journal.register(change(agency="mkr", bundle=BUNDLE))
    assert (await everything(journal)).bundles == {SHA256: BUNDLE}


async def test_what_is_registered_is_read_without_an_event_loop_of_ones_own(place: JournalPlace) -> None:
    journal = await place.open()
    await journal.register(change(bundle=BUNDLE))
    seen = registrations.load(place.database_url, place.home, owner="node1/reader", wanted=lambda _: [SHA256])
    assert (seen.generation, seen.bundles) == (1, {SHA256: BUNDLE})


async def test_where_no_journal_is_nothing_is_registered_and_none_is_made(place: JournalPlace) -> None:
    assert registrations.load(place.database_url, place.home, owner="n/reader", wanted=lambda _: ()) == Registered()
    with pytest.raises(JournalUnavailable):
        await place.open(must_exist=True, reserve=False)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE registrations SET document = $1", "is not what it records"),
        ("UPDATE registrations SET revision = 7 WHERE document <> $1", "at revision 7 with 1 records"),
        ("UPDATE bundles SET content = $1", "is not the one that was submitted"),
        ("DELETE FROM registrations WHERE document <> $1", "was removed from the register"),
        ("DELETE FROM bundles WHERE content <> $1", "was removed"),
    ],
)
async def test_what_was_changed_behind_the_bus_is_found(
    journal: GroupCommitJournal, place: JournalPlace, statement: str, told: str
) -> None:
    await journal.register(change(bundle=BUNDLE))
    assert await problems(journal, place) == []
    await place.tamper(statement, b"something else")
    assert any(told in problem for problem in await problems(journal, place))


@pytest.mark.parametrize("statement", ["UPDATE bundles SET content = content", "DELETE FROM bundles"])
async def test_bundles_are_never_changed_or_removed(
    journal: GroupCommitJournal, place: JournalPlace, statement: str
) -> None:
    await journal.register(change(bundle=BUNDLE))
    with pytest.raises(Exception, match=r"never|append-only"):
        await place.attempt(statement)


async def test_a_journal_of_an_earlier_schema_gets_what_it_lacks(place: JournalPlace) -> None:
    await make_first_schema(place)
    journal = await place.open()
    await journal.receive(request_of(), lease_s=None)
    await journal.register(change())
    assert await problems(journal, place) == []


async def make_first_schema(place: JournalPlace) -> None:
    """The tables as the first release made them."""
    if not place.database_url:
        place.home.mkdir(parents=True)
        with contextlib.closing(sqlite3.connect(place.home / "journal.sqlite3")) as connection:
            connection.executescript(migrations.scripts(migrations.SQLITE)[0])
            connection.execute("PRAGMA user_version = 1")
        return
    connection = await asyncpg.connect(place.database_url, server_settings={"search_path": "journal"})
    await connection.execute("CREATE SCHEMA journal; CREATE TABLE schema_version (version integer NOT NULL)")
    await connection.execute(migrations.scripts(migrations.POSTGRES)[0])
    await connection.execute("INSERT INTO schema_version (version) VALUES (1)")
    await connection.close()
