"""Dialects of WS-Security as a manifest names them, between the bus and a running agency."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from adapters import agency_keys, registry
from adapters.transport import Transport
from esb.errors import AgencyFault, ReplyUnproven, RoutesInvalid
from security.errors import KeyUnavailable
from tests.support.soap_dialects import HEAT, running, written, wsdl

VERSIONS = pytest.mark.parametrize("suffix", ["", "12"], ids=["1.1", "1.2"])
UNBOUND = "signature: {confirmation: false}\n"

DIALECTS = {
    "plain": ("wsse-x509", ""),
    "ski": ("wsse-x509", "wsse: {key_reference: subject-key-identifier}\n"),
    "certificate": ("wsse-x509", "wsse: {key_reference: certificate}\n"),
    "thumbprint": ("wsse-x509", "wsse: {key_reference: thumbprint}\n"),
    "issuer-serial": ("wsse-x509", "wsse: {key_reference: issuer-serial}\n"),
    "x509-data": ("wsse-x509", "wsse: {key_reference: x509-data}\n"),
    "other in reply": ("wsse-x509", "wsse: {key_reference: thumbprint, reply_key_references: [certificate]}\n"),
    "no timestamp": ("wsse-x509", "wsse: {timestamp: false}\n"),
    "actor": ("wsse-x509", "wsse: {actor: 'urn:az:gov:gateway'}\n"),
    "signed digest": ("wsse-x509", "wsse: {username_token: {user: esb, password: pw, signed: true}}\n"),
    "text beside": ("wsse-x509", "wsse: {username_token: {user: esb, password: pw, type: text}}\n"),
    "digest": ("wsse-username", UNBOUND + "wsse: {username_token: {user: esb, password: pw}}\n"),
    "text": ("wsse-username", "wsse: {reply: unsigned, username_token: {user: esb, password: pw, type: text}}\n"),
    "timestamp alone": ("none", "wsse: {timestamp: true}\n"),
    "nothing": ("none", ""),
    "encrypted": ("wsse-x509", "wsse: {encrypt: body, encrypted_reply: true}\n"),
    "encrypted mgf1p": (
        "wsse-x509",
        (
            "wsse:\n  encrypt: body\n  encrypted_reply: true\n  key_reference: issuer-serial\n"
            "  encryption: {algorithm: AES-128-GCM, key_transport: rsa-oaep-mgf1p, key_reference: thumbprint}\n"
        ),
    ),
    "encrypted reply": ("wsse-x509", "wsse: {encrypted_reply: true}\n"),
    "unsigned reply": ("wsse-x509", "wsse: {reply: unsigned}\n"),
}


@VERSIONS
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_bus_and_agency_understand_each_other(tmp_path: Path, suffix: str, dialect: str) -> None:
    authentication, manifest = DIALECTS[dialect]
    settings = written(tmp_path, manifest=manifest, contract=wsdl(suffix=suffix), authentication=authentication)
    async with running(settings) as asking:
        answer = await asking.ask()
        assert answer.data == {"Debt": Decimal("12.50"), "Bill": []}
        assert not asking.simulator.refusals
        call = asking.called({"Pin": "7TESTX1"})
        assert (b"7TESTX1" in call.body) == (dialect not in {"encrypted", "encrypted mgf1p"})


SIGNING = [name for name, (authentication, _) in DIALECTS.items() if authentication == "wsse-x509"]


@pytest.mark.parametrize("dialect", [name for name in SIGNING if name != "unsigned reply"])
@pytest.mark.parametrize("behaviour", ["unsigned", "sign-wrong", "sign-other-body", "expired-certificate"])
async def test_forged_replies_are_refused_in_every_dialect(tmp_path: Path, dialect: str, behaviour: str) -> None:
    authentication, manifest = DIALECTS[dialect]
    async with running(written(tmp_path, manifest=manifest, authentication=authentication)) as asking:
        await asking.behave(behaviour)
        with pytest.raises(ReplyUnproven):
            await asking.ask()


@pytest.mark.parametrize("dialect", [name for name in SIGNING if name not in {"no timestamp", "unsigned reply"}])
async def test_old_replies_are_refused_where_a_time_was_agreed_on(tmp_path: Path, dialect: str) -> None:
    authentication, manifest = DIALECTS[dialect]
    async with running(written(tmp_path, manifest=manifest, authentication=authentication)) as asking:
        await asking.behave("stale")
        with pytest.raises(ReplyUnproven):
            await asking.ask()


async def test_signature_without_time_is_remembered_for_years(tmp_path: Path) -> None:
    async with running(written(tmp_path, manifest="wsse: {timestamp: false}\n")) as asking:
        call = asking.called({"Pin": "7TESTX1"})
        (claim,) = asking.proven(await asking.sent(call), call).claims
        assert claim.expires_at.year > 2030
        assert any("old one is told from a new one by its signature alone" in warning for warning in asking.warnings)


@pytest.mark.parametrize("dialect", ["digest", "text", "signed digest"])
async def test_wrong_name_is_refused_by_the_agency(tmp_path: Path, dialect: str) -> None:
    authentication, manifest = DIALECTS[dialect]
    settings = written(tmp_path, manifest=manifest, authentication=authentication)
    async with running(settings) as asking:
        call = asking.called({"Pin": "7TESTX1"})
        spoilt = call.body.replace(b">esb</wsse:Username>", b">esc</wsse:Username>")
        assert spoilt != call.body
        await asking.sent(type(call)(method="POST", url=call.url, headers=call.headers, body=spoilt))
        assert list(asking.simulator.refusals.values()) == [1]


async def test_token_is_taken_once(tmp_path: Path) -> None:
    authentication, manifest = DIALECTS["digest"]
    async with running(written(tmp_path, manifest=manifest, authentication=authentication)) as asking:
        call = asking.called({"Pin": "7TESTX1"})
        assert (await asking.sent(call)).http_status == 200
        assert (await asking.sent(call)).http_status == 500
        assert asking.simulator.refusals == {"Client.Security.MessageReplayed": 1}


async def test_refusal_of_the_agency_is_its_fault_in_its_words(tmp_path: Path) -> None:
    async with running(written(tmp_path, manifest="wsse: {key_reference: thumbprint}\n")) as asking:
        call = asking.called({"Pin": "7TESTX1"})
        await asking.sent(call)
        raw = await asking.sent(call)
        with pytest.raises(AgencyFault) as caught:
            asking.operation().decode(asking.proven(raw, call))
        assert caught.value.agency_code == "Client.Security.MessageReplayed"


async def test_missing_secret_fails_every_call_with_the_command_that_sets_it(tmp_path: Path) -> None:
    authentication, manifest = DIALECTS["digest"]
    settings = written(tmp_path, manifest=manifest, authentication=authentication)
    async with running(settings):
        (tmp_path / "home" / "secrets" / "heat" / "pw").unlink()
        async with Transport() as transport:
            operation = registry.load(settings, agency_keys.load(settings), transport).operation(HEAT, "GetDebt")
    document = operation.encode({"Pin": "7TESTX1"})
    with pytest.raises(KeyUnavailable, match="esb keys secret set heat pw"):
        operation.sign(document, message_id="m", traceparent=None, now=datetime.now(UTC))


REFUSED = [
    ("wsse-username", "", "wsse-username needs wsse.username_token"),
    ("none", "wsse: {username_token: {user: a, password: b}}\n", "authentication: wsse-username"),
    ("none", "wsse: {encrypt: body}\n", "needs authentication: wsse-x509"),
    ("none", "wsse: {timestamp: false}\n", "remove it"),
    ("wsse-x509", "wsse: {encrypted_reply: true, reply: unsigned}\n", "must be signed"),
    ("wsse-username", "wsse: {username_token: {user: a, password: b}}\n", "set signature.confirmation: false"),
    ("wsse-username", UNBOUND + "wsse: {username_token: {user: a, password: b, signed: true}}\n", "can sign"),
    ("none", "wsse: {sign_headers: [x-road]}\n", "signs headers"),
    ("wsse-x509", "wsse: {encryption: {algorithm: AES-256-CBC}}\n", "'AES-256-CBC' is not one of"),
    ("wsse-x509", "wsse: {key_referense: direct}\n", "unknown key 'key_referense'"),
]


@pytest.mark.parametrize(("authentication", "manifest", "words"), REFUSED)
async def test_contradictions_are_refused_at_load(
    tmp_path: Path, authentication: str, manifest: str, words: str
) -> None:
    with pytest.raises(RoutesInvalid) as caught:
        async with running(written(tmp_path, manifest=manifest, authentication=authentication)):
            pass
    assert any(words in str(finding) for finding in caught.value.findings)


async def test_unsigned_replies_are_allowed_and_warned_about(tmp_path: Path) -> None:
    async with running(written(tmp_path, manifest="wsse: {reply: unsigned}\n")) as asking:
        assert any("replies are not signed" in warning for warning in asking.warnings)
