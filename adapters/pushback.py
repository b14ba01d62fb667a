"""Operations whose agency brings the answer to the bus's own address: the receipt, and the intake of what is brought.

Made by `adapters/later.py`. What proves the sender is what proves the agency's replies: WS-Security, an HTTP message
signature, or else the client certificate of the connection. An agency that proves nothing can bring nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

import msgspec

from adapters.manifest_interaction import LaterTerms
from adapters.polling import LONGEST_KEY, AcceptedOperation, at
from adapters.soap_text import soap_answer, unsigned_content, wrapped
from esb.errors import AgencyError, ReplyInvalid, ReplyUnproven
from esb.ports import (
    AgencyAnswer,
    AgencyOperation,
    AnswerIntake,
    Claim,
    ProvenAnswer,
    ProvenPush,
    Push,
    RawAnswer,
)
from security import xml
from security.certificates import TrustAnchors
from security.errors import CertificateRejected, SecurityError, XmlRefused
from security.httpsig import HttpSigner, HttpVerifier
from security.wsse import SoapVersion, WsseSigner, WsseVerifier

ACCEPTED_XML: Final = b'<Accepted xmlns="urn:esb:answers:1"></Accepted>'
ACCEPTED_JSON: Final = b'{"accepted":true}'
"""What acknowledges an answer where the contract has no word for it."""

Decode = Callable[[ProvenAnswer], AgencyAnswer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One form of what an agency brings. `key`: dotted path of it; `receipt`: the document that acknowledges it."""

    decode: Decode
    key: str
    receipt: bytes


class PushedOperation(AcceptedOperation):
    """Implements `esb.ports.LaterOperation`: the agency comes with the answer."""

    def __init__(self, asked: AgencyOperation, form: Form, intake: AnswerIntake, *, terms: LaterTerms) -> None:
        super().__init__(asked, terms, look_every_s=None)
        self._form = form
        self._intake = intake

    @property
    def look(self) -> AgencyOperation | None:
        """There is nothing to ask."""
        return None

    @property
    def intake(self) -> AnswerIntake | None:
        """The agency's; its operations share it."""
        return self._intake

    def decode_answer(self, answer: ProvenAnswer) -> AgencyAnswer:
        """See the port."""
        return self._form.decode(answer)


# --- what was brought ------------------------------------------------------------------------------------


class Proof(Protocol):
    """Proves a push to be the agency's, and signs what is said back."""

    def prove(self, push: Push, *, now: datetime) -> tuple[ProvenAnswer, bytes]:
        """The proven content, and what the acknowledgement is bound to. Raises SecurityError."""
        ...

    def seal(self, content: bytes, *, http_status: int, proof: bytes, now: datetime) -> RawAnswer:
        """What is said back, as the agency can believe it."""
        ...


class Intake:
    """Implements `esb.ports.AnswerIntake` over one proof and the forms of an agency's answers."""

    def __init__(self, agency: str, proof: Proof, *, is_xml: bool, say_no: Callable[[str, str], bytes]) -> None:
        """`say_no`: a code and a reason as a document in the agency's style."""
        self._agency = agency
        self._proof = proof
        self._is_xml = is_xml
        self._say_no = say_no
        self._forms: list[Form] = []

    def take(self, form: Form) -> Form:
        """From now on what is brought may have this form as well; called at load only."""
        self._forms.append(form)
        return form

    def verify(self, push: Push, *, now: datetime) -> ProvenPush:
        """See the port."""
        try:
            answer, proof = self._proof.prove(push, now=now)
        except SecurityError as error:
            raise ReplyUnproven(error.reason, agency=self._agency) from error
        problem = "it has no form that is agreed on"
        for form in self._forms:
            try:
                return ProvenPush(key=self._key_of(answer, form), answer=answer, receipt=form.receipt, proof=proof)
            except ReplyInvalid as error:
                problem = f"{error.path}: {error.reason}" if error.path else error.reason
        return ProvenPush(key=None, answer=answer, proof=proof, problem=problem)

    def acknowledge(self, push: ProvenPush, *, now: datetime) -> RawAnswer:
        """See the port."""
        return self._proof.seal(push.receipt, http_status=200, proof=push.proof, now=now)

    def refuse(self, code: str, reason: str, *, http_status: int, proof: bytes, now: datetime) -> RawAnswer:
        """See the port."""
        return self._proof.seal(self._say_no(code, reason), http_status=http_status, proof=proof, now=now)

    def _key_of(self, answer: ProvenAnswer, form: Form) -> str:
        """The key of an answer of this form. Raises ReplyInvalid when it is not of it."""
        try:
            form.decode(answer)
        except ReplyInvalid:
            raise
        except AgencyError:
            pass  # a refusal or a fault is an answer too, as long as it says to what
        key = key_of_xml(answer.content, form.key) if self._is_xml else key_of_json(answer.content, form.key)
        if key is None or len(key) > LONGEST_KEY:
            raise ReplyInvalid("says not which request it answers", agency=self._agency, path=form.key)
        return key


