"""Answers that are brought to the bus's address: who may, what is said back, and what stays of it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from security import certificates, keys
from security.keys import Algorithm, SigningKey
from security.wsse import SoapVersion, WsseSigner, WsseVerifier
from tests.support import later_agencies
from tests.support.bus import Got, LiveBus, free_port, run_esb
from tests.support.later_agencies import LaterAgencies, ended, facts_of

AGENCY = "pay-push"
NAMESPACE = "urn:test:payouts:v1"


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LaterAgencies]:
    """Agencies that bring nothing themselves while a test lasts."""
    made = later_agencies.make(tmp_path_factory.mktemp("silent"), http=f"127.0.0.1:{free_port()}", after_ms=600_000)
    yield made
    made.stop()


@pytest.fixture(scope="module")
def silent_bus(silent: LaterAgencies) -> Iterator[LiveBus]:
    bus = later_agencies.start_bus(silent, workers=2)
    yield bus
    bus.stop()


def own_key(later: LaterAgencies) -> SigningKey:
    return keys.active(Path(later.settings.home) / "simulator" / AGENCY, passphrase="")


def document(ticket: str, *, decision: str = "GRANTED", status: str = "<p:Status>DONE</p:Status>") -> bytes:
    return (
        f'<p:GetPayoutResponse xmlns:p="{NAMESPACE}"><p:Ticket>{ticket}</p:Ticket>{status}'
        f"<p:Decision>{decision}</p:Decision></p:GetPayoutResponse>"
    ).encode()


def signed(content: bytes, key: SigningKey, *, at: datetime | None = None) -> bytes:
    return WsseSigner(key, SoapVersion.SOAP11, ttl_s=300).sign(content, now=at or datetime.now(UTC)).envelope


def bring(bus: LiveBus, body: bytes, *, agency: str = AGENCY) -> Got:
    headers = {"Content-Type": "text/xml; charset=utf-8"}
    return bus.send("POST", f"/v1/agencies/{agency}/answers", body, headers, caller=None)


def asked(bus: LiveBus, fin: str = "7TESTAA") -> tuple[str, str]:
    """The message id and ticket of a question that awaits its answer."""
    message_id = str(uuid.uuid4())
    assert bus.ask("payout.push", fin, headers={"Message-Id": message_id}).status == 202
    return message_id, ticket_of(bus, message_id)


def ticket_of(bus: LiveBus, message_id: str) -> str:
    with sqlite3.connect(Path(bus.settings.home) / "journal.sqlite3") as database:
        ((ticket,),) = database.execute("SELECT answer_key FROM awaited WHERE message_id = ?", (message_id,)).fetchall()
    return str(ticket)


def refusals(bus: LiveBus) -> list[str]:
    with sqlite3.connect(Path(bus.settings.home) / "journal.sqlite3") as database:
        found = database.execute("SELECT content FROM records WHERE kind = 'REFUSED' ORDER BY id").fetchall()
    return [json.loads(content)["code"] for (content,) in found]


# --- taken -----------------------------------------------------------------------------------------------


def test_answer_is_acknowledged_signed_and_bound_to_it_and_completes_its_exchange(
    silent: LaterAgencies, silent_bus: LiveBus
) -> None:
    message_id, ticket = asked(silent_bus)
    envelope = WsseSigner(own_key(silent), SoapVersion.SOAP11, ttl_s=300).sign(document(ticket), now=datetime.now(UTC))
    got = bring(silent_bus, envelope.envelope)
    assert got.status == 200, got.body
    bus_anchors = certificates.load(Path(silent.settings.home) / "keys" / "bus")
    verifier = WsseVerifier(bus_anchors, SoapVersion.SOAP11, clock_skew_s=30, max_age_s=300, require_confirmation=True)
    said = verifier.verify(got.body, now=datetime.now(UTC), confirms=envelope.signature_value)
    assert b"Accepted" in said.content
    assert ended(silent_bus, message_id)["data"] == {"decision": "GRANTED"}
    assert [fact["kind"] for fact in facts_of(silent_bus, message_id)][-2:] == ["ANSWERED", "COMPLETED"]


def test_answer_again_is_acknowledged_again_and_changes_nothing(silent: LaterAgencies, silent_bus: LiveBus) -> None:
    message_id, ticket = asked(silent_bus)
    same = signed(document(ticket), own_key(silent))
    afresh = signed(document(ticket), own_key(silent))
    assert [bring(silent_bus, body).status for body in (same, same, afresh)] == [200, 200, 200]
    ended(silent_bus, message_id)
    assert bring(silent_bus, same).status == 200
    kinds = [fact["kind"] for fact in facts_of(silent_bus, message_id)]
    assert (kinds.count("ANSWERED"), kinds.count("COMPLETED")) == (1, 1)


def test_answer_is_kept_byte_for_byte(silent: LaterAgencies, silent_bus: LiveBus) -> None:
    message_id, ticket = asked(silent_bus)
    body = signed(document(ticket), own_key(silent))
    bring(silent_bus, body)
    with sqlite3.connect(Path(silent.settings.home) / "journal.sqlite3") as database:
        ((raw,),) = database.execute("SELECT raw FROM awaited WHERE message_id = ?", (message_id,)).fetchall()
    assert raw == body


# --- refused ---------------------------------------------------------------------------------------------


def test_strangers_are_refused_alike_whatever_they_know(silent: LaterAgencies, silent_bus: LiveBus) -> None:
    message_id, ticket = asked(silent_bus)
    stranger = certificates.self_signed(
        keys.generate(Algorithm.ES256, datetime.now(UTC)),
        common_name=AGENCY,
        organisation="Stranger",
        now=datetime.now(UTC),
        valid_days=5,
    )
    plain = b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>%s</s:Body></s:Envelope>'
    other_agency = keys.active(Path(silent.settings.home) / "simulator" / "pay-poll", passphrase="")
    long_ago = datetime.fromtimestamp(time.time() - 7200, UTC)
    tries = {
        "unsigned": bring(silent_bus, plain % document(ticket)),
        "a stranger's signature": bring(silent_bus, signed(document(ticket), stranger)),
        "another agency's signature": bring(silent_bus, signed(document(ticket), other_agency)),
        "stale": bring(silent_bus, signed(document(ticket), own_key(silent), at=long_ago)),
        "not XML": bring(silent_bus, b"{}"),
        "nothing": bring(silent_bus, b""),
        "unknown agency": bring(silent_bus, signed(document(ticket), own_key(silent)), agency="nobody"),
        "agency that is asked": bring(silent_bus, signed(document(ticket), other_agency), agency="pay-poll"),
    }
    told = {name: (got.status, got.fault["code"], got.fault["message"]["en"]) for name, got in tries.items()}
    assert set(told.values()) == {(401, "answer.unproven", "Who sends this is not proven.")}, told
    assert refusals(silent_bus).count("answer.unproven") >= len(tries)
    assert silent_bus.message(message_id).status == 202


def test_signed_answer_to_nothing_is_refused_and_on_record(silent: LaterAgencies, silent_bus: LiveBus) -> None:
    got = bring(silent_bus, signed(document("T-unknown"), own_key(silent)))
    assert got.status == 500, "SOAP 1.1 knows one status for faults"
    assert b"Client.answer.unexpected" in got.body
    assert "answer.unexpected" in refusals(silent_bus)


def test_other_answer_to_the_same_question_is_refused_and_the_first_stays(
    silent: LaterAgencies, silent_bus: LiveBus
) -> None:
    message_id, ticket = asked(silent_bus)
    assert bring(silent_bus, signed(document(ticket), own_key(silent))).status == 200
    got = bring(silent_bus, signed(document(ticket, decision="DENIED"), own_key(silent)))
    assert b"Client.answer.other" in got.body
    assert ended(silent_bus, message_id)["data"] == {"decision": "GRANTED"}


@pytest.mark.parametrize(
    "content",
    [
        b'<p:GetPayoutResponse xmlns:p="urn:test:payouts:v1"><p:Status>DONE</p:Status></p:GetPayoutResponse>',
        b'<p:Unknown xmlns:p="urn:test:payouts:v1"></p:Unknown>',
    ],
    ids=["without a key", "not of the contract"],
)
def test_answer_that_is_none_is_refused_with_a_reason_and_the_exchange_waits_on(
    silent: LaterAgencies, silent_bus: LiveBus, content: bytes
) -> None:
    message_id, _ = asked(silent_bus)
    got = bring(silent_bus, signed(content, own_key(silent)))
    assert b"Client.answer.invalid" in got.body
    assert silent_bus.message(message_id).status == 202


def test_answer_of_too_many_bytes_is_refused(silent_bus: LiveBus) -> None:
    assert bring(silent_bus, b" " * (5 * 1024 * 1024 + 1)).status == 413


def test_address_of_answers_takes_nothing_but_posts(silent_bus: LiveBus) -> None:
    assert silent_bus.send("GET", f"/v1/agencies/{AGENCY}/answers", caller=None).status == 405


# --- late ------------------------------------------------------------------------------------------------


def test_answer_that_does_not_come_is_a_timeout_and_one_that_comes_late_is_kept(tmp_path: Path) -> None:
    later = later_agencies.make(tmp_path, http=f"127.0.0.1:{free_port()}", after_ms=600_000, for_s=1.5)
    bus = later_agencies.start_bus(later)
    try:
        message_id, ticket = asked(bus)
        reply = ended(bus, message_id)
        assert (reply["status"], reply["faults"][0]["code"]) == ("TIMEOUT", "agency.overdue")
        got = bring(bus, signed(document(ticket), own_key(later)))
        assert b"Client.answer.late" in got.body
        kinds = [fact["kind"] for fact in facts_of(bus, message_id)]
        assert kinds[-2:] == ["COMPLETED", "ANSWERED_LATE"]
        assert ended(bus, message_id) == reply
        assert run_esb(bus.settings, "journal", "verify").returncode == 0
        assert asyncio.run(later.agencies.calls(AGENCY))["SubmitPayout"] == {"7TESTAA": 1}
    finally:
        bus.stop()
        later.stop()


def test_answer_of_a_suspended_agency_is_still_taken(silent: LaterAgencies, silent_bus: LiveBus) -> None:
    message_id, ticket = asked(silent_bus)
    manifest = Path(silent.settings.adapters) / AGENCY / "adapter.yaml"
    before = manifest.read_text("utf-8")
    try:
        manifest.write_text(before.replace("lifecycle: live", "lifecycle: suspended"), "utf-8")
        assert silent_bus.esb("routes", "reload").returncode == 0
        assert bring(silent_bus, signed(document(ticket), own_key(silent))).status == 200
        assert ended(silent_bus, message_id)["data"] == {"decision": "GRANTED"}
    finally:
        manifest.write_text(before, "utf-8")
        silent_bus.esb("routes", "reload")
