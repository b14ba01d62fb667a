"""How calls and answers over plain HTTP are proven: HTTP Message Signatures, a signature inside of the XML, or nothing.

Made at load for one agency; used by its REST and XML operations. Every proof is safe for concurrent use.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from adapters.agency_keys import AgencyKeys
from adapters.manifest import Authentication, Manifest
from esb.contracts.documents import ANY_XML
from esb.ports import Claim, OutgoingCall, ProvenAnswer, RawAnswer
from security.encodings import in_utf8
from security.enveloped import EnvelopedSigner, EnvelopedVerifier
from security.errors import KeyUnavailable, SecurityError, SignatureMissing, XmlRefused
from security.httpsig import HttpSigner, HttpVerifier
from security.keys import Algorithm


class HttpProof(Protocol):
    """One agency's way of proving."""

    @property
    def signs(self) -> bool:
        """Whether anything is signed at all."""
        ...

    def sign(self, call: OutgoingCall, *, now: datetime) -> OutgoingCall:
        """The call, signed. Raises KeyUnavailable."""
        ...

    def verify(self, answer: RawAnswer, call: OutgoingCall, *, now: datetime) -> ProvenAnswer:
        """What the agency's signature covers; XML in UTF-8. Raises SecurityError; XmlRefused for its encoding."""
        ...


class Unsigned:
    """The agency signs nothing: its answers are believed as the connection is."""

    signs = False

    def sign(self, call: OutgoingCall, *, now: datetime) -> OutgoingCall:  # noqa: ARG002 - see HttpProof
        """See `HttpProof`."""
        return call

    def verify(self, answer: RawAnswer, call: OutgoingCall, *, now: datetime) -> ProvenAnswer:  # noqa: ARG002 - see HttpProof
        """See `HttpProof`."""
        return ProvenAnswer(
            http_status=answer.http_status,
            content=_readable(answer.body, answer),
            signed_at=None,
            content_type=answer.headers.get("content-type"),
        )


class HttpSignatures:
    """HTTP Message Signatures (RFC 9421), both ways; an answer is bound to the request that it answers."""

    signs = True

    def __init__(
        self, *, agency: str, signer: HttpSigner | None, verifier: HttpVerifier, missing: str, claim_life_s: float
    ) -> None:
        """`signer` None on a machine without keys, and `missing` says which.

        `claim_life_s`: how long a reply is fresh.
        """
        self._agency = agency
        self._signer = signer
        self._verifier = verifier
        self._missing = missing
        self._claim_life = timedelta(seconds=claim_life_s)

    def sign(self, call: OutgoingCall, *, now: datetime) -> OutgoingCall:
        """See `HttpProof`."""
        if self._signer is None:
            raise KeyUnavailable(self._missing)
        proof = self._signer.sign_request(
            method=call.method, url=call.url, headers=call.headers, body=call.body, now=now
        )
        headers = {**call.headers, **proof}
        return msgspec.structs.replace(call, headers=headers, proof=headers["signature"].encode())

    def verify(self, answer: RawAnswer, call: OutgoingCall, *, now: datetime) -> ProvenAnswer:
        """See `HttpProof`."""
        verified = self._verifier.verify_response(
            status=answer.http_status,
            headers=answer.headers,
            body=answer.body,
            now=now,
            request_signature=call.proof,
        )
        claim = Claim(key=f"httpsig:{self._agency}:{verified.replay_key.hex()}", expires_at=now + self._claim_life)
        return ProvenAnswer(
            http_status=answer.http_status,
            # After the proof: this signature is over bytes.
            content=_readable(verified.body, answer),
            signed_at=verified.signed_at,
            claims=(claim,),
            content_type=answer.headers.get("content-type"),
        )


class XmlSignatures:
    """Enveloped XML-DSig in both documents: who wrote a reply is proven; when, and to what question, is not.

    A reply has no time, and the same answer signed twice may be the same bytes, so there is nothing to claim.
    """

    signs = True

    def __init__(self, *, signer: EnvelopedSigner | None, verifier: EnvelopedVerifier, missing: str) -> None:
        """`signer` None on a machine without keys, and `missing` says which."""
        self._signer = signer
        self._verifier = verifier
        self._missing = missing

    def sign(self, call: OutgoingCall, *, now: datetime) -> OutgoingCall:  # noqa: ARG002 - see HttpProof
        """See `HttpProof`. A call without a document has nothing to sign."""
        if not call.body:
            return call
        if self._signer is None:
            raise KeyUnavailable(self._missing)
        return msgspec.structs.replace(call, body=self._signer.sign(call.body))

    def verify(self, answer: RawAnswer, call: OutgoingCall, *, now: datetime) -> ProvenAnswer:  # noqa: ARG002 - see HttpProof
        """See `HttpProof`."""
        document = _readable(answer.body, answer)
        try:
            verified = self._verifier.verify(document, now=now)
        except XmlRefused as error:
            # What is no XML has no signature either, and the caller tells a page of a proxy from a forged answer.
            raise SignatureMissing(error.reason) from error
        return ProvenAnswer(
            http_status=answer.http_status,
            content=verified.content,
            signed_at=None,
            content_type=answer.headers.get("content-type"),
        )


def _readable(content: bytes, answer: RawAnswer) -> bytes:
    """XML in UTF-8, whatever it came in; JSON and all else as they are."""
    content_type = answer.headers.get("content-type", "")
    is_xml = ANY_XML.fullmatch(content_type.partition(";")[0].strip()) is not None
    return in_utf8(content, content_type) if is_xml else content


def proof_of(manifest: Manifest, keys: AgencyKeys) -> HttpProof:
    """What the manifest asks for, with the keys that are there."""
    terms = manifest.signature
    key = keys.signing.get(Algorithm(terms.algorithm))
    missing = f"the bus has no {terms.algorithm} key for {manifest.agency}; make one with `esb keys new`"
    match manifest.authentication:
        case Authentication.HTTP_SIGNATURE:
            verifier = HttpVerifier(
                keys.verifying_of(manifest.agency), clock_skew_s=terms.clock_skew_s, max_age_s=terms.max_age_s
            )
            return HttpSignatures(
                agency=manifest.agency,
                signer=HttpSigner(key) if key else None,
                verifier=verifier,
                missing=missing,
                claim_life_s=terms.max_age_s + terms.clock_skew_s,
            )
        case Authentication.XMLDSIG:
            return XmlSignatures(
                signer=EnvelopedSigner(key) if key and key.certificate else None,
                verifier=EnvelopedVerifier(keys.anchors_of(manifest.agency)),
                missing=missing,
            )
        case Authentication.NONE:
            return Unsigned()
    raise SecurityError(f"{manifest.authentication} is not spoken over plain HTTP")
