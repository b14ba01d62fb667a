"""A portal backend in a page: asks the bus over HTTP as a caller, and believes no reply whose signature fails.

Used by `esb ask`, the demo and `esb doctor`; also an example of what a portal has to do.
"""

from __future__ import annotations

import http.client
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from esb.errors import ConfigurationError, EsbError
from security import jws, keys
from security.keys import SigningKey, VerifyingKey

TIMEOUT_S = 90.0


class BusUnreachable(EsbError):
    """No bus answers at this address."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What the bus said; `signed_by` is the key that signed exactly these bytes."""

    http_status: int
    headers: dict[str, str]
    body: bytes
    signed_by: str

    @property
    def reply(self) -> dict[str, Any]:
        """The reply body as plain values."""
        reply: dict[str, Any] = msgspec.json.decode(self.body)
        return reply


class PortalClient:
    """One caller's way to the bus."""

    def __init__(self, base_url: str, *, caller: str, key: SigningKey, audience: str) -> None:
        """`key`: the caller's registered private key; `audience`: the name of the bus in tokens."""
        self._url = urlsplit(base_url)
        self._caller = caller
        self._key = key
        self._audience = audience
        self._bus_keys: dict[str, VerifyingKey] = {}

    def ask(self, route: str, body: Mapping[str, Any], *, prefer: str | None = None) -> Answered:
        """One question.

        Raises:
            BusUnreachable: nobody answers at the address.
            SignatureInvalid: the reply is not signed by the bus.
        """
        headers = {"Content-Type": "application/json", "Message-Id": str(uuid.uuid4())}
        if prefer is not None:
            headers["Prefer"] = prefer
        return self.send("POST", f"/v1/routes/{route}", msgspec.json.encode(body), headers)

    def send(self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answered:
        """Any call of the HTTP surface, with a fresh token, its reply verified. Raises as `ask`."""
        token = jws.mint_token(self._key, issuer=self._caller, audience=self._audience, now=datetime.now(UTC))
        status, received, content = self._exchange(
            method, path, body, {"Authorization": f"Bearer {token}", **(headers or {})}
        )
        signed_by = jws.verify_detached(content, received.get("esb-signature", ""), self._keys())
        return Answered(http_status=status, headers=received, body=content, signed_by=signed_by)

    def _keys(self) -> Mapping[str, VerifyingKey]:
        if not self._bus_keys:
            _, _, content = self._exchange("GET", "/.well-known/jwks.json", b"", {})
            listed = msgspec.json.decode(content)["keys"]
            self._bus_keys = {entry["kid"]: keys.from_jwk(entry) for entry in listed}
        return self._bus_keys

    def _exchange(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self._url.hostname or "", self._url.port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body=body or None, headers=dict(headers))
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        except (OSError, http.client.HTTPException) as error:
            where = f"http://{self._url.netloc}"
            raise BusUnreachable(f"no bus answers at {where}; start it with: esb serve") from error
        finally:
            connection.close()


def caller_key(home: Path, caller: str, *, passphrase: str) -> SigningKey:
    """The private key of a caller that lives on this machine.

    Raises:
        ConfigurationError: there is none.
    """
    folder = home / "keys" / "callers" / caller
    if not list(folder.glob("*.key.pem")):
        raise ConfigurationError(
            f"no private key of caller {caller!r} in {folder}; make one with: esb callers add {caller}"
        )
    return keys.active(folder, passphrase=passphrase)
