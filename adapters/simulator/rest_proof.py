"""How simulated REST and XML agencies prove requests and sign answers, rightly or wrongly.

Used by `RestDialect`. Each answer is spoilt in one way only: what is signed wrongly is otherwise well-formed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from adapters.manifest import Authentication, SignatureTerms
from adapters.simulator.behaviours import Kind
from adapters.simulator.dialect import Chosen, Incoming
from adapters.simulator.keys import AgencyKeys
from security.enveloped import EnvelopedSigner, EnvelopedVerifier
from security.errors import SecurityError
from security.httpsig import HttpSigner, HttpVerifier

LONG_AGO = timedelta(hours=1)


class ProvenRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request's signed document. `proof` binds the answer; `replay_key` is None where the same may come twice."""

    content: bytes
    proof: bytes = b""
    replay_key: bytes | None = None


class SimulatedProof(Protocol):
    """One agency's half of a way of proving."""

    def open(self, incoming: Incoming, *, now: datetime) -> ProvenRequest:
        """What the bus signed. Raises SecurityError."""
        ...

    def seal(
        self, status: int, headers: dict[str, str], content: bytes, *, proof: bytes, chosen: Chosen, now: datetime
    ) -> tuple[dict[str, str], bytes]:
        """The answer's headers and body, signed as `chosen` says."""
        ...


class NoProof:
    """An agency that signs nothing."""

    def open(self, incoming: Incoming, *, now: datetime) -> ProvenRequest:  # noqa: ARG002 - see SimulatedProof
        """See `SimulatedProof`."""
        return ProvenRequest(content=incoming.body)

    def seal(
        self,
        status: int,  # noqa: ARG002 - see SimulatedProof
        headers: dict[str, str],
        content: bytes,
        *,
        proof: bytes,  # noqa: ARG002
        chosen: Chosen,  # noqa: ARG002
        now: datetime,  # noqa: ARG002
    ) -> tuple[dict[str, str], bytes]:
        """See `SimulatedProof`."""
        return headers, content


class HttpMessages:
    """HTTP Message Signatures."""

    def __init__(self, keys: AgencyKeys, terms: SignatureTerms) -> None:
        """`terms`: how long the agency takes a request for fresh."""
        self._verifier = HttpVerifier(keys.bus_keys, clock_skew_s=terms.clock_skew_s, max_age_s=terms.max_age_s)
        self._own = HttpSigner(keys.own)
        self._stranger = HttpSigner(keys.stranger)

    def open(self, incoming: Incoming, *, now: datetime) -> ProvenRequest:
        """See `SimulatedProof`."""
        proven = self._verifier.verify_request(
            method=incoming.method, url=incoming.url, headers=incoming.headers, body=incoming.body, now=now
        )
        return ProvenRequest(content=proven.body, proof=proven.signature_value, replay_key=proven.replay_key)

    def seal(
        self, status: int, headers: dict[str, str], content: bytes, *, proof: bytes, chosen: Chosen, now: datetime
    ) -> tuple[dict[str, str], bytes]:
        """See `SimulatedProof`."""
        if Kind.UNSIGNED not in chosen:
            signer = self._stranger if Kind.SIGN_WRONG in chosen else self._own
            at = now - LONG_AGO if Kind.STALE in chosen else now
            headers = headers | signer.sign_response(
                status=status, headers=headers, body=content, now=at, request_signature=proof
            )
        return headers, content


class XmlDocuments:
    """Enveloped XML-DSig: a request without document is not proven by it."""

    def __init__(self, keys: AgencyKeys) -> None:
        """Keys with certificates."""
        self._verifier = EnvelopedVerifier(keys.bus_anchors)
        self._own = EnvelopedSigner(keys.own)
        self._stranger = EnvelopedSigner(keys.stranger)
        self._expired = EnvelopedSigner(keys.expired)

    def open(self, incoming: Incoming, *, now: datetime) -> ProvenRequest:
        """See `SimulatedProof`."""
        if not incoming.body:
            return ProvenRequest(content=b"")
        return ProvenRequest(content=self._verifier.verify(incoming.body, now=now).content)

    def seal(
        self,
        status: int,  # noqa: ARG002 - see SimulatedProof
        headers: dict[str, str],
        content: bytes,
        *,
        proof: bytes,  # noqa: ARG002
        chosen: Chosen,
        now: datetime,  # noqa: ARG002
    ) -> tuple[dict[str, str], bytes]:
        """See `SimulatedProof`."""
        if Kind.UNSIGNED in chosen:
            return headers, content
        signer = self._expired if Kind.EXPIRED_CERTIFICATE in chosen else self._own
        try:
            return headers, (self._stranger if Kind.SIGN_WRONG in chosen else signer).sign(content)
        except SecurityError:
            return headers, content  # a document that is none cannot be signed


def proof_of(authentication: Authentication, keys: AgencyKeys, terms: SignatureTerms) -> SimulatedProof:
    """The agency's half of what its manifest asks for."""
    if authentication is Authentication.XMLDSIG:
        return XmlDocuments(keys)
    return NoProof() if authentication is Authentication.NONE else HttpMessages(keys, terms)
