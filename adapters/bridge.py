"""How calls to an agency behind the bridge are proven: the document travels encrypted, with a token beside it.

Made by the registry for each REST operation of such an agency, which knows what the documents mean. Believes a reply
only with the agency's token over body, status and request, and hands on only what opens under a key that belongs to
that request.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from adapters import bridge_message
from adapters.agency_keys import public_file_of
from adapters.bridge_message import REPLY, REQUEST, TOKEN_HEADER, Envelope, Parties, ProvenEnvelope
from adapters.manifest import Manifest
from adapters.manifest_bridge import BridgeTerms
from adapters.secrets import AgencySecrets
from esb.contracts.json_contract import JsonOperation
from esb.errors import ContractUnsupported
from esb.model import Finding, Severity
from esb.ports import Claim, OutgoingCall, ProvenAnswer, RawAnswer
from esb.settings import Settings
from security import hybrid
from security.assertion import MIN_SECRET_BYTES, SharedKey
from security.errors import CertificateRejected, KeyUnavailable, SignatureInvalid
from security.hybrid import KEY_BYTES, Recipient, Unsealer

OWN_KEYS: Final = "bridge"
"""Folder below `home`/keys of the private keys that open replies; they sign nothing."""

_JSON: Final = "application/json"
_SERVICE: Final = re.compile(r"/[A-Za-z0-9._~-]*[A-Za-z0-9_~-][A-Za-z0-9._~-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeKeys:
    """What one agency's messages are sealed and opened with. `missing`: what keeps every call from being made."""

    terms: BridgeTerms
    token: SharedKey | None
    recipient: Recipient | None
    unsealer: Unsealer | None = None
    missing: str = ""

    def for_requests(self) -> tuple[SharedKey, Recipient]:
        """What makes tokens, and whom documents are sealed for. Raises KeyUnavailable when anything is missing."""
        if self.missing or self.token is None or self.recipient is None:
            raise KeyUnavailable(self.missing or "the keys of the bridge are missing")
        return self.token, self.recipient


