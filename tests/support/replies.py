"""What every refusal and failure must look like to the caller, whatever went wrong: checked in one place."""

from __future__ import annotations

import asyncio
import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema_rs
import msgspec

from esb import errors as bus_errors
from esb import operations
from esb.inbound import openapi
from esb.model import Advice, Reply
from security import errors as security_errors
from tests.support.agencies import ROOT
from tests.support.bus import Got, LiveBus

_DESCRIPTION = openapi.document([], audience="esb")
_REPLY = jsonschema_rs.Draft202012Validator({**_DESCRIPTION, "$ref": "#/components/schemas/Reply"})

INTERNALS = (
    "Traceback",
    ".py",
    "lxml",
    "msgspec",
    "sqlite",
    "127.0.0.1",
    str(ROOT),
    *(
        name
        for module in (bus_errors, security_errors)
        for name, cls in inspect.getmembers(module, inspect.isclass)
        if issubclass(cls, Exception) and name not in {"Refused", "Expired", "Duplicate"}
    ),
)
"""Words that would tell a caller how the bus is made or where agencies live."""


def check(
    bus: LiveBus, got: Got, http_status: int, code: str, *, path: str | None = None, advice: Advice | str | None = None
) -> dict[str, Any]:
    """The first fault, after everything that holds for every reply of failure was checked."""
    check_form(bus, got)
    fault = got.fault
    assert (got.status, fault["code"], fault["path"]) == (http_status, code, path)
    assert advice is None or fault["advice"] == advice
    return fault


def check_form(bus: LiveBus, got: Got) -> None:
    """The one reply body, signed, in both languages, with nothing internal in it."""
    bus.verified(got)
    _REPLY.validate(got.reply)
    reply = msgspec.json.decode(got.body, type=Reply)
    assert got.reply.keys() == msgspec.to_builtins(reply).keys()
    assert got.headers["message-id"] == reply.message_id
    assert got.headers["content-type"] == "application/json"
    for fault in reply.faults:
        assert fault.message.az.endswith((".", "…"))
        assert fault.message.en.endswith((".", "…"))
        assert fault.message.az != fault.message.en
    text = got.body.decode()
    assert not [word for word in INTERNALS if word in text]
    assert not [url for url in bus.settings.endpoints.values() if url in text]


def recorded(bus: LiveBus, got: Got, caller: str | None = None) -> list[dict[str, Any]]:
    """What the journal recorded under the id of this reply, in order."""
    message_id = got.reply["message_id"]
    # In a thread of its own, because asynchronous tests have a loop running here.
    with ThreadPoolExecutor(max_workers=1) as thread:
        records = thread.submit(
            lambda: asyncio.run(operations.trace_message(bus.settings, message_id, caller))
        ).result()
    return [msgspec.json.decode(record.content) for record in records]
