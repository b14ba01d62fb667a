"""A portal asks over RabbitMQ and reads its replies there: the same questions, replies and faults as over HTTP."""

from __future__ import annotations

import uuid

import pytest

from tests.support.agencies import Agencies
from tests.support.bus import LiveBus
from tests.support.portal import Portal, kinds, question, until, verify

pytestmark = pytest.mark.rabbitmq


async def test_a_reply_reaches_the_callers_own_queue_and_the_replies_exchange(
    broker_bus: LiveBus, portal: Portal
) -> None:
    message_id = portal.ask("person.identity")

    own = await portal.reply(message_id)
    fed = await portal.reply(message_id, queue=portal.feed)
    assert own == fed
    assert (own.correlation_id, own.content_type) == (f"c-{message_id}", "application/json")
    assert (own.headers["esb-status"], own.headers["esb-route"]) == ("OK", "person.identity")
    assert (own.reply["correlation_id"], own.status) == (f"c-{message_id}", "OK")
    verify(broker_bus, own)
    assert await kinds(broker_bus.settings, message_id) == ["RECEIVED", "COMPLETED"]


@pytest.mark.parametrize(
    ("route", "fin"),
    [("person.identity", "7TESTX1"), ("person.identity", "7TESTX9"), ("student.status", "7TESTX1")],
)
async def test_the_reply_is_the_one_that_http_gives(broker_bus: LiveBus, portal: Portal, route: str, fin: str) -> None:
    over_amqp = (await portal.reply(portal.ask(route, fin))).reply
    over_http = broker_bus.ask(route, fin).reply

    own = {"message_id", "correlation_id", "received_at", "completed_at", "sources"}
    assert {k: v for k, v in over_amqp.items() if k not in own} == {k: v for k, v in over_http.items() if k not in own}
    assert over_amqp.keys() == over_http.keys()


async def test_no_record_is_a_reply_of_its_own(portal: Portal) -> None:
    assert (await portal.reply(portal.ask("person.identity", "7TESTX9"))).status == "NOT_FOUND"


async def test_a_gather_is_answered_from_its_own_queue(portal: Portal) -> None:
    body = question("7TESTX1", parameters={"consent_ref": "R-1", "as_of": "2026-11-20"})
    reply = (await portal.reply(portal.ask("person.overview", body=body))).reply

    assert {source["agency"] for source in reply["sources"]} == {"din-reg", "tn-tm", "mkr"}
    assert reply["status"] in {"OK", "PARTIAL"}


async def test_a_question_that_does_not_fit_is_refused_with_its_place(
    broker_bus: LiveBus, portal: Portal, agencies: Agencies
) -> None:
    got = await portal.reply(portal.ask("person.identity", "7TESTO"))

    assert (got.status, got.fault["path"], got.fault["advice"]) == ("INVALID_REQUEST", "/subject/value", "FIX")
    assert (got.fault["message"]["az"], got.fault["message"]["en"]) != ("", "")
    verify(broker_bus, got)
    assert await kinds(broker_bus.settings, got.message_id) == ["REFUSED"]
    assert await agencies.calls("din-reg") == {}


async def test_an_unknown_route_is_refused(portal: Portal) -> None:
    got = await portal.reply(portal.ask("person.horoscope"))

    assert (got.reply["route"], got.fault["code"]) == ("person.horoscope", "route.unknown")


async def test_a_route_without_a_grant_is_refused(eesmn: Portal, agencies: Agencies) -> None:
    got = await eesmn.reply(eesmn.ask("person.address"))

    assert got.status == "ACCESS_DENIED"
    assert await agencies.calls("din-reg") == {}


async def test_a_purpose_without_a_grant_is_refused(eesmn: Portal) -> None:
    got = await eesmn.reply(eesmn.ask("person.identity", body=question(purpose="curiosity")))

    assert (got.status, got.fault["path"]) == ("ACCESS_DENIED", "/purpose")


