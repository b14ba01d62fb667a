"""The operator's command line on a real deployment: outputs, exit codes, and never a traceback."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from typer.main import get_command

import cli
from esb.settings import DESCRIPTIONS, as_environment
from tests.support.agencies import ROOT, Agencies
from tests.support.bus import LiveBus, run_esb, start
from tests.support.quick_bus import quick_settings
from tests.support.replies import recorded

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def shared_home(running_agencies: Agencies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveBus]:
    bus = start(quick_settings(running_agencies, tmp_path_factory.mktemp("commands")))
    yield bus
    bus.stop()


@pytest.fixture
def operated(shared_home: LiveBus, agencies: Agencies) -> LiveBus:
    return shared_home


def good(done: Done) -> str:
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def plain(done: Done) -> Any:
    """What a machine reads."""
    return json.loads(good(done))


def bad(done: Done, code: int, *words: str) -> None:
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert not [word for word in words if word not in done.stderr]


async def parked(bus: LiveBus, agencies: Agencies) -> str:
    """The id of an exchange that needs a person: its agency broke off, and asking twice could do harm."""
    await agencies.behave("din-reg", "cut")
    got = bus.ask("record.once")
    assert got.status == 202
    await agencies.behave_well("din-reg")
    message_id: str = got.reply["message_id"]
    return message_id


# --- messages --------------------------------------------------------------------------------------------


async def test_what_is_parked_is_listed_shown_and_traced_without_personal_data(
    operated: LiveBus, agencies: Agencies
) -> None:
    message_id = await parked(operated, agencies)
    listed = plain(operated.esb("messages", "list", "--state", "PARKED", "--json"))
    row = next(row for row in listed if row["message_id"] == message_id)
    assert (row["caller"], row["route"], row["state"]) == ("portal", "record.once", "PARKED")
    assert row["why"].startswith("agency.timeout")
    shown = operated.esb("messages", "show", message_id)
    traced = operated.esb("messages", "trace", message_id)
    assert message_id in good(shown)
    assert all(kind in good(traced) for kind in ("RECEIVED", "CALLING", "PARKED"))
    assert "7TESTX1" not in shown.stdout + traced.stdout


async def test_why_an_agencys_answer_was_refused_is_shown_to_the_operator_alone(
    operated: LiveBus, agencies: Agencies
) -> None:
    await agencies.behave("din-reg", "sign-wrong")
    got = operated.ask("person.identity")
    assert got.fault["code"] == "agency.signature"
    reason = recorded(operated, got)[-1]["sources"][0]["reason"]
    message_id = got.reply["message_id"]
    shown = plain(operated.esb("messages", "show", message_id, "--json"))
    assert shown["sources"][0].endswith(reason)
    assert reason in " ".join(good(operated.esb("messages", "trace", message_id)).split())
    parked_id = operated.ask("record.once").reply["message_id"]
    assert plain(operated.esb("messages", "show", parked_id, "--json"))["why"] == f"agency.signature: {reason}"
    assert reason not in got.body.decode()


def test_what_was_refused_is_shown_as_the_journal_has_it(operated: LiveBus) -> None:
    got = operated.ask("person.identity", "O")
    assert got.status == 400
    message_id = got.reply["message_id"]
    shown = plain(operated.esb("messages", "show", message_id, "--json"))
    assert (shown["caller"], shown["route"], shown["channel"], shown["code"], shown["state"]) == (
        "portal",
        "person.identity",
        "http",
        "request.schema",
        "REFUSED",
    )
    assert shown["at"]
    for verb in ("show", "trace"):
        told = good(operated.esb("messages", verb, message_id))
        assert not [word for word in ("portal", "person.identity", "http", "request.schema") if word not in told]


async def test_a_parked_exchange_that_is_replayed_runs_again_to_its_one_reply(
    operated: LiveBus, agencies: Agencies
) -> None:
    message_id = await parked(operated, agencies)
    good(operated.esb("messages", "replay", message_id, "--reason", "agency is back"))
    got = operated.message(message_id, wait_s=20)
    assert (got.status, got.reply["status"]) == (200, "OK")
    kinds = [record["kind"] for record in recorded(operated, got)]
    assert kinds == ["RECEIVED", "CALLING", "PARKED", "REPLAYED", "CALLING", "COMPLETED"]
    assert next(r for r in recorded(operated, got) if r["kind"] == "REPLAYED")["reason"] == "agency is back"
    bad(operated.esb("messages", "replay", message_id, "--reason", "again"), 1, "only a parked")


async def test_a_parked_exchange_that_is_dropped_ends_with_a_signed_refusal(
    operated: LiveBus, agencies: Agencies
) -> None:
    message_id = await parked(operated, agencies)
    good(operated.esb("messages", "drop", message_id, "--reason", "asked twice"))
    got = operated.verified(operated.message(message_id))
    assert (got.status, got.reply["status"], got.fault["code"]) == (200, "FAILED", "operator.dropped")
    waiting = operated.send("GET", "/v1/replies?max=100").reply["replies"]
    assert message_id in [entry["message_id"] for entry in waiting]
    bad(operated.esb("messages", "drop", message_id, "--reason", "again"), 1, "COMPLETED")


@pytest.mark.parametrize("act", ["replay", "drop"])
def test_nobody_acts_on_a_message_without_saying_why(operated: LiveBus, act: str) -> None:
    bad(operated.esb("messages", act, "5f1c0de5-0000-4000-8000-000000000009", "--reason", " "), 2, "say why")


def test_a_message_that_is_not_there_is_told(operated: LiveBus) -> None:
    bad(operated.esb("messages", "show", "0b2f6a1e-3c54-4d7b-9a10-5f8e2c7d6b43"), 1, "no message")


# --- callers and keys ------------------------------------------------------------------------------------


def test_a_caller_is_added_granted_and_minted_a_token_that_works(operated: LiveBus) -> None:
    good(operated.esb("callers", "add", "team", "--title-en", "A team"))
    good(operated.esb("callers", "grant", "team", "person.identity", "--purpose", "trial"))
    good(operated.esb("routes", "reload"))
    row = next(row for row in plain(operated.esb("callers", "list", "--json")) if row["caller"] == "team")
    assert (row["routes"], row["keys"]) == (["person.identity"], 1)
    assert row["grants"] == [{"route": "person.identity", "purposes": ["trial"]}]
    assert "person.identity (for trial)" in good(operated.esb("callers", "list"))
    token = good(operated.esb("callers", "token", "team")).strip()
    assert operated.ask("person.identity", token=token, purpose="trial").status == 200
    assert operated.ask("person.identity", caller="team", purpose="another").status == 403
    good(operated.esb("callers", "revoke", "team", "person.identity"))
    good(operated.esb("routes", "reload"))
    assert operated.ask("person.identity", caller="team", purpose="trial").status == 403
    bad(operated.esb("callers", "revoke", "team", "person.identity"), 1, "esb:")


@pytest.mark.parametrize("name", ["Bad_Name", "../../outside"])
def test_a_name_that_cannot_be_one_changes_nothing(operated: LiveBus, name: str) -> None:
    routes, home = Path(operated.settings.routes), Path(operated.settings.home)
    before = (routes.read_bytes(), sorted(home.parent.glob("*/keys/callers/*")))
    bad(operated.esb("callers", "add", name), 2, "form")
    assert (routes.read_bytes(), sorted(home.parent.glob("*/keys/callers/*"))) == before


def test_a_key_that_cannot_be_read_changes_nothing(operated: LiveBus, tmp_path: Path) -> None:
    before = Path(operated.settings.routes).read_bytes()
    (tmp_path / "x.pub.pem").write_text("no key")
    bad(operated.esb("callers", "add", "stranger", "--public-key", str(tmp_path / "x.pub.pem")), 1, "x.pub.pem")
    assert Path(operated.settings.routes).read_bytes() == before


def test_a_grant_to_what_is_not_there_changes_nothing(operated: LiveBus) -> None:
    before = Path(operated.settings.routes).read_bytes()
    bad(operated.esb("callers", "grant", "portal", "person.identiti"), 1, "person.identiti")
    bad(operated.esb("callers", "grant", "nobody", "person.identity"), 1, "nobody")
    bad(operated.esb("callers", "token", "nobody"), 1, "nobody")
    assert Path(operated.settings.routes).read_bytes() == before


def test_a_new_signing_key_is_used_after_a_reload_and_old_replies_still_verify(operated: LiveBus) -> None:
    old = operated.ask("record.small")
    made = plain(operated.esb("keys", "new", "--json"))
    assert Path(made["certificate"]).exists()
    listed = plain(operated.esb("keys", "list", "--json"))
    assert [key["kid"] for key in listed if key["in_force"]] == [made["kid"]]
    good(operated.esb("routes", "reload"))
    new = operated.verified(operated.ask("diploma.by-person", "7TESTO"))
    assert old.headers["esb-signature"].split(".")[0] != new.headers["esb-signature"].split(".")[0]
    operated.verified(old)
    # The simulated agencies know only the first key's certificate, and the tests after this one ask them.
    for file in (Path(operated.settings.home) / "keys" / "bus").glob(f"{made['kid']}.*"):
        file.unlink()
    good(operated.esb("routes", "reload"))


# --- asking, looking, describing -------------------------------------------------------------------------


def test_ask_verifies_the_reply_and_tells_good_from_bad_by_its_exit_code(operated: LiveBus) -> None:
    answered = plain(operated.esb("ask", "student.status", "--subject", "FIN:7TESTXA", "--json"))
    assert (answered["http_status"], answered["reply"]["status"]) == (200, "OK")
    assert answered["signed_by"]
    refused = operated.esb("ask", "student.status", "--subject", "FIN:7TESTO")
    bad(refused, 1)
    assert "FİN" in refused.stdout
    bad(operated.esb("ask", "student.status", "--subject", "nonsense"), 2, "SCHEME:VALUE")
    elsewhere = msgspec.structs.replace(operated.settings, http="127.0.0.1:1")
    bad(run_esb(elsewhere, "ask", "student.status", "--subject", "FIN:7TESTXA"), 3)


@pytest.mark.parametrize(("fin", "code"), [("7TESTXA", 0), ("7TESTO", 1)])
def test_whoever_reads_only_the_beginning_of_a_reply_still_gets_its_exit_code(
    operated: LiveBus, fin: str, code: int
) -> None:
    asking = [sys.executable, str(ROOT / "cli.py"), "ask", "student.status", "--subject", f"FIN:{fin}"]
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "wb") as unread:
        done = subprocess.run(
            asking,
            cwd=ROOT,
            env=as_environment(operated.settings),
            stdout=unread,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    assert (done.returncode, done.stderr) == (code, "")


def test_an_output_that_lacks_letters_gets_them_as_escapes(operated: LiveBus) -> None:
    def in_ascii(*arguments: str) -> Done:
        return subprocess.run(
            [sys.executable, str(ROOT / "cli.py"), *arguments],
            cwd=ROOT,
            env={**as_environment(operated.settings), "PYTHONIOENCODING": "ascii"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert "\\u018fhalinin" in good(in_ascii("callers", "list"))
    assert "Elektron Hökumət portalı" in [row["title"] for row in plain(in_ascii("callers", "list", "--json"))]


def test_doctor_finds_a_good_deployment_good_and_names_what_is_down(operated: LiveBus) -> None:
    checks = {check["what"]: check for check in plain(operated.esb("doctor", "--json"))}
    assert not [check for check in checks.values() if check["problem"]]
    assert "worker 0" in checks["workers"]["found"]
    elsewhere = msgspec.structs.replace(operated.settings, broker_url="amqp://esb:hidden-word@127.0.0.1:1/")
    down = run_esb(elsewhere, "doctor", "--json")
    assert down.returncode == 3
    assert [check["what"] for check in json.loads(down.stdout) if check["problem"]] == ["broker"]
    assert "hidden-word" not in down.stdout + down.stderr


def test_settings_are_listed_without_secrets(operated: LiveBus) -> None:
    secretive = msgspec.structs.replace(operated.settings, key_passphrase="hidden-word")
    listed = run_esb(secretive, "doctor", "--settings", "--json")
    assert {row["setting"] for row in plain(listed)} == {f"ESB_{name.upper()}" for name in DESCRIPTIONS}
    assert "hidden-word" not in listed.stdout


def test_routes_adapters_and_topology_are_described(operated: LiveBus) -> None:
    routes = plain(operated.esb("routes", "list", "--json"))
    assert "person.overview" in [row["route"] for row in routes]
    shown = plain(operated.esb("routes", "show", "person.identity", "--json"))
    assert shown["request"]["subject"] == {"scheme": "FIN", "value": "7TESTX1"}
    bad(operated.esb("routes", "show", "person.nothing"), 1, "person.nothing")
    adapters = plain(operated.esb("adapters", "list", "--json"))
    assert [row["agency"] for row in adapters] == ["din-reg", "mkr", "tn-tm"]
    names = {row["name"] for row in plain(operated.esb("topology", "--json"))}
    assert {"esb.requests", "esb.replies", "esb.parked", "esb.work.din-reg"} <= names
    good(operated.esb("routes", "lint"))


def test_an_error_of_the_deployment_is_told_with_brackets_and_line(operated: LiveBus, tmp_path: Path) -> None:
    routes = tmp_path / "routes.yaml"
    text = Path(operated.settings.routes).read_text("utf-8")
    routes.write_text(text.replace("  portal:\n", "  Portal:\n", 1), "utf-8")
    elsewhere = msgspec.structs.replace(operated.settings, routes=str(routes))
    linted = run_esb(elsewhere, "routes", "lint")
    bad(linted, 1, f"{routes}:3: error", "[a-z]")
    examined = run_esb(elsewhere, "doctor")
    assert examined.returncode == 1
    assert "[a-z]" in examined.stdout
    bad(run_esb(elsewhere, "callers", "list"), 1, "[a-z]")


def test_reload_without_a_bus_says_so(operated: LiveBus, tmp_path: Path) -> None:
    bad(run_esb(msgspec.structs.replace(operated.settings, home=str(tmp_path)), "routes", "reload"), 3, "no bus")


def test_a_setting_that_is_misspelt_is_wrong_use(operated: LiveBus, tmp_path: Path) -> None:
    bad(run_esb(msgspec.structs.replace(operated.settings, max_in_flight=0), "serve"), 2, "ESB_MAX_IN_FLIGHT must be")
    bad(run_esb(msgspec.structs.replace(operated.settings, log_level="loud"), "serve"), 2, "log_level")
    bad(run_esb(msgspec.structs.replace(operated.settings, http="nonsense", node="n2"), "serve"), 2, "host:port")
    bad(operated.esb("messages", "list", "--state", "LOST"), 2, "LOST")
    bad(operated.esb("adapters", "simulate", "nobody"), 2, "din-reg")
    bad(operated.esb("no-such-verb"), 2)


# --- help ------------------------------------------------------------------------------------------------


def verbs(command: typer.core.TyperCommand | Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every verb of the command line, down to the last."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path, command
        return
    for name, child in children.items():
        if not child.hidden:
            yield from verbs(child, (*path, name))


VERBS = dict(verbs(get_command(cli.app)))


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_verb_has_an_example_that_parses(path: tuple[str, ...]) -> None:
    command = VERBS[path]
    assert "Example: " in command.help, "no example"
    words = shlex.split(command.help.rpartition("Example: ")[2].strip().rstrip("."))
    assert tuple(words[: len(path) + 1]) == ("esb", *path)
    command.make_context(" ".join(path), words[len(path) + 1 :], resilient_parsing=False)


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_verb_speaks_to_machines(path: tuple[str, ...]) -> None:
    assert any("--json" in option.opts for option in VERBS[path].params)


def test_what_looks_into_a_journal_does_not_make_one(operated: LiveBus, tmp_path: Path) -> None:
    nowhere = msgspec.structs.replace(operated.settings, home=str(tmp_path / "nowhere"), database_url="")
    unknown = "5f1c0de5-0000-4000-8000-000000000001"
    for verb in (["journal", "verify"], ["messages", "list"], ["messages", "show", unknown]):
        bad(run_esb(nowhere, *verb), 3, "no journal at", "esb serve")
    assert not (tmp_path / "nowhere").exists()
