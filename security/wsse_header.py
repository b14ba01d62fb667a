"""The parts of a security header as text, each in exclusive canonical form, so that it can be digested as it stands."""

from __future__ import annotations

import base64
import hashlib
import os
from datetime import UTC, datetime
from html import escape

from security.wsse_terms import (
    BASE64_BINARY,
    PASSWORD_DIGEST,
    PASSWORD_TEXT,
    WSSE,
    WSSE11,
    WSU,
    WSU_ID,
    SoapVersion,
    UsernameToken,
)
from security.xml import canonical, parse

BODY_ID = "esb-body"
TIME_ID = "esb-time"
CONFIRMATION_ID = "esb-confirmation"
USER_ID = "esb-user"
HEADER_ID = "esb-header-"

_NONCE_BYTES = 16
_TIMESTAMP_OPEN = f'<wsu:Timestamp xmlns:wsu="{WSU}" wsu:Id="{TIME_ID}"><wsu:Created>'
_CONFIRMATION_OPEN = f'<wsse11:SignatureConfirmation xmlns:wsse11="{WSSE11}" xmlns:wsu="{WSU}" Value="'
_USERNAME_OPEN = f'<wsse:UsernameToken xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" wsu:Id="{USER_ID}"><wsse:Username>'


def security_open(version: SoapVersion, actor: str | None) -> str:
    """The opening tag, for a place where `soap` is bound."""
    marked = f' soap:{version.actor}="{escape(actor)}"' if actor else ""
    return f'<wsse:Security xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}"{marked} soap:mustUnderstand="1">'


def timestamp_text(created: datetime, expires: datetime) -> bytes:
    """From when until when the message is good."""
    return (
        f"{_TIMESTAMP_OPEN}{utc(created)}</wsu:Created><wsu:Expires>{utc(expires)}</wsu:Expires></wsu:Timestamp>"
    ).encode()


def confirmation_text(signature_value: bytes) -> bytes:
    """The signature of the request that this message answers (WSS 1.1, section 8.5)."""
    value = base64.b64encode(signature_value).decode()
    return f'{_CONFIRMATION_OPEN}{value}" wsu:Id="{CONFIRMATION_ID}"></wsse11:SignatureConfirmation>'.encode()


def username_text(token: UsernameToken, now: datetime) -> bytes:
    """Name and password, with a nonce and the time where the password is only proven."""
    text = f"{_USERNAME_OPEN}{_text(token.user)}</wsse:Username>"
    if not token.digest:
        text += f'<wsse:Password Type="{PASSWORD_TEXT}">{_text(token.password)}</wsse:Password>'
        return f"{text}</wsse:UsernameToken>".encode()
    nonce, created = os.urandom(_NONCE_BYTES), utc(now)
    proof = base64.b64encode(password_digest(nonce, created, token.password)).decode()
    return (
        f'{text}<wsse:Password Type="{PASSWORD_DIGEST}">{proof}</wsse:Password>'
        f'<wsse:Nonce EncodingType="{BASE64_BINARY}">{base64.b64encode(nonce).decode()}</wsse:Nonce>'
        f"<wsu:Created>{created}</wsu:Created></wsse:UsernameToken>"
    ).encode()


def password_digest(nonce: bytes, created: str, password: str) -> bytes:
    """UsernameToken profile 1.1, section 3.1. SHA-1 is the profile's; what protects the password is TLS."""
    return hashlib.sha1(nonce + created.encode() + password.encode()).digest()  # noqa: S324 - see above


def identified(block: bytes, block_id: str) -> bytes:
    """A header block in canonical form, under an Id by which it can be signed."""
    element = parse(block)
    element.set(WSU_ID, block_id)
    return canonical(element)


def utc(moment: datetime) -> str:
    """As all times of the header are written."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _text(value: str) -> str:
    # Canonical form writes a carriage return as a character reference.
    return escape(value, quote=False).replace("\r", "&#xD;")
