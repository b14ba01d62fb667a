"""A simulated SOAP agency: proves requests as its manifest says, answers in the words of its WSDL, signs replies.

Serves SOAP 1.1 and 1.2 alike. What `seal` spoils is made from a well-formed signed reply, so that each reply is wrong
in one way only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from adapters.manifest import Manifest
from adapters.simulator.behaviours import Kind
from adapters.simulator.dialect import Chosen, Draft, Incoming, Question, Refusal, Sealed, SeenOnce
from adapters.simulator.keys import AgencyKeys
from adapters.simulator.register import AgencyReply, FaultText
from adapters.simulator.shep import MESSAGE_ID
from adapters.simulator.soap_answers import SoapAnswers
from adapters.simulator.soap_wire import Binding, SoapWire, binding_of
from adapters.soap_envelope import plain_envelope
from adapters.soap_proof import believes
from esb.errors import ContractViolation
from security import xml
from security.errors import SecurityError

MEGABYTE = 1024 * 1024
LONG_AGO = timedelta(hours=1)

_ACTION = re.compile(r'action="([^"]*)"')
_ROOT_TAG = re.compile(rb"<(?P<name>[^\s>/]+)[^>]*>")
_NAMESPACE = re.compile(rb'(xmlns(?::[^=]+)?=")([^"]+)"')
_BODY = re.compile(rb"<(?P<prefix>[^\s:<>]+):Body[\s>].*</(?P=prefix):Body>", re.DOTALL)


class SoapDialect:
    """One SOAP agency. `unable`: behaviours that make no sense for it."""

    def __init__(self, *, answers: SoapAnswers, keys: AgencyKeys, manifest: Manifest, wire: SoapWire) -> None:
        """`manifest`: how long the agency takes a request for fresh, and what it signs."""
        terms = manifest.signature
        self.unable = _SIGNERS_FAULTS if believes(manifest) else frozenset[Kind]()
        self._answers = answers
        self._version = answers.version
        self._wire = wire
        self._keys = keys
        self._seen = SeenOnce(keep_s=terms.max_age_s + terms.clock_skew_s)

    # --- the request -------------------------------------------------------------------------------------

    def open(self, incoming: Incoming, *, now: datetime) -> Question:
        """The proven, validated question. Raises Refusal."""
        content_type = incoming.headers.get("content-type", "")
        try:
            asked = self._wire.open(content_type, incoming.body, now=now)
        except SecurityError as error:
            raise Refusal(f"Client.Security.{type(error).__name__}", error.reason) from error
        except ContractViolation as error:
            raise Refusal("Client.Package", error.reason) from error
        proof = asked.binding.kept()
        if asked.replay_key and not self._seen.first_time(asked.replay_key, now=now):
            raise Refusal("Client.Security.MessageReplayed", "this message was received before", proof=proof)
        try:
            return self._answers.read(asked.content, proof, action=_action(incoming.headers), parts=asked.attachments)
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
        """The secured envelope, spoilt as `chosen` says."""
        if not draft.content:
            return Sealed(http_status=draft.http_status, headers={}, body=b"")
        binding = binding_of(proof)
        content = _spoil_content(draft.content.replace(MESSAGE_ID.encode(), binding.message_id.encode()), chosen)
        written = self._answers.signed_inside(content, self._keys.own)
        if written != content:
            content = xml.canonical(xml.parse(written))
        envelope = self._envelope(content, draft, binding, chosen, now)
        envelope = _spoil_envelope(envelope.replace(content, written, 1), chosen)
        content_type, body = self._wire.pack(envelope, draft.attachments, self._answers.packing, binding)
        return Sealed(http_status=draft.http_status, headers={"Content-Type": content_type}, body=body)

    def _envelope(self, content: bytes, draft: Draft, binding: Binding, chosen: Chosen, now: datetime) -> bytes:
        if Kind.UNSIGNED in chosen:
            return plain_envelope(content, self._version)
        key = self._keys.own
        if Kind.SIGN_WRONG in chosen:
            key = self._keys.stranger
        if Kind.EXPIRED_CERTIFICATE in chosen:
            key = self._keys.expired
        at = now - LONG_AGO if Kind.STALE in chosen else now
        return self._wire.seal(content, blocks=draft.blocks, binding=binding, key=key, now=at)


_SIGNERS_FAULTS = frozenset(
    {Kind.UNSIGNED, Kind.SIGN_WRONG, Kind.SIGN_OTHER_BODY, Kind.STALE, Kind.EXPIRED_CERTIFICATE}
)
"""What an agency that signs nothing cannot do wrong."""


def _action(headers: Mapping[str, str]) -> str:
    """The SOAPAction, of either version."""
    found = _ACTION.search(headers.get("content-type", ""))
    return headers.get("soapaction", found[1] if found else "").strip('"')


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