class BridgeProof:
    """Implements `adapters.http_proof.HttpProof` for one operation in the bridge dialect."""

    signs = True

    def __init__(self, *, manifest: Manifest, operation: JsonOperation, base_url: str, keys: BridgeKeys) -> None:
        """`keys` that are missing: the operation loads and lints, and fails closed when called.

        Raises:
            ContractUnsupported: an operation that the bridge cannot carry.
        """
        _refuse_uncarriable(operation)
        terms, signature = keys.terms, manifest.signature
        self._agency = manifest.agency
        self._keys = keys
        self._ttl_s = signature.ttl_s
        self._max_age_s, self._clock_skew_s = signature.max_age_s, signature.clock_skew_s
        self._parties = Parties(client_id=terms.client_id, identity=terms.identity, operation=operation.name)
        self._url = f"{base_url.rstrip('/')}/api/1/{terms.identity}{operation.path}"
        self._claim_life = timedelta(seconds=signature.max_age_s + 2 * signature.clock_skew_s)

    def sign(self, call: OutgoingCall, *, now: datetime) -> OutgoingCall:
        """The call with its document sealed, at the bridge's address. Raises KeyUnavailable."""
        token_key, recipient = self._keys.for_requests()
        claims = bridge_message.request_claims(self._parties, now=now, ttl_s=self._ttl_s)
        request_id = str(claims["jti"])
        try:
            sealed = recipient.seal(call.body, context=self._parties.context(REQUEST, request_id), now=now)
        except CertificateRejected as error:
            raise KeyUnavailable(f"the key that {self._agency} is sealed for: {error.reason}") from error
        body = bridge_message.written(self._parties, encrypted_key=sealed.encrypted_key, payload=sealed.content)
        headers = {
            **call.headers,
            "accept": _JSON,
            "content-type": _JSON,
            TOKEN_HEADER: bridge_message.sealed_token(token_key, claims, body),
        }
        proof = sealed.key + request_id.encode()
        return msgspec.structs.replace(call, url=self._url, headers=headers, body=body, proof=proof)

    def verify(self, answer: RawAnswer, call: OutgoingCall, *, now: datetime) -> ProvenAnswer:
        """The opened document with its status, which the token proves too.

        Raises:
            SignatureMissing: no token at all.
            SecurityError: wrongly made, stale, to another request, or it does not open.
        """
        key, request_id = call.proof[:KEY_BYTES], call.proof[KEY_BYTES:].decode()
        found = self._proven(answer, request_id, now)
        content = self._opened(found.envelope, key, request_id)
        name = hashlib.sha256(found.jti.encode()).hexdigest()
        claim = Claim(key=f"bridge:{self._agency}:{name}", expires_at=now + self._claim_life)
        return ProvenAnswer(
            http_status=answer.http_status,
            content=content,
            signed_at=found.made_at,
            claims=(claim,),
            content_type=_JSON,
        )

    def _proven(self, answer: RawAnswer, request_id: str, now: datetime) -> ProvenEnvelope:
        parties = self._parties
        found = bridge_message.proven(
            answer.headers,
            answer.body,
            self._keys.for_requests()[0],
            issuer=parties.identity,
            audience=parties.client_id,
            expected={"operation": parties.operation, "request": request_id, "status": answer.http_status},
            now=now,
            max_age_s=self._max_age_s,
            clock_skew_s=self._clock_skew_s,
        )
        if (found.envelope.client_id, found.envelope.operation) != (parties.client_id, parties.operation):
            raise SignatureInvalid("bridge envelope is for somebody or something else")
        return found

    def _opened(self, envelope: Envelope, key: bytes, request_id: str) -> bytes:
        wrapped = bridge_message.key_of(envelope)
        if self._keys.unsealer is not None:
            key = self._keys.unsealer.unwrap(wrapped)
        elif wrapped:
            raise SignatureInvalid("bridge reply has a key of its own, which the manifest does not allow")
        payload = bridge_message.bytes_of(envelope.encrypted_payload, limit=hybrid.MAX_CONTENT_BYTES)
        return hybrid.open_with(key, payload, context=self._parties.context(REPLY, request_id))


def load_keys(
    manifest: Manifest, terms: BridgeTerms, settings: Settings, secrets: AgencySecrets
) -> tuple[BridgeKeys, tuple[Finding, ...]]:
    """The agency's keys as they lie under `home`, and warnings besides those of `secrets`."""
    folder = Path(settings.home) / "keys"
    token: SharedKey | None = None
    recipient: Recipient | None = None
    unsealer: Unsealer | None = None
    missing: list[str] = []
    secret = secrets.secret(terms.token_secret)
    if secret.is_there:
        token = SharedKey(secret=secret.reveal().encode())
    if token is not None and token.is_short:
        # Replies are proven by it as well, so that a short one is not the agency's own affair.
        missing.append(f"the secret {terms.token_secret} proves replies: it needs {MIN_SECRET_BYTES} bytes or more")
        token = None
    try:
        recipient = hybrid.load_recipient(public_file_of(settings, manifest.agency, terms.public_key))
        if terms.own_key:
            path = folder / OWN_KEYS / (terms.private_key or "")
            unsealer = hybrid.load_unsealer(path, passphrase=settings.key_passphrase)
    except KeyUnavailable as error:
        missing.append(error.reason)
    findings = tuple(Finding(file=manifest.file, line=0, message=text, severity=Severity.WARNING) for text in missing)
    return BridgeKeys(
        terms=terms,
        token=token,
        recipient=recipient,
        unsealer=unsealer,
        missing="; ".join([*missing, *([secret.missing] if secret.missing else [])]),
    ), findings


def _refuse_uncarriable(operation: JsonOperation) -> None:
    if operation.method != "POST" or operation.parameters or operation.body is None:
        raise ContractUnsupported(
            f"operation {operation.name}: the bridge carries POST with a request document and without parameters"
        )
    if not _SERVICE.fullmatch(operation.path):
        raise ContractUnsupported(
            f"operation {operation.name}: behind the bridge a path is one service name, as /TaxPayer"
        )
