"""Writing messages with WS-Security 1.1: signature, time, name and password, encrypted Body.

Adapters write requests with this; the simulator writes replies. Everything but contents, times, nonces and digests is
text made once, in canonical form in the first place, so that no tree is built: the same bytes are digested and sent.
"""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from security.errors import KeyUnavailable
from security.keys import SigningKey
from security.wsse_header import (
    BODY_ID,
    CONFIRMATION_ID,
    HEADER_ID,
    TIME_ID,
    USER_ID,
    confirmation_text,
    identified,
    security_open,
    timestamp_text,
    username_text,
)
from security.wsse_keyinfo import key_info_text, token_text
from security.wsse_terms import WSU, KeyReference, SoapVersion, UsernameToken
from security.xml import canonical, parse
from security.xmldsig import DS, SignedInfoText
from security.xmlenc import Encryptor


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedEnvelope:
    """A whole SOAP message. `signature_value` is what its reply has to confirm; empty where nothing is signed."""

    envelope: bytes
    signature_value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderForm:
    """What the security header of sent messages holds, beside the signature."""

    key_reference: KeyReference = KeyReference.DIRECT
    timestamp: bool = True
    username: UsernameToken | None = None
    actor: str | None = None


class WsseSigner:
    """Puts an envelope and a security header around a body. Safe for concurrent use."""

    def __init__(
        self,
        key: SigningKey | None,
        soap_version: SoapVersion,
        ttl_s: float,
        *,
        form: HeaderForm | None = None,
        encryptor: Encryptor | None = None,
    ) -> None:
        """`key` None: nothing is signed. `ttl_s`: from Created to Expires. `encryptor`: encrypts what was signed.

        Raises:
            KeyUnavailable: the key has no certificate.
        """
        if key is not None and key.certificate is None:
            raise KeyUnavailable(f"key {key.kid} has no certificate; WS-Security needs one")
        soap = soap_version.namespace
        form = form or HeaderForm()
        self._key = key
        self._form = form
        self._encryptor = encryptor
        self._ttl = timedelta(seconds=ttl_s)
        self._body_open = f'<soap:Body xmlns:soap="{soap}" xmlns:wsu="{WSU}" wsu:Id="{BODY_ID}">'.encode()
        self._envelope_open = f'<soap:Envelope xmlns:soap="{soap}"><soap:Header>'.encode()
        self._security_open = security_open(soap_version, form.actor).encode()
        self._signature_close = b""
        if key is not None and key.certificate is not None:
            self._security_open += token_text(key.certificate, form.key_reference).encode()
            self._signature_close = (
                f"</ds:SignatureValue>{key_info_text(key.certificate, form.key_reference)}</ds:Signature>"
            ).encode()
        self._signed_infos: dict[tuple[tuple[str, ...], tuple[str, ...]], SignedInfoText] = {}

    def sign(
        self,
        body_content: bytes,
        *,
        now: datetime,
        header_blocks: Sequence[bytes] = (),
        plain_blocks: Sequence[bytes] = (),
        confirms: bytes | None = None,
        inclusive_prefixes: tuple[str, ...] = (),
    ) -> SignedEnvelope:
        """The message whose body holds `body_content`: elements or nothing, in exclusive canonical form, as UTF-8.

        `inclusive_prefixes`: those that only values of the content use (xsi:type), whose declarations canonical form
        would drop; the content is then canonical with them.

        Every one of `header_blocks` is signed too; a block is one element, in any form, without `wsu:Id`.
        `plain_blocks` go along unsigned. `confirms` is the signature value of the request that this message answers.
        """
        form = self._form
        body = self._body(body_content, inclusive_prefixes)
        signed = {BODY_ID: body}
        timestamp = confirmation = username = b""
        if form.timestamp:
            signed[TIME_ID] = timestamp = timestamp_text(now, now + self._ttl)
        if confirms is not None:
            signed[CONFIRMATION_ID] = confirmation = confirmation_text(confirms)
        if form.username is not None:
            username = username_text(form.username, now)
            if form.username.signed:
                signed[USER_ID] = username
        blocks: list[bytes] = []
        for number, block in enumerate(header_blocks):
            signed[f"{HEADER_ID}{number}"] = identified(block, f"{HEADER_ID}{number}")
            blocks.append(signed[f"{HEADER_ID}{number}"])
        signature, value = self._signature(signed, inclusive_prefixes)
        encrypted_key = b""
        if self._encryptor is not None:
            # After signing: what is signed is what the receiver reads, and the signature does not tell what it was.
            encrypted = self._encryptor.encrypt(body_content)
            encrypted_key, body = encrypted.key, self._body_open + encrypted.data + _BODY_CLOSE
        envelope = b"".join(
            (
                self._envelope_open,
                *blocks,
                *plain_blocks,
                self._security_open,
                encrypted_key,
                timestamp,
                confirmation,
                username,
                *signature,
                b"</wsse:Security></soap:Header>",
                body,
                b"</soap:Envelope>",
            )
        )
        return SignedEnvelope(envelope=envelope, signature_value=value)

    def _signature(self, signed: dict[str, bytes], prefixes: tuple[str, ...]) -> tuple[tuple[bytes, ...], bytes]:
        """The ds:Signature over these parts, by Id, in pieces; and its value."""
        if self._key is None:
            return (), b""
        signed_info = self._signed_info_text(tuple(signed), prefixes).fill(*signed.values())
        value = self._key.sign(signed_info)
        encoded = binascii.b2a_base64(value, newline=False)
        return (_SIGNATURE_OPEN, signed_info, _VALUE_OPEN, encoded, self._signature_close), value

    def _signed_info_text(self, reference_ids: tuple[str, ...], prefixes: tuple[str, ...]) -> SignedInfoText:
        # As many as there are combinations of our own Ids, and of prefixes that documents declare for their values.
        found = self._signed_infos.get((reference_ids, prefixes))
        if found is None:
            assert self._key is not None  # noqa: S101 - asked for by `_signature` alone
            if len(self._signed_infos) >= _MAX_SIGNED_INFOS:
                self._signed_infos.clear()
            found = SignedInfoText(self._key.algorithm, reference_ids, first_prefixes=prefixes)
            self._signed_infos[reference_ids, prefixes] = found
        return found

    def _body(self, content: bytes, prefixes: tuple[str, ...]) -> bytes:
        text = b"".join((self._body_open, content, _BODY_CLOSE))
        if prefixes:
            return canonical(parse(text), inclusive_prefixes=prefixes)
        # Canonical form drops a declaration that the parent has made already. Only content that declares one of our
        # two prefixes can hold such a one (a Fault does); for it the tree has to say what is canonical.
        if b"xmlns:soap=" in content or b"xmlns:wsu=" in content:
            return canonical(parse(text))
        return text


_MAX_SIGNED_INFOS = 64
_BODY_CLOSE = b"</soap:Body>"
_SIGNATURE_OPEN = f'<ds:Signature xmlns:ds="{DS}">'.encode()
_VALUE_OPEN = b"<ds:SignatureValue>"
