"""Signed SOAP: WS-Security 1.1 with the X.509 token profile, writing and verifying it in one closed profile.

Adapters sign requests and verify replies with this; the simulator does the reverse. Body and Timestamp are always
signed; a reply confirms the request's signature (WSS 1.1, section 8.5), which binds the two. Nothing is encrypted here.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.serialization import Encoding

from security.certificates import TrustAnchors, TrustedLeaf
from security.errors import KeyUnavailable, MessageStale, SignatureInvalid, SignatureMissing, XmlRefused
from security.keys import SigningKey
from security.wsse_message import (
    BASE64_BINARY,
    CREATED,
    EXPIRES,
    WSSE,
    WSSE11,
    WSU,
    WSU_ID,
    X509V3,
    Message,
    SoapVersion,
)
from security.xml import Element, canonical, parse
from security.xmldsig import DS, Reference, SignedInfoText, decode_base64

__all__ = ["SignedEnvelope", "SoapVersion", "VerifiedBody", "WsseSigner", "WsseVerifier"]

# --- signing ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedEnvelope:
    """A whole SOAP message. `signature_value` is what its reply has to confirm."""

    envelope: bytes
    signature_value: bytes


class WsseSigner:
    """Puts an envelope and a signature around a body.

    Everything but contents, times and digests is text made once. What is signed is written in canonical form in the
    first place, so that no tree is built: the same bytes are digested and sent. Safe for concurrent use.
    """

    def __init__(self, key: SigningKey, soap_version: SoapVersion, ttl_s: float) -> None:
        """`ttl_s`: from Created to Expires. Raises KeyUnavailable when the key has no certificate."""
        if key.certificate is None:
            raise KeyUnavailable(f"key {key.kid} has no certificate; WS-Security needs one")
        soap = soap_version.namespace
        self._key = key
        self._ttl = timedelta(seconds=ttl_s)
        self._body_open = f'<soap:Body xmlns:soap="{soap}" xmlns:wsu="{WSU}" wsu:Id="esb-body">'.encode()
        self._envelope_open = f'<soap:Envelope xmlns:soap="{soap}"><soap:Header>'.encode()
        self._security_open = _security_open(key.certificate.public_bytes(Encoding.DER)).encode()
        self._signed_info = SignedInfoText(key.algorithm, ("esb-body", "esb-time"))
        self._confirming_info = SignedInfoText(key.algorithm, ("esb-body", "esb-time", "esb-confirmation"))

    def sign(
        self,
        body_content: bytes,
        *,
        now: datetime,
        header_blocks: Sequence[bytes] = (),
        confirms: bytes | None = None,
    ) -> SignedEnvelope:
        """The message whose body holds `body_content`: one element, in exclusive canonical form, as UTF-8.

        Every header block is signed too; a block is one element, in any form, without `wsu:Id`. `confirms` is the
        signature value of the request that this message answers.
        """
        body = self._body(body_content)
        timestamp = _timestamp_text(now, now + self._ttl)
        signed = [body, timestamp]
        confirmation = b""
        if confirms is not None:
            confirmation = _confirmation_text(confirms)
            signed.append(confirmation)
        blocks = [_identified(block, f"esb-header-{number}") for number, block in enumerate(header_blocks)]
        signed_info = self._signed_info_over(signed, blocks)
        signature_value = self._key.sign(signed_info)
        envelope = b"".join(
            (
                self._envelope_open,
                *blocks,
                self._security_open,
                timestamp,
                confirmation,
                _SIGNATURE_OPEN,
                signed_info,
                _VALUE_OPEN,
                base64.b64encode(signature_value),
                _SIGNATURE_CLOSE,
                body,
                b"</soap:Envelope>",
            )
        )
        return SignedEnvelope(envelope=envelope, signature_value=signature_value)

    def _body(self, content: bytes) -> bytes:
        text = b"".join((self._body_open, content, b"</soap:Body>"))
        # Canonical form drops a declaration that the parent has made already. Only content that declares one of our
        # two prefixes can hold such a one (a Fault does); for it the tree has to say what is canonical.
        if b"xmlns:soap=" in content or b"xmlns:wsu=" in content:
            return canonical(parse(text))
        return text

    def _signed_info_over(self, signed: Sequence[bytes], blocks: Sequence[bytes]) -> bytes:
        if not blocks:
            text = self._signed_info if len(signed) == 2 else self._confirming_info  # noqa: PLR2004 - body, timestamp
            return text.fill(*signed)
        reference_ids = ["esb-body", "esb-time", "esb-confirmation"][: len(signed)]
        reference_ids += [f"esb-header-{number}" for number in range(len(blocks))]
        return SignedInfoText(self._key.algorithm, reference_ids).fill(*signed, *blocks)


_SIGNATURE_OPEN = f'<ds:Signature xmlns:ds="{DS}">'.encode()
_VALUE_OPEN = b"<ds:SignatureValue>"
_SIGNATURE_CLOSE = (
    "</ds:SignatureValue><ds:KeyInfo><wsse:SecurityTokenReference>"
    f'<wsse:Reference URI="#esb-token" ValueType="{X509V3}"/>'
    "</wsse:SecurityTokenReference></ds:KeyInfo></ds:Signature></wsse:Security></soap:Header>"
).encode()
_TIMESTAMP_OPEN = f'<wsu:Timestamp xmlns:wsu="{WSU}" wsu:Id="esb-time"><wsu:Created>'
_CONFIRMATION_OPEN = f'<wsse11:SignatureConfirmation xmlns:wsse11="{WSSE11}" xmlns:wsu="{WSU}" Value="'


def _security_open(certificate_der: bytes) -> str:
    token = base64.b64encode(certificate_der).decode()
    return (
        f'<wsse:Security xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" soap:mustUnderstand="1">'
        f'<wsse:BinarySecurityToken EncodingType="{BASE64_BINARY}" ValueType="{X509V3}" wsu:Id="esb-token">'
        f"{token}</wsse:BinarySecurityToken>"
    )


def _timestamp_text(created: datetime, expires: datetime) -> bytes:
    return (
        f"{_TIMESTAMP_OPEN}{_utc(created)}</wsu:Created><wsu:Expires>{_utc(expires)}</wsu:Expires></wsu:Timestamp>"
    ).encode()


def _confirmation_text(signature_value: bytes) -> bytes:
    value = base64.b64encode(signature_value).decode()
    return f'{_CONFIRMATION_OPEN}{value}" wsu:Id="esb-confirmation"></wsse11:SignatureConfirmation>'.encode()


def _identified(block: bytes, block_id: str) -> bytes:
    element = parse(block)
    element.set(WSU_ID, block_id)
    return canonical(element)


def _utc(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


# --- verifying -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedBody:
    """What a signature has proven; nothing else of the message may be read.

    `content`: the canonical, self-contained bytes of the Body's one child. `header_blocks`: those of signed header
    blocks, in the order of the signature. `signature_value` is what a reply to this message confirms; `replay_key` is
    what to remember it by (see `VerifyingKey.fingerprint`).
    """

    content: bytes
    signed_at: datetime
    signature_value: bytes
    replay_key: bytes
    certificate_sha256: bytes
    header_blocks: tuple[bytes, ...] = ()


class WsseVerifier:
    """Proves messages of peers that `anchors` vouch for. Remembers no messages: replay is the journal's to notice."""

    def __init__(
        self,
        anchors: TrustAnchors,
        soap_version: SoapVersion,
        clock_skew_s: float,
        max_age_s: float,
        *,
        require_confirmation: bool,
    ) -> None:
        """`require_confirmation`: a message that does not confirm `confirms` is refused (replies of an agency)."""
        self._anchors = anchors
        self._soap = soap_version
        self._skew = timedelta(seconds=clock_skew_s)
        self._max_age = timedelta(seconds=max_age_s)
        self._require_confirmation = require_confirmation

    def verify(self, envelope: bytes, *, now: datetime, confirms: bytes | None = None) -> VerifiedBody:
        """What the peer signed, out of the very bytes that the signature covers. A Fault is a body like any other.

        Raises:
            XmlRefused: not this version's SOAP envelope at all, or XML that is not read.
            SignatureMissing: body, time or confirmation is not signed, or there is no signature.
            SignatureInvalid: a signature or digest is wrong, the message is ambiguous, or outside the profile.
            CertificateRejected: the signer is not believed.
            MessageStale: well signed, at another time.
        """
        message = Message.read(envelope, self._soap)
        leaf = self._anchors.leaf(decode_base64(message.token.text), now)
        signed_info = message.signed_info
        if signed_info.algorithm is not leaf.key.algorithm:
            raise SignatureInvalid("signature method is not the one of the certificate's key")
        leaf.key.verify(message.signature_value, signed_info.content)
        return self._proven(message, leaf, now=now, confirms=confirms)

    def _proven(self, message: Message, leaf: TrustedLeaf, *, now: datetime, confirms: bytes | None) -> VerifiedBody:
        covered = message.covered()
        body = covered.get(message.body)
        if body is None or message.timestamp not in covered:
            raise SignatureMissing("body and timestamp must be signed")
        contents = {element: reference.content_of(element) for element, reference in covered.items()}
        signed_at = self._fresh(message.timestamp, now)
        self._check_confirmation(message.confirmation, covered, confirms)
        return VerifiedBody(
            content=_only_child(message.body, contents[message.body], body.inclusive_prefixes),
            signed_at=signed_at,
            signature_value=message.signature_value,
            replay_key=leaf.key.fingerprint(message.signature_value),
            certificate_sha256=leaf.sha256,
            header_blocks=tuple(contents[element] for element in covered if element in message.blocks),
        )

    def _fresh(self, timestamp: Element, now: datetime) -> datetime:
        created, expires = _times(timestamp)
        if created > now + self._skew:
            raise MessageStale("message is from the future")
        if now > created + self._max_age + self._skew:
            raise MessageStale("message is too old")
        if expires is not None and now > expires + self._skew:
            raise MessageStale("message has expired")
        return created

    def _check_confirmation(
        self, confirmation: Element | None, covered: dict[Element, Reference], confirms: bytes | None
    ) -> None:
        if confirmation is None or confirmation not in covered:
            if self._require_confirmation:
                raise SignatureMissing("reply does not confirm the request's signature")
            return
        if confirms is None:
            if self._require_confirmation:
                raise SignatureMissing("there is no request to confirm")
            return
        if not hmac.compare_digest(decode_base64(confirmation.get("Value")), confirms):
            raise SignatureInvalid("reply confirms another request")


