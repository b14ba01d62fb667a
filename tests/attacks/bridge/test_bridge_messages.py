"""Replies and requests in the bridge dialect that must not be believed, each wrong in one way."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters import bridge_message
from adapters.bridge import BridgeKeys, BridgeProof
from adapters.bridge_message import REPLY, REQUEST, TOKEN_HEADER, Parties
from adapters.manifest_bridge import BridgeTerms
from adapters.simulator.bridge import BridgeDialect
from adapters.simulator.dialect import Incoming, Refusal
from adapters.simulator.register import AgencyReply, OperationRecords, Register
from adapters.simulator.rest_answers import RestAnswers
from esb.contracts.json_contract import JsonContract
from esb.errors import ContractUnsupported
from esb.ports import OutgoingCall, RawAnswer
from security import hybrid
from security.assertion import SharedKey
from security.errors import KeyUnavailable, SecurityError, SignatureMissing
from security.hybrid import KEY_BYTES, Unsealer
from tests.support.guarded_agency import TAX
from tests.support.keys import NOW
from tests.support.soap_agency import manifest_of

OPERATION = "WS_AKB_GET_TAX_PAYER_INFO"
TOKEN = SharedKey(secret=b"t" * 32)
TERMS = BridgeTerms(
    identity="7d0c3c52-3f0e-4a86-9a55-0d4f6f1f2a10",
    client_id="b7f5a2de-41c5-4f0f-8d8e-0b1f2c6f4e77",
    token_secret="bridge-token",
    public_key="bridge.pem",
)
PARTIES = Parties(client_id=TERMS.client_id, identity=TERMS.identity, operation=OPERATION)
CONTENT = b'{"voen":"1234567890","name":"x","debt":1}'
PLAIN = OutgoingCall(method="POST", url="http://127.0.0.1:9/TaxPayer", headers={}, body=b'{"voen":"1234567890"}')


@cache
def agency() -> Unsealer:
    return hybrid.generate()


@cache
def operation() -> Any:
    return JsonContract({"openapi.yaml": TAX.encode()}, "openapi.yaml").operation(OPERATION)


def proof(**changes: Any) -> BridgeProof:
    keys = BridgeKeys(**{"terms": TERMS, "token": TOKEN, "recipient": agency().recipient, **changes})
    return BridgeProof(
        manifest=manifest_of("tn-tm"), operation=operation(), base_url="https://bridge.example/proxy/", keys=keys
    )


def asked() -> OutgoingCall:
    return proof().sign(PLAIN, now=NOW)


def reply(
    call: OutgoingCall,
    *,
    claims: dict[str, Any] | None = None,
    envelope: dict[str, Any] | None = None,
    token: SharedKey = TOKEN,
    status: int = 200,
    context: bytes | None = None,
    key: bytes | None = None,
) -> RawAnswer:
    """A good reply, but for what is given; a claim or field that is given as None is left out."""
    own_key, request_id = call.proof[:KEY_BYTES], call.proof[KEY_BYTES:].decode()
    payload = hybrid.seal_with(key or own_key, CONTENT, context=context or PARTIES.context(REPLY, request_id))
    fields = {
        "clientId": TERMS.client_id,
        "operation": OPERATION,
        "encryptedPayload": base64.b64encode(payload).decode(),
        **(envelope or {}),
    }
    body = json.dumps({name: value for name, value in fields.items() if value is not None}).encode()
    said = bridge_message.reply_claims(PARTIES, request_id=request_id, http_status=200, now=NOW, ttl_s=60)
    said = {name: value for name, value in {**said, **(claims or {})}.items() if value is not None}
    headers = {"content-type": "application/json", TOKEN_HEADER: bridge_message.sealed_token(token, said, body)}
    return RawAnswer(http_status=status, headers=headers, body=body)


def test_reply_is_good_before_it_is_spoilt() -> None:
    call = asked()
    proven = proof().verify(reply(call), call, now=NOW)
    assert proven.content == CONTENT
    assert proven.signed_at == NOW
    assert call.url == f"https://bridge.example/proxy/api/1/{TERMS.identity}/TaxPayer"


def test_request_is_what_the_published_shape_says() -> None:
    call = asked()
    envelope = json.loads(call.body)
    assert set(envelope) == {"clientId", "operation", "encryptedKey", "encryptedPayload"}
    assert call.headers["content-type"] == "application/json"
    assert b"1234567890" not in call.body


LONG_AGO = int((NOW - timedelta(hours=1)).timestamp())

SPOILT: dict[str, Callable[[OutgoingCall], RawAnswer]] = {
    "token of another secret": lambda call: reply(call, token=SharedKey(secret=b"u" * 32)),
    "by somebody else": lambda call: reply(call, claims={"iss": TERMS.client_id}),
    "for somebody else": lambda call: reply(call, claims={"aud": TERMS.identity}),
    "about another operation": lambda call: reply(call, claims={"operation": "OTHER"}),
    "about no operation": lambda call: reply(call, claims={"operation": None}),
    "to another request": lambda call: reply(call, claims={"request": "another"}),
    "to no request": lambda call: reply(call, claims={"request": None}),
    "with another status": lambda call: reply(call, status=404),
    "with a status of another type": lambda call: reply(call, claims={"status": 200.0}),
    "with a status that is true": lambda call: reply(call, claims={"status": True}),
    "with no status": lambda call: reply(call, claims={"status": None}),
    "long ago": lambda call: reply(call, claims={"iat": LONG_AGO}),
    "expired": lambda call: reply(call, claims={"exp": LONG_AGO}),
    "at no time": lambda call: reply(call, claims={"iat": None}),
    "at a time that is none": lambda call: reply(call, claims={"iat": "now"}),
    "for ever": lambda call: reply(call, claims={"exp": LONG_AGO + 10**6}),
    "without jti": lambda call: reply(call, claims={"jti": None}),
    "envelope of another client": lambda call: reply(call, envelope={"clientId": TERMS.identity}),
    "envelope of another operation": lambda call: reply(call, envelope={"operation": "OTHER"}),
    "envelope without payload": lambda call: reply(call, envelope={"encryptedPayload": None}),
    "envelope with a number": lambda call: reply(call, envelope={"encryptedPayload": 7}),
    "payload that is no base64": lambda call: reply(call, envelope={"encryptedPayload": "%%%"}),
    "payload in the other base64": lambda call: reply(call, envelope={"encryptedPayload": "-_" * 30}),
    "payload that is empty": lambda call: reply(call, envelope={"encryptedPayload": ""}),
    "a key of its own": lambda call: reply(call, envelope={"encryptedKey": base64.b64encode(b"k" * 384).decode()}),
    "under another key": lambda call: reply(call, key=b"k" * 32),
    "sealed as a request": lambda call: reply(call, context=PARTIES.context(REQUEST, call.proof[KEY_BYTES:].decode())),
    "sealed for another request": lambda call: reply(call, context=PARTIES.context(REPLY, "another")),
    "with another body": lambda call: msgspec.structs.replace(reply(call), body=reply(call).body),
    "the request itself": lambda call: RawAnswer(http_status=200, headers=dict(call.headers), body=call.body),
    "without token": lambda call: msgspec.structs.replace(reply(call), headers={"content-type": "application/json"}),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_reply_that_is_wrong_in_one_way_is_not_believed(spoil: Callable[[OutgoingCall], RawAnswer]) -> None:
    call = asked()
    with pytest.raises(SecurityError):
        proof().verify(spoil(call), call, now=NOW)


def test_reply_without_token_is_told_apart() -> None:
    call = asked()
    with pytest.raises(SignatureMissing):
        proof().verify(SPOILT["without token"](call), call, now=NOW)


@settings(deadline=None)  # the machine may be busy
@given(body=st.binary(max_size=80))
def test_body_that_is_no_envelope_is_refused_even_with_its_token(body: bytes) -> None:
    call = asked()
    claims = bridge_message.reply_claims(
        PARTIES, request_id=call.proof[KEY_BYTES:].decode(), http_status=200, now=NOW, ttl_s=60
    )
    headers = {TOKEN_HEADER: bridge_message.sealed_token(TOKEN, claims, body)}
    with pytest.raises(SecurityError):
        proof().verify(RawAnswer(http_status=200, headers=headers, body=body), call, now=NOW)


def test_envelope_of_deep_json_is_refused() -> None:
    call = asked()
    body = b'{"a":' * 5000
    claims = bridge_message.reply_claims(
        PARTIES, request_id=call.proof[KEY_BYTES:].decode(), http_status=200, now=NOW, ttl_s=60
    )
    headers = {TOKEN_HEADER: bridge_message.sealed_token(TOKEN, claims, body)}
    with pytest.raises(SecurityError, match="cannot be read"):
        proof().verify(RawAnswer(http_status=200, headers=headers, body=body), call, now=NOW)


@pytest.mark.parametrize("changes", [{"token": None}, {"recipient": None}, {"missing": "bridge.pem is gone"}])
def test_nothing_is_sealed_or_believed_without_all_keys(changes: dict[str, Any]) -> None:
    call = asked()
    with pytest.raises(KeyUnavailable):
        proof(**changes).sign(PLAIN, now=NOW)
    with pytest.raises(KeyUnavailable):
        proof(**changes).verify(reply(call), call, now=NOW)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("    post:", "    put:", "carries POST"),
        ("/TaxPayer", "/tax/payer", "one service name"),
        ("/TaxPayer", "/..", "one service name"),
        (
            "      requestBody:",
            "      parameters: [{name: q, in: query, schema: {}}]\n      requestBody:",
            "carries POST",
        ),
    ],
)
def test_operation_that_the_bridge_cannot_carry_is_refused_at_load(old: str, new: str, reason: str) -> None:
    contract = JsonContract({"openapi.yaml": TAX.replace(old, new).encode()}, "openapi.yaml")
    keys = BridgeKeys(terms=TERMS, token=TOKEN, recipient=agency().recipient)
    with pytest.raises(ContractUnsupported, match=reason):
        BridgeProof(
            manifest=manifest_of("tn-tm"), operation=contract.operation(OPERATION), base_url="https://b", keys=keys
        )


# --- the agency's side -----------------------------------------------------------------------------------


def dialect() -> BridgeDialect:
    records = Register(
        agency="tax",
        tables={"payers": {}},
        operations={
            OPERATION: OperationRecords(
                key="body.voen",
                table="payers",
                found={},
                missing=AgencyReply(http_status=404, document={"title": "nobody"}),
            )
        },
    )
    return BridgeDialect(
        answers=RestAnswers(operations={OPERATION: operation()}, records=records),
        terms=TERMS,
        signature=manifest_of("tn-tm").signature,
        token=TOKEN,
        own=agency(),
        bus=None,
    )


def incoming(call: OutgoingCall, **changes: Any) -> Incoming:
    plain = {"method": call.method, "url": call.url, "headers": call.headers, "body": call.body}
    return Incoming(**{**plain, **changes})


def test_request_is_taken_once() -> None:
    there, call = dialect(), asked()
    assert there.open(incoming(call), now=NOW).values == {"body": {"voen": "1234567890"}}
    with pytest.raises(Refusal) as caught:
        there.open(incoming(call), now=NOW)
    assert caught.value.code == "MessageReplayed"


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "GET"},
        {"url": "https://bridge.example/api/1/00000000-0000-0000-0000-000000000000/TaxPayer"},
        {"url": f"https://bridge.example/api/1/{TERMS.identity}/Other"},
        {"headers": {}},
        {"body": b"{}"},
    ],
)
def test_request_that_is_wrong_in_one_way_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        dialect().open(incoming(asked(), **changes), now=NOW)


def test_request_sealed_for_another_agency_is_refused() -> None:
    stranger = hybrid.generate().recipient
    with pytest.raises(Refusal) as caught:
        dialect().open(incoming(proof(recipient=stranger).sign(PLAIN, now=NOW)), now=NOW)
    assert caught.value.code == "SignatureInvalid"
