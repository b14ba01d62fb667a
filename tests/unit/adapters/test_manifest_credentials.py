"""The blocks `credentials` and `bridge` of a manifest: what they say, and what they cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters import manifest
from adapters.manifest import Manifest
from esb.model import Finding

REST = """\
agency: azsu
title: {az: "Azərsu", en: "Water company"}
owner: Azərsu
contact: {name: Dəstək, email: destek@azsu.example}
legal_basis: Cabinet decision 191/2011
kind: rest
contract: {version: v1, file: openapi.yaml}
lifecycle: test
"""
SIGNED = "authentication: http-signature\n"
BRIDGE = """\
authentication: bridge
bridge:
  identity: 7d0c3c52-3f0e-4a86-9a55-0d4f6f1f2a10
  client_id: b7f5a2de-41c5-4f0f-8d8e-0b1f2c6f4e77
  token_secret: bridge-token
  public_key: bridge.pem
"""
OAUTH2 = "{token_url: https://login.example/token, client_id: esb, client_secret: client}"


def loaded(folder: Path, text: str) -> tuple[Manifest | None, tuple[Finding, ...]]:
    path = folder / "azsu" / "adapter.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(REST + text, encoding="utf-8")
    return manifest.read(path)


def read(folder: Path, text: str) -> Manifest:
    found, findings = loaded(folder, text)
    assert findings == ()
    assert found is not None
    return found


def test_block_is_left_out_by_most(tmp_path: Path) -> None:
    found = read(tmp_path, SIGNED)
    assert found.credentials is None
    assert found.bridge is None


def test_every_kind_of_credential_has_the_safe_defaults(tmp_path: Path) -> None:
    text = f"""credentials:
  api_key: {{name: X-Api-Key, secret: key}}
  oauth2: {OAUTH2}
  jwt: {{header: X-Bus-Token, issuer: esb, audience: azsu, claims: {{role: reader}}}}
