"""A SOAP agency `heat` whose manifest and WSDL are the test's own, over real HTTP: asked as the pipeline asks."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from adapters import agency_keys, registry
from adapters.registry import Catalogue
from adapters.simulator import Simulator, assembly, keys, provisions
from adapters.simulator.behaviours import parse
from adapters.transport import Transport
from esb.model import AgencyCode
from esb.ports import NO_ORIGIN, AgencyAnswer, AgencyOperation, Origin, OutgoingCall, ProvenAnswer, RawAnswer
from esb.settings import Settings
from tests.support.agencies import make_bus_key
from tests.support.plain_http import write_agency

HEAT = AgencyCode("heat")
NAMESPACE = "urn:az:gov:heat:v1"
MESSAGE_ID = "2f1c3a1e-8f43-4f5b-9a53-7f0f7a1c6f11"
ORIGIN = Origin(user="FIN:7TESTX1", issue="VEM-2026-000017", purpose="VEMTAS", legal_basis="decree 477/2015")

WSDL = """\
<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap{suffix}/"
  xmlns:wsam="http://www.w3.org/2007/05/addressing/metadata" xmlns:mime="http://schemas.xmlsoap.org/wsdl/mime/"
  xmlns:wsp="http://www.w3.org/ns/ws-policy" xmlns:t="urn:az:gov:heat:v1" targetNamespace="urn:az:gov:heat:v1">
  <types><xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:az:gov:heat:v1"
      elementFormDefault="qualified">
    <xs:element name="AskDebt"><xs:complexType><xs:sequence>
      <xs:element name="Pin" type="xs:string"/><xs:element name="Scan" type="xs:base64Binary" minOccurs="0"/>
    </xs:sequence></xs:complexType></xs:element>
    <xs:element name="DebtReply"><xs:complexType><xs:sequence>
      <xs:element name="Code" type="xs:string" minOccurs="0"/>
      <xs:element name="Message" type="xs:string" minOccurs="0"/>
      <xs:element name="Debt" type="xs:decimal" minOccurs="0" nillable="true"/>
      <xs:element name="Paper" type="xs:base64Binary" minOccurs="0"/>
      <xs:element name="Document" type="xs:string" minOccurs="0"/>
      <xs:element name="Bill" type="xs:decimal" minOccurs="0" maxOccurs="unbounded"/>
    </xs:sequence></xs:complexType></xs:element>
    {schema}
  </xs:schema></types>
  <message name="In"><part name="body" element="t:AskDebt"/></message>
  <message name="Out"><part name="body" element="t:DebtReply"/></message>
  {messages}
  <portType name="P"><operation name="GetDebt"><input message="t:In"/><output message="t:Out"/></operation>
    {more}</portType>
  <binding name="B" type="t:P"><soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="GetDebt"><soap:operation soapAction="urn:heat#GetDebt"/>
      <input>{input}<soap:body use="literal"/></input><output>{output}<soap:body use="literal"/></output></operation>
    {bound}
  </binding>
  <service name="S"><port name="Q" binding="t:B"><soap:address location="http://heat.example/"/></port></service>
</definitions>
"""

RECORDS = """\
tables:
  debts:
    7TESTX1: {Debt: 12.50}
    7TESTX2: {Debt: 0.00}
operations:
  GetDebt:
    key: Pin
    table: debts
    found: {Debt: $record.Debt}
    missing: {document: {Code: "404"}}
"""


def wsdl(*, suffix: str = "", **parts: str) -> str:
    """A WSDL with one operation, GetDebt; `parts` go where they belong. `suffix` 12 is SOAP 1.2."""
    named = ("schema", "messages", "more", "input", "output", "bound")
    return WSDL.format(suffix=suffix, **{name: parts.get(name, "") for name in named})


def written(folder: Path, *, manifest: str, contract: str = "", records: str = RECORDS, **how: Any) -> Settings:
    """The agency's files. `manifest`: what follows in adapter.yaml; `contract`: the WSDL."""
    authentication = how.pop("authentication", "wsse-x509")
    return write_agency(
        folder,
        how.pop("files", None) or {"heat.wsdl": contract or wsdl()},
        kind="soap",
        file=how.pop("file", "heat.wsdl"),
        authentication=authentication,
        more=manifest,
        simulator=records,
        contract=how.pop("contract_lines", ""),
        **how,
    )


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A running agency and the bus's half."""

    simulator: Simulator
    adapters: Catalogue

    def operation(self, name: str = "GetDebt") -> AgencyOperation:
        """The bus's operation."""
        return self.adapters.operation(HEAT, name)

    def called(self, values: Mapping[str, Any], name: str = "GetDebt", origin: Origin = NO_ORIGIN) -> OutgoingCall:
        """What the bus sends."""
        operation = self.operation(name)
        document = operation.encode(values)
        return operation.sign(document, message_id=MESSAGE_ID, traceparent=None, now=datetime.now(UTC), origin=origin)

    async def sent(self, call: OutgoingCall, name: str = "GetDebt") -> RawAnswer:
        """What the agency says."""
        return await self.operation(name).send(call, timeout_s=5)

    def proven(self, raw: RawAnswer, call: OutgoingCall, name: str = "GetDebt") -> ProvenAnswer:
        """What of it the bus believes."""
        return self.operation(name).verify(raw, call, now=datetime.now(UTC))

    async def ask(
        self, pin: str = "7TESTX1", name: str = "GetDebt", beside: Mapping[str, Any] | None = None, **values: Any
    ) -> AgencyAnswer:
        """One exchange. `beside`: values whose names are none of Python."""
        call = self.called({"Pin": pin, **values, **(beside or {})}, name, ORIGIN)
        return self.operation(name).decode(self.proven(await self.sent(call, name), call, name))

    async def behave(self, *behaviours: str) -> None:
        """As on the command line."""
        await self.simulator.behave([parse(each) for each in behaviours])

    @property
    def warnings(self) -> list[str]:
        """What the load had to say."""
        return [finding.message for finding in self.adapters.findings]


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Asking]:
    """The agency of `written`, with keys and secrets of both sides."""
    home = Path(settings.home)
    make_bus_key(home)
    keys.provision(home, "heat", now=datetime.now(UTC))
    provisions.provision(home, assembly.manifest_of("heat", settings))
    simulator = await Simulator.start(agency="heat", settings=settings, home=home, control=False)
    try:
        settings = msgspec.structs.replace(settings, endpoints={"heat": f"{simulator.url}/soap"})
        async with Transport() as transport:
            yield Asking(simulator=simulator, adapters=registry.load(settings, agency_keys.load(settings), transport))
    finally:
        await simulator.stop()