def key_of_xml(content: bytes, path: str) -> str | None:
    """The text at a dotted path of local names below the document's element."""
    try:
        place: xml.Element | None = xml.parse(content)
    except XmlRefused:
        return None
    for name in path.split("."):
        children = [] if place is None else [child for child in place if isinstance(child.tag, str)]
        named = [child for child in children if str(child.tag).rpartition("}")[2] == name]
        place = named[0] if len(named) == 1 else None
    text = "" if place is None or len(place) else (place.text or "").strip()
    return text or None


def key_of_json(content: bytes, path: str) -> str | None:
    """The text or whole number at a dotted path."""
    try:
        document = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return None
    return at(document, path) if isinstance(document, Mapping) else None


# --- proofs ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WsseProof:
    """A signed SOAP envelope. `signer` None on a machine without keys: then nothing is taken."""

    agency: str
    version: SoapVersion
    verifier: WsseVerifier
    signer: WsseSigner | None
    claim_life: timedelta

    def prove(self, push: Push, *, now: datetime) -> tuple[ProvenAnswer, bytes]:
        """The signed child of the Body."""
        verified = self.verifier.verify(push.body, now=now)
        # The same name as of a reply: what was believed once as the one is never believed as the other.
        claim = Claim(key=f"wsse:{self.agency}:{verified.replay_key.hex()}", expires_at=now + self.claim_life)
        answer = ProvenAnswer(http_status=200, content=verified.content, signed_at=verified.signed_at, claims=(claim,))
        return answer, verified.signature_value

    def seal(self, content: bytes, *, http_status: int, proof: bytes, now: datetime) -> RawAnswer:
        """A signed envelope that confirms the signature of what was brought."""
        if self.signer is None:
            return soap_answer(wrapped(content, self.version), self.version, http_status=http_status)
        signed = self.signer.sign(content, now=now, confirms=proof or None)
        return soap_answer(signed.envelope, self.version, http_status=http_status)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpSignatureProof:
    """A message signed by RFC 9421."""

    agency: str
    verifier: HttpVerifier
    signer: HttpSigner | None
    claim_life: timedelta
    media_type: str

    def prove(self, push: Push, *, now: datetime) -> tuple[ProvenAnswer, bytes]:
        """The signed body."""
        verified = self.verifier.verify_request(
            method="POST", url=push.url, headers=push.headers, body=push.body, now=now
        )
        claim = Claim(key=f"httpsig:{self.agency}:{verified.replay_key.hex()}", expires_at=now + self.claim_life)
        content = ProvenAnswer(
            http_status=200,
            content=verified.body,
            signed_at=verified.signed_at,
            claims=(claim,),
            content_type=push.headers.get("content-type", ""),
        )
        return content, verified.signature_value

    def seal(self, content: bytes, *, http_status: int, proof: bytes, now: datetime) -> RawAnswer:
        """A signed response, bound to the request."""
        headers = {"content-type": self.media_type}
        if self.signer is not None:
            headers |= self.signer.sign_response(
                status=http_status, headers=headers, body=content, now=now, request_signature=proof
            )
        return RawAnswer(http_status=http_status, headers=headers, body=content)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateProof:
    """A connection over mutual TLS, with a certificate of the agency; `soap` None where no envelope is spoken."""

    anchors: TrustAnchors
    soap: SoapVersion | None
    media_type: str

    def prove(self, push: Push, *, now: datetime) -> tuple[ProvenAnswer, bytes]:
        """The body, as the holder of the certificate sent it."""
        if push.certificate_der is None:
            raise CertificateRejected("no client certificate")
        self.anchors.leaf(push.certificate_der, now)
        content = push.body if self.soap is None else unsigned_content(push.body, self.soap)
        media_type = push.headers.get("content-type", "")
        return ProvenAnswer(http_status=200, content=content, signed_at=None, content_type=media_type), b""

    def seal(self, content: bytes, *, http_status: int, proof: bytes, now: datetime) -> RawAnswer:  # noqa: ARG002 - the connection proves it
        """Unsigned: the connection is the bus's."""
        if self.soap is not None:
            return soap_answer(wrapped(content, self.soap), self.soap, http_status=http_status)
        return RawAnswer(http_status=http_status, headers={"content-type": self.media_type}, body=content)
