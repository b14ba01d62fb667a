"""Asked now, answered later: asynchronous questions, long waits, the inbox, and one reply for each message id."""

from __future__ import annotations

import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from security import jws, keys
from tests.support.agencies import Agencies
from tests.support.bus import Got, LiveBus
from tests.support.replies import check, check_form, recorded

LATER = {"Prefer": "respond-async"}


def inbox(bus: LiveBus, *, wait_s: int = 0, most: int = 100, caller: str = "portal") -> dict[str, dict[str, Any]]:
    """Replies handed out now, by message id."""
    got = bus.send("GET", f"/v1/replies?wait={wait_s}&max={most}", caller=caller)
    assert got.status == 200
    return {entry["message_id"]: entry for entry in bus.verified(got).reply["replies"]}


def acknowledge(bus: LiveBus, message_id: str) -> bool:
    acknowledged: bool = bus.send("POST", f"/v1/replies/{message_id}/ack").reply["acknowledged"]
    return acknowledged


def inbox_until(bus: LiveBus, message_id: str) -> dict[str, Any]:
    """The reply to this message, once it is there; what else was handed out comes again later."""
    for _ in range(10):
        found = inbox(bus, wait_s=5)
        if message_id in found:
            return found[message_id]
    pytest.fail("the reply never came")


def test_an_asynchronous_question_is_accepted_with_the_place_of_its_reply(quick_bus: LiveBus) -> None:
    accepted = quick_bus.ask("person.identity", headers=LATER)
    check_form(quick_bus, accepted)
    assert (accepted.status, accepted.reply["status"]) == (202, "PENDING")
    assert accepted.headers["location"] == f"/v1/messages/{accepted.headers['message-id']}"
    assert accepted.headers["preference-applied"] == "respond-async"
    got = quick_bus.verified(quick_bus.message(accepted.headers["message-id"], wait_s=10))
    assert (got.status, got.reply["status"]) == (200, "OK")
    assert got.reply["data"]["pin"] == "7TESTX1"


def test_a_route_may_be_asynchronous_by_itself(quick_bus: LiveBus) -> None:
    accepted = quick_bus.ask("record.later")
    assert accepted.status == 202
    assert quick_bus.message(accepted.headers["message-id"], wait_s=10).reply["status"] == "OK"


def test_a_reply_waits_in_the_inbox_with_its_own_signature_until_it_is_acknowledged(quick_bus: LiveBus) -> None:
    message_id = quick_bus.ask("person.identity", headers=LATER).headers["message-id"]
    entry = inbox_until(quick_bus, message_id)
    listed = quick_bus.send("GET", "/.well-known/jwks.json", caller=None).reply["keys"]
    known = {key["kid"]: keys.from_jwk(key) for key in listed}
    jws.verify_detached(entry["body"].encode(), entry["signature"], known)
    assert entry["body"].encode() == quick_bus.message(message_id).body
    assert json.loads(entry["body"])["status"] == "OK"
    assert acknowledge(quick_bus, message_id)
    assert not acknowledge(quick_bus, message_id)
    assert quick_bus.message(message_id).reply["status"] == "OK"


def test_what_is_not_acknowledged_comes_again(quick_again_bus: LiveBus) -> None:
    message_id = quick_again_bus.ask("person.identity", headers=LATER).headers["message-id"]
    for _ in range(2):
        assert inbox_until(quick_again_bus, message_id)["message_id"] == message_id
    assert acknowledge(quick_again_bus, message_id)
    assert message_id not in inbox(quick_again_bus, wait_s=1)


def test_an_inbox_shows_nobody_elses_replies(quick_bus: LiveBus) -> None:
    message_id = quick_bus.ask("person.identity", headers=LATER).headers["message-id"]
    inbox_until(quick_bus, message_id)
    assert message_id not in inbox(quick_bus, caller="eesmn")
    assert not quick_bus.send("POST", f"/v1/replies/{message_id}/ack", caller="eesmn").reply["acknowledged"]
    got = quick_bus.send("GET", f"/v1/messages/{message_id}", caller="eesmn")
    check(quick_bus, got, 404, "message.unknown", advice="FIX")
    assert acknowledge(quick_bus, message_id)


