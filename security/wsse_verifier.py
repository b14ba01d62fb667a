"""Believing messages with WS-Security 1.1, in the one form that was agreed on with the peer.

Adapters verify replies with this; the simulator verifies requests. What comes out are the bytes that the signature
covers; nothing else of a message may be read afterwards.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from security.certificates import TrustAnchors, TrustedLeaf
from security.errors import MessageStale, SignatureInvalid, SignatureMissing, XmlRefused
from security.wsse_encryption import open_body
from security.wsse_keyinfo import Signatories
from security.wsse_message import CREATED, EXPIRES, Message, MessageReader, Signed
from security.wsse_terms import CLOSED, HeaderTerms, SoapVersion
from security.wsse_username import Username, read_username
from security.xml import Element, canonical, parse
from security.xmldsig import Reference, decode_base64
from security.xmlenc import Decryptor


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedBody:
    """What a signature has proven; nothing else of the message may be read.

    `content`: the canonical, self-contained bytes of the Body's one child, or of the Body. `header_blocks`: those of
    signed header blocks, in the order of the signature; `plain_blocks` of those that nobody signed. `signed_at`: None
    where terms demand no time and none is given. `signature_value` is what a reply to this message confirms;
    `replay_key` is what to remember it by (see `VerifyingKey.fingerprint`). `envelope`: the message as it was read,
    decrypted where it came encrypted; `content` is the proven part of it in another spelling.

    Of terms without a signature `content` is what a name and a password vouch for, or nothing but the connection.
    """

    content: bytes
    signed_at: datetime | None
    signature_value: bytes
    replay_key: bytes
    certificate_sha256: bytes
    envelope: bytes
    header_blocks: tuple[bytes, ...] = ()
    plain_blocks: tuple[bytes, ...] = ()


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
        terms: HeaderTerms = CLOSED,
        decryptor: Decryptor | None = None,
        whole_body: bool = False,
    ) -> None:
        """`require_confirmation`: a message that does not confirm `confirms` is refused (replies of an agency).

        `decryptor` opens messages where `terms` say that they are encrypted. `whole_body`: what is handed out is the
        Body itself, which may then hold none or several elements.
        """
        self._anchors = anchors
        self._signatories = Signatories(anchors)
        self._soap = soap_version
        self._skew = timedelta(seconds=clock_skew_s)
        self._max_age = timedelta(seconds=max_age_s)
        self._require_confirmation = require_confirmation
        self._terms = terms
        self._decryptor = decryptor
        self._whole_body = whole_body
        self._reader = MessageReader(soap_version, terms)

    def verify(self, envelope: bytes, *, now: datetime, confirms: bytes | None = None) -> VerifiedBody:
        """What the peer signed, out of the very bytes that the signature covers. A Fault is a body like any other.

        Raises:
            XmlRefused: not this version's SOAP envelope at all, or XML that is not read.
            SignatureMissing: body, time or confirmation is not signed, or there is no signature.
            SignatureInvalid: a signature or digest is wrong, the message is ambiguous, or outside the profile.
            DecryptionFailed: what should be encrypted is not, or does not open.
            CertificateRejected: the signer is not believed.
            MessageStale: well signed, at another time.
            TokenInvalid: name and password are not the agreed ones.
        """
        if self._terms.encrypted:
            envelope = open_body(envelope, self._soap, self._decryptor)
        message = self._reader.read(envelope)
        if message.signed is None:
            return self._unsigned(message, envelope, now)
        leaf = self._signatories.leaf(message.signed.key, now)
        signed_info = message.signed.info
        if signed_info.algorithm is not leaf.key.algorithm:
            raise SignatureInvalid("signature method is not the one of the certificate's key")
        leaf.key.verify(message.signed.value, signed_info.content)
        return self._proven(message, message.signed, leaf, envelope, now=now, confirms=confirms)

    def _proven(
        self,
        message: Message,
        signed: Signed,
        leaf: TrustedLeaf,
        envelope: bytes,
        *,
        now: datetime,
        confirms: bytes | None,
    ) -> VerifiedBody:
        covered = message.covered()
        body = covered.get(message.body)
        timestamp = message.timestamp
        if body is None or (timestamp is not None and timestamp not in covered):
            raise SignatureMissing("body and timestamp must be signed")
        contents = {element: reference.content_of(element) for element, reference in covered.items()}
        signed_at = None if timestamp is None else self._fresh(timestamp, now)
        self._check_confirmation(message.confirmation, covered, confirms)
        self._check_username(message, covered, now)
        blocks = message.blocks
        return VerifiedBody(
            content=self._content(message.body, contents[message.body], body.inclusive_prefixes),
            signed_at=signed_at,
            signature_value=signed.value,
            replay_key=leaf.key.fingerprint(signed.value),
            certificate_sha256=leaf.sha256,
            envelope=envelope,
            header_blocks=tuple(contents[element] for element in covered if element in blocks) if blocks else (),
            plain_blocks=tuple(canonical(element) for element in blocks if element not in covered) if blocks else (),
        )

    def _unsigned(self, message: Message, envelope: bytes, now: datetime) -> VerifiedBody:
        """A message that nobody signed, under terms that ask for no signature: name, password and time are checked."""
        created = None if message.timestamp is None else self._fresh(message.timestamp, now)
        username = self._check_username(message, {}, now)
        body = canonical(message.body)
        nonce = username.nonce if username else b""
        return VerifiedBody(
            content=self._content(message.body, body, ()),
            signed_at=created,
            signature_value=b"",
            replay_key=hashlib.sha256(nonce or envelope).digest(),
            certificate_sha256=b"",
            envelope=envelope,
            plain_blocks=tuple(canonical(block) for block in message.blocks),
        )

    def _content(self, body: Element, signed: bytes, inclusive_prefixes: tuple[str, ...]) -> bytes:
        return signed if self._whole_body else _only_child(body, signed, inclusive_prefixes)

    def _check_username(self, message: Message, covered: dict[Element, Reference], now: datetime) -> Username | None:
        wanted = self._terms.username
        if wanted is None or message.username is None:
            return None
        if wanted.signed and message.username not in covered:
            raise SignatureMissing("name and password must be signed")
        username = read_username(message.username, wanted)
        if username.created is not None:
            self._check_age(_moment(username.created), None, now)
        return username

    def _fresh(self, timestamp: Element, now: datetime) -> datetime:
        created, expires = _times(timestamp)
        self._check_age(created, expires, now)
        return created

    def _check_age(self, created: datetime, expires: datetime | None, now: datetime) -> None:
        if created > now + self._skew:
            raise MessageStale("message is from the future")
        if now > created + self._max_age + self._skew:
            raise MessageStale("message is too old")
        if expires is not None and now > expires + self._skew:
            raise MessageStale("message has expired")

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
            if not any(use in content for use in _uses_of(opening.group())):
                return content
    # The child uses a namespace that the Body declares (a Fault does): only a tree can tell it apart. It is made from
    # the proven bytes, not from the message.
    return canonical(parse(signed, max_bytes=len(signed))[0], inclusive_prefixes=inclusive_prefixes)


# One peer's openings are mostly the same.
@functools.lru_cache(maxsize=64)
def _uses_of(opening: bytes) -> tuple[bytes, ...]:
    """What content looks like that uses a prefix which this opening tag declares.

    In canonical form a prefix in use stands right after `<`, or after the one space before an attribute.
    """
    return tuple(before + prefix + b":" for prefix in _DECLARED_PREFIX.findall(opening) for before in (b"<", b" "))


def _has_text(text: str | None) -> bool:
    return bool(text and text.strip(_LINE_SPACE))
