"""A simulated REST agency: proves HTTP Message Signatures, answers by its OpenAPI document, signs replies.

What `seal` spoils is made from a well-formed reply, so that each reply is wrong in one way only.
"""

from __future__ import annotations

from datetime import datetime

from adapters.manifest import SignatureTerms
from adapters.simulator.behaviours import XML_ONLY, Kind
from adapters.simulator.dialect import Chosen, Draft, Incoming, Question, Refusal, Sealed, SeenOnce
from adapters.simulator.keys import AgencyKeys
from adapters.simulator.rest_answers import RestAnswers
from adapters.simulator.soap import LONG_AGO, MEGABYTE
from esb.errors import ContractViolation
from security.errors import SecurityError
from security.httpsig import HttpSigner, HttpVerifier

_JSON = "application/json"
_PROBLEM = "application/problem+json"
_FIRST_ERROR = 400


class RestDialect:
    """One REST agency. `unable`: what only XML can do."""

    unable: frozenset[Kind] = XML_ONLY

    def __init__(self, *, answers: RestAnswers, keys: AgencyKeys, terms: SignatureTerms) -> None:
        """`terms`: how long the agency takes a request for fresh."""
        self._answers = answers
        self._verifier = HttpVerifier(keys.bus_keys, clock_skew_s=terms.clock_skew_s, max_age_s=terms.max_age_s)
        self._own = HttpSigner(keys.own)
        self._stranger = HttpSigner(keys.stranger)
        self._seen = SeenOnce(keep_s=terms.max_age_s + terms.clock_skew_s)

    def open(self, incoming: Incoming, *, now: datetime) -> Question:
        """The proven, validated question. Raises Refusal."""
        try:
            proven = self._verifier.verify_request(
                method=incoming.method, url=incoming.url, headers=incoming.headers, body=incoming.body, now=now
            )
        except SecurityError as error:
            # Bound to whatever signature there was: the sender learns for certain that it was refused, and why.
            given = incoming.headers.get("signature", "").encode()
            raise Refusal(type(error).__name__, error.reason, http_status=401, proof=given) from error
        proof = proven.signature_value
        if not self._seen.first_time(proven.replay_key, now=now):
            raise Refusal("MessageReplayed", "this message was received before", http_status=401, proof=proof)
        try:
            return self._answers.read(incoming, proof)
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
        headers = {"content-type": _JSON if draft.http_status < _FIRST_ERROR else _PROBLEM}
        if Kind.UNSIGNED not in chosen:
            signer = self._stranger if Kind.SIGN_WRONG in chosen else self._own
            at = now - LONG_AGO if Kind.STALE in chosen else now
            headers |= signer.sign_response(
                status=draft.http_status, headers=headers, body=content, now=at, request_signature=proof
            )
        if Kind.SIGN_OTHER_BODY in chosen:
            content = content.rstrip()[:-1] + b',"forged":true}'
        return Sealed(http_status=draft.http_status, headers=headers, body=content)


def _spoil_content(content: bytes, chosen: Chosen) -> bytes:
    """The document without its required fields, or a very long one; spoilt before it is signed."""
    if Kind.BREAK_CONTRACT in chosen:
        content = b"{}"
    if Kind.OVERSIZE in chosen:
        content += b" " * (chosen[Kind.OVERSIZE] * MEGABYTE)
    return content
