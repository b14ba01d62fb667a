"""Who may ask: every forged, worn-out or foreign proof of identity ends with a refusal that tells nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from security import jws, keys
from security.keys import Algorithm
from tests.support.agencies import Agencies
from tests.support.bus import LiveBus
from tests.support.replies import check, recorded

Forge = Callable[[LiveBus], str]


def encoded(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def claims(**changes: Any) -> dict[str, Any]:
    now = int(datetime.now(UTC).timestamp())
    return {"iss": "portal", "aud": "esb", "iat": now, "exp": now + 60, "jti": f"forged-{now}", **changes}


def signed(bus: LiveBus, header: dict[str, Any], payload: dict[str, Any]) -> str:
    text = f"{encoded(header)}.{encoded(payload)}"
    signature = base64.urlsafe_b64encode(bus.key_of("portal").sign(text.encode())).rstrip(b"=").decode()
    return f"{text}.{signature}"


def at(moment: timedelta, **more: Any) -> Forge:
    return lambda bus: bus.token(now=datetime.now(UTC) + moment, **more)


def by_a_foreign_key(bus: LiveBus) -> str:
    stranger = keys.generate(Algorithm.ES256, datetime.now(UTC))
    return jws.mint_token(stranger, issuer="portal", audience="esb", now=datetime.now(UTC))


def by_another_caller(bus: LiveBus) -> str:
    return jws.mint_token(bus.key_of("eesmn"), issuer="portal", audience="esb", now=datetime.now(UTC))


def with_the_bus_key(bus: LiveBus) -> str:
    public = json.loads(bus.send("GET", "/.well-known/jwks.json", caller=None).body)["keys"][0]
    header = {"alg": "HS256", "kid": public["kid"]}
    return f"{encoded(header)}.{encoded(claims())}.{encoded(public)}"


@pytest.mark.parametrize(
    "forge",
    [
        at(timedelta(hours=-1)),
        at(timedelta(hours=1)),
        at(timedelta(), ttl_s=3600),
        at(timedelta(), audience="another-bus"),
        at(timedelta(), issuer="eesmn"),
        at(timedelta(), issuer="nobody"),
        by_a_foreign_key,
        by_another_caller,
        with_the_bus_key,
        lambda _: f"{encoded({'alg': 'none'})}.{encoded(claims())}.",
        lambda _: f"{encoded({'alg': 'none'})}.{encoded(claims())}.AA",
        lambda bus: signed(bus, {"alg": "none", "kid": bus.key_of("portal").kid}, claims()),
        lambda bus: signed(bus, {"alg": "ES256", "crit": ["b64"], "b64": False}, claims()),
        lambda bus: signed(bus, {"alg": "ES256"}, {k: v for k, v in claims().items() if k != "jti"}),
        lambda bus: signed(bus, {"alg": "ES256"}, {k: v for k, v in claims().items() if k != "exp"}),
        lambda bus: signed(bus, {"alg": "ES256"}, claims(exp="later")),
        lambda bus: signed(bus, {"alg": "ES256"}, claims(iss=["portal"])),
        lambda bus: bus.token()[:-4] + "AAAA",
        lambda bus: bus.token().rpartition(".")[0] + ".",
        lambda _: "not-a-token",
        lambda _: "a.b.c",
    ],
    ids=[
        "expired", "not yet", "long-lived", "wrong audience", "issuer of another key", "unknown issuer", "foreign key",
        "key of another caller", "symmetric with the public key", "none", "none with signature", "none well signed",
        "critical header", "no jti", "no exp", "exp is text", "issuer is a list", "signature changed", "unsigned",
        "no token", "no JSON",
    ],
)  # fmt: skip
async def test_a_token_that_does_not_hold_is_refused(bus: LiveBus, agencies: Agencies, forge: Forge) -> None:
    got = bus.ask("person.identity", token=forge(bus))
    check(bus, got, 401, "caller.token", advice="FIX")
    assert got.reply["status"] == "ACCESS_DENIED"
    assert got.headers["www-authenticate"].startswith("Bearer")
    record = recorded(bus, got)[0]
    assert (record["code"], record.get("caller")) == ("caller.token", None)
    assert await agencies.calls("din-reg") == {}


def test_no_credentials_are_refused_everywhere_they_are_needed(bus: LiveBus) -> None:
    for method, path in (
        ("POST", "/v1/routes/person.identity"),
        ("GET", "/v1/routes"),
        ("GET", "/v1/routes/person.identity"),
        ("GET", "/v1/messages/0b2f6a1e-3c54-4d7b-9a10-5f8e2c7d6b43"),
        ("GET", "/v1/replies"),
        ("POST", "/v1/replies/0b2f6a1e-3c54-4d7b-9a10-5f8e2c7d6b43/ack"),
    ):
        body = b'{"subject": {"scheme": "FIN", "value": "7TESTX1"}}' if path.endswith("identity") else b""
        got = bus.send(
            method, path, body if method == "POST" else b"", {"Content-Type": "application/json"}, caller=None
        )
        check(bus, got, 401, "caller.unknown", advice="FIX")


def test_a_token_is_good_for_one_request_only(bus: LiveBus) -> None:
    token = bus.token()
    assert bus.ask("person.identity", token=token).status == 200
    for got in (
        bus.ask("person.identity", token=token),
        bus.ask("credit.obligations", token=token),
        bus.send("GET", "/v1/routes", token=token),
    ):
        check(bus, got, 401, "caller.token-used", advice="FIX")


def test_a_token_of_a_refused_question_is_not_worn_out_by_a_replay_of_the_reply(bus: LiveBus) -> None:
    headers = {"Message-Id": "6f1c0f60-7a30-4a53-8b5e-6a3d0c5e1a11"}
    first = bus.ask("person.identity", headers=headers)
    token = bus.token()
    assert bus.ask("person.identity", headers=headers, token=token).body == first.body
    check(bus, bus.ask("person.identity", headers=headers, token=token), 401, "caller.token-used")


def test_a_caller_learns_nothing_of_routes_without_a_grant(bus: LiveBus) -> None:
    got = bus.ask("person.address", caller="eesmn")
    check(bus, got, 403, "caller.no-grant", advice="CONTACT_OPERATOR")
    assert recorded(bus, got)[0]["caller"] == "eesmn"
    listed = bus.send("GET", "/v1/routes", caller="eesmn").reply["routes"]
    assert [route["id"] for route in listed] == ["credit.obligations", "person.identity"]
    check(bus, bus.send("GET", "/v1/routes/person.address", caller="eesmn"), 404, "route.unknown")
    for caller in ("eesmn", None):
        description = bus.send("GET", "/openapi.json", caller=caller).body.decode()
        assert "person.address" not in description
    assert "person.identity" not in bus.send("GET", "/openapi.json", caller=None).body.decode()


@pytest.mark.parametrize("purpose", ["curiosity", "VEMTAS APPLICATION", "VEMTAS application ", None])
def test_a_grant_for_one_purpose_covers_no_other(bus: LiveBus, purpose: str | None) -> None:
    fields = {} if purpose is None else {"purpose": purpose}
    body = json.dumps({"subject": {"scheme": "FIN", "value": "7TESTX1"}, **fields}).encode()
    got = bus.post("person.identity", body, caller="eesmn")
    check(bus, got, 403, "caller.no-grant", path="/purpose", advice="CONTACT_OPERATOR")
    assert bus.ask("person.identity", caller="eesmn").status == 200


def test_a_stranger_is_told_the_same_for_routes_that_exist_and_that_do_not(bus: LiveBus) -> None:
    def told(route: str) -> object:
        return bus.ask(route, token="a.b.c").reply["faults"]

    assert told("person.identity") == told("person.nothing")


def test_another_scheme_of_authorisation_is_refused_with_the_right_one(bus: LiveBus) -> None:
    body = b'{"subject": {"scheme": "FIN", "value": "7TESTX1"}}'
    for value, code in (
        ("Basic cG9ydGFsOng=", "caller.unknown"),
        ("Bearer", "caller.token"),
        ("Bearer a b", "caller.token"),
    ):
        headers = {"Authorization": value, "Content-Type": "application/json"}
        got = bus.send("POST", "/v1/routes/person.identity", body, headers, caller=None)
        check(bus, got, 401, code, advice="FIX")
        assert got.headers["www-authenticate"].startswith("Bearer")