async def test_a_wait_shorter_than_a_slow_agency_ends_with_the_reply_in_the_inbox(
    bus: LiveBus, agencies: Agencies
) -> None:
    await agencies.behave("din-reg", "slow=1500")
    accepted = bus.ask("person.identity", headers={"Prefer": "wait=1"})
    assert (accepted.status, accepted.reply["status"]) == (202, "PENDING")
    assert accepted.headers["preference-applied"] == "wait=1"
    entry = inbox_until(bus, accepted.headers["message-id"])
    assert json.loads(entry["body"])["status"] == "OK"
    assert acknowledge(bus, accepted.headers["message-id"])


def test_a_wait_that_is_long_enough_gives_the_reply_and_leaves_the_inbox_empty(quick_bus: LiveBus) -> None:
    got = quick_bus.ask("person.identity", headers={"Prefer": "wait=10"})
    assert (got.status, got.headers["preference-applied"]) == (200, "wait=10")
    assert got.reply["message_id"] not in inbox(quick_bus)


def test_a_synchronous_reply_is_found_again_by_its_id(quick_bus: LiveBus) -> None:
    got = quick_bus.ask("person.identity")
    again = quick_bus.message(got.headers["message-id"].upper())
    assert (again.status, again.body, again.headers["esb-signature"]) == (200, got.body, got.headers["esb-signature"])


# --- one reply for each message id -----------------------------------------------------------------------


def own_id() -> dict[str, str]:
    return {"Message-Id": str(uuid.uuid4())}


async def test_the_same_question_again_gets_the_same_bytes_and_the_agency_is_not_asked_again(
    quick_bus: LiveBus, agencies: Agencies
) -> None:
    headers = own_id()
    first, again = (quick_bus.ask("person.identity", headers=headers) for _ in range(2))
    assert (first.body, first.headers["esb-signature"]) == (again.body, again.headers["esb-signature"])
    assert "idempotent-replay" not in first.headers
    assert again.headers["idempotent-replay"] == "true"
    assert first.headers["message-id"] == headers["Message-Id"]
    assert await agencies.calls("din-reg") == {"GetPersonByPin": {"7TESTX1": 1}}


async def test_a_failure_is_repeated_with_its_own_http_status(quick_bus: LiveBus, agencies: Agencies) -> None:
    await agencies.behave("din-reg", "refuse")
    await agencies.behave("mkr", "unsigned")
    for route in ("person.identity", "credit.obligations", "person.complete"):
        headers = own_id()
        first, again = (quick_bus.ask(route, headers=headers) for _ in range(2))
        assert (first.status, first.body) == (again.status, again.body)
        assert first.status >= 500
        assert first.headers.get("retry-after") == again.headers.get("retry-after")


async def test_concurrent_duplicates_are_one_exchange(quick_bus: LiveBus, agencies: Agencies) -> None:
    await agencies.behave("din-reg", "slow=200")
    headers = {**own_id(), "Prefer": "wait=20"}
    with ThreadPoolExecutor(max_workers=8) as senders:
        answers = list(senders.map(lambda _: quick_bus.ask("person.identity", headers=headers), range(8)))
    assert {got.status for got in answers} == {200}
    assert len({got.body for got in answers}) == 1
    assert sum("idempotent-replay" not in got.headers for got in answers) == 1
    assert await agencies.calls("din-reg") == {"GetPersonByPin": {"7TESTX1": 1}}
    assert [record["kind"] for record in recorded(quick_bus, answers[0])] == ["RECEIVED", "COMPLETED"]


async def test_a_repeated_question_without_a_wish_waits_for_the_one_that_runs(bus: LiveBus, agencies: Agencies) -> None:
    await agencies.behave("din-reg", "slow=1500")
    headers = own_id()
    first = bus.ask("person.identity", headers={**headers, "Prefer": "wait=0"})
    assert first.status == 202
    for prefer in ("respond-async", "wait=0"):
        assert bus.ask("person.identity", headers={**headers, "Prefer": prefer}).status == 202
    again = bus.ask("person.identity", headers=headers)
    assert (again.status, again.reply["status"], again.headers["idempotent-replay"]) == (200, "OK", "true")
    assert await agencies.calls("din-reg") == {"GetPersonByPin": {"7TESTX1": 1}}


