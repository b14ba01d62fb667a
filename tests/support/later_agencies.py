"""Agencies that answer later, one for each way: a ticket, an answer brought (SOAP, JSON), files, signed batches.

They speak one small contract, have routes of their own, and are simulated by the product's simulator in a process of
their own. `LaterBus` is a bus that knows them.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from typing import Any

import msgspec

from esb import operations
from esb.contracts import catalogue
from esb.settings import Settings
from tests.support import agencies as simulated
from tests.support import bus as buses
from tests.support.bus import LiveBus

NAMES = ("pay-poll", "pay-push", "pay-rest", "pay-file", "pay-batch")
FINS = tuple(f"7TEST{a}{b}" for a in "ABCDEFGH" for b in "ABCDEFGH")

_WSDL = """<?xml version="1.0" encoding="UTF-8"?>
<wsdl:definitions name="Payouts" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/"
    xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:p="urn:test:payouts:v1"
    targetNamespace="urn:test:payouts:v1">
  <wsdl:types>
    <xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:test:payouts:v1"
        targetNamespace="urn:test:payouts:v1" elementFormDefault="qualified">
      <xs:simpleType name="Pin"><xs:restriction base="xs:string"><xs:pattern value="[0-9A-HJ-NP-Z]{7}"/>
      </xs:restriction></xs:simpleType>
      <xs:complexType name="Decided"><xs:sequence>
        <xs:element name="Ticket" type="xs:string" minOccurs="0"/>
        <xs:element name="Status" type="xs:string"/>
        <xs:element name="Decision" type="xs:string" minOccurs="0"/>
      </xs:sequence></xs:complexType>
      <xs:element name="SubmitPayoutRequest"><xs:complexType><xs:sequence>
        <xs:element name="Pin" type="Pin"/></xs:sequence></xs:complexType></xs:element>
      <xs:element name="SubmitPayoutResponse"><xs:complexType><xs:sequence>
        <xs:element name="Ticket" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
      <xs:element name="GetPayoutRequest"><xs:complexType><xs:sequence>
        <xs:element name="Ticket" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
      <xs:element name="GetPayoutResponse" type="Decided"/>
      <xs:element name="DecidePayoutRequest"><xs:complexType><xs:sequence>
        <xs:element name="Pin" type="Pin"/></xs:sequence></xs:complexType></xs:element>
      <xs:element name="DecidePayoutResponse" type="Decided"/>
    </xs:schema>
  </wsdl:types>
  {messages}
  <wsdl:portType name="Payouts">{port_operations}</wsdl:portType>
  <wsdl:binding name="Payouts" type="p:Payouts">
    <soap:binding style="document" transport="http://schemas.xmlsoap.org/soap/http"/>{bindings}
  </wsdl:binding>
  <wsdl:service name="Payouts"><wsdl:port name="Payouts" binding="p:Payouts">
    <soap:address location="http://payouts.example/"/></wsdl:port></wsdl:service>
</wsdl:definitions>
"""
_OPERATIONS = ("SubmitPayout", "GetPayout", "DecidePayout")

_OPENAPI = {
    "openapi": "3.1.0",
    "info": {"title": "Payouts", "version": "1"},
    "paths": {
        "/payouts": {
            "post": {
                "operationId": "submitPayout",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {"pin": {"type": "string", "pattern": "^[0-9A-HJ-NP-Z]{7}$"}},
                                "required": ["pin"],
                                "additionalProperties": False,
                            }
                        }
                    },
                },
                "responses": {
                    "200": {
                        "description": "accepted",
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "properties": {"ticket": {"type": "string"}},
                                    "required": ["ticket"],
                                    "additionalProperties": False,
                                }
                            }
                        },
                    }
                },
            }
        },
        "/payouts/{ticket}": {
            "get": {
                "operationId": "getPayout",
                "parameters": [{"name": "ticket", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {
                    "200": {
                        "description": "decided",
                        "content": {
                            "application/json": {
                                "schema": {
                                    "type": "object",
                                    "properties": {
                                        "ticket": {"type": "string"},
                                        "status": {"type": "string"},
                                        "decision": {"type": "string"},
                                    },
                                    "required": ["ticket", "status"],
                                    "additionalProperties": False,
                                }
                            }
                        },
                    }
                },
            }
        },
    },
}

_MANIFEST = """agency: {name}
title: {{az: "Ödəniş", en: "Payouts"}}
owner: test
contact: {{name: test, email: test@test.example}}
legal_basis: test
kind: {kind}
contract: {{version: v1, file: {file}}}
endpoint: {{simulated: "http://127.0.0.1:1"}}
authentication: {authentication}
lifecycle: live
breaker: {{failures: 1000, open_s: 1}}
faults: {{rejected: ["Client.Unknown"]}}
interaction:
  operations:
{interaction}
"""
_POLL = """    SubmitPayout:
      how: poll
      answer: GetPayout
      ticket: Ticket
      ticket_field: Ticket
      ready: "Status == 'DONE'"
      every_s: 0.3
      for_s: {for_s}