async def test_a_message_without_an_id_is_refused_under_the_correlation_id(portal: Portal) -> None:
    portal.client.publish("person.identity", question(), correlation_id="c-1", reply_to=portal.answers)

    await until(portal.received)
    (got,) = portal.received()
    assert (got.correlation_id, got.status, got.fault["path"]) == ("c-1", "INVALID_REQUEST", "/properties/message_id")


async def test_a_message_id_that_is_no_uuid_is_refused(portal: Portal) -> None:
    got = await portal.reply(portal.ask("person.identity", message_id="first"))

    assert (got.message_id, got.status) == ("first", "INVALID_REQUEST")


async def test_the_same_question_again_gets_the_same_reply_again(
    broker_bus: LiveBus, portal: Portal, agencies: Agencies
) -> None:
    message_id = portal.ask("person.identity")
    first = await portal.reply(message_id)
    portal.ask("person.identity", message_id=message_id)

    again = await portal.replies(message_id, 2)
    assert again == [first, first]
    assert await agencies.calls("din-reg") == {"GetPersonByPin": {"7TESTX1": 1}}
    assert (await kinds(broker_bus.settings, message_id)).count("COMPLETED") == 1


async def test_the_same_id_is_one_question_in_upper_and_lower_case(portal: Portal, agencies: Agencies) -> None:
    message_id = portal.ask("person.identity")
    await portal.reply(message_id)
    portal.ask("person.identity", message_id=message_id.upper())

    await portal.replies(message_id, 2)
    assert await agencies.calls("din-reg") == {"GetPersonByPin": {"7TESTX1": 1}}


async def test_an_id_with_another_question_is_refused(portal: Portal) -> None:
    message_id = portal.ask("person.identity")
    await portal.reply(message_id)
    portal.ask("person.identity", "7TESTX2", message_id=message_id)

    _, refused = await portal.replies(message_id, 2)
    assert (refused.status, refused.fault["code"]) == ("INVALID_REQUEST", "message.duplicate")
    assert refused.fault["advice"] == "RETRY_NEW_ID"


async def test_an_id_is_one_question_over_both_channels(broker_bus: LiveBus, portal: Portal) -> None:
    message_id = str(uuid.uuid4())
    over_http = broker_bus.post("person.identity", question(), headers={"Message-Id": message_id})
    portal.ask("person.identity", message_id=message_id)

    assert (await portal.reply(message_id)).body == over_http.body


async def test_the_reply_can_be_fetched_over_http_as_well(broker_bus: LiveBus, portal: Portal) -> None:
    message_id = portal.ask("person.identity")
    got = await portal.reply(message_id)

    assert broker_bus.message(message_id).body == got.body


async def test_an_asynchronous_question_over_http_is_answered_over_both(broker_bus: LiveBus, portal: Portal) -> None:
    accepted = broker_bus.ask("person.identity", headers={"Prefer": "respond-async"})
    assert accepted.status == 202
    message_id = accepted.reply["message_id"]

    fed = await portal.reply(message_id, queue=portal.feed)
    assert broker_bus.message(message_id, wait_s=5).body == fed.body


async def test_a_message_that_expires_in_its_queue_is_not_asked_and_its_caller_told(
    broker_bus: LiveBus, portal: Portal, agencies: Agencies
) -> None:
    # A place in the queue of the only worker takes as long as the agency: the second message waits behind the first.
    await agencies.behave("mkr", "slow=1500")
    body = question("7TESTX1", parameters={"consent_ref": "R-1", "as_of": "2026-11-20"})
    for _ in range(16):
        portal.ask("credit.obligations", body=body)
    late = portal.ask("credit.obligations", body=body, expiration="200")

    got = await portal.reply(late)
    assert (got.status, got.fault["code"]) == ("EXPIRED", "request.expired")
    assert await kinds(broker_bus.settings, late) == ["REFUSED"]
    await portal.answered(portal.asked)