async def test_a_repeated_question_does_not_wait_for_a_person(quick_bus: LiveBus, agencies: Agencies) -> None:
    await agencies.behave("din-reg", "cut")
    headers = own_id()
    answers = [quick_bus.ask("record.once", headers=headers) for _ in range(2)]
    assert [(got.status, got.reply["status"]) for got in answers] == [(202, "PENDING")] * 2


async def test_asking_for_a_reply_is_no_repetition_of_the_question(bus: LiveBus, agencies: Agencies) -> None:
    await agencies.behave("din-reg", "slow=700")
    message_id = bus.ask("person.identity", headers=LATER).headers["message-id"]
    for wait_s in (0, 10, 0):
        got = bus.message(message_id, wait_s=wait_s)
        assert "idempotent-replay" not in got.headers
    assert (got.status, got.reply["status"]) == (200, "OK")


async def test_a_failure_that_was_waited_for_is_fetched_as_any_reply(quick_bus: LiveBus, agencies: Agencies) -> None:
    await agencies.behave("din-reg", "unsigned")
    message_id = quick_bus.ask("person.identity", headers=LATER).headers["message-id"]
    got = quick_bus.message(message_id, wait_s=10)
    assert (got.status, got.reply["status"]) == (200, "INVALID_REPLY")


def test_the_same_id_with_another_body_or_route_is_a_conflict(quick_bus: LiveBus) -> None:
    headers = own_id()
    first = quick_bus.ask("person.identity", headers=headers)
    for got in (
        quick_bus.ask("person.identity", "7TESTX2", headers=headers),
        quick_bus.ask("person.address", headers=headers),
    ):
        check(quick_bus, got, 409, "message.duplicate", advice="RETRY_NEW_ID")
        assert got.reply["message_id"] == headers["Message-Id"]
    assert quick_bus.message(headers["Message-Id"]).body == first.body


def test_the_case_of_an_id_does_not_make_another(quick_bus: LiveBus) -> None:
    headers = own_id()
    first = quick_bus.ask("person.identity", headers=headers)
    again = quick_bus.ask("person.identity", headers={"Message-Id": headers["Message-Id"].upper()})
    assert (again.body, again.headers["idempotent-replay"]) == (first.body, "true")


def test_two_callers_may_use_one_id(quick_bus: LiveBus) -> None:
    headers = own_id()
    answers = [quick_bus.ask("person.identity", headers=headers, caller=caller) for caller in ("portal", "eesmn")]
    assert [got.status for got in answers] == [200, 200]
    assert not any("idempotent-replay" in got.headers for got in answers)


# --- time ------------------------------------------------------------------------------------------------


