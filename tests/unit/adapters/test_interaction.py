"""The block `interaction`: what it may say, what contradicts itself or the contract, and what is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from adapters import later, manifest
from adapters.agency_keys import AgencyKeys
from adapters.endpoint import Endpoint
from adapters.later import Parts, Spoken
from adapters.manifest import Manifest
from adapters.manifest_interaction import How, LaterTerms
from adapters.polling import PolledOperation, at, request_for
from adapters.transport import Transport
from esb.errors import AgencyFault, AgencyRejected, ConfigurationError, ReplyInvalid
from esb.model import AgencyCode, JsonObject
from esb.ports import (
    AgencyAnswer,
    AgencyOperation,
    FieldShape,
    LaterOperation,
    OutgoingCall,
    ProvenAnswer,
    RawAnswer,
)
from esb.routes import expressions

SMALLEST = """\
agency: azsu
title: {az: "Azərsu", en: "Water company"}
owner: Azərsu
contact: {name: Dəstək, email: destek@azsu.example}
legal_basis: Cabinet decision 191/2011
kind: KIND
contract: {version: v1, file: Debt.wsdl}
authentication: none
lifecycle: test
interaction:
"""
POLL = """\
  operations: {Submit: {how: poll, answer: Get, ticket: Ticket, ticket_field: Ticket, ready: "Status == 'DONE'"}}
