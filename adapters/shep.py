"""The envelopes of a gateway like SHEP: SendMessage of its synchronous channel, and messages of its asynchronous one.

Pure: documents and facts in, the Body's one element out, and back. Elements inside of the outermost are unqualified, as
the gateway's types are. Both sides are here: the bus writes requests and reads answers, the simulator the reverse.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from datetime import datetime
from html import escape
from typing import Final

import msgspec

from esb.contracts.output import inclusive_prefixes
from esb.errors import ContractViolation
from security import xml
from security.errors import XmlRefused
from security.xml import Element

SYNC: Final = "http://bip.bee.kz/SyncChannel/v10/Types"
ASYNC: Final = "http://bip.bee.kz/AsyncChannel/v10/Types"
SUCCESS: Final = "SCSS001"


class MessageType(enum.StrEnum):
    """What an asynchronous message is."""

    REQUEST = "REQUEST"
    NOTIFICATION = "NOTIFICATION"
    UPDATE = "UPDATE"
    RESPONSE = "RESPONSE"


class Sender(msgspec.Struct, frozen=True, kw_only=True):
    """Who sends, as the gateway knows it."""

    id: str
    password: str | None = None

    def __repr__(self) -> str:
        return f"Sender(id={self.id!r})"


class MessageInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside a document. `session_id` is the gateway's to give."""

    service_id: str
    date: datetime
    sender: Sender
    message_id: str | None = None
    correlation_id: str | None = None
    message_type: MessageType | None = None
    route_id: str | None = None
    properties: Mapping[str, str] = {}
    session_id: str | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A synchronous answer. `data` None: there is no document in it."""

    message_id: str | None
    code: str
    message: str
    data: bytes | None
    correlation_id: str | None = None


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """That the gateway took an asynchronous message; it gives both ids."""

    message_id: str
    correlation_id: str


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """An asynchronous message that the gateway hands out."""

    message_id: str
    correlation_id: str
    message_type: str
    data: bytes | None


# --- writing ---------------------------------------------------------------------------------------------


def send_message(info: MessageInfo, document: bytes, *, as_text: bool) -> bytes:
    """The synchronous request around a canonical document."""
    inner = (
        f"<requestInfo>{_info(info)}</requestInfo><requestData>".encode()
        + _data(document, as_text=as_text)
        + b"</requestData>"
    )
    return _element("SendMessage", SYNC, b"<request>" + inner + b"</request>")


def send_message_response(
    info: MessageInfo, document: bytes | None, *, as_text: bool, code: str = SUCCESS, message: str = "OK"
) -> bytes:
    """The synchronous answer; `info` is the request's."""
    status = f"<status><code>{escaped(code)}</code><message>{escaped(message[:250])}</message></status>"
    said = (
        f"{_optional('messageId', info.message_id)}{_optional('correlationId', info.correlation_id)}"
        f"<responseDate>{info.date.isoformat()}</responseDate>{status}{_optional('sessionId', info.session_id)}"
    )
    data = b"" if document is None else _data(document, as_text=as_text)
    inner = f"<responseInfo>{said}</responseInfo>".encode() + b"<responseData>" + data + b"</responseData>"
    return _element("SendMessageResponse", SYNC, b"<response>" + inner + b"</response>")


def async_send_message(info: MessageInfo, document: bytes, *, as_text: bool) -> bytes:
    """An asynchronous message. The gateway gives ids: a REQUEST has none, others have their chain's.

    Raises:
        ContractViolation: a message id, a REQUEST with a correlation id, or another message without one.
    """
    if info.message_id or (info.message_type is MessageType.REQUEST) == bool(info.correlation_id):
        raise ContractViolation("the gateway gives the message id, and of a request the correlation id as well")
    inner = (
        f"<messageInfo>{_info(info)}</messageInfo><messageData>".encode()
        + _data(document, as_text=as_text)
        + b"</messageData>"
    )
    return _element("sendMessage", ASYNC, b"<request>" + inner + b"</request>")


def async_receipt(receipt: Receipt, *, now: datetime) -> bytes:
    """What the gateway says to an asynchronous message."""
    inner = (
        f"<messageId>{escaped(receipt.message_id)}</messageId><correlationId>{escaped(receipt.correlation_id)}"
        f"</correlationId><responseDate>{now.isoformat()}</responseDate>"
    )
    return _element("sendMessageResponse", ASYNC, f"<response>{inner}</response>".encode())


