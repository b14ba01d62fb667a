"""A small catalogue of agencies for tests of routes: shapes like the real contracts', operations never called."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Never

from esb.model import AgencyCode, JsonObject, Text
from esb.ports import NO_ORIGIN, AgencyAnswer, FieldShape, Origin, OutgoingCall, ProvenAnswer, RawAnswer, Reach
from esb.routes import compiler
from esb.routes.table import RouteTable

PIN = {"type": "string", "title": "FIN", "pattern": "^[0-9A-HJ-NP-Z]{7}$"}
LINE = {"type": "string"}


def closed(properties: dict[str, Any], *, optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """An object schema in which everything is required but what is named."""
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


ADDRESS = closed({"Region": LINE, "Rayon": LINE, "Street": LINE}, optional=("Street",))
PERSON = closed(
    {
        "Pin": PIN,
        "Surname": LINE,
        "Name": LINE,
        "Patronymic": LINE,
        "RegisteredAddress": {"$ref": "#/$defs/Address"},
        "PreviousAddress": {"type": "array", "items": {"$ref": "#/$defs/Address"}},
    },
    optional=("Patronymic",),
)
CREDIT = closed({"ContractNo": LINE, "Outstanding": {"type": "string", "format": "decimal"}, "Role": LINE})

ADDRESS_SAMPLE = {"Region": "AZ-BA", "Rayon": "Yasamal"}
SHAPES: dict[tuple[str, str], FieldShape] = {
    ("din-reg", "GetPersonByPin"): FieldShape(
        request_schema=closed({"Pin": PIN}),
        reply_schema={
            **closed({"ResultCode": LINE, "Person": PERSON}, optional=("Person",)),
            "$defs": {"Address": ADDRESS},
        },
        request_sample={"Pin": "7TESTX1"},
        reply_sample={
            "ResultCode": "000",
            "Person": {
                "Pin": "7TESTX1",
                "Surname": "Əliyeva",
                "Name": "Ülviyyə",
                "RegisteredAddress": ADDRESS_SAMPLE,
                "PreviousAddress": [],
            },
        },
    ),
    ("mkr", "GetCredits"): FieldShape(
        request_schema=closed(
            {"Pin": PIN, "ConsentRef": LINE, "AsOf": {"type": "string", "format": "date"}}, optional=("AsOf",)
        ),
        reply_schema=closed({"AsOf": LINE, "Credits": closed({"Credit": {"type": "array", "items": CREDIT}})}),
        request_sample={"Pin": "7TESTX1", "ConsentRef": "R-1", "AsOf": "2026-01-01"},
        reply_sample={
            "AsOf": "2026-01-01",
            "Credits": {"Credit": [{"ContractNo": "K-1", "Outstanding": "10.00", "Role": "borrower"}]},
        },
    ),
    ("notary", "Register"): FieldShape(
        request_schema=closed({"Act": closed({"Number": LINE, "Pin": PIN}, optional=("Number",))}),
        reply_schema=closed({"RegisterNo": LINE}),
        request_sample={"Act": {"Number": "1", "Pin": "7TESTX1"}},
        reply_sample={"RegisterNo": "A-1"},
    ),
}


class UncalledOperation:
    """An operation that has a name and an owner; no test of routes calls an agency."""

    def __init__(self, agency: AgencyCode, name: str) -> None:
        self.agency = agency
        self.name = name

    def encode(self, values: JsonObject) -> bytes:
        self._refuse(values)

    def sign(
        self,
        document: bytes,
        *,
        message_id: str,
        traceparent: str | None,
        now: datetime,
        origin: Origin = NO_ORIGIN,
    ) -> OutgoingCall:
        self._refuse(document, message_id, traceparent, now, origin)

    async def send(self, call: OutgoingCall, *, timeout_s: float) -> RawAnswer:
        self._refuse(call, timeout_s)

    def verify(self, answer: RawAnswer, call: OutgoingCall, *, now: datetime) -> ProvenAnswer:
        self._refuse(answer, call, now)

    def decode(self, answer: ProvenAnswer) -> AgencyAnswer:
        self._refuse(answer)

    def _refuse(self, *given: object) -> Never:
        message = f"{self.name} of {self.agency} was called with {len(given)} arguments"
        raise AssertionError(message)


class ShapeCatalogue:
    """Implements `esb.ports.AgencyCatalogue` over shapes alone."""

    def __init__(
        self,
        shapes: dict[tuple[str, str], FieldShape],
        *,
        reach: dict[str, tuple[Reach, ...]] | None = None,
        retired: tuple[str, ...] = (),
    ) -> None:
        self._shapes = shapes
        self._reach = reach or {}
        self._retired = retired

    def agencies(self) -> Sequence[AgencyCode]:
        return sorted({AgencyCode(agency) for agency, _ in self._shapes})

    def operations(self, agency: AgencyCode) -> Sequence[str]:
        return sorted(name for owner, name in self._shapes if owner == agency)

    def operation(self, agency: AgencyCode, name: str) -> UncalledOperation:
        return UncalledOperation(agency, name) if (agency, name) in self._shapes else self._missing(agency, name)

    def shape(self, agency: AgencyCode, name: str) -> FieldShape:
        return self._shapes[agency, name]

    generation = 0

    def version(self, agency: AgencyCode) -> str:
        return "v1" if agency in self.agencies() else self._missing(agency, "")

    def reach(self, agency: AgencyCode) -> tuple[Reach, ...]:
        return self._reach.get(agency, ())

    def retired(self, agency: AgencyCode) -> bool:
        return agency in self._retired

    def title(self, agency: AgencyCode) -> Text:
        return Text(az=agency, en=agency)

    def _missing(self, agency: AgencyCode, name: str) -> Never:
        raise KeyError((agency, name))


CATALOGUE = ShapeCatalogue(SHAPES)

DEPLOYMENT = """\
callers:
  portal:
    title: {az: "Portal", en: "Portal"}
grants:
  - {caller: portal, routes: ["person.*", credit.obligations]}
routes:
  person.identity:
    title: {az: "Şəxsiyyət", en: "Identity"}
    audience: [citizen]
    legal_basis: "Cabinet decision 191/2011"
    adapter: din-reg
    operation: GetPersonByPin
    request:
      Pin: subject.value
    reply:
      surname: Person.Surname
      patronymic: Person.Patronymic
      address: "Person.RegisteredAddress.{region: Region, street: Street}"
      moved_from: "Person.PreviousAddress[*].Rayon"
    not_found: "ResultCode == '404'"
    timeout_s: 5
    idempotent: true
    retry: {attempts: 3, first_delay_s: 0.2}
  credit.obligations:
    title: {az: "Kreditlər", en: "Credits"}
    audience: [citizen]
    legal_basis: "Decision 32/1"
    adapter: mkr
    operation: GetCredits
    request:
      Pin: subject.value
      ConsentRef: parameters.consent_ref
      AsOf: parameters.as_of
    reply:
      credits: Credits.Credit
    idempotent: true
  person.overview:
    title: {az: "İcmal", en: "Overview"}
    audience: [citizen]
    legal_basis: "Cabinet decision 191/2011"
    gather: {identity: person.identity, credits: credit.obligations}
    require: any
"""
"""A deployment without a single finding."""


def write(folder: Path, text: str = DEPLOYMENT) -> Path:
    """The file `routes.yaml` with this text."""
    path = folder / "routes.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def table_of(folder: Path, text: str = DEPLOYMENT) -> RouteTable:
    """The compiled table of this text."""
    return compiler.load(write(folder, text), CATALOGUE)