"""


def read(folder: Path, text: str, *, kind: str = "soap") -> tuple[Manifest | None, list[str]]:
    path = folder / "azsu" / "adapter.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(SMALLEST.replace("KIND", kind) + text, encoding="utf-8")
    found, findings = manifest.read(path)
    return found, [f"{finding.line}: {finding.message}" for finding in findings]


def manifest_of(folder: Path, text: str, *, kind: str = "soap") -> Manifest:
    found, findings = read(folder, text, kind=kind)
    assert findings == []
    assert found is not None
    return found


# --- the block -------------------------------------------------------------------------------------------


def test_smallest_poll_has_defaults(tmp_path: Path) -> None:
    terms = manifest_of(tmp_path, POLL).interaction
    assert terms is not None
    one = terms.operations["Submit"]
    assert (one.how, one.every_s, one.for_s, one.brings) == (How.POLL, 2.0, 600.0, "reply")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("  operations: {Submit: {how: poll}}\n", "how: poll needs answer, the operation that is asked for the answer"),
        ("  operations: {Submit: {how: poll, answer: Get, ticket: T}}\n", "needs ticket_field"),
        ("  operations: {Submit: {how: push}}\n", "how: push needs key, where the answer says which request it is for"),
        ("  operations: {Submit: {how: push, key: T, ready: x}}\n", "ready means nothing with how: push"),
        ("  operations: {Submit: {how: push, key: T, acknowledge: {a: b}}}\n", "acknowledge fills the reply"),
        ("  operations: {Submit: {how: file}}\n", "operations with `how: file` and the block files go together"),
        (POLL + "  files: {outbox: a, inbox: b}\n", "operations with `how: file` and the block files go together"),
        ("  operations: {S: {how: file}}\n  files: {outbox: a, inbox: a}\n", "outbox and inbox must be two folders"),
        ("  operations: {Submit: {how: post}}\n", "'post' is not one of poll, push, file"),
        ("  operations: {Submit: {how: poll, evry_s: 3}}\n", "unknown key 'evry_s'"),
        ("  operations: {Submit: {how: push, key: T, for_s: 99999999}}\n", "for_s"),
    ],
)
def test_what_cannot_work_is_a_finding_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    found, findings = read(tmp_path, text)
    assert found is None
    assert any(says in finding for finding in findings), findings
    assert all(int(finding.partition(":")[0]) >= 10 for finding in findings)


def test_callbacks_are_for_soap(tmp_path: Path) -> None:
    text = "  operations: {Submit: {how: push, key: t, answer: Notify, brings: request}}\n"
    _, findings = read(tmp_path, text, kind="rest")
    assert any("brings: request is for SOAP" in finding for finding in findings)


# --- against the contract --------------------------------------------------------------------------------


class Told:
    """An operation that answers what it was told to."""

    agency = AgencyCode("azsu")

    def __init__(self, name: str, says: AgencyAnswer | Exception | None = None) -> None:
        self.name = name
        self.says = says

    def encode(self, values: JsonObject) -> bytes:
        return repr(values).encode()

    def sign(self, document: bytes, **_: object) -> OutgoingCall:
        return OutgoingCall(method="POST", url="http://azsu.example/", headers={}, body=document)

    async def send(self, call: OutgoingCall, **_: object) -> RawAnswer:
        return RawAnswer(http_status=200, headers={}, body=call.body)

    def verify(self, answer: RawAnswer, _: OutgoingCall, **__: object) -> ProvenAnswer:
        return ProvenAnswer(http_status=200, content=answer.body, signed_at=None)

    def decode(self, _: ProvenAnswer) -> AgencyAnswer:
        if isinstance(self.says, Exception):
            raise self.says
        assert self.says is not None
        return self.says


def shape(request: Mapping[str, Any], reply: Mapping[str, Any]) -> FieldShape:
    def closed(fields: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "object", "properties": {name: {"type": "string"} for name in fields}}

    return FieldShape(
        request_schema=closed(request), reply_schema=closed(reply), request_sample={}, reply_sample=dict(reply)
    )


CONTRACT: dict[str, Spoken] = {
    "Submit": Spoken(operation=cast("AgencyOperation", Told("Submit")), shape=shape({"Pin": ""}, {"Ticket": "T"})),
    "Get": Spoken(
        operation=cast("AgencyOperation", Told("Get")), shape=shape({"Ticket": ""}, {"Status": "DONE", "Ticket": "T"})
    ),
}


def parts(found: Manifest) -> Parts:
    def none(*_: object) -> Any:
        raise AssertionError

    endpoint = Endpoint(manifest=found, url="http://azsu.example/", transport=Transport())
    return Parts(
        manifest=found,
        endpoint=endpoint,
        keys=AgencyKeys(),
        home=Path("/nowhere"),
        wsdl=none,
        wsse_signer=none,
        wsse_verifier=none,
    )


def made(found: Manifest) -> dict[str, Spoken]:
    assert found.interaction is not None
    return later.answered_later(CONTRACT, found.interaction, parts(found))


def test_route_compiler_sees_the_question_of_the_one_and_the_answer_of_the_other(tmp_path: Path) -> None:
    spoken = made(manifest_of(tmp_path, POLL))
    assert list(spoken) == ["Submit"]
    assert isinstance(spoken["Submit"].operation, LaterOperation)
    assert set(spoken["Submit"].shape.request_schema["properties"]) == {"Pin"}
    assert set(spoken["Submit"].shape.reply_schema["properties"]) == {"Status", "Ticket"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (POLL.replace("Submit", "Submitt"), r"no operation 'Submitt' \(did you mean 'Submit'\?\)"),
        (POLL.replace("answer: Get", "answer: Gett"), r"interaction.operations.Submit.answer: .*'Gett'.*'Get'"),
        (POLL.replace("ticket: Ticket", "ticket: Tiket"), "Submit.ticket: there is no field 'Tiket'; there are Ticket"),
        (POLL.replace("ticket_field: Ticket", "ticket_field: Id"), "request of Get: there is no field 'Id'"),
        (POLL.replace("Status == 'DONE'", "Status =="), "Submit.ready: not JMESPath"),
    ],
)
def test_what_the_contract_has_not_is_told_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        made(manifest_of(tmp_path, text))


# --- tickets ---------------------------------------------------------------------------------------------

PROVEN = ProvenAnswer(http_status=200, content=b"", signed_at=datetime(2026, 3, 2, tzinfo=UTC))


def polled(asked: Any, answering: Any = None, **terms: Any) -> PolledOperation:
    values = {"how": How.POLL, "for_s": 60.0, "every_s": 2.0, "answer": "Get", "ticket": "Ack.Ticket"}
    chosen = LaterTerms(**{**values, "ticket_field": "Query.Ticket", **terms})
    ready = expressions.compile("Status == 'DONE'")
    first = cast("AgencyOperation", Told("Submit", asked))
    second = cast("AgencyOperation", Told("Get", answering))
    return PolledOperation(first, second, chosen, ready=ready)


def found(**data: Any) -> AgencyAnswer:
    return AgencyAnswer(found=True, data=data)


def test_receipt_says_under_which_ticket_the_answer_comes() -> None:
    awaits = polled(found(Ack={"Ticket": "T-1"})).decode(PROVEN).awaits
    assert awaits is not None
    assert (awaits.key, awaits.for_s, awaits.look_every_s) == ("T-1", 60.0, 2.0)


def test_ticket_may_be_a_number() -> None:
    awaits = polled(found(Ack={"Ticket": 700012})).decode(PROVEN).awaits
    assert awaits is not None
    assert awaits.key == "700012"


@pytest.mark.parametrize("data", [{}, {"Ack": {}}, {"Ack": {"Ticket": ""}}, {"Ack": "T-1"}, {"Ack": {"Ticket": True}}])
def test_receipt_without_a_ticket_is_no_receipt(data: dict[str, Any]) -> None:
    with pytest.raises(ReplyInvalid, match="no ticket"):
        polled(found(**data)).decode(PROVEN)


def test_ticket_that_is_too_long_is_refused() -> None:
    with pytest.raises(ReplyInvalid, match="too long"):
        polled(found(Ack={"Ticket": "x" * 201})).decode(PROVEN)


def test_no_record_at_once_is_an_answer() -> None:
    answer = polled(AgencyAnswer(found=False, data={})).decode(PROVEN)
    assert (answer.found, answer.awaits) == (False, None)


def test_answer_is_asked_for_with_the_ticket_and_the_constants_of_the_manifest() -> None:
    look = polled(None, values={"Query.System": "esb", "Kind": "1"}).look
    assert look is not None
    assert look.encode({"key": "T-1"}) == b"{'Query': {'System': 'esb', 'Ticket': 'T-1'}, 'Kind': '1'}"
    terms = LaterTerms(how=How.POLL, for_s=1, every_s=1, ticket_field="Ticket")
    assert request_for("T-2", terms) == {"Ticket": "T-2"}


@pytest.mark.parametrize(
    ("says", "awaited"),
    [
        (found(Status="DONE"), False),
        (found(Status="WAIT"), True),
        (found(), True),
        (AgencyAnswer(found=False, data={}), False),
        (AgencyFault("no", agency="azsu", agency_code="Client.NotReady.Soon"), True),
        (AgencyRejected("no", agency="azsu", agency_code="Client.NotReady"), True),
    ],
)
def test_answer_is_there_when_the_condition_says_so(says: Any, *, awaited: bool) -> None:
    look = polled(None, says, not_ready=("Client.NotReady*",)).look
    assert look is not None
    assert (look.decode(PROVEN).awaits is not None) == awaited


def test_other_faults_of_who_is_asked_for_the_answer_are_faults() -> None:
    look = polled(None, AgencyRejected("no", agency="azsu", agency_code="Client.Denied"), not_ready=("X",)).look
    assert look is not None
    with pytest.raises(AgencyRejected):
        look.decode(PROVEN)


def test_text_at_a_path_is_found_only_where_there_is_one() -> None:
    data: JsonObject = {"a": {"b": "c", "n": 7, "t": True, "l": []}}
    assert [at(data, path) for path in ("a.b", "a.n", "a.t", "a.l", "a", "x", "a.b.c")] == [
        "c", "7", None, None, None, None, None,
    ]  # fmt: skip