def get_messages(info: MessageInfo, *, amount: int = 1) -> bytes:
    """Asks for messages of a service, or for the one of a chain."""
    sender = _sender(info.sender)
    inner = (
        f"{_optional('messageId', info.message_id)}{_optional('correlationId', info.correlation_id)}"
        f"<requestDate>{info.date.isoformat()}</requestDate><serviceId>{escaped(info.service_id)}</serviceId>{sender}"
        f"<amount>{amount}</amount>{_properties(info.properties)}"
    )
    return _element("getMessages", ASYNC, f"<request>{inner}</request>".encode())


def messages(found: list[tuple[MessageInfo, bytes]], *, as_text: bool, now: datetime) -> bytes:
    """The gateway's answer to `get_messages`."""
    inner = f"<responseDate>{now.isoformat()}</responseDate>".encode()
    for info, document in found:
        inner += f"<message><messageInfo>{_info(info)}</messageInfo><messageData>".encode()
        inner += _data(document, as_text=as_text) + b"</messageData></message>"
    return _element("getMessagesResponse", ASYNC, b"<response>" + inner + b"</response>")


def delivery_notification(
    info: MessageInfo, *, accepted: bool, resend: bool = False, error: str | None = None
) -> bytes:
    """That a message came, or did not: `resend` asks for it again. The gateway writes NOT_ACCTEPTED so."""
    status = (
        f"<receiveStatus>{'MESSAGE_ACCEPTED' if accepted else 'MESSAGE_NOT_ACCTEPTED'}</receiveStatus>"
        f"<statusDate>{info.date.isoformat()}</statusDate>"
        f"<resendMessage>{'RESEND' if resend else 'NOT_RESEND'}</resendMessage>{_optional('error', error)}"
    )
    notification = (
        f"{_optional('messageId', info.message_id)}<serviceId>{escaped(info.service_id)}</serviceId>"
        f"<notificationDate>{info.date.isoformat()}</notificationDate><deliveryStatus>{status}</deliveryStatus>"
    )
    inner = (
        f"<notification>{notification}</notification><requestDate>{info.date.isoformat()}</requestDate>"
        f"{_sender(info.sender)}"
    )
    return _element("sendDeliveryNotification", ASYNC, f"<request>{inner}</request>".encode())


# --- reading ---------------------------------------------------------------------------------------------


def read_request(content: bytes) -> tuple[MessageInfo, bytes]:
    """A synchronous request: what stands beside the document, and the document. Raises ContractViolation."""
    request = _only(_root(content, "SendMessage", SYNC), "request")
    return _read_info(_only(request, "requestInfo")), _document(_only(request, "requestData"))


def read_response(content: bytes) -> Answer:
    """A synchronous answer. Raises ContractViolation."""
    response = _only(_root(content, "SendMessageResponse", SYNC), "response")
    info = _only(response, "responseInfo")
    status = _only(info, "status")
    holder = response.find("responseData")
    return Answer(
        message_id=info.findtext("messageId"),
        correlation_id=info.findtext("correlationId"),
        code=(_only(status, "code").text or "").strip(),
        message=(status.findtext("message") or "").strip(),
        data=None if holder is None else _optional_document(holder),
    )


def read_async_request(content: bytes) -> tuple[MessageInfo, bytes]:
    """An asynchronous message that somebody sends. Raises ContractViolation."""
    request = _only(_root(content, "sendMessage", ASYNC), "request")
    return _read_info(_only(request, "messageInfo")), _document(_only(request, "messageData"))


def read_receipt(content: bytes) -> Receipt:
    """What the gateway says to an asynchronous message. Raises ContractViolation."""
    response = _only(_root(content, "sendMessageResponse", ASYNC), "response")
    names = ("messageId", "correlationId")
    message_id, correlation_id = ((_only(response, name).text or "").strip() for name in names)
    if not message_id or not correlation_id:
        raise ContractViolation("the gateway's receipt has no ids", path="response")
    return Receipt(message_id=message_id, correlation_id=correlation_id)


def read_messages(content: bytes) -> Iterator[Delivered]:
    """The messages that the gateway hands out. Raises ContractViolation."""
    response = _only(_root(content, "getMessagesResponse", ASYNC), "response")
    for message in response.findall("message"):
        info = _only(message, "messageInfo")
        holder = message.find("messageData")
        yield Delivered(
            message_id=(info.findtext("messageId") or "").strip(),
            correlation_id=(info.findtext("correlationId") or "").strip(),
            message_type=(info.findtext("messageType") or "").strip(),
            data=None if holder is None else _optional_document(holder),
        )


