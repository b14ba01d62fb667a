"""WS-Addressing 1.0 in SOAP: where a message goes, what it asks, and which request a reply answers."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from html import escape
from typing import Final

from adapters.soap_headers import AnswerRefused, Occasion
from security.xml import Element

WSA: Final = "http://www.w3.org/2005/08/addressing"
ANONYMOUS: Final = f"{WSA}/anonymous"
REPLY: Final = f"{WSA}/reply"

_MESSAGE_ID = f"{{{WSA}}}MessageID"
_RELATES_TO = f"{{{WSA}}}RelatesTo"


class AddressingHeaders:
    """Implements `adapters.soap_headers.HeaderDialect`. Every attempt is a message of its own and has its own id."""

    namespaces: Final = frozenset({WSA})

    def __init__(self, *, action: str, signed: bool, answered: bool = True) -> None:
        """`action`: of the operation's request. `answered`: False for one after which nothing comes back."""
        self.signed = signed
        self._answered = answered
        self._action = _block("Action", action)
        self._reply_to = f'<wsa:ReplyTo xmlns:wsa="{WSA}"><wsa:Address>{ANONYMOUS}</wsa:Address></wsa:ReplyTo>'.encode()

    def write(self, occasion: Occasion) -> Sequence[bytes]:
        """MessageID, To, Action and ReplyTo (this connection)."""
        message_id = _block("MessageID", f"urn:uuid:{uuid.uuid4()}")
        addressed = message_id, _block("To", occasion.url), self._action
        return (*addressed, self._reply_to) if self._answered else addressed

    def check(self, sent: Sequence[Element], got: Sequence[Element], envelope: bytes) -> None:  # noqa: ARG002 - the dialect's form
        """The reply must relate to the request (WS-Addressing 1.0 core, section 3.4)."""
        if not self._answered:
            return
        asked = next((block.text for block in sent if block.tag == _MESSAGE_ID), None)
        related = [
            (block.text or "").strip()
            for block in got
            if block.tag == _RELATES_TO and block.get("RelationshipType", REPLY) == REPLY
        ]
        if not related:
            raise AnswerRefused("reply does not say to which message it relates")
        if related != [asked]:
            raise AnswerRefused("reply relates to another message")


def relates_to(blocks: Sequence[Element]) -> bytes | None:
    """The block by which a reply to the request with these blocks names it; None for a request without MessageID."""
    message_id = next((block.text for block in blocks if block.tag == _MESSAGE_ID), None)
    return None if message_id is None else _block("RelatesTo", message_id.strip())


def _block(name: str, text: str) -> bytes:
    return f'<wsa:{name} xmlns:wsa="{WSA}">{escape(text, quote=False)}</wsa:{name}>'.encode()
