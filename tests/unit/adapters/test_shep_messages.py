"""The gateway's messages as text: the fields and their order, and back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from adapters import shep
from adapters.shep import ASYNC, MessageInfo, MessageType, Receipt, Sender
from esb.errors import ContractViolation
from security.xml import canonical, parse

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DOCUMENT = b'<a:Ask xmlns:a="urn:a"><a:Pin>7TESTX1</a:Pin></a:Ask>'
INFO = MessageInfo(service_id="S", date=NOW, sender=Sender(id="ESB", password="sirr"))
AS_TEXT = pytest.mark.parametrize("as_text", [True, False])


def same(document: bytes) -> bytes:
    """Without declarations that nothing uses."""
    return canonical(parse(document))


def request(**changes: object) -> MessageInfo:
    return MessageInfo(**{"service_id": "S", "date": NOW, "sender": INFO.sender, **changes})  # type: ignore[arg-type]


@AS_TEXT
def test_synchronous_request_comes_back_as_it_was(*, as_text: bool) -> None:
    info = request(message_id="m", correlation_id="c", route_id="r", properties={"k": "<&>"}, session_id="{s}")
    read, document = shep.read_request(shep.send_message(info, DOCUMENT, as_text=as_text))
    assert (read, same(document)) == (info, DOCUMENT)


@AS_TEXT
@pytest.mark.parametrize("document", [DOCUMENT, None])
def test_synchronous_answer_comes_back_as_it_was(*, as_text: bool, document: bytes | None) -> None:
    content = shep.send_message_response(request(message_id="m"), document, as_text=as_text, code="X1", message="ə&")
    answer = shep.read_response(content)
    assert (answer.message_id, answer.code, answer.message) == ("m", "X1", "ə&")
    assert (answer.data and same(answer.data)) == document


@AS_TEXT
def test_asynchronous_message_comes_back_as_it_was(*, as_text: bool) -> None:
    info = request(message_type=MessageType.RESPONSE, correlation_id="c", route_id="r")
    read, document = shep.read_async_request(shep.async_send_message(info, DOCUMENT, as_text=as_text))
    assert (read, same(document)) == (info, DOCUMENT)
    (one,) = shep.read_messages(
        shep.messages(
            [(request(message_id="m", correlation_id="c", message_type=MessageType.RESPONSE), DOCUMENT)],
            as_text=as_text,
            now=NOW,
        )
    )
    assert (one.message_id, one.correlation_id, one.message_type) == ("m", "c", "RESPONSE")
    assert same(one.data or b"") == DOCUMENT


@pytest.mark.parametrize(
    "changes",
    [
        {"message_type": MessageType.REQUEST, "correlation_id": "c"},
        {"message_type": MessageType.RESPONSE},
        {"message_type": MessageType.NOTIFICATION},
        {"message_type": MessageType.REQUEST, "message_id": "m"},
    ],
)
def test_ids_that_the_gateway_gives_are_not_sent(changes: dict[str, object]) -> None:
    with pytest.raises(ContractViolation, match="the gateway gives"):
        shep.async_send_message(request(**changes), DOCUMENT, as_text=False)


def test_receipt_needs_both_ids() -> None:
    receipt = Receipt(message_id="m", correlation_id="c")
    content = shep.async_receipt(receipt, now=NOW)
    assert shep.read_receipt(content) == receipt
    with pytest.raises(ContractViolation):
        shep.read_receipt(content.replace(b">c<", b"><"))


def test_messages_are_asked_for_by_chain() -> None:
    content = shep.get_messages(request(correlation_id="c"), amount=5)
    assert shep.read_wanted(content) == ("S", "c")
    assert etree.fromstring(content).findtext("request/amount") == "5"


@pytest.mark.parametrize(
    ("accepted", "resend", "status", "again"),
    [
        (True, False, "MESSAGE_ACCEPTED", "NOT_RESEND"),
        (False, True, "MESSAGE_NOT_ACCTEPTED", "RESEND"),
    ],
)
def test_delivery_is_acknowledged_in_the_gateways_own_spelling(
    *, accepted: bool, resend: bool, status: str, again: str
) -> None:
    content = shep.delivery_notification(request(message_id="m"), accepted=accepted, resend=resend, error=None)
    root = etree.fromstring(content)
    assert root.tag == f"{{{ASYNC}}}sendDeliveryNotification"
    delivery = "request/notification/deliveryStatus"
    assert root.findtext(f"{delivery}/receiveStatus") == status
    assert root.findtext(f"{delivery}/resendMessage") == again


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"shep:SendMessage", b"shep:SendMassage"),
        (b"<serviceId>S</serviceId>", b""),
        (b"<serviceId>S</serviceId>", b"<serviceId>S</serviceId><serviceId>T</serviceId>"),
        (b"<senderId>ESB</senderId>", b""),
        (b"2026-11-21T12:00:00+00:00", b"yesterday"),
        (b"<data>", b"<data><x></x>"),
        (b"requestData", b"otherData"),
    ],
)
def test_envelope_of_another_shape_is_refused(old: bytes, new: bytes) -> None:
    content = shep.send_message(request(message_id="m"), DOCUMENT, as_text=False)
    assert old in content
    with pytest.raises(ContractViolation):
        shep.read_request(content.replace(old, new))


def test_password_is_in_no_text_that_people_read() -> None:
    assert "sirr" not in repr(INFO)


@settings(deadline=None)
@given(text=st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Cn")), max_size=40))
def test_any_value_survives(text: str) -> None:
    info = request(message_id=text.strip() or "m", properties={"k": text})
    assert shep.read_request(shep.send_message(info, DOCUMENT, as_text=True))[0].properties == {"k": text}