def read_wanted(content: bytes) -> tuple[str, str]:
    """Service and correlation id of a `get_messages`. Raises ContractViolation."""
    request = _only(_root(content, "getMessages", ASYNC), "request")
    return (_only(request, "serviceId").text or "").strip(), (request.findtext("correlationId") or "").strip()


def _read_info(info: Element) -> MessageInfo:
    sender = _only(info, "sender")
    written = info.findtext("messageDate") or ""
    kind = info.findtext("messageType")
    try:
        date, message_type = datetime.fromisoformat(written.strip()), None if kind is None else MessageType(kind)
    except ValueError as error:
        raise ContractViolation("date or type of the message cannot be read", path="messageDate") from error
    return MessageInfo(
        message_id=info.findtext("messageId"),
        correlation_id=info.findtext("correlationId"),
        service_id=(_only(info, "serviceId").text or "").strip(),
        date=date,
        message_type=message_type,
        route_id=info.findtext("routeId"),
        sender=Sender(id=(_only(sender, "senderId").text or "").strip(), password=sender.findtext("password")),
        properties={each.findtext("key") or "": each.findtext("value") or "" for each in info.findall("properties")},
        session_id=info.findtext("sessionId"),
    )


def _root(content: bytes, name: str, namespace: str) -> Element:
    try:
        root = xml.parse(content, max_bytes=len(content))
    except XmlRefused as error:
        raise ContractViolation(error.reason) from error
    if root.tag != f"{{{namespace}}}{name}":
        raise ContractViolation(f"is another element than {name}")
    return root


def _only(parent: Element, name: str) -> Element:
    found = parent.findall(name)
    if len(found) != 1:
        raise ContractViolation("the gateway's envelope must hold this once", path=name)
    return found[0]


def _document(holder: Element) -> bytes:
    found = _optional_document(holder)
    if found is None:
        raise ContractViolation("the gateway's envelope holds no document", path="data")
    return found


def _optional_document(holder: Element) -> bytes | None:
    """The document in `data`, as XML or as text."""
    data = holder.find("data")
    if data is None:
        return None
    if len(data) > 1:
        raise ContractViolation("data holds more than one document", path="data")
    if len(data):
        return xml.canonical_inclusive(data[0])
    text = (data.text or "").strip()
    return text.encode() if text else None


# --- pieces ----------------------------------------------------------------------------------------------


def _info(info: MessageInfo) -> str:
    kind = "" if info.message_type is None else f"<messageType>{info.message_type}</messageType>"
    return (
        f"{_optional('messageId', info.message_id)}{_optional('correlationId', info.correlation_id)}"
        f"<serviceId>{escaped(info.service_id)}</serviceId>{kind}"
        f"{_optional('routeId', info.route_id) if kind else ''}"
        f"<messageDate>{info.date.isoformat()}</messageDate>"
        f"{'' if kind else _optional('routeId', info.route_id)}"
        f"{_sender(info.sender)}{_properties(info.properties)}{_optional('sessionId', info.session_id)}"
    )


def _sender(sender: Sender) -> str:
    return f"<sender><senderId>{escaped(sender.id)}</senderId>{_optional('password', sender.password)}</sender>"


def _properties(properties: Mapping[str, str]) -> str:
    return "".join(
        f"<properties><key>{escaped(key)}</key><value>{escaped(value)}</value></properties>"
        for key, value in properties.items()
    )


def _data(document: bytes, *, as_text: bool) -> bytes:
    return b"<data>" + (escaped(document.decode()).encode() if as_text else document) + b"</data>"


def _element(name: str, namespace: str, inner: bytes) -> bytes:
    text = f'<shep:{name} xmlns:shep="{namespace}">'.encode() + inner + f"</shep:{name}>".encode()
    # The document may share a declaration with what is around it: only a tree can say what is canonical.
    root = xml.parse(text)
    return xml.canonical(root, inclusive_prefixes=inclusive_prefixes(root))


def _optional(name: str, value: str | None) -> str:
    return "" if value is None else f"<{name}>{escaped(value)}</{name}>"


def escaped(value: str) -> str:
    """A value as the text of an element."""
    return escape(value, quote=False).replace("\r", "&#xD;")
