"""One line per event, machine-readable, and no identifier in it whole."""

from __future__ import annotations

import io
import json
import logging as stdlib_logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from esb.errors import SettingInvalid
from esb.telemetry import logging
from esb.telemetry.logging import MESSAGE_ANSWERED, MESSAGE_RECEIVED

FIN = "5VBK5VR"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = stdlib_logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def written(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_event_level_and_time() -> None:
    out = io.StringIO()
    logging.configure("info", stream=out)
    logging.logger("esb.bus").info(MESSAGE_ANSWERED, route="person.identity", status="OK", elapsed_ms=12)
    (line,) = written(out)
    assert line["event"] == "message.answered"
    assert (line["route"], line["status"], line["elapsed_ms"]) == ("person.identity", "OK", 12)
    assert (line["level"], line["component"]) == ("info", "esb.bus")
    assert line["timestamp"].endswith("Z")


def test_a_level_below_the_wanted_one_writes_nothing() -> None:
    out = io.StringIO()
    logging.configure("warning", stream=out)
    logging.logger("esb.bus").info(MESSAGE_RECEIVED)
    assert not out.getvalue()


@pytest.mark.parametrize(
    "fields",
    [
        {"reason": f"no person {FIN} here"},
        {"route": FIN},
        {"correlation_id": FIN},
        {"subjects": [FIN, {"value": FIN}]},
        {"detail": {"subject": {"value": FIN}}},
        {"error_text": ValueError(FIN)},
        {"account": "AZ21NABZ00000000137010001944"},
        {"ssn": "1234567890123"},
    ],
)
def test_identifiers_are_masked_wherever_they_stand(fields: dict[str, Any]) -> None:
    out = io.StringIO()
    logging.configure("info", stream=out)
    logging.logger("esb.bus").info(MESSAGE_RECEIVED, **fields)
    assert FIN not in out.getvalue()
    assert "1234567890123" not in out.getvalue()


def test_identifiers_in_tracebacks_are_masked() -> None:
    out = io.StringIO()
    logging.configure("info", stream=out)
    try:
        int(FIN)
    except ValueError:
        logging.logger("esb.bus").error(MESSAGE_RECEIVED, exc_info=True)
    assert "ValueError" in out.getvalue()
    assert FIN not in out.getvalue()


def test_libraries_are_heard_in_the_same_form_and_masked() -> None:
    out = io.StringIO()
    logging.configure("info", stream=out)
    stdlib_logging.getLogger("aiohttp.server").warning("odd thing about %s", FIN)
    stdlib_logging.getLogger("aiohttp.access").info("not of interest")
    (line,) = written(out)
    assert line["event"].startswith("odd thing about 5VB")
    assert FIN not in line["event"]
    assert (line["logger"], line["level"]) == ("aiohttp.server", "warning")


def test_random_ids_stay_whole_so_that_lines_can_be_joined() -> None:
    out = io.StringIO()
    logging.configure("info", stream=out)
    message_id = "00000000-0000-4000-8000-123456789012"
    logging.logger("esb.bus").info(MESSAGE_RECEIVED, message_id=message_id)
    assert written(out)[0]["message_id"] == message_id


def test_people_get_a_readable_line_that_is_masked_too() -> None:
    out = io.StringIO()
    logging.configure("info", stream=out, console=True)
    logging.logger("esb.bus").info(MESSAGE_RECEIVED, reason=f"about {FIN}")
    assert "message.received" in out.getvalue()
    assert FIN not in out.getvalue()


def test_an_unknown_level_is_a_wrong_setting() -> None:
    with pytest.raises(SettingInvalid, match="log_level"):
        logging.configure("loud")
