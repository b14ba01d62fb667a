"""`esb ask`: a question as a portal would ask it, with the reply's signature verified."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from esb import client
from esb.client import Answered, PortalClient
from esb.commands.shell import PROBLEMS, DependencyDown, JsonFlag, fail, json_text, out, print_json, shell_of
from esb.settings import Settings

_GOOD = frozenset({"OK", "PARTIAL", "NOT_FOUND", "PENDING"})


def ask(
    context: typer.Context,
    route: Annotated[str, typer.Argument(help="A route, as person.identity.")],
    parameters: Annotated[list[str] | None, typer.Argument(help="Parameters as name=value.")] = None,
    *,
    subject: Annotated[str | None, typer.Option(help="Whom it is about: FIN:7TESTX1.")] = None,
    caller: Annotated[str, typer.Option(help="As whom to ask; its private key must lie on this machine.")] = "portal",
    purpose: Annotated[str | None, typer.Option(help="Why, where the grant wants to know.")] = None,
    legal_basis: Annotated[str | None, typer.Option(help="Under which legal basis.")] = None,
    prefer: Annotated[str | None, typer.Option(help="As the HTTP header: respond-async, or wait=5.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Ask the running bus.

    Example: esb ask person.identity --subject FIN:7TESTX1
    """
    settings = shell_of(context).settings
    body = request_body(subject=subject, parameters=parameters or (), purpose=purpose, legal_basis=legal_basis)
    answered = portal_client(settings, caller).ask(route, body, prefer=prefer)
    if as_json:
        print_json({"http_status": answered.http_status, "signed_by": answered.signed_by, "reply": answered.reply})
    else:
        print_answer(answered)
    if answered.reply["status"] not in _GOOD:
        raise typer.Exit(PROBLEMS)


def portal_client(settings: Settings, caller: str) -> PortalClient:
    """A client for the bus of these settings, as a caller whose private key lies here."""
    if not settings.http:
        raise DependencyDown("the bus has no plain HTTP listener here (setting http)")
    key = client.caller_key(Path(settings.home), caller, passphrase=settings.key_passphrase)
    return PortalClient(f"http://{settings.http}", caller=caller, key=key, audience=settings.audience)


def request_body(
    *, subject: str | None, parameters: list[str] | tuple[str, ...], purpose: str | None, legal_basis: str | None
) -> dict[str, Any]:
    """The request body of what a person typed. Ends the program with 2 where it cannot be read."""
    body: dict[str, Any] = {}
    if subject is not None:
        scheme, colon, value = subject.partition(":")
        if not colon:
            fail(f"--subject must read SCHEME:VALUE, as FIN:7TESTX1, not {subject!r}", code=2)
        body["subject"] = {"scheme": scheme, "value": value}
    pairs = [parameter.partition("=") for parameter in parameters]
    wrong = next((name for name, equals, _ in pairs if not equals), None)
    if wrong is not None:
        fail(f"a parameter must read name=value, not {wrong!r}", code=2)
    if pairs:
        body["parameters"] = {name: _plain(value) for name, _, value in pairs}
    if purpose is not None:
        body["purpose"] = purpose
    if legal_basis is not None:
        body["legal_basis"] = legal_basis
    return body


def print_answer(answered: Answered) -> None:
    """One reply for a person: verdict, data, who answered in what time, what went wrong and what to do."""
    reply = answered.reply
    colour = {"OK": "green", "PARTIAL": "yellow", "NOT_FOUND": "yellow", "PENDING": "yellow"}.get(
        reply["status"], "red"
    )
    out.print(f"[bold {colour}]{reply['status']}[/]  HTTP {answered.http_status}  {reply['message_id']}")
    if reply["data"] is not None:
        out.print(json_text(reply["data"]), markup=False)
    for source in reply["sources"]:
        as_of = f", as of {source['as_of']}" if source["as_of"] else ""
        out.print(
            f"  {source['agency']} {source['operation']}: {source['status']}"
            f" in {source['elapsed_ms']} ms, attempts {source['attempts']}{as_of}",
            markup=False,
        )
    for fault in reply["faults"]:
        where = f" at {fault['path']}" if fault["path"] else ""
        out.print(f"  {fault['code']}{where}: {fault['message']['az']}", markup=False)
        out.print(f"  {' ' * len(fault['code'])}  {fault['message']['en']} → {fault['advice']}", markup=False)
    out.print(f"  signature verified: key {answered.signed_by}", markup=False)


def _plain(text: str) -> Any:
    """`7` is a number and `true` a boolean, as in JSON; anything else is text."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return value if isinstance(value, int | float | bool) else text
