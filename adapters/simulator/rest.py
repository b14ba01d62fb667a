"""A simulated REST or XML agency: proves requests, answers by its contract, signs replies.

What `seal` spoils is made from a well-formed reply, so that each reply is wrong in one way only.
"""

from __future__ import annotations

import re
from datetime import datetime

import msgspec

from adapters.manifest import Authentication, SignatureTerms
from adapters.simulator.behaviours import XML_ONLY, Kind
from adapters.simulator.dialect import Chosen, Draft, Incoming, Question, Refusal, Sealed, SeenOnce
from adapters.simulator.keys import AgencyKeys
from adapters.simulator.rest_answers import JSON, RestAnswers
from adapters.simulator.rest_proof import proof_of
from esb.errors import ContractViolation
from security.errors import SecurityError

MEGABYTE = 1024 * 1024

_ROOT_TAG = re.compile(rb"<(?P<name>[^\s>/]+)[^>]*>")
_NAMESPACE = re.compile(rb'(xmlns(?::[^=]+)?=")([^"]+)"')
_SIGNED_WRONGLY = frozenset({Kind.UNSIGNED, Kind.SIGN_WRONG, Kind.SIGN_OTHER_BODY, Kind.STALE})


class RestDialect:
    """One agency. `unable`: what its documents or its way of signing cannot do."""

    def __init__(
        self,
        *,
        answers: RestAnswers,
        keys: AgencyKeys,
        terms: SignatureTerms,
        authentication: Authentication = Authentication.HTTP_SIGNATURE,
    ) -> None:
        """`terms`: how long the agency takes a request for fresh."""
        self._answers = answers
        self._proof = proof_of(authentication, keys, terms)
        self._seen = SeenOnce(keep_s=terms.max_age_s + terms.clock_skew_s)
        self.unable = _unable(authentication, xml=answers.speaks_xml)

    def open(self, incoming: Incoming, *, now: datetime) -> Question:
        """The proven, validated question. Raises Refusal."""
        try:
            proven = self._proof.open(incoming, now=now)
        except SecurityError as error:
            # Bound to whatever signature there was: the sender learns for certain that it was refused, and why.
            given = incoming.headers.get("signature", "").encode()
            raise Refusal(type(error).__name__, error.reason, http_status=401, proof=given) from error
        proof = proven.proof
        if proven.replay_key is not None and not self._seen.first_time(proven.replay_key, now=now):
            raise Refusal("MessageReplayed", "this message was received before", http_status=401, proof=proof)
        try:
            return self._answers.read(msgspec.structs.replace(incoming, body=proven.content), proof)
        except ContractViolation as error:
            raise Refusal("Contract", f"{error.path}: {error.reason}", proof=proof) from error

    def draft(self, question: Question) -> Draft:
        """The agency's answer, valid under its contract."""
        return self._answers.draft_for(question.operation, question.values)

    def draft_refusal(self, refusal: Refusal) -> Draft:
        """The refusal as a problem document (RFC 9457)."""
        return self._answers.problem(refusal)

    def seal(self, draft: Draft, *, proof: bytes, chosen: Chosen, now: datetime) -> Sealed:
        """The signed answer, spoilt as `chosen` says."""
        content = _spoil_content(draft.content, chosen)
        headers = {"content-type": draft.content_type or JSON}
        headers, body = self._proof.seal(draft.http_status, headers, content, proof=proof, chosen=chosen, now=now)
        return Sealed(http_status=draft.http_status, headers=headers, body=_spoil_body(body, chosen))


def _unable(authentication: Authentication, *, xml: bool) -> frozenset[Kind]:
    unable = frozenset() if xml else XML_ONLY
    if authentication is Authentication.XMLDSIG:
        return unable | {Kind.STALE}  # such a signature has no time
    unable |= {Kind.EXPIRED_CERTIFICATE}
    return unable | _SIGNED_WRONGLY if authentication is Authentication.NONE else unable


def _spoil_content(content: bytes, chosen: Chosen) -> bytes:
    """The document without its required fields, in another namespace, or very long; spoilt before it is signed."""
    root = _ROOT_TAG.match(content)
    if Kind.BREAK_CONTRACT in chosen:
        content = root.group() + b"</" + root.group("name") + b">" if root else b"{}"
    if Kind.WRONG_NAMESPACE in chosen and root:
        content = _NAMESPACE.sub(rb'\1\2:wrong"', content)
    if Kind.OVERSIZE in chosen:
        padding = b" " * (chosen[Kind.OVERSIZE] * MEGABYTE)
        end = content.rfind(b"</") if root else len(content)
        content = content[:end] + padding + content[end:]
    return content


def _spoil_body(body: bytes, chosen: Chosen) -> bytes:
    """Changed after it was signed."""
    if Kind.SIGN_OTHER_BODY in chosen:
        at = body.rfind(b"</") if body.startswith(b"<") else -1
        body = body[:at] + b"<forged/>" + body[at:] if at > 0 else body.rstrip()[:-1] + b',"forged":true}'
    if Kind.DTD in chosen:
        body = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>' + body
    return body
