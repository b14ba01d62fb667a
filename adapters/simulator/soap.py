"""A simulated SOAP agency: proves requests with WS-Security, answers in the words of its WSDL, signs replies.

Serves SOAP 1.1 and 1.2 alike. What `seal` spoils is made from a well-formed signed reply, so that each reply is wrong
in one way only.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from adapters.manifest import SignatureTerms
from adapters.simulator.behaviours import Kind
from adapters.simulator.dialect import Chosen, Draft, Incoming, Question, Refusal, Sealed, SeenOnce
from adapters.simulator.keys import AgencyKeys
from adapters.simulator.register import AgencyReply, FaultText
from adapters.simulator.soap_answers import SoapAnswers
from esb.errors import ContractViolation
from security.errors import SecurityError
from security.keys import SigningKey
from security.wsse import SoapVersion, WsseSigner, WsseVerifier

MEGABYTE = 1024 * 1024
LONG_AGO = timedelta(hours=1)

_CONTENT_TYPES = {
    SoapVersion.SOAP11: "text/xml; charset=utf-8",
    SoapVersion.SOAP12: "application/soap+xml; charset=utf-8",
}
_ROOT_TAG = re.compile(rb"<(?P<name>[^\s>/]+)[^>]*>")
_NAMESPACE = re.compile(rb'(xmlns(?::[^=]+)?=")([^"]+)"')
_BODY = re.compile(rb"<(?P<prefix>[^\s:<>]+):Body[\s>].*</(?P=prefix):Body>", re.DOTALL)


class SoapDialect:
    """One SOAP agency. `unable`: behaviours that make no sense for it: none."""

    unable: frozenset[Kind] = frozenset()

    def __init__(self, *, answers: SoapAnswers, keys: AgencyKeys, terms: SignatureTerms) -> None:
        """`terms`: how long the agency takes a request for fresh, and its replies last."""
        self._answers = answers
        self._version = answers.version
        self._verifier = WsseVerifier(
            keys.bus_anchors,
            self._version,
            clock_skew_s=terms.clock_skew_s,
            max_age_s=terms.max_age_s,
            require_confirmation=False,
        )
        self._own = self._signer(keys.own, terms)
        self._stranger = self._signer(keys.stranger, terms)
        self._expired = self._signer(keys.expired, terms)
        self._seen = SeenOnce(keep_s=terms.max_age_s + terms.clock_skew_s)

    # --- the request -------------------------------------------------------------------------------------

    def open(self, incoming: Incoming, *, now: datetime) -> Question:
        """The proven, validated question. Raises Refusal."""
        try:
            proven = self._verifier.verify(incoming.body, now=now)
        except SecurityError as error:
            raise Refusal(f"Client.Security.{type(error).__name__}", error.reason) from error
        proof = proven.signature_value
        if not self._seen.first_time(proven.replay_key, now=now):
            raise Refusal("Client.Security.MessageReplayed", "this message was received before", proof=proof)
        try:
            return self._answers.read(proven.content, proof)
        except ContractViolation as error:
            raise Refusal("Client.Contract", f"{error.path}: {error.reason}", proof=proof) from error

    # --- the answer --------------------------------------------------------------------------------------

    def draft(self, question: Question) -> Draft:
        """The agency's answer, valid under its contract."""
        return self._answers.draft_for(question.operation, question.values)

    def draft_refusal(self, refusal: Refusal) -> Draft:
        """The refusal as a SOAP fault."""
        return self._answers.draft("", AgencyReply(fault=FaultText(code=refusal.code, text=refusal.reason)))

    def seal(self, draft: Draft, *, proof: bytes, chosen: Chosen, now: datetime) -> Sealed:
        """The signed envelope, spoilt as `chosen` says."""
        content = _spoil_content(draft.content, chosen)
        envelope = _spoil_envelope(self._envelope(content, proof, chosen, now), chosen)
        headers = {"Content-Type": _CONTENT_TYPES[self._version]}
        return Sealed(http_status=draft.http_status, headers=headers, body=envelope)

    def _envelope(self, content: bytes, proof: bytes, chosen: Chosen, now: datetime) -> bytes:
        if Kind.UNSIGNED in chosen:
            start = f'<soap:Envelope xmlns:soap="{self._version.namespace}"><soap:Body>'.encode()
            return start + content + b"</soap:Body></soap:Envelope>"
        signer = self._own
        if Kind.SIGN_WRONG in chosen:
            signer = self._stranger
        if Kind.EXPIRED_CERTIFICATE in chosen:
            signer = self._expired
        at = now - LONG_AGO if Kind.STALE in chosen else now
        return signer.sign(content, now=at, confirms=proof or None).envelope

    def _signer(self, key: SigningKey, terms: SignatureTerms) -> WsseSigner:
        return WsseSigner(key, self._version, ttl_s=terms.ttl_s)


def _spoil_content(content: bytes, chosen: Chosen) -> bytes:
    """The Body's child without its required fields, or in another namespace; still canonical."""
    if Kind.BREAK_CONTRACT in chosen:
        root = _ROOT_TAG.match(content)
        assert root is not None  # noqa: S101 - our own encoder wrote it
        content = root.group() + b"</" + root.group("name") + b">"
    if Kind.WRONG_NAMESPACE in chosen:
        content = _NAMESPACE.sub(rb'\1\2:wrong"', content)
    return content


def _spoil_envelope(envelope: bytes, chosen: Chosen) -> bytes:
    if Kind.SIGN_OTHER_BODY in chosen:
        envelope = _wrapped(envelope)
    if Kind.DTD in chosen:
        envelope = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + envelope
    if Kind.OVERSIZE in chosen:
        envelope += b" " * (chosen[Kind.OVERSIZE] * MEGABYTE)
    return envelope


def _wrapped(envelope: bytes) -> bytes:
    """The classic wrapping: the signed Body moved into the Header, an unsigned one in its place."""
    signed = _BODY.search(envelope)
    if signed is None:
        return envelope
    prefix = signed.group("prefix")
    forged = re.sub(rb"^(<[^\s>]+)[^>]*>", rb"\1>", signed.group())
    header_end = b"</" + prefix + b":Header>"
    moved = b'<x:Moved xmlns:x="urn:simulator:moved">' + signed.group() + b"</x:Moved>"
    return (envelope[: signed.start()] + forged + envelope[signed.end() :]).replace(header_end, moved + header_end, 1)
