"""The block `bridge` of `adapter.yaml`: a REST agency behind the data exchange bridge, with encrypted documents.

Part of `manifest_fields`, declared by the same rules; the values are a frozen part of the manifest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from adapters.secrets import NAME_PATTERN
from esb.model import Text
from esb.routes.fields import Field, Fields, Kind

_GUID = "[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_FILE = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"


class BridgeTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Names of both ends and of their keys. `own_key`: replies come under a key wrapped for the bus."""

    identity: str
    client_id: str
    token_secret: str
    public_key: str
    reply_key: str = "request"
    private_key: str | None = None

    @property
    def own_key(self) -> bool:
        """Whether replies are sealed for the bus anew, and not under the key of the request."""
        return self.reply_key == "own"


def contradictions(bridge: Mapping[str, Any] | None, authentication: str) -> Iterator[tuple[str, str]]:
    """What cannot work: the key below `bridge` it is about, and why."""
    if (bridge is not None) != (authentication == "bridge"):
        yield "", "authentication: bridge and the block bridge go together"
    if bridge is None:
        return
    if bridge["reply_key"] == "own" and not bridge["private_key"]:
        yield "reply_key", "bridge.reply_key: own needs private_key, with which the bus opens replies"
    if bridge["reply_key"] == "request" and bridge["private_key"]:
        yield "private_key", "bridge.private_key is used with reply_key: own only; remove it"


def _says(az: str, en: str) -> Text:
    return Text(az=az, en=en)


BRIDGE: Final[Fields] = (
    Field(
        name="identity",
        kind=Kind.STRING,
        pattern=_GUID,
        required=True,
        example="7d0c3c52-3f0e-4a86-9a55-0d4f6f1f2a10",
        description=_says("qurumun identifikatoru", "GUID of the agency's system; a part of the address"),
    ),
    Field(
        name="client_id",
        kind=Kind.STRING,
        pattern=_GUID,
        required=True,
        example="b7f5a2de-41c5-4f0f-8d8e-0b1f2c6f4e77",
        description=_says("şinin identifikatoru", "UUID of the bus with the agency"),
    ),
    Field(
        name="token_secret",
        kind=Kind.STRING,
        pattern=NAME_PATTERN,
        secret_name=True,
        required=True,
        example="bridge-token",
        description=_says("token sirrinin adı", "name of the secret that signs tokens both ways, 32 bytes or longer"),
    ),
    Field(
        name="public_key",
        kind=Kind.STRING,
        pattern=_FILE,
        required=True,
        example="bridge.pem",
        description=_says(
            "qurumun RSA açarı", "PEM file under home/keys/agencies/<agency>/ that requests are sealed for"
        ),
    ),
    Field(
        name="reply_key",
        kind=Kind.CHOICE,
        choices=("request", "own"),
        default="request",
        description=_says(
            "cavabın açarı", "replies are sealed under the request's key, or under one wrapped for the bus"
        ),
    ),
    Field(
        name="private_key",
        kind=Kind.STRING,
        pattern=_FILE,
        example="bridge.key.pem",
        description=_says("şinin RSA açarı", "PEM file under home/keys/bridge/ that opens replies, for reply_key: own"),
    ),
)
"""The block `bridge`."""
