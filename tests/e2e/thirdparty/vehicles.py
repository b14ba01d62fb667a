"""A vehicle register written with spyne, a SOAP library of other people: its WSDL and its XML are none of ours.

`python tests/e2e/thirdparty/vehicles.py [--port N] [--release 2]` serves it on loopback until Ctrl-C.
All data are made up.
"""

from __future__ import annotations

import argparse
import copy
import logging
import signal
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from spyne import (
    Application,
    Array,
    Boolean,
    ComplexModel,
    Date,
    DateTime,
    Enum,
    Fault,
    Integer,
    ServiceBase,
    Unicode,
    XmlAttribute,
    rpc,
)
from spyne import Decimal as DecimalType
from spyne.protocol.soap import Soap11
from spyne.server.wsgi import WsgiApplication

NAMESPACE = "urn:az:example:vehicles"
BAKU = timezone(timedelta(hours=4))

Pin = Unicode(7, min_len=7, pattern="[0-9A-HJ-NP-Z]{7}", type_name="Pin", nullable=False, min_occurs=1)
Money = DecimalType(14, 2, type_name="Money")
Fuel = Enum("petrol", "diesel", "gas", "electric", type_name="Fuel")


class Inspection(ComplexModel):
    """One technical inspection."""

    __namespace__ = NAMESPACE
    Number = XmlAttribute(Unicode)
    At = DateTime(nullable=False, min_occurs=1)
    Passed = Boolean(nullable=False, min_occurs=1)
    Remarks = Unicode(max_occurs="unbounded")


class Vehicle(ComplexModel):
    """A vehicle as the register knows it."""

    __namespace__ = NAMESPACE
    Plate = Unicode(nullable=False, min_occurs=1)
    Make = Unicode(nullable=False, min_occurs=1)
    Fuel = Fuel(nullable=False, min_occurs=1)
    EngineLitres = DecimalType(6, 3)
    RegisteredOn = Date(nullable=False, min_occurs=1)
    PledgedUntil = Date(nillable=True, min_occurs=1)
    ChassisNumber = Integer()
    Inspections = Array(Inspection)


class Tax(ComplexModel):
    """What the owner of a vehicle still owes."""

    __namespace__ = NAMESPACE
    Amount = Money(nullable=False, min_occurs=1)
    Currency = Unicode(3, nullable=False, min_occurs=1)
    AsOf = DateTime(nullable=False, min_occurs=1)


class NoSuchOwner(Fault):
    """The register knows nobody with this FIN."""

    __namespace__ = NAMESPACE
    detail = None

    def __init__(self, pin: str) -> None:
        super().__init__("Client.NoSuchOwner", f"{pin}: belə sahib yoxdur")


class NotEntitled(Fault):
    """The register refuses to tell."""

    __namespace__ = NAMESPACE
    detail = None

    def __init__(self) -> None:
        super().__init__("Client.NotEntitled", "Məlumat məhdudlaşdırılıb: “gizli” & <qorunan>")


VEHICLES: dict[str, list[Vehicle]] = {
    "7TESTX1": [
        Vehicle(
            Plate="10-ƏŞ-777",
            Make="Çinarə & Oğulları <İĞ>",
            Fuel="petrol",
            EngineLitres=Decimal("1.600"),
            RegisteredOn=date(2024, 2, 29),
            PledgedUntil=None,
            ChassisNumber=123456789012345678901234567890,
            Inspections=[
                Inspection(
                    Number="T-1",
                    At=datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=BAKU),
                    Passed=False,
                    Remarks=["əyləc", "işıq"],
                ),
                Inspection(Number="T-2", At=datetime(2026, 1, 8, 9, 0, tzinfo=UTC), Passed=True),
            ],
        ),
        Vehicle(Plate="77-AA-001", Make="Xəzər", Fuel="electric", RegisteredOn=date(1999, 1, 1)),
    ],
    "7TESTX4": [],
}
TAXES = {"7TESTX1": Decimal("120.50"), "7TESTX4": Decimal("0.00")}


PRIVATE = "7TESTXB"


class Register(ServiceBase):
    """What the register answers."""

    @rpc(Pin, Boolean, _returns=Array(Vehicle), _throws=[NoSuchOwner, NotEntitled])
    def get_vehicles(ctx: Any, pin: str, with_inspections: bool | None) -> list[Vehicle]:  # noqa: FBT001, N805
        """The vehicles of a person; an empty list says that there are none."""
        _look_up(pin)
        return [vehicle if with_inspections else _without_inspections(vehicle) for vehicle in VEHICLES[pin]]

    @rpc(Pin, _returns=Tax, _throws=[NoSuchOwner, NotEntitled])
    def get_tax(ctx: Any, pin: str) -> Tax:  # noqa: N805
        """The tax that a person owes."""
        _look_up(pin)
        return Tax(Amount=TAXES[pin], Currency="AZN", AsOf=datetime(2026, 11, 20, 23, 0, tzinfo=BAKU))


def _look_up(pin: str) -> None:
    if pin == PRIVATE:
        raise NotEntitled
    if pin not in VEHICLES:
        raise NoSuchOwner(pin)


def _without_inspections(vehicle: Vehicle) -> Vehicle:
    told = copy.copy(vehicle)
    told.Inspections = None
    return told


def release_2() -> None:
    """The register a year later: vehicles have a colour, and spyne says so in its WSDL by itself."""
    Vehicle.append_field("Colour", Unicode)
    for vehicle in VEHICLES["7TESTX1"]:
        vehicle.Colour = "gümüşü"


def application() -> WsgiApplication:
    """SOAP 1.1, document/literal, wrapped; requests are validated by the register itself."""
    return WsgiApplication(
        Application(
            [Register],
            NAMESPACE,
            name="VehicleRegister",
            in_protocol=Soap11(validator="lxml"),
            out_protocol=Soap11(),
        )
    )


class Server(ThreadingMixIn, WSGIServer):
    """A thread for each call."""

    daemon_threads = True


class Silent(WSGIRequestHandler):
    """Says nothing about the calls that it serves."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def main() -> None:
    """Serve until Ctrl-C."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--port", type=int, default=0)
    asked.add_argument("--release", type=int, choices=(1, 2), default=1)
    chosen = asked.parse_args()
    logging.disable(logging.CRITICAL)
    if chosen.release == 2:
        release_2()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with make_server("127.0.0.1", chosen.port, application(), Server, Silent) as server:
        print(f"vehicles ready on http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