_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII)


def _times(timestamp: Element) -> tuple[datetime, datetime | None]:
    tags = [child.tag for child in timestamp]
    if tags not in ([CREATED], [CREATED, EXPIRES]):
        raise SignatureInvalid("timestamp is outside the profile")
    moments = [_moment(child.text or "") for child in timestamp]
    return moments[0], moments[1] if len(moments) > 1 else None


def _moment(text: str) -> datetime:
    if not _DATE_TIME.fullmatch(text.strip()):
        raise SignatureInvalid("timestamp is not a moment with a time zone")
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise SignatureInvalid("timestamp is not a moment") from error


# The opening tag of a canonical Body whose attribute values hold no `>` (canonical form does not escape it there).
_BODY_OPENING = re.compile(rb'<(?:[^\s:>"]+:)?Body(?: [^\s=>"]+="[^"<>]*")*>')
_DECLARED_PREFIX = re.compile(rb' xmlns:([^\s=>"]+)="')
_LINE_SPACE = " \t\n"
"""White space but for CR, which canonical form writes as a character reference."""


def _only_child(body: Element, signed: bytes, inclusive_prefixes: tuple[str, ...]) -> bytes:
    """The one child of the Body, self-contained, out of `signed`: the canonical bytes that the digest has proven.

    Raises:
        XmlRefused: the Body holds text, nothing, or more than one element.
    """
    if len(body) != 1 or _has_text(body.text) or _has_text(body[0].tail):
        raise XmlRefused("body must hold exactly one element")
    if not inclusive_prefixes:
        opening = _BODY_OPENING.match(signed)
        if opening and b' xmlns="' not in opening.group():
            content = signed[opening.end() : signed.rindex(b"</")].strip()
            if not _leans_on(content, _DECLARED_PREFIX.findall(opening.group())):
                return content
    # The child uses a namespace that the Body declares (a Fault does): only a tree can tell it apart. It is made from
    # the proven bytes, not from the message.
    return canonical(parse(signed, max_bytes=len(signed))[0], inclusive_prefixes=inclusive_prefixes)


def _leans_on(content: bytes, prefixes: list[bytes]) -> bool:
    # In canonical form a prefix in use stands right after `<`, or after the one space before an attribute.
    return any(b"<" + prefix + b":" in content or b" " + prefix + b":" in content for prefix in prefixes)


def _has_text(text: str | None) -> bool:
    return bool(text and text.strip(_LINE_SPACE))
