"""`esb messages`: exchanges as the journal has them, and what to do about parked ones."""

from __future__ import annotations

import getpass
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from esb import operations
from esb.commands.reasons import AskedReason
from esb.commands.shell import JsonFlag, group, masked, print_json, print_rows, run, shell_of, tell
from esb.errors import EsbError
from esb.model import Status
from esb.ports import ExchangeFilter, State, StoredExchange, Waiting

app = group("messages", "Exchanges: list, show, trace; replay or drop what is parked.")

MessageArgument = Annotated[str, typer.Argument(help="The message id.")]
CallerOption = Annotated[str | None, typer.Option("--caller", help="Whose message, where several used the id.")]


@app.command("list")
def list_messages(
    context: typer.Context,
    *,
    state: Annotated[State | None, typer.Option(help="RECEIVED, AWAITING, COMPLETED or PARKED.")] = None,
    status: Annotated[Status | None, typer.Option(help="The reply's status, as OK or TIMEOUT.")] = None,
    route: Annotated[str | None, typer.Option(help="Only this route.")] = None,
    caller: Annotated[str | None, typer.Option(help="Only this caller.")] = None,
    hours: Annotated[float | None, typer.Option(help="Only the last so many hours.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    as_json: JsonFlag = False,
) -> None:
    """Newest exchanges first.

    Example: esb messages list --state PARKED
    """
    since = None if hours is None else datetime.now(UTC) - timedelta(hours=hours)
    wanted = ExchangeFilter(state=state, status=status, route=route, caller=caller, since=since, limit=limit)
    found = run(operations.list_messages(shell_of(context).settings, wanted))
    rows = [_summary(stored) for stored in found]
    columns = ("received_at", "message_id", "caller", "route", "state", "status", "why")
    print_rows(rows, columns, as_json=as_json, empty="no messages")


@app.command()
def show(
    context: typer.Context, message_id: MessageArgument, *, caller: CallerOption = None, as_json: JsonFlag = False
) -> None:
    """One exchange without personal data, or the requests that were refused under this id.

    Example: esb messages show 0b2f…
    """
    stored, records = run(operations.show_message(shell_of(context).settings, message_id, caller))
    contents = [msgspec.json.decode(record.content) for record in records]
    shown = [_refused(content) for content in contents] if stored is None else [_exchange(stored, contents)]
    if as_json:
        # One object for an exchange, as ever; a refused id may have been refused several times.
        print_json(shown[0] if len(shown) == 1 else shown)
        return
    for details in shown:
        _print_details(details)


def _print_details(details: dict[str, Any]) -> None:
    told = {name: value for name, value in details.items() if value not in (None, [], "")}
    print_rows([{"field": name.replace("_", " "), "value": value} for name, value in told.items()], ("field", "value"))


@app.command()
def trace(
    context: typer.Context, message_id: MessageArgument, *, caller: CallerOption = None, as_json: JsonFlag = False
) -> None:
    """Everything the journal recorded of an exchange or a refused request, in order.

    Example: esb messages trace 0b2f…
    """
    records = run(operations.trace_message(shell_of(context).settings, message_id, caller))
    rows = [_record(record.chain, record.seq, record.kind, record.content) for record in records]
    print_rows(
        rows, ("at", "kind", "caller", "route", "chain", "seq", "what"), as_json=as_json, empty="nothing recorded"
    )


@app.command()
def replay(
    context: typer.Context,
    message_id: MessageArgument,
    *,
    reason: AskedReason,
    caller: CallerOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Let a parked exchange run again.

    Example: esb messages replay 0b2f… --reason "agency is back"
    """
    run(
        operations.replay_message(
            shell_of(context).settings, message_id, caller, operator=getpass.getuser(), reason=reason
        )
    )
    told = f"{message_id} will run again; follow it with: esb messages trace {message_id}"
    tell({"message_id": message_id, "replayed": True}, told, as_json=as_json)


@app.command()
def drop(
    context: typer.Context,
    message_id: MessageArgument,
    *,
    reason: AskedReason,
    caller: CallerOption = None,
    as_json: JsonFlag = False,
) -> None:
    """End a parked exchange; its caller is told FAILED.

    Example: esb messages drop 0b2f… --reason "asked twice"
    """
    run(
        operations.drop_message(
            shell_of(context).settings, message_id, caller, operator=getpass.getuser(), reason=reason
        )
    )
    told = f"{message_id} is closed; its caller is told FAILED"
    tell({"message_id": message_id, "dropped": True}, told, as_json=as_json)


@app.command()
def evidence(
    context: typer.Context,
    message_id: MessageArgument,
    *,
    out_folder: Annotated[Path, typer.Option("--out", help="Folder for the documents; made where it is not there.")],
    reason: AskedReason,
    caller: CallerOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Write the documents that agencies signed themselves, byte for byte; they hold personal data.

    Example: esb messages evidence 0b2f… --out evidence --reason "court order 7/2026"
    """
    found = run(
        operations.message_evidence(
            shell_of(context).settings, message_id, caller, operator=getpass.getuser(), reason=reason
        )
    )
    written = [_written(out_folder, number, name, content) for number, (name, content) in enumerate(found, 1)]
    rows = [{"file": str(path), "place": name} for path, (name, _) in zip(written, found, strict=True)]
    print_rows(rows, ("file", "place"), as_json=as_json, empty="the exchange has no such documents")


def _written(folder: Path, number: int, name: str, content: bytes) -> Path:
    path = folder / f"{number}-{re.sub(r'[^A-Za-z0-9._-]+', '-', name).strip('-')}.xml"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Never over a file that is there, and for nobody else to read.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        raise EsbError(f"{path} cannot be written: {error.strerror}") from error
    return path


def _summary(stored: StoredExchange) -> dict[str, Any]:
    request = stored.request
    return {
        "received_at": request.received_at.astimezone().isoformat(timespec="milliseconds"),
        "message_id": request.message_id,
        "caller": request.caller,
        "route": request.route,
        "state": stored.state.value,
        "status": None if stored.status is None else stored.status.value,
        "why": stored.parked_reason,
    }


def _exchange(stored: StoredExchange, contents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {**_summary(stored), **_details(stored, contents)}


def _refused(content: dict[str, Any]) -> dict[str, Any]:
    """A request that never became an exchange: what the journal has of it. `route` is what the caller typed."""
    told = {name: content.get(name) for name in ("at", "message_id", "caller", "route", "channel", "code")}
    return {**told, "route": _fact("route", content["route"]), "state": content["kind"]}


def _details(stored: StoredExchange, contents: Sequence[dict[str, Any]]) -> dict[str, Any]:
    request = stored.request
    return {
        "channel": request.channel.value,
        "asynchronous": request.asynchronous,
        "attempts": stored.attempts,
        "correlation_id": request.correlation_id,
        "purpose": request.purpose,
        "legal_basis": request.legal_basis,
        "issue": request.issue,
        "user": None if request.user is None else masked(request.user, unmask=False),
        "reply_to": request.reply_to,
        "traceparent": request.traceparent,
        "awaits": None if stored.waiting is None else _awaited(stored.waiting),
        "lease": None if stored.lease_owner is None else f"{stored.lease_owner} until {stored.lease_until}",
        "completed_at": None if stored.completed_at is None else stored.completed_at.astimezone().isoformat(),
        "faults": _faults(stored),
        "sources": [_source(source) for content in contents for source in content.get("sources", ())],
        "evidence": [_evidence(content) for content in contents if content["kind"] == "EVIDENCE"],
    }


def _awaited(waiting: Waiting) -> str:
    """Whose answer, under which key, since and until when, and when it is looked for next."""
    since, until, look = (at.astimezone().isoformat() for at in (waiting.since, waiting.until, waiting.look_at))
    key = masked(waiting.key, unmask=False)
    return f"{waiting.agency} {waiting.operation}, {key}, since {since} until {until}, next look {look}"


def _faults(stored: StoredExchange) -> list[str]:
    reply = {} if stored.reply_body is None else msgspec.json.decode(stored.reply_body)
    return [f"{fault['code']} ({fault['advice']}): {fault['message']['en']}" for fault in reply.get("faults", ())]


def _source(source: dict[str, Any]) -> str:
    """One agency call as the journal has it; `reason` is why it failed, which its caller was not told."""
    version = f" ({source['version']})" if "version" in source else ""
    told = (
        f"{source['agency']} {source['operation']}{version}: {source['status']} in {source['elapsed_ms']} ms,"
        f" attempts {source['attempts']}"
    )
    return masked(f"{told}, {source['reason']}", unmask=False) if "reason" in source else told


def _evidence(content: dict[str, Any]) -> str:
    """A document that an agency signed itself; `esb messages evidence` writes it."""
    return f"{content['what']}, sha256 {content['document_sha256'][:_SHOWN]}…, signer {content['signer'][:_SHOWN]}…"


_HEAD = frozenset({"at", "kind", "caller", "message_id", "route"})


def _record(chain: str, seq: int, kind: str, content: bytes) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.json.decode(content)
    facts = {name: value for name, value in values.items() if name not in _HEAD and value not in (None, [], "")}
    what = ", ".join(f"{name}={_fact(name, value)}" for name, value in facts.items())
    return {
        "at": values.get("at"),
        "kind": kind,
        "caller": values.get("caller"),
        "route": _fact("route", values.get("route") or ""),
        "chain": chain,
        "seq": seq,
        "what": what,
    }


def _fact(name: str, value: Any) -> str:
    if name == "sources":
        return "; ".join(_source(source) for source in value)
    if name == "reason":
        return masked(value, unmask=False)
    # The fraction of a second in a moment can look like a FİN; it is none, and an operator needs it.
    return str(value) if name.endswith("_at") else masked(_short(value), unmask=False)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else text[:_SHOWN] + "…"


_LONGEST, _SHOWN = 80, 16