"""
_PUSH = """    SubmitPayout: {{how: push, answer: GetPayout, ticket: Ticket, key: Ticket, for_s: {for_s}}}
"""
_REST = """    submitPayout: {{how: push, answer: getPayout, ticket: ticket, key: ticket, for_s: {for_s}}}
"""
_FILE = """    DecidePayout: {{how: file, every_s: 0.2, for_s: {for_s}}}
  files: {{outbox: exchange/{name}/out, inbox: exchange/{name}/in, settle_s: 0.2{files}}}
"""
_BATCH = ", signature: jws, batch: {most: 20, every_s: 0.5}"

_DATA = """agency: {name}
callback: {callback}
operations:
  {submit}:
    key: {pin}
    table: payouts
    found: {receipt}
    missing: {{fault: {{code: Client.Unknown, text: unknown}}}}
  {get}:
    key: {ticket}
    table: payouts
    found: {answer}
    missing: {missing}
  {more}
later:
  {submit}: {{after_ms: {after_ms}, times: {times}, pending: {{document: {pending}}}}}
tables:
  payouts:
{records}
"""
_DECIDE = """DecidePayout:
    key: Pin
    table: payouts
    found: {Status: DONE, Decision: $record}
    missing: {document: {Status: UNKNOWN}}
"""

_ROUTE = """
  {route}:
    title: {{az: Sınaq, en: Test}}
    audience: [citizen]
    legal_basis: test
    adapter: {agency}
    operation: {operation}
    request: {{{request}: subject.value}}
    reply: {{decision: {decision}}}
    timeout_s: 2
    deadline_s: 5
    idempotent: {idempotent}