def soon(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def test_a_question_with_time_left_is_asked(quick_bus: LiveBus) -> None:
    assert quick_bus.ask("person.identity", expires_at=soon(60)).status == 200


async def test_what_expires_earlier_than_the_routes_deadline_is_given_up_then(bus: LiveBus, agencies: Agencies) -> None:
    await agencies.behave("din-reg", "slow=3000")
    got = bus.ask("person.identity", expires_at=soon(0.5))
    check(bus, got, 400, "request.expired", advice="RETRY_NEW_ID")
    assert got.reply["status"] == "EXPIRED"
    assert [(source["agency"], source["status"]) for source in got.reply["sources"]] == [("din-reg", "EXPIRED")]
    assert got.reply["sources"][0]["elapsed_ms"] < 3000


async def test_impatient_callers_do_not_close_an_agency_to_the_others(bus: LiveBus, agencies: Agencies) -> None:
    await agencies.behave("din-reg", "slow=3000")
    with ThreadPoolExecutor(max_workers=8) as senders:
        answers = list(senders.map(lambda _: bus.ask("person.identity", expires_at=soon(0.5)), range(8)))
    assert {got.reply["status"] for got in answers} == {"EXPIRED"}
    await agencies.behave_well("din-reg")
    assert bus.ask("person.identity").status == 200


async def test_a_call_with_an_effect_that_its_caller_cut_short_is_parked(
    quick_bus: LiveBus, agencies: Agencies
) -> None:
    await agencies.behave("din-reg", "hang")
    got = quick_bus.ask("record.once", expires_at=soon(0.3))
    assert (got.status, got.reply["status"]) == (202, "PENDING")
    assert [record["kind"] for record in recorded(quick_bus, got)] == ["RECEIVED", "CALLING", "PARKED"]


async def test_the_callers_trace_reaches_the_agency_and_comes_back(quick_bus: LiveBus) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    got = quick_bus.ask("person.identity", headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
    assert got.headers["traceparent"].split("-")[1] == trace
    assert f"-{trace}-" in recorded(quick_bus, got)[0]["traceparent"]


# --- gathers, no record and empty lists ------------------------------------------------------------------


async def test_a_gather_with_one_agency_hanging_is_partial_within_its_deadline(
    quick_bus: LiveBus, agencies: Agencies
) -> None:
    await agencies.behave("mkr", "hang")
    got = quick_bus.ask("person.overview")
    check_form(quick_bus, got)
    reply = got.reply
    assert (got.status, reply["status"]) == (200, "PARTIAL")
    assert set(reply["data"]) == {"identity", "diplomas"}
    assert [(fault["code"], fault["path"], fault["agency"]) for fault in reply["faults"]] == [
        ("agency.timeout", "/data/credits", "mkr")
    ]
    assert {source["agency"]: source["status"] for source in reply["sources"]} == {
        "din-reg": "OK",
        "tn-tm": "OK",
        "mkr": "TIMEOUT",
    }


async def test_a_member_that_is_cut_by_the_callers_own_time_is_not_said_to_have_failed(
    quick_bus: LiveBus, agencies: Agencies
) -> None:
    await agencies.behave("mkr", "hang")
    got = quick_bus.ask("person.overview", expires_at=soon(0.3))
    check_form(quick_bus, got)
    assert got.reply["status"] == "PARTIAL"
    assert [(fault["code"], fault["path"]) for fault in got.reply["faults"]] == [("request.expired", "/data/credits")]
    assert {s["agency"]: s["status"] for s in got.reply["sources"]}["mkr"] == "EXPIRED"


async def test_a_gather_that_needs_every_answer_gives_none_without_one(quick_bus: LiveBus, agencies: Agencies) -> None:
    await agencies.behave("mkr", "hang")
    got = quick_bus.ask("person.complete")
    check(quick_bus, got, 504, "agency.timeout", path="/data/credits")
    assert (got.reply["status"], got.reply["data"]) == ("TIMEOUT", None)


def test_no_record_no_diploma_and_no_credits_are_told_apart(quick_bus: LiveBus) -> None:
    def told(route: str, fin: str) -> tuple[int, str, Any]:
        got: Got = quick_bus.verified(quick_bus.ask(route, fin))
        return got.status, got.reply["status"], got.reply["data"]

    assert told("person.identity", "7TESTX9") == (200, "NOT_FOUND", None)
    assert told("diploma.by-person", "7TESTX5") == (200, "NOT_FOUND", None)
    assert told("credit.obligations", "7TESTX9") == (200, "NOT_FOUND", None)
    status, verdict, data = told("credit.obligations", "7TESTX4")
    assert (status, verdict, data["credits"]) == (200, "OK", [])


def test_a_gather_keeps_no_record_apart_from_no_answer(quick_bus: LiveBus) -> None:
    got = quick_bus.ask("person.overview", "7TESTX5")
    assert (got.reply["status"], got.reply["faults"]) == ("OK", [])
    assert got.reply["data"]["diplomas"] is None
    assert {s["agency"]: s["status"] for s in got.reply["sources"]}["tn-tm"] == "NOT_FOUND"
    assert quick_bus.ask("person.overview", "7TESTX9").reply["status"] == "NOT_FOUND"