"""
    terms = read(tmp_path, SIGNED + text).credentials
    assert terms is not None
    assert terms.basic is None
    assert terms.api_key is not None
    assert terms.api_key.place == "header"
    assert terms.oauth2 is not None
    assert (terms.oauth2.client_authentication, terms.oauth2.algorithm, terms.oauth2.scope) == ("basic", "ES256", None)
    assert terms.jwt is not None
    assert (terms.jwt.algorithm, terms.jwt.ttl_s, terms.jwt.prefix) == ("ES256", 60, "")
    assert terms.jwt.claims == {"role": "reader"}


def test_token_in_authorization_has_the_scheme_bearer_unless_another_is_named(tmp_path: Path) -> None:
    for scheme, prefix in (("", "Bearer "), (", scheme: JWT", "JWT ")):
        text = f"credentials: {{jwt: {{issuer: esb, audience: azsu{scheme}}}}}\n"
        terms = read(tmp_path, SIGNED + text).credentials
        assert terms is not None
        assert terms.jwt is not None
        assert terms.jwt.prefix == prefix


CONTRADICTIONS = [
    ("{}", "credentials names none"),
    ("{basic: {user: esb, password: p}, oauth2: OAUTH2}", "would both set the header Authorization"),
    ("{basic: {user: esb, password: p}, jwt: {issuer: e, audience: a}}", "would both set the header Authorization"),
    (
        "{api_key: {name: X-Token, secret: k}, jwt: {header: x-token, issuer: e, audience: a}}",
        "would both set the header x-token",
    ),
    ("{api_key: {name: Authorization, secret: k}, oauth2: OAUTH2}", "would both set"),
    ("{api_key: {name: Signature, secret: k}}", "the header Signature is set by the bus"),
    ("{api_key: {name: Host, secret: k}}", "the header Host is set by the bus"),
    ("{jwt: {header: Content-Type, issuer: e, audience: a}}", "the header Content-Type is set by the bus"),
    ("{api_key: {in: query, name: key, secret: k}}", "would change the URL that the HTTP signature covers"),
    ("{oauth2: {token_url: https://x.example/t, client_id: e}}", "basic needs client_secret"),
    (
        "{oauth2: {token_url: https://x.example/t, client_id: e, client_authentication: post}}",
        "post needs client_secret",
    ),
    (
        "{oauth2: {token_url: https://x.example/t, client_id: e, client_secret: s, client_authentication: KEY_JWT}}",
        "remove client_secret",
    ),
    ("{oauth2: {token_url: http://x.example/t, client_id: e, client_secret: s}}", "is not https"),
    ("{oauth2: {token_url: http://127.0.0.1.x.example/t, client_id: e, client_secret: s}}", "is not https"),
    ("{jwt: {algorithm: HS256, issuer: e, audience: a}}", "HS256 needs secret"),
    ("{jwt: {algorithm: RS256, secret: s, issuer: e, audience: a}}", "remove secret"),
    ("{jwt: {issuer: e, audience: a, claims: {sub: x}}}", "sub is set by the bus"),
    ("{basic: {user: 'a:b', password: p}}", "does not have the form"),
    ("{basic: {user: a, password: ../../keys/bus/x}}", "this is the name of a secret"),
    ("{basic: {user: a, password: .hidden}}", "this is the name of a secret"),
    ("{api_key: {name: 'X Y', secret: k}}", "does not have the form"),
    ("{api_key: {name: X, secret: k, inn: header}}", "unknown key 'inn'"),
]


@pytest.mark.parametrize(("block", "message"), CONTRADICTIONS)
def test_block_that_cannot_work_is_refused_with_its_line(tmp_path: Path, block: str, message: str) -> None:
    found, findings = loaded(
        tmp_path, f"{SIGNED}credentials: {block}\n".replace("OAUTH2", OAUTH2).replace("KEY_JWT", "private_key_jwt")
    )
    assert found is None
    assert any(message in finding.message for finding in findings), findings
    assert all(finding.line == 10 for finding in findings)


def test_bridge_says_who_both_ends_are(tmp_path: Path) -> None:
    found = read(tmp_path, BRIDGE)
    assert found.bridge is not None
    assert not found.bridge.own_key
    own = read(tmp_path, BRIDGE + "  reply_key: own\n  private_key: own.pem\n").bridge
    assert own is not None
    assert own.own_key


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("authentication: bridge\n", "go together"),
        (BRIDGE.replace("authentication: bridge", "authentication: none"), "go together"),
        (BRIDGE + "  reply_key: own\n", "needs private_key"),
        (BRIDGE + "  private_key: own.pem\n", "remove it"),
        (BRIDGE.replace("7d0c3c52-", "../"), "does not have the form"),
        (BRIDGE.replace("bridge.pem", "../bridge.pem"), "does not have the form"),
    ],
)
def test_bridge_that_cannot_work_is_refused(tmp_path: Path, text: str, message: str) -> None:
    found, findings = loaded(tmp_path, text)
    assert found is None
    assert any(message in finding.message for finding in findings), findings


def test_soap_agency_has_no_bridge(tmp_path: Path) -> None:
    path = tmp_path / "azsu" / "adapter.yaml"
    path.parent.mkdir()
    path.write_text((REST + BRIDGE).replace("kind: rest", "kind: soap"), encoding="utf-8")
    found, findings = manifest.read(path)
    assert found is None
    assert "cannot use bridge" in findings[0].message


@pytest.mark.parametrize("password", ['"Hunter2Hunter2!"', "Hunter2", "20261121", "hunter_2", "true"])
@pytest.mark.parametrize(
    "block",
    [
        "credentials: {{basic: {{user: a, password: {}}}}}",
        "credentials: {{api_key: {{name: X-Key, secret: {}}}}}",
        "credentials: {{jwt: {{algorithm: HS256, secret: {}, issuer: e, audience: a}}}}",
    ],
)
def test_a_password_where_a_secrets_name_belongs_is_refused_and_not_repeated(
    tmp_path: Path, block: str, password: str
) -> None:
    found, findings = loaded(tmp_path, f"{SIGNED}{block.format(password)}\n")
    assert found is None
    told = "\n".join(str(finding) for finding in findings)
    assert "this is the name of a secret" in told
    assert "esb keys secret set" in told
    assert password.strip('"') not in told