"""


@dataclass(frozen=True, kw_only=True)
class LaterAgencies:
    """A home with adapters, contracts and routes, and where the simulated agencies of it are."""

    settings: Settings
    process: subprocess.Popen[str]
    agencies: simulated.Agencies

    def stop(self) -> None:
        """End the agencies."""
        simulated.stop(self.process)


def make(
    home: Path, *, http: str, after_ms: int = 400, for_s: float = 300, times: int = 1, **others: Any
) -> LaterAgencies:
    """The agencies, running, and the settings of a bus at `http` that knows them."""
    _write_contracts(home)
    for name in NAMES:
        _write_adapter(home, name, http=http, after_ms=after_ms, for_s=for_s, times=times)
    routes = home / "routes.yaml"
    routes.write_text(_routes(), encoding="utf-8")
    simulated.make_bus_key(home)
    settings = Settings(
        home=str(home),
        routes=str(routes),
        adapters=str(home / "adapters"),
        schemas=str(home / "schemas"),
        http=http,
        **others,
    )
    process, agencies = _start(settings)
    settings = msgspec.structs.replace(settings, endpoints=agencies.endpoints)
    operations.new_caller_key(settings, "portal", now=datetime.now(UTC))
    return LaterAgencies(settings=settings, process=process, agencies=agencies)


def ended(bus: LiveBus, message_id: str, *, within_s: float = 30) -> dict[str, Any]:
    """The reply of an accepted question, once it is there."""
    give_up_s = time.monotonic() + within_s
    while time.monotonic() < give_up_s:
        # A worker that is killed takes its connections with it; whoever asked asks again.
        with contextlib.suppress(OSError, HTTPException):
            got = bus.message(message_id, wait_s=2)
            if got.status == 200:
                return got.reply
    raise AssertionError(f"{message_id} was not answered within {within_s} s")


def facts_of(bus: LiveBus, message_id: str) -> list[Mapping[str, Any]]:
    """What the journal recorded of a message, in order."""
    listed = bus.esb("messages", "trace", message_id, "--json")
    assert listed.returncode == 0, listed.stderr
    facts: list[Mapping[str, Any]] = json.loads(listed.stdout)
    return facts


def _start(settings: Settings) -> tuple[subprocess.Popen[str], simulated.Agencies]:
    program = (
        "import sys, msgspec; from adapters.simulator import run; from esb.settings import Settings; "
        "run(sys.argv[2:], settings=msgspec.json.decode(sys.argv[1], type=Settings), port=0)"
    )
    return simulated.start_program(
        program, msgspec.json.encode(settings).decode(), home=Path(settings.home), names=NAMES
    )


def _write_contracts(home: Path) -> None:
    for name in NAMES:
        folder = home / "schemas" / "agencies" / name / "v1"
        folder.mkdir(parents=True)
        if name == "pay-rest":
            (folder / "openapi.json").write_text(json.dumps(_OPENAPI), encoding="utf-8")
        else:
            (folder / "Payouts.wsdl").write_text(_wsdl(), encoding="utf-8")
    catalogue.write(home / "schemas")


def _wsdl() -> str:
    messages = "".join(
        f'<wsdl:message name="{name}{way}"><wsdl:part name="parameters" element="p:{name}{way}"/></wsdl:message>'
        for name in _OPERATIONS
        for way in ("Request", "Response")
    )
    port = "".join(
        f'<wsdl:operation name="{name}"><wsdl:input message="p:{name}Request"/>'
        f'<wsdl:output message="p:{name}Response"/></wsdl:operation>'
        for name in _OPERATIONS
    )
    bindings = "".join(
        f'<wsdl:operation name="{name}"><soap:operation soapAction=""/>'
        '<wsdl:input><soap:body use="literal"/></wsdl:input><wsdl:output><soap:body use="literal"/></wsdl:output>'
        "</wsdl:operation>"
        for name in _OPERATIONS
    )
    return _WSDL.replace("{messages}", messages).replace("{port_operations}", port).replace("{bindings}", bindings)


def _write_adapter(home: Path, name: str, *, http: str, after_ms: int, for_s: float, times: int) -> None:
    folder = home / "adapters" / name
    folder.mkdir(parents=True)
    is_rest = name == "pay-rest"
    template = {"pay-poll": _POLL, "pay-push": _PUSH, "pay-rest": _REST}.get(name, _FILE)
    files = _BATCH if name == "pay-batch" else ""
    manifest = _MANIFEST.format(
        name=name,
        kind="rest" if is_rest else "soap",
        file="openapi.json" if is_rest else "Payouts.wsdl",
        authentication="http-signature" if is_rest else "wsse-x509",
        interaction=template.format(for_s=for_s, name=name, files=files),
    )
    (folder / "adapter.yaml").write_text(manifest, encoding="utf-8")
    soap = {
        "submit": "SubmitPayout",
        "get": "GetPayout",
        "pin": "Pin",
        "ticket": "Ticket",
        "receipt": "{Ticket: none}",
        "answer": "{Status: DONE, Decision: $record}",
        "missing": "{document: {Status: UNKNOWN}}",
        "pending": "{Status: WAIT}",
        "more": _DECIDE,
    }
    rest = {
        "submit": "submitPayout",
        "get": "getPayout",
        "pin": "body.pin",
        "ticket": "ticket",
        "receipt": "{ticket: none}",
        "answer": "{ticket: none, status: DONE, decision: $record}",
        "missing": "{document: {ticket: none, status: UNKNOWN}}",
        "pending": "{ticket: none, status: WAIT}",
        "more": "",
    }
    words = rest if is_rest else soap
    if is_rest:
        words = {**words, "missing": "{document: {ticket: none, status: UNKNOWN}}"}
    records = "\n".join(f"    {fin}: GRANTED-{fin[-2:]}" for fin in FINS)
    data = _DATA.format(
        name=name,
        callback=f"http://{http}/v1/agencies/{name}/answers",
        after_ms=after_ms,
        times=times,
        records=records,
        **words,
    )
    if is_rest:
        data = data.replace(
            "missing: {fault: {code: Client.Unknown, text: unknown}}", "missing: {document: {ticket: none}}"
        )
    (folder / "simulator.yaml").write_text(data, encoding="utf-8")


def _routes() -> str:
    wanted = [
        ("payout.poll", "pay-poll", "SubmitPayout", "Pin", "Decision", "false"),
        ("payout.push", "pay-push", "SubmitPayout", "Pin", "Decision", "false"),
        ("payout.rest", "pay-rest", "submitPayout", "body.pin", "decision", "true"),
        ("payout.file", "pay-file", "DecidePayout", "Pin", "Decision", "false"),
        ("payout.batch", "pay-batch", "DecidePayout", "Pin", "Decision", "true"),
    ]
    routes = "".join(
        _ROUTE.format(
            route=route, agency=agency, operation=operation, request=request, decision=decision, idempotent=idempotent
        )
        for route, agency, operation, request, decision, idempotent in wanted
    )
    return (
        'callers:\n  portal:\n    title: {az: "Portal", en: "Portal"}\n    contact: duty@portal.example\n\n'
        'grants:\n  - {caller: portal, routes: ["payout.*"]}\n\nroutes:' + routes
    )


def start_bus(later: LaterAgencies, *, workers: int = 1, **others: Any) -> LiveBus:
    """A bus that knows the agencies; whoever starts it stops it."""
    return buses.start(msgspec.structs.replace(later.settings, **others), workers=workers)
