"""Log lines: JSON on standard error for machines, colours on a terminal for people, identifiers masked in both.

`configure` is called once per process by the composition root; everybody else calls `logger` and passes an event
constant and fields of the vocabulary. No body, token or key is ever a field.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger, Processor

from esb.errors import SettingInvalid
from security.redact import mask_text

Logger = FilteringBoundLogger
"""What code below takes as its log."""

# --- events ----------------------------------------------------------------------------------------------

MESSAGE_RECEIVED: Final = "message.received"
MESSAGE_ANSWERED: Final = "message.answered"
MESSAGE_REFUSED: Final = "message.refused"
MESSAGE_PARKED: Final = "message.parked"
MESSAGE_POSTPONED: Final = "message.postponed"
MESSAGE_AWAITS: Final = "message.awaits"
ANSWER_BROUGHT: Final = "answer.brought"
ANSWER_REFUSED: Final = "answer.refused"
COURIER_FAILED: Final = "courier.failed"
EXCHANGE_STAGES: Final = "exchange.stages"
EXCHANGE_DEFECT: Final = "exchange.defect"
EXCHANGE_UNRECORDED: Final = "exchange.unrecorded"
BUS_DEFECT: Final = "bus.defect"
DISPATCH_FAILED: Final = "dispatch.failed"
AGENCY_CALLED: Final = "agency.called"
AGENCY_FAILED: Final = "agency.failed"
AGENCY_STRAYED: Final = "agency.strayed"
AGENCY_BREAKER: Final = "agency.breaker"
ROUTES_RELOADED: Final = "routes.reloaded"
ROUTES_REFUSED: Final = "routes.refused"
JOURNAL_DOWN: Final = "journal.down"
JOURNAL_UP: Final = "journal.up"
BROKER_DOWN: Final = "broker.down"
BROKER_UP: Final = "broker.up"
OUTBOX_RETURNED: Final = "outbox.returned"
HTTP_LISTENING: Final = "http.listening"
HTTP_MALFORMED: Final = "http.malformed"
HTTP_FAILED: Final = "http.failed"
HTTP_CLOSED: Final = "http.closed"
CHECKPOINT_FAILED: Final = "journal.checkpoint-failed"
METRICS_UNWRITTEN: Final = "metrics.unwritten"
REGISTER_UNFOLLOWED: Final = "register.unfollowed"
WORKER_STARTED: Final = "worker.started"
WORKER_STOPPING: Final = "worker.stopping"
WORKER_STOPPED: Final = "worker.stopped"

# --- vocabulary ------------------------------------------------------------------------------------------

PLAIN_FIELDS: Final = frozenset(
    {
        "level", "timestamp", "logger", "component", "message_id", "traceparent", "trace_id", "status",
        "http_status", "caller", "agency", "operation", "outcome", "code", "channel", "address", "digest", "worker",
        "node", "error",
    }
)  # fmt: skip
"""Fields that hold only names the bus or the deployment chose, or ids proven to be random: they are not masked.

Every other string is, nested ones too: `route`, `correlation_id` and `reason` may carry what a caller typed.
`elapsed_ms`, `attempts`, `count` and `pid` are numbers.
"""

LEVELS: Final[Mapping[str, int]] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure(level: str, *, stream: TextIO | None = None, console: bool | None = None) -> None:
    """From now on every log line of this process, of libraries too, goes to `stream` (standard error), masked.

    `console` None: colours when the stream is a terminal, JSON otherwise. Libraries are heard from WARNING on.

    Raises:
        SettingInvalid: no such level.
    """
    if level not in LEVELS:
        raise SettingInvalid(f"log_level must be one of {', '.join(LEVELS)}")
    out = sys.stderr if stream is None else stream
    people = out.isatty() if console is None else console
    render = _for_people() if people else _to_json
    structlog.configure(
        # One processor, because each more costs a call and a dictionary walk for every line.
        processors=[_stamp_and(render)],
        # The level is compiled into the class: a call below it is one empty method.
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    _adopt_libraries(out, render, LEVELS[level])


def logger(name: str) -> FilteringBoundLogger:
    """A logger whose lines carry `component: name`. Cheap to make at import: it is assembled at the first line."""
    bound: FilteringBoundLogger = structlog.get_logger(component=name)
    return bound


def mask(fields: MutableMapping[str, Any]) -> None:
    """The wall: every string that is not a plain field loses the middle of whatever looks like an identifier."""
    for name, value in fields.items():
        if name not in PLAIN_FIELDS and type(value) not in _NUMBERS:
            fields[name] = _masked(value)


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask_text(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {name: _masked(member) for name, member in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(member) for member in value]
    return mask_text(str(value))


def _stamp_and(render: Processor) -> Processor:
    def line(log: Any, method: str, fields: MutableMapping[str, Any]) -> Any:
        fields["level"] = method
        fields["timestamp"] = datetime.now(UTC)
        return render(log, method, _told(log, method, fields))

    return line


def _told(log: Any, method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # A traceback becomes text before the mask sees it; structlog's own pretty one would show local variables.
    if "exc_info" in fields:
        fields = structlog.processors.format_exc_info(log, method, fields)
    mask(fields)
    return fields


def _to_json(_: Any, __: str, fields: MutableMapping[str, Any]) -> str:
    return _ENCODER.encode(fields).decode()


def _for_people() -> Processor:
    colours = structlog.dev.ConsoleRenderer(colors=True)

    def render(log: Any, method: str, fields: MutableMapping[str, Any]) -> str:
        fields["timestamp"] = fields["timestamp"].strftime("%H:%M:%S.%f")[:-3]
        return colours(log, method, fields)

    return render


def _adopt_libraries(out: TextIO, render: Processor, level: int) -> None:
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name, _stamp],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _told, render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(level, logging.WARNING))


def _stamp(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    fields["timestamp"] = datetime.now(UTC)
    return fields


_NUMBERS: Final = frozenset({int, float, bool, type(None)})
_ENCODER: Final = msgspec.json.Encoder(enc_hook=str)
