"""A simulated agency behind the bridge: proves tokens, opens requests, answers by its contract, seals replies.

What `seal` spoils is made from a well-formed reply, so that each reply is wrong in one way only.
"""

from __future__ import annotations

import secrets as randomness
from datetime import datetime, timedelta

from adapters import bridge_message
from adapters.bridge_message import REPLY, REQUEST, TOKEN_HEADER, Parties
from adapters.manifest import SignatureTerms
from adapters.manifest_bridge import BridgeTerms
from adapters.simulator.behaviours import XML_ONLY, Kind
from adapters.simulator.dialect import Chosen, Draft, Incoming, Question, Refusal, Sealed, SeenOnce
from adapters.simulator.rest_answers import RestAnswers
from esb.errors import ContractViolation
from security import hybrid
from security.assertion import SharedKey
from security.errors import SecurityError
from security.hybrid import KEY_BYTES, Recipient, Unsealer

MEGABYTE = 1024 * 1024
LONG_AGO = timedelta(hours=1)

_JSON = "application/json"


class BridgeDialect:
    """One agency. `unable`: what only XML and certificates can do."""

    unable: frozenset[Kind] = XML_ONLY | {Kind.EXPIRED_CERTIFICATE}

    def __init__(
        self,
        *,
        answers: RestAnswers,
        terms: BridgeTerms,
        signature: SignatureTerms,
        token: SharedKey,
        own: Unsealer,
        bus: Recipient | None,
    ) -> None:
        """`own` opens requests; `bus` is whom replies are sealed for, where the request's key does not serve."""
        self._answers = answers
        self._terms = terms
        self._signature = signature
        self._token = token
        self._stranger = SharedKey(secret=randomness.token_bytes(32))
        self._own = own
        self._bus = bus
        self._seen = SeenOnce(keep_s=signature.max_age_s + 2 * signature.clock_skew_s)

    def open(self, incoming: Incoming, *, now: datetime) -> Question:
        """The proven, opened, validated question. Raises Refusal."""
        service = self._service_of(incoming)
        try:
            found = bridge_message.proven(
                incoming.headers,
                incoming.body,
                self._token,
                issuer=self._terms.client_id,
                audience=self._terms.identity,
                expected={},
                now=now,
                max_age_s=self._signature.max_age_s,
                clock_skew_s=self._signature.clock_skew_s,
            )
            operation = found.envelope.operation
            if found.claims.get("operation") != operation or found.envelope.client_id != self._terms.client_id:
                raise Refusal("Envelope", "token and envelope are not of one request", http_status=401)
            key = self._own.unwrap(bridge_message.key_of(found.envelope))
            payload = bridge_message.bytes_of(found.envelope.encrypted_payload, limit=hybrid.MAX_CONTENT_BYTES)
            content = hybrid.open_with(key, payload, context=self._parties(operation).context(REQUEST, found.jti))
        except SecurityError as error:
            raise Refusal(type(error).__name__, error.reason, http_status=401) from error
        proof = _proof(key, found.jti, operation)
        if not self._seen.first_time(found.jti.encode(), now=now):
            raise Refusal("MessageReplayed", "this message was received before", http_status=401, proof=proof)
        return self._question(service, operation, content, proof)

    def draft(self, question: Question) -> Draft:
        """The agency's answer, valid under its contract."""
        return self._answers.draft_for(question.operation, question.values)

    def draft_refusal(self, refusal: Refusal) -> Draft:
        """The refusal as a problem document (RFC 9457)."""
        return self._answers.problem(refusal)

    def seal(self, draft: Draft, *, proof: bytes, chosen: Chosen, now: datetime) -> Sealed:
        """The sealed answer, spoilt as `chosen` says; a plain one to a request that was not believed."""
        content = _spoil_content(draft.content, chosen)
        headers = {"content-type": _JSON}
        if not proof:
            return Sealed(http_status=draft.http_status, headers=headers, body=content)
        key, request_id, operation = _read_proof(proof)
        parties = self._parties(operation)
        context = parties.context(REPLY, request_id)
        if self._bus is None:
            body = bridge_message.written(
                parties, encrypted_key=b"", payload=hybrid.seal_with(key, content, context=context)
            )
        else:
            sealed = self._bus.seal(content, context=context, now=now)
            body = bridge_message.written(parties, encrypted_key=sealed.encrypted_key, payload=sealed.content)
        if Kind.UNSIGNED not in chosen:
            at = now - LONG_AGO if Kind.STALE in chosen else now
            claims = bridge_message.reply_claims(
                parties, request_id=request_id, http_status=draft.http_status, now=at, ttl_s=self._signature.ttl_s
            )
            signer = self._stranger if Kind.SIGN_WRONG in chosen else self._token
            headers[TOKEN_HEADER] = bridge_message.sealed_token(signer, claims, body)
        if Kind.SIGN_OTHER_BODY in chosen:
            forged = hybrid.seal_with(randomness.token_bytes(KEY_BYTES), content, context=context)
            body = bridge_message.written(parties, encrypted_key=b"", payload=forged)
        return Sealed(http_status=draft.http_status, headers=headers, body=body)

    def _parties(self, operation: str) -> Parties:
        return Parties(client_id=self._terms.client_id, identity=self._terms.identity, operation=operation)

    def _service_of(self, incoming: Incoming) -> str:
        # Whatever the endpoint's own path is, the end is the bridge's.
        path, _, service = incoming.url.partition("?")[0].rpartition("/")
        if incoming.method != "POST" or not path.lower().endswith(f"/api/1/{self._terms.identity.lower()}"):
            raise Refusal("Address", "no such identity", http_status=404)
        return service

    def _question(self, service: str, operation: str, content: bytes, proof: bytes) -> Question:
        plain = Incoming(method="POST", url=f"http://bridge/{service}", headers={"content-type": _JSON}, body=content)
        try:
            question = self._answers.read(plain, proof)
        except ContractViolation as error:
            raise Refusal("Contract", f"{error.path}: {error.reason}", proof=proof) from error
        if question.operation != operation:
            raise Refusal("Operation", "the service has no such operation", proof=proof)
        return question


def _proof(key: bytes, request_id: str, operation: str) -> bytes:
    return key + f"{request_id}\n{operation}".encode()


def _read_proof(proof: bytes) -> tuple[bytes, str, str]:
    request_id, _, operation = proof[KEY_BYTES:].decode().partition("\n")
    return proof[:KEY_BYTES], request_id, operation


def _spoil_content(content: bytes, chosen: Chosen) -> bytes:
    """The document without its required fields, or a very long one; spoilt before it is sealed."""
    if Kind.BREAK_CONTRACT in chosen:
        content = b"{}"
    if Kind.OVERSIZE in chosen:
        content += b" " * (chosen[Kind.OVERSIZE] * MEGABYTE)
    return content
